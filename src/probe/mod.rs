//! The prober, sans-IO: a [`Prober`] plans and runs the tests of one path, recording what it saw;
//! [`judge`](judge::judge) turns the record into facts. Time is a [`Duration`] since the start of
//! the run, randomness a seed.

pub mod address;
mod exchange;
pub mod judge;
pub mod loss;
pub mod outlook;
mod plan;
mod prober;
pub mod record;
mod transaction;
mod vantage;

pub use prober::Prober;

use crate::ground::icmp::IcmpKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// A socket of the driver's, named by the prober: the n-th that it asked to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketId(pub usize);

/// A TCP transaction of the driver's, named by the prober.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TcpId(pub usize);

/// An allocation of the driver's on a TURN server, named by the prober: the n-th that it asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelayId(pub usize);

/// What to probe. All servers are of one address family: one prober is one path.
#[derive(Debug, Clone)]
pub struct Config {
    /// The servers, the user's own first, each URI with the address it resolved to.
    pub servers: Vec<(String, SocketAddr)>,
    /// TURN servers that may be used as vantage points where the servers leave something open, each
    /// URI with the address it resolved to. The driver knows how they let it in.
    pub relays: Vec<(String, SocketAddr)>,
    /// The longest that the run may take.
    pub budget: Duration,
    /// The mapping socket has a port of the user's choice.
    pub fixed: bool,
}

/// What the prober wants next. Call [`Prober::poll`] until it gives `Wait` or `Done`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Open a fresh UDP socket, on a random port unless `fixed`, and answer with [`Input::Opened`] (its local
    /// address as packets to `toward` would carry it, never unspecified) or
    /// [`Input::OpenFailed`]. `Opened` may be given from within the same poll loop.
    Open {
        /// The socket that this is about.
        socket: SocketId,
        /// What it will talk to.
        toward: SocketAddr,
        /// It shall have the port of the user's choice.
        fixed: bool,
    },
    /// Send a datagram.
    Send {
        /// The socket that this is about.
        socket: SocketId,
        /// The remote endpoint.
        to: SocketAddr,
        /// The datagram or message.
        bytes: Vec<u8>,
    },
    /// Connect to `to` over TCP, send `bytes`, read one STUN message, and answer with
    /// [`Input::Tcp`]; give up when told by [`Output::Done`] or after `patience`.
    Tcp {
        /// The TCP transaction.
        tcp: TcpId,
        /// The remote endpoint.
        to: SocketAddr,
        /// The datagram or message.
        bytes: Vec<u8>,
        /// How long to wait for the answer.
        patience: Duration,
    },
    /// Do this with an allocation; what comes of it is told by [`Input::Relay`].
    Relay {
        /// The allocation.
        relay: RelayId,
        /// What to do.
        wish: Wish,
    },
    /// New facts can be judged: something worth showing was learned.
    Progress,
    /// Nothing to do before this time, or until an input arrives.
    Wait(Duration),
    /// The run is over; close everything.
    Done,
}

/// What the prober wants of an allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Make it, on the n-th of [`Config::relays`], over TCP or TLS where that can be: a NAT whose
    /// filter belongs to the whole host knows a relay that was reached over UDP.
    Open {
        /// The server.
        server: usize,
    },
    /// Ask for a permission for this address (RFC 8656 section 9).
    Permit(IpAddr),
    /// Send a datagram from the relayed address.
    Send {
        /// The peer.
        to: SocketAddr,
        /// The datagram.
        bytes: Vec<u8>,
    },
}

/// What became of an allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// It stands.
    Open {
        /// The relayed address.
        relayed: SocketAddr,
        /// The server was reached over UDP.
        udp: bool,
    },
    /// It does not, or no longer: why.
    Failed(String),
    /// The permission for this address is there.
    Permitted(IpAddr),
    /// The server refuses it: why.
    Refused(IpAddr, String),
    /// A datagram came to the relayed address.
    Data {
        /// Who sent it, as the relay saw it.
        from: SocketAddr,
        /// The datagram.
        bytes: Vec<u8>,
    },
}

/// What happened outside, told to the prober.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// The socket is open and has this local address.
    Opened {
        /// The socket that this is about.
        socket: SocketId,
        /// Its local address.
        local: SocketAddr,
    },
    /// It could not be opened.
    OpenFailed {
        /// The socket that this is about.
        socket: SocketId,
        /// What the system said.
        why: &'a str,
    },
    /// A datagram came in.
    Datagram {
        /// The socket that this is about.
        socket: SocketId,
        /// The remote endpoint it came from.
        from: SocketAddr,
        /// The datagram or message.
        bytes: &'a [u8],
    },
    /// An ICMP error about a datagram sent from `socket` to `to` (or the kernel refused to send:
    /// `offender` is `None`).
    Icmp {
        /// The socket that this is about.
        socket: SocketId,
        /// The remote endpoint.
        to: SocketAddr,
        /// Who sent the error, where known.
        offender: Option<IpAddr>,
        /// What the error says.
        kind: IcmpKind,
    },
    /// A TCP transaction ended: the message, or nothing (refused, timed out, closed).
    Tcp {
        /// The TCP transaction.
        tcp: TcpId,
        /// The datagram or message.
        bytes: Option<&'a [u8]>,
    },
    /// Something became of an allocation.
    Relay {
        /// The allocation.
        relay: RelayId,
        /// What.
        news: &'a News,
    },
    /// The time of the last `Wait` has come.
    Tick,
    /// The user wants to stop: the next poll gives `Done`, and the record is marked.
    Stop,
}

/// A non-negative figure as a whole number; 0 for what is not one.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // the range is checked
pub(crate) fn whole(figure: f64) -> u64 {
    if figure.is_finite() && figure > 0.0 && figure < 1e15 { figure as u64 } else { 0 }
}
