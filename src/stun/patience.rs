//! How long a request is repeated over UDP (RFC 8489 section 6.2.1).

use std::time::Duration;

/// The schedule of a request that is not answered: sent, sent again after `first`, after twice that
/// and so on up to `most`, and given up `last` after the last of `tries`. Over TCP and TLS it is
/// sent once and given up after [`Patience::total`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Before the second try.
    pub first: Duration,
    /// The longest wait between two tries.
    pub most: Duration,
    /// How often it is sent, 1 or more.
    pub tries: u32,
    /// After the last try.
    pub last: Duration,
}

impl Patience {
    /// For servers anywhere: the first wait and the tries of RFC 8489, but given up after 9.5 s
    /// instead of 39.5 s, since somebody is waiting for a diagnosis.
    #[must_use]
    pub const fn internet() -> Self {
        Self {
            first: Duration::from_millis(500),
            most: Duration::from_millis(1500),
            tries: 7,
            last: Duration::from_secs(2),
        }
    }

    /// For servers on the same machine, half a millisecond away: given up after 0.7 s.
    #[must_use]
    pub const fn lab() -> Self {
        Self {
            first: Duration::from_millis(50),
            most: Duration::from_millis(200),
            tries: 4,
            last: Duration::from_millis(350),
        }
    }

    /// The wait after the `sent`-th try (from 1): until the next, or until it is given up.
    #[must_use]
    pub fn wait(&self, sent: u32) -> Duration {
        if sent >= self.tries {
            return self.last;
        }
        let factor = 1_u32.checked_shl(sent.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.most)
    }

    /// From the first try until it is given up.
    #[must_use]
    pub fn total(&self) -> Duration {
        (1..=self.tries.max(1)).map(|sent| self.wait(sent)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::Patience;
    use std::time::Duration;

    #[test]
    fn the_totals_are_what_the_documentation_says() {
        assert_eq!(Patience::internet().total(), Duration::from_millis(9500));
        assert_eq!(Patience::lab().total(), Duration::from_millis(700));
    }

    #[test]
    fn a_schedule_of_any_length_does_not_overflow() {
        let endless = Patience { tries: u32::MAX, ..Patience::internet() };
        assert_eq!(endless.wait(1_000_000), Duration::from_millis(1500));
        let none = Patience { tries: 0, ..Patience::internet() };
        assert_eq!(none.total(), none.last);
    }
}
