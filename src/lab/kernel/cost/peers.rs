//! Two peers: sockets, their mappings, an echo at the far end, and ways from one to the other.

use super::process::{Kind, PASSWORD, USER};
use crate::stun::{self, Patience};
use crate::turn::client::{Event, Poll};
use crate::turn::{Client, Failure, Over, Server};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The first byte of a packet that wants to come back.
pub const PING: u8 = 0xe0;
/// The first byte of one that only counts.
pub const LOAD: u8 = 0xe1;

/// Room in a socket for a burst.
const BUFFER: usize = 4 << 20;
/// How long the far end looks at nothing before it looks whether all is over.
const GLANCE: Duration = Duration::from_millis(50);

/// A socket of the thread's namespace.
///
/// # Errors
/// The kernel refuses.
pub fn open() -> io::Result<UdpSocket> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    // the system may grant less
    let _granted = socket.set_recv_buffer_size(BUFFER);
    socket.bind(&SocketAddr::from(([0, 0, 0, 0], 0)).into())?;
    Ok(socket.into())
}

/// What a STUN server sees this socket as.
///
/// # Errors
/// It does not answer.
pub fn reflexive(socket: &UdpSocket, server: SocketAddr) -> io::Result<SocketAddr> {
    let id = *b"natscopecost";
    let request = stun::encode_request(id, stun::Request::default());
    let mut buffer = [0; 1500];
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    for _ in 0..20 {
        socket.send_to(&request, server)?;
        let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
        let answer = stun::read(&buffer[..length]).ok().filter(|m| m.id == id && from == server);
        if let Some(mapped) = answer.and_then(|answer| answer.reflexive()) {
            return Ok(mapped);
        }
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer from {server}")))
}

/// What the far end has counted.
#[derive(Debug, Default)]
pub struct Counted {
    /// Packets of [`LOAD`].
    pub packets: AtomicU64,
}

/// The far peer: it sends back what wants to come back, and counts the rest.
#[derive(Debug)]
pub struct Far {
    socket: UdpSocket,
    /// As the near peer knows it.
    pub mapped: SocketAddr,
    /// What came.
    pub counted: Arc<Counted>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Far {
    /// Learns its address and begins.
    ///
    /// # Errors
    /// The STUN server does not answer.
    pub fn start(socket: UdpSocket, stun: SocketAddr) -> io::Result<Self> {
        let mapped = reflexive(&socket, stun)?;
        let counted = Arc::new(Counted::default());
        let over = Arc::new(AtomicBool::new(false));
        let (own, count, end) = (socket.try_clone()?, Arc::clone(&counted), Arc::clone(&over));
        own.set_read_timeout(Some(GLANCE))?;
        let thread = std::thread::Builder::new().spawn(move || {
            let mut buffer = [0; 2048];
            while !end.load(Ordering::Relaxed) {
                let Ok((length, from)) = own.recv_from(&mut buffer) else { continue };
                match buffer[0] {
                    LOAD => {
                        count.packets.fetch_add(1, Ordering::Relaxed);
                    }
                    PING => {
                        let _lost = own.send_to(&buffer[..length], from);
                    }
                    _ => {}
                }
            }
        })?;
        Ok(Self { socket, mapped, counted, over, thread: Some(thread) })
    }

    /// Opens its NAT for what comes from there.
    pub fn open_for(&self, from: SocketAddr) {
        let _lost = self.socket.send_to(&[0], from);
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// How a payload is wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrap {
    /// Not at all.
    Plain,
    /// In `ChannelData`.
    Channel,
    /// In a Send indication.
    Indication,
}

/// A way from the near peer to the far one.
#[derive(Debug)]
pub struct Way {
    /// Towards the far peer or the relay.
    pub socket: UdpSocket,
    /// How payloads are wrapped there.
    pub wrap: Wrap,
    /// A packet of each length.
    frames: Vec<Frame>,
}

impl Way {
    /// The direct one, by hole punching.
    ///
    /// # Errors
    /// It does not come about.
    pub fn direct(
        socket: UdpSocket,
        stun: SocketAddr,
        far: &Far,
        lengths: &[usize],
    ) -> io::Result<Self> {
        let mapped = reflexive(&socket, stun)?;
        far.open_for(mapped);
        socket.connect(far.mapped)?;
        let frames = lengths.iter().map(|&length| Frame::plain(length)).collect();
        let way = Self { socket, wrap: Wrap::Plain, frames };
        way.prove(|| far.open_for(mapped))?;
        Ok(way)
    }

    /// One through a relay.
    ///
    /// # Errors
    /// The allocation fails, or nothing comes through.
    pub fn relayed(
        socket: UdpSocket,
        relay: Kind,
        wrap: Wrap,
        far: &Far,
        lengths: &[usize],
    ) -> Result<Self, Failure> {
        let broken = |e: io::Error| Failure::Connection { why: e.to_string() };
        let mut allocations = Allocations::new(vec![socket], relay).map_err(broken)?;
        allocations.wait(PATIENCE)?;
        let Allocations { mut clients, start } = allocations;
        let Some(relayed) = clients.first().and_then(|(_, client)| client.relayed()) else {
            return Err(Failure::Lost);
        };
        far.open_for(relayed);
        let mut wanted = Event::Permitted(far.mapped.ip());
        for (_, client) in &mut clients {
            client.permit(start.elapsed(), far.mapped.ip());
            if wrap == Wrap::Channel {
                client.bind_channel(start.elapsed(), far.mapped);
                wanted = Event::Bound(far.mapped);
            }
        }
        run(&mut clients, start, PATIENCE, |event| *event == wanted)?;
        let Some((socket, mut client)) = clients.pop() else { return Err(Failure::Lost) };
        let mut wrapped = |&length: &usize| {
            let payload = vec![MARK; length];
            Frame::around(client.wrapped(start.elapsed(), far.mapped, &payload)?, length)
        };
        let frames: Option<Vec<Frame>> = lengths.iter().map(&mut wrapped).collect();
        let way = Self { socket, wrap, frames: frames.ok_or(Failure::Lost)? };
        way.prove(|| far.open_for(relayed)).map_err(broken)?;
        Ok(way)
    }

    /// Packets come through and back.
    fn prove(&self, again: impl Fn()) -> io::Result<()> {
        let Some(frame) = self.frames.first() else { return Ok(()) };
        let frame = self.frame(PING, frame.payload)?;
        self.socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        let mut buffer = [0; 2048];
        for _ in 0..40 {
            self.socket.send(&frame.bytes)?;
            if self.socket.recv(&mut buffer).is_ok() {
                return Ok(());
            }
            again();
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "no packet came through"))
    }

    /// A packet with so much payload: one of the lengths that it was made for.
    ///
    /// # Errors
    /// It was not.
    pub fn frame(&self, kind: u8, payload: usize) -> io::Result<Frame> {
        let frame = self.frames.iter().find(|frame| frame.payload == payload);
        let mut frame = frame.ok_or(io::ErrorKind::InvalidInput)?.clone();
        if let Some(first) = frame.bytes.get_mut(frame.at) {
            *first = kind;
        }
        Ok(frame)
    }
}

/// How long one exchange may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// What payloads are filled with.
const MARK: u8 = 0xa5;

/// A packet to send again and again, with a number in its payload.
#[derive(Debug, Clone)]
pub struct Frame {
    /// As it leaves.
    pub bytes: Vec<u8>,
    /// Where its payload begins.
    at: usize,
    /// Payload, in bytes.
    pub payload: usize,
}

impl Frame {
    fn plain(payload: usize) -> Self {
        Self { bytes: vec![MARK; payload], at: 0, payload }
    }

    /// As a client would send it.
    fn around(bytes: Vec<u8>, payload: usize) -> Option<Self> {
        let marked = |part: &[u8]| part.iter().all(|&b| b == MARK);
        let at = bytes.windows(payload.min(16)).position(marked)?;
        Some(Self { bytes, at, payload })
    }

    /// Writes a number into the payload; see [`Frame::numbered`].
    pub fn number(&mut self, number: u64) {
        if let Some(place) = self.bytes.get_mut(self.at + 1..self.at + 9) {
            place.copy_from_slice(&number.to_be_bytes());
        }
    }

    /// Whether a packet, wrapped in whatever, carries a number as [`Frame::number`] wrote it.
    pub fn numbered(bytes: &[u8], number: u64) -> bool {
        let mut wanted = [PING; 9];
        wanted[1..].copy_from_slice(&number.to_be_bytes());
        bytes.windows(wanted.len()).any(|part| part == wanted)
    }
}

/// Many allocations side by side.
#[derive(Debug)]
pub struct Allocations {
    /// Each with its socket.
    pub clients: Vec<(UdpSocket, Client)>,
    start: Instant,
}

impl Allocations {
    /// Begins them.
    ///
    /// # Errors
    /// A socket fails.
    pub fn new(sockets: Vec<UdpSocket>, relay: Kind) -> io::Result<Self> {
        let start = Instant::now();
        let server = Server {
            uri: format!("turn:{}", relay.address()),
            name: relay.address().ip().to_string(),
            address: relay.address(),
            over: Over::Udp,
            user: USER.to_owned(),
            password: PASSWORD.to_owned(),
        };
        let mut clients = Vec::new();
        for socket in sockets {
            socket.connect(relay.address())?;
            let local = socket.local_addr()?;
            let patience = Patience { tries: 6, ..Patience::lab() };
            let client = Client::new(server.clone(), local, patience, Duration::ZERO);
            clients.push((socket, client));
        }
        Ok(Self { clients, start })
    }

    /// Until each has its address.
    ///
    /// # Errors
    /// Why one has none.
    pub fn wait(&mut self, longest: Duration) -> Result<(), Failure> {
        let is = |event: &Event| matches!(event, Event::Allocated { .. });
        run(&mut self.clients, self.start, longest, is)
    }

    /// Gives them back.
    pub fn close(mut self) {
        for (socket, client) in &mut self.clients {
            client.close(self.start.elapsed());
            while let Some(bytes) = client.transmit(self.start.elapsed()) {
                let _lost = socket.send(&bytes);
            }
        }
    }
}

/// Drives clients until each had an event.
fn run(
    clients: &mut [(UdpSocket, Client)],
    start: Instant,
    longest: Duration,
    wanted: impl Fn(&Event) -> bool,
) -> Result<(), Failure> {
    let until = Instant::now() + longest;
    let mut missing: Vec<usize> = (0..clients.len()).collect();
    let mut buffer = [0; 2048];
    for (socket, _) in clients.iter() {
        let why = |e: io::Error| Failure::Connection { why: e.to_string() };
        socket.set_nonblocking(true).map_err(why)?;
    }
    while !missing.is_empty() {
        if Instant::now() > until {
            return Err(Failure::NoAnswer { tried: format!("{} allocations", clients.len()) });
        }
        let mut still = Vec::new();
        for index in missing {
            let Some((socket, client)) = clients.get_mut(index) else { continue };
            while let Ok(length) = socket.recv(&mut buffer) {
                client.receive(start.elapsed(), &buffer[..length]);
            }
            let mut done = false;
            while let Poll::Event(event) = client.poll(start.elapsed()) {
                done |= wanted(&event);
                if let Event::Failed(failure) | Event::Refused { failure, .. } = event {
                    return Err(failure);
                }
            }
            while let Some(bytes) = client.transmit(start.elapsed()) {
                let _lost = socket.send(&bytes);
            }
            if !done {
                still.push(index);
            }
        }
        missing = still;
        std::thread::sleep(Duration::from_millis(1));
    }
    for (socket, _) in clients.iter() {
        let why = |e: io::Error| Failure::Connection { why: e.to_string() };
        socket.set_nonblocking(false).map_err(why)?;
    }
    Ok(())
}
