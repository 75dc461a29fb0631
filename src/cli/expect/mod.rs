//! `--expect AXIS=VALUE`.

pub mod turn;

use super::exit::Outcome;
use crate::report::{Axis, Report, Status};

/// A value that the user expects on every path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expect {
    axis: Axis,
    value: &'static str,
}

/// Reads `AXIS=VALUE`.
///
/// # Errors
/// A sentence that names what exists, with the nearest first.
pub fn parse(text: &str) -> Result<Expect, String> {
    let (axis, value) = text
        .split_once('=')
        .ok_or_else(|| "write AXIS=VALUE, such as mapping=endpoint-independent".to_owned())?;
    let names: Vec<&str> = Axis::ALL.iter().map(|a| a.field()).collect();
    let wanted = axis.trim().replace('-', "_");
    let axis = Axis::ALL
        .iter()
        .copied()
        .find(|a| a.field() == wanted)
        .ok_or_else(|| unknown("axis", &wanted, &names))?;
    let value = value.trim();
    let value = axis
        .parse_value(value)
        .ok_or_else(|| unknown(&format!("value of {}", axis.field()), value, &axis.values()))?;
    Ok(Expect { axis, value })
}

/// What does not exist, with the nearest that does.
fn unknown(what: &str, given: &str, known: &[&str]) -> String {
    let near = known
        .iter()
        .map(|k| (strsim::jaro_winkler(given, k), k))
        .filter(|(score, _)| *score > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| format!("; did you mean `{k}`?"))
        .unwrap_or_default();
    format!("unknown {what} `{given}`{near} There are: {}", known.join(", "))
        .replacen("` There", "`. There", 1)
}

/// Holds the report against the expectations, and says where they do not hold: 4 when a fact of any
/// path excludes the value, else 3 when one leaves more than the value, else 0.
#[must_use]
pub fn check(report: &Report, expected: &[Expect]) -> (Outcome, Vec<String>) {
    let mut worst = Outcome::Done;
    let mut lines = Vec::new();
    for path in &report.paths {
        for expect in expected {
            let fact = expect.axis.of(&path.facts);
            let outcome = match &fact.status {
                Status::Known(value, _) if value == expect.value => continue,
                Status::Known(..) => Outcome::NotAsExpected,
                Status::Inconclusive(left) if excludes(left, expect.value) => {
                    Outcome::NotAsExpected
                }
                Status::Inconclusive(_) | Status::NotTested => Outcome::CouldNotTell,
            };
            worst = worst.max(outcome);
            lines.push(format!(
                "expected {}={} over {}, found: {} because {}",
                expect.axis.field(),
                expect.value,
                path.family.title(),
                fact.answer(),
                fact.because
            ));
        }
    }
    (worst, lines)
}

/// Whether the values that are left are told, and this is none of them.
fn excludes(left: &[String], value: &str) -> bool {
    !left.is_empty() && !left.iter().any(|v| v == value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_short_names_are_read() {
        assert_eq!(parse("mapping=eim"), parse("mapping=endpoint-independent"));
        assert_eq!(parse("port-preservation=yes"), parse("port_preservation=true"));
        assert!(parse("classic=full-cone").is_ok());
    }

    #[test]
    fn a_value_that_is_excluded_does_not_hold_and_one_that_is_left_could_not_be_told() {
        use crate::ground::fact::Fact;
        use crate::nat::Mapping::{AddressAndPortDependent, AddressDependent};
        use crate::probe::record::Record;
        let started = "2026-11-25T06:40:00Z".parse().unwrap();
        let took = std::time::Duration::from_millis(1);
        let mut report = Report::new(started, took, vec![Record::default()], vec![]);
        let left = [AddressDependent, AddressAndPortDependent];
        report.paths[0].facts.mapping = Fact::narrowed(&left, "a sees 1, b sees 2", vec![]);
        let outcome = |text: &str| check(&report, &[parse(text).unwrap()]);
        let (excluded, lines) = outcome("mapping=eim");
        assert_eq!(excluded, Outcome::NotAsExpected);
        let found = "found: depends on the destination: address-dependent or address-and-port-dependent because a sees 1, b sees 2";
        assert!(lines[0].contains(found), "{lines:?}");
        assert_eq!(outcome("mapping=apdm").0, Outcome::CouldNotTell);
        assert_eq!(outcome("filtering=eif").0, Outcome::CouldNotTell);
    }

    #[test]
    fn unknown_names_get_a_suggestion() {
        let axis = parse("maping=eim").unwrap_err();
        assert!(axis.contains("did you mean `mapping`?"), "{axis}");
        let value = parse("classic=fullcone").unwrap_err();
        assert!(value.contains("did you mean `full-cone`?"), "{value}");
        let far = parse("classic=qqq").unwrap_err();
        assert!(far.contains("`qqq`. There are: open-internet"), "{far}");
        assert!(parse("mapping").unwrap_err().contains("AXIS=VALUE"));
    }
}
