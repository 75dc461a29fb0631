//! How quickly an attempt is made, and when it is given up.

use crate::stun::Patience;
use std::time::Duration;

/// The times of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Between two new checks (Ta of RFC 8445 section 14.2); at least 5 ms.
    pub between: Duration,
    /// Of a check.
    pub check: Patience,
    /// Of a question to a STUN or TURN server.
    pub gather: Patience,
    /// How long direct pairs go before pairs with a relay: a relay answers at once, a hole is
    /// punched with the second packet or the third, and the first success wins.
    pub relay_after: Duration,
    /// An attempt that has neither succeeded nor failed ends after this: the peer's candidates did
    /// not come, or did not end.
    pub patience: Duration,
    /// The peer may begin so much later: until it is heard, checks that failed are made again. For
    /// signalling by hand; zero otherwise.
    pub peer_within: Duration,
    /// Between two requests for consent (RFC 7675 section 5.1), which also keep the NATs' bindings.
    pub consent_every: Duration,
    /// Without an answer for so long, the peer counts as gone.
    pub consent_lost: Duration,
}

impl Pace {
    /// For two machines anywhere. A failure is known within 10 s, the peer's end within 12.
    #[must_use]
    pub const fn internet() -> Self {
        let ms = Duration::from_millis;
        let retries = Patience { first: ms(250), most: ms(1600), tries: 7, last: ms(1600) };
        Self {
            between: ms(20),
            check: retries,
            gather: Patience { first: ms(250), most: ms(1000), tries: 5, last: ms(1000) },
            relay_after: ms(800),
            patience: ms(20_000),
            peer_within: Duration::ZERO,
            consent_every: ms(2000),
            consent_lost: ms(10_000),
        }
    }

    /// For a lab, where a round trip takes a millisecond: a failure is known within 1 s.
    #[must_use]
    pub const fn lab() -> Self {
        let ms = Duration::from_millis;
        Self {
            between: ms(5),
            check: Patience { first: ms(40), most: ms(160), tries: 5, last: ms(160) },
            gather: Patience { first: ms(40), most: ms(160), tries: 4, last: ms(160) },
            relay_after: ms(200),
            patience: ms(2500),
            peer_within: Duration::ZERO,
            consent_every: ms(250),
            consent_lost: ms(1000),
        }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::internet()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_comments_promise() {
        let (internet, lab) = (Pace::internet(), Pace::lab());
        assert!(internet.check.total() + internet.relay_after <= Duration::from_secs(10));
        assert!(internet.consent_every + internet.consent_lost <= Duration::from_secs(12));
        assert!(lab.check.total() + lab.relay_after <= Duration::from_secs(1));
    }
}
