//! Tokio drivers of the sans-IO floors: the only place outside `lab::kernel` and `cli` with
//! sockets, clocks and random numbers.

// This is the floor that has them; see clippy.toml.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod allocation;
pub mod bind;
pub mod connect;
pub mod file;
mod guests;
pub mod ice;
mod interface;
mod listen;
pub mod probe;
pub mod process;
pub mod resolve;
pub mod serve;
pub mod signal;
pub mod tls;
pub mod turn;
mod udp;
mod vantage;

/// How a run is told to end early and give what it has: cancel it, from anywhere, once.
pub use tokio_util::sync::CancellationToken as Stop;

use std::io;
use std::net::SocketAddr;

/// What went wrong between us and the network: what, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetError {
    /// The name of a server has no address.
    #[error("cannot resolve `{name}`: {why}; check the name, or give an address (stun:192.0.2.1)")]
    Resolve {
        /// The name, safe to print.
        name: String,
        /// What the resolver said.
        why: String,
    },
    /// The host has no such interface.
    #[error("no interface named `{name}`; this host has: {have}")]
    NoInterface {
        /// As given.
        name: String,
        /// The interfaces there are.
        have: String,
    },
    /// The address is not one of this host's.
    #[error("{address} is not an address of this host: {why}")]
    NotOurAddress {
        /// As given.
        address: std::net::IpAddr,
        /// What the system said.
        why: io::Error,
    },
    /// The port that the user named cannot be had.
    #[error("port {} of {} cannot be used: {}", at.port(), at.ip(), taken(why))]
    PortTaken {
        /// The local address and port that were asked for.
        at: SocketAddr,
        /// What the system said.
        why: io::Error,
    },
    /// There is no address to be reached at.
    #[error(
        "this host has no address that a peer could reach: loopback and link-local ones count only \
         when they are named (--bind)"
    )]
    NoAddress,
    /// A socket could not be opened.
    #[error("cannot open a socket on {at}: {why}")]
    Open {
        /// The local address and port that were asked for.
        at: SocketAddr,
        /// What the system said.
        why: io::Error,
    },
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers: {0}")]
    Random(String),
}

/// Why a port cannot be had, and what to do.
fn taken(why: &io::Error) -> String {
    match why.kind() {
        _ if listen::is_taken(why) => {
            "it is in use by another program: end that one, or name another port".to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "this user may not: ports below 1024 are the administrator's on most systems".to_owned()
        }
        _ => why.to_string(),
    }
}

/// The system's randomness.
fn seed() -> Result<[u8; 32], NetError> {
    use rand::TryRng;
    let mut seed = [0; 32];
    rand::rngs::SysRng.try_fill_bytes(&mut seed).map_err(|e| NetError::Random(e.to_string()))?;
    Ok(seed)
}
