//! What the library does not look after: whether a silent server is a STUN server, and whether one
//! that was heard of lately still lives.

use super::asked::{Due, Repeat};
use super::{Client, Instant, instant};
use crate::stun::{self, method, types};
use crate::turn::Failure;
use std::time::Duration;
use turn_client_proto::api::{TurnClientApi, TurnPollRet};

/// Asked for by each of our Refresh requests, in seconds; the library asks for as much.
const LIFETIME_S: u32 = 1800;

impl Client {
    /// The requests that the library does not make.
    pub(super) fn look_after(&mut self, now: Duration) {
        let stream = self.stream.is_some();
        if self.relayed.is_none() && self.binding.is_none() && now >= self.heard + self.doubt() {
            let id = stun::random_id();
            let bytes = stun::encode_request(id, stun::Request::default());
            self.binding = Some(Repeat::new(id, bytes, now));
        }
        if let Some(Due::Send(bytes)) =
            self.binding.as_mut().map(|binding| binding.due(now, &self.patience, stream))
        {
            self.out.push_back(bytes);
        }
        if self.relayed.is_some() && self.alive.is_none() && now >= self.heard + self.quiet() {
            self.alive = self.refresh(LIFETIME_S).map(|(id, bytes)| Repeat::new(id, bytes, now));
        }
        match self.alive.as_mut().map(|alive| alive.due(now, &self.patience, stream)) {
            Some(Due::Send(bytes)) => {
                self.asked.note(now, &bytes);
                self.out.push_back(bytes);
            }
            Some(Due::GivenUp) => self.fail(Failure::Lost),
            Some(Due::Wait) | None => {}
        }
    }

    /// Without an answer for so long, the Allocate is in doubt.
    fn doubt(&self) -> Duration {
        self.patience.first * 2
    }

    /// Without a word from the server for so long, it is asked whether it lives: 10 s, in the lab 1 s.
    fn quiet(&self) -> Duration {
        self.patience.first * 20
    }

    /// A signed Refresh. Unlike Binding, a TURN server must answer it, and a server that was
    /// started anew says that it has no such allocation.
    fn refresh(&mut self, lifetime_s: u32) -> Option<(stun::TransactionId, Vec<u8>)> {
        let lifetime = lifetime_s.to_be_bytes();
        let (id, bytes) = self.login.request(method::REFRESH, types::LIFETIME, &lifetime)?;
        Some((id, self.undress(&bytes)))
    }

    /// Gives an allocation back that the library does not know of.
    pub(super) fn give_back(&mut self) {
        if let Some((_, bytes)) = self.refresh(0) {
            self.out.push_back(bytes);
        }
    }

    /// When something is to be done next.
    pub(super) fn next(&mut self, now: Duration) -> Duration {
        if self.ended {
            return now + Duration::from_secs(3600);
        }
        let mut next = match self.proto.poll(instant(now)) {
            TurnPollRet::WaitUntil(at) => duration(at),
            // A millisecond is soon enough to look again.
            _ => now,
        };
        if self.relayed.is_none() && self.binding.is_none() {
            next = next.min(self.heard + self.doubt());
        }
        if self.relayed.is_some() && self.alive.is_none() {
            next = next.min(self.heard + self.quiet());
        }
        for repeat in [&self.binding, &self.alive].into_iter().flatten() {
            next = next.min(repeat.next().unwrap_or(next));
        }
        next.max(now + Duration::from_millis(1))
    }
}

fn duration(at: Instant) -> Duration {
    at.saturating_duration_since(Instant::ZERO + super::EPOCH)
}
