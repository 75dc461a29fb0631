//! A UDP socket of a peer: its packets, and what the network says of those that it sent.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

/// What a socket has to say.
#[derive(Debug)]
pub(super) enum Heard {
    Datagram { local: SocketAddr, from: SocketAddr, bytes: Vec<u8> },
    Unreachable { local: SocketAddr, to: SocketAddr, why: String },
}

/// No datagram is longer.
const LONGEST: usize = 65_536;

/// Reads a socket and its error queue until the driver is gone.
pub(super) async fn read(local: SocketAddr, socket: Arc<UdpSocket>, events: mpsc::Sender<Heard>) {
    let mut buffer = vec![0; LONGEST];
    loop {
        let Ok(ready) = socket.ready(Interest::READABLE | Interest::ERROR).await else { return };
        if ready.is_error() && !drain_errors(local, &socket, &events).await {
            return;
        }
        // Otherwise: nothing there, or an error that the queue tells more about.
        if let Ok((length, from)) = socket.try_recv_from(&mut buffer) {
            let bytes = buffer[..length].to_vec();
            if events.send(Heard::Datagram { local, from, bytes }).await.is_err() {
                return;
            }
        }
    }
}

/// Sends at once; what the system says when it cannot.
pub(super) fn send(socket: &UdpSocket, to: SocketAddr, bytes: &[u8]) -> Result<(), String> {
    // Straight to the system call: tokio would first wait to hear that the socket is writable.
    let socket = socket2::SockRef::from(socket);
    let mut sent = socket.send_to(bytes, &to.into());
    // An ICMP error about an earlier packet is reported by the next call; the queue has it too.
    if matches!(&sent, Err(e) if e.kind() == io::ErrorKind::ConnectionRefused) {
        sent = socket.send_to(bytes, &to.into());
    }
    match sent {
        Ok(_) => Ok(()),
        // A full buffer is loss, as it is anywhere else on the way.
        Err(e) => match e.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionRefused => Ok(()),
            _ => Err(format!("this host cannot send there: {e}")),
        },
    }
}

/// Empties the error queue; false when the driver is gone.
#[cfg(target_os = "linux")]
async fn drain_errors(local: SocketAddr, socket: &UdpSocket, events: &mpsc::Sender<Heard>) -> bool {
    use crate::ground::icmp::IcmpKind;
    loop {
        match socket.try_io(Interest::ERROR, || super::super::errqueue::take(socket)) {
            Ok(Some(error)) => {
                let what = match error.kind {
                    IcmpKind::PortUnreachable => "nobody listens there",
                    IcmpKind::Prohibited => "a firewall refuses it",
                    _ => "it cannot be reached",
                };
                let by = error.offender.map_or_else(String::new, |ip| format!(", says {ip}"));
                let why = format!("{what}{by}");
                if events.send(Heard::Unreachable { local, to: error.to, why }).await.is_err() {
                    return false;
                }
            }
            Ok(None) => {}
            Err(_) => return true,
        }
    }
}

#[cfg(not(target_os = "linux"))]
async fn drain_errors(_: SocketAddr, socket: &UdpSocket, events: &mpsc::Sender<Heard>) -> bool {
    let _cleared = socket
        .try_io(Interest::ERROR, || -> io::Result<()> { Err(io::ErrorKind::WouldBlock.into()) });
    !events.is_closed()
}
