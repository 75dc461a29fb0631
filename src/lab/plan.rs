//! The addresses of a lab: who stands where. Pure, so that it can be shown and tested without a
//! kernel.
//!
//! ```text
//! client ── box ── box … ── internet (router, the server's two addresses)
//!        lan   wan              192.0.2.0/24 outside of the outermost boxes
//! ```
//! Every link is point-to-point with host routes, so that no two links need a subnet of their own.
//! Public addresses come from the documentation ranges (RFC 5737), the first NATs' from 192.0.2.0/24; inside networks from RFC 1918,
//! networks between two NATs from the shared range (RFC 6598).

use super::rules::Wiring;
use crate::nat::{NatSpec, Translation};
use std::net::Ipv4Addr;

/// The server's first public address.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
/// The server's second public address.
pub const ALTERNATE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
/// A second server's only address: UDP blocked and a server without UDP differ by it.
pub const SECOND: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
/// The router of the internet namespace, as every outermost box sees it.
pub const INTERNET_GATEWAY: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 254);

/// What a lab consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// One per NAT asked for.
    pub sites: Vec<Site>,
}

/// A NAT with all its layers and the hosts behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The NAT's name.
    pub name: String,
    /// Its boxes, the innermost first; never empty.
    pub boxes: Vec<BoxPlan>,
    /// The hosts behind the innermost box.
    pub clients: Vec<Ipv4Addr>,
}

/// One box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoxPlan {
    /// Its own description, without the layers beyond it.
    pub spec: NatSpec,
    /// Its addresses, and the losses on its links.
    pub wiring: Wiring,
    /// The next hop towards the internet.
    pub upstream: Ipv4Addr,
    /// The address that the hosts inside send to as their router.
    pub gateway: Ipv4Addr,
    /// What is reached by way of its outside address, from outside: hosts that it does not hide.
    pub behind: Vec<Ipv4Addr>,
}

/// A lab that has no room.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// More public addresses than the range has.
    #[error("a lab has {} public addresses for NATs and hosts without one, and this one would need more: name fewer NATs", pool().count())]
    Full,
    /// More hosts behind one box than its network has.
    #[error("{0} hosts behind one NAT: at most 100 have room")]
    Clients(usize),
}

/// Public addresses for boxes and unhidden hosts: the documentation ranges without what the internet
/// itself has of them.
fn pool() -> impl Iterator<Item = Ipv4Addr> {
    [[192, 0, 2], [198, 51, 100], [203, 0, 113]]
        .into_iter()
        .flat_map(|[a, b, c]| (1..=254).map(move |d| Ipv4Addr::new(a, b, c, d)))
        .filter(|ip| ![SERVER, ALTERNATE, SECOND, INTERNET_GATEWAY].contains(ip))
}

/// Gives every box and host its addresses.
///
/// # Errors
/// There are more NATs or hosts than addresses.
pub fn plan(specs: &[NatSpec], clients: usize, loss_percent: u8) -> Result<Plan, PlanError> {
    if clients > 100 {
        return Err(PlanError::Clients(clients));
    }
    let mut pool = pool();
    let sites = specs
        .iter()
        .map(|spec| site(spec, clients, loss_percent, &mut pool).ok_or(PlanError::Full))
        .collect::<Result<_, _>>()?;
    Ok(Plan { sites })
}

/// The network that the next address is taken from.
enum Realm {
    Public,
    Private { third: u8, shared: bool, used: u8 },
}

impl Realm {
    fn net(&self) -> (Ipv4Addr, u8) {
        match *self {
            Self::Public => (Ipv4Addr::new(192, 0, 2, 0), 24),
            Self::Private { third, shared: true, .. } => (Ipv4Addr::new(100, 64, third, 0), 24),
            Self::Private { third, .. } => (Ipv4Addr::new(192, 168, third, 0), 24),
        }
    }

    fn next(&mut self, pool: &mut impl Iterator<Item = Ipv4Addr>) -> Option<Ipv4Addr> {
        let (net, _) = self.net();
        match self {
            Self::Public => pool.next(),
            Self::Private { used, .. } => {
                *used = used.checked_add(1)?;
                let [a, b, c, _] = net.octets();
                Some(Ipv4Addr::new(a, b, c, *used))
            }
        }
    }
}

fn site(
    spec: &NatSpec,
    clients: usize,
    loss_percent: u8,
    pool: &mut impl Iterator<Item = Ipv4Addr>,
) -> Option<Site> {
    let stack: Vec<&NatSpec> = spec.stack().collect();
    let mut realm = Realm::Public;
    let mut upstream = INTERNET_GATEWAY;
    let mut boxes: Vec<BoxPlan> = Vec::new();
    // from the internet inwards, because a box's outside address belongs to what is beyond it
    for (at, layer) in stack.iter().enumerate().rev() {
        let wan = realm.next(pool)?;
        if layer.translation == Translation::Nat {
            // the network of the hosts is a home's, those between two boxes are a carrier's
            let hidden_beyond = stack[..at].iter().any(|s| s.translation == Translation::Nat);
            let third = u8::try_from(at).ok()?.checked_add(1)?;
            realm = Realm::Private { third, shared: hidden_beyond, used: 0 };
        }
        let gateway = match layer.translation {
            Translation::Nat => realm.next(pool)?,
            // no network of its own: its outside address serves both sides
            Translation::None => wan,
        };
        boxes.push(BoxPlan {
            spec: NatSpec { layers: Vec::new(), ..(*layer).clone() },
            wiring: Wiring { wan, lan: realm.net(), loss_percent: 0 },
            upstream,
            gateway,
            behind: Vec::new(),
        });
        upstream = gateway;
    }
    boxes.reverse();
    if let Realm::Private { used, .. } = &mut realm {
        *used = 99;
    }
    let clients: Vec<Ipv4Addr> =
        (0..clients).map(|_| realm.next(pool)).collect::<Option<Vec<_>>>()?;
    let mut behind = clients.clone();
    for at in &mut boxes {
        if at.spec.translation == Translation::Nat {
            behind.clear();
        }
        at.behind.clone_from(&behind);
        behind.push(at.wiring.wan);
    }
    if let Some(outermost) = boxes.last_mut() {
        // once on the way, each direction
        outermost.wiring.loss_percent = loss_percent;
    }
    Some(Site { name: spec.name.clone(), boxes, clients })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nat::{Allocation, Filtering, Mapping};

    fn nat() -> NatSpec {
        NatSpec::new(
            Mapping::EndpointIndependent,
            Filtering::EndpointIndependent,
            Allocation::Preserving,
        )
    }

    #[test]
    fn one_nat_hides_its_clients() {
        let plan = plan(&[nat(), nat()], 2, 10).unwrap();
        let site = &plan.sites[1];
        assert_eq!(
            site.clients,
            [Ipv4Addr::new(192, 168, 1, 100), Ipv4Addr::new(192, 168, 1, 101)]
        );
        assert_eq!(site.boxes[0].wiring.wan, Ipv4Addr::new(192, 0, 2, 2));
        assert_eq!(site.boxes[0].gateway, Ipv4Addr::new(192, 168, 1, 1));
        assert_eq!(site.boxes[0].wiring.loss_percent, 10);
        assert!(site.boxes[0].behind.is_empty());
    }

    #[test]
    fn layers_stack_and_a_router_hides_nothing() {
        let router = NatSpec { translation: Translation::None, ..nat() };
        let spec = NatSpec { layers: vec![router.clone(), nat()], ..nat() };
        let plan1 = plan(&[spec], 1, 0).unwrap();
        let boxes = &plan1.sites[0].boxes;
        assert_eq!(boxes.len(), 3);
        assert_eq!(boxes[2].wiring.wan, Ipv4Addr::new(192, 0, 2, 1));
        assert_eq!(boxes[2].gateway, Ipv4Addr::new(100, 64, 3, 1));
        assert_eq!(boxes[1].wiring.wan, Ipv4Addr::new(100, 64, 3, 2));
        assert_eq!(boxes[1].behind, [Ipv4Addr::new(100, 64, 3, 3)], "the inner NAT's outside");
        assert_eq!(boxes[0].upstream, boxes[1].gateway);
        assert_eq!(boxes[0].gateway, Ipv4Addr::new(192, 168, 1, 1));

        let open = plan(&[router], 1, 0).unwrap();
        assert_eq!(open.sites[0].clients, [Ipv4Addr::new(192, 0, 2, 2)]);
        assert_eq!(open.sites[0].boxes[0].behind, open.sites[0].clients);
    }

    #[test]
    fn too_many_have_no_room() {
        assert_eq!(plan(&vec![nat(); 759], 1, 0), Err(PlanError::Full));
        assert_eq!(plan(&vec![nat(); 758], 1, 0).unwrap().sites.len(), 758);
        assert_eq!(plan(&[nat()], 101, 0), Err(PlanError::Clients(101)));
    }
}
