//! Drives a [`Prober`] with real sockets, the monotonic clock, and the system's randomness.

use super::NetError;
use super::bind::Bind;
use super::tls::Tls;
use super::udp::{self, Heard, IcmpError};
use super::vantage;
use crate::ground::icmp::IcmpKind;
use crate::net::Stop;
use crate::probe::record::Record;
use crate::probe::{Config, Input, News, Output, Prober, RelayId, SocketId, TcpId, Wish};
use crate::turn::Server;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
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
    /// How to be let in at each of [`Config::relays`].
    pub relays: Vec<Server>,
    /// Whom to trust where these are reached over TLS.
    pub tls: Tls,
}

/// Datagrams that may wait for the prober; more than it can ever have asked for.
const QUEUE: usize = 1024;
/// No STUN answer is longer: PADDING may fill an MTU of 9000 bytes.
const LONGEST: usize = 9216;

pub(super) enum Event {
    Udp { socket: SocketId, heard: Heard },
    Tcp { tcp: TcpId, bytes: Option<Vec<u8>> },
    Relay { relay: RelayId, news: News },
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
        relays: Vec::new(),
        allocations: JoinSet::new(),
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
    /// What is wished of each allocation; without it, the allocation is given back.
    relays: Vec<mpsc::Sender<Wish>>,
    allocations: JoinSet<()>,
    events: mpsc::Sender<Event>,
}

/// What was seen, and whether this system shows ICMP errors at all.
fn told(record: &Record) -> Record {
    let mut record = record.clone();
    record.sockets.iter_mut().for_each(|socket| socket.no_icmp = cfg!(not(target_os = "linux")));
    record
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
                Output::Done => {
                    self.give_back(&mut inbox).await;
                    return told(self.prober.record());
                }
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
            Output::Relay { relay, wish } => self.wish(relay, wish),
            Output::Progress | Output::Wait(_) | Output::Done => {}
        }
    }

    fn wish(&mut self, relay: RelayId, wish: Wish) {
        if let Wish::Open { server } = wish {
            let Some(server) = self.options.relays.get(server).cloned() else {
                let news = &News::Failed("it has no account".to_owned());
                return self.prober.handle(self.now(), Input::Relay { relay, news });
            };
            let (wishes, inbox) = mpsc::channel(QUEUE);
            self.relays.push(wishes);
            let Options { bind, tls, .. } = self.options.clone();
            let out = vantage::Out { bind, tls };
            self.allocations.spawn(vantage::live(relay, server, out, inbox, self.events.clone()));
        } else if let Some(wishes) = self.relays.get(relay.0) {
            // what does not fit, or comes too late, is lost as on any other way
            let _lost = wishes.try_send(wish);
        }
    }

    /// Waits until the allocations are given back: servers count them.
    async fn give_back(&mut self, inbox: &mut mpsc::Receiver<Event>) {
        self.relays.clear();
        inbox.close();
        while self.allocations.join_next().await.is_some() {}
    }

    fn open(&mut self, id: SocketId, toward: SocketAddr, fixed: bool) {
        let port = self.options.port.filter(|_| fixed).unwrap_or(0);
        let opened = udp::open_at(toward, self.options.bind.as_ref(), port)
            .and_then(|socket| Ok((socket.local_addr()?, Arc::new(socket))));
        let now = self.now();
        self.sockets.resize_with(self.sockets.len().max(id.0 + 1), || None);
        match opened {
            Ok((local, socket)) => {
                let event = move |heard| Event::Udp { socket: id, heard };
                let events = self.events.clone();
                self.tasks.spawn(udp::hear(Arc::clone(&socket), LONGEST, events, event));
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
        let kind = match udp::send(socket, to, bytes).map_err(|error| error.kind()) {
            Ok(()) => return,
            Err(io::ErrorKind::PermissionDenied) => IcmpKind::Prohibited,
            Err(_) => IcmpKind::Unreachable,
        };
        let now = self.now();
        self.prober.handle(now, Input::Icmp { socket: id, to, offender: None, kind });
    }

    fn take(&mut self, event: &Event) {
        let now = self.now();
        match event {
            Event::Udp { socket, heard: Heard::Datagram { from, bytes } } => {
                self.prober.handle(now, Input::Datagram { socket: *socket, from: *from, bytes });
            }
            Event::Udp { socket, heard: Heard::Icmp(error) } => {
                let IcmpError { to, offender, kind } = *error;
                self.prober.handle(now, Input::Icmp { socket: *socket, to, offender, kind });
            }
            Event::Relay { relay, news } => {
                self.prober.handle(now, Input::Relay { relay: *relay, news });
            }
            Event::Tcp { tcp, bytes } => {
                self.prober.handle(now, Input::Tcp { tcp: *tcp, bytes: bytes.as_deref() });
            }
        }
    }
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
