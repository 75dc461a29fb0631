//! Which answers count. What a server says is evidence about the server first: a mapped address
//! that cannot be this host's, or that something before the server explains, shows nothing of a
//! NAT, and then no answer of that server is used.

use super::view::from_here;
use crate::ground::address::{Reach, reach, same_range};
use crate::ground::finding::Id;
use crate::probe::record::{Outcome, Record, Rejected, RejectedWhy, Reply, Transaction, Via};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Why nothing that a server says about this host is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Doubt {
    /// The id of the finding.
    pub id: Id,
    /// One clause, for a list of servers.
    pub short: String,
    /// What was seen, what it means, and what to do.
    pub text: String,
}

/// The record with every address in its canonical form (an IPv4-mapped IPv6 address is that IPv4
/// address), as all judgement reads it.
pub(super) fn canonical(record: &Record) -> Record {
    let mut record = record.clone();
    for reply in record.transactions.iter_mut().filter_map(|t| t.received.as_mut()) {
        reply.from = plain(reply.from);
        reply.mapped = plain(reply.mapped);
        for address in [&mut reply.mapped_plain, &mut reply.origin, &mut reply.other] {
            *address = address.map(plain);
        }
    }
    record
}

/// What there is to doubt about each server of a canonical record.
pub(super) fn doubts(record: &Record) -> Vec<Option<Doubt>> {
    (0..record.servers.len())
        .map(|about| each(record, about).or_else(|| shared(record, about)))
        .collect()
}

/// A canonical record without the answers that do not count: they are kept as such.
pub(super) fn counted(record: &Record, doubts: &[Option<Doubt>]) -> Record {
    let mut record = record.clone();
    let doubted = |t: &&mut Transaction| {
        t.via != Via::Tcp && doubts.get(t.about).is_some_and(Option::is_some)
    };
    for t in record.transactions.iter_mut().filter(doubted) {
        if let Some(Reply { at, from, .. }) = t.received.take() {
            let why = RejectedWhy::UnusableMapped;
            t.rejected.push(Rejected::new(at, from, why));
            t.outcome = Outcome::Rejected;
            t.again.clear();
        }
    }
    record
}

/// What a socket is seen as, by the first answer that counts; best by one on the user's own port.
pub(super) fn seen(counted: &Record) -> Option<(SocketAddr, SocketAddr)> {
    let of = |fixed: bool| {
        counted.transactions.iter().filter(|t| t.via == Via::Udp).find_map(|t| {
            let socket = counted.sockets.iter().find(|s| s.id == t.socket)?;
            let mapped = t.received.as_ref()?.mapped;
            (socket.fixed || !fixed).then_some((plain(socket.local), mapped))
        })
    };
    of(true).or_else(|| of(false))
}

/// Whether nothing that was sent left this host, and yet a server saw a public address: something
/// on this host passes packets on, and what is translated there is not known. Why, and by which
/// transactions.
pub(super) fn homebound(counted: &Record) -> Option<(String, Vec<String>)> {
    let all = || (0..counted.servers.len()).flat_map(|about| answers(counted, about));
    if all().any(|(_, _, local)| !local.ip().is_loopback()) {
        return None;
    }
    let (t, reply, local) = all().find(|(_, reply, local)| reply.mapped != *local)?;
    let why = format!(
        "{local} is seen as {} by {}, but a packet to that server does not leave this host: something here passes it on, and what stands beyond that cannot be told apart from it",
        reply.mapped, t.server
    );
    Some((why, vec![t.id.clone()]))
}

fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The UDP answers about one server, each with the local address that it is about.
fn answers(
    record: &Record,
    about: usize,
) -> impl Iterator<Item = (&Transaction, &Reply, SocketAddr)> {
    record.transactions.iter().filter(move |t| t.about == about && from_here(t)).filter_map(|t| {
        let local = record.sockets.iter().find(|s| s.id == t.socket)?.local;
        Some((t, t.received.as_ref()?, plain(local)))
    })
}

/// A doubt that one answer alone raises.
fn each(record: &Record, about: usize) -> Option<Doubt> {
    let others: Vec<IpAddr> = (0..record.servers.len())
        .filter(|&i| i != about)
        .flat_map(|i| answers(record, i))
        .map(|(_, reply, _)| reply.mapped.ip())
        .collect();
    answers(record, about).find_map(|(t, reply, local)| {
        let said = Said { server: plain(t.server), local, mapped: reply.mapped };
        said.mangled(reply, &others)
            .or_else(|| said.impossible())
            .or_else(|| said.of_another_family())
            .or_else(|| said.of_another_network())
    })
}

/// The same endpoint for several sockets of this host: no NAT can do that toward one destination.
fn shared(record: &Record, about: usize) -> Option<Doubt> {
    let mut seen: BTreeMap<(SocketAddr, SocketAddr), SocketAddr> = BTreeMap::new();
    answers(record, about).find_map(|(t, reply, local)| {
        let first = *seen.entry((t.server, reply.mapped)).or_insert(local);
        (first != local).then(|| Doubt {
            id: Id::OneAddressForAll,
            short: format!("sees two sockets of this host as one and the same {}", reply.mapped),
            text: format!(
                "{} sees {first} and {local} both as {}: it does not say where packets come from, but what stands before it, or what it was told; its answers are not used. Take another server",
                t.server, reply.mapped
            ),
        })
    })
}

/// One answer: who said what to which socket.
#[derive(Clone, Copy)]
struct Said {
    server: SocketAddr,
    local: SocketAddr,
    mapped: SocketAddr,
}

impl Said {
    fn impossible(self) -> Option<Doubt> {
        let Self { server, mapped, local } = self;
        let nowhere = reach(mapped.ip()) == Reach::Nowhere && mapped.ip() != local.ip();
        let what = if mapped.port() == 0 {
            "port 0"
        } else if mapped.ip().is_unspecified() {
            "the unspecified address"
        } else if nowhere && mapped.ip().is_multicast() {
            "a multicast address"
        } else if nowhere {
            "an address that no host can have"
        } else {
            return None;
        };
        Some(Doubt {
            id: Id::ImpossibleMappedAddress,
            short: format!("sees this host as {mapped}, which cannot be ({what})"),
            text: format!(
                "{server} sees this host as {mapped}, which cannot be ({what}): the server is broken or misconfigured; its answers are not used. Take another server, and tell who runs this one"
            ),
        })
    }

    fn of_another_family(self) -> Option<Doubt> {
        let Self { server, mapped, local } = self;
        let gateway = match (local.is_ipv4(), mapped.is_ipv4()) {
            // IPv4 seen over IPv6: a NAT64 has a public address
            (false, true) if reach(mapped.ip()) == Reach::Global => return None,
            (false, true) => "a private IPv4 address although it was asked over IPv6",
            (true, false) => "an IPv6 address although it was asked over IPv4",
            _ => return None,
        };
        Some(Doubt {
            id: Id::ProxyBeforeServer,
            short: format!("sees this host as {mapped}, {gateway}"),
            text: format!(
                "{server} sees this host as {mapped}, {gateway}: a proxy, load balancer or translator stands before it and hides where packets come from; its answers are not used. Take a server that is reached directly"
            ),
        })
    }

    /// The address of a network that the server cannot see this host in.
    fn of_another_network(self) -> Option<Doubt> {
        let Self { server, mapped, local } = self;
        if local.is_ipv4() != mapped.is_ipv4() {
            return None; // NAT64
        }
        let (seen, from, at) = (reach(mapped.ip()), reach(local.ip()), reach(server.ip()));
        if mapped == local {
            return (seen != Reach::Global && at == Reach::Global).then(|| self.inside());
        }
        if mapped.ip() == server.ip() && mapped.ip() != local.ip() {
            return Some(self.itself());
        }
        let near = match (seen, from) {
            (Reach::Global, _) => return None,
            // nothing translates on the way from this host to itself
            (Reach::Loopback, _) | (_, Reach::Loopback) => false,
            // this host's own address with another port: its own network translates
            _ if mapped.ip() == local.ip() => at != Reach::Global,
            (_, Reach::Global) => false,
            _ => same_range(mapped.ip(), server.ip()),
        };
        (!near).then(|| self.proxied(seen))
    }

    fn proxied(self, seen: Reach) -> Doubt {
        let Self { server, mapped, .. } = self;
        let words = seen.words();
        // A company's network may have several private ranges, and translate between them.
        let or = match reach(server.ip()) {
            Reach::Site | Reach::Carrier => ", or a NAT between two private networks does",
            _ => "",
        };
        Doubt {
            id: Id::ProxyBeforeServer,
            short: format!("sees this host as {mapped}, {words}: a proxy stands before it"),
            text: format!(
                "{server} sees this host as {mapped}, {words} of a network that the server is not reached in: a proxy or load balancer stands before it and hides where packets come from{or}; its answers are not used. Take a server that is reached directly, or let the balancer keep source addresses"
            ),
        }
    }

    fn inside(self) -> Doubt {
        let Self { server, mapped, .. } = self;
        Doubt {
            id: Id::ServerInside,
            short: format!("sees this host as {mapped}, its own private address"),
            text: format!(
                "{server} sees this host under its own address {mapped}, which is not a public one: nothing translates between the two, so the server stands on this side of any NAT, or something on the way rewrites what it says; its answers are not used. Take a server on the internet"
            ),
        }
    }

    fn itself(self) -> Doubt {
        let Self { server, mapped, local } = self;
        let hairpin = if reach(local.ip()) == Reach::Global {
            ""
        } else {
            ", or both stand behind the same NAT"
        };
        Doubt {
            id: Id::ServerSeesItself,
            short: format!("sees this host as {mapped}, its own address"),
            text: format!(
                "{server} sees this host as {mapped}, which is the server's own address: a proxy or a translation on its machine hides where packets come from{hairpin}; its answers are not used. Take a server elsewhere"
            ),
        }
    }

    /// The right address, written wrongly: without the XOR, or with its bytes turned round.
    fn mangled(self, reply: &Reply, others: &[IpAddr]) -> Option<Doubt> {
        let Self { server, mapped, local } = self;
        let is = |ip: IpAddr, port: u16| mapped == SocketAddr::new(ip, port) && mapped != local;
        let (ip, port) = (local.ip(), local.port());
        let (turned, bare) = (turned(ip), xored(ip));
        let swapped = port.swap_bytes();
        let plain = reply.mapped_plain.filter(|_| reply.xor);
        let both = SocketAddr::new(xored(mapped.ip()), mapped.port() ^ XOR_PORT);
        // What another server sees differs by just that: with two servers either may be wrong.
        let known = |ip: IpAddr| others.contains(&ip) && !others.contains(&mapped.ip());
        let no_xor = mapped != local && (is(bare, port ^ XOR_PORT) || plain == Some(both));
        let disorder = is(turned, port) || is(turned, swapped) || is(ip, swapped);
        let (what, sure) = if no_xor || known(xored(mapped.ip())) {
            ("without the XOR that belongs to it (RFC 8489 section 14.2)", no_xor)
        } else if disorder || known(self::turned(mapped.ip())) {
            ("with its bytes in the wrong order", disorder)
        } else {
            return None;
        };
        let who = if sure { "" } else { ", or another server of this run does" };
        Some(Doubt {
            id: Id::MangledMappedAddress,
            short: "writes the mapped address wrongly".to_owned(),
            text: format!(
                "{server} writes the mapped address {what}{who}, so that it reads {mapped}: such a server is broken; its answers are not used. Take another server, and tell who runs this one"
            ),
        })
    }
}

/// The upper half of the magic cookie, by which ports are masked.
const XOR_PORT: u16 = 0x2112;

/// An IPv4 address masked by the magic cookie; an IPv6 one as it is (its key is not recorded).
fn xored(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(v4) => Ipv4Addr::from(u32::from(v4) ^ crate::stun::MAGIC_COOKIE).into(),
        IpAddr::V6(_) => ip,
    }
}

/// An IPv4 address with its bytes turned round; an IPv6 one as it is.
fn turned(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(v4) => Ipv4Addr::from(u32::from(v4).swap_bytes()).into(),
        IpAddr::V6(_) => ip,
    }
}
