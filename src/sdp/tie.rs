//! What belongs together in a text: candidates that were told one by one to their description, and
//! an answer to its offer. Where the text does not tell, nothing is tied.

use super::candidate::{Entry, read_value};
use super::paste::{Found, Loose, Pasted, Source};
use super::{Connection, Kind, Line, Sdp, SdpError, Section, Whose};
use std::collections::{HashMap, HashSet};

/// Descriptions that were printed twice count once.
pub(super) fn distinct(found: Vec<Found>) -> Vec<Found> {
    let mut seen: HashMap<Vec<String>, usize> = HashMap::new();
    let mut kept: Vec<Found> = Vec::new();
    for new in found {
        let texts = new.lines.iter().map(|line: &Source| line.text.clone()).collect();
        if let Some(old) = seen.get(&texts).and_then(|&at| kept.get_mut(at)) {
            // whichever of the two says what it is
            old.kind = old.kind.or(new.kind);
            old.whose = old.whose.or(new.whose);
        } else {
            seen.insert(texts, kept.len());
            kept.push(new);
        }
    }
    kept
}

/// Descriptions, with the candidates that came later.
pub(super) fn tie(pasted: Pasted) -> Vec<Sdp> {
    let mut all: Vec<Sdp> = distinct(pasted.found).into_iter().map(Sdp::new).collect();
    let mut ties = Ties::new(&all);
    let mut alone: HashMap<(Option<String>, Option<Whose>), usize> = HashMap::new();
    for loose in pasted.loose {
        let read = read_value(&loose.text, loose.line, loose.before);
        let ufrag =
            read.as_ref().ok().and_then(|e| e.ufrag.clone()).or_else(|| loose.ufrag.clone());
        let at = ties.target(&loose, ufrag.as_deref()).unwrap_or_else(|| {
            // what names nothing belongs to those before it
            *alone.entry((ufrag.clone(), loose.whose)).or_insert_with(|| {
                let whose = loose.whose;
                all.push(Sdp { whose, place: loose.line, lite: pasted.lite, ..Sdp::default() });
                all.len() - 1
            })
        });
        let Some(sdp) = all.get_mut(at) else { continue };
        ties.trickle(sdp, at, &loose, read.map(|entry| Entry { ufrag, ..entry }));
    }
    all
}

/// How candidates find their description, and their section in it.
pub(super) struct Ties {
    described: usize,
    /// The one description, if there is only one, with whose it is and whether it has a user name.
    only: Option<(Option<Whose>, bool)>,
    ufrags: HashMap<String, Vec<usize>>,
    local: Vec<usize>,
    remote: Vec<usize>,
    sections: HashMap<usize, (Vec<Section>, Option<usize>)>,
    /// The candidates that each description has: the same one told again is no other.
    seen: HashSet<(usize, String)>,
}

impl Ties {
    pub(super) fn new(all: &[Sdp]) -> Self {
        let only = match all {
            [only] => Some((only.whose, only.says("ice-ufrag"))),
            _ => None,
        };
        let mut ties = Self {
            described: 0,
            only,
            ufrags: HashMap::new(),
            local: Vec::new(),
            remote: Vec::new(),
            sections: HashMap::new(),
            seen: HashSet::new(),
        };
        for (at, sdp) in all.iter().enumerate() {
            ties.add(at, sdp);
        }
        ties
    }

    /// One more description.
    pub(super) fn add(&mut self, at: usize, sdp: &Sdp) {
        self.described = at + 1;
        for (name, value) in sdp.lines.iter().filter_map(Line::attribute) {
            if let (true, Some(value)) = (name.eq_ignore_ascii_case("ice-ufrag"), value) {
                let of = self.ufrags.entry(value.to_owned()).or_default();
                if of.last() != Some(&at) {
                    of.push(at);
                }
            }
        }
        match sdp.whose {
            Some(Whose::Local) => self.local.push(at),
            Some(Whose::Remote) => self.remote.push(at),
            None => {}
        }
        self.seen.extend(sdp.entries().iter().map(|(_, entry)| (at, key(entry))));
    }

    /// The description that a candidate belongs to, where the text tells.
    pub(super) fn target(&self, loose: &Loose, ufrag: Option<&str>) -> Option<usize> {
        // with several of one name, the last that stands before it
        let last = |of: &Vec<usize>| {
            let before = of.partition_point(|at| *at < loose.after);
            of.get(before.saturating_sub(1)).copied()
        };
        if let Some(at) = ufrag.and_then(|ufrag| self.ufrags.get(ufrag)).and_then(last) {
            return Some(at);
        }
        let of = match loose.whose {
            Some(Whose::Local) => last(&self.local),
            Some(Whose::Remote) => last(&self.remote),
            None => None,
        };
        if of.is_some() {
            return of;
        }
        let (whose, named) = self.only?;
        let other_side = loose.whose.is_some() && whose.is_some();
        let other_name = ufrag.is_some() && named;
        (!other_side && !other_name).then_some(0)
    }

    /// Puts a candidate into the section that it names.
    pub(super) fn trickle(
        &mut self,
        sdp: &mut Sdp,
        at: usize,
        loose: &Loose,
        read: Result<Entry, SdpError>,
    ) {
        if let Ok(entry) = &read
            && !self.seen.insert((at, key(entry)))
        {
            return;
        }
        let (sections, ice) = self
            .sections
            .entry(at)
            .or_insert_with(|| (sdp.sections(), sdp.ice_section().flatten()));
        let named = loose.mid.as_ref().and_then(|mid| {
            sections.iter().find(|s| s.mid.as_deref() == Some(mid.as_str())).map(|s| s.index)
        });
        let section = named.or(loose.index.filter(|index| *index < sections.len()));
        sdp.take(section.or(*ice), read, &loose.text);
    }
}

fn key(entry: &Entry) -> String {
    let Entry { foundation, component, transport, tcp_type, priority, address, kind, .. } = entry;
    format!("{foundation} {component} {transport} {tcp_type:?} {priority} {address} {kind}")
}

/// Which descriptions of one text are an offer and its answer.
pub(super) fn connections(all: &[Sdp]) -> Vec<Connection> {
    let pair = |offer: usize, answer: usize| Connection {
        offer: Some(offer),
        answer: Some(answer),
        ..Connection::default()
    };
    if let [one, other] = all {
        let (one, other) = (one.kind_here(), other.kind_here());
        return match (one, other) {
            (Some(Kind::Answer), Some(Kind::Offer)) => vec![pair(1, 0)],
            // two offers, or two answers, are no pair
            (Some(a), Some(b)) if a == b => Vec::new(),
            _ => vec![pair(0, 1)],
        };
    }
    let mut found = Vec::new();
    let mut offer = None;
    for (at, sdp) in all.iter().enumerate() {
        match (sdp.kind, offer) {
            (Some(Kind::Offer), _) => offer = Some(at),
            (Some(Kind::Answer), Some(first)) => {
                found.push(pair(first, at));
                offer = None;
            }
            _ => {}
        }
    }
    found
}

impl Sdp {
    /// What the text says that it is. What is only guessed by `a=setup` gives way to the order.
    fn kind_here(&self) -> Option<Kind> {
        self.kind.filter(|_| self.declared)
    }
}
