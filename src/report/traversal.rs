//! What the measured facts mean for connecting: for each kind of peer, whether STUN is enough or
//! TURN is needed.
//!
//! A fact that is not known leaves several behaviours possible. The forecast is made for every one
//! of them, and is definite only where they all agree.

use super::{Family, Path};
use crate::nat::pair::{Side, Verdict, predict};
use crate::nat::{Classic, Filtering, Mapping};
use crate::probe::fact::Facts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Write as _};

/// What connects.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct Traversal {
    /// One for each path and kind of peer.
    pub peers: Vec<PeerForecast>,
    /// What it means for a user, in one sentence.
    pub summary: String,
}

/// The forecast for one kind of peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct PeerForecast {
    /// The path that the connection would take.
    pub family: Family,
    /// What the other side is behind.
    pub peer: PeerKind,
    /// What the pair needs.
    pub verdict: Forecast,
    /// Why, in one sentence.
    pub because: String,
}

/// What the other side is behind, by its RFC 3489 name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PeerKind {
    /// Nothing.
    OpenInternet,
    /// A firewall that lets answers in.
    SymmetricUdpFirewall,
    /// eim-eif.
    FullCone,
    /// eim-adf.
    RestrictedCone,
    /// eim-apdf.
    PortRestrictedCone,
    /// apdm-apdf.
    Symmetric,
    /// A firewall that lets no UDP pass.
    UdpBlocked,
}

/// What a pair of peers needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Forecast {
    /// Direct with reflexive addresses alone.
    Stun,
    /// Direct only when one given side sends first.
    OrderDependent,
    /// Only a relay connects them.
    Turn,
    /// Not even a relay.
    None,
    /// The facts leave more than one verdict possible.
    Inconclusive,
}

impl PeerKind {
    /// All, from the easiest to the hardest.
    pub const ALL: &'static [Self] = &[
        Self::OpenInternet,
        Self::SymmetricUdpFirewall,
        Self::FullCone,
        Self::RestrictedCone,
        Self::PortRestrictedCone,
        Self::Symmetric,
        Self::UdpBlocked,
    ];

    /// Its name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenInternet => Classic::OpenInternet.as_str(),
            Self::SymmetricUdpFirewall => Classic::SymmetricUdpFirewall.as_str(),
            Self::FullCone => Classic::FullCone.as_str(),
            Self::RestrictedCone => Classic::RestrictedCone.as_str(),
            Self::PortRestrictedCone => Classic::PortRestrictedCone.as_str(),
            Self::Symmetric => Classic::Symmetric.as_str(),
            Self::UdpBlocked => Classic::UdpBlocked.as_str(),
        }
    }

    /// For people: where such a peer is.
    const fn place(self) -> &'static str {
        match self {
            Self::OpenInternet => "on the open internet",
            Self::SymmetricUdpFirewall => "behind a stateful firewall",
            Self::FullCone => "behind a full-cone NAT",
            Self::RestrictedCone => "behind a restricted-cone NAT",
            Self::PortRestrictedCone => "behind a port-restricted-cone NAT",
            Self::Symmetric => "behind a symmetric NAT",
            Self::UdpBlocked => "where UDP is blocked",
        }
    }

    /// Its behaviour; `None` when no UDP passes.
    const fn side(self) -> Option<Side> {
        use Filtering as F;
        use Mapping as M;
        let (mapping, filtering) = match self {
            Self::OpenInternet | Self::FullCone => (M::EndpointIndependent, F::EndpointIndependent),
            Self::RestrictedCone => (M::EndpointIndependent, F::AddressDependent),
            Self::SymmetricUdpFirewall | Self::PortRestrictedCone => {
                (M::EndpointIndependent, F::AddressAndPortDependent)
            }
            Self::Symmetric => (M::AddressAndPortDependent, F::AddressAndPortDependent),
            Self::UdpBlocked => return None,
        };
        Some(Side { mapping, filtering })
    }
}

impl fmt::Display for PeerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<Verdict> for Forecast {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Stun => Self::Stun,
            Verdict::OrderDependent => Self::OrderDependent,
            Verdict::Turn => Self::Turn,
            Verdict::None => Self::None,
        }
    }
}

impl Forecast {
    /// For people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Stun => "STUN is enough",
            Self::OrderDependent => "depends on order",
            Self::Turn => "TURN is needed",
            Self::None => "nothing connects",
            Self::Inconclusive => "could not tell",
        }
    }
}

/// Our side, as far as it is known: every behaviour that the facts leave possible.
struct Ours {
    sides: Vec<Side>,
    /// No UDP may pass.
    blocked: Blocked,
    /// An early packet of the peer's gives our own flow to it another port.
    poisoned: bool,
}

#[derive(PartialEq, Eq, Clone, Copy)]
enum Blocked {
    No,
    Maybe,
    Yes,
}

impl Ours {
    fn of(path: &Path) -> Self {
        let facts = &path.facts;
        let mappings = facts.mapping.possible();
        let filterings = facts.filtering.possible();
        let sides = mappings
            .iter()
            .flat_map(|&mapping| {
                filterings.iter().map(move |&filtering| Side { mapping, filtering })
            })
            .filter(|side| fits(*side, facts))
            .collect();
        let blocked = match facts.classic.value() {
            Some(Classic::UdpBlocked) => Blocked::Yes,
            // an answer over UDP shows that it passes
            None if path.mapped.is_none() => Blocked::Maybe,
            _ => Blocked::No,
        };
        Self { sides, blocked, poisoned: facts.early_packet_poisoning.value() == Some(&true) }
    }

    /// The verdicts that are possible with such a peer.
    fn verdicts(&self, peer: PeerKind) -> Vec<Forecast> {
        let Some(theirs) = peer.side() else {
            return vec![Forecast::Turn];
        };
        let mut all = Vec::new();
        if self.blocked != Blocked::No {
            all.push(Forecast::Turn);
        }
        if self.blocked != Blocked::Yes {
            all.extend(self.sides.iter().map(|&ours| self.verdict(ours, theirs)));
        }
        all.dedup();
        all
    }

    fn verdict(&self, ours: Side, theirs: Side) -> Forecast {
        let verdict = Forecast::from(predict(ours, theirs));
        // Spoiled by the peer's early packet, our packets come from a port that a peer filtering
        // by port does not expect, and the peer's own still go to the port that is lost.
        let exact = theirs.filtering == Filtering::AddressAndPortDependent
            && ours.filtering != Filtering::EndpointIndependent;
        if verdict == Forecast::Stun && self.poisoned && exact {
            Forecast::OrderDependent
        } else {
            verdict
        }
    }
}

/// Whether a behaviour agrees with the classic name, where that is known without the axes.
fn fits(side: Side, facts: &Facts) -> bool {
    let Some(&name) = facts.classic.value() else { return true };
    let of = |nat| Classic::of(nat, side.mapping, side.filtering) == name;
    match facts.nat.value() {
        _ if name == Classic::UdpBlocked => true,
        Some(&nat) => of(nat),
        None => of(true) || of(false),
    }
}

impl Traversal {
    /// The forecast from the facts of each path.
    #[must_use]
    pub fn forecast(paths: &[Path]) -> Self {
        let peers = paths.iter().flat_map(forecast_path).collect::<Vec<_>>();
        let summary = summary(paths, &peers);
        Self { peers, summary }
    }

    /// The forecasts of one path.
    pub fn of(&self, family: Family) -> impl Iterator<Item = &PeerForecast> {
        self.peers.iter().filter(move |p| p.family == family)
    }
}

fn forecast_path(path: &Path) -> Vec<PeerForecast> {
    let ours = Ours::of(path);
    let one = |&peer: &PeerKind| {
        let verdicts = ours.verdicts(peer);
        let verdict = match verdicts.split_first() {
            Some((&first, rest)) if rest.iter().all(|&v| v == first) => first,
            _ => Forecast::Inconclusive,
        };
        let because = because(path, &ours, peer, verdict);
        PeerForecast { family: path.family, peer, verdict, because }
    };
    PeerKind::ALL.iter().map(one).collect()
}

fn because(path: &Path, ours: &Ours, peer: PeerKind, verdict: Forecast) -> String {
    let text = match verdict {
        _ if peer == PeerKind::UdpBlocked => {
            "no UDP reaches that peer: it needs a relay that it reaches over TCP or TLS"
        }
        Forecast::Turn if ours.blocked == Blocked::Yes => {
            "no UDP gets out here: a relay reached over TCP or TLS is the only way"
        }
        Forecast::Turn => match ours.sides.as_slice() {
            [side] if side.mapping != Mapping::EndpointIndependent => {
                "the port changes with the destination here, and that peer's filter expects the one it was told"
            }
            _ => {
                "that peer's port changes with the destination, and the filter here expects the one it was told"
            }
        },
        Forecast::OrderDependent => {
            "a packet that the peer sends first spoils the mapping here: it connects only when this side sends first"
        }
        Forecast::Stun => match peer {
            PeerKind::OpenInternet | PeerKind::FullCone => {
                "that peer can be reached by anyone who knows its mapped address"
            }
            _ if ours.sides.iter().all(|s| s.filtering == Filtering::EndpointIndependent) => {
                "anyone who knows the mapped address here gets in"
            }
            PeerKind::RestrictedCone => {
                "once that peer has sent to this address, packets from any of its ports get in"
            }
            PeerKind::Symmetric => {
                "the mapping here is fixed, and its filter lets any port of that peer in"
            }
            _ => "both sides keep their mapped address, so each opens its filter for the other",
        },
        Forecast::Inconclusive if ours.blocked == Blocked::Maybe => {
            "no server answered over UDP, so it is open whether UDP passes at all"
        }
        Forecast::Inconclusive => return open_question(&path.facts),
        Forecast::None => "not even a relay connects them",
    };
    text.to_owned()
}

fn open_question(facts: &Facts) -> String {
    let open = match (facts.mapping.value(), facts.filtering.value()) {
        (None, None) => "mapping and filtering",
        (None, Some(_)) => "mapping",
        _ => "filtering",
    };
    format!("it depends on the {open} here, which could not be told")
}

/// One sentence for a user. IPv4 decides where both families were measured; IPv6 is added where it
/// does better, since peers use whichever connects.
fn summary(paths: &[Path], peers: &[PeerForecast]) -> String {
    let mut sentences = paths.iter().map(|path| {
        let own: Vec<&PeerForecast> = peers.iter().filter(|p| p.family == path.family).collect();
        sentence(path, &own)
    });
    match (sentences.next(), sentences.next()) {
        (None, _) => "Nothing was measured, so nothing can be said.".to_owned(),
        (Some(only), None) => only,
        (Some(four), Some(six)) if four == six => format!("Over IPv4 and IPv6 alike: {four}"),
        (Some(four), Some(six)) => format!("Over IPv4: {four} Over IPv6: {six}"),
    }
}

fn sentence(path: &Path, peers: &[&PeerForecast]) -> String {
    use Forecast::{Inconclusive, OrderDependent, Stun, Turn};
    if path.facts.classic.value() == Some(&Classic::UdpBlocked) {
        return "UDP is blocked here: connections to peers need a TURN server reached over TCP or TLS (turns: on port 443 passes most firewalls).".to_owned();
    }
    let places = |wanted: Forecast| -> Vec<&'static str> {
        let is = |p: &&&PeerForecast| p.peer != PeerKind::UdpBlocked && p.verdict == wanted;
        peers.iter().filter(is).map(|p| p.peer.place()).collect()
    };
    let [direct, order, relay, open] = [Stun, OrderDependent, Turn, Inconclusive].map(places);
    let mut text = match (direct.as_slice(), relay.as_slice()) {
        ([], []) if order.is_empty() => {
            return "It could not be told what connects from here.".to_owned();
        }
        (_, []) if order.is_empty() && open.is_empty() => {
            return "STUN is enough here for every peer whose own network lets UDP pass."
                .to_owned();
        }
        ([], []) => String::new(),
        (direct, []) => format!("STUN is enough for peers {}", list(direct)),
        ([], relay) => format!("TURN is needed for peers {}", list(relay)),
        (direct, [one]) if direct.len() >= 3 => {
            format!("STUN is enough here for most peers, but TURN is needed for those {one}")
        }
        (direct, relay) => format!(
            "TURN is needed here for peers {}; STUN is enough only for those {}",
            list(relay),
            list(direct)
        ),
    };
    let mut more = |what: &str, places: &[&str]| {
        if !places.is_empty() {
            let joint = if text.is_empty() { "" } else { "; " };
            let _ = write!(text, "{joint}{what} {}", list(places));
        }
    };
    more("who sends first decides for peers", &order);
    more("it could not be told for peers", &open);
    let first = text.chars().next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", text.chars().skip(1).collect::<String>())
}

fn list(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
