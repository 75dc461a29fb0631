//! A fact is never a bare value: it carries how sure we are, why, and from which transactions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The values that an axis can have, so that what is left of them can be said.
pub trait Values: Copy + PartialEq + 'static {
    /// Every value, in the order of the contract.
    const VALUES: &'static [Self];
}

impl Values for bool {
    const VALUES: &'static [Self] = &[true, false];
}

/// The id of a transaction in the record, such as `t7`.
pub type EvidenceId = String;

/// How sure a known fact is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// Silence without a control that could be run.
    Probable,
    /// A positive observation, or a silence whose control test passed.
    Proven,
}

/// What is known about one axis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "status", rename_all = "kebab-case")]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub enum Fact<T> {
    /// It was shown.
    Known {
        /// The value.
        value: T,
        /// How sure it is.
        grade: Grade,
        /// Why, in one sentence.
        because: String,
        /// The transactions that show it.
        evidence: Vec<EvidenceId>,
    },
    /// It was tested and could not be told.
    Inconclusive {
        /// The values that are left, in the order of the contract; left out when none is excluded.
        #[serde(default = "Vec::<T>::new", skip_serializing_if = "Vec::is_empty")]
        possible: Vec<T>,
        /// Why, in one sentence.
        because: String,
        /// The transactions that were tried.
        evidence: Vec<EvidenceId>,
    },
    /// It was not tested.
    NotTested {
        /// Why, in one sentence.
        because: String,
    },
}

impl<T> Fact<T> {
    /// A proven fact.
    pub fn proven(value: T, because: impl Into<String>, evidence: Vec<EvidenceId>) -> Self {
        Self::Known { value, grade: Grade::Proven, because: because.into(), evidence }
    }
    /// A probable fact.
    pub fn probable(value: T, because: impl Into<String>, evidence: Vec<EvidenceId>) -> Self {
        Self::Known { value, grade: Grade::Probable, because: because.into(), evidence }
    }
    /// Tested, and nothing could be told or excluded.
    pub fn inconclusive(because: impl Into<String>, evidence: Vec<EvidenceId>) -> Self {
        Self::Inconclusive { possible: Vec::new(), because: because.into(), evidence }
    }
    /// A fact that was not tested, and why.
    pub fn not_tested(because: impl Into<String>) -> Self {
        Self::NotTested { because: because.into() }
    }
    /// The value and grade, if known.
    pub const fn known(&self) -> Option<(&T, Grade)> {
        match self {
            Self::Known { value, grade, .. } => Some((value, *grade)),
            _ => None,
        }
    }
    /// The value, if known.
    pub fn value(&self) -> Option<&T> {
        self.known().map(|(value, _)| value)
    }

    /// How sure its value is, where that is known.
    #[must_use]
    pub fn grade(&self) -> Option<Grade> {
        self.known().map(|(_, grade)| grade)
    }
    /// Why it is known or open, in one sentence.
    pub fn because(&self) -> &str {
        match self {
            Self::Known { because, .. }
            | Self::Inconclusive { because, .. }
            | Self::NotTested { because } => because,
        }
    }
    /// The transactions it rests on.
    pub fn evidence(&self) -> &[EvidenceId] {
        match self {
            Self::Known { evidence, .. } | Self::Inconclusive { evidence, .. } => evidence,
            Self::NotTested { .. } => &[],
        }
    }
    /// Drops the evidence, where the transactions are not at hand.
    pub fn forget_evidence(&mut self) {
        if let Self::Known { evidence, .. } | Self::Inconclusive { evidence, .. } = self {
            evidence.clear();
        }
    }
    /// The same fact about another value.
    pub fn map<U>(self, mut f: impl FnMut(T) -> U) -> Fact<U> {
        match self {
            Self::Known { value, grade, because, evidence } => {
                Fact::Known { value: f(value), grade, because, evidence }
            }
            Self::Inconclusive { possible, because, evidence } => {
                let possible = possible.into_iter().map(f).collect();
                Fact::Inconclusive { possible, because, evidence }
            }
            Self::NotTested { because } => Fact::NotTested { because },
        }
    }
}

impl<T: Values> Fact<T> {
    /// Tested, with these values left. Brings them into the contract's order; all of them, or none
    /// (which no network can show), exclude nothing.
    pub fn narrowed(left: &[T], because: impl Into<String>, evidence: Vec<EvidenceId>) -> Self {
        let possible: Vec<T> = T::VALUES.iter().copied().filter(|v| left.contains(v)).collect();
        let possible = if possible.len() == T::VALUES.len() { Vec::new() } else { possible };
        Self::Inconclusive { possible, because: because.into(), evidence }
    }

    /// The values that the fact leaves possible, in the order of the contract; never empty.
    pub fn possible(&self) -> Vec<T> {
        match self {
            Self::Known { value, .. } => vec![*value],
            Self::Inconclusive { possible, .. } if !possible.is_empty() => {
                T::VALUES.iter().copied().filter(|v| possible.contains(v)).collect()
            }
            Self::Inconclusive { .. } | Self::NotTested { .. } => T::VALUES.to_vec(),
        }
    }

    /// Whether any value is excluded.
    pub fn excludes_some(&self) -> bool {
        self.possible().len() < T::VALUES.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nat::{Filtering, Mapping};

    const DEPENDENT: [Mapping; 2] = [Mapping::AddressAndPortDependent, Mapping::AddressDependent];

    #[test]
    fn what_is_left_is_written_in_the_order_of_the_contract() {
        let fact = Fact::narrowed(&DEPENDENT, "it depends", vec!["t1".to_owned()]);
        let json = serde_json::to_value(&fact).expect("serializable");
        let expected = serde_json::json!({
            "status": "inconclusive",
            "possible": ["address-dependent", "address-and-port-dependent"],
            "because": "it depends",
            "evidence": ["t1"],
        });
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_value::<Fact<Mapping>>(json).expect("readable"), fact);
    }

    #[test]
    fn a_report_saved_before_the_field_was_there_excludes_nothing() {
        let old = r#"{"status":"inconclusive","because":"lost","evidence":[]}"#;
        let fact: Fact<Filtering> = serde_json::from_str(old).expect("readable");
        assert_eq!(fact.possible(), Filtering::ALL);
        assert_eq!(serde_json::to_string(&fact).expect("serializable"), old);
    }

    #[test]
    fn every_fact_says_what_is_left() {
        let known = Fact::proven(true, "", vec![]);
        assert_eq!((known.possible(), known.excludes_some()), (vec![true], true));
        let untested: Fact<bool> = Fact::not_tested("");
        assert_eq!((untested.possible(), untested.excludes_some()), (vec![true, false], false));
        let all = Fact::narrowed(Mapping::ALL, "", vec![]);
        assert_eq!(all, Fact::inconclusive("", vec![]));
        assert_eq!(Fact::<Mapping>::narrowed(&[], "", vec![]).possible(), Mapping::ALL);
    }
}
