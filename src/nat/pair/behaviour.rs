//! What of a description decides a pair, and the judgement of two such behaviours.

use super::{End, Verdict};
use crate::nat::{Bug, Filtering, Mapping, NatSpec, Scope, Translation};

/// What of a description decides a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Behaviour {
    udp: bool,
    port: Port,
    admits: Admits,
    /// An early packet is taken by its router for itself: by one that no other filter stands before.
    takes_early: bool,
}

/// The external port by which checks leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Port {
    /// The advertised one.
    Kept,
    /// Another one than it advertised.
    Changed {
        /// Nothing filters at the innermost box with a dependent mapping, nor beyond it.
        open_beyond: bool,
    },
}

/// Who gets in at the advertised address of a side that has sent to the peer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Admits {
    /// Anybody, whether it has sent or not.
    Anybody,
    /// The peer, from any of its ports.
    AnyPort,
    /// The peer, from the port that it advertised.
    Expected,
    /// Nobody is let in.
    Nobody,
}

/// What comes of a pair, whoever sends first or when a given end does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Outcome {
    pub(super) verdict: Verdict,
    pub(super) first: Option<End>,
}

/// Why a pair comes to its verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No UDP passes at this end.
    Blocked(End),
    /// It connects, whoever sends first.
    Direct(Way),
    /// It connects only when one end sends first.
    Order {
        /// That end.
        first: End,
        /// How it connects then.
        way: Way,
        /// Why it does not when the other does.
        bar: Bar,
    },
    /// It does not connect.
    Relay(Bar),
}

/// How a pair connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Way {
    /// Whose filter lets the other's checks in.
    pub into: End,
    /// Whom it lets in.
    pub filter: Filtering,
}

/// Why a pair does not connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bar {
    /// The router of this end takes the other's early packets for itself.
    EarlyPacket(End),
    /// This end has by then sent to the other by another port than the advertised one, so that what
    /// comes to the advertised one would be a second session between the same two endpoints.
    SecondSession(End),
    /// Neither filter lets the other in; these ends send checks by other ports than the advertised.
    Refused {
        /// For each end, [`End::A`] first.
        changes: [bool; 2],
    },
}

impl Behaviour {
    pub(super) fn of(spec: &NatSpec) -> Self {
        let boxes: Vec<&NatSpec> = spec.stack().collect();
        let port = match boxes.iter().position(|s| dependent(s)) {
            None => Port::Kept,
            Some(at) => Port::Changed {
                open_beyond: boxes[at..]
                    .iter()
                    .all(|s| s.filtering == Filtering::EndpointIndependent),
            },
        };
        Self {
            udp: !boxes.iter().any(|s| s.has(Bug::UdpBlocked)),
            port,
            admits: admits(&boxes),
            takes_early: takes_early(&boxes),
        }
    }

    fn keeps(self) -> bool {
        self.port == Port::Kept
    }

    /// Whether its filters let packets in at its advertised address once it has sent to the peer's,
    /// when they come from the advertised address of the peer (`expected`) or from another port.
    fn lets_in(self, expected: bool) -> bool {
        match self.admits {
            Admits::Anybody | Admits::AnyPort => true,
            Admits::Expected => expected,
            Admits::Nobody => false,
        }
    }

    fn way(self, into: End) -> Way {
        let filter = match self.admits {
            Admits::Anybody => Filtering::EndpointIndependent,
            Admits::AnyPort => Filtering::AddressDependent,
            Admits::Expected | Admits::Nobody => Filtering::AddressAndPortDependent,
        };
        Way { into, filter }
    }
}

fn dependent(spec: &NatSpec) -> bool {
    spec.translation == Translation::Nat && spec.mapping != Mapping::EndpointIndependent
}

/// Whom the filters of a stack let in: every one that the host's own packets opened.
fn admits(boxes: &[&NatSpec]) -> Admits {
    let mut kept = true;
    let mut strictest = Filtering::EndpointIndependent;
    for layer in boxes {
        kept &= !dependent(layer);
        let opened = kept || layer.scope == Scope::Endpoint;
        if layer.filtering != Filtering::EndpointIndependent && !opened {
            return Admits::Nobody;
        }
        strictest = strictest.max(layer.filtering);
    }
    match strictest {
        Filtering::EndpointIndependent => Admits::Anybody,
        Filtering::AddressDependent => Admits::AnyPort,
        Filtering::AddressAndPortDependent => Admits::Expected,
    }
}

fn takes_early(boxes: &[&NatSpec]) -> bool {
    let leaky = |s: &&NatSpec| s.has(Bug::EarlyPacket) && s.translation == Translation::Nat;
    boxes.iter().rposition(leaky).is_some_and(|at| {
        boxes[at + 1..].iter().all(|s| s.filtering == Filtering::EndpointIndependent)
    })
}

/// The verdict for two sides, the end that must send first where it matters, and the reason.
pub(super) fn judge(sides: [Behaviour; 2]) -> (Outcome, Reason) {
    let [a, b] = sides;
    let outcome = |verdict, first| Outcome { verdict, first };
    if let Some((end, _)) = End::BOTH.into_iter().zip(sides).find(|(_, side)| !side.udp) {
        return (outcome(Verdict::Turn, None), Reason::Blocked(end));
    }
    let order = |first, way, bar| {
        (outcome(Verdict::OrderDependent, Some(first)), Reason::Order { first, way, bar })
    };
    match [attempt(a, b, End::A), attempt(b, a, End::B)] {
        [Ok(way), Ok(_)] => (outcome(Verdict::Stun, None), Reason::Direct(way)),
        [Ok(way), Err(bar)] => order(End::A, way, bar),
        [Err(bar), Ok(way)] => order(End::B, way, bar),
        [Err(bar), Err(_)] => (outcome(Verdict::Turn, None), Reason::Relay(bar)),
    }
}

/// An attempt in which the checks of `first`, which is this end, are under way before `second`
/// sends.
fn attempt(first: Behaviour, second: Behaviour, end: End) -> Result<Way, Bar> {
    let early = second.takes_early && first.keeps();
    let second_keeps = second.keeps() && !early;
    // a session that `second` opens later is in the way only of what was held back till then, by its
    // dependent box or by one beyond
    let held_back = second.port == Port::Changed { open_beyond: false };
    let forth = second.lets_in(first.keeps()) && !early && !(first.keeps() && held_back);
    // `first` has already sent to where the packets come from, by another port
    let clash = second_keeps && !first.keeps();
    let back = first.lets_in(second_keeps) && !clash;
    if forth && second.admits == Admits::Anybody {
        return Ok(second.way(end.other()));
    }
    if back && first.admits == Admits::Anybody {
        return Ok(first.way(end));
    }
    if forth {
        return Ok(second.way(end.other()));
    }
    if back {
        return Ok(first.way(end));
    }
    if early {
        return Err(Bar::EarlyPacket(end.other()));
    }
    if clash && first.lets_in(second_keeps) {
        return Err(Bar::SecondSession(end));
    }
    let changes = [!first.keeps(), !second.keeps()];
    let changes = if end == End::A { changes } else { [changes[1], changes[0]] };
    Err(Bar::Refused { changes })
}

impl Reason {
    /// The reason in a sentence or two, with these names for the NATs, and these for who sends
    /// first; [`End::A`]'s first.
    #[must_use]
    pub fn named(self, nats: [&str; 2], senders: [&str; 2]) -> String {
        let name = |end| end_of(nats, end);
        match self {
            Self::Blocked(end) => {
                format!("{} lets no UDP pass: only a relay over TCP connects", name(end))
            }
            Self::Direct(way) => way.named(name),
            Self::Order { first, way, bar } => {
                let (good, bad) = (way.named(name), bar.named(name));
                let (early, late) = (end_of(senders, first), end_of(senders, first.other()));
                format!("when {early} sends first, {good}; when {late} does, {bad}")
            }
            Self::Relay(bar) => bar.named(name),
        }
    }
}

const fn end_of(names: [&str; 2], end: End) -> &str {
    let [a, b] = names;
    match end {
        End::A => a,
        End::B => b,
    }
}

impl Way {
    fn named<'a>(self, name: impl Fn(End) -> &'a str) -> String {
        let (who, other) = (name(self.into), name(self.into.other()));
        if self.filter == Filtering::EndpointIndependent {
            return format!("{who} lets in whatever comes to its advertised port");
        }
        format!(
            "{who} lets in {other}'s checks at its advertised port, having sent to where they come from"
        )
    }
}

impl Bar {
    fn named<'a>(self, name: impl Fn(End) -> &'a str) -> String {
        let pair = |end: End| (name(end), name(end.other()));
        match self {
            Self::EarlyPacket(end) => {
                let (leaky, other) = pair(end);
                format!(
                    "{leaky}'s router takes {other}'s early packets for itself, and gives its own host's flow to {other} another port than the advertised one"
                )
            }
            Self::SecondSession(end) => {
                let (a, b) = pair(end);
                format!(
                    "{a} has by then sent to {b}'s endpoint by another port than the advertised one, so that {b}'s packets to the advertised one would be a second session between the same two endpoints, and are dropped; and {b} did not expect {a}'s from that port"
                )
            }
            Self::Refused { changes: [true, true] } => {
                let (a, b) = pair(End::A);
                format!(
                    "{a} and {b} both send checks by other ports than the advertised ones, and neither lets in at its advertised port what it did not send to from there"
                )
            }
            Self::Refused { changes: [a_changes, _] } => {
                let (kept, other) = pair(if a_changes { End::B } else { End::A });
                format!(
                    "{other} sends checks by another port than the advertised one, which {kept} does not let in; and {other} lets in nothing at its advertised port that it did not send to from there"
                )
            }
        }
    }
}
