//! Meeting by hand: descriptions that people carry.

use super::{ConnectError, Met, OVER, Progress, Session, tell};
use crate::sdp::{Kind, Message, Mismatch};
use crate::signal::Role;
use std::pin::Pin;
use std::time::Duration;

/// Who carries the descriptions.
pub trait Hand: std::fmt::Debug + Send {
    /// Which side this is.
    fn role(&self) -> Role;
    /// Takes ours: shows it, or writes it into a file.
    ///
    /// # Errors
    /// It cannot be written: a sentence.
    fn give(&mut self, ours: &Message) -> Result<(), String>;
    /// Waits for the peer's. Cancel-safe.
    fn take(&mut self) -> Pin<Box<dyn Future<Output = Result<Message, String>> + Send + '_>>;
}

impl Session {
    pub(super) async fn meet_by_hand(
        &mut self,
        mut hand: Box<dyn Hand>,
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<Option<Met>, ConnectError> {
        let role = hand.role();
        self.attempt.role = Some(role);
        let said = ConnectError::Signalling;
        let offer = if role == Role::Answer {
            on_progress(Progress::Doing("waiting for the offer"));
            let Some(offer) = self.taken(hand.as_mut()).await? else { return Ok(None) };
            if offer.kind != Kind::Offer {
                return Err(said(Mismatch::Answer.to_string()));
            }
            Some(offer)
        } else {
            None
        };
        // who answers begins before a person has carried the answer back
        let within = if role == Role::Answer { self.config.wait } else { Duration::ZERO };
        let mut peer = self.open(role, within).await?;
        on_progress(Progress::Doing("gathering candidates"));
        if self.within(Duration::MAX, None, peer.gathered()).await.is_none() {
            return Ok(Some(Met { peer, outcome: None, room: None, early: None }));
        }
        let ours = peer.description();
        let theirs = if let Some(offer) = offer {
            hand.give(&Message::answer(ours, &offer.description)).map_err(said)?;
            offer
        } else {
            let message = Message::offer(ours);
            hand.give(&message).map_err(said)?;
            on_progress(Progress::Doing("waiting for the answer"));
            let Some(answer) = self.taken(hand.as_mut()).await? else {
                return Ok(Some(Met { peer, outcome: None, room: None, early: None }));
            };
            answer.check_answers(&message.description).map_err(|e| said(e.to_string()))?;
            answer
        };
        // by hand nothing follows
        peer.remote().set_whole(&theirs.description);
        on_progress(Progress::Doing("connecting"));
        if role == Role::Answer {
            let text =
                format!("waiting for the other side, at most {within:?} (--wait); Ctrl-C ends it");
            on_progress(Progress::Note(text));
        }
        self.begin();
        let late = Some(OVER.to_owned());
        let mut progress = |news| tell(&news).into_iter().for_each(&mut *on_progress);
        let checks = peer.connect(&mut progress);
        let outcome = self.within(self.config.budget + within, late, checks).await;
        self.begin();
        Ok(Some(Met { peer, outcome, room: None, early: None }))
    }

    /// The peer's description; `None` when it did not come.
    async fn taken(&mut self, hand: &mut dyn Hand) -> Result<Option<Message>, ConnectError> {
        let wait = self.config.wait;
        let late = format!("nothing came from the peer within {wait:?} (--wait)");
        let taken = self.within(wait, Some(late), hand.take()).await;
        taken.transpose().map_err(ConnectError::Signalling)
    }
}
