//! The rooms on real sockets.

use super::SignalError;
use crate::net::NetError;
use crate::signal::{self, ClientId, Limits, Output};
use futures_util::{SinkExt as _, StreamExt as _};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_async_with_config};

/// How long the handshakes may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Messages that may wait for a client that does not read; then it is dropped.
const QUEUE: usize = 128;
/// How long a client that is turned out may take to hear why.
const FAREWELL: Duration = Duration::from_secs(5);

/// What to serve.
#[derive(Clone)]
pub struct Config {
    /// Where.
    pub listen: SocketAddr,
    /// With TLS.
    pub tls: Option<TlsAcceptor>,
    /// Bounds.
    pub limits: Limits,
}

/// A server whose socket is open.
pub struct Server {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("listener", &self.listener).finish_non_exhaustive()
    }
}

struct Shared {
    hall: Mutex<Hall>,
    start: Instant,
}

struct Hall {
    server: signal::Server,
    queues: HashMap<ClientId, mpsc::Sender<String>>,
    next: u64,
}

impl Server {
    /// Opens its socket. Port 0 takes any free one.
    ///
    /// # Errors
    /// [`NetError::Open`] when the address cannot be had.
    pub fn bind(config: Config) -> Result<Self, SignalError> {
        let at = config.listen;
        let listener = listen(at).map_err(|why| NetError::Open { at, why })?;
        let server = signal::Server::new(config.limits);
        let hall = Mutex::new(Hall { server, queues: HashMap::new(), next: 0 });
        let shared = Arc::new(Shared { hall, start: Instant::now() });
        Ok(Self { listener, tls: config.tls, shared })
    }

    /// Where it answers, as a URI.
    #[must_use]
    pub fn uri(&self) -> String {
        let scheme = if self.tls.is_some() { "wss" } else { "ws" };
        self.address().map_or_else(|| scheme.to_owned(), |at| format!("{scheme}://{at}"))
    }

    /// The address as bound.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Serves until `shutdown` ends; then every connection is closed.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let limit = self.shared.locked().server.limits().clients;
        // a few more than may join, so that the rest can be told that it is full
        let places = Arc::new(Semaphore::new(limit + 64));
        let mut tasks = JoinSet::new();
        let mut clock = tokio::time::interval(Duration::from_secs(1));
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                _ = clock.tick() => self.shared.act(signal::Server::tick),
                Some(_) = tasks.join_next() => {}
                accepted = self.listener.accept() => {
                    let Ok((stream, _)) = accepted else {
                        // out of file handles: those that are open must end first
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        continue;
                    };
                    // dropped at once where there is no place even to say so
                    let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
                    let (tls, shared) = (self.tls.clone(), Arc::clone(&self.shared));
                    tasks.spawn(async move {
                        client(stream, tls, shared).await;
                        drop(place);
                    });
                }
            }
        }
        tasks.shutdown().await;
    }
}

fn listen(at: SocketAddr) -> std::io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    if at.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&at.into())?;
    socket.listen(128)?;
    TcpListener::from_std(socket.into())
}

async fn client(stream: TcpStream, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    match tls {
        None => talk(stream, shared).await,
        Some(acceptor) => {
            let shaken = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await;
            if let Ok(Ok(stream)) = shaken {
                talk(stream, shared).await;
            }
        }
    }
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(stream: S, shared: Arc<Shared>) {
    let most = shared.locked().server.limits().message;
    let config = WebSocketConfig::default()
        // what is a little too long is read, so that the refusal can be heard; the rest breaks off
        .max_message_size(Some(most * 2))
        .max_frame_size(Some(most * 2))
        .max_write_buffer_size(most * 4 + 64 * 1024)
        .write_buffer_size(0);
    let shaken = tokio::time::timeout(HANDSHAKE, accept_async_with_config(stream, Some(config)));
    let Ok(Ok(socket)) = shaken.await else { return };
    let (id, queue) = shared.enter();
    converse(socket, &shared, id, queue).await;
    shared.act(|server, _| server.disconnected(id));
    shared.locked().queues.remove(&id);
}

/// Until one of the two ends it.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    mut socket: WebSocketStream<S>,
    shared: &Shared,
    id: ClientId,
    mut queue: mpsc::Receiver<String>,
) {
    loop {
        tokio::select! {
            text = queue.recv() => {
                let Some(text) = text else { break };
                let sent = tokio::time::timeout(FAREWELL, socket.send(Message::text(text)));
                if !matches!(sent.await, Ok(Ok(()))) {
                    return;
                }
            }
            heard = socket.next() => match heard {
                Some(Ok(Message::Text(text))) => {
                    shared.act(|server, now| server.received(now, id, text.as_str()));
                }
                Some(Ok(Message::Binary(_))) => {
                    shared.act(|server, now| server.received(now, id, "binary"));
                }
                // the library answers pings itself
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(Error::Capacity(_))) => shared.act(|server, _| server.too_long(id)),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            }
        }
    }
    // turned out: the queue has ended, and what was in it has been sent
    let _ = tokio::time::timeout(FAREWELL, async {
        let _ = socket.close(None).await;
        while let Some(Ok(_)) = socket.next().await {}
    })
    .await;
}

impl Shared {
    fn locked(&self) -> std::sync::MutexGuard<'_, Hall> {
        self.hall.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self) -> (ClientId, mpsc::Receiver<String>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let id = {
            let mut hall = self.locked();
            hall.next += 1;
            let id = ClientId(hall.next);
            hall.queues.insert(id, sender);
            id
        };
        self.act(|server, now| server.connected(now, id));
        (id, receiver)
    }

    /// Lets the rooms do something, and hands out what comes of it.
    fn act(&self, what: impl FnOnce(&mut signal::Server, Duration)) {
        let mut hall = self.locked();
        what(&mut hall.server, self.start.elapsed());
        while let Some(output) = hall.server.poll() {
            match output {
                Output::Send(id, text) => {
                    let full = hall.queues.get(&id).is_some_and(|q| q.try_send(text).is_err());
                    if full {
                        // it does not read: it goes, and its peer is told
                        hall.queues.remove(&id);
                        hall.server.disconnected(id);
                    }
                }
                Output::Close(id) => {
                    hall.queues.remove(&id);
                }
            }
        }
    }
}
