//! What became of the questions to a server, in one word and in one clause.

use super::ServerJudgement;
use super::credit::Doubt;
use super::view::View;
use crate::probe::record::{Record, Rejected, RejectedWhy, Transaction, Via};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What became of the questions to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It answers, and its answers count.
    Answers,
    /// It answers, but what it says of this host cannot be used.
    Unusable,
    /// It answers Binding with 401: it wants credentials.
    WantsCredentials,
    /// It answers with 300: it sends its clients to another server.
    Redirects,
    /// It answers with another error.
    Error,
    /// Its answers cannot be read.
    Malformed,
    /// Its answers carry another transaction id.
    WrongId,
    /// Its answers come from elsewhere.
    WrongSource,
    /// It sends what is no answer to a Binding request, or one without a mapped address.
    OddAnswer,
    /// It answers over TCP, not over UDP.
    OnlyTcp,
    /// An ICMP error came instead of an answer.
    Refused,
    /// Nothing could be sent to it.
    NotSent,
    /// The run ended before it was asked.
    NotAsked,
    /// A TURN server that gave nothing to observe from.
    NoRelay,
    /// It was asked and said nothing.
    Silent,
}

impl Standing {
    /// For a list of servers: `answers with 401: it wants credentials`.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Answers => "answers",
            Self::Unusable => "answers, but what it says of this host cannot be used",
            Self::WantsCredentials => "answers with 401: it wants credentials",
            Self::Redirects => "answers with 300: it sends clients to another server",
            Self::Error => "answers with an error",
            Self::Malformed => "answers with what cannot be read",
            Self::WrongId => "answers with another transaction id",
            Self::WrongSource => "answers from another address or port than it was asked at",
            Self::OddAnswer => "sends what is no answer with a mapped address",
            Self::OnlyTcp => "answers over TCP, not over UDP",
            Self::Refused => "cannot be reached (an ICMP error)",
            Self::NotSent => "could not be sent to",
            Self::NotAsked => "was not asked: the run was ended before",
            Self::NoRelay => "gave no relayed address to observe from",
            Self::Silent => "did not answer",
        }
    }
}

/// Why there are no facts although servers answered: no answer counts.
pub(super) fn nothing_counts(counted: &Record, servers: &[ServerJudgement]) -> Option<String> {
    let counts = |t: &Transaction| t.via == Via::Udp && t.received.is_some();
    let answered = |s: &ServerJudgement| {
        use Standing::{NoRelay, NotAsked, NotSent, OnlyTcp, Refused, Silent};
        !matches!(s.standing, NoRelay | OnlyTcp | Refused | NotSent | NotAsked | Silent)
    };
    if counted.transactions.iter().any(counts) || !servers.iter().any(answered) {
        return None;
    }
    let said: Vec<String> = counted
        .servers
        .iter()
        .zip(servers)
        .map(|(server, judged)| format!("{} {}", server.uri, judged.short))
        .collect();
    Some(format!("no server gave an answer that counts: {}", said.join("; ")))
}

/// Of one server, as the record shows it.
pub(super) fn standing(view: View<'_>, doubt: Option<&Doubt>) -> Standing {
    if doubt.is_some() {
        return Standing::Unusable;
    }
    if view.udp().any(|t| t.received.is_some()) {
        return Standing::Answers;
    }
    if view.relay().is_some_and(|relay| relay.failed.is_some()) {
        return Standing::NoRelay;
    }
    let rejected: Vec<&Rejected> = view.udp().flat_map(|t| &t.rejected).collect();
    if let Some(standing) = rejected.iter().map(|r| of_rejected(r)).max_by_key(|s| telling(*s)) {
        return standing;
    }
    if view.transactions().any(|t| t.via == Via::Tcp && t.received.is_some()) {
        return Standing::OnlyTcp;
    }
    if view.udp().next().is_none() {
        return Standing::NotAsked;
    }
    if view.udp().all(unsent) {
        let failed = view.udp().any(|t| failed(view, t).is_some() || !t.icmp.is_empty());
        return if failed { Standing::NotSent } else { Standing::NotAsked };
    }
    if view.udp().any(|t| !t.icmp.is_empty()) {
        return Standing::Refused;
    }
    Standing::Silent
}

const fn of_rejected(rejected: &Rejected) -> Standing {
    match (rejected.why, rejected.code) {
        (RejectedWhy::Error, Some(401 | 438)) => Standing::WantsCredentials,
        (RejectedWhy::Error, Some(300)) => Standing::Redirects,
        (RejectedWhy::Error, _) => Standing::Error,
        (RejectedWhy::Malformed, _) => Standing::Malformed,
        (RejectedWhy::WrongId, _) => Standing::WrongId,
        (RejectedWhy::WrongSource | RejectedWhy::WrongOrigin, _) => Standing::WrongSource,
        (RejectedWhy::UnusableMapped, _) => Standing::Unusable,
        _ => Standing::OddAnswer,
    }
}

/// Of several answers that do not count, the one that tells the most.
const fn telling(standing: Standing) -> u8 {
    match standing {
        Standing::WantsCredentials | Standing::Redirects => 5,
        Standing::Error | Standing::Unusable => 4,
        Standing::OddAnswer => 3,
        Standing::WrongSource => 2,
        Standing::Malformed => 1,
        _ => 0,
    }
}

/// Nothing of it left this host.
fn unsent(t: &Transaction) -> bool {
    t.sent.is_empty()
        || (t.icmp.len() >= t.sent.len().min(2) && t.icmp.iter().all(|e| e.offender.is_none()))
}

/// Why the socket of a transaction could not be opened.
pub(super) fn failed<'a>(view: View<'a>, t: &Transaction) -> Option<&'a str> {
    view.socket(&t.socket)?.failed.as_deref()
}
