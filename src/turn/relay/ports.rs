//! Ports for relayed addresses: a range, from which they are drawn at random (RFC 8656 section 7.2).

/// A range of ports, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl Default for PortRange {
    /// The dynamic ports, as RFC 8656 section 7.2 wants them: 49152 to 65535.
    fn default() -> Self {
        Self { first: 49_152, last: 65_535 }
    }
}

impl PortRange {
    /// From `first` to `last`; `None` when the range is empty or has port 0 in it.
    #[must_use]
    pub const fn new(first: u16, last: u16) -> Option<Self> {
        if first == 0 || first > last { None } else { Some(Self { first, last }) }
    }

    /// How many there are; at least one.
    #[must_use]
    pub fn count(self) -> usize {
        usize::from(self.last - self.first) + 1
    }
}

impl std::fmt::Display for PortRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl std::str::FromStr for PortRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write the first and the last port, such as 49152-65535".to_owned();
        let (first, last) = text.split_once('-').ok_or_else(wrong)?;
        let port = |text: &str| text.trim().parse().map_err(|_| wrong());
        Self::new(port(first)?, port(last)?).ok_or_else(wrong)
    }
}

/// Which port is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parity {
    Any,
    /// EVEN-PORT without its bit.
    Even,
    /// EVEN-PORT with its bit: the next one must be free too.
    EvenAndNext,
}

/// The ports of one relay address.
#[derive(Debug)]
pub(super) struct Ports {
    range: PortRange,
    taken: Vec<bool>,
}

impl Ports {
    pub fn new(range: PortRange) -> Self {
        Self { range, taken: vec![false; range.count()] }
    }

    /// Takes a free port, the first that fits from a random one on; the next one is taken with it
    /// for [`Parity::EvenAndNext`]. `None`: there is none.
    pub fn take(&mut self, random: u64, parity: Parity) -> Option<u16> {
        let count = self.taken.len();
        let start = usize::try_from(random % u64::try_from(count).ok()?).ok()?;
        let index = (0..count).map(|n| (start + n) % count).find(|&at| self.fits(at, parity))?;
        self.taken[index] = true;
        if parity == Parity::EvenAndNext {
            self.taken[index + 1] = true;
        }
        self.port(index)
    }

    fn fits(&self, index: usize, parity: Parity) -> bool {
        let free = |at: usize| self.taken.get(at) == Some(&false);
        let even = || self.port(index).is_some_and(|port| port % 2 == 0);
        match parity {
            Parity::Any => free(index),
            Parity::Even => free(index) && even(),
            Parity::EvenAndNext => free(index) && even() && free(index + 1),
        }
    }

    fn port(&self, index: usize) -> Option<u16> {
        self.range.first.checked_add(u16::try_from(index).ok()?)
    }

    /// Gives a port back.
    pub fn give(&mut self, port: u16) {
        let index = port.checked_sub(self.range.first).map(usize::from);
        if let Some(taken) = index.and_then(|index| self.taken.get_mut(index)) {
            *taken = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_is_given_once_and_again_when_it_came_back() {
        let range = PortRange::new(50_000, 50_009).expect("a range");
        let mut ports = Ports::new(range);
        let mut given: Vec<u16> = (0..10)
            .map(|n: u64| {
                ports.take(n.wrapping_mul(0x9e37_79b9_7f4a_7c15), Parity::Any).expect("free")
            })
            .collect();
        given.sort_unstable();
        assert_eq!(given, (50_000..=50_009).collect::<Vec<_>>());
        assert_eq!(ports.take(3, Parity::Any), None);
        ports.give(50_004);
        ports.give(1);
        assert_eq!(ports.take(3, Parity::Any), Some(50_004));
    }

    #[test]
    fn an_even_port_is_even_and_its_neighbour_is_kept() {
        let mut ports = Ports::new(PortRange::new(50_001, 50_006).expect("a range"));
        assert_eq!(ports.take(0, Parity::EvenAndNext), Some(50_002));
        assert_eq!(ports.take(0, Parity::EvenAndNext), Some(50_004));
        // 50006 has no neighbour in the range
        assert_eq!(ports.take(0, Parity::EvenAndNext), None);
        assert_eq!(ports.take(0, Parity::Even), Some(50_006));
        assert_eq!(ports.take(0, Parity::Even), None);
        assert_eq!(ports.take(0, Parity::Any), Some(50_001));
        assert_eq!(ports.take(0, Parity::Any), None);
    }

    #[test]
    fn the_last_port_there_is_has_no_neighbour() {
        let mut ports = Ports::new(PortRange::new(65_534, 65_535).expect("a range"));
        assert_eq!(ports.take(1, Parity::EvenAndNext), Some(65_534));
        assert_eq!(ports.take(0, Parity::Any), None);
    }

    #[test]
    fn ranges_are_read_as_they_are_written() {
        assert_eq!("50000-50001".parse(), Ok(PortRange { first: 50_000, last: 50_001 }));
        assert_eq!(PortRange::default().to_string().parse(), Ok(PortRange::default()));
        for bad in ["", "1", "2-1", "0-5", "1-65536", "a-b", "-1-2"] {
            assert!(bad.parse::<PortRange>().is_err(), "{bad}");
        }
    }
}
