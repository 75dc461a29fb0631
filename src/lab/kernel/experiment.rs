//! Experiments: our server in the lab's internet, and the prober in a client's namespace.

use super::namespace::{Namespace, Submitted};
use super::{Lab, LabError};
use crate::lab::plan::{self, ALTERNATE, INTERNET_GATEWAY, SECOND, SERVER};
use crate::nat::NatSpec;
use crate::net::Stop;
use crate::net::serve::RelayHandle;
use crate::net::{NetError, probe, serve};
use crate::probe::Config;
use crate::probe::record::Record;
use crate::stun::responder::Sites;
use crate::turn::relay::{self, Credentials};
use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// The server's first port; its second is one higher.
pub const PORT: u16 = 3478;
/// The server as the prober is given it.
pub const SERVER_URI: &str = "stun:203.0.113.1:3478";
/// The second server, a plain one.
pub const SECOND_URI: &str = "stun:203.0.113.2:3478";
/// The longest that one probe may take.
const BUDGET: Duration = Duration::from_secs(30);

/// The server's first endpoint.
#[must_use]
pub const fn server() -> SocketAddr {
    SocketAddr::new(IpAddr::V4(SERVER), PORT)
}

/// The server's other endpoint: other address and other port.
#[must_use]
pub const fn alternate() -> SocketAddr {
    SocketAddr::new(IpAddr::V4(ALTERNATE), PORT + 1)
}

/// The second server's endpoint.
#[must_use]
pub const fn second() -> SocketAddr {
    SocketAddr::new(IpAddr::V4(SECOND), PORT)
}

/// Builds a lab of these NATs with one host behind each.
///
/// # Errors
/// There is no room, or the kernel refuses.
pub async fn build(specs: &[NatSpec], loss_percent: u8) -> Result<Lab, LabError> {
    let plan =
        plan::plan(specs, 1, loss_percent).map_err(|e| LabError::Experiment(e.to_string()))?;
    Lab::build(&plan).await
}

/// The lab's relay as a client is given it.
pub const RELAY_URI: &str = "turn:203.0.113.1:3478";
/// The user that it serves.
pub const RELAY_USER: &str = "lab";
/// Their password.
pub const RELAY_PASSWORD: &str = "lab";

/// Starts our server in a namespace and returns when its sockets are open; it serves for as long
/// as the namespace has its thread. Without a rate limit: a lab asks more than a host may.
///
/// On the first server there is a TURN relay too; what it carries can be read from the handle. The
/// second server has none.
///
/// # Errors
/// Its sockets cannot be opened.
pub async fn serve(internet: &Namespace) -> Result<RelayHandle, LabError> {
    let (tell, ready) = oneshot::channel();
    drop(internet.submit(move || async move {
        match bind() {
            Ok((first, second, relay)) => {
                let _ = tell.send(Ok(relay));
                let (first, second) = (first.run(pending()), second.run(pending()));
                let _ = tokio::join!(first, second);
            }
            Err(e) => {
                let _ = tell.send(Err(LabError::Experiment(format!("the lab's server: {e}"))));
            }
        }
    }));
    ready.await.map_err(|_| LabError::Experiment("the lab's server has ended".into()))?
}

fn bind() -> Result<(serve::Server, serve::Server, RelayHandle), NetError> {
    let plain = |sites| serve::Config { limit: None, ..serve::Config::new(vec![sites]) };
    let users = vec![(RELAY_USER.to_owned(), RELAY_PASSWORD.to_owned())];
    let mut turn = relay::Config::new(Credentials { users, secrets: Vec::new() });
    turn.policy.own.extend([IpAddr::from(SECOND), IpAddr::from(INTERNET_GATEWAY)]);
    let sites = Sites::Two { primary: server(), alternate: alternate() };
    let first = serve::Server::bind(serve::Config { turn: Some(turn), ..plain(sites) })?;
    let second = serve::Server::bind(plain(Sites::One(second())))?;
    let relay = first.relay().ok_or_else(|| NetError::Random("no relay".into()))?;
    Ok((first, second, relay))
}

/// What one probe gave: its record, and how long it took in seconds.
pub type Probed = Result<(Record, f64), LabError>;

/// Starts the prober in a client's namespace, against our server.
#[must_use]
pub fn probe(client: &Namespace, stop: Stop) -> Submitted<Probed> {
    client.submit(move || async move {
        let began = Instant::now();
        let config = Config {
            servers: vec![(SERVER_URI.to_owned(), server()), (SECOND_URI.to_owned(), second())],
            budget: BUDGET,
            fixed: false,
            relays: Vec::new(),
        };
        let record = probe::run(config, &probe::Options::default(), stop, &mut |_| {})
            .await
            .map_err(|e| LabError::Experiment(format!("the prober: {e}")))?;
        Ok((record, began.elapsed().as_secs_f64()))
    })
}
