//! STUN over TCP (RFC 8489 section 6.2.2): messages one after the other, framed by their length.

use super::Shared;
use crate::server::Site;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Connections at once per socket; further ones wait to be accepted.
const MOST: usize = 1024;
/// Connections at once from one address: nobody may have all of them, and a whole household behind
/// one NAT has enough.
const MOST_OF_ONE: usize = 64;
/// A connection that says nothing for this long is closed.
const IDLE: Duration = Duration::from_secs(30);
/// Longest request that is read, in bytes.
const LONGEST: usize = 2048;

pub(super) fn bind(at: SocketAddr) -> io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    if at.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&at.into())?;
    socket.listen(128)?;
    TcpListener::from_std(socket.into())
}

pub(super) async fn serve(site: Site, listener: TcpListener, shared: Shared) {
    let slots = Arc::new(Semaphore::new(MOST));
    let mut connections = JoinSet::new();
    let guests = Guests::default();
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
            let _closed = converse(site, stream, source, &shared).await;
            drop((slot, guest));
        });
    }
}

/// How many connections each address has.
#[derive(Clone, Default)]
struct Guests(Arc<Mutex<HashMap<IpAddr, usize>>>);

impl Guests {
    /// Counts one more; `None` when the address has enough.
    fn admit(&self, ip: IpAddr) -> Option<Guest> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(ip).or_insert(0);
        if *count >= MOST_OF_ONE {
            return None;
        }
        *count += 1;
        Some(Guest { all: self.clone(), ip })
    }
}

/// One connection, counted until it is dropped.
struct Guest {
    all: Guests,
    ip: IpAddr,
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut counts = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.ip);
            }
        }
    }
}

async fn converse(
    site: Site,
    mut stream: TcpStream,
    source: SocketAddr,
    shared: &Shared,
) -> io::Result<()> {
    let mut message = Vec::new();
    loop {
        tokio::time::timeout(IDLE, read_message(&mut stream, &mut message)).await??;
        match shared.respond_tcp(site, source, &message) {
            Some(answer) => tokio::time::timeout(IDLE, stream.write_all(&answer)).await??,
            // Not a request: RFC 8489 section 6.3 drops it, and the framing may be lost.
            None => return Ok(()),
        }
    }
}

async fn read_message(stream: &mut TcpStream, message: &mut Vec<u8>) -> io::Result<()> {
    message.resize(20, 0);
    stream.read_exact(message).await?;
    let length = usize::from(u16::from_be_bytes([message[2], message[3]]));
    if length > LONGEST || message[0] & 0xc0 != 0 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    message.resize(20 + length, 0);
    stream.read_exact(&mut message[20..]).await?;
    Ok(())
}
