//! `--bind`: which local address or interface packets leave by.

use super::NetError;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// A local address or an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bind {
    /// A local address.
    Address(IpAddr),
    /// An interface, by name.
    Interface(String),
}

impl FromStr for Bind {
    type Err = std::convert::Infallible;

    /// What is not an address is the name of an interface.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text.parse().map_or_else(|_| Self::Interface(text.to_owned()), Self::Address))
    }
}

impl Bind {
    /// Whether this host has it.
    ///
    /// # Errors
    /// [`NetError::NoInterface`] with the interfaces there are, [`NetError::NotOurAddress`].
    pub fn check(&self) -> Result<(), NetError> {
        match self {
            Self::Address(address) => std::net::UdpSocket::bind(SocketAddr::new(*address, 0))
                .map(drop)
                .map_err(|why| NetError::NotOurAddress { address: *address, why }),
            Self::Interface(name) => {
                let have = interfaces();
                if have.iter().any(|known| known == name) {
                    return Ok(());
                }
                let name = crate::stun::text::safe(name.as_bytes());
                Err(NetError::NoInterface { name, have: have.join(", ") })
            }
        }
    }

    /// Whether packets of this family can leave by it.
    #[must_use]
    pub const fn fits(&self, ipv4: bool) -> bool {
        match self {
            Self::Address(address) => address.is_ipv4() == ipv4,
            Self::Interface(_) => true,
        }
    }
}

#[cfg(target_os = "linux")]
fn interfaces() -> Vec<String> {
    let Ok(all) = nix::net::if_::if_nameindex() else { return Vec::new() };
    all.iter().map(|interface| interface.name().to_string_lossy().into_owned()).collect()
}

#[cfg(not(target_os = "linux"))]
fn interfaces() -> Vec<String> {
    Vec::new()
}
