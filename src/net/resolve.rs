//! Server names to addresses.

use super::NetError;
use crate::stun::uri::{Host, Uri};
use std::net::SocketAddr;

/// Which addresses are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Family {
    /// Addresses of both families.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

impl Family {
    /// Whether an address is wanted.
    #[must_use]
    pub const fn wants(self, address: &SocketAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

/// The addresses of a server, in the resolver's order. Empty when it has none of this family.
///
/// # Errors
/// [`NetError::Resolve`] when the name has no address at all, or the resolver cannot be asked.
pub async fn resolve(uri: &Uri, family: Family) -> Result<Vec<SocketAddr>, NetError> {
    let found: Vec<SocketAddr> = match &uri.host {
        Host::Ip(ip) => vec![SocketAddr::new(*ip, uri.port)],
        Host::Name(name) => match tokio::net::lookup_host((name.as_str(), uri.port)).await {
            Ok(addresses) => addresses.collect(),
            Err(error) => {
                let why = crate::stun::text::safe(error.to_string().as_bytes());
                return Err(NetError::Resolve { name: name.clone(), why });
            }
        },
    };
    Ok(found.into_iter().filter(|address| family.wants(address)).collect())
}
