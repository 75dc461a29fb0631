//! The prediction for two whole descriptions: layers, shared permissions, faults, and who sends
//! first.
//!
//! Beyond [`predict`](super::predict), which knows one mapping and one filtering a side:
//!
//! - every box of a stack filters for itself, by the mapping that it sees itself;
//! - a box keeps one session for each pair of an inside and a remote endpoint. When an
//!   address-dependent NAT has sent to a peer's endpoint by a second external port, what comes from
//!   that endpoint to the first one would be a second session between the two, and is dropped: even
//!   where the filter would let it in. So the peer must have sent first;
//! - a router that takes early packets for itself (early-packet poisoning) drops what comes before
//!   its own host has sent, and gives the host's flow to that endpoint another port.

use super::Verdict;
use crate::nat::{Bug, Filtering, Mapping, NatSpec, Scope, Translation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One end of a pair.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The first.
    A,
    /// The second.
    B,
}

impl End {
    /// Both, in order.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::A => "a",
            Self::B => "b",
        })
    }
}

/// What is expected of a pair, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// What the pair needs. Never [`Verdict::None`]: a relay is always reached, over TCP where no
    /// UDP passes.
    pub verdict: Verdict,
    /// When it depends on who sends first: the end that must.
    pub first: Option<End>,
    /// The reason, in a sentence or two.
    pub because: String,
}

/// The prediction for hosts behind `a` and `b` that reach a STUN server, and a TURN server over UDP
/// and TCP. For NATs of one layer without faults it is [`predict`](super::predict)'s but for order
/// dependence.
#[must_use]
pub fn forecast(a: &NatSpec, b: &NatSpec) -> Forecast {
    if let Some(blocked) = [a, b].into_iter().find(|spec| spec.truth().udp_blocked) {
        let because = format!("{} lets no UDP pass: only a relay over TCP connects", blocked.name);
        return Forecast { verdict: Verdict::Turn, first: None, because };
    }
    let by_first = [attempt(a, b), attempt(b, a)];
    let (verdict, first) = match by_first {
        [Ok(_), Ok(_)] => (Verdict::Stun, None),
        [Ok(_), Err(_)] => (Verdict::OrderDependent, Some(End::A)),
        [Err(_), Ok(_)] => (Verdict::OrderDependent, Some(End::B)),
        [Err(_), Err(_)] => (Verdict::Turn, None),
    };
    let because = match by_first {
        [Ok(why), Ok(_)] => why,
        [Ok(good), Err(bad)] => format!("when a sends first, {good}; when b does, {bad}"),
        [Err(bad), Ok(good)] => format!("when b sends first, {good}; when a does, {bad}"),
        [Err(why), Err(_)] => why,
    };
    Forecast { verdict, first, because }
}

/// Whether the box at `at` of a stack and all inside of it map endpoint-independently.
fn keeps_up_to(spec: &NatSpec, at: usize) -> bool {
    spec.stack()
        .take(at + 1)
        .filter(|s| s.translation == Translation::Nat)
        .all(|s| s.mapping == Mapping::EndpointIndependent)
}

fn keeps(spec: &NatSpec) -> bool {
    keeps_up_to(spec, usize::MAX - 1)
}

/// Whether an early packet is taken by a router of `spec` for itself: by one that no other filter
/// stands before.
fn poisonable(spec: &NatSpec) -> bool {
    let boxes: Vec<&NatSpec> = spec.stack().collect();
    let leaky = |s: &&NatSpec| s.has(Bug::EarlyPacket) && s.translation == Translation::Nat;
    boxes.iter().rposition(leaky).is_some_and(|at| {
        boxes[at + 1..].iter().all(|s| s.filtering == Filtering::EndpointIndependent)
    })
}

/// Whether nothing filters at the innermost box with a dependent mapping, nor beyond it.
fn open_beyond(spec: &NatSpec) -> bool {
    let dependent = |s: &&NatSpec| {
        s.translation == Translation::Nat && s.mapping != Mapping::EndpointIndependent
    };
    spec.stack()
        .skip_while(|s| !dependent(s))
        .all(|s| s.filtering == Filtering::EndpointIndependent)
}

/// Whether `to`'s filters let packets in at its advertised address once it has sent to the peer's,
/// when they come from the advertised address of the peer (`expected`) or from another port.
fn lets_in(to: &NatSpec, expected: bool) -> bool {
    to.stack().enumerate().all(|(at, layer)| {
        let opened = keeps_up_to(to, at) || layer.scope == Scope::Endpoint;
        match layer.filtering {
            Filtering::EndpointIndependent => true,
            Filtering::AddressDependent => opened,
            Filtering::AddressAndPortDependent => opened && expected,
        }
    })
}

/// An attempt in which `first`'s checks are under way before `second` sends: why it connects, or
/// why not.
fn attempt(first: &NatSpec, second: &NatSpec) -> Result<String, String> {
    let first_keeps = keeps(first);
    let poisoned = poisonable(second) && first_keeps;
    let second_keeps = keeps(second) && !poisoned;
    let open = |spec: &NatSpec| spec.stack().all(|s| s.filtering == Filtering::EndpointIndependent);
    // a session that `second` opens later is in the way only of what was held back till then, by its
    // dependent box or by one beyond
    let late = first_keeps && !second_keeps && !open_beyond(second);
    let forth = lets_in(second, first_keeps) && !poisoned && !late;
    // `first` has already sent to where the packets come from, by another port
    let clash = second_keeps && !first_keeps;
    let back = lets_in(first, second_keeps) && !clash;
    let (a, b) = (&first.name, &second.name);
    if forth && open(second) {
        return Ok(format!("{b} lets in whatever comes to its advertised port"));
    }
    if back && open(first) {
        return Ok(format!("{a} lets in whatever comes to its advertised port"));
    }
    if forth || back {
        let (who, other) = if forth { (b, a) } else { (a, b) };
        return Ok(format!(
            "{who} lets in {other}'s checks at its advertised port, having sent to where they come from"
        ));
    }
    if poisoned {
        return Err(format!(
            "{b}'s router takes {a}'s early packets for itself, and gives its own host's flow to {a} \
             another port than the advertised one"
        ));
    }
    if clash && lets_in(first, second_keeps) {
        return Err(format!(
            "{a} has by then sent to {b}'s endpoint by another port than the advertised one, so that \
             {b}'s packets to the advertised one would be a second session between the same two \
             endpoints, and are dropped; and {b} did not expect {a}'s from that port"
        ));
    }
    Err(refusal(first, second))
}

/// Why neither side's filter lets the other in.
fn refusal(a: &NatSpec, b: &NatSpec) -> String {
    let (name_a, name_b) = (&a.name, &b.name);
    match (keeps(a), keeps(b)) {
        (false, false) => format!(
            "{name_a} and {name_b} both send checks by other ports than the advertised ones, and \
             neither lets in at its advertised port what it did not send to from there"
        ),
        (keeps_a, _) => {
            let (kept, other) = if keeps_a { (name_a, name_b) } else { (name_b, name_a) };
            format!(
                "{other} sends checks by another port than the advertised one, which {kept} does not \
                 let in; and {other} lets in nothing at its advertised port that it did not send to \
                 from there"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::catalogue::Catalogue;
    use crate::nat::pair::{Side, predict};

    fn nat(name: &str) -> NatSpec {
        Catalogue::embedded().find(name).unwrap()
    }

    fn of(a: &str, b: &str) -> (Verdict, Option<End>) {
        let forward = forecast(&nat(a), &nat(b));
        let backward = forecast(&nat(b), &nat(a));
        assert_eq!(forward.verdict, backward.verdict, "{a} × {b}: the verdict has no direction");
        assert_eq!(forward.first, backward.first.map(End::other), "{a} × {b}");
        (forward.verdict, forward.first)
    }

    const NINE: [&str; 9] = [
        "eim-eif",
        "eim-adf",
        "eim-apdf",
        "adm-eif",
        "adm-adf",
        "adm-apdf",
        "apdm-eif",
        "apdm-adf",
        "apdm-apdf",
    ];

    #[test]
    fn it_agrees_with_predict_but_for_order_dependence() {
        let mut seen = [0; 3];
        for (i, a) in NINE.iter().enumerate() {
            for b in &NINE[i..] {
                let side = |name: &str| {
                    let truth = nat(name).truth();
                    Side { mapping: truth.mapping, filtering: truth.filtering }
                };
                let (verdict, first) = of(a, b);
                match verdict {
                    Verdict::OrderDependent => {
                        assert_eq!(predict(side(a), side(b)), Verdict::Stun);
                        // the port-restricted cone must be first towards a dependent mapping that
                        // filters nothing
                        assert_eq!((*a, first), ("eim-apdf", Some(End::A)));
                        assert!(["adm-eif", "apdm-eif"].contains(b), "{b}");
                        seen[1] += 1;
                    }
                    other => {
                        assert_eq!(other, predict(side(a), side(b)), "{a} × {b}");
                        seen[if other == Verdict::Turn { 2 } else { 0 }] += 1;
                    }
                }
            }
        }
        assert_eq!(seen, [29, 2, 14]);
    }

    #[test]
    fn a_router_that_takes_early_packets_depends_on_the_order() {
        assert_eq!(of("leaky-home", "eim-apdf"), (Verdict::OrderDependent, Some(End::A)));
        assert_eq!(of("leaky-home", "leaky-home"), (Verdict::Turn, None));
        assert_eq!(of("leaky-home", "eim-eif"), (Verdict::Stun, None));
        assert_eq!(of("leaky-home", "eim-adf"), (Verdict::Stun, None));
        assert_eq!(of("leaky-home", "symmetric"), (Verdict::Turn, None));
        assert_eq!(of("leaky-home", "apdm-eif"), (Verdict::OrderDependent, Some(End::A)));
    }

    #[test]
    fn hosts_without_a_nat() {
        for name in NINE {
            assert_eq!(of("open", name), (Verdict::Stun, None), "{name}");
        }
        assert_eq!(of("firewall", "symmetric"), (Verdict::Turn, None));
        assert_eq!(of("firewall", "eim-apdf"), (Verdict::Stun, None));
        assert_eq!(of("firewall", "firewall"), (Verdict::Stun, None));
        assert_eq!(of("udp-blocked", "open"), (Verdict::Turn, None));
        assert_eq!(of("udp-blocked", "udp-blocked"), (Verdict::Turn, None));
    }

    #[test]
    fn every_box_of_a_stack_filters_by_its_own_mapping() {
        let strict = nat("eim-adf");
        let outer = nat("apdm-eif");
        let stack = NatSpec { layers: vec![outer], ..strict };
        // composed they are apdm-adf, which a symmetric peer does not get in at
        assert_eq!(forecast(&stack, &nat("symmetric")).verdict, Verdict::Stun);
        // an early packet of the peer's opens the session at the outer box before the inner drops it
        assert_eq!(forecast(&stack, &nat("eim-apdf")).first, Some(End::B));
        let stack = NatSpec { layers: vec![nat("eim-adf")], ..nat("apdm-eif") };
        assert_eq!(forecast(&stack, &nat("symmetric")).verdict, Verdict::Turn);
        // an outer filter keeps early packets from a leaky router
        let walled = NatSpec { layers: vec![nat("eim-adf")], ..nat("leaky-home") };
        assert_eq!(forecast(&walled, &nat("eim-apdf")).verdict, Verdict::Stun);
    }

    /// Measured in the lab and in the simulator: the outer box makes a session of the early packet
    /// before the inner one drops it.
    #[test]
    fn a_session_that_an_inner_filter_dropped_still_keeps_the_port() {
        let stack = NatSpec { layers: vec![nat("apdm-eif")], ..nat("eim-adf") };
        let cone = forecast(&nat("eim-apdf"), &stack);
        assert_eq!((cone.verdict, cone.first), (Verdict::OrderDependent, Some(End::A)));
        let other_way = NatSpec { layers: vec![nat("eim-adf")], ..nat("apdm-eif") };
        assert_eq!(forecast(&nat("eim-apdf"), &other_way).verdict, Verdict::Turn);
    }

    #[test]
    fn permissions_shared_by_the_router_let_a_symmetric_peer_in() {
        let shared = NatSpec { scope: Scope::Endpoint, ..nat("adm-adf") };
        assert_eq!(forecast(&shared, &nat("symmetric")).verdict, Verdict::Stun);
        assert_eq!(forecast(&nat("adm-adf"), &nat("symmetric")).verdict, Verdict::Turn);
    }
}
