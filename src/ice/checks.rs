//! The checklist: rice-proto behind a narrow door. The only place that names `rice_proto`.
//!
//! rice-proto pairs candidates, sends checks and answers them, handles role conflicts and nominates
//! (RFC 8445 sections 6 to 8). It is not given everything:
//!
//! - Foundations: every candidate gets one of its own here, so that no pair waits frozen until
//!   another has failed (RFC 8445 section 6.1.2.6): a failure is known after one check's time. What
//!   the peer is told has the foundations of the RFC.
//! - Relayed candidates go in as plain ones with the relayed address for a base, and the caller
//!   takes what leaves there to its TURN client.
//! - Reflexive candidates of ours do not go in: their pairs would be pruned at once (section
//!   6.1.2.4).
//! - Failures: in 0.4.3 a request that was not answered marks a pair of the same base as failed,
//!   maybe another one, and a request of the peer's for a pair that has failed makes it panic. So
//!   nothing fails in it: its requests are repeated for longer than it lives ([`Checks::life`]),
//!   answers with an error or from another address do not go in, and it is not told that the
//!   candidates have ended. The trace keeps surplus repetitions from leaving, and decides when an
//!   attempt has failed.
//!
//! It draws its own random numbers (transaction ids, the tie-breaker): the one thing in this module
//! that a caller cannot determine.

use super::{Pace, Role};
use crate::stun::{Patience, Transmit};
use rice_proto::agent::{Agent, AgentPoll};
use rice_proto::candidate::{Candidate, CandidateType, TransportType};
use rice_proto::stream::Credentials;
use sans_io_time::Instant;
use std::net::SocketAddr;
use std::time::Duration;

/// Sendings of one request; it computes 2 to the power of one less in 32 bits.
const REPEATS: u32 = 32;
/// More events at one time are not to be expected.
const MOST_TURNS: usize = 256;

/// One side's user name fragment and password.
pub(super) type Secrets = (String, String);

/// What rice-proto wants.
#[derive(Debug)]
pub(super) enum Step {
    /// Send this.
    Send { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
    /// This pair is nominated: base, remote.
    Selected(SocketAddr, SocketAddr),
    /// Nothing before this time.
    Wait(Duration),
}

#[derive(Debug)]
pub(super) struct Checks {
    agent: Agent,
    stream: usize,
    component: usize,
    locals: Vec<SocketAddr>,
    remotes: Vec<SocketAddr>,
}

fn instant(now: Duration) -> Instant {
    Instant::from_nanos(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX))
}

fn duration(instant: Instant) -> Duration {
    Duration::from_nanos(u64::try_from(instant.as_nanos()).unwrap_or(0))
}

impl Checks {
    /// `None` when rice-proto does not let itself be set up, which it always does.
    pub fn new(role: Role, pace: &Pace, own: &Secrets, other: &Secrets) -> Option<Self> {
        let mut agent = Agent::builder()
            .trickle_ice(true)
            .controlling(role == Role::Controlling)
            .timing_advance(pace.between.max(Duration::from_millis(5)))
            .set_request_retransmits(pace.check.first, pace.check.most, REPEATS, pace.check.most)
            .build();
        let stream = agent.add_stream();
        let mut handle = agent.mut_stream(stream)?;
        let component = handle.add_component().ok()?;
        handle.set_local_credentials(Credentials::new(own.0.clone(), own.1.clone()));
        handle.set_remote_credentials(Credentials::new(other.0.clone(), other.1.clone()));
        Some(Self { agent, stream, component, locals: Vec::new(), remotes: Vec::new() })
    }

    /// After so long it must be set up anew.
    pub fn life(pace: &Pace) -> Duration {
        Patience { tries: REPEATS, ..pace.check }.total().saturating_sub(pace.check.last)
    }

    pub fn role(&self) -> Role {
        if self.agent.controlling() { Role::Controlling } else { Role::Controlled }
    }

    /// A base that checks leave from.
    pub fn add_local(&mut self, base: SocketAddr, priority: u32) {
        if self.locals.contains(&base) {
            return;
        }
        self.locals.push(base);
        let candidate = self.candidate(&format!("l{}", self.locals.len()), base, priority);
        if let Some(mut stream) = self.agent.mut_stream(self.stream) {
            stream.add_local_candidate(candidate);
        }
    }

    /// An address that checks go to.
    pub fn add_remote(&mut self, address: SocketAddr, priority: u32) {
        if self.remotes.contains(&address) {
            return;
        }
        self.remotes.push(address);
        let candidate = self.candidate(&format!("r{}", self.remotes.len()), address, priority);
        let Some(mut stream) = self.agent.mut_stream(self.stream) else { return };
        // It may have been learnt from a check already, and is then being checked.
        if !stream.remote_candidates().iter().any(|known| known.address == address) {
            stream.add_remote_candidate(candidate);
        }
    }

    fn candidate(&self, foundation: &str, address: SocketAddr, priority: u32) -> Candidate {
        Candidate::builder(
            self.component,
            CandidateType::Host,
            TransportType::Udp,
            foundation,
            address,
        )
        .priority(priority)
        .build()
    }

    /// A packet of the peer's that came in at one of the bases.
    pub fn receive(&mut self, now: Duration, base: SocketAddr, from: SocketAddr, bytes: &[u8]) {
        let transmit = Transmit::new(bytes, TransportType::Udp, from, base);
        if let Some(mut stream) = self.agent.mut_stream(self.stream) {
            stream.handle_incoming_data(self.component, transmit, instant(now));
            while stream.poll_recv().is_some() {}
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self, now: Duration) -> Step {
        // Each turn of the loop takes an event off a queue, or ends it; were it not so, the caller
        // would still come to its other duties.
        for _ in 0..MOST_TURNS {
            if let Some(sent) = self.agent.poll_transmit(instant(now)) {
                let transmit = sent.transmit;
                let bytes = transmit.data.into_vec();
                return Step::Send { from: transmit.from, to: transmit.to, bytes };
            }
            match self.agent.poll(instant(now)) {
                AgentPoll::SelectedPair(selected) => {
                    let pair = selected.selected.candidate_pair();
                    return Step::Selected(pair.local.base_address, pair.remote.address);
                }
                AgentPoll::WaitUntil(until) if duration(until) > now => {
                    return Step::Wait(duration(until));
                }
                AgentPoll::Closed => return Step::Wait(Duration::MAX),
                AgentPoll::WaitUntil(_)
                | AgentPoll::ComponentStateChange(_)
                | AgentPoll::AllocateSocket(_)
                | AgentPoll::RemoveSocket(_)
                | AgentPoll::GatheredCandidate(_)
                | AgentPoll::GatheringComplete(_) => {}
            }
        }
        Step::Wait(now + Duration::from_millis(1))
    }
}
