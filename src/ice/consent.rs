//! Consent to send (RFC 7675), which is also the keepalive (RFC 8445 section 11): requests over the
//! selected pair, each of which the peer answers while it lives.
//!
//! Deviation: the interval is not spread by ±20 % (section 5.1): there is one connection per run.

use super::Pace;
use super::checks::Secrets;
use super::message::{self, Packet, Terms};
use super::trace::Way;
use crate::stun::{Class, TransactionId};
use rand::RngExt;
use rand::rngs::StdRng;
use std::collections::VecDeque;
use std::time::Duration;

/// Requests right after the pair was selected: the peer may still wait for its first success.
const AT_ONCE: u32 = 4;
/// Requests whose answers count.
const MOST_OPEN: usize = 32;

/// The consent of one peer over one pair.
#[derive(Debug)]
pub(super) struct Consent {
    pub way: Way,
    pace: Pace,
    open: VecDeque<TransactionId>,
    sent: u32,
    unanswered: u32,
    due: Duration,
    answered: Duration,
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Step {
    Send(Vec<u8>),
    Wait(Duration),
    Lost(String),
}

impl Consent {
    /// The check that selected the pair was the first consent.
    pub const fn new(now: Duration, way: Way, pace: Pace) -> Self {
        Self { way, pace, open: VecDeque::new(), sent: 0, unanswered: 0, due: now, answered: now }
    }

    pub fn poll(&mut self, now: Duration, terms: &Terms<'_>, rng: &mut StdRng) -> Step {
        let end = self.answered + self.pace.consent_lost;
        if now >= end && self.unanswered > 0 {
            return Step::Lost(format!(
                "the peer has answered none of {} requests for {:.1} s",
                self.unanswered,
                self.pace.consent_lost.as_secs_f64()
            ));
        }
        if now < self.due {
            return Step::Wait(self.due.min(end));
        }
        let id: TransactionId = rng.random();
        if self.open.len() >= MOST_OPEN {
            self.open.pop_front();
        }
        self.open.push_back(id);
        self.sent = self.sent.saturating_add(1);
        self.unanswered = self.unanswered.saturating_add(1);
        self.due =
            now + if self.sent < AT_ONCE { self.pace.check.first } else { self.pace.consent_every };
        message::request(id, terms).map_or(Step::Wait(self.due), Step::Send)
    }

    /// Takes a packet if it is the answer to one of ours.
    pub fn receive(&mut self, now: Duration, packet: &Packet<'_>, other: &Secrets) -> bool {
        let read = packet.read;
        let Some(at) = self.open.iter().position(|id| *id == read.id) else { return false };
        if read.class == Class::Success && packet.way == self.way && packet.is_of(other) {
            self.open.drain(..=at);
            self.answered = now;
            self.unanswered = 0;
        }
        read.class != Class::Request
    }
}

#[cfg(test)]
mod tests {
    use super::super::Role;
    use super::*;
    use crate::stun;
    use rand::SeedableRng;

    fn secrets(name: &str) -> Secrets {
        (name.to_owned(), format!("{name}-0123456789abcdef012345"))
    }

    #[test]
    fn a_peer_that_stops_answering_is_noticed_in_time() {
        let ms = Duration::from_millis;
        let (own, other) = (secrets("a"), secrets("b"));
        let terms = Terms {
            own: &own,
            other: &other,
            role: Role::Controlling,
            tie_breaker: 7,
            priority: 1,
        };
        let way = ("192.0.2.1:1".parse().expect("ok"), "192.0.2.2:2".parse().expect("ok"));
        let mut rng = StdRng::seed_from_u64(1);
        let pace = Pace::lab();
        let check = stun::Patience { first: ms(20), ..pace.check };
        let pace = Pace { check, consent_every: ms(250), consent_lost: ms(1000), ..pace };
        let mut consent = Consent::new(ms(100), way, pace);
        let (mut now, mut sent) = (ms(100), 0);
        let why = loop {
            match consent.poll(now, &terms, &mut rng) {
                Step::Send(bytes) => {
                    sent += 1;
                    let read = &stun::read(&bytes).expect("a message");
                    assert_eq!((read.class, read.fingerprint), (Class::Request, Some(true)));
                    let packet = Packet { way, bytes: &bytes, read };
                    assert!(packet.is_of(&other) && !packet.is_of(&own));
                    // An answer without the peer's integrity is not its consent.
                    let forged = stun::Success {
                        mapped: way.0,
                        origin: None,
                        other: None,
                        software: None,
                        padding: None,
                        fingerprint: true,
                        classic: None,
                    };
                    let mut answer = Vec::new();
                    stun::encode_success(read.id, &forged, &mut answer);
                    let read = &stun::read(&answer).expect("an answer");
                    let packet = Packet { way, bytes: &answer, read };
                    assert!(consent.receive(now, &packet, &other));
                }
                Step::Wait(until) => now = until,
                Step::Lost(why) => break why,
            }
        };
        assert_eq!(now, ms(1100));
        assert_eq!(sent, 7, "three soon, then one every 250 ms");
        assert!(why.contains("7 requests for 1.0 s"), "{why}");
    }
}
