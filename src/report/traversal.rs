//! What the measured facts mean for connecting: for each kind of peer, whether STUN is enough or
//! TURN is needed.
//!
//! A fact that is not known leaves several behaviours possible. The forecast is made for every one
//! of them, and is definite only where they all agree.

use super::prose::{capital, list};
use super::{Family, Path};
use crate::ground::fact::Grade;
use crate::nat::pair::{Bar, End, Hinge, Open, Reason, Verdict, Way};
use crate::nat::{Classic, Filtering};
use crate::probe::outlook::{Assumption, Measured, Outlook, outlook};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

pub use crate::nat::pair::PeerKind;
pub use crate::probe::outlook::Forecast;

/// What connects from here, by the facts.
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
    /// The verdicts that are left where it could not be told, the easiest first; else left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub possible: Vec<Verdict>,
    /// Where it depends on who sends first: the side that must, if that could be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Sender>,
    /// The grade of the weakest fact that the verdict rests on; left out where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<Grade>,
    /// Why, in one sentence.
    pub because: String,
}

/// Who sends first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sender {
    /// This side.
    Here,
    /// The peer.
    Peer,
}

impl PeerForecast {
    fn new(family: Family, peer: PeerKind, outlook: &Outlook) -> Self {
        let first = outlook.expected.first.map(|end| match end {
            End::A => Sender::Here,
            End::B => Sender::Peer,
        });
        Self {
            family,
            peer,
            verdict: outlook.forecast(),
            possible: outlook.left(),
            first,
            grade: outlook.grade,
            because: because(outlook),
        }
    }

    /// What the pair needs, for people; with the grade where it is not certain.
    #[must_use]
    pub fn answer(&self) -> String {
        match self.grade {
            Some(Grade::Probable) => format!("{} (probable)", self.verdict.title()),
            _ => self.verdict.title().to_owned(),
        }
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
    let here = Measured::of(&path.facts, path.mapped.is_some());
    let one = |&peer: &PeerKind| {
        let there = Measured::described(&peer.spec());
        PeerForecast::new(path.family, peer, &outlook(&here, &there))
    };
    PeerKind::ALL.iter().map(one).collect()
}

fn because(outlook: &Outlook) -> String {
    if outlook.expected.verdict().is_none() {
        return open_question(&outlook.expected.hinges);
    }
    let mut text = reason(outlook.expected.reason);
    for (_, assumption) in &outlook.assumed {
        text.push_str("; ");
        text.push_str(match assumption {
            Assumption::DropsUninvited => {
                "that a packet which comes too early does no harm here was not shown"
            }
            Assumption::OwnPermissions => {
                "that the router here keeps permissions for each mapping by itself was not shown"
            }
        });
    }
    text
}

fn reason(reason: Reason) -> String {
    match reason {
        Reason::Blocked(End::B) => {
            "no UDP reaches that peer: it needs a relay that it reaches over TCP or TLS".to_owned()
        }
        Reason::Blocked(End::A) => {
            "no UDP gets out here: a relay reached over TCP or TLS is the only way".to_owned()
        }
        Reason::Direct(way) => direct(way).to_owned(),
        Reason::Relay(bar) => barred(bar).to_owned(),
        Reason::Order { first, bar, .. } => {
            let (who, other) = match first {
                End::A => ("this side", "that peer"),
                End::B => ("that peer", "this side"),
            };
            let why = barred(bar);
            format!("it connects only when {who} sends first; when {other} does, {why}")
        }
    }
}

const fn direct(way: Way) -> &'static str {
    match (way.into, way.filter) {
        (End::A, Filtering::EndpointIndependent) => {
            "anyone who knows the mapped address here gets in"
        }
        (End::B, Filtering::EndpointIndependent) => {
            "that peer can be reached by anyone who knows its mapped address"
        }
        (End::A, Filtering::AddressDependent) => {
            "once this side has sent to that peer's address, packets from any of its ports get in"
        }
        (End::B, Filtering::AddressDependent) => {
            "once that peer has sent to this address, packets from any of its ports get in"
        }
        (_, Filtering::AddressAndPortDependent) => {
            "both sides keep their mapped address, so each opens its filter for the other"
        }
    }
}

const fn barred(bar: Bar) -> &'static str {
    match bar {
        Bar::EarlyPacket(End::A) => {
            "the router here takes its early packet for itself, which spoils the mapping"
        }
        Bar::EarlyPacket(End::B) => {
            "that peer's router takes the early packet for itself, which spoils the mapping there"
        }
        Bar::SecondSession(End::A) => {
            "the packets from here leave by another port than the one that peer was told, and from then on the router here takes the peer's packets to that one for a second session, and drops them"
        }
        Bar::SecondSession(End::B) => {
            "its packets leave by another port than the one this side was told, and from then on its router takes the packets from here to that one for a second session, and drops them"
        }
        Bar::Refused { changes: [true, _] } => {
            "the port changes with the destination here, and that peer's filter expects the one it was told"
        }
        Bar::Refused { .. } => {
            "that peer's port changes with the destination, and the filter here expects the one it was told"
        }
    }
}

/// What the verdict depends on, and what follows from which answer.
fn open_question(hinges: &[Hinge]) -> String {
    if hinges.iter().any(|hinge| hinge.axis == Open::Udp) {
        return "no server gave an answer over UDP that counts, so nothing is known of what stands here".to_owned();
    }
    match hinges {
        [] => "it depends on what could not be told here".to_owned(),
        [one] => {
            let cases = cases(one);
            format!("it depends on {} here, which could not be told: {cases}", one.axis.title())
        }
        more => {
            let titles: Vec<&str> = more.iter().map(|hinge| hinge.axis.title()).collect();
            format!("it depends on {} here, which could not be told", titles.join(" and "))
        }
    }
}

/// For each verdict the values that it follows from: `STUN is enough if it is …, else …`.
fn cases(hinge: &Hinge) -> String {
    let mut groups: Vec<(&[Verdict], Vec<&str>)> = Vec::new();
    for (value, verdicts) in &hinge.by {
        match groups.iter_mut().find(|(of, _)| *of == verdicts.as_slice()) {
            Some((_, values)) => values.push(value),
            None => groups.push((verdicts, vec![value])),
        }
    }
    let last = groups.len().saturating_sub(1);
    let one = |(at, (verdicts, values)): (usize, &(&[Verdict], Vec<&str>))| {
        let verdict = verdicts.iter().map(|v| phrase(*v)).collect::<Vec<_>>().join(" or ");
        if at == last && at > 0 {
            format!("else {verdict}")
        } else {
            format!("{verdict} if it is {}", list(values))
        }
    };
    groups.iter().enumerate().map(one).collect::<Vec<_>>().join(", ")
}

const fn phrase(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Stun => "STUN is enough",
        Verdict::OrderDependent => "who sends first decides",
        Verdict::Turn => "TURN is needed",
        Verdict::None => "nothing connects",
    }
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

/// Where the peers stand that this verdict holds for.
pub(super) fn places(peers: &[&PeerForecast], verdict: Forecast) -> Vec<&'static str> {
    let is = |p: &&&PeerForecast| p.peer != PeerKind::UdpBlocked && p.verdict == verdict;
    peers.iter().filter(is).map(|p| p.peer.place()).collect()
}

/// Where the peers stand with whom this one must send first; `None`: it is not known who.
pub(super) fn first(peers: &[&PeerForecast], sender: Option<Sender>) -> Vec<&'static str> {
    let is = |p: &&&PeerForecast| p.verdict == Forecast::OrderDependent && p.first == sender;
    peers.iter().filter(is).map(|p| p.peer.place()).collect()
}

fn sentence(path: &Path, peers: &[&PeerForecast]) -> String {
    use Forecast::{Inconclusive, OrderDependent, Stun, Turn};
    if path.facts.classic.value() == Some(&Classic::UdpBlocked) {
        return "UDP is blocked here: connections to peers need a TURN server reached over TCP or TLS (turns: on port 443 passes most firewalls).".to_owned();
    }
    let [direct, order, relay, open] =
        [Stun, OrderDependent, Turn, Inconclusive].map(|wanted| places(peers, wanted));
    let [here, there, either] =
        [Some(Sender::Here), Some(Sender::Peer), None].map(|sender| first(peers, sender));
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
    more("it connects only when this side sends first for peers", &here);
    more("it connects only when they send first for peers", &there);
    more("who sends first decides for peers", &either);
    more("it could not be told for peers", &open);
    format!("{}.", capital(&text))
}
