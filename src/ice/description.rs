//! What one peer tells the other before they check: credentials and candidates.

use super::Candidate;
use std::fmt;

/// One side of an offer/answer exchange. In SDP it is written and read by `crate::sdp`.
#[derive(Clone, PartialEq, Eq)]
pub struct Description {
    /// 4 to 256 characters of letters, digits, `+` and `/` (RFC 8839 section 5.4).
    pub ufrag: String,
    /// 22 to 256 of them. A secret between the two peers.
    pub pwd: String,
    /// The candidates known so far.
    pub candidates: Vec<Candidate>,
    /// No more will follow (`a=end-of-candidates`, RFC 8840).
    pub complete: bool,
    /// Whether its sender takes candidates later (`a=ice-options:trickle`).
    pub trickle: bool,
}

/// Without the password: logs and reports are read by others.
impl fmt::Debug for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Description")
            .field("ufrag", &self.ufrag)
            .field("candidates", &self.candidates)
            .field("complete", &self.complete)
            .field("trickle", &self.trickle)
            .finish_non_exhaustive()
    }
}
