//! Where the attributes of a message lie when its framing is damaged: with padding or without
//! (RFC 8489 section 14), and how much of the datagram is the message.

use super::read::{MOST_ATTRIBUTES, be16};

/// One attribute, by its place in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Where its type is.
    pub at: usize,
    /// How long its value is.
    pub length: usize,
    /// Whether the next attribute is where RFC 8489 wants it.
    pub padded: bool,
}

impl Place {
    pub fn kind(self, body: &[u8]) -> u16 {
        be16(body, self.at)
    }

    pub fn value(self, body: &[u8]) -> &[u8] {
        body.get(self.at + 4..self.at + 4 + self.length).unwrap_or_default()
    }
}

/// How much of the body is the message, and the attributes that fill it without a rest; `says` is
/// the length in the header. As it should be is tried first.
pub(super) fn of(body: &[u8], says: usize) -> Option<(usize, Vec<Place>)> {
    // A length of nothing before attributes was forgotten, not meant.
    let declared = body.get(..says).filter(|part| !part.is_empty() || body.is_empty());
    if let Some(places) = declared.and_then(fill) {
        return Some((says, places));
    }
    let places = fill(body).filter(|places| says == body.len() || explained(body, says, places))?;
    Some((body.len(), places))
}

/// Whether a sender's habit explains a length that is not the body's.
fn explained(body: &[u8], says: usize, places: &[Place]) -> bool {
    let padded: usize = places.iter().map(|p| 4 + p.length.next_multiple_of(4)).sum();
    let bare: usize = places.iter().map(|p| 4 + p.length).sum();
    let header_too = body.len() + 20;
    [0, padded, bare, header_too].contains(&says) && !places.is_empty()
}

/// The attributes that fill these bytes exactly, padded wherever that is possible.
fn fill(body: &[u8]) -> Option<Vec<Place>> {
    let mut places: Vec<Place> = Vec::new();
    // Offsets from which the end cannot be reached: each is tried once.
    let mut dead = vec![false; body.len() + 1];
    let mut at = 0;
    while at < body.len() {
        let found = attribute(body, at).filter(|_| places.len() < MOST_ATTRIBUTES);
        match found.and_then(|place| place.open(body, &dead)) {
            Some(place) => {
                at = place.next(body);
                places.push(place);
            }
            None => at = step_back(body, &mut places, &mut dead, at)?,
        }
    }
    Some(places)
}

/// Gives up this offset: the last attribute that could also go without its padding does.
fn step_back(
    body: &[u8],
    places: &mut Vec<Place>,
    dead: &mut [bool],
    mut at: usize,
) -> Option<usize> {
    loop {
        if let Some(slot) = dead.get_mut(at) {
            *slot = true;
        }
        let last = places.pop()?;
        if let Some(place) = last.open(body, dead) {
            places.push(place);
            return Some(place.next(body));
        }
        at = last.at;
    }
}

/// The attribute that begins here, taken as padded; type 0 is reserved, and is what padding looks
/// like.
fn attribute(body: &[u8], at: usize) -> Option<Place> {
    let head = body.get(at..at + 4)?;
    let length = usize::from(be16(head, 2));
    (be16(head, 0) != 0 && at + 4 + length <= body.len()).then_some(Place {
        at,
        length,
        padded: true,
    })
}

impl Place {
    /// Where the next attribute begins; the padding of the last one may be missing.
    fn next(self, body: &[u8]) -> usize {
        let end = self.at + 4;
        if self.padded {
            (end + self.length.next_multiple_of(4)).min(body.len())
        } else {
            end + self.length
        }
    }

    /// This attribute, or the same without padding, whichever leads on.
    fn open(self, body: &[u8], dead: &[bool]) -> Option<Self> {
        let bare = Self { padded: self.length.is_multiple_of(4), ..self };
        [self, bare].into_iter().find(|place| dead.get(place.next(body)).is_some_and(|dead| !dead))
    }
}
