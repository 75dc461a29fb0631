//! A scenario: what was expected, what was measured, what it means.

use super::certify::plain;
use super::matrix;
use super::prose::capital;
use super::table::{Alike, Markup};
use crate::lab::scenario::ScenarioResult;
use crate::nat::pair::End;
use crate::probe::outlook::Forecast;

impl Alike for ScenarioResult {
    fn shown(&self, markup: Markup) -> String {
        let row = &self.row;
        let axes: Vec<Vec<String>> = row
            .expected
            .iter()
            .map(|(axis, expected)| {
                let fact = row.measured.get(axis);
                let measured = fact.and_then(|fact| fact.known());
                vec![
                    axis.clone(),
                    plain(expected),
                    measured.map_or("could not tell".into(), |(value, _)| plain(value)),
                    measured
                        .and_then(|(_, grade)| serde_json::to_value(grade).ok())
                        .map_or(String::new(), |grade| plain(&grade)),
                ]
            })
            .collect();
        let peers: Vec<Vec<String>> = self
            .peers
            .iter()
            .map(|peer| {
                let needs = match peer.verdict {
                    Forecast::Stun => "STUN is enough",
                    Forecast::OrderDependent => match peer.first {
                        Some(End::A) => "STUN is enough if it sends first",
                        Some(End::B) => "STUN is enough if the peer sends first",
                        None => "it depends on who sends first",
                    },
                    Forecast::Turn => "TURN is needed",
                    Forecast::None => "nothing connects",
                    Forecast::Inconclusive => "could not tell",
                };
                vec![peer.peer.to_string(), needs.to_owned()]
            })
            .collect();
        let safe = |text: &str| markup.safe(text);
        let title = match markup {
            Markup::Markdown => {
                format!("## {}\n\n{}\n\n", safe(&self.scenario), safe(&self.summary))
            }
            Markup::Terminal => safe(&format!("{}: {}", self.scenario, self.summary)) + "\n\n",
        };
        let verdict = if row.agrees { "measured as expected" } else { "NOT as expected" };
        let gap = markup.gap();
        let connection = self.connection.as_ref().map_or(String::new(), |cell| match markup {
            Markup::Markdown => matrix::markdown_of(cell),
            Markup::Terminal => matrix::text_of(cell),
        });
        format!(
            "{title}{}{gap}{}{gap}{} in {:.2} s. {}\n{connection}{}",
            markup.table(&["axis", "expected", "measured", "grade"], &axes),
            markup.table(&["towards a peer behind", "this host needs"], &peers),
            capital(verdict),
            row.seconds,
            safe(&self.meaning),
            markup.measured_with(self.system.as_ref())
        )
    }
}
