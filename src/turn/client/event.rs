//! What a client tells its driver.

use crate::turn::Failure;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// What happened to the allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The server gave an address.
    Allocated {
        /// Where peers send to.
        relayed: SocketAddr,
        /// What the server saw as our address.
        mapped: Option<SocketAddr>,
    },
    /// A packet of a peer came through the relay.
    Data {
        /// Who sent it, as the relay saw it.
        peer: SocketAddr,
        /// Its payload.
        payload: Vec<u8>,
    },
    /// Packets from and to this address pass now.
    Permitted(IpAddr),
    /// The server lets no packets from or to this address pass; what waited for it was dropped.
    Refused {
        /// The peer.
        peer: IpAddr,
        /// Why the server refused.
        failure: Failure,
    },
    /// Packets from and to this peer have a channel now: 4 bytes of header instead of 36 or more.
    Bound(SocketAddr),
    /// There is no channel for this peer; packets go on as indications, when they are permitted.
    Unbound {
        /// The peer.
        peer: SocketAddr,
        /// Why the server refused.
        failure: Failure,
    },
    /// The end, before or after [`Event::Allocated`].
    Failed(Failure),
}

/// What [`Client::poll`] wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Poll {
    /// Nothing until then (from the start of the run), but for what [`Client::transmit`] gives.
    Wait(Duration),
    /// Take note of this, and poll again.
    Event(Event),
}
