//! UDP sockets with a known local address: what is sent by them at once, what comes in, and what
//! the network says of packets that they sent.

#[cfg(target_os = "linux")]
mod errqueue;

use super::bind::Bind;
use crate::ground::icmp::IcmpKind;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

/// Opens a socket on a random port, bound to the address that packets toward `toward` leave from.
pub(super) fn open(toward: SocketAddr, bind: Option<&Bind>) -> io::Result<UdpSocket> {
    open_at(toward, bind, 0)
}

/// The same on this port; 0 is a random one.
pub(super) fn open_at(toward: SocketAddr, bind: Option<&Bind>, port: u16) -> io::Result<UdpSocket> {
    let ip = match bind.and_then(|bind| bind.source(toward.is_ipv4())) {
        Some(ip) => ip,
        None => source_address(toward, bind)?,
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
    errqueue::enable(&socket, toward.is_ipv4())?;
    if let Some(bind) = bind {
        bind.hold(&socket, toward.is_ipv4())?;
    }
    Ok(socket)
}

/// What a socket has to say.
#[derive(Debug)]
pub(super) enum Heard {
    Datagram { from: SocketAddr, bytes: Vec<u8> },
    Icmp(IcmpError),
}

/// An ICMP error about a packet that left by the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IcmpError {
    /// Where the packet was sent.
    pub to: SocketAddr,
    /// Who sent the error; `None` when it was our own kernel.
    pub offender: Option<IpAddr>,
    /// What it says.
    pub kind: IcmpKind,
}

/// Reads a socket and its error queue until nobody wants to hear of it; no datagram is taken to be
/// longer than `longest`.
pub(super) async fn hear<E>(
    socket: Arc<UdpSocket>,
    longest: usize,
    events: mpsc::Sender<E>,
    event: impl Fn(Heard) -> E,
) {
    let mut buffer = vec![0; longest];
    while let Ok(ready) = socket.ready(Interest::READABLE | Interest::ERROR).await {
        let errors = if ready.is_error() { errors(&socket) } else { Vec::new() };
        for error in errors {
            if events.send(event(Heard::Icmp(error))).await.is_err() {
                return;
            }
        }
        // Otherwise: nothing there, or an error that the queue tells more about.
        if let Ok((length, from)) = socket.try_recv_from(&mut buffer) {
            let bytes = buffer[..length].to_vec();
            if events.send(event(Heard::Datagram { from, bytes })).await.is_err() {
                return;
            }
        }
    }
}

/// Empties the error queue.
#[cfg(target_os = "linux")]
pub(super) fn errors(socket: &UdpSocket) -> Vec<IcmpError> {
    let mut all = Vec::new();
    while let Ok(error) = socket.try_io(Interest::ERROR, || errqueue::take(socket)) {
        all.extend(error);
    }
    all
}

/// This system has no error queue; the readiness is cleared.
#[cfg(not(target_os = "linux"))]
pub(super) fn errors(socket: &UdpSocket) -> Vec<IcmpError> {
    let _cleared = socket
        .try_io(Interest::ERROR, || -> io::Result<()> { Err(io::ErrorKind::WouldBlock.into()) });
    Vec::new()
}

/// Sends at once.
///
/// # Errors
/// When this host cannot or must not send there.
pub(super) fn send(socket: &UdpSocket, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
    // Straight to the system call: tokio would first wait to hear that the socket is writable.
    let socket = socket2::SockRef::from(socket);
    insist(|| socket.send_to(bytes, &to.into()))
}

/// Sends a packet by this call.
pub(super) fn insist(call: impl Fn() -> io::Result<usize>) -> io::Result<()> {
    let mut sent = call();
    // An ICMP error about an earlier packet is reported by the next call; the queue has it too.
    if matches!(&sent, Err(e) if e.kind() == io::ErrorKind::ConnectionRefused) {
        sent = call();
    }
    match sent {
        // A full buffer is loss, as it is anywhere else on the way.
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        sent => sent.map(drop),
    }
}
