//! From the runs of a pair to its verdict.

use super::{Cell, Run, RunOutcome};
use crate::nat::NatSpec;
use crate::nat::pair::{End, Forecast, Verdict, forecast};

/// What a run should come to, by the forecast. With a relay at hand the direct way is still
/// preferred where there is one.
#[must_use]
pub fn expected_outcome(forecast: &Forecast, first: End, turn: bool) -> RunOutcome {
    let direct = match forecast.verdict {
        Verdict::Stun => true,
        Verdict::OrderDependent => forecast.first == Some(first),
        Verdict::Turn | Verdict::None => false,
    };
    match (direct, turn) {
        (true, _) => RunOutcome::Direct,
        (false, true) if forecast.verdict != Verdict::None => RunOutcome::Relay,
        _ => RunOutcome::Failed,
    }
}

impl Cell {
    /// The cell of two NATs from the runs that were made; their order is free.
    #[must_use]
    pub fn new(a: &NatSpec, b: &NatSpec, runs: Vec<Run>) -> Self {
        let forecast = forecast(a, b);
        let mut faults: Vec<String> = runs.iter().filter_map(contradiction).collect();
        let proven = faults.is_empty();
        let verdict = match of(&runs) {
            Ok(verdict) => proven.then_some(verdict),
            Err(why) => {
                faults.push(why);
                None
            }
        };
        if let Some(verdict) = verdict.filter(|v| *v != forecast.verdict) {
            faults.push(format!("predicted {}, measured {verdict}", forecast.verdict));
        } else if verdict.is_some() {
            faults.extend(runs.iter().filter_map(|run| other_than_expected(&forecast, run)));
        }
        Self {
            a: a.name.clone(),
            b: b.name.clone(),
            predicted: forecast.verdict,
            verdict,
            because: forecast.because,
            runs,
            agrees: verdict.is_some() && faults.is_empty(),
            faults,
        }
    }
}

fn named(run: &Run) -> String {
    format!("{}, {} first", if run.turn { "with TURN" } else { "STUN alone" }, run.first)
}

/// A run whose outcome its packets do not bear out.
fn contradiction(run: &Run) -> Option<String> {
    let says = |what: &str| Some(format!("{}: {what}", named(run)));
    match (run.outcome, run.turn) {
        (RunOutcome::Direct, _) if run.relay_packets > 0 => {
            says("the agents call it direct, but the relay carried its data")
        }
        (RunOutcome::Direct, _) if run.direct_packets == 0 => {
            says("the agents call it direct, but no data passed from NAT to NAT")
        }
        (RunOutcome::Direct, _) if run.alive_without_relay == Some(false) => {
            says("the agents call it direct, but it died with the relay")
        }
        (RunOutcome::Relay, false) => says("relayed although no relay was given"),
        (RunOutcome::Relay, true) if run.relay_packets == 0 => {
            says("the agents call it relayed, but the relay carried no data of it")
        }
        (RunOutcome::Relay, true) if run.relay_reported == 0 => {
            says("the agents call it relayed, but the relay says that it carried nothing")
        }
        (RunOutcome::Relay, true) if run.alive_without_relay == Some(true) => {
            says("the agents call it relayed, but it outlived the relay")
        }
        _ => None,
    }
}

fn other_than_expected(forecast: &Forecast, run: &Run) -> Option<String> {
    let expected = expected_outcome(forecast, run.first, run.turn);
    // where the order decides, checks by the relay may turn it round
    let either = forecast.verdict == Verdict::OrderDependent
        && run.turn
        && run.outcome != RunOutcome::Failed;
    (run.outcome != expected && !either)
        .then(|| format!("{}: {} where {expected} was expected", named(run), run.outcome))
}

/// The verdict that the runs give, or why they give none.
fn of(runs: &[Run]) -> Result<Verdict, String> {
    let stun = |first: End| runs.iter().find(|run| !run.turn && run.first == first);
    let (Some(a), Some(b)) = (stun(End::A), stun(End::B)) else {
        return Err("stopped before both orders were tried with STUN alone".into());
    };
    let direct = [a, b].map(|run| run.outcome == RunOutcome::Direct);
    match direct {
        [true, true] => return Ok(Verdict::Stun),
        [true, false] | [false, true] => return Ok(Verdict::OrderDependent),
        [false, false] => {}
    }
    let relayed: Vec<RunOutcome> =
        runs.iter().filter(|run| run.turn).map(|run| run.outcome).collect();
    if relayed.is_empty() {
        return Err("stopped before a relay was tried".into());
    }
    if relayed.contains(&RunOutcome::Direct) {
        return Err("direct with a relay at hand, but never without: not a verdict".into());
    }
    Ok(if relayed.contains(&RunOutcome::Relay) { Verdict::Turn } else { Verdict::None })
}
