//! Requests: who asks, then Refresh, CreatePermission and ChannelBind (RFC 8656 sections 8, 10, 12).

use super::allocate::{DEFAULT_LIFETIME, MOST_LIFETIME};
use super::allocation::Clash;
use super::auth::{Admitted, Denied};
use super::reply::{Asked, BAD_REQUEST, Fault, MISMATCH, NO_CAPACITY, OTHER_FAMILY, Question};
use super::{Path, Relay, Step, policy, wire};
use crate::stun::method::{ALLOCATE, CHANNEL_BIND, CREATE_PERMISSION, REFRESH};
use crate::stun::{Strict, types};
use std::time::Duration;

const UNAUTHORIZED: Fault = Fault::new(401, "Unauthorized");
const EXPIRED: Fault = Fault::new(401, "Unauthorized: these credentials have expired");
const STALE_NONCE: Fault = Fault::new(438, "Stale Nonce");
const WRONG_CREDENTIALS: Fault = Fault::new(441, "Wrong Credentials");

impl Relay {
    /// Answers a request; `out` is left as it was for what is no message.
    pub(super) fn request(
        &mut self,
        now: Duration,
        path: &Path,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Step {
        if wire::frame(bytes) != Ok(Some(bytes.len())) {
            return Step::Nothing;
        }
        let Some(message) = Strict::read(bytes) else { return Step::Nothing };
        let question = Question::of(&message);
        let admitted = match self.auth.admit(now, path, &message) {
            Ok(admitted) => admitted,
            Err(denied) => return self.deny(now, path, question, denied, out),
        };
        let key = admitted.key.clone();
        let asked = Asked::read(&message);
        if admitted.expired && !gives_up(question, asked.as_ref().ok()) {
            self.challenge(now, question, path, &EXPIRED, out);
            return Step::Answer;
        }
        let served = asked.and_then(|asked| self.serve(now, path, question, admitted, &asked, out));
        served.unwrap_or_else(|fault| {
            self.refuse(question, Some(&key), &fault, out);
            Step::Answer
        })
    }

    /// Answers who was not let in, no more often than a source may have it: the answer is longer
    /// than the question, and passwords could be tried.
    fn deny(
        &mut self,
        now: Duration,
        path: &Path,
        question: Question,
        denied: Denied,
        out: &mut Vec<u8>,
    ) -> Step {
        if let Some(limiter) = &mut self.limiter
            && !limiter.allows(now, path.remote.ip())
        {
            return Step::Nothing;
        }
        match denied {
            Denied::BadRequest => self.refuse(question, None, &BAD_REQUEST, out),
            Denied::StaleNonce => self.challenge(now, question, path, &STALE_NONCE, out),
            Denied::Challenge | Denied::Wrong => {
                self.challenge(now, question, path, &UNAUTHORIZED, out);
            }
        }
        Step::Answer
    }

    fn serve(
        &mut self,
        now: Duration,
        path: &Path,
        question: Question,
        admitted: Admitted,
        asked: &Asked,
        out: &mut Vec<u8>,
    ) -> Result<Step, Fault> {
        // What has expired is not there, whether or not it has been cleared away.
        let over = |r: &super::allocation::Relayed| now >= r.expires;
        if let Some(&id) = self.paths.get(path)
            && self.at(path).is_some_and(|allocation| allocation.relayed.iter().any(over))
        {
            self.end_some(id, over);
        }
        if self.at(path).is_some_and(|allocation| allocation.user != admitted.user) {
            return Err(WRONG_CREDENTIALS);
        }
        match question.method {
            ALLOCATE => return self.allocate(now, path, question, admitted, asked, out),
            REFRESH => {
                let lifetime = self.refresh(now, path, asked)?.to_be_bytes();
                self.succeed(question, &admitted.key, out, |write| {
                    write.attribute(types::LIFETIME, &lifetime);
                });
            }
            CREATE_PERMISSION => {
                self.create_permission(now, path, asked)?;
                self.succeed(question, &admitted.key, out, |_| {});
            }
            CHANNEL_BIND => {
                self.channel_bind(now, path, asked)?;
                self.succeed(question, &admitted.key, out, |_| {});
            }
            _ => return Ok(Step::Nothing),
        }
        Ok(Step::Answer)
    }

    /// The lifetime that is granted, in seconds; 0 ends the allocation.
    fn refresh(&mut self, now: Duration, path: &Path, asked: &Asked) -> Result<u32, Fault> {
        let id = *self.paths.get(path).ok_or(MISMATCH)?;
        let allocation = self.allocations.get_mut(&id).ok_or(MISMATCH)?;
        let family = match asked.family {
            None => None,
            Some(1) => Some(true),
            Some(2) => Some(false),
            Some(_) => return Err(BAD_REQUEST),
        };
        let meant = |address: std::net::SocketAddr| family.is_none_or(|v4| address.is_ipv4() == v4);
        if !allocation.relayed.iter().any(|relayed| meant(relayed.address)) {
            return Err(OTHER_FAMILY);
        }
        if asked.lifetime == Some(0) {
            self.end_some(id, |relayed| meant(relayed.address));
            return Ok(0);
        }
        let asked = asked.lifetime.map_or(DEFAULT_LIFETIME, |s| Duration::from_secs(s.into()));
        let granted = asked.clamp(DEFAULT_LIFETIME, MOST_LIFETIME);
        for relayed in allocation.relayed.iter_mut().filter(|r| meant(r.address)) {
            relayed.expires = now + granted;
        }
        Ok(u32::try_from(granted.as_secs()).unwrap_or(u32::MAX))
    }

    /// All of the peers, or none.
    fn create_permission(
        &mut self,
        now: Duration,
        path: &Path,
        asked: &Asked,
    ) -> Result<(), Fault> {
        let allocation = self.at(path).ok_or(MISMATCH)?;
        if asked.peers.is_empty() {
            return Err(BAD_REQUEST);
        }
        for &peer in &asked.peers {
            self.check_peer(peer).map_err(Fault::forbidden)?;
            allocation.relayed_for(now, peer.ip()).ok_or(OTHER_FAMILY)?;
        }
        let allocation = self.at_mut(path).ok_or(MISMATCH)?;
        if !allocation.has_room_for(now, &asked.peers) {
            return Err(NO_CAPACITY);
        }
        for peer in &asked.peers {
            allocation.permit(now, peer.ip());
        }
        Ok(())
    }

    fn channel_bind(&mut self, now: Duration, path: &Path, asked: &Asked) -> Result<(), Fault> {
        let allocation = self.at(path).ok_or(MISMATCH)?;
        let (Some(number), Some(&peer)) = (asked.channel, asked.peers.first()) else {
            return Err(BAD_REQUEST);
        };
        if !wire::CHANNELS.contains(&number) {
            return Err(BAD_REQUEST);
        }
        let checked = policy::check_port(peer).and_then(|()| self.check_peer(peer));
        checked.map_err(Fault::forbidden)?;
        allocation.relayed_for(now, peer.ip()).ok_or(OTHER_FAMILY)?;
        let allocation = self.at_mut(path).ok_or(MISMATCH)?;
        if !allocation.has_room_for(now, &[peer]) {
            return Err(NO_CAPACITY);
        }
        match allocation.bind(now, number, peer) {
            Ok(()) => allocation.permit(now, peer.ip()),
            Err(Clash::Bound) => return Err(BAD_REQUEST),
            Err(Clash::Full) => return Err(NO_CAPACITY),
        }
        Ok(())
    }

    pub(super) fn at_mut(&mut self, path: &Path) -> Option<&mut super::Allocation> {
        self.allocations.get_mut(self.paths.get(path)?)
    }
}

/// Whether the request only ends an allocation: that may be done with expired credentials.
fn gives_up(question: Question, asked: Option<&Asked>) -> bool {
    question.method == REFRESH && asked.is_some_and(|asked| asked.lifetime == Some(0))
}
