//! What an attempt came to: the outcome, made from what was observed.

use super::agent::{Agent, State};
use super::explain;
use super::trace::Way;
use super::{Candidate, CheckResult, Connection, Kind, Outcome, Pair, PairEnd, Transport};
use crate::ground::ms;
use std::net::SocketAddr;

impl Agent {
    /// What is known now.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let (selected, connected_ms) = match self.state {
            State::Connected { way, at } => {
                let first = self.schedule.first_check().unwrap_or(at);
                (Some(self.pair(way)), Some(ms(at.saturating_sub(first))))
            }
            _ => (None, None),
        };
        let mut checks: Vec<_> = self
            .trace
            .entries()
            .iter()
            .map(|entry| {
                let pair = self.pair(entry.way);
                let ended = !matches!(self.state, State::Idle | State::Checking);
                let mut check = entry.check(pair.local, pair.remote, ended);
                if check.answered_ms.is_none()
                    && let Some(failure) = self.remotes.refusal(entry.way).cloned()
                {
                    check.result = CheckResult::NotRelayed { failure };
                }
                (self.priority(entry.way), check)
            })
            .collect();
        checks.sort_by_key(|(priority, _)| std::cmp::Reverse(*priority));
        let mut outcome = Outcome {
            connection: selected.map_or(Connection::Failed, |pair| connection(&pair)),
            because: String::new(),
            role: self.session.role(),
            selected,
            connected_ms,
            gathered_ms: self.gathering.ended().map_or(0.0, ms),
            local: self.locals.all().iter().map(|own| own.candidate.clone()).collect(),
            remote: self.remote(),
            stun: self.gathering.record(),
            turn: self.relays.record(),
            checks: checks.into_iter().map(|(_, check)| check).collect(),
            lost: self.lost.clone(),
            avoided: self.avoided(),
        };
        outcome.because = if self.state == State::Idle {
            "the checks have not begun".to_owned()
        } else if self.session.other().is_none() {
            "the peer's description never came".to_owned()
        } else {
            explain::one_side(&outcome, self.trace.strangers(), self.remotes.complete())
        };
        outcome
    }

    /// The peer's candidates, with those that only its checks have shown.
    fn remote(&self) -> Vec<Candidate> {
        let mut all = self.remotes.all().to_vec();
        for entry in self.trace.entries().iter().filter(|entry| !entry.received.is_empty()) {
            let address = entry.way.1;
            if !all.iter().any(|known| known.address == address) {
                all.push(Candidate {
                    foundation: "prflx".to_owned(),
                    component: super::own::COMPONENT,
                    transport: Transport::Udp,
                    priority: super::own::priority(Kind::PeerReflexive, u16::MAX),
                    address,
                    kind: Kind::PeerReflexive,
                    related: None,
                });
            }
        }
        all
    }

    /// Both ends of a way, by how each is known.
    pub(super) fn pair(&self, way: Way) -> Pair {
        let local = PairEnd { kind: self.local_kind(way), address: way.0 };
        let remote = PairEnd { kind: self.remote_kind(way.1), address: way.1 };
        Pair { local, remote, transport: Transport::Udp }
    }

    /// As the peer sees us: by what its answer to our check said.
    fn local_kind(&self, way: Way) -> Kind {
        if self.relays.has(way.0) {
            return Kind::Relayed;
        }
        let mapped = self.trace.entry(way).and_then(|entry| entry.mapped);
        let Some(mapped) = mapped.filter(|mapped| *mapped != way.0) else { return Kind::Host };
        let told = |own: &super::own::Own| own.candidate.address == mapped && own.base == way.0;
        if self.locals.all().iter().any(told) { Kind::ServerReflexive } else { Kind::PeerReflexive }
    }

    fn remote_kind(&self, address: SocketAddr) -> Kind {
        self.remotes.at(address).map_or(Kind::PeerReflexive, |candidate| candidate.kind)
    }

    fn priority(&self, way: Way) -> u64 {
        let local = self.locals.all().iter().find(|own| own.base == way.0);
        let local = local.map_or(0, |own| u64::from(own.candidate.priority));
        let remote = self.remotes.at(way.1).map_or(0, |candidate| u64::from(candidate.priority));
        (local.min(remote) << 32) + 2 * local.max(remote)
    }
}

fn connection(pair: &Pair) -> Connection {
    match (pair.local.kind, pair.remote.kind) {
        (Kind::Relayed, Kind::Relayed) => Connection::RelayBoth,
        (Kind::Relayed, _) | (_, Kind::Relayed) => Connection::RelayOneSide,
        (Kind::Host, Kind::Host) => Connection::DirectHost,
        _ => Connection::DirectReflexive,
    }
}
