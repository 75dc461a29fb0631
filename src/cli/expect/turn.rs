//! `--expect turn=…`, beside the facts.

use super::{Expect, check};
use crate::cli::exit::{Failure, Outcome};
use crate::ground::finding::Id;
use crate::report::{Report, TurnServer, TurnVerdict};
use crate::stun::uri::{Scheme, Transport, Uri};

/// What `--expect` may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    /// A fact, on every path.
    Fact(Expect),
    /// A TURN server that relays.
    Turn(Wanted),
}

/// By which way some TURN server must relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Any server, however it is reached.
    Works,
    /// `turn:` over UDP.
    Udp,
    /// `turn:` over TCP.
    Tcp,
    /// `turns:`.
    Tls,
}

impl Wanted {
    const ALL: [(&'static str, Self); 4] =
        [("works", Self::Works), ("udp", Self::Udp), ("tcp", Self::Tcp), ("tls", Self::Tls)];

    fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, wanted)| *wanted == self).map_or("works", |(name, _)| name)
    }

    fn means(self, over: &str) -> bool {
        self == Self::Works || self.name() == over
    }
}

/// Reads `AXIS=VALUE`, where the axis may be `turn`.
///
/// # Errors
/// A sentence that names what exists.
pub fn parse(text: &str) -> Result<Expectation, String> {
    let Some((_, value)) = text.split_once('=').filter(|(axis, _)| axis.trim() == "turn") else {
        return super::parse(text).map(Expectation::Fact);
    };
    let value = value.trim();
    let wanted = Wanted::ALL.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(value));
    let names = Wanted::ALL.map(|(name, _)| name);
    wanted
        .map(|(_, wanted)| Expectation::Turn(wanted))
        .ok_or_else(|| super::unknown("value of turn", value, &names))
}

/// Whether there is a TURN server that could fulfil each expectation.
///
/// # Errors
/// What to name with `--turn`.
pub fn possible(expected: &[Expectation], servers: &[Uri]) -> Result<(), Failure> {
    for expectation in expected {
        let Expectation::Turn(wanted) = expectation else { continue };
        let over = |uri: &Uri| match (uri.scheme, uri.transport) {
            (Scheme::Turns | Scheme::Stuns, _) => "tls",
            (_, Some(Transport::Tcp)) => "tcp",
            _ => "udp",
        };
        if !servers.iter().any(|uri| wanted.means(over(uri))) {
            let example = match wanted {
                Wanted::Works | Wanted::Udp => "turn:HOST",
                Wanted::Tcp => "turn:HOST?transport=tcp",
                Wanted::Tls => "turns:HOST",
            };
            return Err(Failure::usage(format!(
                "--expect turn={} needs such a server: --turn {example}",
                wanted.name()
            )));
        }
    }
    Ok(())
}

/// Holds the report against all expectations, as [`check`] does for the facts: of `turn` 4 when no
/// such server works, 3 when one gave an address and no more could be told.
#[must_use]
pub fn check_all(report: &Report, expected: &[Expectation]) -> (Outcome, Vec<String>) {
    let facts: Vec<Expect> = expected
        .iter()
        .filter_map(|expectation| match expectation {
            Expectation::Fact(fact) => Some(*fact),
            Expectation::Turn(_) => None,
        })
        .collect();
    let (mut worst, mut lines) = check(report, &facts);
    for expectation in expected {
        let Expectation::Turn(wanted) = expectation else { continue };
        let (outcome, said) = relays(report, *wanted);
        worst = worst.max(outcome);
        lines.extend(said);
    }
    (worst, lines)
}

fn relays(report: &Report, wanted: Wanted) -> (Outcome, Vec<String>) {
    let servers: Vec<&TurnServer> =
        report.turn.iter().filter(|server| wanted.means(&server.over)).collect();
    if servers.iter().any(|server| server.verdict == TurnVerdict::Works) {
        return (Outcome::Done, Vec::new());
    }
    let mut lines: Vec<String> = servers
        .iter()
        .map(|server| {
            let because = server.because.as_deref().unwrap_or("nothing more is known");
            let (uri, name) = (&server.uri, wanted.name());
            format!("expected turn={name}, found of {uri} ({}): {because}", server.address)
        })
        .collect();
    if lines.is_empty() {
        lines.push(format!("expected turn={}, but no such server was tried", wanted.name()));
    }
    let unknown = servers.iter().any(|server| server.verdict == TurnVerdict::Unknown)
        || report.findings.iter().any(|finding| finding.id == Id::TurnInterrupted);
    (if unknown { Outcome::CouldNotTell } else { Outcome::NotAsExpected }, lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_of_turn_is_read_beside_the_facts() {
        assert_eq!(parse("turn=works"), Ok(Expectation::Turn(Wanted::Works)));
        assert_eq!(parse("turn=TLS"), Ok(Expectation::Turn(Wanted::Tls)));
        assert!(matches!(parse("mapping=eim"), Ok(Expectation::Fact(_))));
        let wrong = parse("turn=wroks").unwrap_err();
        assert!(wrong.contains("did you mean `works`?"), "{wrong}");
    }

    #[test]
    fn an_expectation_without_such_a_server_is_a_wrong_argument() {
        let udp: Uri = "turn:relay.example".parse().unwrap();
        let tls: Uri = "turns:relay.example".parse().unwrap();
        let wants = |wanted| [Expectation::Turn(wanted)];
        assert!(possible(&wants(Wanted::Works), &[]).is_err());
        assert!(possible(&wants(Wanted::Works), std::slice::from_ref(&tls)).is_ok());
        assert!(possible(&wants(Wanted::Udp), std::slice::from_ref(&tls)).is_err());
        assert!(possible(&wants(Wanted::Tls), &[udp, tls]).is_ok());
    }
}
