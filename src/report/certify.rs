//! Labels and measurements of NATs side by side.

use super::table::{Alike, Markup};
use crate::lab::certify::Certificate;
use crate::nat::{Filtering, Mapping};
use serde_json::Value;
use std::fmt::Write as _;

impl Alike for Certificate {
    fn shown(&self, markup: Markup) -> String {
        let rows: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|row| {
                vec![
                    row.nat.clone(),
                    behaviour(|axis| row.expected.get(axis)),
                    behaviour(|axis| row.measured.get(axis).and_then(|fact| fact.value())),
                    if row.agrees { "agrees".into() } else { "DISAGREES".into() },
                    format!("{:.2} s", row.seconds),
                ]
            })
            .collect();
        let mut text = markup.table(&["NAT", "label", "measured", "", "probe"], &rows);
        for row in self.rows.iter().filter(|row| !row.agrees) {
            for axis in row.disagreements() {
                let measured = row.measured.get(axis);
                let line = format!(
                    "{}: {axis}: label {}, measured {}",
                    row.nat,
                    row.expected.get(axis).map_or("nothing".into(), plain),
                    measured.map_or("nothing".into(), |fact| match fact.value() {
                        Some(value) => format!("{} ({})", plain(value), fact.because()),
                        None => format!("nothing definite: {}", fact.because()),
                    })
                );
                let _ = writeln!(text, "{}", markup.safe(&line));
            }
        }
        let agreeing = self.rows.iter().filter(|row| row.agrees).count();
        let _ = writeln!(
            text,
            "{}{agreeing} of {} NATs measured as labelled, in {:.1} s{}",
            markup.gap(),
            self.rows.len(),
            self.seconds,
            if self.complete { "" } else { "; stopped before the rest was measured" }
        );
        text += &markup.measured_with(self.system.as_ref());
        text
    }
}

pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Such as `apdm-apdf random`, from the values of the axes.
fn behaviour<'a>(axis: impl Fn(&str) -> Option<&'a Value>) -> String {
    let text = |name: &str| axis(name).map(plain);
    if text("classic").as_deref() == Some("udp-blocked") {
        return "udp-blocked".into();
    }
    let mapping = text("mapping").and_then(|m| m.parse().ok()).map_or("?", Mapping::short);
    let filtering = text("filtering").and_then(|f| f.parse().ok()).map_or("?", Filtering::short);
    let mut all = match text("nat").as_deref() {
        Some("true") => format!("{mapping}-{filtering}"),
        Some("false") => format!("no NAT, {filtering}"),
        _ => "?".into(),
    };
    if let Some(allocation) = text("allocation") {
        let _ = write!(all, " {allocation}");
    }
    if text("early-packet-poisoning").as_deref() == Some("true") {
        all += ", early-packet";
    }
    all
}
