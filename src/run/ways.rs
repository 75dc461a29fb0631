//! By which ways packets may leave this host.

use crate::net::bind::{Bind, BindTo};
use crate::net::resolve::Family;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// By which ways packets may leave this host; all of them by default.
#[derive(Debug, Clone, Default)]
pub struct Ways {
    /// Over which family.
    pub family: Family,
    /// By which address or interface, and from which port.
    pub bind: Option<BindTo>,
}

impl Ways {
    /// The family that is asked for; where both would do, that of the address to send from.
    #[must_use]
    pub fn family(&self) -> Family {
        if self.family == Family::Any { self.bound() } else { self.family }
    }

    /// Whether the family of this address is asked for.
    #[must_use]
    pub fn wants(&self, address: &SocketAddr) -> bool {
        self.family.wants(address) && self.bound().wants(address)
    }

    /// The family of the address to send from.
    fn bound(&self) -> Family {
        match self.by() {
            Some(Bind::Address(ip)) if ip.is_ipv4() => Family::V4,
            Some(Bind::Address(_)) => Family::V6,
            _ => Family::Any,
        }
    }

    pub(super) fn by(&self) -> Option<&Bind> {
        self.bind.as_ref().map(|bind| &bind.by)
    }

    pub(super) fn port(&self) -> Option<u16> {
        self.bind.as_ref().and_then(|bind| bind.port)
    }

    /// Whether the kernel knows a way there. Nothing is sent.
    pub(super) fn route(&self, to: SocketAddr) -> std::io::Result<()> {
        if self.bind.is_some() {
            return Ok(()); // bound sockets have routes of their own; the driver will see
        }
        let any: SocketAddr = match to {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        UdpSocket::bind(any)?.connect(to)
    }
}
