//! One connection: the handshakes, then messages both ways.

use super::Stream;
use super::hall::{Hall, Queue};
use super::origin::Origins;
use crate::net::guests::Guest;
use crate::signal::ClientId;
use crate::signal::frame::{Broken, Frames, Heard, close, pong};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// How long a client may take to take a message, or to hear why it is turned out.
const FAREWELL: Duration = Duration::from_secs(5);
/// Bytes that are read at once.
const PIECE: usize = 2048;
/// Bytes that are read and forgotten from a client that is turned out, so that it hears why.
const LONGEST_REST: usize = 1 << 20;
/// The longest request that opens a WebSocket, in bytes; those of browsers have 500 to 2,000.
const LONGEST_REQUEST: usize = 8192;

/// Serves a connection from its first byte to its last. `guest` counts it among the handshakes.
pub(super) async fn client(
    stream: TcpStream,
    from: IpAddr,
    tls: Option<TlsAcceptor>,
    origins: Arc<Origins>,
    hall: Arc<Hall>,
    guest: (Guest, tokio::sync::OwnedSemaphorePermit),
) {
    let _ = stream.set_nodelay(true);
    let shaking = tokio::time::timeout(hall.limits().handshake, shake(stream, tls, &origins));
    let Ok(Some(mut stream)) = shaking.await else { return };
    let (member, queue, is_in) = hall.enter(from);
    // who is turned away goes on counting as a handshake until it has gone
    let guest = if is_in {
        drop(guest);
        None
    } else {
        Some(guest)
    };
    if converse(&mut stream, &hall, member.id, queue).await {
        let _ = tokio::time::timeout(FAREWELL, take_leave(&mut stream)).await;
    }
    drop((member, guest));
}

async fn shake(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    origins: &Origins,
) -> Option<Box<dyn Stream>> {
    let stream: Box<dyn Stream> = match tls {
        None => Box::new(stream),
        Some(acceptor) => Box::new(acceptor.accept(stream).await.ok()?),
    };
    let config = WebSocketConfig::default().read_buffer_size(0);
    let bounded = Bounded { stream, left: LONGEST_REQUEST };
    #[allow(clippy::result_large_err)] // the library's type
    let check = |request: &_, response| origins.check(request, response);
    let socket = accept_hdr_async_with_config(bounded, check, Some(config)).await.ok()?;
    // from here on our own frames are read: the library has taken no byte of them
    Some(socket.into_inner().stream)
}

/// A stream of which only so much is read.
struct Bounded {
    stream: Box<dyn Stream>,
    left: usize,
}

impl AsyncRead for Bounded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left == 0 {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let mut piece = [0; 1024];
        let most = buffer.remaining().min(self.left).min(piece.len());
        let mut part = ReadBuf::new(piece.get_mut(..most).unwrap_or_default());
        let read = Pin::new(&mut self.stream).poll_read(context, &mut part);
        buffer.put_slice(part.filled());
        self.left -= part.filled().len();
        read
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Until one of the two ends it; true when it was us, and the client is to hear it.
async fn converse(
    stream: &mut Box<dyn Stream>,
    hall: &Hall,
    id: ClientId,
    mut queue: Queue,
) -> bool {
    let limits = hall.limits();
    let mut frames = Frames::new(hall.now(), limits.message, limits.frames);
    let mut piece = [0; PIECE];
    loop {
        tokio::select! {
            frame = queue.frames.recv() => {
                let Some(frame) = frame else { return !queue.cut.is_cancelled() };
                let sending = async {
                    stream.write_all(&frame).await?;
                    stream.flush().await
                };
                tokio::select! {
                    sent = tokio::time::timeout(FAREWELL, sending) => {
                        if !matches!(sent, Ok(Ok(()))) {
                            return false;
                        }
                    }
                    () = queue.cut.cancelled() => return false,
                }
                hall.sent(id, &frame);
            }
            read = stream.read(&mut piece) => {
                let bytes = match read {
                    Ok(0) | Err(_) => return false,
                    Ok(count) => piece.get(..count).unwrap_or_default(),
                };
                if !hear(hall, id, &mut frames, bytes) {
                    drop(frames);
                    // turned out, and why is in the queue
                    let told = tokio::time::timeout(FAREWELL, tell(stream, &mut queue)).await;
                    return told.unwrap_or(false);
                }
            }
        }
    }
}

/// Sends what is left in the queue; false when that cannot be.
async fn tell(stream: &mut Box<dyn Stream>, queue: &mut Queue) -> bool {
    while let Some(frame) = queue.frames.recv().await {
        if stream.write_all(&frame).await.is_err() || stream.flush().await.is_err() {
            return false;
        }
    }
    !queue.cut.is_cancelled()
}

/// Passes on what these bytes say. False: nothing more is to be read.
fn hear(hall: &Hall, id: ClientId, frames: &mut Frames, mut bytes: &[u8]) -> bool {
    let before = frames.held();
    while !bytes.is_empty() {
        let now = hall.now();
        let heard = match frames.read(now, bytes) {
            Ok((taken, heard)) => {
                bytes = bytes.get(taken..).unwrap_or_default();
                heard
            }
            Err(broken) => {
                hall.act(|server, _| match broken {
                    Broken::TooLong => server.too_long(id),
                    Broken::TooFast => server.too_fast(id),
                    Broken::Protocol => server.broken(id),
                });
                return false;
            }
        };
        match heard {
            Some(Heard::Text(text)) => hall.act(|server, now| server.received(now, id, &text)),
            Some(Heard::Binary) => hall.act(|server, now| server.received(now, id, "binary")),
            Some(Heard::Ping(payload)) => hall.send(id, pong(&payload)),
            Some(Heard::Close) => {
                hall.leave(id);
                return false;
            }
            Some(Heard::Pong) | None => {}
        }
    }
    hall.holds(id, before, frames.held())
}

/// Says that this is the end, and waits until the client has heard it: closed before what it still
/// sends has been read, the connection would be reset, and the last words lost.
async fn take_leave(stream: &mut Box<dyn Stream>) {
    if stream.write_all(&close()).await.is_err() || stream.shutdown().await.is_err() {
        return;
    }
    let (mut rest, mut left) = ([0; PIECE], LONGEST_REST);
    while let Ok(count @ 1..) = stream.read(&mut rest).await
        && count < left
    {
        left -= count;
    }
}
