//! The two lines that a reader reads first: the answer in one sentence, and what is open and what
//! would close it. Pure: from the facts, the forecast and the TURN servers that were tried.

use super::prose::list;
use super::traversal::{first, places};
use super::{Family, Forecast, Path, PeerForecast, Report, Sender};
use crate::ground::fact::Fact;
use crate::nat::Facts;
use crate::nat::{Classic, Filtering, Mapping};

/// What stands first under the heading. Both may hold text from the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// What is here, whether STUN is enough, for whom TURN is needed.
    pub answer: String,
    /// What could not be told, and what would tell it.
    pub open: String,
}

/// The answer of a report.
pub(super) fn answer(report: &Report) -> Answer {
    let each = |of: &dyn Fn(&Path) -> String| -> Vec<(Family, String)> {
        report.paths.iter().map(|path| (path.family, of(path))).collect()
    };
    let answers = each(&|path| {
        let peers: Vec<&PeerForecast> = report.traversal.of(path.family).collect();
        format!("{}: {}", here(path), needs(path, &peers))
    });
    let questions = each(&|path| open(path).join("; "));
    let by_facts = joined(answers, "; over IPv6: ").map(|text| format!("{text}."));
    Answer {
        answer: match report.only_relayed().or(by_facts) {
            None => "Nothing was measured, so nothing can be said.".to_owned(),
            Some(text) => text,
        },
        open: match joined(questions, "; IPv6: ") {
            None => "Open: everything; what was noticed says why.".to_owned(),
            Some(text) if text.is_empty() => "Nothing is left open.".to_owned(),
            Some(text) => format!("Open: {text}."),
        },
    }
}

/// One text for all families, or each by its name; families that say nothing are left out.
fn joined(mut texts: Vec<(Family, String)>, second: &str) -> Option<String> {
    let measured = texts.len();
    texts.retain(|(_, text)| !text.is_empty());
    Some(match texts.as_slice() {
        [] if measured == 0 => return None,
        [] => String::new(),
        [(_, only)] if measured == 1 => only.clone(),
        [(family, only)] => format!("over {}: {only}", family.title()),
        [(_, four), (_, six), ..] if four == six => format!("Over IPv4 and IPv6 alike: {four}"),
        [(_, four), (_, six), ..] => format!("Over IPv4: {four}{second}{six}"),
    })
}

/// What stands between this machine and the internet.
fn here(path: &Path) -> String {
    let facts = &path.facts;
    let classic = facts.classic.value();
    if classic == Some(&Classic::UdpBlocked) {
        return "UDP is blocked here".to_owned();
    }
    if path.mapped.is_none() {
        return "No server gave an answer over UDP that counts".to_owned();
    }
    match (facts.nat.value(), classic) {
        (None, _) => "Whether a NAT is here could not be told".to_owned(),
        (Some(false), Some(Classic::OpenInternet)) => {
            "Nothing stands between this machine and the internet".to_owned()
        }
        (Some(false), _) => match facts.filtering.possible().as_slice() {
            [Filtering::EndpointIndependent, ..] => "No NAT is here".to_owned(),
            _ => "No NAT is here, but a stateful firewall".to_owned(),
        },
        (Some(true), Some(name)) if *name != Classic::Unnamed => format!("A {name} NAT is here"),
        (Some(true), _) => format!("A NAT{} is here", behaviour(facts)),
    }
}

/// Mapping and filtering as far as they are known.
fn behaviour(facts: &Facts) -> String {
    let mapping = match facts.mapping.possible().as_slice() {
        [one] => format!(" with {one} mapping"),
        [Mapping::EndpointIndependent, two] => {
            format!(" with endpoint-independent or {two} mapping")
        }
        [_, _] => " whose mapping depends on the destination".to_owned(),
        _ => String::new(),
    };
    let filtering = match facts.filtering.possible().as_slice() {
        [one] => format!("{one} filtering"),
        [Filtering::EndpointIndependent, ..] => String::new(),
        _ => "a filter".to_owned(),
    };
    match (mapping.is_empty(), filtering.is_empty()) {
        (false, false) if mapping.starts_with(" whose") => {
            format!("{mapping}, and with {filtering},")
        }
        (_, true) => mapping,
        (true, false) => format!(" with {filtering}"),
        (false, false) => format!("{mapping} and {filtering}"),
    }
}

/// Whether STUN is enough, and for whom TURN is needed.
fn needs(path: &Path, peers: &[&PeerForecast]) -> String {
    use Forecast::{Inconclusive, None, OrderDependent, Stun, Turn};
    if path.facts.classic.value() == Some(&Classic::UdpBlocked) {
        return "connections to peers need a TURN server that is reached over TCP or TLS (turns: on port 443 passes most firewalls)".to_owned();
    }
    let [direct, order, relay, open] =
        [Stun, OrderDependent, Turn, Inconclusive].map(|wanted| places(peers, wanted));
    if filters_as_known(&path.facts) {
        let sure = if direct.is_empty() {
            String::new()
        } else {
            format!("; without it only peers {} are sure to be reached", list(&direct))
        };
        return format!(
            "plan for TURN, since nearly all such NATs filter what comes in (experience from the field, not measured here){sure}"
        );
    }
    match (direct.as_slice(), order.as_slice(), relay.as_slice(), open.as_slice()) {
        ([], [], [], _) => "what connects from here could not be told".to_owned(),
        (_, [], [], []) => {
            "STUN is enough for every peer whose own network lets UDP pass".to_owned()
        }
        ([_, _, _, ..], [], [one], []) => {
            format!("STUN is enough for most peers, but TURN is needed for those {one}")
        }
        ([_, _, _, ..], [], [], [one]) => format!(
            "STUN is enough for most peers; whether TURN is needed for those {one} depends on the filtering, which is open"
        ),
        _ => {
            let clause = |text: &str, whom: &[&str]| {
                (!whom.is_empty()).then(|| format!("{text} peers {}", list(whom)))
            };
            [
                clause("TURN is needed for", &relay),
                clause("STUN is enough for", &direct),
                clause(
                    "only when this side sends first it connects to",
                    &first(peers, Some(Sender::Here)),
                ),
                clause(
                    "only when they send first it connects to",
                    &first(peers, Some(Sender::Peer)),
                ),
                clause("who sends first decides for", &first(peers, Option::None)),
                clause("nothing connects", &places(peers, None)),
                clause("it is open for", &open),
            ]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join("; ")
        }
    }
}

/// Whether the mapping is known to depend on the destination and the filtering is not known: what
/// is known of such NATs in the field is then the best that can be said.
fn filters_as_known(facts: &Facts) -> bool {
    !facts.mapping.possible().contains(&Mapping::EndpointIndependent)
        && facts.filtering.possible().contains(&Filtering::EndpointIndependent)
        && facts.filtering.value().is_none()
}

/// The questions that are left, each with what would answer it.
fn open(path: &Path) -> Vec<String> {
    let facts = &path.facts;
    if facts.classic.value() == Some(&Classic::UdpBlocked) {
        return Vec::new();
    }
    let mut open = Vec::new();
    if path.cut_short {
        open.push("the run was ended before it was done, and another may tell more".to_owned());
    }
    if path.mapped.is_none() {
        let why = facts.classic.because();
        open.push(format!("everything, since {why}; a server that answers elsewhere would tell"));
        return open;
    }
    if facts.nat.value().is_none() {
        open.push(format!("whether a NAT is here ({})", facts.nat.because()));
    }
    open.extend(open_mapping(&facts.mapping));
    open.extend(open_filtering(&facts.filtering));
    open
}

fn open_mapping(fact: &Fact<Mapping>) -> Option<String> {
    Some(match (fact, fact.possible().as_slice()) {
        (Fact::Known { .. }, _) => return None,
        (_, [Mapping::AddressDependent, _]) => {
            "whether the mapping depends on the destination's port too, which two ports of one address would tell (a server with RFC 5780, or --server twice)".to_owned()
        }
        (_, [Mapping::EndpointIndependent, Mapping::AddressDependent]) => {
            "whether the mapping depends on the destination's address, which a server on another address would tell".to_owned()
        }
        (Fact::NotTested { .. }, _) => {
            "the mapping, which a second server on another address would tell, or one with RFC 5780"
                .to_owned()
        }
        (Fact::Inconclusive { because, .. }, _) => format!("the mapping ({because})"),
    })
}

fn open_filtering(fact: &Fact<Filtering>) -> Option<String> {
    match fact {
        Fact::Known { .. } => None,
        Fact::NotTested { .. } => Some(
            "the filtering, which a server with RFC 5780 would tell (such as natscope serve on a host with two addresses)".to_owned(),
        ),
        Fact::Inconclusive { because, .. } => Some(format!(
            "the filtering ({because}), which another server with RFC 5780 may tell"
        )),
    }
}

#[cfg(test)]
mod tests;
