//! A whole attempt of two peers: they meet, gather, check, measure, and tell each other what they
//! saw, so that both can report the same.
//!
//! They meet in a room ([`Room`]) or by hand ([`Hand`]: pasted lines, files). Once they are
//! connected they talk over the selected pair, so that a signalling server that goes away
//! takes nothing with it; when they are not, the room is all there is.

mod hand;
mod link;
mod probe;
mod relayed;
mod room;
mod talk;

pub use hand::Hand;
pub use room::Room;

use super::NetError;
use super::allocation;
use super::ice::{self, Options, Peer};
use crate::ground::finding::{Finding, Id, Severity};
use crate::ice::{Avoided, Outcome};
use crate::net::Stop;
use crate::peer::{Relayed, RoundTrips, Side};
use crate::signal::Role;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::Instant;

/// How to take part.
#[derive(Debug, Clone)]
pub struct Config {
    /// Of the ICE agent.
    pub ice: Options,
    /// The servers that the prober asks, by address family; empty for no probing.
    pub probe: Vec<Vec<(String, SocketAddr)>>,
    /// The longest that gathering, checking and measuring may take once the peer is there.
    pub budget: Duration,
    /// The longest to wait for the peer.
    pub wait: Duration,
}

/// How two peers meet.
#[derive(Debug)]
pub enum Meeting {
    /// In a room.
    Room(Room),
    /// People carry the descriptions.
    Hand(Box<dyn Hand>),
}

/// What is worth telling while it goes on.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// A step has begun.
    Doing(&'static str),
    /// Something that the user should see at once.
    Note(String),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Attempt {
    /// Which side this is; none when it ended before that was known.
    pub role: Option<Role>,
    /// This side.
    pub here: Option<Side>,
    /// The other, as far as it told.
    pub there: Option<Side>,
    /// The connection through a relay, tried beside a direct one.
    pub relayed: Option<Relayed>,
    /// It was ended before its time: by whom.
    pub cut_short: Option<String>,
    /// What was noticed outside of either side.
    pub findings: Vec<Finding>,
}

/// Why there was no attempt at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Of the network.
    #[error(transparent)]
    Net(#[from] NetError),
    /// Of signalling: a sentence, safe to print.
    #[error("{0}")]
    Signalling(String),
}

/// Round trips that are measured, and how often.
const ECHOES: u32 = 10;
const ECHO_EVERY: Duration = Duration::from_millis(20);
/// That the budget did not last.
const OVER: &str = "its time was over (--budget)";
/// How long connected peers wait for what servers have not said yet. The peer waits longer for this
/// side's words.
const GATHERING: Duration = Duration::from_secs(8);

/// Runs one side to its end. When `stop` is cancelled it gives what it has.
///
/// # Errors
/// Nothing could be tried: no address, no signalling, a description that is none.
pub async fn run(
    config: Config,
    meeting: Meeting,
    stop: Stop,
    on_progress: &mut dyn FnMut(Progress),
) -> Result<Attempt, ConnectError> {
    let mut session =
        Session { config, stop, attempt: Attempt::default(), probing: None, deadline: None };
    session.probing = Some(probe::start(&session.config, &session.stop));
    session.run(meeting, on_progress).await?;
    Ok(session.attempt)
}

struct Session {
    config: Config,
    stop: Stop,
    attempt: Attempt,
    probing: Option<probe::Probing>,
    /// When the budget ends, from the moment that the peer is there.
    deadline: Option<Instant>,
}

impl Session {
    async fn run(
        &mut self,
        meeting: Meeting,
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<(), ConnectError> {
        let met = match meeting {
            Meeting::Room(room) => self.meet_in_room(room, on_progress).await?,
            Meeting::Hand(hand) => self.meet_by_hand(hand, on_progress).await?,
        };
        let Some(mut met) = met else { return Ok(()) };
        let mut side = self.side(&mut met.peer).await;
        let connected = met.outcome.as_ref().is_some_and(|o| o.selected.is_some());
        if connected && self.attempt.cut_short.is_none() {
            on_progress(Progress::Doing("measuring the round trip"));
            side.round_trips = self.measure(&mut met.peer).await;
        }
        self.attempt.here = Some(side.trimmed());
        if self.attempt.cut_short.is_none() {
            on_progress(Progress::Doing("telling each other"));
            if connected {
                self.talk_over_pair(&mut met, on_progress).await;
            } else {
                self.talk_in_room(&mut met).await;
            }
        }
        if let Some(room) = met.room.take() {
            room.close().await;
        }
        met.peer.close().await;
        Ok(())
    }

    /// Peers that are near connect before every server has answered; what those say belongs into
    /// the report all the same, and a relay is to be measured.
    async fn let_servers_answer(&mut self, peer: &mut Peer) {
        self.within(self.left().min(GATHERING), None, peer.gathered()).await;
    }

    /// What to do about a relay's failure: where a user was refused, what the name itself shows.
    fn advice(&self, uri: &str, failure: &crate::turn::Failure) -> String {
        let refused = matches!(failure, crate::turn::Failure::Unauthorized { .. });
        let server = self.config.ice.turn.iter().find(|server| refused && server.uri == uri);
        let remark = server.and_then(|server| allocation::remark(&server.user));
        remark.unwrap_or_else(|| failure.advice().to_owned())
    }

    /// This side, with what the prober found.
    async fn side(&mut self, peer: &mut Peer) -> Side {
        if self.attempt.cut_short.is_none() {
            self.let_servers_answer(peer).await;
        }
        let (nats, mut findings) = match self.probing.take() {
            Some(probing) => probing.end(self.left()).await,
            None => Default::default(),
        };
        let outcome = peer.outcome();
        for allocation in &outcome.turn {
            if let Some(failure) = &allocation.failure {
                let advice = self.advice(&allocation.server, failure);
                let text = format!("{}: {failure}; {advice}", allocation.server);
                findings.push(Finding::new(Id::NoRelay, text));
            }
        }
        findings.extend(avoided(&outcome.avoided));
        if let Some(why) = &outcome.lost {
            findings.push(Finding::new(Id::ConnectionLost, why.clone()));
        }
        let role = self.attempt.role.unwrap_or(Role::Offer);
        Side { role, nats, outcome: Some(outcome), round_trips: None, findings }
    }

    async fn measure(&mut self, peer: &mut Peer) -> Option<RoundTrips> {
        let all = self.within(self.left(), None, peer.echo(ECHOES, ECHO_EVERY)).await?;
        Some(RoundTrips::of(&all))
    }

    /// What comes of this work; `None` when it was interrupted, or took longer than `limit`, of
    /// which `late` tells if it cuts the attempt short.
    async fn within<T>(
        &mut self,
        limit: Duration,
        late: Option<String>,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        tokio::select! {
            done = work => return Some(done),
            () = self.stop.cancelled() => self.interrupted(),
            () = tokio::time::sleep(limit) => {
                if late.is_some() {
                    self.attempt.cut_short = late;
                }
            }
        }
        None
    }

    /// What is left of the budget.
    fn left(&self) -> Duration {
        let deadline = self.deadline.unwrap_or_else(|| Instant::now() + self.config.budget);
        deadline.saturating_duration_since(Instant::now())
    }

    /// The peer is there: the budget runs.
    fn begin(&mut self) {
        self.deadline = Some(Instant::now() + self.config.budget);
    }

    fn interrupted(&mut self) {
        self.attempt.cut_short = Some("it was interrupted".to_owned());
    }

    fn note(&mut self, id: Id, text: String, on_progress: &mut dyn FnMut(Progress)) {
        on_progress(Progress::Note(text.clone()));
        let finding = Finding { severity: Severity::Warning, ..Finding::new(id, text) };
        self.attempt.findings.push(finding);
    }

    async fn open(&self, role: Role, within: Duration) -> Result<Peer, ConnectError> {
        let mut options = self.config.ice.clone();
        options.pace.patience = options.pace.patience.min(self.config.budget);
        options.pace.peer_within = within;
        Ok(ice::open(options, ice_role(role)).await?)
    }
}

/// Two that have met, and what came of their checks.
struct Met {
    peer: Peer,
    /// None when it was ended before.
    outcome: Option<Outcome>,
    room: Option<super::signal::Client>,
    /// What the peer told of itself while this side was still checking.
    early: Option<Side>,
}

const fn ice_role(role: Role) -> crate::ice::Role {
    match role {
        Role::Offer => crate::ice::Role::Controlling,
        Role::Answer => crate::ice::Role::Controlled,
    }
}

/// The peer named addresses that are none of a peer.
fn avoided(all: &[Avoided]) -> Option<Finding> {
    let first = all.first()?;
    let more = match all.len() - 1 {
        0 => String::new(),
        1 => "; nor to one more".to_owned(),
        more => format!("; nor to {more} more"),
    };
    let text = format!(
        "no check was sent to {}, which the peer named or sent from: {}{more}",
        first.address, first.why
    );
    Some(Finding::new(Id::UnsafeCandidate, text))
}

/// Told at once, while the attempt goes on.
fn tell(progress: &ice::Progress) -> Option<Progress> {
    match progress {
        ice::Progress::RelayLost(uri, failure) => {
            Some(Progress::Note(format!("{uri}: {failure}; {}", failure.advice())))
        }
        ice::Progress::Lost(why) => Some(Progress::Note(format!("the connection was lost: {why}"))),
        _ => None,
    }
}
