//! The seam to `net`.

use crate::probe;
use crate::probe::record::Record;
use crate::stun::uri::{Host, Uri};
use std::net::{IpAddr, SocketAddr};
use tokio::sync::watch;

/// What the sockets are bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bind {
    /// A local address.
    Address(IpAddr),
    /// An interface.
    Interface(String),
}

/// The addresses of a URI.
///
/// # Errors
/// A sentence.
pub async fn resolve(uri: &Uri) -> Result<Vec<SocketAddr>, String> {
    match &uri.host {
        Host::Ip(ip) => Ok(vec![SocketAddr::new(*ip, uri.port)]),
        Host::Name(name) => tokio::net::lookup_host((name.as_str(), uri.port))
            .await
            .map(Iterator::collect)
            .map_err(|error| format!("cannot resolve {name}: {error}")),
    }
}

/// Runs one path.
///
/// # Errors
/// A sentence.
pub async fn run(
    _config: probe::Config,
    _bind: Option<&Bind>,
    _stop: watch::Receiver<bool>,
    _on_progress: &mut dyn FnMut(&Record),
) -> Result<Record, String> {
    Err("the driver is not built yet".to_owned())
}
