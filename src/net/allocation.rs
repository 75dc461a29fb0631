//! Tries a TURN server: an allocation, and one packet through it and back to this machine.

use super::bind::Bind;
use super::socket;
use super::tls::Tls;
use super::turn::Session;
use crate::stun::{self, Patience};
use crate::turn::client::Event;
use crate::turn::{Failure, Server};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::time::Instant;

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// The relayed address; `None` when there is none.
    pub relayed: Option<SocketAddr>,
    /// What the server saw as our address.
    pub mapped: Option<SocketAddr>,
    /// From the first packet until the address was there, in ms.
    pub ms: Option<f64>,
    /// Why there is none.
    pub failure: Option<Failure>,
    /// The way of a packet to the relayed address, and from there through the allocation back here.
    pub through: Through,
}

/// Whether a packet came through.
#[derive(Debug, Clone, PartialEq)]
pub enum Through {
    /// After this many ms.
    Came(f64),
    /// It did not, although UDP passes between this machine and the server.
    Lost,
    /// It did not, and no UDP from the server came either: perhaps none passes here at all.
    NoUdp,
    /// The server refused the permission for this machine's own address.
    Refused(IpAddr, Failure),
    /// Not tried: there is no allocation, or no time was left.
    NotTried,
}

/// Tries a server until `deadline`. A packet is sent to the relayed address from a fresh UDP
/// socket, as a peer on the same machine would.
pub async fn attempt(
    server: &Server,
    bind: Option<&Bind>,
    tls: &Tls,
    patience: Patience,
    deadline: Instant,
) -> Attempt {
    let mut attempt = Attempt {
        relayed: None,
        mapped: None,
        ms: None,
        failure: None,
        through: Through::NotTried,
    };
    let tried = run(server, bind, tls, patience, &mut attempt);
    let in_time = tokio::time::timeout_at(deadline, tried).await;
    if in_time.is_err() && attempt.relayed.is_none() {
        let tried = format!("{} until the time for it was over", server.address);
        attempt.failure = Some(Failure::NoAnswer { tried });
    }
    attempt
}

async fn run(
    server: &Server,
    bind: Option<&Bind>,
    tls: &Tls,
    patience: Patience,
    attempt: &mut Attempt,
) {
    let start = Instant::now();
    let mut session = match Session::open_by(server.clone(), bind, tls, patience).await {
        Ok(session) => session,
        Err(failure) => return attempt.failure = Some(failure),
    };
    loop {
        match session.event().await {
            Event::Allocated { relayed, mapped } => {
                attempt.relayed = Some(relayed);
                attempt.mapped = mapped;
                attempt.ms = Some(milliseconds(start.elapsed()));
                break;
            }
            Event::Failed(failure) => return attempt.failure = Some(failure),
            _ => {}
        }
    }
    if let (Some(relayed), Some(mapped)) = (attempt.relayed, attempt.mapped) {
        // when the time is over before it has ended
        attempt.through = Through::NoUdp;
        let peer = Peer { bind, relayed, own: mapped.ip(), server: server.address };
        attempt.through = through(&mut session, &peer, patience).await;
    }
    session.close().await;
}

/// A peer on this machine.
struct Peer<'a> {
    bind: Option<&'a Bind>,
    relayed: SocketAddr,
    /// What the server sees this machine as.
    own: IpAddr,
    server: SocketAddr,
}

/// Packets that a peer sends, one after the other, when nothing comes.
const TRIES: u32 = 4;

/// Sends to the relayed address until something comes out at the other end. Each time the server is
/// asked over UDP too (Binding): only when that is answered does silence say something of the relay.
async fn through(session: &mut Session, peer: &Peer<'_>, patience: Patience) -> Through {
    let Ok(socket) = socket::open(peer.relayed, peer.bind) else { return Through::NotTried };
    let id = *b"natscope udp";
    let control = stun::encode_request(id, stun::Request::default());
    session.permit(peer.own);
    let mut sent: Vec<(Instant, [u8; 10])> = Vec::new();
    let mut payload = *b"natscope 0";
    let (mut next, mut udp) = (None, false);
    let mut buffer = [0; 1500];
    loop {
        tokio::select! {
            event = session.event() => match event {
                Event::Permitted(_) => next = Some(Instant::now()),
                Event::Refused { peer, failure } => return Through::Refused(peer, failure),
                Event::Data { payload: came, .. } => {
                    if let Some((at, _)) = sent.iter().find(|(_, text)| came == *text) {
                        return Through::Came(milliseconds(at.elapsed()));
                    }
                }
                Event::Failed(_) => return if udp { Through::Lost } else { Through::NoUdp },
                _ => {}
            },
            received = socket.recv_from(&mut buffer) => {
                // an ICMP error is silence too
                if let Ok((length, from)) = received {
                    let answer = stun::read(&buffer[..length]);
                    udp |= from == peer.server && answer.is_ok_and(|answer| answer.id == id);
                }
            }
            () = tokio::time::sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                let tries = u32::try_from(sent.len()).unwrap_or(u32::MAX);
                if tries >= TRIES {
                    return if udp { Through::Lost } else { Through::NoUdp };
                }
                if let Some(last) = payload.last_mut() {
                    *last = b'0' + u8::try_from(tries).unwrap_or(9);
                }
                sent.push((Instant::now(), payload));
                let _silence = socket.try_send_to(&payload, peer.relayed);
                let _silence = socket.try_send_to(&control, peer.server);
                next = Some(Instant::now() + patience.first);
            }
        }
    }
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1000.0
}
