//! The rooms on real sockets.

use super::hall::Hall;
use super::origin::Origins;
use super::{SignalError, talk};
use crate::ground::limit::Limiter;
use crate::net::NetError;
use crate::net::guests::Guests;
use crate::net::listen::listen;
use crate::signal::{self, Limits};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Bytes of each of a connection's two buffers in the kernel: a message or two.
const KERNEL_BUFFER: usize = 128 << 10;

/// What to serve.
#[derive(Clone)]
pub struct Config {
    /// The address and port to listen on.
    pub listen: SocketAddr,
    /// Speaks TLS with this; none: plain TCP.
    pub tls: Option<TlsAcceptor>,
    /// How much clients may ask of it.
    pub limits: Limits,
    /// Pages that may use the rooms, as browsers name them (`https://example.org`); none: all.
    pub origins: Vec<String>,
}

impl Config {
    /// Rooms at this address, for everybody, without TLS.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        Self { listen, tls: None, limits: Limits::default(), origins: Vec::new() }
    }
}

/// The certificate of a running server, to be replaced by a newer one. It may be cloned and kept.
#[derive(Clone)]
pub struct Certificate(Arc<Mutex<Option<TlsAcceptor>>>);

impl Certificate {
    /// Connections from now on see this one.
    pub fn replace(&self, tls: TlsAcceptor) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(tls);
    }

    fn now(&self) -> Option<TlsAcceptor> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").finish_non_exhaustive()
    }
}

/// A server whose socket is open.
pub struct Server {
    listener: TcpListener,
    tls: Certificate,
    origins: Arc<Origins>,
    hall: Arc<Hall>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("listener", &self.listener).finish_non_exhaustive()
    }
}

impl Server {
    /// Opens its socket. Port 0 takes any free one.
    ///
    /// # Errors
    /// [`NetError::Open`] when the address cannot be had.
    pub fn bind(config: Config) -> Result<Self, SignalError> {
        let at = config.listen;
        let listener =
            listen(at, 1024, Some(KERNEL_BUFFER)).map_err(|why| NetError::Open { at, why })?;
        Ok(Self {
            listener,
            tls: Certificate(Arc::new(Mutex::new(config.tls))),
            origins: Arc::new(Origins::new(config.origins)),
            hall: Arc::new(Hall::new(config.limits)),
        })
    }

    /// Where it answers, as a URI.
    #[must_use]
    pub fn uri(&self) -> String {
        let scheme = if self.tls.now().is_some() { "wss" } else { "ws" };
        self.address().map_or_else(|| scheme.to_owned(), |at| format!("{scheme}://{at}"))
    }

    /// The address as bound.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Its certificate.
    #[must_use]
    pub fn certificate(&self) -> Certificate {
        self.tls.clone()
    }

    /// Serves until `shutdown` ends; then every connection is closed.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let limits = self.hall.limits();
        let mut door = Door::new(&limits);
        let mut tasks = JoinSet::new();
        let mut clock = tokio::time::interval(Duration::from_secs(1));
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                _ = clock.tick() => self.hall.act(signal::Rooms::tick),
                Some(_) = tasks.join_next() => {}
                accepted = self.listener.accept() => {
                    let Ok((stream, from)) = accepted else {
                        // out of file handles: those that are open must end first
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        continue;
                    };
                    let Some(guest) = door.admit(self.hall.now(), from, &stream) else { continue };
                    let (tls, origins) = (self.tls.now(), Arc::clone(&self.origins));
                    let hall = Arc::clone(&self.hall);
                    tasks.spawn(talk::client(stream, from.ip(), tls, origins, hall, guest));
                }
            }
        }
        tasks.shutdown().await;
    }
}

/// Who may begin a handshake: a connection that has not shaken hands costs memory, and is nobody's
/// yet. Others are closed at once, before a byte is read.
struct Door {
    rate: Limiter,
    of_source: Guests,
    all: Arc<Semaphore>,
}

impl Door {
    fn new(limits: &Limits) -> Self {
        Self {
            rate: Limiter::new(limits.connections),
            of_source: Guests::new(limits.handshakes_of_source),
            all: Arc::new(Semaphore::new(limits.handshakes)),
        }
    }

    fn admit(
        &mut self,
        now: Duration,
        from: SocketAddr,
        stream: &TcpStream,
    ) -> Option<(crate::net::guests::Guest, tokio::sync::OwnedSemaphorePermit)> {
        let guest = self.of_source.admit(from.ip());
        let place = Arc::clone(&self.all).try_acquire_owned().ok();
        let admitted = guest.zip(place).filter(|_| self.rate.allows(now, from.ip()));
        if admitted.is_none() {
            // a reset, so that nothing of it stays here, not even as TIME_WAIT
            let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
        admitted
    }
}
