//! Which candidates of two sides could connect, and which cannot, as far as descriptions tell.

use super::Side;
use crate::ice::{Kind, Transport};
use crate::probe::fact::Finding;
use crate::sdp::{Address, Entry, is_private};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// The most pairs that are listed.
const MOST: usize = 400;

/// Whether a pair could work.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Could {
    /// Nothing that the descriptions show stands against it.
    Likely,
    /// It depends on the NATs' behaviour, which descriptions do not show.
    Depends,
    /// Only where both are in one network.
    SameNetwork,
    /// Not at all.
    Cannot,
}

impl Could {
    /// For people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Likely => "likely",
            Self::Depends => "depends",
            Self::SameNetwork => "same network only",
            Self::Cannot => "cannot",
        }
    }
}

/// A candidate of the offer and one of the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct SdpPair {
    /// The index of the first side's candidate in its list.
    pub offer: usize,
    /// The index of the second side's.
    pub answer: usize,
    /// The first side's: kind and address.
    pub from: String,
    /// The second side's.
    pub to: String,
    /// RFC 8445 section 6.1.2.3, the offer's side controlling.
    pub priority: u64,
    /// Whether it could work.
    pub could: Could,
    /// Why.
    pub because: String,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub pairs: Vec<SdpPair>,
    pub unpaired: usize,
}

/// All pairs, the preferred first.
pub(super) fn find(offer: &Side<'_>, answer: &Side<'_>) -> Found {
    let mut found = Found::default();
    for (i, one) in offer.entries.iter().enumerate() {
        for (j, other) in answer.entries.iter().enumerate() {
            if !pairs_up(one, other) {
                found.unpaired += 1;
                continue;
            }
            let (could, because) = judge(offer, one, answer, other);
            found.pairs.push(SdpPair {
                offer: i,
                answer: j,
                from: format!("{} {}", one.kind, one.address),
                to: format!("{} {}", other.kind, other.address),
                priority: priority(one.priority, other.priority),
                could,
                because,
            });
        }
    }
    found.pairs.sort_by_key(|pair| std::cmp::Reverse(pair.priority));
    found.pairs.truncate(MOST);
    found
}

/// RFC 8445 section 6.1.2.2, RFC 6544 section 6.2. Names may turn out to be of either family.
fn pairs_up(one: &Entry, other: &Entry) -> bool {
    let families = match (&one.address, &other.address) {
        (Address::Ip(a), Address::Ip(b)) => a.is_ipv4() == b.is_ipv4(),
        _ => true,
    };
    let transports = match (one.known_transport(), other.known_transport()) {
        (Some(a), Some(b)) => matches!(
            (a, b),
            (Transport::Udp, Transport::Udp)
                | (Transport::TcpActive, Transport::TcpPassive)
                | (Transport::TcpPassive, Transport::TcpActive)
                | (Transport::TcpSimultaneousOpen, Transport::TcpSimultaneousOpen)
        ),
        _ => one.transport == other.transport,
    };
    one.component == other.component && families && transports
}

fn priority(controlling: u32, controlled: u32) -> u64 {
    let (g, d) = (u64::from(controlling), u64::from(controlled));
    ((g.min(d)) << 32) + 2 * g.max(d) + u64::from(g > d)
}

/// How far an address can be reached from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Anywhere(IpAddr),
    Network(IpAddr),
    Machine,
    Nowhere,
}

fn reach(address: SocketAddr) -> Reach {
    let ip = address.ip().to_canonical();
    if ip.is_unspecified() || ip.is_multicast() {
        Reach::Nowhere
    } else if ip.is_loopback() {
        Reach::Machine
    } else if is_private(ip) {
        Reach::Network(ip)
    } else {
        Reach::Anywhere(ip)
    }
}

fn judge(offer: &Side<'_>, one: &Entry, answer: &Side<'_>, other: &Entry) -> (Could, String) {
    for entry in [one, other] {
        match (&entry.address, entry.usable()) {
            (Address::Name(name, _), _) => {
                let why = format!("{name} is found only within its local network (multicast DNS)");
                return (Could::SameNetwork, why);
            }
            (_, Err(why)) => return (Could::Cannot, why.to_string()),
            _ => {}
        }
    }
    let (Address::Ip(a), Address::Ip(b)) = (&one.address, &other.address) else {
        return (Could::Cannot, "one of them is a name".into());
    };
    let relayed = |entry: &Entry| entry.known_kind() == Some(Kind::Relayed);
    match (reach(*a), reach(*b)) {
        (Reach::Nowhere, _) | (_, Reach::Nowhere) => {
            (Could::Cannot, "one of them is no address to send to".into())
        }
        (Reach::Machine, _) | (_, Reach::Machine) => {
            (Could::SameNetwork, "a loopback address is reached only from its own machine".into())
        }
        (Reach::Network(a), Reach::Network(b)) => same_network(offer, a, answer, b),
        (Reach::Network(private), Reach::Anywhere(_)) => {
            one_way((private, one), (other, answer), relayed(other))
        }
        (Reach::Anywhere(_), Reach::Network(private)) => {
            one_way((private, other), (one, offer), relayed(one))
        }
        (Reach::Anywhere(a), Reach::Anywhere(b)) => {
            if relayed(one) || relayed(other) {
                let why =
                    "a relay takes packets from whomever its client asks it to, and passes them on";
                return (Could::Likely, why.into());
            }
            both_public(offer, (one, a), answer, (other, b))
        }
    }
}

fn same_network(offer: &Side<'_>, a: IpAddr, answer: &Side<'_>, b: IpAddr) -> (Could, String) {
    let seen = |side: &Side<'_>| {
        side.reflexive().find_map(|e| match e.address {
            Address::Ip(address) => Some(address.ip()),
            Address::Name(..) => None,
        })
    };
    let why = match (seen(offer), seen(answer)) {
        (Some(one), Some(other)) if one == other => {
            format!("both are seen as {one} from outside, so they may be in one network")
        }
        (Some(one), Some(other)) => format!(
            "they are seen from outside as {one} and {other}, so {a} and {b} are of different networks, unless a VPN joins them"
        ),
        _ => format!("{a} and {b} are private: only within one network can they reach each other"),
    };
    (Could::SameNetwork, why)
}

/// A private address and one that all can reach: checks go one way.
fn one_way(private: (IpAddr, &Entry), public: (&Entry, &Side<'_>), relay: bool) -> (Could, String) {
    let (ip, entry) = private;
    let (other, side) = public;
    if entry.known_kind() == Some(Kind::Relayed) {
        return (Could::SameNetwork, format!("{ip} is a relay in a private network"));
    }
    if relay {
        let why = format!("the relay cannot reach {ip}, but {ip} reaches the relay");
        return (Could::Likely, why);
    }
    if other.known_kind() == Some(Kind::Host) {
        let why = format!(
            "{ip} can send first, and the public address answers unless a firewall stands before it"
        );
        return (Could::Likely, why);
    }
    let why = if side.dependent().is_some() {
        format!(
            "only checks from {ip} can pass, and only if the NAT before the other side lets in anyone: its mapping depends on the destination"
        )
    } else {
        format!(
            "only checks from {ip} can pass, if the NAT before the other side lets them in; what comes back makes it a pair of reflexive addresses"
        )
    };
    (Could::Depends, why)
}

fn both_public(
    offer: &Side<'_>,
    one: (&Entry, IpAddr),
    answer: &Side<'_>,
    other: (&Entry, IpAddr),
) -> (Could, String) {
    let host = |entry: &Entry| entry.known_kind() == Some(Kind::Host);
    if host(one.0) && host(other.0) {
        let why = "both addresses are public: only a firewall could stand between";
        return (Could::Likely, why.into());
    }
    if host(one.0) || host(other.0) {
        let why = "one address is public: it answers what comes to it, unless a firewall stands before it";
        return (Could::Likely, why.into());
    }
    if one.1 == other.1 {
        let why = format!(
            "both are behind the NAT {}: it must pass packets back inside (hairpinning)",
            one.1
        );
        return (Could::Depends, why);
    }
    let why = match (offer.dependent().is_some(), answer.dependent().is_some()) {
        (true, true) => {
            "both mappings depend on the destination: it works only if one of the NATs lets in anyone (endpoint-independent filtering), so plan for a relay"
        }
        (true, false) | (false, true) => {
            "one mapping depends on the destination: it works only if the other side's NAT does not filter by port, or its own lets in anyone"
        }
        (false, false) => {
            "it works unless one NAT is symmetric and the other filters by port, which descriptions do not show (run `natscope probe` on both sides)"
        }
    };
    (Could::Depends, why.into())
}

impl Found {
    /// One sentence about both sides.
    pub fn summary(&self, findings: &[Finding]) -> String {
        if let Some(wrong) = findings.iter().find(|finding| finding.id == "no-pair") {
            return format!("These two do not belong together: {}.", wrong.text);
        }
        let best = |could: Could| self.pairs.iter().find(|pair| pair.could == could);
        let is_relay =
            |pair: &&SdpPair| pair.from.starts_with("relay ") || pair.to.starts_with("relay ");
        let likely = |relay: bool| {
            self.pairs.iter().find(|p| p.could == Could::Likely && is_relay(p) == relay)
        };
        let say = |pair: &SdpPair| format!("{} with {}", pair.from, pair.to);
        match (likely(false), best(Could::Depends), likely(true)) {
            (Some(pair), _, _) => format!("A direct connection is likely: {}.", say(pair)),
            (None, Some(pair), Some(relay)) => format!(
                "A direct connection depends on the NATs ({}); failing that, a relay carries it ({}).",
                say(pair),
                say(relay)
            ),
            (None, None, Some(relay)) => format!("Only a relay connects them: {}.", say(relay)),
            (None, Some(pair), None) => format!(
                "A direct connection depends on the NATs ({}), and there is no relay to fall back on.",
                say(pair)
            ),
            (None, None, None) if best(Could::SameNetwork).is_some() => {
                "They connect only within one network: no candidate can be reached from outside."
                    .into()
            }
            (None, None, None) => "No pair of candidates can work.".into(),
        }
    }
}
