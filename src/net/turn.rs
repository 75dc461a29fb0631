//! Links to TURN servers over UDP, TCP and TLS, and a session: [`Client`] driven over a [`Link`].

use super::bind::Bind;
use super::tls::Tls;
use super::udp;
use crate::ground::icmp::IcmpKind;
use crate::stun::{Patience, text};
use crate::turn::client::{Event, Poll};
use crate::turn::{Client, Failure, Over, Server, TlsFault};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// The longest datagram.
const LONGEST: usize = 65_535;
/// Messages that may wait for a slow stream; more are dropped, as a datagram would be.
const QUEUE: usize = 256;
/// Until a TCP connection must stand.
const CONNECT: Duration = Duration::from_secs(8);
/// Until the TLS handshake on it must be done.
const HANDSHAKE: Duration = Duration::from_secs(4);

/// A way to a TURN server. Everything on it is cancel-safe.
#[derive(Debug)]
pub struct Link {
    local: SocketAddr,
    server: SocketAddr,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Udp(UdpSocket),
    Stream { reader: Mutex<Reader>, queue: mpsc::Sender<Vec<u8>>, writer: JoinHandle<()> },
}

type Reader = Box<dyn ReadHalf>;

trait ReadHalf: AsyncRead + Send + Unpin + std::fmt::Debug {}
impl<T: AsyncRead + Send + Unpin + std::fmt::Debug> ReadHalf for T {}

impl Link {
    /// Opens it, by an address or an interface where one is given. Over TCP and TLS it waits until the
    /// connection stands, at most 8 s, and 4 s for the handshake.
    ///
    /// # Errors
    /// [`Failure::Refused`], [`Failure::Connection`], [`Failure::Tls`] with what the system said.
    pub async fn open(server: &Server, bind: Option<&Bind>, tls: &Tls) -> Result<Self, Failure> {
        let address = server.address;
        if server.over == Over::Udp {
            return Self::udp(address, bind).map_err(|error| connection(&error));
        }
        let connected = tokio::time::timeout(CONNECT, connect(address, bind)).await;
        let Ok(connected) = connected else {
            let tried = format!("{address} over TCP, {} s", CONNECT.as_secs());
            return Err(Failure::NoAnswer { tried });
        };
        let tcp = connected.map_err(|error| connection(&error))?;
        let opened = tokio::time::timeout(HANDSHAKE, Self::stream(server, tcp, tls)).await;
        opened.unwrap_or_else(|_| {
            let why = "nothing answers the handshake".to_owned();
            Err(Failure::Tls { why, fault: TlsFault::NotTls })
        })
    }

    fn udp(server: SocketAddr, bind: Option<&Bind>) -> io::Result<Self> {
        let socket = udp::open(server, bind)?;
        socket2::SockRef::from(&socket).connect(&server.into())?;
        let local = socket.local_addr()?;
        Ok(Self { local, server, kind: Kind::Udp(socket) })
    }

    async fn stream(server: &Server, tcp: TcpStream, tls: &Tls) -> Result<Self, Failure> {
        let local = tcp.local_addr().map_err(|error| connection(&error))?;
        let (reader, writer): (Reader, Box<dyn AsyncWrite + Send + Unpin>) =
            if server.over == Over::Tls {
                let stream = tls.connect(&server.name, tcp).await?;
                let (reader, writer) = tokio::io::split(stream);
                (Box::new(reader), Box::new(writer))
            } else {
                let (reader, writer) = tcp.into_split();
                (Box::new(reader), Box::new(writer))
            };
        let (queue, inbox) = mpsc::channel(QUEUE);
        let writer = tokio::spawn(write(writer, inbox));
        let kind = Kind::Stream { reader: Mutex::new(reader), queue, writer };
        Ok(Self { local, server: server.address, kind })
    }

    /// The local address of the socket.
    #[must_use]
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    /// Waits for bytes from the server: one datagram, or a part of the stream. What was in `buffer`
    /// is replaced.
    ///
    /// # Errors
    /// When an ICMP error says that nobody is there, or the stream ended or broke.
    pub async fn recv(&self, buffer: &mut Vec<u8>) -> Result<(), Failure> {
        buffer.clear();
        match &self.kind {
            Kind::Udp(socket) => receive(socket, buffer).await,
            Kind::Stream { reader, .. } => {
                let mut reader = reader.lock().await;
                match reader.read_buf(buffer).await {
                    Ok(0) => {
                        Err(Failure::Connection { why: "the server closed the connection".into() })
                    }
                    Ok(_) => Ok(()),
                    Err(error) => Err(connection(&error)),
                }
            }
        }
    }

    /// Sends bytes towards the server, without waiting. What does not fit into the buffers is
    /// lost, as anywhere else on the way.
    ///
    /// # Errors
    /// When the system refuses to send there, or the stream broke.
    pub fn send(&self, bytes: &[u8]) -> Result<(), Failure> {
        match &self.kind {
            Kind::Udp(socket) => {
                let socket = socket2::SockRef::from(socket);
                udp::insist(|| socket.send(bytes)).map_err(|error| connection(&error))
            }
            Kind::Stream { queue, .. } => match queue.try_send(bytes.to_vec()) {
                Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => Ok(()),
                Err(mpsc::error::TrySendError::Closed(_)) => {
                    Err(Failure::Connection { why: "the connection broke".to_owned() })
                }
            },
        }
    }

    /// Lets what was sent leave, for at most half a second.
    pub async fn flush(self) {
        let Kind::Stream { queue, mut writer, reader } = self.kind else { return };
        drop(queue);
        let _slow = tokio::time::timeout(Duration::from_millis(500), &mut writer).await;
        writer.abort();
        drop(reader);
    }

    /// The server's address.
    #[must_use]
    pub const fn server(&self) -> SocketAddr {
        self.server
    }
}

async fn connect(to: SocketAddr, bind: Option<&Bind>) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(bind) = bind {
        bind.hold(&socket2::SockRef::from(&socket), to.is_ipv4())?;
        if let Some(ip) = bind.source(to.is_ipv4()) {
            socket.bind(SocketAddr::new(ip, 0))?;
        }
    }
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Writes what is queued, until the link is gone or breaks.
async fn write(mut to: Box<dyn AsyncWrite + Send + Unpin>, mut inbox: mpsc::Receiver<Vec<u8>>) {
    while let Some(bytes) = inbox.recv().await {
        if to.write_all(&bytes).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
    let _broken = to.shutdown().await;
}

pub(super) async fn receive(socket: &UdpSocket, buffer: &mut Vec<u8>) -> Result<(), Failure> {
    buffer.resize(LONGEST, 0);
    loop {
        let ready = socket
            .ready(Interest::READABLE | Interest::ERROR)
            .await
            .map_err(|error| connection(&error))?;
        if ready.is_error() {
            drain_errors(socket)?;
        }
        // Otherwise: nothing there, or an error that the queue tells more about.
        if let Ok(length) = socket.try_recv(buffer) {
            buffer.truncate(length);
            return Ok(());
        }
    }
}

fn drain_errors(socket: &UdpSocket) -> Result<(), Failure> {
    let failed = |error: udp::IcmpError| unreachable(error.kind, error.offender);
    if let Some(failure) = udp::errors(socket).into_iter().find_map(failed) {
        return Err(failure);
    }
    // where there is no error queue
    match socket.take_error() {
        Ok(Some(error)) if cfg!(not(target_os = "linux")) => Err(connection(&error)),
        _ => Ok(()),
    }
}

/// What an ICMP error means for the link; `None` when it is not the end.
fn unreachable(kind: IcmpKind, offender: Option<IpAddr>) -> Option<Failure> {
    let by = offender.map(|ip| format!(", says {ip}")).unwrap_or_default();
    match kind {
        IcmpKind::PortUnreachable => {
            Some(Failure::Refused { why: format!("port unreachable{by}") })
        }
        IcmpKind::Prohibited => {
            Some(Failure::Connection { why: format!("a firewall forbids it{by}") })
        }
        IcmpKind::Unreachable => {
            Some(Failure::Connection { why: format!("the host or its network is unreachable{by}") })
        }
        _ => None,
    }
}

fn connection(error: &io::Error) -> Failure {
    let why = text::safe(error.to_string().as_bytes());
    if error.kind() == io::ErrorKind::ConnectionRefused {
        Failure::Refused { why }
    } else {
        Failure::Connection { why }
    }
}

/// An allocation on a real server.
#[derive(Debug)]
pub struct Session {
    link: Link,
    client: Client,
    start: Instant,
    buffer: Vec<u8>,
    /// What the driver noticed while nobody asked.
    broken: VecDeque<Failure>,
}

impl Session {
    /// Opens the link, by an address or an interface where one is given, and begins the allocation; how it goes is told by [`Session::event`].
    ///
    /// # Errors
    /// When the link cannot be opened.
    pub async fn open(
        server: Server,
        bind: Option<&Bind>,
        tls: &Tls,
        patience: Patience,
    ) -> Result<Self, Failure> {
        let ipv4 = server.address.is_ipv4();
        Self::asking(server, bind, tls, patience, ipv4).await
    }

    /// The same for a relayed address of the family that is asked for; see [`Client::asking`].
    ///
    /// # Errors
    /// When the link cannot be opened.
    pub async fn asking(
        server: Server,
        bind: Option<&Bind>,
        tls: &Tls,
        patience: Patience,
        ipv4: bool,
    ) -> Result<Self, Failure> {
        let link = Link::open(&server, bind, tls).await?;
        let client = Client::asking(server, link.local(), patience, ipv4, Duration::ZERO);
        let start = Instant::now();
        Ok(Self { link, client, start, buffer: Vec::new(), broken: VecDeque::new() })
    }

    /// The next event. Cancel-safe: nothing is lost when another branch of a `select!` is quicker.
    /// After [`Event::Failed`] it never comes back.
    pub async fn event(&mut self) -> Event {
        loop {
            if let Some(failure) = self.broken.pop_front() {
                self.client.broken(failure);
            }
            self.flush();
            let until = match self.client.poll(self.start.elapsed()) {
                Poll::Event(event) => {
                    self.flush();
                    return event;
                }
                Poll::Wait(_) if self.client.ended() => std::future::pending().await,
                Poll::Wait(until) => until,
            };
            tokio::select! {
                received = self.link.recv(&mut self.buffer) => match received {
                    Ok(()) => self.client.receive(self.start.elapsed(), &self.buffer),
                    Err(failure) => self.broken.push_back(failure),
                },
                () = tokio::time::sleep_until(self.start + until) => {}
            }
        }
    }

    /// Sends to a peer; see [`Client::send`].
    pub fn send(&mut self, peer: SocketAddr, payload: &[u8]) {
        self.client.send(self.start.elapsed(), peer, payload);
        self.flush();
    }

    /// Asks for a permission; see [`Client::permit`].
    pub fn permit(&mut self, peer: IpAddr) {
        self.client.permit(self.start.elapsed(), peer);
        self.flush();
    }

    /// Asks for a channel; see [`Client::bind_channel`].
    pub fn bind_channel(&mut self, peer: SocketAddr) {
        self.client.bind_channel(self.start.elapsed(), peer);
        self.flush();
    }

    /// The client.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// The link.
    #[must_use]
    pub const fn link(&self) -> &Link {
        &self.link
    }

    /// Gives the allocation back.
    pub async fn close(mut self) {
        self.client.close(self.start.elapsed());
        self.flush();
        self.link.flush().await;
    }

    fn flush(&mut self) {
        while let Some(bytes) = self.client.transmit(self.start.elapsed()) {
            if let Err(failure) = self.link.send(&bytes) {
                self.broken.push_back(failure);
                return;
            }
        }
    }
}
