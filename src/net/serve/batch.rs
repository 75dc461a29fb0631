//! Receiving and sending many datagrams per system call (recvmmsg, sendmmsg).

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Datagrams per system call, at most.
const MOST: usize = 64;
/// And at least: as many are asked for as came lately, twice over.
const FEWEST: usize = 4;
/// Longest request that a STUN server reads, in bytes: PADDING may fill an Ethernet frame.
pub(super) const LONGEST_REQUEST: usize = 2048;
/// Longest datagram that a relay passes on, in bytes: any.
pub(super) const LONGEST_DATAGRAM: usize = 65_536;

/// One batch: what came in, and what goes out.
pub(super) struct Batch {
    /// The datagrams, `longest` bytes for each. What is never touched never becomes memory.
    input: Vec<u8>,
    longest: usize,
    received: Vec<(SocketAddr, usize)>,
    packets: Vec<Packet>,
    /// The bytes of the packets that are not taken from the input.
    written: Vec<u8>,
    /// How many to ask for.
    next: usize,
}

/// Without the megabytes in it.
impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch").field("received", &self.received.len()).finish_non_exhaustive()
    }
}

/// A packet to send.
struct Packet {
    socket: Arc<UdpSocket>,
    to: SocketAddr,
    bytes: Bytes,
}

enum Bytes {
    /// Of the input.
    Received(Range<usize>),
    /// Of what was written.
    Written(Range<usize>),
}

/// One datagram of a batch, and what is to be done about it.
pub(super) struct Datagram<'a> {
    /// Where it came from.
    pub source: SocketAddr,
    /// The datagram itself.
    pub bytes: &'a [u8],
    at: usize,
    packets: &'a mut Vec<Packet>,
    /// Answers are appended here.
    pub out: &'a mut Vec<u8>,
}

impl Datagram<'_> {
    /// Sends what was appended to `out` since it had `from` bytes.
    pub fn send_written(&mut self, socket: &Arc<UdpSocket>, to: SocketAddr, from: usize) {
        let bytes = Bytes::Written(from..self.out.len());
        self.packets.push(Packet { socket: Arc::clone(socket), to, bytes });
    }

    /// Sends a part of the datagram on.
    pub fn send_part(&mut self, socket: &Arc<UdpSocket>, to: SocketAddr, part: Range<usize>) {
        let bytes = Bytes::Received(self.at + part.start..self.at + part.end);
        self.packets.push(Packet { socket: Arc::clone(socket), to, bytes });
    }
}

impl Batch {
    /// For datagrams of this length, in bytes; longer ones are cut.
    pub fn new(longest: usize) -> Self {
        Self {
            input: vec![0; longest * MOST],
            longest,
            received: Vec::with_capacity(MOST),
            packets: Vec::with_capacity(MOST),
            written: Vec::new(),
            next: FEWEST,
        }
    }

    /// Takes what has arrived.
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<()> {
        self.received.clear();
        let Self { input, longest, received, next, .. } = self;
        let most = input.len().min(*longest * *next);
        let input = input.get_mut(..most).unwrap_or_default();
        socket.try_io(Interest::READABLE, || system::receive(socket, input, *longest, received))?;
        self.next = (self.received.len() * 2).clamp(FEWEST, MOST);
        Ok(())
    }

    /// Lets `handle` see each datagram.
    pub fn each(&mut self, mut handle: impl FnMut(&mut Datagram<'_>)) {
        self.packets.clear();
        self.written.clear();
        let buffers = self.input.chunks(self.longest);
        for (n, (&(source, length), buffer)) in self.received.iter().zip(buffers).enumerate() {
            handle(&mut Datagram {
                source,
                bytes: buffer.get(..length).unwrap_or_default(),
                at: n * self.longest,
                packets: &mut self.packets,
                out: &mut self.written,
            });
        }
    }

    /// Sends the packets, those that leave by one socket together. What the kernel will not take
    /// at once is dropped: UDP may.
    pub fn send(&mut self) {
        let mut from = 0;
        while let Some(first) = self.packets.get(from) {
            let same = |packet: &&Packet| Arc::ptr_eq(&packet.socket, &first.socket);
            let count = self.packets[from..].iter().take_while(same).count();
            let packets: Vec<_> = self.packets[from..from + count]
                .iter()
                .map(|packet| (packet.to, self.bytes(&packet.bytes)))
                .collect();
            send_all(&first.socket, &packets);
            from += count;
        }
        // a socket that was closed meanwhile is not kept open by the packets that left by it
        self.packets.clear();
    }

    fn bytes(&self, bytes: &Bytes) -> &[u8] {
        let found = match bytes {
            Bytes::Received(range) => self.input.get(range.clone()),
            Bytes::Written(range) => self.written.get(range.clone()),
        };
        found.unwrap_or_default()
    }
}

/// Straight to the system call: tokio would first wait to hear that it is writable.
///
/// The call stops at the first packet that cannot go (no route, forbidden by a firewall); the
/// others behind it must not pay for that.
fn send_all(socket: &UdpSocket, mut packets: &[(SocketAddr, &[u8])]) {
    while !packets.is_empty() {
        let done = match system::send(socket, packets) {
            Ok(0) => return,
            Ok(sent) => sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(_) => 1,
        };
        packets = packets.get(done..).unwrap_or_default();
    }
}

#[cfg(target_os = "linux")]
mod system {
    use nix::sys::socket::{
        MsgFlags, MultiHeaders, SockaddrLike, SockaddrStorage, recvmmsg, sendmmsg,
    };
    use std::io::{self, IoSlice, IoSliceMut};
    use std::net::{SocketAddr, SocketAddrV6};
    use std::os::fd::AsRawFd;
    use tokio::net::UdpSocket;

    pub fn receive(
        socket: &UdpSocket,
        input: &mut [u8],
        longest: usize,
        received: &mut Vec<(SocketAddr, usize)>,
    ) -> io::Result<()> {
        let mut slices: Vec<[IoSliceMut<'_>; 1]> =
            input.chunks_mut(longest).map(|buffer| [IoSliceMut::new(buffer)]).collect();
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(slices.len(), None);
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
    pub fn send(socket: &UdpSocket, packets: &[(SocketAddr, &[u8])]) -> io::Result<usize> {
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(packets.len(), None);
        let slices: Vec<[IoSlice<'_>; 1]> =
            packets.iter().map(|(_, bytes)| [IoSlice::new(bytes)]).collect();
        let to: Vec<Option<SockaddrStorage>> =
            packets.iter().map(|(to, _)| Some(SockaddrStorage::from(*to))).collect();
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
    use std::io;
    use std::net::SocketAddr;
    use tokio::net::UdpSocket;

    pub fn receive(
        socket: &UdpSocket,
        input: &mut [u8],
        longest: usize,
        received: &mut Vec<(SocketAddr, usize)>,
    ) -> io::Result<()> {
        let Some(buffer) = input.get_mut(..longest) else { return Ok(()) };
        let (length, source) = socket.try_recv_from(buffer)?;
        received.push((source, length));
        Ok(())
    }

    pub fn send(socket: &UdpSocket, packets: &[(SocketAddr, &[u8])]) -> io::Result<usize> {
        let Some((to, bytes)) = packets.first() else { return Ok(0) };
        crate::net::udp::send(socket, *to, bytes)?;
        Ok(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet on loopback is there at once, or never.
    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

    #[tokio::test]
    async fn an_answer_that_cannot_go_does_not_stop_those_behind_it() {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.expect("loopback"));
        let client = UdpSocket::bind("127.0.0.1:0").await.expect("loopback");
        let good = client.local_addr().expect("bound");
        // From a loopback address nothing leaves the host.
        let bad = SocketAddr::from(([192, 0, 2, 1], 9));
        let mut batch = Batch::new(LONGEST_REQUEST);
        for (n, to) in (0..6).zip([bad, good, bad, bad, good, bad]) {
            let from = batch.written.len();
            batch.written.push(n);
            let bytes = Bytes::Written(from..batch.written.len());
            batch.packets.push(Packet { socket: Arc::clone(&socket), to, bytes });
        }
        batch.send();
        let mut buffer = [0; 8];
        for expected in [1, 4] {
            let came = tokio::time::timeout(PATIENCE, client.recv_from(&mut buffer)).await;
            let (length, _) = came.expect("it came").expect("no error");
            assert_eq!(buffer[..length], [expected]);
        }
    }

    #[tokio::test]
    async fn the_longest_datagram_is_passed_on_whole_beside_a_short_one() {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.expect("loopback"));
        let client = UdpSocket::bind("127.0.0.1:0").await.expect("loopback");
        let at = socket.local_addr().expect("bound");
        let long: Vec<u8> = (0..=255).cycle().take(65_507).collect();
        for bytes in [b"short".as_slice(), &long, b""] {
            client.send_to(bytes, at).await.expect("sent");
        }
        let mut batch = Batch::new(LONGEST_DATAGRAM);
        let mut seen = 0;
        while seen < 3 {
            socket.readable().await.expect("open");
            if batch.receive(&socket).is_err() {
                continue;
            }
            batch.each(|datagram| {
                seen += 1;
                let (to, whole) = (datagram.source, 0..datagram.bytes.len());
                datagram.send_part(&socket, to, whole);
            });
            batch.send();
        }
        let mut buffer = vec![0; LONGEST_DATAGRAM];
        for expected in [b"short".as_slice(), &long, b""] {
            let (length, _) = client.recv_from(&mut buffer).await.expect("it came");
            assert!(buffer[..length] == *expected, "{length} bytes");
        }
    }
}
