//! Meeting in a room: offer, answer and candidates one by one.

use super::{ConnectError, Met, OVER, Peer, Progress, Session, tell};
use crate::ground::finding::Id;
use crate::ice::{Candidate, Outcome};
use crate::net::signal::{Client, Event, Uri, connect};
use crate::net::tls::Tls;
use crate::peer::Side;
use crate::sdp;
use crate::signal::{Message, Role};
use crate::stun::text::safe;
use std::time::Duration;
use tokio::time::Instant;

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Said when the server goes while both know each other.
const GONE: &str = "the signalling server is gone; both sides go on with what they have";

/// Where two peers meet.
#[derive(Debug, Clone)]
pub struct Room {
    /// The signalling server.
    pub uri: Uri,
    /// The room's name.
    pub name: String,
    /// Whom to trust, with `wss`.
    pub tls: Tls,
}

impl Session {
    pub(super) async fn meet_in_room(
        &mut self,
        room: Room,
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<Option<Met>, ConnectError> {
        let said = ConnectError::Signalling;
        on_progress(Progress::Doing("joining the room"));
        let joining = async {
            let mut client = connect(&room.uri, &room.name, &room.tls, PATIENCE)
                .await
                .map_err(|error| error.to_string())?;
            match client.joined(PATIENCE).await {
                Ok((role, there)) => Ok((client, role, there)),
                Err((_, why)) => Err(format!("{}, room {}: {why}", room.uri, room.name)),
            }
        };
        let joined = self.within(Duration::MAX, None, joining).await.transpose().map_err(said)?;
        let Some((client, role, there)) = joined else { return Ok(None) };
        self.attempt.role = Some(role);
        let mut peer = self.open(role, Duration::ZERO).await?;
        let mut meeting = InRoom::new(role, client, there, &peer);
        if !there {
            on_progress(Progress::Doing("waiting for the peer"));
        }
        let outcome = self.in_room(&mut meeting, &mut peer, on_progress).await?;
        Ok(Some(Met { peer, outcome, room: meeting.client, early: meeting.early }))
    }

    /// Until the checks have a result; `None` when it was ended before.
    async fn in_room(
        &mut self,
        meeting: &mut InRoom,
        peer: &mut Peer,
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<Option<Outcome>, ConnectError> {
        let stop = self.stop.clone();
        let mut local = peer.local();
        let mut until = Instant::now() + self.config.wait;
        let mut seen = 0;
        let mut all_seen = false;
        if meeting.there {
            self.begin();
            until = Instant::now() + self.config.budget;
            meeting.offer(peer).await;
        }
        loop {
            let checking = meeting.checking;
            let mut notes = Vec::new();
            let mut progress = |news: crate::net::ice::Progress| notes.extend(tell(&news));
            let mut heard = None;
            tokio::select! {
                outcome = peer.connect(&mut progress), if checking => {
                    notes.into_iter().for_each(&mut *on_progress);
                    return Ok(Some(outcome));
                }
                event = meeting.next() => heard = Some(event),
                next = local.next(), if meeting.described && !all_seen => {
                    seen += usize::from(next.is_some());
                    all_seen = next.is_none();
                    meeting.trickle(next, seen).await;
                }
                () = stop.cancelled() => {
                    self.interrupted();
                    return Ok(None);
                }
                () = tokio::time::sleep_until(until) => {
                    self.attempt.cut_short = Some(meeting.too_late(self.config.wait));
                    return Ok(None);
                }
            }
            notes.into_iter().for_each(&mut *on_progress);
            let Some(event) = heard else { continue };
            let was_there = meeting.there;
            match meeting.hear(event, peer).await? {
                Heard::Nothing => {}
                Heard::Note(id, text) => self.note(id, text, on_progress),
            }
            if meeting.there && !was_there {
                on_progress(Progress::Doing("connecting"));
                self.begin();
                until = Instant::now() + self.config.budget;
            }
        }
    }
}

enum Heard {
    Nothing,
    Note(Id, String),
}

/// One side's view of the room.
struct InRoom {
    role: Role,
    client: Option<Client>,
    there: bool,
    /// Ours was told.
    described: bool,
    /// The peer's is known.
    checking: bool,
    remote: crate::net::ice::Remote,
    ours: Option<sdp::Message>,
    /// The server does not take what is said to it.
    stuck: bool,
    /// How many of our candidates were told.
    told: usize,
    /// What the peer told of itself already.
    early: Option<Side>,
}

impl InRoom {
    fn new(role: Role, client: Client, there: bool, peer: &Peer) -> Self {
        Self {
            role,
            client: Some(client),
            there,
            described: false,
            checking: false,
            remote: peer.remote(),
            ours: None,
            stuck: false,
            told: 0,
            early: None,
        }
    }

    /// What comes next; nothing ever when the server is gone. Cancel-safe.
    async fn next(&mut self) -> Event {
        match &mut self.client {
            Some(_) if self.stuck => Event::Gone("the signalling server takes nothing".to_owned()),
            Some(client) => client.next().await,
            None => std::future::pending().await,
        }
    }

    /// Says something, if the server is there. That it is gone is heard by [`Self::next`].
    async fn say(&mut self, message: &Message) {
        if let Some(client) = &mut self.client {
            let said = tokio::time::timeout(PATIENCE, client.say(message)).await;
            if said.is_err() {
                // it takes nothing any more; what it might still say is of no use then
                self.stuck = true;
            }
        }
    }

    /// Tells the candidate of this number, from 1, or that there are no more. Those that stood in
    /// the description are told already.
    async fn trickle(&mut self, candidate: Option<Candidate>, number: usize) {
        match candidate {
            Some(candidate) if number > self.told => {
                let candidate = sdp::write_candidate(&candidate);
                self.say(&Message::Candidate { candidate }).await;
            }
            Some(_) => {}
            None => self.say(&Message::EndOfCandidates).await,
        }
    }

    /// Tells ours, when it is our turn.
    async fn offer(&mut self, peer: &Peer) {
        if self.role != Role::Offer || self.checking {
            return;
        }
        let description = peer.description();
        self.told = description.candidates.len();
        let message = sdp::Message::offer(description);
        self.say(&Message::Offer { sdp: message.to_sdp() }).await;
        self.described = true;
        self.ours = Some(message);
    }

    async fn hear(&mut self, event: Event, peer: &Peer) -> Result<Heard, ConnectError> {
        let message = match event {
            Event::Said(message) => message,
            Event::Gone(why) => return self.gone(&why),
        };
        match message {
            Message::PeerJoined => {
                self.there = true;
                self.offer(peer).await;
            }
            Message::PeerLeft if !self.checking => {
                self.there = false;
                self.described = false;
            }
            Message::PeerLeft => {
                self.remote.end();
            }
            Message::Offer { sdp } if self.role == Role::Answer && !self.checking => {
                let offer = read(&sdp, sdp::Kind::Offer)?;
                self.there = true;
                self.take(&offer);
                let description = peer.description();
                self.told = description.candidates.len();
                let answer = sdp::Message::answer(description, &offer.description);
                self.say(&Message::Answer { sdp: answer.to_sdp() }).await;
                self.described = true;
            }
            Message::Answer { sdp } if self.role == Role::Offer && !self.checking => {
                let answer = read(&sdp, sdp::Kind::Answer)?;
                if let Some(ours) = &self.ours {
                    let checked = answer.check_answers(&ours.description);
                    checked.map_err(|error| ConnectError::Signalling(error.to_string()))?;
                }
                self.take(&answer);
            }
            Message::Candidate { candidate } if self.checking && !candidate.is_empty() => {
                let entry = sdp::read_candidate(&candidate);
                match entry.map(|entry| entry.usable()) {
                    Ok(Ok(candidate)) => self.remote.add(candidate),
                    Ok(Err(why)) => return Ok(Heard::Note(Id::UnusableCandidate, why.to_string())),
                    Err(error) => {
                        let text = format!("the peer sent a malformed candidate: {error}");
                        return Ok(Heard::Note(Id::MalformedCandidate, text));
                    }
                }
            }
            Message::Facts { facts } => self.early = serde_json::from_value(facts).ok(),
            Message::EndOfCandidates if self.checking => self.remote.end(),
            Message::Error { message, .. } => {
                let text = format!("the signalling server says: {}", safe(message.as_bytes()));
                return Ok(Heard::Note(Id::SignallingError, text));
            }
            _ => {}
        }
        Ok(Heard::Nothing)
    }

    fn take(&mut self, theirs: &sdp::Message) {
        self.remote.set(&theirs.description);
        if theirs.description.complete {
            self.remote.end();
        }
        self.checking = true;
    }

    /// The server has gone: an end where the peers do not know each other yet.
    fn gone(&mut self, why: &str) -> Result<Heard, ConnectError> {
        self.client = None;
        if !self.checking {
            let text = format!("{why}, before the peers knew each other");
            return Err(ConnectError::Signalling(text));
        }
        // nothing can follow any more
        self.remote.end();
        Ok(Heard::Note(Id::SignallingLost, format!("{why}: {GONE}")))
    }

    fn too_late(&self, wait: Duration) -> String {
        if self.checking {
            OVER.to_owned()
        } else if self.there {
            "the peer is in the room, but says nothing of itself: is it natscope?".to_owned()
        } else {
            format!(
                "nobody else came into the room within {wait:?} (--wait): check its name on the other side"
            )
        }
    }
}

fn read(text: &str, kind: sdp::Kind) -> Result<sdp::Message, ConnectError> {
    let message = sdp::Message::read(text).map_err(|error| {
        ConnectError::Signalling(format!("the peer's {kind} is malformed: {error}"))
    })?;
    // in a room the kind is said by the message around it
    Ok(sdp::Message { kind, ..message })
}
