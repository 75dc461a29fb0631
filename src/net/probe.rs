//! Drives a [`Prober`] with real sockets, the monotonic clock, and the system's randomness.

use super::bind::Bind;
use super::{NetError, socket};
use crate::ground::icmp::IcmpKind;
use crate::net::Stop;
use crate::probe::record::Record;
use crate::probe::{Config, Input, Output, Prober, SocketId, TcpId};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How to leave this host.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// By which address or interface; the kernel's choice where `None`.
    pub bind: Option<Bind>,
    /// From which port the mapping is measured; the system's choice where `None`.
    pub port: Option<u16>,
}

/// Datagrams that may wait for the prober; more than it can ever have asked for.
const QUEUE: usize = 1024;
/// No STUN answer is longer: PADDING may fill an MTU of 9000 bytes.
const LONGEST: usize = 9216;

enum Event {
    Datagram { socket: SocketId, from: SocketAddr, bytes: Vec<u8> },
    Icmp { socket: SocketId, to: SocketAddr, offender: Option<IpAddr>, kind: IcmpKind },
    Tcp { tcp: TcpId, bytes: Option<Vec<u8>> },
}

/// Runs one path's tests in the network namespace of this thread, on any tokio runtime. When
/// `stop` is cancelled the run ends at once and gives what it has. `on_progress` is called when
/// something worth showing was learned.
///
/// # Errors
/// When `--bind` names what this host has not, or there is no randomness. Whatever happens to
/// packets is in the record, not an error.
pub async fn run<F: FnMut(&Record) + ?Sized>(
    config: Config,
    options: &Options,
    stop: Stop,
    on_progress: &mut F,
) -> Result<Record, NetError> {
    if let Some(bind) = &options.bind {
        bind.check()?;
    }
    let prober = Prober::new(config, super::seed()?);
    let (events, inbox) = mpsc::channel(QUEUE);
    let driver = Driver {
        prober,
        start: Instant::now(),
        options: options.clone(),
        sockets: Vec::new(),
        tasks: JoinSet::new(),
        events,
    };
    Ok(driver.run(inbox, stop, on_progress).await)
}

struct Driver {
    prober: Prober,
    start: Instant,
    options: Options,
    sockets: Vec<Option<Arc<UdpSocket>>>,
    /// The readers; they end with the driver.
    tasks: JoinSet<()>,
    events: mpsc::Sender<Event>,
}

impl Driver {
    async fn run<F: FnMut(&Record) + ?Sized>(
        mut self,
        mut inbox: mpsc::Receiver<Event>,
        stop: Stop,
        on_progress: &mut F,
    ) -> Record {
        let mut stopping = false;
        loop {
            let wait = match self.prober.poll(self.now()) {
                Output::Wait(until) => until,
                Output::Done => return self.prober.record().clone(),
                Output::Progress => {
                    on_progress(self.prober.record());
                    continue;
                }
                other => {
                    self.perform(other);
                    continue;
                }
            };
            tokio::select! {
                event = inbox.recv() => {
                    if let Some(event) = event {
                        self.take(&event);
                    }
                    // What has arrived together is handled together.
                    while let Ok(event) = inbox.try_recv() {
                        self.take(&event);
                    }
                }
                () = tokio::time::sleep_until(self.start + wait) => {
                    self.prober.handle(self.start.elapsed(), Input::Tick);
                }
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    self.prober.handle(self.start.elapsed(), Input::Stop);
                }
            }
        }
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Open { socket, toward, fixed } => self.open(socket, toward, fixed),
            Output::Send { socket, to, bytes } => self.send(socket, to, &bytes),
            Output::Tcp { tcp, to, bytes, patience } => {
                let events = self.events.clone();
                self.tasks.spawn(async move {
                    let answer = tokio::time::timeout(patience, ask_over_tcp(to, &bytes)).await;
                    let bytes = answer.ok().and_then(Result::ok);
                    let _closed = events.send(Event::Tcp { tcp, bytes }).await;
                });
            }
            Output::Progress | Output::Wait(_) | Output::Done => {}
        }
    }

    fn open(&mut self, id: SocketId, toward: SocketAddr, fixed: bool) {
        let port = self.options.port.filter(|_| fixed).unwrap_or(0);
        let opened = socket::open_at(toward, self.options.bind.as_ref(), port)
            .and_then(|socket| Ok((socket.local_addr()?, Arc::new(socket))));
        let now = self.now();
        self.sockets.resize_with(self.sockets.len().max(id.0 + 1), || None);
        match opened {
            Ok((local, socket)) => {
                self.tasks.spawn(read(id, Arc::clone(&socket), self.events.clone()));
                self.sockets[id.0] = Some(socket);
                self.prober.handle(now, Input::Opened { socket: id, local });
            }
            Err(error) => {
                let why = error.to_string();
                self.prober.handle(now, Input::OpenFailed { socket: id, why: &why });
            }
        }
    }

    fn send(&mut self, id: SocketId, to: SocketAddr, bytes: &[u8]) {
        let Some(Some(socket)) = self.sockets.get(id.0) else { return };
        // Straight to the system call: tokio would first wait to hear that the socket is writable.
        let socket = socket2::SockRef::from(&**socket);
        let mut sent = socket.send_to(bytes, &to.into());
        // An ICMP error about an earlier packet is reported by the next call; the queue has it too.
        if matches!(&sent, Err(e) if e.kind() == io::ErrorKind::ConnectionRefused) {
            sent = socket.send_to(bytes, &to.into());
        }
        let kind = match sent.map_err(|e| e.kind()) {
            // A full buffer is loss, as it is anywhere else on the way.
            Ok(_) | Err(io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionRefused) => return,
            Err(io::ErrorKind::PermissionDenied) => IcmpKind::Prohibited,
            Err(_) => IcmpKind::Unreachable,
        };
        let now = self.now();
        self.prober.handle(now, Input::Icmp { socket: id, to, offender: None, kind });
    }

    fn take(&mut self, event: &Event) {
        let now = self.now();
        match event {
            Event::Datagram { socket, from, bytes } => {
                self.prober.handle(now, Input::Datagram { socket: *socket, from: *from, bytes });
            }
            Event::Icmp { socket, to, offender, kind } => self.prober.handle(
                now,
                Input::Icmp { socket: *socket, to: *to, offender: *offender, kind: *kind },
            ),
            Event::Tcp { tcp, bytes } => {
                self.prober.handle(now, Input::Tcp { tcp: *tcp, bytes: bytes.as_deref() });
            }
        }
    }
}

/// Reads a socket and its error queue until the driver is gone.
async fn read(id: SocketId, socket: Arc<UdpSocket>, events: mpsc::Sender<Event>) {
    let mut buffer = vec![0; LONGEST];
    loop {
        let Ok(ready) = socket.ready(Interest::READABLE | Interest::ERROR).await else { return };
        if ready.is_error() && !drain_errors(id, &socket, &events).await {
            return;
        }
        // Otherwise: nothing there, or an error that the queue tells more about.
        if let Ok((length, from)) = socket.try_recv_from(&mut buffer) {
            let bytes = buffer[..length].to_vec();
            if events.send(Event::Datagram { socket: id, from, bytes }).await.is_err() {
                return;
            }
        }
    }
}

/// Empties the error queue; false when the driver is gone.
#[cfg(target_os = "linux")]
async fn drain_errors(id: SocketId, socket: &UdpSocket, events: &mpsc::Sender<Event>) -> bool {
    loop {
        match socket.try_io(Interest::ERROR, || super::errqueue::take(socket)) {
            Ok(Some(error)) => {
                let super::errqueue::QueuedError { to, offender, kind } = error;
                let event = Event::Icmp { socket: id, to, offender, kind };
                if events.send(event).await.is_err() {
                    return false;
                }
            }
            Ok(None) => {}
            Err(_) => return true,
        }
    }
}

#[cfg(not(target_os = "linux"))]
async fn drain_errors(_: SocketId, socket: &UdpSocket, events: &mpsc::Sender<Event>) -> bool {
    let _cleared = socket
        .try_io(Interest::ERROR, || -> io::Result<()> { Err(io::ErrorKind::WouldBlock.into()) });
    !events.is_closed()
}

/// One request and one answer over TCP (RFC 8489 section 6.2.2: framed by the length in the header).
async fn ask_over_tcp(to: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(to).await?;
    stream.write_all(request).await?;
    let mut answer = vec![0; 20];
    stream.read_exact(&mut answer).await?;
    let length = usize::from(u16::from_be_bytes([answer[2], answer[3]]));
    answer.resize(20 + length.min(LONGEST), 0);
    stream.read_exact(&mut answer[20..]).await?;
    Ok(answer)
}
