//! TURN (RFC 8656), sans-IO: a client's allocation, and a relay.

pub mod address;
pub mod client;
pub mod expiry;
mod failure;
pub mod relay;
mod tls_fault;

pub use client::Client;
pub use failure::Failure;
pub use tls_fault::TlsFault;

use std::fmt;
use std::net::SocketAddr;

/// How a client reaches its TURN server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Over {
    /// `turn:`.
    Udp,
    /// `turn:…?transport=tcp`.
    Tcp,
    /// `turns:`: TLS over TCP.
    Tls,
}

/// A TURN server and how to be let in.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    /// As the user gave it (RFC 7065).
    pub uri: String,
    /// The name that its certificate must be for, when [`Over::Tls`].
    pub name: String,
    /// Its address.
    pub address: SocketAddr,
    /// How to reach it.
    pub over: Over,
    /// The user's name; with time-limited credentials `expiry:name`. Empty: nobody; only a server
    /// that lets anybody in gives an allocation then.
    pub user: String,
    /// The long-term credential (RFC 8489 section 9.2).
    pub password: String,
}

/// Without the password.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("uri", &self.uri)
            .field("address", &self.address)
            .field("over", &self.over)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}
