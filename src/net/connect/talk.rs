//! What peers tell each other after the checks: over the pair that they are connected by, or else
//! through the room.

use super::link::Link;
use super::relayed::{self, Second};
use super::{Met, OVER, Progress, Session};
use crate::ground::finding::{Finding, Id};
use crate::net::signal::Event;
use crate::peer::{Side, Word};
use crate::signal::{Message, Role};
use std::time::Duration;
use tokio::time::Instant;

/// How long the peer may say nothing.
const SILENCE: Duration = Duration::from_secs(6);
/// How long the last acknowledgements are still given.
const LINGER: Duration = Duration::from_millis(300);

impl Session {
    /// Both are connected: each tells its side, and the one with a relay tries that too.
    pub(super) async fn talk_over_pair(
        &mut self,
        met: &mut Met,
        on_progress: &mut dyn FnMut(Progress),
    ) {
        let Some(here) = self.attempt.here.clone() else { return };
        let stop = self.stop.clone();
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
            () = stop.cancelled() => ended = Some("it was interrupted"),
            () = tokio::time::sleep(left) => ended = Some(OVER),
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
        self.within(patience, None, talking).await;
        self.told(there);
    }

    /// Keeps what the peer told of itself.
    fn told(&mut self, there: Option<Side>) {
        let role = self.attempt.role.map(Role::other);
        let there = there.map(|side| Side { role: role.unwrap_or(side.role), ..side }.trimmed());
        if there.is_none() && self.attempt.cut_short.is_none() {
            let text = "the peer told nothing of its own side".to_owned();
            self.attempt.findings.push(Finding::new(Id::PeerSilent, text));
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
