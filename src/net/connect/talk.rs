//! What peers tell each other after the checks: over the pair that they are connected by, or else
//! through the room.

use super::relayed::{self, Second};
use super::{Met, Peer, Progress, Session};
use crate::net::signal::Event;
use crate::signal::{Message, Parcels, Relayed, Role, Side, Word};
use std::time::Duration;
use tokio::time::Instant;

/// A chunk without an acknowledgement is sent again.
const AGAIN: Duration = Duration::from_millis(150);
/// How long the peer may say nothing.
const SILENCE: Duration = Duration::from_secs(6);
/// How long the last acknowledgements are still given.
const LINGER: Duration = Duration::from_millis(300);

/// Messages over the selected pair.
pub(super) struct Link<'a> {
    peer: &'a mut Peer,
    parcels: Parcels,
    start: Instant,
}

impl<'a> Link<'a> {
    fn new(peer: &'a mut Peer) -> Self {
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
    async fn linger(&mut self, time: Duration) {
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

impl Session {
    /// Both are connected: each tells its side, and the one with a relay tries that too.
    pub(super) async fn talk_over_pair(
        &mut self,
        met: &mut Met,
        on_progress: &mut dyn FnMut(Progress),
    ) {
        let Some(here) = self.attempt.here.clone() else { return };
        let mut stop = self.stop.clone();
        let left = self.left();
        let (mut there, mut relayed) = (None, None);
        let talking = async {
            let mut link = Link::new(&mut met.peer);
            link.say(&Word::Side { side: Box::new(here.clone()) });
            there = hear_side(&mut link).await;
            if let Some(there) = &there
                && let Some(by) = relayed::by_whom(&here, there)
            {
                on_progress(Progress::Doing("connecting through the relay too"));
                let second = Second { options: &self.config.ice, role: here.role, by };
                relayed = Some(second.run(&mut link).await);
            }
            link.flush(SILENCE).await;
            link.linger(LINGER).await;
        };
        let mut ended = None;
        tokio::select! {
            () = talking => {}
            _ = stop.wait_for(|stop| *stop) => ended = Some("it was interrupted"),
            () = tokio::time::sleep(left) => ended = Some("its time was over (--budget)"),
        }
        self.attempt.cut_short = ended.map(str::to_owned);
        self.attempt.relayed = relayed;
        self.told(there);
    }

    /// There is no pair: each tells its side through the room, if there is one.
    pub(super) async fn talk_in_room(&mut self, met: &mut Met) {
        let (Some(here), Some(room)) = (self.attempt.here.clone(), &mut met.room) else {
            return self.told(None);
        };
        let mut stop = self.stop.clone();
        let facts = serde_json::to_value(&here).unwrap_or_default();
        room.say(&Message::Facts { facts }).await;
        let mut there = met.early.take();
        let talking = async {
            while there.is_none() {
                match room.next().await {
                    Event::Said(Message::Facts { facts }) => {
                        there = serde_json::from_value::<Side>(facts).ok();
                    }
                    Event::Said(Message::PeerLeft) | Event::Gone(_) => break,
                    Event::Said(_) => {}
                }
            }
        };
        // the other may still be checking when this side has given up
        let patience = self.left().max(SILENCE);
        tokio::select! {
            () = talking => {}
            _ = stop.wait_for(|stop| *stop) => self.interrupted(),
            () = tokio::time::sleep(patience) => {}
        }
        self.told(there);
    }

    /// Keeps what the peer told of itself.
    fn told(&mut self, there: Option<Side>) {
        let role = self.attempt.role.map(Role::other);
        let there = there.map(|side| Side { role: role.unwrap_or(side.role), ..side }.trimmed());
        if there.is_none() && self.attempt.cut_short.is_none() {
            let text = "the peer told nothing of its own side".to_owned();
            let severity = crate::probe::fact::Severity::Info;
            self.attempt.findings.push(super::finding("peer-silent", severity, text));
        }
        self.attempt.there = there;
    }
}

/// The peer's side; it may take as long as its probing.
async fn hear_side(link: &mut Link<'_>) -> Option<Side> {
    let deadline = Instant::now() + SILENCE * 2;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if let Word::Side { side } = link.next(left).await? {
            return Some(*side);
        }
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
