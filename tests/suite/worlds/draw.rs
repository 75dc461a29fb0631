//! Draws random worlds: any NAT, any link, any fault.

use natscope::nat::{Allocation, Bug, Filtering, Mapping, NatSpec, Scope, Timeouts, Translation};
use natscope::sim::World;
use natscope::sim::link::Link;
use natscope::sim::server::{Corner, Crossed, DeadPart, Fault, OtherLie, ServerSpec, Sight};
use natscope::sim::vantage::{RelayFault, RelaySpec};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// The world of this seed.
pub fn world(seed: u64) -> World {
    let mut rng = StdRng::seed_from_u64(seed);
    let rng = &mut rng;
    let nat = nat(rng);
    let lossy = rng.random_bool(0.6);
    let on_lan = rng.random_bool(0.5);
    let lan = [(); 2].map(|()| Link {
        loss: if lossy && on_lan { rng.random_range(0.0..0.3) } else { 0.0 },
        ..link(rng, 5.0)
    });
    let mut servers: Vec<ServerSpec> = (0..*pick(rng, &[1, 1, 2, 3]))
        .map(|index| {
            let mut server = server(index, link(rng, 145.0), link(rng, 145.0));
            if lossy && !on_lan {
                server.up.loss = rng.random_range(0.0..0.3);
                server.down.loss = rng.random_range(0.0..0.3);
            }
            if rng.random_bool(0.2) {
                server.detour = millis(rng.random_range(0.0..50.0));
            }
            server.faults = faults(rng);
            server
        })
        .collect();
    if servers.len() == 2 && rng.random_bool(0.08) {
        // The user names one machine twice: by its two addresses, or by two names of one.
        let mut twin = servers[0].clone();
        if rng.random_bool(0.7) {
            (twin.primary, twin.alternate) = (twin.alternate, twin.primary);
        }
        servers[1] = twin;
    } else if rng.random_bool(0.3) {
        make_plain(rng, &mut servers);
    }
    // drawn apart, so that the rest of a world is what it was before there were relays
    let mut apart = StdRng::seed_from_u64(seed ^ 0x7075_726e);
    let relay = apart.random_bool(0.4).then(|| relay(&mut apart, &servers));
    World {
        seed,
        nat,
        lan,
        alg: rng.random_bool(0.1),
        refuses: rng.random_bool(0.5),
        servers,
        relay,
        budget: if rng.random_bool(0.1) {
            millis(rng.random_range(100.0..6000.0))
        } else {
            Duration::from_secs(20)
        },
    }
}

/// A TURN account: at an address of its own, or at the first server's.
fn relay(rng: &mut StdRng, servers: &[ServerSpec]) -> RelaySpec {
    let own = Ipv4Addr::new(203, 0, 113, 90).into();
    let ip = if rng.random_bool(0.3) { servers[0].primary.ip() } else { own };
    let other = if rng.random_bool(0.1) { Ipv4Addr::new(203, 0, 113, 91).into() } else { ip };
    let mut relayed = vec![SocketAddr::new(ip, 50_001), SocketAddr::new(other, 50_007)];
    if rng.random_bool(0.1) {
        relayed.truncate(1);
    }
    let mut ways = [(); 2].map(|()| link(rng, 145.0));
    if rng.random_bool(0.3) {
        for way in &mut ways {
            way.loss = rng.random_range(0.0..0.3);
        }
    }
    let stranger = (Ipv4Addr::new(203, 0, 113, 92), 50_001).into();
    let fault = match rng.random_range(0..20) {
        0 => Some(RelayFault::NoAllocation),
        1 => Some(RelayFault::Refuses),
        2 => Some(RelayFault::Deaf),
        3 => Some(RelayFault::Mute),
        4 => Some(RelayFault::SendsFrom(stranger)),
        5 => Some(RelayFault::Sees(stranger)),
        6 => Some(RelayFault::Sees((Ipv4Addr::new(10, 0, 0, 9), 4000).into())),
        _ => None,
    };
    let [up, down] = ways;
    let server = SocketAddr::new(ip, 3478);
    RelaySpec { server, relayed, up, down, udp: rng.random_bool(0.3), fault }
}

/// Plain servers, which is what nearly everybody has: most of these become plain, some of them ports
/// of one address, and most have nothing else wrong with them.
fn make_plain(rng: &mut StdRng, servers: &mut [ServerSpec]) {
    for (index, server) in (0..).zip(servers.iter_mut()) {
        if rng.random_bool(0.7) {
            server.faults.clear();
        }
        if rng.random_bool(0.75) {
            server.faults.push(Fault::Plain);
        }
        if index > 0 && rng.random_bool(0.4) {
            let first: std::net::IpAddr = Ipv4Addr::new(203, 0, 113, 1).into();
            server.primary = SocketAddr::new(first, 3478 + 10 * index);
            server.alternate.set_port(3479 + 10 * index);
        }
    }
}

/// An honest server: the n-th of the simulated internet.
pub fn server(index: u8, up: Link, down: Link) -> ServerSpec {
    let at =
        |host, port| SocketAddr::new(Ipv4Addr::new(203, 0, 113, 10 * index + host).into(), port);
    ServerSpec {
        primary: at(1, 3478),
        alternate: at(2, 3479),
        up,
        down,
        detour: Duration::ZERO,
        faults: Vec::new(),
    }
}

pub fn millis(ms: f64) -> Duration {
    Duration::from_secs_f64(ms / 1000.0)
}

fn pick<'a, T>(rng: &mut StdRng, from: &'a [T]) -> &'a T {
    from.choose(rng).expect("not empty")
}

fn nat(rng: &mut StdRng) -> NatSpec {
    let mut nat = layer(rng);
    match rng.random_range(0..100) {
        0..12 => nat.translation = Translation::None,
        12..30 => {
            for _ in 0..*pick(rng, &[1, 1, 2]) {
                let mut outer = layer(rng);
                if rng.random_bool(0.2) {
                    outer.translation = Translation::None;
                }
                nat.layers.push(outer);
            }
        }
        30..36 => nat.bugs.push(Bug::UdpBlocked),
        _ => {}
    }
    nat
}

fn layer(rng: &mut StdRng) -> NatSpec {
    let mut nat = NatSpec::new(
        *pick(rng, Mapping::ALL),
        *pick(rng, Filtering::ALL),
        *pick(rng, Allocation::ALL),
    );
    if rng.random_bool(0.25) {
        nat.scope = Scope::Endpoint;
    }
    if rng.random_bool(0.25) {
        nat.bugs.push(Bug::EarlyPacket);
    }
    nat.timeouts = Timeouts { udp: *pick(rng, &[30, 30, 20, 10]), udp_stream: 120 };
    nat
}

/// A link of up to this delay in ms, most of them short, with jitter and the rest.
fn link(rng: &mut StdRng, most: f64) -> Link {
    let delay = most * rng.random_range(0.0_f64..1.0).powi(3) + 0.05;
    let jitter = if rng.random_bool(0.5) { delay * rng.random_range(0.0..1.0) } else { 0.0 };
    Link {
        jitter: millis(jitter),
        reorder: if rng.random_bool(0.1) { rng.random_range(0.0..0.3) } else { 0.0 },
        duplicate: if rng.random_bool(0.1) { rng.random_range(0.0..0.3) } else { 0.0 },
        ..Link::clean(millis(delay))
    }
}

fn faults(rng: &mut StdRng) -> Vec<Fault> {
    match rng.random_range(0..100) {
        0..40 => Vec::new(),
        40..80 => vec![fault(rng)],
        _ => vec![fault(rng), fault(rng)],
    }
}

fn fault(rng: &mut StdRng) -> Fault {
    let (coin, share) = (rng.random_bool(0.5), rng.random_range(0.0..0.5));
    match rng.random_range(0..29) {
        0 | 1 => Fault::IgnoresChange,
        2 | 3 => Fault::DropsChange,
        4 => Fault::RefusesChange,
        5..8 => Fault::Dead {
            part: *pick(
                rng,
                &[DeadPart::Address, DeadPart::Corner, DeadPart::Port, DeadPart::OtherPort],
            ),
            sends: rng.random_bool(0.3),
            icmp: rng.random_bool(0.3),
        },
        8 => Fault::WhollyDead { icmp: coin },
        9 | 10 => Fault::Other(*pick(
            rng,
            &[
                OtherLie::SameAddress,
                OtherLie::SamePort,
                OtherLie::Private,
                OtherLie::Loopback,
                OtherLie::WrongFamily,
                OtherLie::Unroutable,
                OtherLie::Stranger,
            ],
        )),
        11 | 12 => Fault::Crosses {
            how: *pick(
                rng,
                &[Crossed::PortOnly, Crossed::AddressOnly, Crossed::AlwaysBoth, Crossed::Swapped],
            ),
            lies: coin,
        },
        13 => Fault::AnswersFrom(*pick(
            rng,
            &[
                Corner { ip: false, port: true },
                Corner { ip: true, port: false },
                Corner { ip: true, port: true },
            ],
        )),
        14 => Fault::AnswersFromStranger,
        15 => Fault::PrivateOrigin,
        16 => late(rng, coin),
        17 => Fault::Duplicates(rng.random_range(1..4)),
        18 => Fault::Garbage(share),
        19 => Fault::WrongId(share),
        20 => Fault::RateLimited {
            per_second: rng.random_range(2..30),
            burst: rng.random_range(1..20),
        },
        21 => Fault::Drops(share),
        22 => *pick(rng, &[Fault::Plain, Fault::NoTcp]),
        23 => *pick(rng, &[Fault::RefusesResponsePort, Fault::IgnoresResponsePort]),
        24 | 25 => Fault::Sees(*pick(
            rng,
            &[
                Sight::Balancer,
                Sight::Mapped6,
                Sight::Unspecified,
                Sight::Multicast,
                Sight::PortZero,
                Sight::OtherFamily,
                Sight::Loopback,
                Sight::Itself,
                Sight::NoXor,
            ],
        )),
        26 => Fault::Refuses(*pick(rng, &[400, 401, 403, 420, 438, 500, 503])),
        27 => Fault::Redirects(*pick(
            rng,
            &[
                (Ipv4Addr::new(203, 0, 113, 200), 3478).into(),
                (Ipv4Addr::new(10, 0, 0, 9), 3478).into(),
                (Ipv4Addr::new(203, 0, 113, 2), 3479).into(),
            ],
        )),
        _ => {
            *pick(rng, &[Fault::Unpadded, Fault::Trailing(3), Fault::Trailing(8), Fault::NoCookie])
        }
    }
}

fn late(rng: &mut StdRng, fixed: bool) -> Fault {
    let least = millis(rng.random_range(0.0..1500.0));
    let most = if fixed { least } else { least + millis(rng.random_range(0.0..3000.0)) };
    Fault::Late { least, most }
}
