//! Which NATs hosts sit behind: the tables of the program, and those of a user.

use super::need::{Group, Need};
use crate::lab::catalogue::{Catalogue, closest, looks_like_a_path};
use crate::nat::NatSpec;
use crate::net::file;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use toml::Spanned;

/// The tables that the program ships.
const EMBEDDED: (&str, &str) = ("lab/shares.toml", include_str!("../../../lab/shares.toml"));

/// The population that is taken when none is named.
pub const DEFAULT: &str = "mixed";

/// More shares that are ranges than this have too many corners.
const RANGES: usize = 6;

/// Why a table of shares is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SharesError {
    /// A file that cannot be used.
    #[error("{file}{}: {why}", line.map(|line| format!(":{line}")).unwrap_or_default())]
    File {
        /// Its name.
        file: String,
        /// The line, from 1, where it is one line's fault.
        line: Option<usize>,
        /// What is wrong.
        why: String,
    },
    /// No table of that name, and no file.
    #[error("there is no table of shares named `{name}`{}; those of the program are {known}; a table of your own is a TOML file", suggestion.as_ref().map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default())]
    Unknown {
        /// What was asked for.
        name: String,
        /// The closest name there is, where one is close.
        suggestion: Option<String>,
        /// Those there are.
        known: String,
    },
    /// `--shares` does not name one or two.
    #[error(
        "`{0}` does not name one population or two: write NAME or NAME:NAME, such as home:mobile"
    )]
    Count(String),
}

/// Hosts of one kind: where the shares come from, and what they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its name, or its file's.
    pub name: String,
    /// Who published it, as the table says.
    pub source: String,
    /// When it was counted.
    pub year: Option<u16>,
    /// What was counted.
    pub counted: String,
    /// What is in no source.
    pub assumed: Vec<String>,
    /// The shares of hosts, the largest first.
    pub shares: Vec<Share>,
}

/// NATs and how many hosts sit behind them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Their name in the table.
    pub nat: String,
    /// The share of hosts, 0 to 1: the middle of the range.
    pub share: f64,
    /// The least that it may be.
    #[serde(default)]
    pub low: f64,
    /// The most that it may be.
    #[serde(default)]
    pub high: f64,
}

/// Hosts of one kind.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Population {
    pub(super) about: Source,
    pub(super) groups: Vec<Group>,
}

/// Who meets whom.
#[derive(Debug, Clone, PartialEq)]
pub struct Shares {
    pub(super) one: Population,
    /// Those that they meet, when they are others.
    pub(super) other: Option<Population>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(default)]
    source: String,
    #[serde(default)]
    year: Option<u16>,
    #[serde(default)]
    counted: String,
    #[serde(default)]
    assumed: Vec<String>,
    shares: BTreeMap<Spanned<String>, Spanned<toml::Value>>,
}

/// A file, for messages about it.
struct Text<'a> {
    file: &'a str,
    text: &'a str,
}

impl Shares {
    /// The table that is taken when none is named. A test holds that it can be read.
    ///
    /// # Errors
    /// Never.
    pub fn embedded() -> Result<Self, SharesError> {
        Self::find(DEFAULT)
    }

    /// One population, or two with a colon between them: each the name of a table of the program, a
    /// file, or `FILE#NAME` where a file has several.
    ///
    /// # Errors
    /// There is none of that name; or a file cannot be read, names a NAT that is not known, or a
    /// share that is none.
    pub fn find(text: &str) -> Result<Self, SharesError> {
        let alone = |one| Self { one, other: None };
        if Path::new(text).is_file() || !text.contains(':') {
            return Population::find(text).map(alone);
        }
        // a file's name may have a colon in it
        let splits: Vec<(&str, &str)> =
            text.match_indices(':').map(|(at, _)| (&text[..at], &text[at + 1..])).collect();
        let both = |(one, other): &(&str, &str)| {
            Ok(Self { one: Population::find(one)?, other: Some(Population::find(other)?) })
        };
        if let Some(found) = splits.iter().find_map(|split| both(split).ok()) {
            return Ok(found);
        }
        match splits.as_slice() {
            [one] if !one.0.is_empty() && !one.1.is_empty() => both(one),
            _ => Err(SharesError::Count(text.to_owned())),
        }
    }

    /// A table of the user's.
    ///
    /// # Errors
    /// It cannot be read, names a NAT that is not known, or a share that is none.
    pub fn load(path: &Path) -> Result<Self, SharesError> {
        Population::load(&path.display().to_string(), None).map(|one| Self { one, other: None })
    }

    /// How often a relay is needed.
    #[must_use]
    pub fn need(&self) -> Need {
        Need::of(self)
    }
}

impl Population {
    fn find(name: &str) -> Result<Self, SharesError> {
        if Path::new(name).is_file() {
            return Self::load(name, None);
        }
        if let Some((file, table)) = name.split_once('#') {
            return Self::load(file, Some(table));
        }
        if looks_like_a_path(name) {
            return Self::load(name, None);
        }
        let (file, text) = EMBEDDED;
        Text { file, text }.population(Some(name))
    }

    fn load(file: &str, table: Option<&str>) -> Result<Self, SharesError> {
        let text = file::read_text(Path::new(file), file::SMALL).map_err(|error| {
            SharesError::File { file: file.to_owned(), line: None, why: error.to_string() }
        })?;
        Text { file, text: &text }.population(table)
    }
}

impl Text<'_> {
    fn fail(&self, offset: Option<usize>, why: impl Into<String>) -> SharesError {
        let line = offset.map(|at| 1 + self.text.bytes().take(at).filter(|&b| b == b'\n').count());
        SharesError::File { file: self.file.to_owned(), line, why: why.into() }
    }

    fn parse<T: serde::de::DeserializeOwned>(&self) -> Result<T, SharesError> {
        toml::from_str(self.text)
            .map_err(|e| self.fail(e.span().map(|span| span.start), e.message()))
    }

    /// The population of this name; where the file has one without a name, that one.
    fn population(&self, name: Option<&str>) -> Result<Population, SharesError> {
        let table: toml::Table = self.parse()?;
        let has_shares = |value: &toml::Value| value.get("shares").is_some();
        if table.contains_key("shares") || !table.values().any(has_shares) {
            let table: Table = self.parse()?;
            return self.read(self.file, &table);
        }
        let tables: BTreeMap<String, Table> = self.parse()?;
        let known = tables.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let Some(name) = name else {
            let first = tables.keys().next().map_or("NAME", String::as_str);
            let why = format!(
                "it has several tables ({known}): write which one, such as {}#{first}",
                self.file
            );
            return Err(self.fail(None, why));
        };
        match tables.get(name) {
            Some(table) => self.read(name, table),
            None => Err(SharesError::Unknown {
                name: name.to_owned(),
                suggestion: closest(name, tables.keys().map(String::as_str)),
                known,
            }),
        }
    }

    fn read(&self, name: &str, table: &Table) -> Result<Population, SharesError> {
        let catalogue = Catalogue::embedded();
        let mut groups = Vec::new();
        for (nats, share) in &table.shares {
            let specs = self.nats(&catalogue, nats)?;
            let (low, high) = self.share(nats.get_ref(), share)?;
            groups.push(Group { name: nats.get_ref().clone(), nats: specs, low, high });
        }
        self.settle(&mut groups)?;
        let mut shares: Vec<Share> = groups.iter().zip(middle(&groups)).map(share_of).collect();
        shares.sort_by(|a, b| b.share.total_cmp(&a.share));
        let about = Source {
            name: name.to_owned(),
            source: table.source.clone(),
            year: table.year,
            counted: table.counted.clone(),
            assumed: table.assumed.clone(),
            shares,
        };
        Ok(Population { about, groups })
    }

    fn nats(
        &self,
        catalogue: &Catalogue,
        names: &Spanned<String>,
    ) -> Result<Vec<NatSpec>, SharesError> {
        let at = Some(names.span().start);
        let one =
            |name: &str| catalogue.find(name.trim()).map_err(|e| self.fail(at, e.to_string()));
        names.get_ref().split(" or ").map(one).collect()
    }

    /// The least and the most of a share as it is written: a number, a range, or "rest", which is
    /// not a number.
    fn share(&self, nat: &str, value: &Spanned<toml::Value>) -> Result<(f64, f64), SharesError> {
        let fail = |why: String| self.fail(Some(value.span().start), why);
        let number = |value: &toml::Value| match value {
            toml::Value::Float(number) => Some(*number),
            #[allow(clippy::cast_precision_loss)] // a weight
            toml::Value::Integer(number) => Some(*number as f64),
            _ => None,
        };
        let (low, high) = match value.get_ref() {
            toml::Value::String(text) if text == "rest" => return Ok((f64::NAN, f64::NAN)),
            toml::Value::Array(range) => match range.as_slice() {
                [low, high] => (number(low), number(high)),
                _ => (None, None),
            },
            one => (number(one), number(one)),
        };
        let (Some(low), Some(high)) = (low, high) else {
            return Err(fail(format!(
                "the weight of `{nat}` is none: write a number, a range in percent such as [1.9, 3.4], or \"rest\""
            )));
        };
        if !(low.is_finite() && high.is_finite() && low >= 0.0) {
            return Err(fail(format!("the weight of `{nat}` is not 0 or more")));
        }
        if low > high {
            return Err(fail(format!("the range of `{nat}` ends below where it begins")));
        }
        Ok((low, high))
    }

    /// Weights become shares; "rest" becomes what the others leave.
    fn settle(&self, groups: &mut [Group]) -> Result<(), SharesError> {
        let sum = |of: fn(&Group) -> f64, groups: &[Group]| -> f64 {
            groups.iter().map(of).filter(|share| !share.is_nan()).sum()
        };
        let (low, high) = (sum(|g| g.low, groups), sum(|g| g.high, groups));
        let ranges = groups.iter().filter(|g| g.low < g.high).count();
        let mut rest: Vec<&mut Group> = groups.iter_mut().filter(|g| g.low.is_nan()).collect();
        if ranges > RANGES {
            return Err(self.fail(None, format!("more than {RANGES} shares are ranges")));
        }
        let scale = match (rest.as_mut_slice(), ranges) {
            ([], 0) if low.is_finite() && low > 0.0 => low,
            ([], 0) => return Err(self.fail(None, "no NAT has a weight")),
            ([], _) if low <= 100.0 && high >= 100.0 => 100.0,
            ([], _) => {
                let why = format!(
                    "with ranges the shares are percent, and these come to {low} to {high}, not to 100"
                );
                return Err(self.fail(None, why));
            }
            ([rest], _) if low <= 100.0 => {
                (rest.low, rest.high) = ((100.0 - high).max(0.0), 100.0 - low);
                100.0
            }
            ([_], _) => {
                let why = format!("the shares beside the rest come to {low} %, which is over 100");
                return Err(self.fail(None, why));
            }
            _ => return Err(self.fail(None, "only one share can be the rest")),
        };
        for group in groups {
            group.low /= scale;
            group.high /= scale;
        }
        Ok(())
    }
}

fn share_of((group, share): (&Group, f64)) -> Share {
    Share { nat: group.name.clone(), share, low: group.low, high: group.high }
}

/// The shares in the middle of their ranges, brought to a sum of 1.
pub(super) fn middle(groups: &[Group]) -> Vec<f64> {
    let low: f64 = groups.iter().map(|g| g.low).sum();
    let width: f64 = groups.iter().map(|g| g.high - g.low).sum();
    // as far into every range as makes the sum right
    let part = if width > 0.0 { (1.0 - low) / width } else { 0.0 };
    let at = groups.iter().map(|g| g.low + part * (g.high - g.low));
    at.collect()
}

#[cfg(test)]
pub(super) fn read(file: &str, text: &str) -> Result<Shares, SharesError> {
    Text { file, text }.population(None).map(|one| Shares { one, other: None })
}
