//! Drives a [`Responder`] on real sockets: UDP in batches, and TCP.

mod batch;
mod tcp;

use super::NetError;
use crate::server::{Limit, Over, Responder, Site, Sites};
use batch::Batch;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What to serve.
#[derive(Debug, Clone)]
pub struct Config {
    /// One entry per address family, or more: each answers for itself.
    pub sites: Vec<Sites>,
    /// Answers per source address; `None` answers everything.
    pub limit: Option<Limit>,
    /// Whether to serve TCP beside UDP.
    pub tcp: bool,
    /// SOFTWARE in answers.
    pub software: String,
}

impl Config {
    /// These addresses with the default limit, UDP and TCP.
    #[must_use]
    pub fn new(sites: Vec<Sites>) -> Self {
        let software = concat!("natscope ", env!("CARGO_PKG_VERSION")).to_owned();
        Self { sites, limit: Some(Limit::default()), tcp: true, software }
    }
}

/// A server whose sockets are open.
#[derive(Debug)]
pub struct Server {
    groups: Vec<Group>,
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
    start: Instant,
}

impl Shared {
    fn now(&self) -> Duration {
        self.start.elapsed()
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
        let groups: Result<_, _> =
            config.sites.iter().map(|&sites| Group::bind(sites, &config)).collect();
        Ok(Self { groups: groups? })
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
        for group in self.groups {
            let shared = Shared { responder: Arc::new(Mutex::new(group.responder)), start };
            let sockets: HashMap<Site, Arc<UdpSocket>> =
                group.udp.into_iter().map(|(site, socket)| (site, Arc::new(socket))).collect();
            let sockets = Arc::new(sockets);
            for &site in sockets.keys() {
                tasks.spawn(serve_udp(site, Arc::clone(&sockets), shared.clone()));
            }
            for (site, listener) in group.tcp {
                tasks.spawn(tcp::serve(site, listener, shared.clone()));
            }
        }
        shutdown.await;
        tasks.shutdown().await;
        Ok(())
    }
}

impl Group {
    fn bind(sites: Sites, config: &Config) -> Result<Self, NetError> {
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
            let listener = tcp::bind(at).map_err(|why| NetError::Open { at, why })?;
            tcp.push((site, listener));
        }
        let responder = Responder::new(sites, config.limit, config.software.as_str());
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
async fn serve_udp(site: Site, sockets: Arc<HashMap<Site, Arc<UdpSocket>>>, shared: Shared) {
    let Some(socket) = sockets.get(&site) else { return };
    let mut batch = Batch::new();
    loop {
        if socket.readable().await.is_err() {
            return;
        }
        if batch.receive(socket).is_err() {
            continue;
        }
        let now = shared.now();
        {
            let mut responder = shared.responder.lock().unwrap_or_else(PoisonError::into_inner);
            batch.answer(|source, bytes, out| {
                responder.respond(now, Over::Udp, site, source, bytes, out)
            });
        }
        batch.send(&sockets);
        // Under load there is always another packet; the other sockets are served too.
        tokio::task::yield_now().await;
    }
}
