//! One attempt of a pair: two fresh peers, one of them first.

use super::peer::Peer;
use crate::ice::{Description, Kind, Outcome, Pace, Role};
use crate::lab::kernel::{LabError, LabSite, experiment};
use crate::nat::pair::End;
use crate::net::ice::Options;
use crate::stun::Patience;
use crate::turn;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Which attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Setup {
    /// The side whose first check has left before the other begins.
    pub(super) first: End,
    /// Whether a TURN server is given.
    pub(super) turn: bool,
}

/// An attempt that is over; its peers live on, so that data can be sent.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) setup: Setup,
    /// What `a` and `b` say.
    pub(super) outcomes: [Outcome; 2],
    pub(super) ms: f64,
    pub(super) peers: [Peer; 2],
}

/// The longest that an attempt may take; ten times what one takes that fails.
const LONGEST: Duration = Duration::from_secs(20);

/// The lab has no loss and short ways, but perhaps two busy cores: what answers late is not gone.
fn pace() -> Pace {
    let ms = Duration::from_millis;
    Pace {
        check: Patience { first: ms(50), most: ms(200), tries: 6, last: ms(250) },
        gather: Patience { first: ms(100), most: ms(500), tries: 5, last: ms(500) },
        patience: ms(5000),
        consent_every: ms(5000),
        consent_lost: ms(60_000),
        ..Pace::lab()
    }
}

fn options(site: &LabSite, turn: bool) -> Options {
    let over = |over, suffix: &str| turn::Server {
        uri: format!("{}{suffix}", experiment::RELAY_URI),
        name: experiment::server().ip().to_string(),
        address: experiment::server(),
        over,
        user: experiment::RELAY_USER.into(),
        password: experiment::RELAY_PASSWORD.into(),
    };
    // where no UDP passes the relay is reached over TCP; a client with both would ask for both
    let blocked = site.plan.boxes.iter().any(|b| b.spec.truth().udp_blocked);
    let servers = match (turn, blocked) {
        (false, _) => Vec::new(),
        (true, false) => vec![over(turn::Over::Udp, "")],
        (true, true) => vec![over(turn::Over::Tcp, "?transport=tcp")],
    };
    Options {
        stun: vec![(experiment::SERVER_URI.into(), experiment::server())],
        turn: servers,
        pace: pace(),
        ..Options::default()
    }
}

/// A description as it is told: without private host addresses, as a browser would hide them. Each
/// host of the lab has the same one, and the first check must go to where the other NAT is.
fn told(mut description: Description) -> Description {
    let private = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => ip.is_private() || (ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64),
        IpAddr::V6(_) => true,
    };
    description.candidates.retain(|c| c.kind != Kind::Host || !private(c.address));
    description
}

/// Makes the attempt between the first hosts of two sites. `a` has the controlling role.
///
/// # Errors
/// A peer cannot be started, has ended early, or neither connects nor fails.
pub(super) async fn attempt(sites: [&LabSite; 2], setup: Setup) -> Result<Attempt, LabError> {
    let names = sites.map(|site| site.plan.name.as_str()).join(" × ");
    let late = |_| LabError::Experiment(format!("{names}: no end after {} s", LONGEST.as_secs()));
    tokio::time::timeout(LONGEST, connect(sites, setup)).await.map_err(late)?
}

async fn connect(sites: [&LabSite; 2], setup: Setup) -> Result<Attempt, LabError> {
    let [host_a, host_b] = sites.map(LabSite::host);
    let (a, b) = tokio::try_join!(
        Peer::open(host_a?, options(sites[0], setup.turn), Role::Controlling),
        Peer::open(host_b?, options(sites[1], setup.turn), Role::Controlled),
    )?;
    let began = Instant::now();
    let (first, second) = match setup.first {
        End::A => (&a, &b),
        End::B => (&b, &a),
    };
    let mut ahead = first.connect(told(second.description.clone()));
    ahead.first_check().await;
    let behind = second.connect(told(first.description.clone()));
    let (ahead, behind) = tokio::try_join!(ahead.done(), behind.done())?;
    let outcomes = match setup.first {
        End::A => [ahead, behind],
        End::B => [behind, ahead],
    };
    let ms = began.elapsed().as_secs_f64() * 1e3;
    Ok(Attempt { setup, outcomes, ms, peers: [a, b] })
}
