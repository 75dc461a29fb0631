//! STUN and TURN over TCP (RFC 8489 section 6.2.2, RFC 8656 section 12.5): messages one after the
//! other, framed by their length.

use super::batch::LONGEST_REQUEST;
use super::{Shared, stream};
use crate::net::guests::Guests;
use crate::stun::responder::{Over, Site};
use crate::turn::relay::{self, Path};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Connections at once per socket; further ones wait to be accepted.
const MOST: usize = 1024;
/// Connections at once from one address (of IPv6, one /64): nobody may have all of them, and a
/// whole household behind one NAT has enough.
const MOST_OF_ONE: usize = 64;
/// A connection that says nothing for this long, and has no allocation, is closed.
const IDLE: Duration = Duration::from_secs(30);

pub(super) async fn serve(site: Site, local: SocketAddr, listener: TcpListener, shared: Shared) {
    let slots = Arc::new(Semaphore::new(MOST));
    let mut connections = JoinSet::new();
    let guests = Guests::new(MOST_OF_ONE);
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        // Out of descriptors, or the client is gone: the next one may do better.
        let Ok((stream, source)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        let Some(guest) = guests.admit(source.ip()) else { continue };
        let shared = shared.clone();
        connections.spawn(async move {
            let path = Path { over: Over::Tcp, local, remote: source };
            converse(site, path, stream, shared).await;
            drop((slot, guest));
        });
    }
}

/// Tells the relay that the connection is gone, however it ends.
struct Connection<'a> {
    shared: &'a Shared,
    path: Path,
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        if let Some(hub) = &self.shared.turn {
            hub.disconnected(&self.path);
        }
    }
}

async fn converse(site: Site, path: Path, mut stream: TcpStream, shared: Shared) {
    // Small messages that somebody waits for. Without it they only come later.
    let _slower = stream.set_nodelay(true);
    let (sender, receiver) = stream::queue();
    if let Some(hub) = &shared.turn {
        hub.connected(path, sender.clone());
    }
    let connection = Connection { shared: &shared, path };
    let (reader, writer) = stream.split();
    // Each goes on while the other waits: a client may send without reading. Whichever ends first,
    // the connection is over; what was answered is still written.
    let mut writing = std::pin::pin!(write(writer, receiver));
    tokio::select! {
        () = &mut writing => return,
        _closed = read(site, reader, &connection, &sender) => {}
    }
    drop(connection);
    drop(sender);
    let _closed = tokio::time::timeout(IDLE, writing).await;
}

/// Writes what is queued, until nothing more can come.
async fn write(mut writer: impl AsyncWrite + Unpin, mut queue: stream::Receiver) {
    let mut bytes = Vec::new();
    while queue.receive(&mut bytes).await {
        let writing = tokio::time::timeout(IDLE, writer.write_all(&bytes));
        if !matches!(writing.await, Ok(Ok(()))) {
            return;
        }
    }
}

/// Reads messages and queues the answers, until the client closes, says nothing, or nonsense.
async fn read(
    site: Site,
    mut reader: impl AsyncRead + Unpin,
    connection: &Connection<'_>,
    answers: &stream::Sender,
) -> io::Result<()> {
    let Connection { shared, path } = connection;
    let mut input = Vec::new();
    let mut deadline = Instant::now() + IDLE;
    loop {
        let serves = shared.turn.as_ref().is_some_and(|hub| hub.serves(path));
        let longest = if serves { relay::LONGEST } else { 20 + LONGEST_REQUEST };
        let frame = relay::frame(&input).map_err(|_| io::ErrorKind::InvalidData)?;
        if frame.is_some_and(|length| length > longest) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let Some(length) = frame.filter(|&length| length <= input.len()) else {
            match tokio::time::timeout_at(deadline, reader.read_buf(&mut input)).await {
                Ok(Ok(0)) => return Ok(()),
                Ok(read) => read.map(drop)?,
                Err(_) if serves => deadline = Instant::now() + IDLE,
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            }
            continue;
        };
        deadline = Instant::now() + IDLE;
        let message = input.get(..length).unwrap_or_default();
        let answer = match &shared.turn {
            Some(hub) if relay::is_turn(message) => hub.receive_stream(path, message),
            _ => shared.respond_tcp(site, path.remote, message),
        };
        input.drain(..length);
        // Not a request: RFC 8489 section 6.3 drops it, and the framing may be lost.
        let goes_on = match answer {
            Some(answer) => answers.send(answer).await,
            None => serves,
        };
        if !goes_on {
            return Ok(());
        }
    }
}
