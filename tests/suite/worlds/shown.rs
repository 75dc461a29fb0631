//! What a set of servers can show of a mapping, worked out from where they listen and not from what the
//! prober did: no more may be left open.

use natscope::nat::Facts;
use natscope::nat::{Mapping, Translation};
use natscope::sim::World;
use natscope::sim::server::{DeadPart, Fault, ServerSpec};
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// The mappings left open that these servers could have excluded.
pub fn left_open(world: &World, facts: &Facts) -> Option<String> {
    if !candid(world) {
        return None;
    }
    let endpoints: BTreeSet<SocketAddr> = world.servers.iter().flat_map(listens).collect();
    let expected = can_show(world, &endpoints);
    let left = facts.mapping.possible();
    let too_many = left.iter().any(|m| !expected.contains(m));
    too_many.then(|| {
        format!("mapping is left at {left:?}, {endpoints:?} show {expected:?}: {:?}", facts.mapping)
    })
}

/// Whether nothing is lost, there is time, and every server says what it sees where it listens.
fn candid(world: &World) -> bool {
    let links = world.servers.iter().flat_map(|s| [&s.up, &s.down]).chain(&world.lan);
    let candid = |fault: &Fault| {
        matches!(
            fault,
            Fault::Plain
                | Fault::Dead { .. }
                | Fault::NoTcp
                | Fault::IgnoresChange
                | Fault::DropsChange
                | Fault::RefusesChange
                | Fault::RefusesResponsePort
                | Fault::IgnoresResponsePort
        )
    };
    world.budget.as_secs() >= 20
        && !world.nat.truth().udp_blocked
        && links.into_iter().all(|link| link.loss == 0.0)
        && world.servers.iter().all(|s| s.faults.iter().all(candid))
        && !world.servers.iter().enumerate().any(|(i, a)| {
            world.servers.iter().skip(i + 1).any(|b| share_more_than_an_address(a, b))
        })
}

/// One machine by two names, of which the simulation lets the first decide what is dead.
fn share_more_than_an_address(a: &ServerSpec, b: &ServerSpec) -> bool {
    [a.primary, a.alternate].contains(&b.primary)
}

/// Where a server answers plain requests, of what it tells of itself.
fn listens(server: &ServerSpec) -> Vec<SocketAddr> {
    let at = |ip: bool, port: bool| {
        let ip = if ip { server.alternate.ip() } else { server.primary.ip() };
        let port = if port { server.alternate.port() } else { server.primary.port() };
        SocketAddr::new(ip, port)
    };
    let dead = |ip: bool, port: bool| {
        server.faults.iter().any(|fault| match fault {
            Fault::Dead { part: DeadPart::Address, .. } => ip,
            Fault::Dead { part: DeadPart::Corner, .. } => ip && port,
            Fault::Dead { part: DeadPart::Port, .. } => !ip && port,
            Fault::Dead { part: DeadPart::OtherPort, .. } => port,
            _ => false,
        })
    };
    if server.faults.contains(&Fault::Plain) {
        return vec![at(false, false)];
    }
    let corners = [(false, false), (false, true), (true, false), (true, true)];
    corners
        .into_iter()
        .filter(|&(ip, port)| !dead(ip, port))
        .map(|(ip, port)| at(ip, port))
        .collect()
}

fn can_show(world: &World, endpoints: &BTreeSet<SocketAddr>) -> Vec<Mapping> {
    use Mapping::{AddressAndPortDependent, AddressDependent, EndpointIndependent};
    let truth = world.nat.truth().mapping;
    if world.nat.stack().all(|s| s.translation == Translation::None) {
        return vec![truth];
    }
    let addresses: BTreeSet<_> = endpoints.iter().map(SocketAddr::ip).collect();
    let two_addresses = addresses.len() > 1;
    let two_ports = endpoints.len() > addresses.len();
    match (truth, two_addresses, two_ports) {
        (_, false, false) => Mapping::ALL.to_vec(),
        (EndpointIndependent, true, _) | (AddressDependent, true, true) => vec![truth],
        (AddressAndPortDependent, _, true) => vec![truth],
        (_, false, true) => vec![EndpointIndependent, AddressDependent],
        (_, true, false) => vec![AddressDependent, AddressAndPortDependent],
    }
}
