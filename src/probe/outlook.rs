//! From facts to the forecast ([`pair::outlook`]): every combination of what they leave possible,
//! and the grade of the weakest fact that the verdict rests on.

use crate::ground::fact::Grade;
use crate::nat::Facts;
use crate::nat::pair::{self, End, Possible, Standing, Verdict};
use crate::nat::{Classic, Filtering, Mapping, NatSpec, Scope};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a pair of peers needs, as far as it can be told.
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
    /// The verdict, where there is one.
    #[must_use]
    pub const fn definite(self) -> Option<Verdict> {
        match self {
            Self::Stun => Some(Verdict::Stun),
            Self::OrderDependent => Some(Verdict::OrderDependent),
            Self::Turn => Some(Verdict::Turn),
            Self::None => Some(Verdict::None),
            Self::Inconclusive => None,
        }
    }

    /// Its name for people.
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

/// One end of a pair, by the facts that were measured there or by its description.
#[derive(Debug, Clone)]
pub struct Measured {
    standing: Standing,
    /// What it would be without each of the facts and assumptions.
    without: Vec<(Basis, Standing)>,
}

/// What a verdict can rest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Basis {
    Fact(Grade),
    Assumption(Assumption),
}

/// What is taken for granted of a NAT where nothing shows the contrary, since nearly all are so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Assumption {
    /// Its router drops uninvited packets, and does not take them for itself.
    DropsUninvited,
    /// Permissions belong to one mapping, and are not shared by all of the router.
    OwnPermissions,
}

/// The forecast for two ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlook {
    /// What is expected.
    pub expected: pair::Outlook,
    /// The grade of the weakest fact that the verdict rests on; `None` where there is no verdict.
    pub grade: Option<Grade>,
    /// What the verdict rests on besides facts, and of which end.
    pub assumed: Vec<(End, Assumption)>,
}

impl Measured {
    /// What facts leave possible. `answered`: some answer came over UDP, so that it passes.
    ///
    /// Facts do not show everything. Where nothing shows the contrary, the NAT is taken for one as
    /// nearly all are ([`Assumption`]). A verdict that would be another without is only probable.
    #[must_use]
    pub fn of(facts: &Facts, answered: bool) -> Self {
        let left = left(facts, answered);
        let unnamed = Possible { classic: Classic::ALL.to_vec(), ..left.clone() };
        let standing = Standing::of(&left)
            .or_else(|| Standing::of(&unnamed))
            .unwrap_or_else(Standing::anything);
        let without = without(facts, &left, &unnamed);
        let standings =
            without.into_iter().filter_map(|(grade, left)| Some((grade, Standing::of(&left)?)));
        Self { standing, without: standings.collect() }
    }

    /// An end that is known by its description.
    #[must_use]
    pub fn described(spec: &NatSpec) -> Self {
        Self { standing: Standing::described(spec), without: Vec::new() }
    }

    /// Whether it is known that no UDP passes, or `None` where that is open.
    #[must_use]
    pub fn udp_blocked(&self) -> Option<bool> {
        self.standing.udp_blocked()
    }
}

/// What facts leave, taken by themselves.
fn left(facts: &Facts, answered: bool) -> Possible {
    let classic = facts.classic.possible();
    let blocked = !answered && classic.contains(&Classic::UdpBlocked);
    let passes = answered || classic != [Classic::UdpBlocked];
    let udp = [(true, passes), (false, blocked)];
    Possible {
        udp: udp.into_iter().filter(|(_, left)| *left).map(|(value, _)| value).collect(),
        nat: facts.nat.possible(),
        mapping: facts.mapping.possible(),
        filtering: facts.filtering.possible(),
        classic,
        early_packet: vec![facts.early_packet_poisoning.value() == Some(&true)],
        scope: vec![Scope::Mapping],
    }
}

/// What would be left without each fact that is known, and without each assumption. The classic
/// name follows from the other facts, and does not hold without them (`unnamed`).
fn without(facts: &Facts, left: &Possible, unnamed: &Possible) -> Vec<(Basis, Possible)> {
    let of = |fact: Option<Grade>, left: Possible| Some((Basis::Fact(fact?), left));
    let grade = facts.early_packet_poisoning.grade();
    // it is the fault of routers that filter as a plain masquerade does
    let mut masquerade = Possible { early_packet: vec![true], ..left.clone() };
    masquerade.mapping.retain(|value| *value == Mapping::EndpointIndependent);
    masquerade.filtering.retain(|value| *value == Filtering::AddressAndPortDependent);
    let drops = Basis::Assumption(Assumption::DropsUninvited);
    let shared = Possible { scope: vec![Scope::Endpoint], ..left.clone() };
    let blocked = facts.classic.grade().filter(|_| !left.udp.contains(&true));
    [
        of(facts.mapping.grade(), Possible { mapping: Mapping::ALL.to_vec(), ..unnamed.clone() }),
        of(
            facts.filtering.grade(),
            Possible { filtering: Filtering::ALL.to_vec(), ..unnamed.clone() },
        ),
        of(blocked, Possible { udp: vec![true, false], ..unnamed.clone() }),
        of(grade, Possible { early_packet: vec![true, false], ..left.clone() }),
        grade.is_none().then_some((drops, masquerade)),
        Some((Basis::Assumption(Assumption::OwnPermissions), shared)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The forecast for two ends.
#[must_use]
pub fn outlook(a: &Measured, b: &Measured) -> Outlook {
    let expected = pair::outlook(&a.standing, &b.standing);
    if expected.verdict().is_none() {
        return Outlook { expected, grade: None, assumed: Vec::new() };
    }
    let mut grade = Grade::Proven;
    let mut assumed = Vec::new();
    let mut rests_on = |end: End, basis: Basis, without: pair::Outlook| {
        if without.possible == expected.possible {
            return;
        }
        grade = grade.min(match basis {
            Basis::Fact(grade) => grade,
            Basis::Assumption(_) => Grade::Probable,
        });
        if let Basis::Assumption(assumption) = basis {
            assumed.push((end, assumption));
        }
    };
    for (basis, standing) in &a.without {
        rests_on(End::A, *basis, pair::outlook(standing, &b.standing));
    }
    for (basis, standing) in &b.without {
        rests_on(End::B, *basis, pair::outlook(&a.standing, standing));
    }
    Outlook { expected, grade: Some(grade), assumed }
}

impl Outlook {
    /// The verdict, or that there is none.
    #[must_use]
    pub fn forecast(&self) -> Forecast {
        self.expected.verdict().map_or(Forecast::Inconclusive, Forecast::from)
    }

    /// The verdicts that are left, where it is more than one.
    #[must_use]
    pub fn left(&self) -> Vec<Verdict> {
        match self.expected.verdict() {
            Some(_) => Vec::new(),
            None => self.expected.possible.clone(),
        }
    }
}
