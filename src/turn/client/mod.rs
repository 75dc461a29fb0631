//! A TURN client (RFC 8656 over RFC 8489): one allocation, sans-IO.
//!
//! turn-client-proto keeps the allocation, the permissions and the channels. Around it stands what
//! it does not do: every answer's error code is read by our own lenient reader first, so that a
//! failure has a name; streams are framed here; a server that dies is noticed within seconds.
//!
//! Deviations, with their reasons:
//! - Servers that let in without credentials or do not sign a success are used, and told of
//!   ([`Guard`]); RFC 8489 section 9.2.5 wants the latter ignored.
//! - RFC 8489 section 9.2.5 wants an error response without MESSAGE-INTEGRITY ignored, as if it had
//!   never come. It is believed here when its transaction id is right: it ends an attempt that would
//!   end anyway, and an operator wants to know its code.
//! - turn-client-proto draws its transaction ids itself, and so do the requests made here:
//!   randomness is not a parameter on this floor.
//! - Between two requests it leaves 50 ms, whatever the server (RFC 8445 section 14's Ta).

mod answer;
mod asked;
mod event;
mod open;
mod stream;
#[cfg(test)]
mod tests;
mod upkeep;

pub use event::{Event, Poll};
pub use open::Guard;

use super::{Failure, Over, Server};
use crate::stun::{self, Class, Login, Patience, Strict, method, types};
use asked::{Asked, Repeat};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use stream::{Next, Stream};
use turn_client_proto::api::{
    Transmit, TurnClientApi, TurnConfig, TurnEvent, TurnPollRet, TurnRecvRet,
};
use turn_client_proto::prelude::DelayedTransmitBuild;
use turn_client_proto::tcp::TurnClientTcp;
use turn_client_proto::types::{AddressFamily, Instant, TransportType, TurnCredentials};
use turn_client_proto::udp::TurnClientUdp;

/// What the library must be able to subtract from any time.
const EPOCH: Duration = Duration::from_secs(86_400);
/// Packets that wait for a permission; more are dropped, as a full buffer anywhere drops them.
const MOST_HELD: usize = 64;
/// Peers whose permission is remembered.
const MOST_PEERS: usize = 256;
/// Events that wait to be taken; data beyond them is dropped.
const MOST_EVENTS: usize = 4096;
/// The largest payload: what a UDP datagram to the server can carry besides the header.
const MOST_PAYLOAD: usize = 65_000;
/// The longest user name (RFC 8489 section 14.3).
const LONGEST_USER: usize = 508;
/// The library's shortest wait between two requests.
const CADENCE: Duration = Duration::from_millis(50);

turn_client_proto::impl_client!(Proto, (Udp, TurnClientUdp), (Tcp, TurnClientTcp));

/// What is known of a peer's permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// To be asked for as soon as there is an allocation.
    Wanted,
    /// The server was asked for it.
    Asked,
    /// The server has granted it.
    Granted,
    /// Refused for good; sending there is dropped.
    Refused,
}

/// One allocation on one server. After each call of any method: [`Client::transmit`] until it gives
/// nothing, then [`Client::poll`] until it wants to wait.
#[derive(Debug)]
pub struct Client {
    server: Server,
    local: SocketAddr,
    patience: Patience,
    proto: Proto,
    /// Ours, for the requests that the library does not make; it learns from the same answers.
    login: Login,
    /// When the link is a stream.
    stream: Option<Stream>,
    /// Whether an IPv4 address is asked for.
    ipv4: bool,
    guard: Guard,
    /// The realm of the last challenge, as it came.
    realm: String,
    /// The success of an open server, until the library asks for it with credentials.
    admitted: Option<Vec<u8>>,
    /// What a success was when the library does not take it.
    not_taken: Option<Failure>,
    relayed: Option<SocketAddr>,
    mapped: Option<SocketAddr>,
    asked: Asked,
    peers: BTreeMap<IpAddr, Access>,
    /// Channels wanted, until they are bound.
    channels: Vec<SocketAddr>,
    held: VecDeque<(SocketAddr, Vec<u8>)>,
    out: VecDeque<Vec<u8>>,
    events: VecDeque<Event>,
    /// The last sign of life.
    heard: Duration,
    /// A Binding request beside an Allocate that is not answered: is it a STUN server?
    binding: Option<Repeat>,
    answers_binding: bool,
    /// A Refresh when nothing was heard for a while: does it still live?
    alive: Option<Repeat>,
    /// 438s in a row.
    stale: u32,
    /// What came that is not TURN.
    nonsense: Option<String>,
    ended: bool,
}

impl Client {
    /// Begins an allocation from `local`, the address of the socket towards the server. It asks for
    /// an address of the family that the server is reached by.
    #[must_use]
    pub fn new(server: Server, local: SocketAddr, patience: Patience, now: Duration) -> Self {
        let ipv4 = server.address.is_ipv4();
        Self::asking(server, local, patience, ipv4, now)
    }

    /// The same for an address of the family that is asked for. An IPv4 address is asked for by
    /// leaving out REQUESTED-ADDRESS-FAMILY, as browsers do (RFC 8656 section 7.1).
    #[must_use]
    pub fn asking(
        server: Server,
        local: SocketAddr,
        patience: Patience,
        ipv4: bool,
        now: Duration,
    ) -> Self {
        let name = if server.user.is_empty() { open::ANYBODY } else { &server.user };
        let credentials = TurnCredentials::new(name, &server.password);
        let login = Login::new(name, &server.password);
        let proto = proto(&server, local, &patience, ipv4, credentials);
        let stream = (server.over != Over::Udp).then(Stream::default);
        let mut client = Self {
            server,
            local,
            patience,
            proto,
            login,
            stream,
            ipv4,
            guard: Guard::default(),
            realm: String::new(),
            admitted: None,
            not_taken: None,
            relayed: None,
            mapped: None,
            asked: Asked::default(),
            peers: BTreeMap::new(),
            channels: Vec::new(),
            held: VecDeque::new(),
            out: VecDeque::new(),
            events: VecDeque::new(),
            heard: now,
            binding: None,
            answers_binding: false,
            alive: None,
            stale: 0,
            nonsense: None,
            ended: false,
        };
        // The library would panic over it.
        if client.server.user.len() > LONGEST_USER {
            let reason = format!("a user name has at most {LONGEST_USER} bytes");
            client.fail(Failure::Unauthorized { realm: String::new(), reason });
        }
        client.pump(now);
        client
    }

    /// The relayed address, once there is one.
    #[must_use]
    pub const fn relayed(&self) -> Option<SocketAddr> {
        self.relayed
    }

    /// What the server saw as our address, once it said so.
    #[must_use]
    pub const fn mapped(&self) -> Option<SocketAddr> {
        self.mapped
    }

    /// Whether packets from and to this peer pass; `None` while it is not known.
    #[must_use]
    pub fn permitted(&self, peer: IpAddr) -> Option<bool> {
        match self.peers.get(&peer)? {
            Access::Granted => Some(true),
            Access::Refused => Some(false),
            Access::Wanted | Access::Asked => None,
        }
    }

    /// Whether it failed or was closed; nothing more will happen.
    #[must_use]
    pub const fn ended(&self) -> bool {
        self.ended
    }

    /// The server that it asks.
    #[must_use]
    pub const fn server(&self) -> &Server {
        &self.server
    }

    /// What to do next.
    pub fn poll(&mut self, now: Duration) -> Poll {
        if self.events.is_empty() && !self.ended {
            self.pump(now);
        }
        if let Some(event) = self.events.pop_front() {
            return Poll::Event(event);
        }
        if !self.out.is_empty() {
            return Poll::Wait(now);
        }
        Poll::Wait(self.next(now))
    }

    /// The next bytes towards the server: one datagram, or the next bytes of the stream.
    pub fn transmit(&mut self, now: Duration) -> Option<Vec<u8>> {
        if self.out.is_empty() && !self.ended {
            self.pump(now);
        }
        self.out.pop_front()
    }

    /// Bytes from the server: one datagram, or any part of the stream.
    pub fn receive(&mut self, now: Duration, bytes: &[u8]) {
        if self.ended {
            return;
        }
        let Some(mut stream) = self.stream.take() else {
            self.message(now, bytes);
            self.pump(now);
            return;
        };
        stream.push(bytes);
        while !self.ended {
            match stream.next() {
                Next::More => break,
                Next::Message(message) => self.message(now, &message),
                Next::Nonsense(what) => self.fail(Failure::Nonsense { what }),
            }
        }
        self.stream = Some(stream);
        self.pump(now);
    }

    /// The link to the server broke, as the driver saw it: an ICMP error, the end of the stream.
    pub fn broken(&mut self, failure: Failure) {
        let failure = if self.relayed.is_some() { Failure::Lost } else { failure };
        self.fail(failure);
    }

    /// Sends to a peer. Without a permission it is asked for first, and the payload waits; at most
    /// 64 payloads do. Dropped when the peer was refused, is of another address family than the
    /// relayed address, or the payload is longer than 65,000 bytes.
    pub fn send(&mut self, now: Duration, peer: SocketAddr, payload: &[u8]) {
        if self.ended || payload.len() > MOST_PAYLOAD || !self.fits(peer.ip()) {
            return;
        }
        match self.access(peer.ip()) {
            Some(Access::Granted) => self.relay(now, peer, payload),
            Some(Access::Wanted | Access::Asked) => {
                if self.held.len() < MOST_HELD {
                    self.held.push_back((peer, payload.to_vec()));
                }
                self.pump(now);
            }
            Some(Access::Refused) | None => {}
        }
    }

    /// What would leave for this payload now: `ChannelData` or a Send indication. `None` without a
    /// permission. For those who measure.
    pub fn wrapped(&mut self, now: Duration, peer: SocketAddr, payload: &[u8]) -> Option<Vec<u8>> {
        let sent = self.proto.send_to(TransportType::Udp, peer, payload, instant(now));
        sent.ok().flatten().map(|build| build.data.build())
    }

    /// Asks for a permission, without anything to send yet.
    pub fn permit(&mut self, now: Duration, peer: IpAddr) {
        if !self.ended && self.fits(peer) {
            self.access(peer);
            self.pump(now);
        }
    }

    /// Asks for a channel, which makes packets to and from this peer smaller.
    pub fn bind_channel(&mut self, now: Duration, peer: SocketAddr) {
        if self.ended || !self.fits(peer.ip()) || self.channels.len() >= MOST_PEERS {
            return;
        }
        self.access(peer.ip());
        if !self.channels.contains(&peer) {
            self.channels.push(peer);
        }
        if let Some(stream) = &mut self.stream {
            stream.channels = true;
        }
        self.pump(now);
    }

    /// Gives the allocation back: a Refresh with lifetime 0, whose answer is not waited for. Nothing
    /// but [`Client::transmit`] makes sense afterwards.
    pub fn close(&mut self, now: Duration) {
        if self.ended {
            return;
        }
        let mut late = now;
        let deleted = self.relayed.is_some() && self.proto.delete(instant(late)).is_ok();
        // The library pauses between requests, and nobody comes back for this one later. What waits
        // before it is of no use any more.
        for _ in 0..if deleted { 4 * MOST_PEERS } else { 0 } {
            late += CADENCE;
            let Some(transmit) = self.proto.poll_transmit(instant(late)) else { continue };
            let bytes = transmit.data.as_ref();
            if stun::read(bytes).is_ok_and(|message| message.method == method::REFRESH) {
                let bytes = self.undress(bytes);
                self.out.push_back(bytes);
                break;
            }
        }
        self.ended = true;
    }

    fn fits(&self, peer: IpAddr) -> bool {
        peer.is_ipv4() == self.ipv4
    }

    /// The state of a peer; one not seen before is wanted. `None`: there are too many.
    fn access(&mut self, peer: IpAddr) -> Option<Access> {
        if let Some(&access) = self.peers.get(&peer) {
            return Some(access);
        }
        if self.peers.len() >= MOST_PEERS {
            return None;
        }
        self.peers.insert(peer, Access::Wanted);
        Some(Access::Wanted)
    }

    fn relay(&mut self, now: Duration, peer: SocketAddr, payload: &[u8]) {
        match self.proto.send_to(TransportType::Udp, peer, payload, instant(now)) {
            Ok(Some(build)) => {
                let mut bytes = build.data.build();
                if self.stream.is_some() {
                    stream::pad(&mut bytes);
                }
                self.out.push_back(bytes);
            }
            Ok(None) => {}
            // The permission was lost meanwhile: ask again.
            Err(_) => {
                self.peers.insert(peer.ip(), Access::Wanted);
                self.held.push_back((peer, payload.to_vec()));
                self.held.truncate(MOST_HELD);
            }
        }
    }

    fn fail(&mut self, failure: Failure) {
        if !self.ended {
            self.ended = true;
            self.events.push_back(Event::Failed(failure));
        }
    }

    /// Lets the library work, asks for what is wanted, and looks after the server.
    fn pump(&mut self, now: Duration) {
        if self.ended {
            return;
        }
        let closed = self.drive(now);
        if closed && !self.ended {
            let failure = if self.relayed.is_some() { Failure::Lost } else { self.unanswered() };
            self.fail(failure);
            return;
        }
        if self.relayed.is_some() {
            self.want(now);
            self.drive(now);
        }
        self.look_after(now);
    }

    /// True when the library has given up.
    fn drive(&mut self, now: Duration) -> bool {
        let at = instant(now);
        let mut closed = false;
        // Bounded: each turn takes an event, or ends.
        for _ in 0..MOST_EVENTS {
            closed = matches!(self.proto.poll(at), TurnPollRet::Closed);
            let mut answered = None;
            while let Some(transmit) = self.proto.poll_transmit(at) {
                let wanted = transmit.data.as_ref().to_vec();
                answered = self.answered_already(&wanted);
                if answered.is_some() {
                    break;
                }
                let bytes = self.undress(&wanted);
                self.asked.note(now, &bytes);
                self.out.push_back(bytes);
            }
            if let Some(answer) = answered {
                self.feed(now, &answer);
            }
            let Some(event) = self.proto.poll_event() else { break };
            self.event(now, &event);
            if self.ended {
                break;
            }
        }
        closed
    }

    /// Asks for permissions and channels.
    fn want(&mut self, now: Duration) {
        let at = instant(now);
        let wanted = self.peers.iter_mut().filter(|(_, access)| **access == Access::Wanted);
        for (&peer, access) in wanted {
            // An error here: it is there or asked for already, or its expiry is noticed later.
            let _there = self.proto.create_permission(TransportType::Udp, peer, at);
            *access = Access::Asked;
        }
        let granted: Vec<SocketAddr> = self
            .channels
            .iter()
            .copied()
            .filter(|peer| self.peers.get(&peer.ip()) == Some(&Access::Granted))
            .collect();
        self.channels.retain(|peer| !granted.contains(peer));
        for peer in granted {
            let _there = self.proto.bind_channel(TransportType::Udp, peer, at);
        }
    }
}

fn proto(
    server: &Server,
    local: SocketAddr,
    patience: &Patience,
    ipv4: bool,
    credentials: TurnCredentials,
) -> Proto {
    let mut config = TurnConfig::new(credentials);
    config.set_address_family(if ipv4 { AddressFamily::IPV4 } else { AddressFamily::IPV6 });
    // The library doubles without a limit of its own.
    let tries = patience.tries.clamp(1, 16);
    config.set_request_retransmits(patience.first, patience.most, tries, patience.last);
    if server.over == Over::Udp {
        Proto::Udp(TurnClientUdp::allocate(local, server.address, config))
    } else {
        Proto::Tcp(TurnClientTcp::allocate(local, server.address, config))
    }
}

fn instant(now: Duration) -> Instant {
    Instant::ZERO + EPOCH + now
}
