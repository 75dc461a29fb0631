//! Fresh UDP sockets with a known local address, and the error queue switched on.

use super::bind::Bind;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::UdpSocket;

/// Opens a socket on a random port, bound to the address that packets toward `toward` leave from.
pub(super) fn open(toward: SocketAddr, bind: Option<&Bind>) -> io::Result<UdpSocket> {
    open_at(toward, bind, 0)
}

/// The same on this port; 0 is a random one.
pub(super) fn open_at(toward: SocketAddr, bind: Option<&Bind>, port: u16) -> io::Result<UdpSocket> {
    let ip = match bind {
        Some(Bind::Address(ip)) if !ip.is_unspecified() => *ip,
        _ => source_address(toward, bind)?,
    };
    let socket = fresh(toward, bind)?;
    socket.bind(&SocketAddr::new(ip, port).into())?;
    UdpSocket::from_std(socket.into())
}

/// Opens a socket on this port of one of this host's addresses; 0 is a random one.
pub(super) fn on(local: SocketAddr, bind: Option<&Bind>) -> io::Result<UdpSocket> {
    let socket = fresh(local, bind)?;
    socket.bind(&local.into())?;
    UdpSocket::from_std(socket.into())
}

/// The address that the kernel would send from: a connected UDP socket knows it, and sends nothing.
fn source_address(toward: SocketAddr, bind: Option<&Bind>) -> io::Result<IpAddr> {
    let socket = fresh(toward, bind)?;
    let any: IpAddr =
        if toward.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    socket.bind(&SocketAddr::new(any, 0).into())?;
    socket.connect(&toward.into())?;
    let local = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
    Ok(local.ip())
}

fn fresh(toward: SocketAddr, bind: Option<&Bind>) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(toward), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if toward.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    #[cfg(target_os = "linux")]
    {
        super::errqueue::enable(&socket, toward.is_ipv4())?;
        if let Some(Bind::Interface(name)) = bind {
            socket.bind_device(Some(name.as_bytes()))?;
        }
    }
    Ok(socket)
}
