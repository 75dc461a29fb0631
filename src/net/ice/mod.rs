//! Drives an ICE agent with real sockets: a peer of a connection.
//!
//! ```text
//! let mut peer = ice::gather(options, Role::Controlling).await?;
//! send(peer.description());
//! peer.remote().set(&received);
//! let outcome = peer.connect(&mut |_| {}).await;
//! let round_trips = peer.echo(10, Duration::from_millis(20)).await;
//! ```
//!
//! With trickle, [`open`] returns before the servers have answered; [`Peer::local`] then gives
//! candidates as they come, and [`Peer::remote`] takes the peer's at any time.

use super::NetError;
use super::bind::Bind;
use crate::ice::{Candidate, Description, Outcome, Pace, Pair, Policy, Role};
use crate::turn;
use std::net::SocketAddr;
use std::time::Duration;

/// How to take part.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// By which address or interface; all of this host's where `None` (loopback and link-local
    /// addresses only when named).
    pub bind: Option<Bind>,
    /// STUN servers: as the user gave them, and their addresses.
    pub stun: Vec<(String, SocketAddr)>,
    /// TURN servers.
    pub turn: Vec<turn::Server>,
    /// The times.
    pub pace: Pace,
    /// Also offer TCP (RFC 6544).
    pub tcp: bool,
    /// Which candidates are used.
    pub policy: Policy,
}

/// What is worth telling while a connection is made.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Progress {
    /// The first check has left this host.
    FirstCheck,
    /// A pair is selected.
    Selected(Pair),
    /// A TURN server was lost; its URI and why.
    RelayLost(String, turn::Failure),
    /// The connection was lost; why.
    Lost(String),
}

/// One of two peers: it answers the other for as long as it lives, whether or not one of its
/// methods is being awaited.
#[derive(Debug)]
pub struct Peer {
    description: Description,
    outcome: Outcome,
}

/// Takes what the other peer says. Clones are the same.
#[derive(Debug, Clone)]
pub struct Remote {}

/// This peer's candidates, as they come.
#[derive(Debug)]
pub struct Local {}

/// Opens the sockets and begins to gather. The description has the host candidates already.
///
/// # Errors
/// No address to use, no socket, or no randomness.
pub async fn open(options: Options, role: Role) -> Result<Peer, NetError> {
    let _ = (options, role);
    std::future::ready(()).await;
    Err(NetError::Random("not there yet".to_owned()))
}

/// Opens the sockets and waits until all servers have answered or were given up.
///
/// # Errors
/// As [`open`].
pub async fn gather(options: Options, role: Role) -> Result<Peer, NetError> {
    let mut peer = open(options, role).await?;
    peer.gathered().await;
    Ok(peer)
}

impl Peer {
    /// What to tell the other peer, as gathered so far.
    #[must_use]
    pub fn description(&self) -> Description {
        self.description.clone()
    }

    /// Waits until no more candidates will come.
    pub async fn gathered(&mut self) {
        std::future::ready(()).await;
    }

    /// A handle that takes what the other peer says, also while [`Self::connect`] runs.
    #[must_use]
    pub fn remote(&self) -> Remote {
        Remote {}
    }

    /// This peer's candidates from the first on, also while [`Self::connect`] runs.
    #[must_use]
    pub fn local(&self) -> Local {
        Local {}
    }

    /// Checks, until a pair is selected or all have failed. Until it is called nothing is sent to
    /// the peer, and what comes from it waits.
    pub async fn connect(&mut self, on_progress: &mut dyn FnMut(Progress)) -> Outcome {
        let _ = on_progress;
        std::future::ready(()).await;
        self.outcome()
    }

    /// Round-trip times over the selected pair, one every `every`; `None` for one that was lost.
    /// The other peer answers for as long as it lives.
    pub async fn echo(&mut self, count: u32, every: Duration) -> Vec<Option<Duration>> {
        let _ = (count, every);
        std::future::ready(()).await;
        Vec::new()
    }

    /// Waits until the connection is lost, and says why.
    pub async fn lost(&mut self) -> String {
        std::future::pending().await
    }

    /// What is known now.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome.clone()
    }

    /// Gives the relays back and ends.
    pub async fn close(self) {
        std::future::ready(()).await;
    }
}

impl Remote {
    /// The other's description: credentials and the candidates so far.
    pub fn set(&self, description: &Description) {
        let _ = description;
    }

    /// One more candidate.
    pub fn add(&self, candidate: Candidate) {
        let _ = candidate;
    }

    /// No more will come.
    pub fn end(&self) {}
}

impl Local {
    /// The next candidate; `None` when there are no more.
    pub async fn next(&mut self) -> Option<Candidate> {
        std::future::ready(()).await;
        None
    }
}
