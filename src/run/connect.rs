//! Tries the connection of two hosts for real.

use super::{Relays, Ways, names};
use crate::ground::finding::Finding;
use crate::ice::{Pace, Policy};
use crate::net::Stop;
use crate::net::connect::{self, Meeting, Progress};
use crate::net::ice::Options;
use crate::report::connect::{ConnectReport, Met};
use crate::stun::uri::Uri;
use std::time::Duration;
use tokio::time::Instant;

/// The longest that looking up names may take.
const NAMES: Duration = Duration::from_secs(10);

/// How to take part.
#[derive(Debug, Clone)]
pub struct Config {
    /// The STUN servers to ask.
    pub servers: Vec<Uri>,
    /// How to leave this host.
    pub ways: Ways,
    /// The TURN servers to use.
    pub relays: Relays,
    /// Which candidates are used.
    pub policy: Policy,
    /// How fast: for the internet, or for a network of a few ms.
    pub pace: Pace,
    /// This side's NAT is measured besides.
    pub probe: bool,
    /// The longest that the attempt may take once the peer is there.
    pub budget: Duration,
    /// The longest to wait for the peer.
    pub wait: Duration,
}

impl Config {
    /// These servers, by whatever way there is: half a minute once the peer is there, which may take
    /// ten minutes.
    #[must_use]
    pub fn new(servers: Vec<Uri>) -> Self {
        Self {
            servers,
            ways: Ways::default(),
            relays: Relays::default(),
            policy: Policy::All,
            pace: Pace::internet(),
            probe: true,
            budget: Duration::from_secs(30),
            wait: Duration::from_secs(600),
        }
    }
}

/// Why there was no attempt at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// A TURN server cannot be used.
    #[error("{uri}: {why}")]
    Relay {
        /// The server.
        uri: Uri,
        /// Why, safe to print.
        why: String,
    },
    /// Of the attempt itself.
    #[error(transparent)]
    Attempt(#[from] connect::ConnectError),
}

/// Looks the servers up, meets the peer, and runs this side to its end. When `stop` is cancelled it
/// reports what it has.
///
/// # Errors
/// Nothing could be tried. That the peers do not connect is a result like any other.
pub async fn connect(
    config: &Config,
    meeting: Meeting,
    stop: Stop,
    on_progress: &mut dyn FnMut(Progress),
) -> Result<ConnectReport, ConnectError> {
    let started = jiff::Timestamp::now();
    let clock = Instant::now();
    let mut findings = Vec::new();
    let own = configure(config, &stop, &mut findings).await?;
    let met = if matches!(meeting, Meeting::Room(_)) { Met::Room } else { Met::Hand };
    let mut attempt = connect::run(own, meeting, stop, on_progress).await?;
    attempt.findings.splice(0..0, findings);
    Ok(ConnectReport::new(started, clock.elapsed(), met, attempt))
}

async fn configure(
    config: &Config,
    stop: &Stop,
    findings: &mut Vec<Finding>,
) -> Result<connect::Config, ConnectError> {
    let Config { servers, ways, relays, budget, .. } = config;
    let found = names::look_up(servers, NAMES.min(*budget), stop.clone(), findings).await;
    // a server that is not reached is a candidate less, and the report shows that one
    let groups = names::group(ways, &found, &mut Vec::new());
    let groups: Vec<_> = groups.into_iter().map(|(_, servers)| servers).collect();
    let mut turn = Vec::new();
    for uri in &relays.servers {
        let server = relays.find(uri, ways, Instant::now() + *budget).await;
        turn.push(server.map_err(|why| ConnectError::Relay { uri: uri.clone(), why })?);
    }
    let ice = Options {
        bind: ways.by().cloned(),
        port: ways.port(),
        family: ways.family(),
        stun: groups.concat(),
        turn,
        tls: relays.tls.clone(),
        pace: config.pace,
        policy: config.policy,
    };
    let probe = if config.probe { groups } else { Vec::new() };
    Ok(connect::Config { ice, probe, budget: *budget, wait: config.wait })
}
