//! A packet through an allocation: from a socket of this machine, else from a second allocation.

use super::{Allocated, Direct, Second, Way, allocate};
use crate::net::{turn, udp};
use crate::stun;
use crate::turn::Failure;
use crate::turn::client::Event;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::Instant;

/// Packets that a peer sends, one after the other, when nothing comes.
const TRIES: u8 = 4;
/// STUN's own port, where a server is also asked whether UDP passes.
const STUN_PORT: u16 = 3478;

/// The packets sent, each with its number, so that the one that comes is known.
#[derive(Default)]
struct Sent(Vec<(Instant, [u8; 10])>);

impl Sent {
    /// The next to send; `None` when there were enough.
    fn next(&mut self) -> Option<[u8; 10]> {
        let number = u8::try_from(self.0.len()).ok().filter(|number| *number < TRIES)?;
        let mut payload = *b"natscope 0";
        payload[9] += number;
        self.0.push((Instant::now(), payload));
        Some(payload)
    }

    /// How long what came was on its way.
    fn came(&self, payload: &[u8]) -> Option<Duration> {
        let (at, _) = self.0.iter().find(|(_, text)| text == payload)?;
        Some(at.elapsed())
    }
}

/// Whether UDP passes between here and the server at all, and what it sees us as. A socket of its
/// own: what is sent to the relayed address must not be let back in by what was sent here.
struct Control {
    socket: Option<UdpSocket>,
    targets: BTreeSet<SocketAddr>,
    /// Whether anything was answered.
    passes: bool,
}

const CONTROL: stun::TransactionId = *b"natscope udp";

impl Control {
    fn new(way: &Way<'_>, relayed: SocketAddr) -> Self {
        let server = way.server.address;
        // a server that was reached over the other family may answer where it relays
        let ip = if server.is_ipv4() == relayed.is_ipv4() { server.ip() } else { relayed.ip() };
        let targets = [server.port(), STUN_PORT].map(|port| SocketAddr::new(ip, port)).into();
        let socket = udp::open(SocketAddr::new(ip, server.port()), way.bind).ok();
        Self { socket, targets, passes: false }
    }

    fn ask(&self) {
        let Some(socket) = &self.socket else { return };
        let request = stun::encode_request(CONTROL, stun::Request::default());
        for target in &self.targets {
            let _silence = socket.try_send_to(&request, *target);
        }
    }

    /// Waits for an answer: what the server sees this machine as over UDP.
    async fn answer(&mut self) -> Option<IpAddr> {
        let Some(socket) = &self.socket else { return std::future::pending().await };
        let mut buffer = [0; 1500];
        // an ICMP error is silence here
        let (length, from) = socket.recv_from(&mut buffer).await.ok()?;
        let answer = stun::read(buffer.get(..length)?).ok()?;
        if !self.targets.contains(&from) || answer.id != CONTROL {
            return None;
        }
        self.passes = true;
        answer.reflexive().map(|mapped| mapped.ip())
    }
}

/// Sends to the relayed address until something comes out at the other end. Each time the server is
/// asked over UDP too (Binding): only when that is answered does silence say something of the relay.
///
/// # Errors
/// When the allocation ends meanwhile.
pub(super) async fn direct(way: &Way<'_>, allocated: &mut Allocated) -> Result<Direct, Failure> {
    let Allocated { session, relayed, mapped } = allocated;
    let relayed = *relayed;
    let Ok(socket) = udp::open(relayed, way.bind) else { return Ok(Direct::NotTried) };
    let mut control = Control::new(way, relayed);
    let fits = |ip: &IpAddr| ip.is_ipv4() == relayed.is_ipv4();
    // over TCP it may see another address of ours than over UDP: both are let in
    let mut peers: BTreeSet<IpAddr> =
        mapped.map(|mapped| mapped.ip()).filter(fits).into_iter().collect();
    for peer in &peers {
        session.permit(*peer);
    }
    let mut refused: Vec<(IpAddr, Failure)> = Vec::new();
    let (mut sent, mut permitted, mut icmp) = (Sent::default(), false, None);
    let mut buffer = Vec::new();
    let (mut next, mut rounds) = (Instant::now(), 0);
    loop {
        tokio::select! {
            event = session.event() => match event {
                Event::Permitted(_) if !permitted => {
                    permitted = true;
                    (next, rounds) = (Instant::now(), 0);
                }
                Event::Refused { peer, failure } => refused.push((peer, failure)),
                Event::Data { payload, .. } => {
                    if let Some(took) = sent.came(&payload) {
                        return Ok(Direct::Came(took));
                    }
                }
                Event::Failed(failure) => return Err(failure),
                _ => {}
            },
            seen = control.answer() => {
                if let Some(ip) = seen.filter(fits) && peers.insert(ip) {
                    session.permit(ip);
                }
            }
            heard = turn::receive(&socket, &mut buffer), if icmp.is_none() => {
                if let Err(Failure::Refused { why } | Failure::Connection { why }) = heard {
                    icmp = Some(why);
                }
            }
            () = tokio::time::sleep_until(next) => {
                if let [.., (peer, failure)] = refused.as_slice() && refused.len() >= peers.len() {
                    return Ok(Direct::Refused(*peer, failure.clone()));
                }
                // a permission that is on its way is waited for
                if rounds >= TRIES && (permitted || peers.is_empty()) {
                    return Ok(match icmp {
                        Some(why) => Direct::Icmp(why),
                        None if control.passes && permitted => Direct::Lost,
                        None => Direct::NoUdp,
                    });
                }
                if rounds < TRIES {
                    control.ask();
                }
                rounds = rounds.saturating_add(1);
                if permitted && let Some(payload) = sent.next() {
                    let _silence = socket.try_send_to(&payload, relayed);
                }
                next = Instant::now() + way.patience.first;
            }
        }
    }
}

/// From a second allocation to the first, as two clients of one relay would.
pub(super) async fn second(way: &Way<'_>, first: &mut Allocated) -> Second {
    let mut other = match allocate(way, first.relayed.is_ipv4()).await {
        Ok(other) => other,
        Err(failure) => return Second::Refused(failure),
    };
    let result = between(way, first, &mut other).await;
    other.session.close().await;
    result
}

async fn between(way: &Way<'_>, first: &mut Allocated, other: &mut Allocated) -> Second {
    first.session.permit(other.relayed.ip());
    other.session.permit(first.relayed.ip());
    let (mut sent, mut next) = (Sent::default(), None);
    loop {
        // one of them may have been answered already: it is this machine's own address
        let ways = [(&*first, other.relayed), (&*other, first.relayed)]
            .map(|(from, to)| from.session.client().permitted(to.ip()));
        if ways.contains(&Some(false)) {
            return Second::Refused(Failure::Forbidden { reason: String::new() });
        }
        if next.is_none() && ways == [Some(true); 2] {
            next = Some(Instant::now());
        }
        tokio::select! {
            event = first.session.event() => match event {
                Event::Data { payload, .. } => {
                    if let Some(took) = sent.came(&payload) {
                        return Second::Came(took);
                    }
                }
                Event::Failed(failure) => return Second::Refused(failure),
                _ => {}
            },
            event = other.session.event() => if let Event::Failed(failure) = event {
                return Second::Refused(failure);
            },
            () = tokio::time::sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                let Some(payload) = sent.next() else { return Second::Lost };
                other.session.send(first.relayed, &payload);
                next = Some(Instant::now() + way.patience.first);
            }
        }
    }
}
