//! What the TURN servers mean for the whole answer.

use super::{TurnServer, TurnVerdict};
use crate::nat::Classic;
use crate::report::Report;

impl Report {
    /// Takes what became of the TURN servers, which may change the answer.
    pub fn tried(&mut self, turn: Vec<TurnServer>) {
        self.turn = turn;
        self.weigh();
    }

    /// Where no UDP passes and a relay works over TCP or TLS, that is the answer.
    pub(in crate::report) fn weigh(&mut self) {
        if let Some(answer) = self.only_relayed() {
            self.traversal.summary = answer;
        }
    }

    /// The answer where nothing but a relay over TCP or TLS connects, as far as can be seen; `None`
    /// elsewhere.
    #[must_use]
    pub fn only_relayed(&self) -> Option<String> {
        let works = |over: &str| {
            self.turn.iter().any(|one| one.verdict == TurnVerdict::Works && one.over == over)
        };
        let over = ["tls", "tcp"].into_iter().find(|over| works(over))?;
        let udp = self.paths.iter().any(|path| path.mapped.is_some())
            || self.turn.iter().any(|one| {
                (one.over == "udp" && one.relayed.is_some())
                    || one.through_by.as_deref() == Some("udp")
            });
        if udp {
            return None;
        }
        let blocked =
            |path: &crate::report::Path| path.facts.classic.value() == Some(&Classic::UdpBlocked);
        let because = if !self.paths.is_empty() && self.paths.iter().all(blocked) {
            "UDP is blocked here"
        } else {
            "no UDP came back from any server that was asked"
        };
        let over = over.to_uppercase();
        Some(format!("TURN over {over} connects you; nothing direct will: {because}."))
    }
}
