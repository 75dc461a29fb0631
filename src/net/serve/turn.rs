//! Drives a [`Relay`] on real sockets: one UDP socket for each relayed address.

use super::batch::{Batch, Datagram, LONGEST_DATAGRAM};
use super::{Config, bind_udp, host, stream};
use crate::ground::external::Externals;
use crate::net::NetError;
use crate::stun::responder::{Over, Sites};
use crate::turn::relay::{self, Credentials, Opening, Path, Relay, Step, Traffic, Unopened, Usage};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::net::UdpSocket;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

/// Is told of every allocation, when it begins and when it has ended. It must not block.
#[derive(Clone)]
pub struct Observer(Arc<dyn Fn(&Usage) + Send + Sync>);

impl Observer {
    /// One that calls this.
    pub fn new(tell: impl Fn(&Usage) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}

/// The addresses that a relay of this configuration has on a server that listens on `sites`.
#[must_use]
pub fn relay_addresses(config: &relay::Config, sites: &[Sites]) -> Vec<IpAddr> {
    if !config.relay.is_empty() {
        return config.relay.clone();
    }
    let mut found: Vec<IpAddr> = Vec::new();
    for (_, address) in sites.iter().flat_map(|sites| sites.all()) {
        let ip = address.ip();
        if !ip.is_unspecified() && !found.iter().any(|own| own.is_ipv4() == ip.is_ipv4()) {
            found.push(ip);
        }
    }
    found
}

/// A running relay, for whoever wants to know what it carries. It may be cloned and kept; it sends
/// nothing itself.
#[derive(Debug, Clone)]
pub struct RelayHandle(Arc<Hub>);

impl RelayHandle {
    /// Its allocations: those that ended last, and the live ones.
    #[must_use]
    pub fn usage(&self) -> Vec<Usage> {
        self.0.lock().relay.usage()
    }

    /// What it has carried altogether.
    #[must_use]
    pub fn total(&self) -> Traffic {
        self.0.lock().relay.total()
    }

    /// From now on these users are let in, and no others; allocations end with their time at the
    /// latest.
    pub fn set_credentials(&self, credentials: &Credentials) {
        self.0.lock().relay.set_credentials(credentials);
    }

    /// From now on it is as if dead: it answers nothing and relays nothing. `false` revives it.
    pub fn cut(&self, cut: bool) {
        self.0.cut.store(cut, Ordering::Relaxed);
    }
}

/// The relay with its sockets, shared by all who receive packets for it.
#[derive(Debug)]
pub(super) struct Hub {
    inner: Mutex<Inner>,
    cut: AtomicBool,
    start: Instant,
    /// Shared by all relayed addresses: one is read at a time.
    batch: Mutex<Batch>,
}

#[derive(Debug)]
struct Inner {
    relay: Relay,
    sockets: HashMap<SocketAddr, Relayed>,
    /// The sockets that clients send to, by their address.
    listening: HashMap<SocketAddr, Arc<UdpSocket>>,
    streams: HashMap<Path, stream::Sender>,
    tasks: JoinSet<()>,
    observer: Option<Observer>,
    external: Externals,
}

#[derive(Debug)]
struct Relayed {
    socket: Arc<UdpSocket>,
    task: AbortHandle,
}

/// How often what has expired is looked for.
const TICK: Duration = Duration::from_secs(1);

impl Hub {
    /// A relay that is listened for on these sites.
    pub fn new(
        mut config: relay::Config,
        sites: &[Sites],
        server: &Config,
    ) -> Result<Self, NetError> {
        let key = crate::net::seed()?;
        let external = server.external.clone();
        let relay = relay_addresses(&config, sites);
        for &ip in &relay {
            // rather told now than by a 508 to every client
            let at = SocketAddr::new(ip, 0);
            bind_udp(at).map_err(|why| NetError::Open { at, why })?;
        }
        // the relay itself knows its addresses as its clients and their peers do
        config.relay = relay.into_iter().map(|ip| external.outside_ip(ip)).collect();
        config.policy.own.extend(sites.iter().flat_map(|sites| sites.all()).map(|(_, at)| at.ip()));
        config.policy.host = host::now();
        let epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let epoch = epoch.map_or(0, |since| since.as_secs());
        let software = server.software.clone();
        let start = relay::Start { limit: server.limit, software, key, epoch };
        let inner = Inner {
            relay: Relay::new(config, start),
            sockets: HashMap::new(),
            listening: HashMap::new(),
            streams: HashMap::new(),
            tasks: JoinSet::new(),
            observer: server.observer.clone(),
            external,
        };
        Ok(Self {
            inner: Mutex::new(inner),
            cut: AtomicBool::new(false),
            start: Instant::now(),
            batch: Mutex::new(Batch::new(LONGEST_DATAGRAM)),
        })
    }

    pub fn handle(self: &Arc<Self>) -> RelayHandle {
        RelayHandle(Arc::clone(self))
    }

    /// Clients send to this socket.
    pub fn listen(&self, at: SocketAddr, socket: &Arc<UdpSocket>) {
        self.lock().listening.insert(at, Arc::clone(socket));
    }

    /// The addresses that this host has now.
    pub fn set_host(&self, host: relay::Host) {
        self.lock().relay.set_host(host);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }

    /// A datagram from a client to a socket of ours.
    pub fn receive_udp(
        self: &Arc<Self>,
        local: SocketAddr,
        socket: &Arc<UdpSocket>,
        datagram: &mut Datagram<'_>,
    ) {
        if self.is_cut() {
            return;
        }
        let path = Path { over: Over::Udp, local, remote: datagram.source };
        let from = datagram.out.len();
        let mut inner = self.lock();
        match self.handle_message(&mut inner, &path, datagram.bytes, datagram.out) {
            Step::Answer => datagram.send_written(socket, path.remote, from),
            Step::Send { from, to, payload } => {
                if let Some((socket, to)) = inner.socket_to(from, to) {
                    datagram.send_part(socket, to, payload);
                }
            }
            Step::Nothing | Step::Open(_) => {}
        }
    }

    /// A message from a client over a stream; the answer, if there is one.
    pub fn receive_stream(self: &Arc<Self>, path: &Path, bytes: &[u8]) -> Option<Vec<u8>> {
        if self.is_cut() {
            return None;
        }
        let mut out = Vec::new();
        let mut inner = self.lock();
        match self.handle_message(&mut inner, path, bytes, &mut out) {
            Step::Answer => Some(out),
            Step::Send { from, to, payload } => {
                if let Some((socket, to)) = inner.socket_to(from, to) {
                    // what the kernel will not take at once is dropped: UDP may
                    let _ = socket.try_send_to(bytes.get(payload)?, to);
                }
                None
            }
            Step::Nothing | Step::Open(_) => None,
        }
    }

    /// Lets the relay see a message, and opens and closes the sockets that it wants.
    fn handle_message(
        self: &Arc<Self>,
        inner: &mut Inner,
        path: &Path,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Step {
        let now = self.start.elapsed();
        let mut step = inner.relay.receive(now, path, bytes, out);
        inner.close();
        while let Step::Open(opening) = step {
            let result = self.open(inner, &opening);
            step = inner.relay.opened(now, opening, result, out);
            inner.close();
        }
        step
    }

    fn open(self: &Arc<Self>, inner: &mut Inner, opening: &Opening) -> Result<(), Unopened> {
        let at = opening.address();
        let socket = bind_udp(inner.external.inside(at)).map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied => Unopened::Taken,
            _ => Unopened::Failed,
        })?;
        let socket = Arc::new(socket);
        while inner.tasks.try_join_next().is_some() {}
        let task = inner.tasks.spawn(Arc::clone(self).serve_relayed(at, Arc::clone(&socket)));
        inner.sockets.insert(at, Relayed { socket, task });
        Ok(())
    }

    /// A client's stream has begun: what is for it goes to `sender`.
    pub fn connected(&self, path: Path, sender: stream::Sender) {
        self.lock().streams.insert(path, sender);
    }

    /// It has ended.
    pub fn disconnected(&self, path: &Path) {
        let mut inner = self.lock();
        inner.streams.remove(path);
        inner.relay.disconnected(path);
        inner.close();
    }

    /// Whether the client has an allocation.
    pub fn serves(&self, path: &Path) -> bool {
        self.lock().relay.serves(path)
    }

    /// Ends what has expired, for ever.
    pub async fn expire(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(TICK);
        loop {
            ticks.tick().await;
            let mut inner = self.lock();
            inner.relay.expire(self.start.elapsed());
            inner.close();
        }
    }

    /// Closes all sockets.
    pub fn shut_down(&self) {
        let mut inner = self.lock();
        inner.relay.end_all();
        inner.close();
        inner.sockets.clear();
        inner.listening.clear();
        inner.streams.clear();
        inner.tasks.abort_all();
    }

    /// Passes on what peers send to a relayed address.
    async fn serve_relayed(self: Arc<Self>, at: SocketAddr, socket: Arc<UdpSocket>) {
        loop {
            if socket.readable().await.is_err() {
                return;
            }
            self.pass_on(at, &socket);
            // Under load there is always another packet; the other sockets are served too.
            tokio::task::yield_now().await;
        }
    }

    fn pass_on(&self, at: SocketAddr, socket: &UdpSocket) {
        let mut batch = self.batch.lock().unwrap_or_else(PoisonError::into_inner);
        if batch.receive(socket).is_err() || self.is_cut() {
            return;
        }
        let now = self.start.elapsed();
        let mut inner = self.lock();
        let Inner { relay, listening, streams, external, .. } = &mut *inner;
        batch.each(|datagram| {
            // two allocations of this relay meet without leaving the host
            let (from, peer) = (datagram.out.len(), external.outside(datagram.source));
            let path = relay.receive_from_peer(now, at, peer, datagram.bytes, datagram.out);
            let Some(path) = path else { return };
            if let Some(stream) = streams.get(&path) {
                let bytes = datagram.out.split_off(from);
                if !stream.offer(bytes) {
                    relay.dropped(&path);
                }
            } else if let Some(socket) = listening.get(&path.local) {
                datagram.send_written(socket, path.remote, from);
            }
        });
        drop(inner);
        batch.send();
    }
}

impl Inner {
    /// The socket of this relayed address, for a packet to that peer, and where it goes from here.
    fn socket_to(&self, from: SocketAddr, to: SocketAddr) -> Option<(&Arc<UdpSocket>, SocketAddr)> {
        // the policy once more: whatever went wrong before, nothing forbidden leaves
        let relayed = self.sockets.get(&from).filter(|_| self.relay.may_send(to));
        relayed.map(|relayed| (&relayed.socket, self.external.inside(to)))
    }

    /// Closes the sockets that the relay is done with, and tells what has begun and ended.
    fn close(&mut self) {
        while let Some(address) = self.relay.poll_close() {
            if let Some(relayed) = self.sockets.remove(&address) {
                relayed.task.abort();
            }
        }
        while let Some(usage) = self.relay.poll_event() {
            if let Some(Observer(tell)) = &self.observer {
                tell(&usage);
            }
        }
    }
}
