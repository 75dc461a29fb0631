//! How often a pair of peers needs a relay: the shares of hosts, and the forecast for each pair.
//!
//! A share may be a range, and a row may name several NATs of which nobody knows how many hosts
//! each has. So the result is a range: the least and the most over all shares within their ranges,
//! and over every split of a row.

use super::shares::{Population, Share, Shares, Source, middle};
use crate::nat::NatSpec;
use crate::nat::pair::{End, Verdict, forecast};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Hosts that sit behind one of these NATs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) nats: Vec<NatSpec>,
    /// The least share of hosts, 0 to 1.
    pub(super) low: f64,
    /// The most.
    pub(super) high: f64,
}

/// A pair of NATs that does not connect with STUN alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PairNeed {
    /// One side.
    pub a: String,
    /// The other.
    pub b: String,
    /// The share of all pairs that are such a pair, 0 to 1: the middle of the range.
    pub share: f64,
    /// What it needs.
    pub verdict: Verdict,
    /// Where that depends on who sends first: the one that must, where it is always the same; else
    /// left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<End>,
}

/// A share of pairs that is not known exactly, 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The least.
    pub low: f64,
    /// The most.
    pub high: f64,
}

/// The ranges of what [`Need`] says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ranges {
    /// Pairs that connect with STUN alone.
    pub stun: Range,
    /// Pairs that connect with STUN alone only when a given side sends first.
    pub order_dependent: Range,
    /// Pairs that need a relay.
    pub turn: Range,
    /// Those of them that need it for their NATs: UDP passes on both sides.
    pub turn_by_nat: Range,
    /// Those of them in which a side has no UDP at all, and needs it over TCP or TLS.
    pub turn_over_tcp: Range,
}

/// How often a relay is needed, when peers meet at random. Shares of pairs, 0 to 1; where they are
/// ranges, the middle of each, with the ranges in `ranges`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Need {
    /// Where the shares come from, as their tables say.
    pub source: String,
    /// The shares of hosts, the largest first; of both populations together, where two meet.
    pub shares: Vec<Share>,
    /// Pairs that connect with STUN alone.
    pub stun: f64,
    /// Pairs that connect with STUN alone only when a given side sends first.
    pub order_dependent: f64,
    /// Pairs that need a relay.
    pub turn: f64,
    /// Those of them in which a side has no UDP at all, and needs it over TCP or TLS.
    pub turn_over_tcp: f64,
    /// The ranges of these.
    #[serde(default)]
    pub ranges: Ranges,
    /// The hosts: one population that meets its like, or two that meet each other.
    #[serde(default)]
    pub populations: Vec<Source>,
    /// The pairs that do not connect with STUN alone, the most frequent first.
    pub pairs: Vec<PairNeed>,
}

/// What comes of the pairs of two rows, with all NATs of a row counted alike.
#[derive(Debug, Clone, Copy, Default)]
struct Outcome {
    stun: f64,
    order: f64,
    by_nat: f64,
    over_tcp: f64,
    /// Who must send first in those that depend on it; `Some(None)` when it is not always the same.
    #[allow(clippy::option_option)] // not seen yet, and not always the same, are two things
    first: Option<Option<End>>,
}

impl Outcome {
    fn of(a: &Group, b: &Group) -> Self {
        let blocked = |spec: &NatSpec| spec.truth().udp_blocked;
        let mut outcome = Self::default();
        #[allow(clippy::cast_precision_loss)] // a small count
        let each = 1.0 / (a.nats.len() * b.nats.len()) as f64;
        for a in &a.nats {
            for b in &b.nats {
                let forecast = forecast(a, b);
                if forecast.verdict == Verdict::OrderDependent {
                    let before = outcome.first.unwrap_or(forecast.first);
                    outcome.first = Some(before.filter(|end| Some(*end) == forecast.first));
                }
                *match forecast.verdict {
                    Verdict::Stun => &mut outcome.stun,
                    Verdict::OrderDependent => &mut outcome.order,
                    Verdict::Turn | Verdict::None if blocked(a) || blocked(b) => {
                        &mut outcome.over_tcp
                    }
                    Verdict::Turn | Verdict::None => &mut outcome.by_nat,
                } += each;
            }
        }
        outcome
    }
}

/// Nearly none, or nearly all, of a sum of parts.
const NONE: f64 = 1e-9;

/// Shares, one for each group.
type Point = Vec<f64>;

/// The pairs of two populations.
struct Meeting<'a> {
    one: &'a Population,
    other: Option<&'a Population>,
    outcomes: Vec<Vec<Outcome>>,
}

impl<'a> Meeting<'a> {
    fn new(shares: &'a Shares) -> Self {
        let (one, other) = (&shares.one, shares.other.as_ref());
        let columns = &other.unwrap_or(one).groups;
        let row = |a| columns.iter().map(|b| Outcome::of(a, b)).collect();
        Self { one, other, outcomes: one.groups.iter().map(row).collect() }
    }

    /// The share of pairs, of hosts spread like this, for which so much is true.
    fn sum(&self, one: &[f64], other: &[f64], of: &impl Fn(&Outcome) -> f64) -> f64 {
        let row = |(outcomes, share): (&Vec<Outcome>, &f64)| -> f64 {
            share * outcomes.iter().zip(other).map(|(o, share)| share * of(o)).sum::<f64>()
        };
        self.outcomes.iter().zip(one).map(row).sum()
    }

    fn range(&self, of: impl Fn(&Outcome) -> f64) -> Range {
        let least = |o: &Outcome| if of(o) > 1.0 - NONE { 1.0 } else { 0.0 };
        let most = |o: &Outcome| if of(o) > NONE { 1.0 } else { 0.0 };
        let low = self.extremes(&least).into_iter().fold(1.0, f64::min);
        let high = self.extremes(&most).into_iter().fold(0.0, f64::max);
        Range { low: low.max(0.0), high: high.min(1.0) }
    }

    /// The values among which the least and the most are: those at the corners of what the shares
    /// may be, and, for hosts that meet their like, where it turns between two corners.
    fn extremes(&self, of: &impl Fn(&Outcome) -> f64) -> Vec<f64> {
        let corners = corners(&self.one.groups);
        if let Some(other) = self.other {
            let others = self::corners(&other.groups);
            let all = corners.iter().flat_map(|a| others.iter().map(|b| self.sum(a, b, of)));
            return all.collect();
        }
        let mut all: Vec<f64> = corners.iter().map(|a| self.sum(a, a, of)).collect();
        for (at, a) in corners.iter().enumerate() {
            for (other, b) in corners.iter().enumerate().skip(at + 1) {
                let (from, to, across) = (all[at], all[other], self.sum(a, b, of));
                let bend = from - 2.0 * across + to;
                let turn = (from - across) / bend;
                if bend.abs() > NONE && (0.0..=1.0).contains(&turn) {
                    all.push(from + turn * (2.0 * (across - from) + turn * bend));
                }
            }
        }
        all
    }
}

/// The corners of what shares within their ranges that sum up to 1 can be.
fn corners(groups: &[Group]) -> Vec<Point> {
    let ranged: Vec<usize> = groups
        .iter()
        .enumerate()
        .filter(|(_, g)| g.high - g.low > NONE)
        .map(|(at, _)| at)
        .collect();
    let lows: Point = groups.iter().map(|g| g.low).collect();
    let mut all = Vec::new();
    // one takes what the others leave, and all others are at an end of their ranges
    for &slack in &ranged {
        let others: Vec<usize> = ranged.iter().copied().filter(|&at| at != slack).collect();
        for ends in 0_u32..1 << others.len() {
            let mut point = lows.clone();
            for (bit, &at) in others.iter().enumerate() {
                if ends & (1 << bit) != 0 {
                    point[at] = groups[at].high;
                }
            }
            let taken: f64 = point.iter().sum::<f64>() - point[slack];
            point[slack] = 1.0 - taken;
            let fits = groups[slack].low - NONE..=groups[slack].high + NONE;
            if fits.contains(&point[slack]) {
                all.push(point);
            }
        }
    }
    if all.is_empty() { vec![lows] } else { all }
}

impl Need {
    pub(super) fn of(shares: &Shares) -> Self {
        let meeting = Meeting::new(shares);
        let (one, other) = (&shares.one, shares.other.as_ref());
        let ours = middle(&one.groups);
        let theirs = middle(&other.unwrap_or(one).groups);
        let point = |of: fn(&Outcome) -> f64| meeting.sum(&ours, &theirs, &of);
        let populations: Vec<Source> =
            [Some(one), other].into_iter().flatten().map(|p| p.about.clone()).collect();
        let mut sources: Vec<&str> = populations.iter().map(|p| p.source.as_str()).collect();
        sources.dedup();
        Self {
            source: sources.join("; and "),
            shares: together(&populations),
            stun: point(|o| o.stun),
            order_dependent: point(|o| o.order),
            turn: point(|o| o.by_nat + o.over_tcp),
            turn_over_tcp: point(|o| o.over_tcp),
            ranges: Ranges {
                stun: meeting.range(|o| o.stun),
                order_dependent: meeting.range(|o| o.order),
                turn: meeting.range(|o| o.by_nat + o.over_tcp),
                turn_by_nat: meeting.range(|o| o.by_nat),
                turn_over_tcp: meeting.range(|o| o.over_tcp),
            },
            pairs: pairs(&meeting, &ours, &theirs),
            populations,
        }
    }
}

/// The shares of all hosts, half of them of each population.
fn together(populations: &[Source]) -> Vec<Share> {
    let mut all: Vec<Share> = Vec::new();
    #[allow(clippy::cast_precision_loss)] // one or two
    let part = 1.0 / populations.len() as f64;
    for share in populations.iter().flat_map(|p| &p.shares) {
        let part = Share {
            nat: share.nat.clone(),
            share: share.share * part,
            low: share.low * part,
            high: share.high * part,
        };
        match all.iter_mut().find(|other| other.nat == part.nat) {
            Some(other) => {
                other.share += part.share;
                other.low += part.low;
                other.high += part.high;
            }
            None => all.push(part),
        }
    }
    all.sort_by(|a, b| b.share.total_cmp(&a.share));
    all
}

fn pairs(meeting: &Meeting<'_>, ours: &[f64], theirs: &[f64]) -> Vec<PairNeed> {
    let alike = meeting.other.is_none();
    let columns = &meeting.other.unwrap_or(meeting.one).groups;
    let mut all: Vec<PairNeed> = Vec::new();
    for (i, (a, row)) in meeting.one.groups.iter().zip(&meeting.outcomes).enumerate() {
        for (j, (b, outcome)) in columns.iter().zip(row).enumerate() {
            if alike && j < i {
                continue;
            }
            // a meets b, and b meets a
            let times = if alike && i != j { 2.0 } else { 1.0 };
            let of = [
                (Verdict::OrderDependent, outcome.order),
                (Verdict::Turn, outcome.by_nat + outcome.over_tcp),
            ];
            all.extend(of.into_iter().filter(|(_, part)| *part > NONE).map(|(verdict, part)| {
                let share = ours[i] * theirs[j] * times * part;
                let first = outcome.first.flatten().filter(|_| verdict == Verdict::OrderDependent);
                PairNeed { a: a.name.clone(), b: b.name.clone(), share, verdict, first }
            }));
        }
    }
    all.sort_by(|a, b| b.share.total_cmp(&a.share));
    all
}

#[cfg(test)]
mod tests;
