//! One box of a path, a NAT or a router, as RFC 4787 describes it: a pure function of packets and
//! time. A [`NatSpec`] with layers is a chain of these.
//!
//! As in the kernel's connection tracking, a packet that was let in opens a session: the answer to
//! it leaves by the endpoint it came in at, whatever the mapping would have chosen.

use crate::nat::{Allocation, Bug, Filtering, Mapping, NatSpec, Scope, Translation};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// A stream is an exchange that has lasted this long (Linux).
const STREAM_AFTER: Duration = Duration::from_secs(2);
/// The first port of a sequential allocator.
const SEQUENTIAL_FROM: u16 = 50_000;

/// Which flows share a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    inside: SocketAddr,
    /// The remote address, where the mapping depends on it.
    address: Option<IpAddr>,
    /// The remote port, likewise.
    port: Option<u16>,
}

/// How long something lives.
#[derive(Debug, Clone, Copy)]
struct Life {
    began: Duration,
    last: Duration,
    /// Packets went both ways.
    both: bool,
    /// And went on long enough to count as a stream.
    stream: bool,
}

impl Life {
    const fn new(now: Duration) -> Self {
        Self { began: now, last: now, both: false, stream: false }
    }

    /// Another packet; like Linux, the first answer does not make a stream yet.
    fn touch(&mut self, now: Duration, answer: bool) {
        self.stream |= self.both && now.saturating_sub(self.began) > STREAM_AFTER;
        self.both |= answer;
        self.last = now;
    }

    fn alive(self, spec: &NatSpec, now: Duration) -> bool {
        let timeout = if self.stream { spec.timeouts.udp_stream } else { spec.timeouts.udp };
        now.saturating_sub(self.last) <= Duration::from_secs(timeout.into())
    }
}

#[derive(Debug, Clone, Copy)]
struct Binding {
    inside: SocketAddr,
    life: Life,
}

/// What a filter remembers: that the holder has sent to this endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Permission {
    /// The external endpoint; `None` when the whole router shares its permissions.
    holder: Option<SocketAddr>,
    address: IpAddr,
    /// Where the filter looks at ports.
    port: Option<u16>,
}

/// A NAT or router in operation.
#[derive(Debug)]
pub struct NatBox {
    spec: NatSpec,
    external: IpAddr,
    rng: StdRng,
    counter: u16,
    keys: HashMap<Key, SocketAddr>,
    bindings: HashMap<SocketAddr, Binding>,
    /// (inside, remote) → the external endpoint that this session uses.
    sessions: HashMap<(SocketAddr, SocketAddr), (SocketAddr, Life)>,
    permissions: HashMap<Permission, Life>,
    /// Tuples taken by early packets: (external, remote).
    taken: HashMap<(SocketAddr, SocketAddr), Life>,
}

impl NatBox {
    /// A box with nothing in its tables. `external` is its own address, unused by a router.
    #[must_use]
    pub fn new(spec: NatSpec, external: IpAddr, mut rng: StdRng) -> Self {
        let counter = SEQUENTIAL_FROM + rng.random_range(0..1000);
        Self {
            spec,
            external,
            rng,
            counter,
            keys: HashMap::new(),
            bindings: HashMap::new(),
            sessions: HashMap::new(),
            permissions: HashMap::new(),
            taken: HashMap::new(),
        }
    }

    /// The boxes of a path, nearest first. The outermost NAT has the public address, the others have
    /// addresses in 100.`between`.0.0/16.
    pub(super) fn stack(
        spec: &NatSpec,
        public: Ipv4Addr,
        between: u8,
        rng: &mut StdRng,
    ) -> Vec<Self> {
        let specs: Vec<&NatSpec> = spec.stack().collect();
        let outermost = specs.iter().rposition(|layer| layer.translation == Translation::Nat);
        let make = |(i, layer): (usize, &&NatSpec)| {
            let inner = Ipv4Addr::new(100, between, u8::try_from(i).unwrap_or(u8::MAX), 1);
            let external = if Some(i) == outermost { public } else { inner };
            let layer = NatSpec { layers: Vec::new(), ..(*layer).clone() };
            Self::new(layer, external.into(), StdRng::seed_from_u64(rng.random()))
        };
        specs.iter().enumerate().map(make).collect()
    }

    /// Its own address.
    #[must_use]
    pub const fn external(&self) -> IpAddr {
        self.external
    }

    /// Whether it changes addresses.
    #[must_use]
    pub fn translates(&self) -> bool {
        self.spec.translation == Translation::Nat
    }

    /// A packet from inside: the external source it leaves with, or `None` when it is dropped.
    pub fn outbound(
        &mut self,
        now: Duration,
        inside: SocketAddr,
        remote: SocketAddr,
    ) -> Option<SocketAddr> {
        if self.spec.has(Bug::UdpBlocked) {
            return None;
        }
        self.expire(now);
        let external = match self.sessions.get(&(inside, remote)) {
            Some(&(external, _)) => external,
            None => self.open(now, inside, remote),
        };
        let (_, life) = self.sessions.entry((inside, remote)).or_insert((external, Life::new(now)));
        life.touch(now, false);
        let life = *life;
        if let Some(binding) = self.bindings.get_mut(&external) {
            binding.life.touch(now, false);
        }
        // A permission lives as long as the session that gave it.
        self.permissions.insert(self.permission(external, remote), life);
        Some(external)
    }

    /// A packet from outside to an external endpoint: the inside endpoint it is let in to, or
    /// `None` when it is dropped.
    pub fn inbound(
        &mut self,
        now: Duration,
        remote: SocketAddr,
        external: SocketAddr,
    ) -> Option<SocketAddr> {
        if self.spec.has(Bug::UdpBlocked) {
            return None;
        }
        self.expire(now);
        let inside = self.inside_of(external);
        let known = inside.is_some_and(|inside| {
            self.sessions.get(&(inside, remote)).is_some_and(|(used, _)| *used == external)
        });
        let Some(inside) = inside.filter(|_| known || self.permits(external, remote)) else {
            // The router takes what nobody inside is to have for its own, and remembers it.
            if self.spec.has(Bug::EarlyPacket) && self.translates() {
                self.taken.entry((external, remote)).or_insert(Life::new(now)).touch(now, false);
            }
            return None;
        };
        let (_, life) = self.sessions.entry((inside, remote)).or_insert((external, Life::new(now)));
        life.touch(now, known);
        if let Some(binding) = self.bindings.get_mut(&external) {
            binding.life.touch(now, true);
        }
        Some(inside)
    }

    /// A packet from inside to an external endpoint of this box: the source it shows (the external
    /// one, RFC 4787 REQ-9) and the inside endpoint it reaches, or `None` when it is dropped.
    pub fn hairpin(
        &mut self,
        now: Duration,
        inside: SocketAddr,
        external: SocketAddr,
    ) -> Option<(SocketAddr, SocketAddr)> {
        let source = self.outbound(now, inside, external).filter(|_| self.spec.hairpin)?;
        Some((source, self.inbound(now, source, external)?))
    }

    /// Whose packet an ICMP error quotes, by the external source it left with.
    #[must_use]
    pub fn inside_of(&self, external: SocketAddr) -> Option<SocketAddr> {
        if self.translates() {
            self.bindings.get(&external).map(|binding| binding.inside)
        } else {
            Some(external)
        }
    }

    fn open(&mut self, now: Duration, inside: SocketAddr, remote: SocketAddr) -> SocketAddr {
        if !self.translates() {
            return inside;
        }
        let key = self.key(inside, remote);
        let external = if let Some(&external) = self.keys.get(&key) {
            external
        } else {
            let external = self.allocate(inside);
            self.keys.insert(key, external);
            self.bindings.insert(external, Binding { inside, life: Life::new(now) });
            external
        };
        if self.taken.contains_key(&(external, remote)) {
            // The tuple belongs to an early packet: this one flow gets another port.
            let other = self.free_port();
            self.bindings.insert(other, Binding { inside, life: Life::new(now) });
            return other;
        }
        external
    }

    fn key(&self, inside: SocketAddr, remote: SocketAddr) -> Key {
        let (address, port) = match self.spec.mapping {
            Mapping::EndpointIndependent => (None, None),
            Mapping::AddressDependent => (Some(remote.ip()), None),
            Mapping::AddressAndPortDependent => (Some(remote.ip()), Some(remote.port())),
        };
        Key { inside, address, port }
    }

    fn allocate(&mut self, inside: SocketAddr) -> SocketAddr {
        let wanted = SocketAddr::new(self.external, inside.port());
        match self.spec.allocation {
            Allocation::Preserving if !self.bindings.contains_key(&wanted) => wanted,
            Allocation::Preserving | Allocation::Random => self.free_port(),
            Allocation::Sequential => loop {
                let port = SocketAddr::new(self.external, self.counter);
                self.counter = self.counter.checked_add(1).unwrap_or(SEQUENTIAL_FROM);
                if !self.bindings.contains_key(&port) {
                    return port;
                }
            },
        }
    }

    fn free_port(&mut self) -> SocketAddr {
        loop {
            let port = SocketAddr::new(self.external, self.rng.random_range(1024..=u16::MAX));
            if !self.bindings.contains_key(&port) {
                return port;
            }
        }
    }

    fn permission(&self, external: SocketAddr, remote: SocketAddr) -> Permission {
        Permission {
            holder: (self.spec.scope == Scope::Mapping).then_some(external),
            address: remote.ip(),
            port: (self.spec.filtering == Filtering::AddressAndPortDependent)
                .then_some(remote.port()),
        }
    }

    fn permits(&self, external: SocketAddr, remote: SocketAddr) -> bool {
        self.spec.filtering == Filtering::EndpointIndependent
            || self.permissions.contains_key(&self.permission(external, remote))
    }

    fn expire(&mut self, now: Duration) {
        let spec = &self.spec;
        self.bindings.retain(|_, binding| binding.life.alive(spec, now));
        self.sessions.retain(|_, (_, life)| life.alive(spec, now));
        self.permissions.retain(|_, life| life.alive(spec, now));
        self.taken.retain(|_, life| life.alive(spec, now));
        if self.translates() {
            let bindings = &self.bindings;
            self.keys.retain(|_, external| bindings.contains_key(external));
        }
    }
}

#[cfg(test)]
#[path = "nat_tests.rs"]
mod tests;
