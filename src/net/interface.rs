//! This host's interfaces: their names and addresses, and how a socket is held to one.

use socket2::Socket;
use std::io;
use std::net::IpAddr;

/// An address that one of this host's interfaces has.
#[derive(Debug)]
pub(super) struct Address {
    /// The interface's name, as the system shows it to its users.
    pub interface: String,
    /// Whether the interface is up.
    pub up: bool,
    /// The address.
    pub ip: IpAddr,
}

pub(super) use system::{addresses, hold, names};

#[cfg(target_os = "linux")]
mod system {
    use super::{Address, IpAddr, Socket, io};
    use nix::net::if_::{InterfaceFlags, if_nameindex};

    pub fn addresses() -> Vec<Address> {
        let Ok(all) = nix::ifaddrs::getifaddrs() else { return Vec::new() };
        let address = |one: nix::ifaddrs::InterfaceAddress| {
            let address = one.address?;
            let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
            let ip = v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))?;
            let up = one.flags.contains(InterfaceFlags::IFF_UP);
            Some(Address { interface: one.interface_name, up, ip })
        };
        all.filter_map(address).collect()
    }

    /// All, also those without an address.
    pub fn names() -> Vec<String> {
        let Ok(all) = if_nameindex() else { return Vec::new() };
        all.iter().map(|interface| interface.name().to_string_lossy().into_owned()).collect()
    }

    /// What this socket sends leaves by that interface.
    pub fn hold(socket: &Socket, name: &str, _ipv4: bool) -> io::Result<()> {
        socket.bind_device(Some(name.as_bytes()))
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::{Address, Socket, io};
    use if_addrs::get_if_addrs;

    pub fn addresses() -> Vec<Address> {
        let all = get_if_addrs().unwrap_or_default().into_iter();
        all.map(|one| Address { up: one.is_oper_up(), ip: one.ip(), interface: one.name }).collect()
    }

    /// Those that have an address.
    pub fn names() -> Vec<String> {
        let mut names: Vec<String> = addresses().into_iter().map(|one| one.interface).collect();
        names.sort();
        names.dedup();
        names
    }

    /// What this socket sends leaves by that interface (`IP_BOUND_IF`).
    #[cfg(target_vendor = "apple")]
    pub fn hold(socket: &Socket, name: &str, ipv4: bool) -> io::Result<()> {
        let all = get_if_addrs()?;
        let index = all.iter().find(|one| one.name == name).and_then(|one| one.index);
        let index = index.and_then(std::num::NonZeroU32::new).ok_or(io::ErrorKind::NotFound)?;
        if ipv4 {
            socket.bind_device_by_index_v4(Some(index))
        } else {
            socket.bind_device_by_index_v6(Some(index))
        }
    }

    /// A socket that is bound to an interface's address sends by it (Windows, RFC 1122 section
    /// 3.3.4.2: the strong host model); there is nothing to do before.
    #[cfg(not(target_vendor = "apple"))]
    #[allow(clippy::unnecessary_wraps)] // the shape of the others
    pub fn hold(_: &Socket, _: &str, _ipv4: bool) -> io::Result<()> {
        Ok(())
    }
}
