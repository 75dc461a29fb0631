//! Words between connected peers, over the pair that connects them: nothing gets lost.

use super::Peer;
use crate::peer::{Parcels, Relayed, Word};
use std::time::Duration;
use tokio::time::Instant;

/// A chunk without an acknowledgement is sent again.
const AGAIN: Duration = Duration::from_millis(150);

/// Messages over the selected pair.
pub(super) struct Link<'a> {
    peer: &'a mut Peer,
    parcels: Parcels,
    start: Instant,
}

impl<'a> Link<'a> {
    pub fn new(peer: &'a mut Peer) -> Self {
        Self { peer, parcels: Parcels::new(AGAIN), start: Instant::now() }
    }

    pub fn say(&mut self, word: &Word) {
        // all keys are text, so this does not fail
        let text = serde_json::to_vec(word).unwrap_or_default();
        let _too_long = self.parcels.send(&text);
    }

    /// The next word of the peer, or `None` after this time, or when the connection is lost.
    pub async fn next(&mut self, patience: Duration) -> Option<Word> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(message) = self.parcels.take() {
                match serde_json::from_slice(&message) {
                    Ok(Word::Unknown) | Err(_) => continue,
                    Ok(word) => return Some(word),
                }
            }
            if !self.turn(deadline).await {
                return None;
            }
        }
    }

    /// Sends and receives until everything is delivered, or this time is over.
    pub async fn flush(&mut self, patience: Duration) {
        let deadline = Instant::now() + patience;
        while !self.parcels.is_delivered() && self.turn(deadline).await {}
    }

    /// Answers the peer's repetitions for this long.
    pub async fn linger(&mut self, time: Duration) {
        let deadline = Instant::now() + time;
        while self.turn(deadline).await {}
    }

    /// Sends what is due and waits for one thing; false when the time is over or the connection is
    /// lost.
    async fn turn(&mut self, deadline: Instant) -> bool {
        while let Some(datagram) = self.parcels.transmit(self.start.elapsed()) {
            self.peer.send(&datagram);
        }
        let due = self.parcels.deadline().map_or(deadline, |due| self.start + due);
        tokio::select! {
            datagram = self.peer.receive() => match datagram {
                Some(datagram) => self.parcels.receive(&datagram),
                None => return false,
            },
            () = tokio::time::sleep_until(due.min(deadline)) => {}
        }
        Instant::now() < deadline
    }
}

/// What came of a relay, when the other is to say it.
pub(super) async fn hear_relayed(link: &mut Link<'_>, patience: Duration) -> Option<Relayed> {
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if let Word::Relayed { relayed } = link.next(left).await? {
            return Some(relayed);
        }
    }
}
