//! A TURN server in the simulated internet: the relay that `natscope serve --turn` runs.

use crate::stun::responder::Over;
use crate::turn::relay::{Config, Credentials, Path, Policy, Relay, Start, Step};
use std::net::SocketAddr;
use std::time::Duration;

/// A packet that leaves: from, to, payload.
pub(super) type Sent = (SocketAddr, SocketAddr, Vec<u8>);

/// Serves user `lab` with password `lab`.
#[derive(Debug)]
pub(super) struct TurnServer {
    at: SocketAddr,
    relay: Relay,
}

impl TurnServer {
    pub fn new(at: SocketAddr, key: [u8; 32]) -> Self {
        let users = vec![("lab".to_owned(), "lab".to_owned())];
        let config = Config {
            relay: vec![at.ip()],
            // The addresses of documentation are private to it.
            policy: Policy { allow_private: true, ..Policy::default() },
            ..Config::new(Credentials { users, secrets: Vec::new() })
        };
        let start = Start { limit: None, software: String::new(), key, epoch: 0 };
        Self { at, relay: Relay::new(config, start) }
    }

    /// A packet to one of its addresses, and what leaves for it.
    pub fn receive(
        &mut self,
        now: Duration,
        from: SocketAddr,
        to: SocketAddr,
        bytes: &[u8],
    ) -> Option<Sent> {
        let mut out = Vec::new();
        if to != self.at {
            let path = self.relay.receive_from_peer(now, to, from, bytes, &mut out)?;
            return Some((path.local, path.remote, out));
        }
        let path = Path { over: Over::Udp, local: to, remote: from };
        let mut step = self.relay.receive(now, &path, bytes, &mut out);
        loop {
            step = match step {
                Step::Nothing => return None,
                Step::Answer => return Some((to, from, out)),
                Step::Send { from, to, payload } => {
                    return Some((from, to, bytes.get(payload)?.to_vec()));
                }
                Step::Open(opening) => self.relay.opened(now, opening, Ok(()), &mut out),
            };
        }
    }

    /// Payloads carried, both ways.
    pub fn carried(&self) -> u64 {
        self.relay.total().packets()
    }
}
