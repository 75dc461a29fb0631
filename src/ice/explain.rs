//! Why: one sentence, built from what was observed.

use super::{Check, CheckResult, Connection, Gathered, Kind, Outcome};
use crate::turn::Failure;
use std::fmt::Write;
use std::net::SocketAddr;

/// The sentence that one side can say for itself.
pub(super) fn one_side(outcome: &Outcome, strangers: u32, remote_complete: bool) -> String {
    match outcome.connection {
        Connection::Failed => failed(outcome, strangers, remote_complete),
        connection => connected(outcome, connection),
    }
}

fn connected(outcome: &Outcome, connection: Connection) -> String {
    let Some(pair) = outcome.selected else { return String::new() };
    let mapped = outcome
        .checks
        .iter()
        .find(|check| {
            check.pair.local.address == pair.local.address && check.pair.remote == pair.remote
        })
        .and_then(|check| check.mapped)
        .unwrap_or(pair.local.address);
    let remote = pair.remote.address;
    match connection {
        Connection::DirectHost => {
            format!("the peers reach each other by their own addresses: {mapped} and {remote}")
        }
        Connection::DirectReflexive => {
            format!("the peer answers at {remote} and sees this side as {mapped}: STUN is enough")
        }
        _ if pair.local.kind == Kind::Relayed => format!(
            "no direct check was answered in time; packets go through this side's relay at {} to {remote}",
            pair.local.address
        ),
        _ => format!(
            "no direct check was answered in time; packets go through the peer's relay at {remote}"
        ),
    }
}

fn failed(outcome: &Outcome, strangers: u32, remote_complete: bool) -> String {
    let mut sentence = reason(outcome, strangers, remote_complete);
    let lost = outcome.turn.iter().find_map(|turn| Some((&turn.server, turn.failure.as_ref()?)));
    if let Some((server, failure)) = lost {
        // writing to a string cannot fail
        let _ = write!(sentence, "; the relay of {server} could not help: {failure}");
    } else if let Some((from, to, failure)) = refused(outcome) {
        let lies = crate::turn::address::range(to.ip());
        let lies = lies.map(|range| format!(", which lies in {range}")).unwrap_or_default();
        let _ =
            write!(sentence, "; the relay {from} lets nothing through to {to}{lies}: {failure}");
    } else if outcome.turn.is_empty() && !relays(outcome) {
        sentence.push_str("; there was no relay on either side");
    }
    sentence
}

/// What a relay of ours did not let through.
fn refused(outcome: &Outcome) -> Option<(SocketAddr, SocketAddr, &Failure)> {
    outcome.checks.iter().find_map(|check| match &check.result {
        CheckResult::NotRelayed { failure } => {
            Some((check.pair.local.address, check.pair.remote.address, failure))
        }
        _ => None,
    })
}

fn relays(outcome: &Outcome) -> bool {
    outcome.remote.iter().any(|candidate| candidate.kind == Kind::Relayed)
}

fn reason(outcome: &Outcome, strangers: u32, remote_complete: bool) -> String {
    if outcome.local.is_empty() {
        return "this side has no address to be reached at".to_owned();
    }
    let refused = |check: &Check| check.result == CheckResult::Error { code: 401 };
    if strangers > 0 || outcome.checks.iter().any(refused) {
        return "the two sides do not know each other's passwords: an answer to another offer, or \
                an old one"
            .to_owned();
    }
    if outcome.remote.is_empty() {
        return if remote_complete {
            "the peer has no address to be reached at".to_owned()
        } else {
            "the peer's candidates never came".to_owned()
        };
    }
    let heard = outcome.checks.iter().find(|check| !check.received_ms.is_empty());
    if let Some(check) = heard {
        return format!(
            "the peer's checks from {} arrive here, but it hears neither our answers nor our checks",
            check.pair.remote.address
        );
    }
    silence(outcome)
}

/// No packet came through, in either direction.
fn silence(outcome: &Outcome) -> String {
    let sent: usize = outcome.checks.iter().map(|check| check.sent_ms.len()).sum();
    if sent == 0
        && let Some(avoided) = outcome.avoided.first()
    {
        return format!(
            "the peer named only addresses that no check is sent to, such as {}: {}",
            avoided.address, avoided.why
        );
    }
    if sent == 0 {
        return "there is no pair of addresses of one family to check".to_owned();
    }
    let reached = outcome.remote.iter().find(|candidate| candidate.kind == Kind::ServerReflexive);
    let to = reached
        .or(outcome.remote.first())
        .map_or_else(String::new, |candidate| format!(" to {}", candidate.address));
    let unanswered =
        format!("none of this side's {sent} checks{to} was answered, and none came in");
    if let Some((a, b)) = two_mappings(&outcome.stun) {
        return format!(
            "{unanswered}: this side's NAT gives each destination a port of its own ({} for {}, {} \
             for {}), so its checks come from another port than the peer's NAT lets in",
            a.0.port(),
            a.1,
            b.0.port(),
            b.1
        );
    }
    if outcome.stun.iter().all(|gathered| gathered.mapped.is_none()) && !outcome.stun.is_empty() {
        return format!(
            "{unanswered}: no STUN server answered, so the peer knows no public address of this side"
        );
    }
    format!(
        "{unanswered}: the peer's NAT lets in only what it expects, from an address and port that it has sent to, or the peer sends from another port than the one that it told"
    )
}

/// One base that two servers saw at two addresses.
type Seen<'a> = (SocketAddr, &'a str);

fn two_mappings(stun: &[Gathered]) -> Option<(Seen<'_>, Seen<'_>)> {
    stun.iter().enumerate().find_map(|(i, first)| {
        let mapped = first.mapped?;
        stun[i + 1..].iter().find_map(|second| {
            let other = second.mapped.filter(|other| *other != mapped)?;
            let same = first.base == second.base;
            same.then_some(((mapped, first.server.as_str()), (other, second.server.as_str())))
        })
    })
}
