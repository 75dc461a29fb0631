//! How often a pair of peers needs a relay: a table of NAT shares, and the prediction for each pair.

use crate::lab::catalogue::Catalogue;
use crate::nat::NatSpec;
use crate::nat::pair::{Verdict, forecast};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The table that the program ships.
const EMBEDDED: &str = include_str!("../../../lab/shares.toml");

/// Why a table of shares is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {why}", line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct SharesError {
    file: String,
    line: Option<usize>,
    why: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    source: String,
    shares: BTreeMap<toml::Spanned<String>, f64>,
}

/// One NAT and how many hosts sit behind it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Its name in the table.
    pub nat: String,
    /// The share of hosts, 0 to 1.
    pub share: f64,
}

/// Which NATs hosts sit behind.
#[derive(Debug, Clone, PartialEq)]
pub struct Shares {
    source: String,
    nats: Vec<(NatSpec, Share)>,
}

/// A pair of NATs that does not connect with STUN alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PairNeed {
    /// One side.
    pub a: String,
    /// The other.
    pub b: String,
    /// The share of all pairs that are such a pair, 0 to 1.
    pub share: f64,
    /// What it needs.
    pub verdict: Verdict,
}

/// How often a relay is needed, when peers meet at random. Shares of pairs, 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Need {
    /// Where the shares come from, as their table says.
    pub source: String,
    /// The shares of hosts, the largest first.
    pub shares: Vec<Share>,
    /// Pairs that connect with STUN alone.
    pub stun: f64,
    /// Pairs that connect with STUN alone only when a given side sends first.
    pub order_dependent: f64,
    /// Pairs that need a relay.
    pub turn: f64,
    /// Those of them in which a side has no UDP at all, and needs it over TCP or TLS.
    pub turn_over_tcp: f64,
    /// The pairs that do not connect with STUN alone, the most frequent first.
    pub pairs: Vec<PairNeed>,
}

/// What was measured on the internet, to hold the prediction against.
pub const FIELD: &[&str] = &[
    "82 % of NATs supported UDP hole punching (Ford, Srisuresh, Kegel 2005)",
    "hole punching connected 70 % of 4.4 million attempts, give or take 7.1, in 85,000 networks (Trautwein et al., arXiv 2510.27500)",
];

impl Shares {
    /// The table that the program ships. A test holds that it can be read.
    ///
    /// # Errors
    /// Never.
    pub fn embedded() -> Result<Self, SharesError> {
        read("lab/shares.toml", EMBEDDED)
    }

    /// A table of the user's.
    ///
    /// # Errors
    /// It cannot be read, names a NAT that is not known, or a weight that is none.
    pub fn load(path: &Path) -> Result<Self, SharesError> {
        let file = path.display().to_string();
        let text = crate::net::file::read_text(path, crate::net::file::SMALL).map_err(|error| {
            SharesError { file: file.clone(), line: None, why: error.to_string() }
        })?;
        read(&file, &text)
    }

    /// How often a relay is needed.
    #[must_use]
    pub fn need(&self) -> Need {
        let mut need = Need {
            source: self.source.clone(),
            shares: self.nats.iter().map(|(_, share)| share.clone()).collect(),
            stun: 0.0,
            order_dependent: 0.0,
            turn: 0.0,
            turn_over_tcp: 0.0,
            pairs: Vec::new(),
        };
        need.shares.sort_by(|a, b| b.share.total_cmp(&a.share));
        for (i, (a, of_a)) in self.nats.iter().enumerate() {
            for (j, (b, of_b)) in self.nats.iter().enumerate().skip(i) {
                // a meets b, and b meets a
                let times = if i == j { 1.0 } else { 2.0 };
                let share = of_a.share * of_b.share * times;
                need.add(share, &of_a.nat, &of_b.nat, verdict(a, b), blocked(a) || blocked(b));
            }
        }
        need.pairs.sort_by(|a, b| b.share.total_cmp(&a.share));
        need
    }
}

impl Need {
    fn add(&mut self, share: f64, a: &str, b: &str, verdict: Verdict, tcp: bool) {
        match verdict {
            Verdict::Stun => return self.stun += share,
            Verdict::OrderDependent => self.order_dependent += share,
            Verdict::Turn | Verdict::None => {
                self.turn += share;
                self.turn_over_tcp += if tcp { share } else { 0.0 };
            }
        }
        self.pairs.push(PairNeed { a: a.to_owned(), b: b.to_owned(), share, verdict });
    }
}

fn blocked(spec: &NatSpec) -> bool {
    spec.truth().udp_blocked
}

fn verdict(a: &NatSpec, b: &NatSpec) -> Verdict {
    forecast(a, b).verdict
}

fn read(file: &str, text: &str) -> Result<Shares, SharesError> {
    let fail = |offset: Option<usize>, why: String| {
        let line = offset.map(|at| 1 + text.bytes().take(at).filter(|&b| b == b'\n').count());
        SharesError { file: file.to_owned(), line, why }
    };
    let parsed: File = toml::from_str(text)
        .map_err(|e| fail(e.span().map(|span| span.start), e.message().to_owned()))?;
    let catalogue = Catalogue::embedded();
    let mut nats = Vec::new();
    for (name, weight) in &parsed.shares {
        let at = Some(name.span().start);
        let spec = catalogue.find(name.get_ref()).map_err(|e| fail(at, e.to_string()))?;
        if !weight.is_finite() || *weight < 0.0 {
            return Err(fail(at, format!("the weight of `{}` is not 0 or more", name.get_ref())));
        }
        nats.push((spec, Share { nat: name.get_ref().clone(), share: *weight }));
    }
    let sum: f64 = nats.iter().map(|(_, share)| share.share).sum();
    if !(sum.is_finite() && sum > 0.0) {
        return Err(fail(None, "no NAT has a weight".to_owned()));
    }
    for (_, share) in &mut nats {
        share.share /= sum;
    }
    Ok(Shares { source: parsed.source, nats })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_table_needs_a_relay_as_often_as_the_field_does() {
        let need = Shares::embedded().expect("readable").need();
        let sum = need.stun + need.order_dependent + need.turn;
        assert!((sum - 1.0).abs() < 1e-9, "{need:?}");
        assert!((need.shares.iter().map(|s| s.share).sum::<f64>() - 1.0).abs() < 1e-9);
        // hole punching fails in 30 % of attempts, give or take 7.1
        assert!((0.229..=0.371).contains(&need.turn), "{need:?}");
        assert!(need.turn_over_tcp < need.turn);
        assert_eq!(need.pairs[0].verdict, Verdict::Turn);
    }

    #[test]
    fn pairs_are_weighted_both_ways() {
        let text = "[shares]\neim-apdf = 3\nsymmetric = 1\n";
        let need = read("mine.toml", text).expect("readable").need();
        // 2 * 3/4 * 1/4, and 1/4 * 1/4
        assert!((need.turn - (0.375 + 0.0625)).abs() < 1e-9, "{need:?}");
        assert!((need.stun - 0.5625).abs() < 1e-9, "{need:?}");
        let blocked = read("mine.toml", "[shares]\nopen = 1\nudp-blocked = 1\n").unwrap().need();
        assert!((blocked.turn - 0.75).abs() < 1e-9 && (blocked.turn_over_tcp - 0.75).abs() < 1e-9);
    }

    #[test]
    fn a_bad_table_says_where() {
        for (text, said) in [
            ("[shares]\neim-apdf = 3\nsymetric = 1\n", "mine.toml:3: there is no NAT"),
            ("[shares]\neim-apdf = -3\n", "mine.toml:2: the weight"),
            ("[shares]\neim-apdf = nan\n", "mine.toml:2: the weight"),
            ("[shares]\neim-apdf = \"many\"\n", "mine.toml:2: "),
            ("[shares]\neim-apdf = 0\n", "mine.toml: no NAT has a weight"),
            ("[share]\neim-apdf = 1\n", "mine.toml:1: unknown field"),
        ] {
            let error = read("mine.toml", text).expect_err(text).to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
        let error = Shares::load(Path::new("/nonexistent/mine.toml")).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/mine.toml"), "{error}");
    }
}
