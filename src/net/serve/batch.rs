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
                // Straight to the system call: tokio would first wait to hear that it is writable.
                let _dropped =
                    system::send(socket, &self.answers[range.clone()], &self.bytes[range]);
            }
            from += same;
        }
    }
}

#[cfg(target_os = "linux")]
mod system {
    use super::{Answer, LONGEST};
    use nix::sys::socket::{
        MsgFlags, MultiHeaders, SockaddrLike, SockaddrStorage, recvmmsg, sendmmsg,
    };
    use std::io::{self, IoSlice, IoSliceMut};
    use std::net::SocketAddr;
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

    pub fn send(socket: &UdpSocket, answers: &[Answer], bytes: &[Vec<u8>]) -> io::Result<()> {
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(answers.len(), None);
        let slices: Vec<[IoSlice<'_>; 1]> = bytes.iter().map(|b| [IoSlice::new(b)]).collect();
        let to: Vec<Option<SockaddrStorage>> =
            answers.iter().map(|answer| Some(SockaddrStorage::from(answer.to))).collect();
        sendmmsg(socket.as_raw_fd(), &mut headers, slices.iter(), to, [], MsgFlags::MSG_DONTWAIT)?;
        Ok(())
    }

    fn plain_address(address: &SockaddrStorage) -> Option<SocketAddr> {
        if address.family()? == nix::sys::socket::AddressFamily::Inet {
            let a = address.as_sockaddr_in()?;
            Some(SocketAddr::new(a.ip().into(), a.port()))
        } else {
            let a = address.as_sockaddr_in6()?;
            Some(SocketAddr::new(a.ip().into(), a.port()))
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

    pub fn send(socket: &UdpSocket, answers: &[Answer], bytes: &[Vec<u8>]) -> io::Result<()> {
        for (answer, bytes) in answers.iter().zip(bytes) {
            socket.try_send_to(bytes, answer.to)?;
        }
        Ok(())
    }
}
