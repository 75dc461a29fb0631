//! One peer's side of a room.

use super::{SignalError, Stream, Uri};
use crate::ground::limit::{Bucket, Limit};
use crate::net::NetError;
use crate::net::tls::Tls;
use crate::signal::{Code, Limits, Message, Role, VERSION};
use crate::stun::text::safe;
use futures_util::{SinkExt as _, StreamExt as _};
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message as Frame};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// The longest message that is taken from a server.
const LONGEST: usize = 256 * 1024;
/// Bytes that are read at one time.
const READ: usize = 16 * 1024;
/// Bytes that may wait for a server that does not read: its longest message, and answers to pings.
const WAITING: usize = LONGEST + 64 * 1024;

/// A connection to a room.
pub struct Client {
    socket: WebSocketStream<Pin<Box<dyn Stream>>>,
    began: Instant,
    pace: Limit,
    frames: Bucket,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// What comes from the server.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A message of the server or of the peer.
    Said(Message),
    /// The connection has ended: why.
    Gone(String),
}

/// Connects and asks to join the room; what the server says to it comes by [`Client::next`].
///
/// # Errors
/// [`SignalError`] says at which step it failed.
pub async fn connect(
    uri: &Uri,
    room: &str,
    tls: &Tls,
    patience: Duration,
) -> Result<Client, SignalError> {
    let silent = || SignalError::Silent { uri: uri.to_string() };
    let connected = tokio::time::timeout(patience, open(uri, tls)).await;
    let mut client = connected.map_err(|_| silent())??;
    let join = Message::Join { room: room.to_owned(), version: VERSION };
    let sent = tokio::time::timeout(patience, client.say(&join)).await;
    if !sent.map_err(|_| silent())? {
        return Err(silent());
    }
    Ok(client)
}

async fn open(uri: &Uri, tls: &Tls) -> Result<Client, SignalError> {
    let tcp = reach(uri).await?;
    let _ = tcp.set_nodelay(true);
    let stream: Pin<Box<dyn Stream>> = if uri.secure {
        let shaken = tls.connect(&uri.host, tcp).await;
        Box::pin(shaken.map_err(|error| {
            let why = error.to_string();
            let why = why.strip_prefix("TLS: ").unwrap_or(&why).to_owned();
            SignalError::Tls { uri: uri.to_string(), why }
        })?)
    } else {
        Box::pin(tcp)
    };
    let config = WebSocketConfig::default()
        .max_message_size(Some(LONGEST))
        .max_frame_size(Some(LONGEST))
        .read_buffer_size(READ)
        .write_buffer_size(0)
        // answers to pings wait here while the server does not read
        .max_write_buffer_size(WAITING);
    let shaken = client_async_with_config(uri.http(), stream, Some(config)).await;
    let (socket, _) = shaken.map_err(|error| SignalError::Handshake {
        uri: uri.to_string(),
        why: safe(error.to_string().as_bytes()),
        other: if uri.secure { "ws://" } else { "wss://" },
    })?;
    // what a server of natscope takes from a client; what it passes on is less
    let pace = Limits::default().frames;
    let frames = Bucket::new(Duration::ZERO, pace);
    Ok(Client { socket, began: Instant::now(), pace, frames })
}

/// The first of the host's addresses that takes a connection.
async fn reach(uri: &Uri) -> Result<TcpStream, SignalError> {
    let found = tokio::net::lookup_host((uri.host.as_str(), uri.port)).await;
    let addresses: Vec<SocketAddr> = found
        .map_err(|error| NetError::Resolve {
            name: uri.host.clone(),
            why: safe(error.to_string().as_bytes()),
        })?
        .collect();
    let mut failed = None;
    for at in addresses {
        match TcpStream::connect(at).await {
            Ok(stream) => return Ok(stream),
            Err(why) => failed = Some(SignalError::Connect { uri: uri.to_string(), at, why }),
        }
    }
    let nowhere =
        || NetError::Resolve { name: uri.host.clone(), why: "it has no address".to_owned() };
    Err(failed.unwrap_or_else(|| nowhere().into()))
}

impl Client {
    /// Says something; false when the connection is gone.
    pub async fn say(&mut self, message: &Message) -> bool {
        self.socket.send(Frame::text(message.to_json())).await.is_ok()
    }

    /// Waits for what comes next. What is not understood is left out. Cancel-safe.
    pub async fn next(&mut self) -> Event {
        loop {
            let frame = self.socket.next().await;
            if matches!(frame, Some(Ok(_))) && !self.frames.take(self.began.elapsed(), 1, self.pace)
            {
                return Event::Gone(format!(
                    "the signalling server sends more than {} messages a second without pause: \
                     it is no server of natscope, or it is broken",
                    self.pace.per_second
                ));
            }
            match frame {
                Some(Ok(Frame::Text(text))) => match Message::parse(text.as_str()) {
                    Ok(Message::Unknown) | Err(_) => {}
                    Ok(message) => return Event::Said(message),
                },
                Some(Ok(Frame::Close(_)) | Err(Error::ConnectionClosed)) | None => {
                    return Event::Gone("the signalling server closed the connection".to_owned());
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    let why = safe(error.to_string().as_bytes());
                    return Event::Gone(format!(
                        "the connection to the signalling server broke: {why}"
                    ));
                }
            }
        }
    }

    /// Waits to be let in.
    ///
    /// # Errors
    /// The server refused, closed, or did not answer in time: a sentence.
    pub async fn joined(
        &mut self,
        patience: Duration,
    ) -> Result<(Role, bool), (Option<Code>, String)> {
        let answer = tokio::time::timeout(patience, async {
            loop {
                match self.next().await {
                    Event::Said(Message::Joined { role, peer }) => return Ok((role, peer)),
                    Event::Said(Message::Error { code, message }) => {
                        return Err((Some(code), safe(message.as_bytes())));
                    }
                    Event::Said(_) => {}
                    Event::Gone(why) => return Err((None, why)),
                }
            }
        });
        answer.await.unwrap_or_else(|_| {
            Err((None, "the signalling server says nothing: is it one of natscope?".to_owned()))
        })
    }

    /// Leaves the room and closes the connection; waits a second at most.
    pub async fn close(mut self) {
        let _ = tokio::time::timeout(Duration::from_secs(1), self.socket.close(None)).await;
    }
}
