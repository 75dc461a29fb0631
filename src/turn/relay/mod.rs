//! A TURN relay (RFC 8656), sans-IO: UDP and TCP towards the client, UDP towards the peer.
//!
//! Built on the message and attribute types of the turn-proto libraries. Their server itself
//! (`turn-server-proto` 0.7.3) is not used, because what stood in the way is all of its state:
//! - every packet is searched for in the lists of all clients, permissions and channels, twice;
//! - a channel number can be bound to a second peer, which RFC 8656 section 12.2 forbids;
//! - an Allocate request sent again because the answer was lost gets 437;
//! - EVEN-PORT and RESERVATION-TOKEN are accepted and ignored;
//! - users can be added but not derived (time-limited credentials), and there is no place for a
//!   policy, a quota or a bound on nonces, permissions and clients.
//!
//! A test drives both with the same client and holds them equal where it is right.
//!
//! Deviations: no DONT-FRAGMENT (420, as section 7.2 allows), no ICMP attribute (section 11.5), no
//! TCP allocations (RFC 6062: 442), no MESSAGE-INTEGRITY-SHA256 and USERHASH (RFC 8489 makes them
//! the server's choice), channel numbers up to 0x7fff as in RFC 5766.

mod account;
mod allocate;
mod allocation;
mod auth;
mod policy;
mod ports;
mod reply;
mod request;
#[cfg(test)]
mod tests;
mod usage;
mod wire;

pub use account::Bandwidth;
pub use allocate::{Opening, Unopened};
pub use auth::{Credentials, time_limited_password};
pub use policy::{Host, Net, Policy, Refusal};
pub use ports::PortRange;
pub use usage::{Traffic, Usage};
pub use wire::{LONGEST, NotTurn, frame, is_turn};

use crate::ground::limit::{Limit, Limiter};
use crate::stun::responder::Over;
use account::{Account, Holding};
use allocation::Allocation;
use auth::Auth;
use ports::Ports;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::Duration;

/// Which client, by the way its packets come: the 5-tuple of RFC 8656 section 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Path {
    /// Its transport.
    pub over: Over,
    /// The server's address that it talks to.
    pub local: SocketAddr,
    /// The client, as the server sees it.
    pub remote: SocketAddr,
}

/// How a relay is to be.
#[derive(Debug, Clone)]
pub struct Config {
    /// The realm that passwords belong to.
    pub realm: String,
    /// Who may use it. Nobody may without a credential.
    pub credentials: Credentials,
    /// The addresses to relay from, one of a family at most; a server that is given none takes the
    /// first address of each family that it listens on.
    pub relay: Vec<IpAddr>,
    /// The ports to relay from.
    pub ports: PortRange,
    /// Relayed addresses (and reserved ports) of one user at once; `None` for no limit. An
    /// allocation has one, or one of each family.
    pub quota: Option<usize>,
    /// Relayed addresses of all users at once.
    pub capacity: usize,
    /// What a user may have relayed in a second; `None` for no limit.
    pub bandwidth: Option<Bandwidth>,
    /// Which peers it may send to. The relay's own addresses are added.
    pub policy: Policy,
}

impl Config {
    /// For these users, with the default ports, policy and capacity.
    #[must_use]
    pub fn new(credentials: Credentials) -> Self {
        Self {
            realm: REALM.to_owned(),
            credentials,
            relay: Vec::new(),
            ports: PortRange::default(),
            quota: None,
            capacity: CAPACITY,
            bandwidth: None,
            policy: Policy::default(),
        }
    }
}

/// What the server that a relay runs in gives it.
#[derive(Debug, Clone)]
pub struct Start {
    /// Answers per source address and second to who has not shown a password.
    pub limit: Option<Limit>,
    /// SOFTWARE in answers.
    pub software: String,
    /// Random: proves nonces, draws ports.
    pub key: [u8; 32],
    /// Seconds since 1970 at the start of the run, for time-limited credentials.
    pub epoch: u64,
}

/// The realm where none is given.
pub const REALM: &str = "natscope";
/// Allocations at once where nothing else is said: each has a socket.
pub const CAPACITY: usize = 10_000;
/// Ended allocations whose usage is remembered.
const REMEMBERED: usize = 1024;

/// What to do with a message.
#[derive(Debug)]
pub enum Step {
    /// There is nothing to do.
    Nothing,
    /// Send the bytes in `out` back the way the message came.
    Answer,
    /// Send this part of the message on.
    Send {
        /// From this relayed address.
        from: SocketAddr,
        /// To this peer.
        to: SocketAddr,
        /// Which bytes of the message are the payload.
        payload: Range<usize>,
    },
    /// Open a UDP socket and tell [`Relay::opened`].
    Open(Opening),
}

/// A port kept for the next allocation of a user.
#[derive(Debug)]
struct Reservation {
    address: SocketAddr,
    account: Account,
    expires: Duration,
}

/// A TURN relay (RFC 8656), without its sockets.
#[derive(Debug)]
pub struct Relay {
    auth: Auth,
    policy: Policy,
    ports: Vec<(IpAddr, Ports)>,
    quota: Option<usize>,
    capacity: usize,
    limiter: Option<Limiter>,
    software: String,
    allocations: HashMap<u64, Allocation>,
    paths: HashMap<Path, u64>,
    sockets: HashMap<SocketAddr, u64>,
    /// Allocations and reservations of each user that has some.
    accounts: HashMap<Account, Holding>,
    bandwidth: Option<Bandwidth>,
    reservations: HashMap<u64, Reservation>,
    closing: VecDeque<SocketAddr>,
    ended: VecDeque<Usage>,
    /// What began and ended since it was asked last.
    events: VecDeque<Usage>,
    /// The time it was told last.
    clock: Duration,
    /// What all ended allocations carried.
    total: Traffic,
    next_id: u64,
    /// Random numbers drawn.
    drawn: u64,
    /// Data indications sent: their ids.
    indications: u64,
}

impl Relay {
    /// A relay without clients.
    #[must_use]
    pub fn new(config: Config, start: Start) -> Self {
        let mut policy = config.policy;
        policy.own.extend(&config.relay);
        Self {
            auth: Auth::new(config.realm, &config.credentials, start.key, start.epoch),
            policy,
            ports: config.relay.iter().map(|&ip| (ip, Ports::new(config.ports))).collect(),
            quota: config.quota,
            capacity: config.capacity,
            limiter: start.limit.map(Limiter::new),
            software: start.software,
            allocations: HashMap::new(),
            paths: HashMap::new(),
            sockets: HashMap::new(),
            accounts: HashMap::new(),
            bandwidth: config.bandwidth,
            reservations: HashMap::new(),
            closing: VecDeque::new(),
            ended: VecDeque::new(),
            events: VecDeque::new(),
            clock: Duration::ZERO,
            total: Traffic::default(),
            next_id: 0,
            drawn: 0,
            indications: 0,
        }
    }

    /// Which addresses its host has now: none of them is relayed to.
    pub fn set_host(&mut self, host: Host) {
        self.policy.host = host;
    }

    /// A message from a client. An answer is appended to `out`.
    pub fn receive(&mut self, now: Duration, path: &Path, bytes: &[u8], out: &mut Vec<u8>) -> Step {
        self.clock = now;
        let (peer, payload) = match wire::kind(bytes) {
            wire::Kind::Request => return self.request(now, path, bytes, out),
            wire::Kind::Other => return Step::Nothing,
            wire::Kind::Send => {
                let Some((peer, payload)) = wire::read_send(bytes) else { return Step::Nothing };
                (Ok(peer), payload)
            }
            wire::Kind::Channel(number, length) => {
                let Some(payload) = wire::channel_data(bytes, length) else { return Step::Nothing };
                (Err(number), payload)
            }
        };
        let Some(id) = self.paths.get(path) else { return Step::Nothing };
        let Some(allocation) = self.allocations.get(id) else { return Step::Nothing };
        let peer = peer.or_else(|number| allocation.channel(now, number).ok_or(()));
        let allowed = peer.ok().and_then(|peer| {
            let from = allocation.relayed_for(now, peer.ip())?;
            let good = allocation.permits(now, peer.ip()) && self.may_send(peer);
            good.then_some((from, peer))
        });
        let Some(allocation) = self.allocations.get_mut(id) else { return Step::Nothing };
        let length = payload.len();
        let passes = allowed.filter(|_| {
            let (limit, accounts) = (self.bandwidth, &mut self.accounts);
            account::may_pass(limit, accounts, now, &allocation.account, length)
        });
        let Some((from, to)) = passes else {
            allocation.traffic.dropped += 1;
            return Step::Nothing;
        };
        allocation.traffic.add_to_peers(payload.len());
        Step::Send { from, to, payload }
    }

    /// A packet from a peer to a relayed address. What its client is sent is appended to `out`;
    /// `None` when it is dropped.
    pub fn receive_from_peer(
        &mut self,
        now: Duration,
        relayed: SocketAddr,
        peer: SocketAddr,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<Path> {
        // what may not be sent to is not heard either: another service of this host
        let own_service = self.policy.is_own(peer.ip()) && !self.sockets.contains_key(&peer);
        let allocation = self.allocations.get_mut(self.sockets.get(&relayed)?)?;
        let live = allocation.relayed_for(now, peer.ip()) == Some(relayed);
        let (limit, accounts) = (self.bandwidth, &mut self.accounts);
        if own_service
            || !live
            || !allocation.permits(now, peer.ip())
            || !account::may_pass(limit, accounts, now, &allocation.account, bytes.len())
        {
            allocation.traffic.dropped += 1;
            return None;
        }
        self.indications = self.indications.wrapping_add(0x9e37_79b9_7f4a_7c15);
        allocation.write(now, peer, bytes, self.indications, out);
        allocation.traffic.add_to_client(bytes.len());
        Some(allocation.path)
    }

    /// Whether a packet may go to this peer: asked again at the socket, before each is sent.
    #[must_use]
    pub fn may_send(&self, peer: SocketAddr) -> bool {
        policy::check_port(peer).is_ok() && self.check_peer(peer).is_ok()
    }

    /// The policy, and the one exception to it: two clients of this relay that are both relayed
    /// meet at its own address. Port 0, in a permission, stands for any.
    fn check_peer(&self, peer: SocketAddr) -> Result<(), Refusal> {
        if !self.policy.is_own(peer.ip()) {
            return self.policy.check_foreign(peer.ip());
        }
        let live = match peer.port() {
            0 => self.sockets.keys().any(|relayed| relayed.ip() == peer.ip()),
            _ => self.sockets.contains_key(&peer),
        };
        if live { Ok(()) } else { Err(Refusal::Own) }
    }

    /// A packet that had to be dropped on its way to the client.
    pub fn dropped(&mut self, path: &Path) {
        if let Some(allocation) = self.at_mut(path) {
            allocation.traffic.dropped += 1;
        }
    }

    /// Whether this client has an allocation.
    #[must_use]
    pub fn serves(&self, path: &Path) -> bool {
        self.paths.contains_key(path)
    }

    /// From now on these users are let in, and no others.
    pub fn set_credentials(&mut self, credentials: &Credentials) {
        self.auth.set_credentials(credentials);
    }

    /// An allocation that began or ended, the oldest first; to be asked until `None`.
    pub fn poll_event(&mut self) -> Option<Usage> {
        self.events.pop_front()
    }

    /// All allocations end: the relay does.
    pub fn end_all(&mut self) {
        let all: Vec<u64> = self.allocations.keys().copied().collect();
        for id in all {
            self.end(id);
        }
    }

    /// The client's connection has ended, and its allocation with it.
    pub fn disconnected(&mut self, path: &Path) {
        if let Some(&id) = self.paths.get(path) {
            self.end(id);
        }
    }

    /// Ends what has expired. To be called every second or so; what has expired is not served in
    /// any case.
    pub fn expire(&mut self, now: Duration) {
        self.clock = now;
        self.forget_accounts(now);
        let over: Vec<u64> = self
            .allocations
            .iter()
            .filter(|(_, allocation)| allocation.relayed.iter().any(|r| now >= r.expires))
            .map(|(&id, _)| id)
            .collect();
        for id in over {
            self.end_some(id, |relayed| now >= relayed.expires);
        }
        let over = self.reservations.extract_if(|_, reservation| now >= reservation.expires);
        for (_, reservation) in over.collect::<Vec<_>>() {
            self.release_account(&reservation.account);
            self.release(reservation.address);
        }
    }

    /// A relayed address whose socket is to be closed. To be asked after every call, until `None`,
    /// before another socket is opened.
    pub fn poll_close(&mut self) -> Option<SocketAddr> {
        self.closing.pop_front()
    }

    /// Live allocations, and the last that ended.
    #[must_use]
    pub fn usage(&self) -> Vec<Usage> {
        let live = self.allocations.values().map(|allocation| allocation.usage(self.clock, true));
        self.ended.iter().cloned().chain(live).collect()
    }

    /// What all allocations carried, live and ended.
    #[must_use]
    pub fn total(&self) -> Traffic {
        let mut total = self.total;
        for allocation in self.allocations.values() {
            total.add(&allocation.traffic);
        }
        total
    }

    fn at(&self, path: &Path) -> Option<&Allocation> {
        self.allocations.get(self.paths.get(path)?)
    }

    fn pool(&mut self, ip: IpAddr) -> Option<&mut Ports> {
        self.ports.iter_mut().find(|(own, _)| *own == ip).map(|(_, ports)| ports)
    }

    fn release(&mut self, address: SocketAddr) {
        if let Some(ports) = self.pool(address.ip()) {
            ports.give(address.port());
        }
    }

    fn end(&mut self, id: u64) {
        self.end_some(id, |_| true);
    }

    /// Ends those relayed addresses of an allocation, and the allocation with its last.
    fn end_some(&mut self, id: u64, which: impl Fn(&allocation::Relayed) -> bool) {
        let Some(allocation) = self.allocations.get_mut(&id) else { return };
        let usage = allocation.usage(self.clock, false);
        let account = allocation.account.clone();
        let (over, left): (Vec<_>, Vec<_>) =
            allocation.relayed.iter().copied().partition(|relayed| which(relayed));
        let is_over = left.is_empty();
        allocation.relayed = left;
        for relayed in over {
            self.sockets.remove(&relayed.address);
            self.closing.push_back(relayed.address);
            self.release(relayed.address);
            self.release_account(&account);
        }
        if !is_over {
            return;
        }
        self.allocations.remove(&id);
        self.paths.remove(&usage.client);
        self.total.add(&usage.traffic);
        if self.ended.len() >= REMEMBERED {
            self.ended.pop_front();
        }
        self.events.push_back(usage.clone());
        self.ended.push_back(usage);
    }
}
