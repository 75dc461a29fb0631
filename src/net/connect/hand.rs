//! Meeting by hand: descriptions that people carry.

use super::{ConnectError, Met, Progress, Session, tell};
use crate::sdp::{Kind, Message, Mismatch};
use crate::signal::Role;
use std::pin::Pin;

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
        let within =
            if role == Role::Answer { self.config.wait } else { std::time::Duration::ZERO };
        let mut peer = self.open(role, within).await?;
        on_progress(Progress::Doing("gathering candidates"));
        if !self.gathered(&mut peer).await {
            return Ok(Some(Met { peer, outcome: None, room: None, early: None }));
        }
        let ours = peer.description();
        let (message, theirs) = if let Some(offer) = offer {
            let answer = Message::answer(ours, &offer.description);
            hand.give(&answer).map_err(said)?;
            (answer, offer)
        } else {
            let message = Message::offer(ours);
            hand.give(&message).map_err(said)?;
            on_progress(Progress::Doing("waiting for the answer"));
            let Some(answer) = self.taken(hand.as_mut()).await? else {
                return Ok(Some(Met { peer, outcome: None, room: None, early: None }));
            };
            answer.check_answers(&message.description).map_err(|e| said(e.to_string()))?;
            (message, answer)
        };
        drop(message);
        let remote = peer.remote();
        remote.set(&theirs.description);
        // by hand nothing follows
        remote.end();
        on_progress(Progress::Doing("connecting"));
        if role == Role::Answer {
            let text =
                format!("waiting for the other side, at most {within:?} (--wait); Ctrl-C ends it");
            on_progress(Progress::Note(text));
        }
        self.begin();
        let outcome = self.check(&mut peer, within, on_progress).await;
        self.begin();
        Ok(Some(Met { peer, outcome, room: None, early: None }))
    }

    /// The peer's description; `None` when it did not come.
    async fn taken(&mut self, hand: &mut dyn Hand) -> Result<Option<Message>, ConnectError> {
        let stop = self.stop.clone();
        let wait = self.config.wait;
        tokio::select! {
            taken = hand.take() => taken.map(Some).map_err(ConnectError::Signalling),
            () = stop.cancelled() => {
                self.interrupted();
                Ok(None)
            }
            () = tokio::time::sleep(wait) => {
                let text = format!("nothing came from the peer within {wait:?} (--wait)");
                self.attempt.cut_short = Some(text);
                Ok(None)
            }
        }
    }

    /// Waits until all candidates are there; false when it was interrupted.
    async fn gathered(&mut self, peer: &mut super::Peer) -> bool {
        let stop = self.stop.clone();
        tokio::select! {
            () = peer.gathered() => true,
            () = stop.cancelled() => {
                self.interrupted();
                false
            }
        }
    }

    /// Checks until there is a result; `None` when it was interrupted.
    async fn check(
        &mut self,
        peer: &mut super::Peer,
        within: std::time::Duration,
        on_progress: &mut dyn FnMut(Progress),
    ) -> Option<crate::ice::Outcome> {
        let stop = self.stop.clone();
        let limit = self.config.budget + within;
        let mut progress = |news: super::ice::Progress| {
            if let Some(news) = tell(&news) {
                on_progress(news);
            }
        };
        tokio::select! {
            outcome = peer.connect(&mut progress) => Some(outcome),
            () = stop.cancelled() => {
                self.interrupted();
                None
            }
            () = tokio::time::sleep(limit) => {
                self.attempt.cut_short = Some("its time was over (--budget)".to_owned());
                None
            }
        }
    }
}
