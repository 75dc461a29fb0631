//! Experiments: our server in the lab's internet, and the prober in a client's namespace.

use super::namespace::{Namespace, Submitted};
use super::{Lab, LabError};
use crate::lab::plan::{self, ALTERNATE, SECOND, SERVER};
use crate::nat::NatSpec;
use crate::net::{probe, serve};
use crate::probe::Config;
use crate::probe::record::Record;
use crate::server::Sites;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};

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

/// Starts our server in a namespace and returns when its sockets are open; it serves for as long
/// as the namespace has its thread. Without a rate limit: a lab asks more than a host may.
///
/// # Errors
/// Its sockets cannot be opened.
pub async fn serve(internet: &Namespace) -> Result<(), LabError> {
    let (tell, ready) = oneshot::channel();
    drop(internet.submit(move || async move {
        let sites = Sites::Two { primary: server(), alternate: alternate() };
        let config =
            serve::Config { limit: None, ..serve::Config::new(vec![sites, Sites::One(second())]) };
        match serve::Server::bind(config) {
            Ok(bound) => {
                let _ = tell.send(Ok(()));
                let _ = bound.run(std::future::pending()).await;
            }
            Err(e) => {
                let _ = tell.send(Err(LabError::Experiment(format!("the lab's server: {e}"))));
            }
        }
    }));
    ready.await.map_err(|_| LabError::Experiment("the lab's server has ended".into()))?
}

/// What one probe gave: its record, and how long it took in seconds.
pub type Probed = Result<(Record, f64), LabError>;

/// Starts the prober in a client's namespace, against our server.
#[must_use]
pub fn probe(client: &Namespace, stop: watch::Receiver<bool>) -> Submitted<Probed> {
    client.submit(move || async move {
        let began = Instant::now();
        let config = Config {
            servers: vec![(SERVER_URI.to_owned(), server()), (SECOND_URI.to_owned(), second())],
            budget: BUDGET,
        };
        let record = probe::run(config, &probe::Options::default(), stop, &mut |_| {})
            .await
            .map_err(|e| LabError::Experiment(format!("the prober: {e}")))?;
        Ok((record, began.elapsed().as_secs_f64()))
    })
}
