//! What the NATs that both sides measured let expect of a connection between them.

use crate::ground::fact::Grade;
use crate::nat::pair::{End, Hinge, Open, Verdict};
use crate::peer::{NatFacts, Side};
use crate::probe::outlook::{Assumption, Forecast, Measured, Outlook, outlook};
use crate::signal::Role;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is expected with reflexive addresses; hosts of one network need none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct Prediction {
    /// What the pair needs.
    pub verdict: Forecast,
    /// The verdicts that are left where it could not be told, the easiest first; else left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub possible: Vec<Verdict>,
    /// Where it depends on who sends first: the side that must, if that could be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Role>,
    /// The grade of the weakest fact that the verdict rests on; left out where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<Grade>,
    /// Why, in a sentence.
    pub because: String,
}

/// The names of the two ends.
const SIDES: [&str; 2] = ["the offering side", "the answering side"];

impl Prediction {
    /// From the facts of both sides over IPv4, or else over what both have. `None` where not both
    /// measured over one family.
    pub(super) fn of(sides: &[Side]) -> Option<Self> {
        let [offer, answer] = sides else { return None };
        let is_v4 = |nat: &NatFacts| nat.local.is_some_and(|local| local.is_ipv4());
        [true, false].into_iter().find_map(|v4| {
            let of = |side: &Side| {
                let nat = side.nats.iter().find(|nat| is_v4(nat) == v4)?;
                Some(Measured::of(&nat.facts, nat.mapped.is_some()))
            };
            let outlook = outlook(&of(offer)?, &of(answer)?);
            Some(Self::new(&outlook, [offer.role, answer.role]))
        })
    }

    fn new(outlook: &Outlook, [offer, answer]: [Role; 2]) -> Self {
        let first = outlook.expected.first.map(|end| match end {
            End::A => offer,
            End::B => answer,
        });
        let mut because = match outlook.expected.verdict() {
            Some(_) => outlook.expected.reason.named(SIDES, SIDES),
            None => open_question(&outlook.expected.hinges),
        };
        for (end, assumption) in &outlook.assumed {
            because.push_str(&assumed(*end, *assumption));
        }
        Self {
            verdict: outlook.forecast(),
            possible: outlook.left(),
            first,
            grade: outlook.grade,
            because,
        }
    }

    /// In a sentence or two.
    pub(super) fn sentence(&self) -> String {
        let title = match (self.verdict, self.first) {
            (Forecast::OrderDependent, Some(role)) => {
                format!("direct only when the {}ing side sends first", role.as_str())
            }
            (Forecast::OrderDependent, None) => "direct only when a given side sends first".into(),
            (Forecast::Inconclusive, _) => {
                let left = self.possible.iter().map(|v| Forecast::from(*v).title());
                return format!("{}: {}", left.collect::<Vec<_>>().join(", or "), self.because);
            }
            (verdict, _) => verdict.title().to_owned(),
        };
        let grade = if self.grade == Some(Grade::Probable) { " (probable)" } else { "" };
        format!("{title}{grade}, because {}", self.because)
    }
}

fn assumed(end: End, assumption: Assumption) -> String {
    let side = if end == End::A { SIDES[0] } else { SIDES[1] };
    match assumption {
        Assumption::DropsUninvited => {
            format!("; that {side}'s router drops packets that come too early was not shown")
        }
        Assumption::OwnPermissions => {
            format!("; that {side}'s router keeps permissions for each mapping was not shown")
        }
    }
}

fn open_question(hinges: &[Hinge]) -> String {
    let whose = |hinge: &Hinge| {
        let side = match hinge.end {
            End::A => SIDES[0],
            End::B => SIDES[1],
        };
        match hinge.axis {
            Open::Udp => format!("whether UDP passes at {side}"),
            axis => format!("{} of {side}", axis.title()),
        }
    };
    let all: Vec<String> = hinges.iter().map(whose).collect();
    match all.as_slice() {
        [] => "the facts of the two sides do not tell".to_owned(),
        [one] => format!("it depends on {one}, which could not be told"),
        [first @ .., last] => {
            format!("it depends on {} and {last}, which could not be told", first.join(", "))
        }
    }
}
