//! Servers: an RFC 5780 responder on two addresses and two ports, and what real ones do wrong.

use super::bytes;
pub use super::fault::{Crossed, DeadPart, Fault, OtherLie, Sight};
use super::link::{Link, chance};
use crate::ground::limit::{Bucket, Limit};
use crate::stun::address::PLAIN;
use crate::stun::responder::{Over, Responder, Site, Sites};
use crate::stun::{self, ErrorResponse, Message, types};
use rand::rngs::StdRng;
use rand::{Rng, RngExt};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// An address of somebody else's, where a plain STUN server answers on every port.
pub(super) const STRANGER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 200);

/// One of a server's four endpoints, told by how it differs from the primary one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Corner {
    /// The alternate address.
    pub ip: bool,
    /// The alternate port.
    pub port: bool,
}

impl Corner {
    const fn turned(self, by: Self) -> Self {
        Self { ip: self.ip ^ by.ip, port: self.port ^ by.port }
    }
}

/// A server of the simulated internet and the way to it.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerSpec {
    /// Where it is asked.
    pub primary: SocketAddr,
    /// Its other address and port.
    pub alternate: SocketAddr,
    /// From the outermost NAT to it.
    pub up: Link,
    /// And back.
    pub down: Link,
    /// How much farther its alternate address is, each way.
    pub detour: Duration,
    /// What it does wrong.
    pub faults: Vec<Fault>,
}

/// What leaves a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Emit {
    /// A datagram.
    Datagram {
        /// How long after the request.
        after: Duration,
        /// Its source.
        from: SocketAddr,
        /// Its destination.
        to: SocketAddr,
        /// Its payload.
        bytes: Vec<u8>,
    },
    /// ICMP port unreachable about the request.
    Unreachable,
}

/// A server in operation.
#[derive(Debug)]
pub struct StunServer {
    /// What it is.
    pub spec: ServerSpec,
    responder: Responder,
    rng: StdRng,
    limit: Option<(Limit, Bucket)>,
}

impl StunServer {
    /// A server that was asked nothing yet.
    #[must_use]
    pub fn new(spec: ServerSpec, rng: StdRng) -> Self {
        let sites = Sites::Two { primary: spec.primary, alternate: spec.alternate };
        let responder = Responder::new(sites, None, "simulated");
        let limit = spec.faults.iter().find_map(|&fault| match fault {
            Fault::RateLimited { per_second, burst } => {
                let limit = Limit { per_second: per_second.into(), burst: burst.into() };
                Some((limit, Bucket::new(Duration::ZERO, limit)))
            }
            _ => None,
        });
        Self { spec, responder, rng, limit }
    }

    /// The endpoint's address.
    #[must_use]
    pub const fn at(&self, corner: Corner) -> SocketAddr {
        let (one, two) = (self.spec.primary, self.spec.alternate);
        let ip = if corner.ip { two.ip() } else { one.ip() };
        SocketAddr::new(ip, if corner.port { two.port() } else { one.port() })
    }

    /// Which of its endpoints this is.
    #[must_use]
    pub fn corner(&self, address: SocketAddr) -> Option<Corner> {
        let corners = [(false, false), (false, true), (true, false), (true, true)];
        corners.map(|(ip, port)| Corner { ip, port }).into_iter().find(|&c| self.at(c) == address)
    }

    fn has(&self, fault: Fault) -> bool {
        self.spec.faults.contains(&fault)
    }

    fn find<T>(&self, wanted: impl Fn(Fault) -> Option<T>) -> Option<T> {
        self.spec.faults.iter().find_map(|&fault| wanted(fault))
    }

    /// Whether this endpoint is dead, as `(sends nevertheless, ICMP)`.
    fn dead(&self, corner: Corner) -> Option<(bool, bool)> {
        self.find(|fault| match fault {
            Fault::WhollyDead { icmp } => Some((false, icmp)),
            Fault::Dead { part, sends, icmp } => {
                let is = match part {
                    DeadPart::Address => corner.ip,
                    DeadPart::Corner => corner.ip && corner.port,
                    DeadPart::Port => !corner.ip && corner.port,
                    DeadPart::OtherPort => corner.port,
                };
                is.then_some((sends, icmp))
            }
            _ => None,
        })
    }

    /// Takes a datagram that came to one of its endpoints.
    pub fn datagram(
        &mut self,
        now: Duration,
        corner: Corner,
        source: SocketAddr,
        request: &[u8],
    ) -> Vec<Emit> {
        match self.dead(corner) {
            Some((_, true)) => return vec![Emit::Unreachable],
            Some(_) => return Vec::new(),
            None => {}
        }
        if !self.may_answer(now) {
            return Vec::new();
        }
        let Some((leaves_by, to, mut answer)) =
            self.answer(now, Over::Udp, corner, source, request)
        else {
            return Vec::new();
        };
        if self.dead(leaves_by).is_some_and(|(sends, _)| !sends) {
            return Vec::new();
        }
        self.spoil(&mut answer);
        let from = self.source(leaves_by);
        self.copies(from, to, &answer)
    }

    /// Answers a request over TCP, or does not.
    pub fn tcp(
        &mut self,
        now: Duration,
        corner: Corner,
        source: SocketAddr,
        request: &[u8],
    ) -> Option<Vec<u8>> {
        if self.has(Fault::NoTcp) {
            return None;
        }
        self.answer(now, Over::Tcp, corner, source, request).map(|(_, _, bytes)| bytes)
    }

    fn may_answer(&mut self, now: Duration) -> bool {
        let limited = self.limit.as_mut();
        if limited.is_some_and(|(limit, bucket)| !bucket.take(now, 1, *limit)) {
            return false;
        }
        let share = self.find(|fault| match fault {
            Fault::Drops(share) => Some(share),
            _ => None,
        });
        !share.is_some_and(|share| chance(&mut self.rng, share))
    }

    /// The endpoint to leave by, the destination, and the bytes: what an honest responder says,
    /// bent by the faults.
    fn answer(
        &mut self,
        now: Duration,
        over: Over,
        corner: Corner,
        source: SocketAddr,
        request: &[u8],
    ) -> Option<(Corner, SocketAddr, Vec<u8>)> {
        let message = stun::read(request).ok()?;
        let change = message.change.is_some_and(stun::Change::any);
        let mut unknown = Vec::new();
        if change && self.has(Fault::RefusesChange) {
            unknown.push(types::CHANGE_REQUEST);
        }
        if message.response_port.is_some() && self.has(Fault::RefusesResponsePort) {
            unknown.push(types::RESPONSE_PORT);
        }
        if !unknown.is_empty() {
            return Some((corner, source, refusal(&message, &unknown)));
        }
        if change && self.has(Fault::DropsChange) {
            return None;
        }
        if let Some(refusal) = self.refuses(&message, corner) {
            return Some((corner, source, refusal));
        }
        let site = Site { alternate_ip: corner.ip, alternate_port: corner.port };
        let mut out = Vec::new();
        let honest = self.responder.respond(now, over, site, source, request, &mut out)?;
        let asked = Corner { ip: honest.from.alternate_ip, port: honest.from.alternate_port };
        let stays = self.has(Fault::IgnoresChange) || self.has(Fault::Plain);
        let asked = if stays { corner } else { asked };
        let (leaves_by, lies) = self.crossed(corner, asked);
        self.bend(&mut out, if lies { asked } else { leaves_by });
        self.mistake(&mut out, corner, source);
        let deaf = self.has(Fault::IgnoresResponsePort) || self.has(Fault::Plain);
        Some((leaves_by, if deaf { source } else { honest.to }, out))
    }

    fn crossed(&self, corner: Corner, asked: Corner) -> (Corner, bool) {
        let turn = Corner { ip: asked.ip ^ corner.ip, port: asked.port ^ corner.port };
        if !turn.ip && !turn.port {
            return (asked, false);
        }
        self.find(|fault| match fault {
            Fault::Crosses { how, lies } => {
                let turn = match how {
                    Crossed::PortOnly => Corner { ip: false, port: true },
                    Crossed::AddressOnly => Corner { ip: true, port: false },
                    Crossed::AlwaysBoth => Corner { ip: true, port: true },
                    Crossed::Swapped => Corner { ip: turn.port, port: turn.ip },
                };
                Some((corner.turned(turn), lies))
            }
            _ => None,
        })
        .unwrap_or((asked, false))
    }

    /// Makes RESPONSE-ORIGIN and OTHER-ADDRESS say what this server says.
    fn bend(&self, answer: &mut Vec<u8>, named: Corner) {
        let plain = self.has(Fault::Plain);
        let origin = if self.has(Fault::PrivateOrigin) {
            SocketAddr::new(Ipv4Addr::new(10, 9, 9, 9).into(), self.spec.primary.port())
        } else {
            self.at(named)
        };
        bytes::edit(answer, types::ORIGIN, |_| {
            Some(bytes::address(origin, &PLAIN)).filter(|_| !plain)
        });
        let lie = self.find(|fault| match fault {
            Fault::Other(lie) => Some(bytes::address(self.lie(lie), &PLAIN)),
            _ => None,
        });
        bytes::edit(answer, types::OTHER, |honest| {
            (!plain).then(|| lie.as_ref().map_or(honest, Vec::as_slice).to_vec())
        });
    }

    /// An answer to every request that is none.
    fn refuses(&self, request: &Message, corner: Corner) -> Option<Vec<u8>> {
        let turned: Vec<Fault> = self.spec.faults.iter().rev().copied().collect();
        let faults = if corner.ip { turned } else { self.spec.faults.clone() };
        faults.into_iter().find_map(|fault| match fault {
            Fault::Refuses(code) => Some(error(request, code, "not here")),
            Fault::Redirects(to) => {
                let mut out = error(request, 300, "Try Alternate");
                bytes::append(&mut out, types::ALTERNATE_SERVER, &bytes::address(to, &PLAIN), true);
                Some(out)
            }
            _ => None,
        })
    }

    /// Writes what this server sees, in the way it writes.
    fn mistake(&self, answer: &mut Vec<u8>, corner: Corner, source: SocketAddr) {
        let sight = self.find(|fault| match fault {
            Fault::Sees(sight) => Some(sight),
            _ => None,
        });
        if let Some(sight) = sight {
            let seen = self.sees(sight, corner, source);
            let key = answer.get(4..).and_then(|key| key.first_chunk().copied());
            let key = key.filter(|_| sight != Sight::NoXor).unwrap_or(PLAIN);
            let (plain, xored) = (bytes::address(seen, &PLAIN), bytes::address(seen, &key));
            bytes::edit(answer, types::XOR_MAPPED, |_| Some(xored.clone()));
            bytes::edit(answer, types::MAPPED, |_| Some(plain.clone()));
        }
        if self.has(Fault::NoCookie) {
            bytes::edit(answer, types::XOR_MAPPED, |_| None);
            bytes::edit(answer, types::MAPPED, |_| None);
            bytes::append(answer, types::MAPPED, &bytes::address(source, &PLAIN), true);
            answer.splice(4..8, [0; 4]);
        }
        if self.has(Fault::Unpadded) {
            bytes::edit(answer, types::SOFTWARE, |_| None);
            let rest = answer.split_off(20.min(answer.len()));
            bytes::append(answer, types::SOFTWARE, b"odd server v1", false);
            answer.extend(rest);
            bytes::count(answer);
        }
        if let Some(bytes) = self.find(|fault| match fault {
            Fault::Trailing(bytes) => Some(usize::from(bytes)),
            _ => None,
        }) {
            answer.resize(answer.len() + bytes, 0);
        }
    }

    fn sees(&self, sight: Sight, corner: Corner, source: SocketAddr) -> SocketAddr {
        let port = source.port();
        let (ip, port): (IpAddr, u16) = match sight {
            Sight::Balancer => (Ipv4Addr::new(10, 0, 0, 9).into(), port),
            Sight::Mapped6 => match source.ip() {
                IpAddr::V4(v4) => (v4.to_ipv6_mapped().into(), port),
                v6 @ IpAddr::V6(_) => (v6, port),
            },
            Sight::Unspecified => (Ipv4Addr::UNSPECIFIED.into(), port),
            Sight::Multicast => (Ipv4Addr::new(239, 1, 2, 3).into(), port),
            Sight::PortZero => (source.ip(), 0),
            Sight::OtherFamily => (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9).into(), port),
            Sight::Loopback => (Ipv4Addr::LOCALHOST.into(), port),
            Sight::Itself => (self.at(corner).ip(), port),
            Sight::NoXor => (source.ip(), port),
        };
        SocketAddr::new(ip, port)
    }

    /// The OTHER-ADDRESS of a liar.
    fn lie(&self, lie: OtherLie) -> SocketAddr {
        let (one, two) = (self.spec.primary, self.spec.alternate);
        let (ip, port): (IpAddr, u16) = match lie {
            OtherLie::SameAddress => (one.ip(), two.port()),
            OtherLie::SamePort => (two.ip(), one.port()),
            OtherLie::Private => (Ipv4Addr::new(10, 0, 0, 9).into(), two.port()),
            OtherLie::Loopback => (Ipv4Addr::LOCALHOST.into(), two.port()),
            OtherLie::WrongFamily => {
                (Ipv6Addr::new(0x2a01, 0xdb8, 0, 0, 0, 0, 0, 9).into(), two.port())
            }
            OtherLie::Unroutable => (Ipv4Addr::new(203, 0, 113, 250).into(), two.port()),
            OtherLie::Stranger => (STRANGER.into(), two.port()),
        };
        SocketAddr::new(ip, port)
    }

    fn spoil(&mut self, answer: &mut Vec<u8>) {
        for fault in self.spec.faults.clone() {
            match fault {
                Fault::Garbage(share) if chance(&mut self.rng, share) => {
                    let length = self.rng.random_range(0..64);
                    answer.resize(length, 0);
                    self.rng.fill_bytes(answer);
                }
                Fault::WrongId(share) if chance(&mut self.rng, share) => {
                    if let Some(byte) = answer.get_mut(11) {
                        *byte ^= 0x55;
                    }
                }
                _ => {}
            }
        }
    }

    fn source(&self, leaves_by: Corner) -> SocketAddr {
        self.find(|fault| match fault {
            Fault::AnswersFrom(turn) => Some(self.at(leaves_by.turned(turn))),
            Fault::AnswersFromStranger => {
                Some(SocketAddr::new(STRANGER.into(), self.spec.primary.port()))
            }
            _ => None,
        })
        .unwrap_or_else(|| self.at(leaves_by))
    }

    fn copies(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) -> Vec<Emit> {
        let late = self.find(|fault| match fault {
            Fault::Late { least, most } => Some((least, most)),
            _ => None,
        });
        let copies = self.find(|fault| match fault {
            Fault::Duplicates(copies) => Some(copies),
            _ => None,
        });
        (0..=copies.unwrap_or(0))
            .map(|_| {
                let after = late.map_or(Duration::ZERO, |(least, most)| {
                    least + most.saturating_sub(least).mul_f64(self.rng.random_range(0.0..=1.0))
                });
                Emit::Datagram { after, from, to, bytes: bytes.to_vec() }
            })
            .collect()
    }
}

fn refusal(request: &Message, unknown: &[u16]) -> Vec<u8> {
    let mut out = error(request, 420, "Unknown Attribute");
    let value: Vec<u8> = unknown.iter().flat_map(|kind| kind.to_be_bytes()).collect();
    bytes::append(&mut out, types::UNKNOWN_ATTRIBUTES, &value, true);
    out
}

fn error(request: &Message, code: u16, reason: &str) -> Vec<u8> {
    let response = ErrorResponse {
        code,
        reason,
        unknown: &[],
        software: None,
        fingerprint: false,
        classic: None,
    };
    let mut out = Vec::new();
    stun::encode_error(request.id, &response, &mut out);
    out
}
