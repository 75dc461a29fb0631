//! A second connection, through a relay, beside a direct one: what a relay would cost.

use super::link::{Link, hear_relayed};
use super::{ECHO_EVERY, ECHOES, ice_role};
use crate::ice::{Kind, Policy};
use crate::net::ice::{self, Options, Peer};
use crate::peer::{Relayed, RoundTrips, Side, Word};
use crate::sdp::Message;
use crate::signal::Role;
use std::time::Duration;

/// The longest that the peer may take for its part.
const PATIENCE: Duration = Duration::from_secs(8);

/// Whose relay to try: the offering side's if it has one. None where the connection goes through
/// a relay already, or there is none.
pub(super) fn by_whom(here: &Side, there: &Side) -> Option<Role> {
    let direct = |side: &Side| side.outcome.as_ref().is_some_and(|o| o.connection.direct());
    let relay = |side: &Side| {
        side.outcome.as_ref().is_some_and(|o| {
            o.local.iter().any(|candidate| candidate.kind == Kind::Relayed)
                && o.turn.iter().any(|t| t.relayed.is_some() && t.failure.is_none())
        })
    };
    if !direct(here) || !direct(there) {
        return None;
    }
    [Role::Offer, Role::Answer].into_iter().find(|&role| {
        let side = if here.role == role { here } else { there };
        relay(side)
    })
}

/// The second connection.
pub(super) struct Second<'a> {
    pub options: &'a Options,
    pub role: Role,
    pub by: Role,
}

impl Second<'_> {
    /// Makes it, measures, and ends it. Both sides come to the same result.
    pub async fn run(&self, link: &mut Link<'_>) -> Relayed {
        let result =
            if self.role == self.by { self.ours(link).await } else { self.theirs(link).await };
        result.unwrap_or_else(|because| self.failed(because))
    }

    fn failed(&self, because: String) -> Relayed {
        Relayed { by: self.by, relay: None, round_trips: None, because: Some(because) }
    }

    /// With this side's relay: it offers, measures, and says what came of it.
    async fn ours(&self, link: &mut Link<'_>) -> Result<Relayed, String> {
        let options = Options { port: None, policy: Policy::RelayOnly, ..self.options.clone() };
        let mut peer =
            ice::gather(options, ice_role(Role::Offer)).await.map_err(|e| e.to_string())?;
        let offer = Message::offer(peer.description());
        link.say(&Word::RelayOffer { sdp: offer.to_sdp() });
        let result = match self.answered(link, &offer, &mut peer).await {
            Ok(result) => result,
            Err(because) => self.failed(because),
        };
        link.say(&Word::Relayed { relayed: result.clone() });
        link.flush(PATIENCE).await;
        peer.close().await;
        Ok(result)
    }

    async fn answered(
        &self,
        link: &mut Link<'_>,
        offer: &Message,
        peer: &mut Peer,
    ) -> Result<Relayed, String> {
        let answer = loop {
            match link.next(PATIENCE).await {
                Some(Word::RelayAnswer { sdp }) => break sdp,
                Some(_) => {}
                None => return Err("the peer did not take part".to_owned()),
            }
        };
        let answer = Message::read(&answer).map_err(|error| error.to_string())?;
        answer.check_answers(&offer.description).map_err(|error| error.to_string())?;
        peer.remote().set_whole(&answer.description);
        let outcome = peer.connect(&mut |_| {}).await;
        let Some(pair) = outcome.selected else { return Err(outcome.because) };
        let round_trips = RoundTrips::of(&peer.echo(ECHOES, ECHO_EVERY).await);
        Ok(Relayed {
            by: self.by,
            relay: Some(pair.local.address),
            round_trips: Some(round_trips),
            because: None,
        })
    }

    /// With the peer's relay: it takes part without one of its own.
    async fn theirs(&self, link: &mut Link<'_>) -> Result<Relayed, String> {
        let options =
            Options { port: None, turn: Vec::new(), policy: Policy::All, ..self.options.clone() };
        let offer = loop {
            match link.next(PATIENCE).await {
                Some(Word::RelayOffer { sdp }) => break sdp,
                Some(Word::Relayed { relayed }) => return Ok(relayed),
                Some(_) => {}
                None => return Err("the peer did not take part".to_owned()),
            }
        };
        let offer = Message::read(&offer).map_err(|error| error.to_string())?;
        let mut peer =
            ice::gather(options, ice_role(Role::Answer)).await.map_err(|e| e.to_string())?;
        let answer = Message::answer(peer.description(), &offer.description);
        link.say(&Word::RelayAnswer { sdp: answer.to_sdp() });
        peer.remote().set_whole(&offer.description);
        // it answers checks and echoes by itself, for as long as it lives
        let mut ignore = |_| {};
        let heard = tokio::select! {
            heard = async { hear_relayed(link, PATIENCE * 2).await } => heard,
            () = async { peer.connect(&mut ignore).await; std::future::pending::<()>().await } => None,
        };
        peer.close().await;
        heard.ok_or_else(|| "the peer did not say what came of it".to_owned())
    }
}
