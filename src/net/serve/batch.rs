//! Receiving and sending many datagrams per system call (recvmmsg, sendmmsg).

use crate::server::{Answer, Site};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Datagrams per system call.
const MOST: usize = 64;
/// Longest request that is read, in bytes: PADDING may fill an Ethernet frame.
const LONGEST: usize = 2048;

/// One batch: what came in, and what goes out.
pub(super) struct Batch {
    buffers: Vec<[u8; LONGEST]>,
    received: Vec<(SocketAddr, usize)>,
    answers: Vec<Answer>,
    /// The bytes of `answers`, reused from batch to batch.
    bytes: Vec<Vec<u8>>,
}

impl Batch {
    pub fn new() -> Self {
        Self {
            buffers: vec![[0; LONGEST]; MOST],
            received: Vec::with_capacity(MOST),
            answers: Vec::with_capacity(MOST),
            bytes: vec![Vec::new(); MOST],
        }
    }

    /// Takes what has arrived.
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<()> {
        self.received.clear();
        let Self { buffers, received, .. } = self;
        socket.try_io(Interest::READABLE, || system::receive(socket, buffers, received))
    }

    /// Lets `respond` answer each datagram.
    pub fn answer(
        &mut self,
        mut respond: impl FnMut(SocketAddr, &[u8], &mut Vec<u8>) -> Option<Answer>,
    ) {
        self.answers.clear();
        for (&(source, length), buffer) in self.received.iter().zip(&self.buffers) {
            let Some(out) = self.bytes.get_mut(self.answers.len()) else { return };
            let bytes = buffer.get(..length).unwrap_or_default();
            self.answers.extend(respond(source, bytes, out));
        }
    }

    /// Sends the answers, those that leave by one socket together. What the kernel will not take
    /// at once is dropped: the client asks again.
    pub fn send(&self, sockets: &HashMap<Site, Arc<UdpSocket>>) {
        let mut from = 0;
        while let Some(first) = self.answers.get(from) {
            let same = self.answers[from..].iter().take_while(|a| a.from == first.from).count();
            let range = from..from + same;
            if let Some(socket) = sockets.get(&first.from) {
                send_all(socket, &self.answers[range.clone()], &self.bytes[range]);
            }
            from += same;
        }
    }
}

/// Straight to the system call: tokio would first wait to hear that it is writable.
///
/// The call stops at the first answer that cannot go (no route, forbidden by a firewall); the
/// others behind it must not pay for that.
fn send_all(socket: &UdpSocket, mut answers: &[Answer], mut bytes: &[Vec<u8>]) {
    while !answers.is_empty() {
        let done = match system::send(socket, answers, bytes) {
            Ok(0) => return,
            Ok(sent) => sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(_) => 1,
        };
        answers = answers.get(done..).unwrap_or_default();
        bytes = bytes.get(done..).unwrap_or_default();
    }
}

#[cfg(target_os = "linux")]
mod system {
    use super::{Answer, LONGEST};
    use nix::sys::socket::{
        MsgFlags, MultiHeaders, SockaddrLike, SockaddrStorage, recvmmsg, sendmmsg,
    };
    use std::io::{self, IoSlice, IoSliceMut};
    use std::net::{SocketAddr, SocketAddrV6};
    use std::os::fd::AsRawFd;
    use tokio::net::UdpSocket;

    pub fn receive(
        socket: &UdpSocket,
        buffers: &mut [[u8; LONGEST]],
        received: &mut Vec<(SocketAddr, usize)>,
    ) -> io::Result<()> {
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(buffers.len(), None);
        let mut slices: Vec<[IoSliceMut<'_>; 1]> =
            buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
        let flags = MsgFlags::MSG_DONTWAIT;
        let messages = recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), flags, None)?;
        for message in messages {
            // A source that is no IP address cannot happen; port 0 is never answered.
            let source = message.address.as_ref().and_then(plain_address);
            let source = source.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)));
            received.push((source, message.bytes));
        }
        Ok(())
    }

    /// How many were sent, of one at least.
    pub fn send(socket: &UdpSocket, answers: &[Answer], bytes: &[Vec<u8>]) -> io::Result<usize> {
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(answers.len(), None);
        let slices: Vec<[IoSlice<'_>; 1]> = bytes.iter().map(|b| [IoSlice::new(b)]).collect();
        let to: Vec<Option<SockaddrStorage>> =
            answers.iter().map(|answer| Some(SockaddrStorage::from(answer.to))).collect();
        let flags = MsgFlags::MSG_DONTWAIT;
        let sent = sendmmsg(socket.as_raw_fd(), &mut headers, slices.iter(), to, [], flags)?;
        Ok(sent.count())
    }

    fn plain_address(address: &SockaddrStorage) -> Option<SocketAddr> {
        if address.family()? == nix::sys::socket::AddressFamily::Inet {
            let a = address.as_sockaddr_in()?;
            Some(SocketAddr::new(a.ip().into(), a.port()))
        } else {
            let a = address.as_sockaddr_in6()?;
            Some(SocketAddrV6::new(a.ip(), a.port(), 0, a.scope_id()).into())
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::{Answer, LONGEST};
    use std::io;
    use std::net::SocketAddr;
    use tokio::net::UdpSocket;

    pub fn receive(
        socket: &UdpSocket,
        buffers: &mut [[u8; LONGEST]],
        received: &mut Vec<(SocketAddr, usize)>,
    ) -> io::Result<()> {
        let (length, source) = socket.try_recv_from(&mut buffers[0])?;
        received.push((source, length));
        Ok(())
    }

    pub fn send(socket: &UdpSocket, answers: &[Answer], bytes: &[Vec<u8>]) -> io::Result<usize> {
        let Some((answer, bytes)) = answers.first().zip(bytes.first()) else { return Ok(0) };
        socket.try_send_to(bytes, answer.to)?;
        Ok(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Site;

    #[tokio::test]
    async fn an_answer_that_cannot_go_does_not_stop_those_behind_it() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("loopback");
        let client = UdpSocket::bind("127.0.0.1:0").await.expect("loopback");
        let good = client.local_addr().expect("bound");
        // From a loopback address nothing leaves the host.
        let bad = SocketAddr::from(([192, 0, 2, 1], 9));
        let answers = [bad, good, bad, bad, good, bad].map(|to| Answer { from: Site::PRIMARY, to });
        let mut batch = Batch::new();
        batch.answers.extend(answers);
        for (n, bytes) in (0..6).zip(&mut batch.bytes) {
            bytes.push(n);
        }
        batch.send(&HashMap::from([(Site::PRIMARY, Arc::new(socket))]));
        let mut buffer = [0; 8];
        for expected in [1, 4] {
            let (length, _) = client.recv_from(&mut buffer).await.expect("it came");
            assert_eq!(buffer[..length], [expected]);
        }
    }
}
