//! Drives a [`Responder`], and a TURN relay beside it, on real sockets: UDP in batches, and TCP.

mod batch;
mod host;
mod stream;
mod tcp;
mod turn;

pub use turn::{Observer, RelayHandle, relay_addresses};

use super::{NetError, listen};
use crate::ground::external::Externals;
use crate::ground::limit::Limit;
use crate::stun::responder::{Over, Responder, Site, Sites};
use crate::turn::relay;
use batch::{Batch, LONGEST_DATAGRAM, LONGEST_REQUEST};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::Instant;
use turn::Hub;

/// What to serve.
#[derive(Debug, Clone)]
pub struct Config {
    /// One entry per address family, or more: each answers for itself.
    pub sites: Vec<Sites>,
    /// What those addresses are outside, where a cloud or a container translates them.
    pub external: Externals,
    /// Answers per source address; `None` answers everything.
    pub limit: Option<Limit>,
    /// Whether to serve TCP beside UDP.
    pub tcp: bool,
    /// SOFTWARE in answers.
    pub software: String,
    /// A TURN relay on the same sockets.
    pub turn: Option<relay::Config>,
    /// Who is told of the relay's allocations.
    pub observer: Option<Observer>,
}

impl Config {
    /// These addresses with the default limit, UDP and TCP.
    #[must_use]
    pub fn new(sites: Vec<Sites>) -> Self {
        let software = concat!("natscope ", env!("CARGO_PKG_VERSION")).to_owned();
        Self {
            sites,
            external: Externals::default(),
            limit: Some(Limit::default()),
            tcp: true,
            software,
            turn: None,
            observer: None,
        }
    }
}

/// A server whose sockets are open.
#[derive(Debug)]
pub struct Server {
    groups: Vec<Group>,
    turn: Option<Arc<Hub>>,
}

/// One [`Sites`] and its sockets.
#[derive(Debug)]
struct Group {
    responder: Responder,
    udp: Vec<(Site, UdpSocket)>,
    tcp: Vec<(Site, TcpListener)>,
}

/// The responder shared by the sockets of one group, and the clock it is given.
#[derive(Debug, Clone)]
struct Shared {
    responder: Arc<Mutex<Responder>>,
    turn: Option<Arc<Hub>>,
    start: Instant,
}

impl Shared {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Sees to all datagrams of a batch; `answer` is room to write in.
    fn answer(
        &self,
        site: Site,
        local: SocketAddr,
        socket: &Arc<UdpSocket>,
        sockets: &HashMap<Site, Arc<UdpSocket>>,
        batch: &mut Batch,
        answer: &mut Vec<u8>,
    ) {
        let now = self.now();
        let mut responder = self.responder.lock().unwrap_or_else(PoisonError::into_inner);
        batch.each(|datagram| {
            let (source, bytes) = (datagram.source, datagram.bytes);
            if let Some(hub) = self.turn.as_ref().filter(|_| relay::is_turn(bytes)) {
                return hub.receive_udp(local, socket, datagram);
            }
            let found = responder.respond(now, Over::Udp, site, source, bytes, answer);
            let Some(found) = found else { return };
            let Some(socket) = sockets.get(&found.from) else { return };
            let from = datagram.out.len();
            datagram.out.extend_from_slice(answer);
            datagram.send_written(socket, found.to, from);
        });
    }

    /// One message at a time; for TCP, where answers go back the way they came.
    fn respond_tcp(&self, site: Site, source: SocketAddr, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut responder = self.responder.lock().unwrap_or_else(PoisonError::into_inner);
        responder.respond(self.now(), Over::Tcp, site, source, bytes, &mut out)?;
        Some(out)
    }
}

impl Server {
    /// Opens all sockets. Port 0 takes any free port, for a server with one address only.
    ///
    /// # Errors
    /// [`NetError::Open`] names the address that could not be had.
    #[allow(clippy::needless_pass_by_value)] // a server owns its configuration
    pub fn bind(config: Config) -> Result<Self, NetError> {
        let groups: Result<Vec<_>, _> =
            config.sites.iter().map(|&sites| Group::bind(sites, &config)).collect();
        let groups = groups?;
        let sites: Vec<Sites> = groups.iter().map(|group| group.responder.sites()).collect();
        let turn = match &config.turn {
            Some(turn) => Some(Arc::new(Hub::new(turn.clone(), &sites, &config)?)),
            None => None,
        };
        Ok(Self { groups, turn })
    }

    /// Its relay, to be asked what it carries.
    #[must_use]
    pub fn relay(&self) -> Option<RelayHandle> {
        self.turn.as_ref().map(Hub::handle)
    }

    /// The addresses it answers on, as bound.
    #[must_use]
    pub fn sites(&self) -> Vec<Sites> {
        self.groups.iter().map(|group| group.responder.sites()).collect()
    }

    /// Serves until `shutdown` ends. Answers in progress are sent; nothing is left behind.
    ///
    /// # Errors
    /// None at present: a socket that fails is served on.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), NetError> {
        let mut tasks = JoinSet::new();
        let start = Instant::now();
        if let Some(hub) = &self.turn {
            tasks.spawn(Arc::clone(hub).expire());
            let told = Arc::clone(hub);
            tasks.spawn(host::watch(move |host| told.set_host(host)));
        }
        for group in self.groups {
            let sites = group.responder.sites();
            let local = |site: Site| sites.address(site);
            let responder = Arc::new(Mutex::new(group.responder));
            let shared = Shared { responder, turn: self.turn.clone(), start };
            let sockets: HashMap<Site, Arc<UdpSocket>> =
                group.udp.into_iter().map(|(site, socket)| (site, Arc::new(socket))).collect();
            let sockets = Arc::new(sockets);
            for (&site, socket) in &*sockets {
                let Some(local) = local(site) else { continue };
                if let Some(hub) = &self.turn {
                    hub.listen(local, socket);
                }
                tasks.spawn(serve_udp(site, local, Arc::clone(&sockets), shared.clone()));
            }
            for (site, listener) in group.tcp {
                let Some(local) = local(site) else { continue };
                tasks.spawn(tcp::serve(site, local, listener, shared.clone()));
            }
        }
        shutdown.await;
        tasks.shutdown().await;
        if let Some(hub) = &self.turn {
            hub.shut_down();
        }
        Ok(())
    }
}

/// How often any free port is tried: it must be free for UDP and for TCP.
const TRIES: u32 = 32;

impl Group {
    fn bind(sites: Sites, config: &Config) -> Result<Self, NetError> {
        let any = sites.all().iter().any(|(_, at)| at.port() == 0);
        let mut tries = if any && config.tcp { TRIES } else { 1 };
        loop {
            tries -= 1;
            match Self::bind_once(sites, config) {
                Err(NetError::Open { why, .. }) if tries > 0 && listen::is_taken(&why) => {}
                result => return result,
            }
        }
    }

    fn bind_once(sites: Sites, config: &Config) -> Result<Self, NetError> {
        let mut sites = sites;
        let mut udp = Vec::new();
        for (site, at) in sites.all() {
            let socket = bind_udp(at).map_err(|why| NetError::Open { at, why })?;
            if at.port() == 0 {
                sites = Sites::One(socket.local_addr().map_err(|why| NetError::Open { at, why })?);
            }
            udp.push((site, socket));
        }
        let mut tcp = Vec::new();
        for (site, at) in sites.all().into_iter().filter(|_| config.tcp) {
            let listener =
                listen::listen(at, 128, None).map_err(|why| NetError::Open { at, why })?;
            tcp.push((site, listener));
        }
        let responder = Responder::new(sites, config.limit, config.software.as_str())
            .known_as(config.external.clone());
        Ok(Self { responder, udp, tcp })
    }
}

/// Bytes of socket buffer: room for the packets of a busy moment.
const BUFFER: usize = 4 << 20;

fn bind_udp(at: SocketAddr) -> std::io::Result<UdpSocket> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(at), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if at.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // The system may grant less; that is its right.
    let _granted = socket.set_recv_buffer_size(BUFFER).and(socket.set_send_buffer_size(BUFFER));
    socket.bind(&at.into())?;
    UdpSocket::from_std(socket.into())
}

/// Serves one UDP socket, many packets per system call.
async fn serve_udp(
    site: Site,
    local: SocketAddr,
    sockets: Arc<HashMap<Site, Arc<UdpSocket>>>,
    shared: Shared,
) {
    let Some(socket) = sockets.get(&site) else { return };
    let longest = if shared.turn.is_some() { LONGEST_DATAGRAM } else { LONGEST_REQUEST };
    let mut batch = Batch::new(longest);
    let mut answer = Vec::new();
    loop {
        if socket.readable().await.is_err() {
            return;
        }
        if batch.receive(socket).is_err() {
            continue;
        }
        shared.answer(site, local, socket, &sockets, &mut batch, &mut answer);
        batch.send();
        // Under load there is always another packet; the other sockets are served too.
        tokio::task::yield_now().await;
    }
}
