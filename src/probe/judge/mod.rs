//! The judge: a pure function from recorded observations to facts.
//!
//! It goes by what the record shows, not by what the planner meant: a request for an answer from
//! an endpoint that nothing had sent to is a filter test; one through a pinhole that its socket
//! had opened is a control. The mapping is judged from what all servers saw of one socket; the
//! other facts from each server alone, and then compared.

mod combine;
mod credit;
mod extras;
mod filtering;
mod machines;
mod mapping;
mod reach;
mod refusals;
mod servers;
mod standing;
#[cfg(test)]
mod tests;
mod vantage;
mod view;

use super::record::Record;
use crate::ground::fact::Fact;
use crate::ground::finding::{Finding, Id};
use crate::nat::{Facts, Filtering};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use view::View;

pub use standing::Standing;

/// What one path's record shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The facts of the path, all servers compared.
    pub facts: Facts,
    /// Per server, in the record's order: what was noticed about it.
    pub servers: Vec<ServerJudgement>,
    /// What was noticed about the path.
    pub findings: Vec<Finding>,
    /// A local socket and what it is seen as, by the first answer that counts.
    pub seen: Option<(SocketAddr, SocketAddr)>,
}

/// What one path's record shows of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerJudgement {
    /// What became of the questions to it.
    pub standing: Standing,
    /// The same in one clause, for a list of servers; may hold text from the network.
    pub short: String,
    /// Smallest round-trip time, in microseconds.
    pub rtt_us: Option<u64>,
    /// OTHER-ADDRESS as advertised.
    pub other_address: Option<SocketAddr>,
    /// The mapped address it reported first.
    pub mapped: Option<SocketAddr>,
    /// What was noticed.
    pub findings: Vec<Finding>,
}

/// Judges a record. Pure: the same record gives the same judgement.
#[must_use]
pub fn judge(record: &Record) -> Judgement {
    let raw = credit::canonical(record);
    let doubts = credit::doubts(&raw);
    let counted = credit::counted(&raw, &doubts);
    let servers: Vec<ServerJudgement> = doubts
        .iter()
        .enumerate()
        .map(|(i, doubt)| servers::judge(View { record: &raw, about: Some(i) }, i, doubt.as_ref()))
        .collect();
    let mut findings = path_findings(&counted);
    let mut facts = facts(&counted, &mut findings);
    if let Some(why) = standing::nothing_counts(&counted, &servers) {
        facts = untold(&why);
    }
    Judgement { facts, servers, findings, seen: credit::seen(&counted) }
}

/// What nothing was shown of.
fn untold(why: &str) -> Facts {
    Facts {
        nat: Fact::not_tested(why),
        mapping: Fact::not_tested(why),
        filtering: Fact::not_tested(why),
        classic: Fact::not_tested(why),
        port_preservation: Fact::not_tested(why),
        allocation: Fact::not_tested(why),
        early_packet_poisoning: Fact::not_tested(why),
        mapped_address_rewriting: Fact::not_tested(why),
    }
}

/// The facts, from answers that count.
fn facts(record: &Record, findings: &mut Vec<Finding>) -> Facts {
    let all = View { record, about: None };
    let views: Vec<(usize, View<'_>)> =
        (0..record.servers.len()).map(|i| (i, View { record, about: Some(i) })).collect();
    let mapping = mapping::judge(all, findings);
    let mut compare = combine::Comparison { record, findings };
    let home = credit::homebound(record).map(|(why, by)| Fact::inconclusive(why, by));
    let nat = home.clone().unwrap_or_else(|| {
        let alone = views.iter().map(|(_, v)| reach::nat(*v)).collect();
        compare.facts("nat", Id::ServersDisagreeOnNat, alone)
    });
    let alone = views.iter().map(|(i, v)| filtering_by(*v, *i)).collect();
    let filtering = compare.facts("filtering", Id::ServersDisagreeOnFiltering, alone);
    let classic = reach::blocked(all).unwrap_or_else(|| reach::classic(&nat, &mapping, &filtering));
    let port_preservation = home.unwrap_or_else(|| extras::port_preservation(all));
    let allocation = extras::allocation(all, &nat, &port_preservation);
    Facts {
        early_packet_poisoning: extras::early_packet_poisoning(all, &mapping),
        mapped_address_rewriting: extras::mapped_address_rewriting(all),
        nat,
        mapping,
        filtering,
        classic,
        port_preservation,
        allocation,
    }
}

/// The filtering that one server shows, or one relay.
fn filtering_by(view: View<'_>, about: usize) -> Fact<Filtering> {
    match view.relay() {
        Some(relay) => vantage::judge(view, about, relay),
        None => filtering::judge(view, about),
    }
}

/// What a port of the user's choice was used for.
fn fixed_port(record: &Record, note: &mut impl FnMut(Id, String)) {
    let Some(socket) = record.sockets.iter().find(|s| s.fixed) else { return };
    if let Some(why) = &socket.failed {
        let text = format!(
            "the mapping was not measured: no socket on the port of --bind could be opened ({why})"
        );
        return note(Id::FixedPortFailed, text);
    }
    let of_socket = record.transactions.iter().filter(|t| t.socket == socket.id);
    let seen: BTreeSet<SocketAddr> =
        of_socket.filter_map(|t| Some(t.received.as_ref()?.mapped)).collect();
    let seen: Vec<String> = seen.iter().take(4).map(ToString::to_string).collect();
    let seen = if seen.is_empty() { "nothing".to_owned() } else { seen.join(" and ") };
    let text = format!(
        "{} (--bind) is seen as {seen}: the mapping was measured from this port, everything else from random ones, because what an earlier run opened from a fixed port may still be open and would look like a filter that lets everybody in",
        socket.local
    );
    note(Id::FixedPort, text);
}

fn path_findings(record: &Record) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut note = |id, text| findings.push(Finding::new(id, text));
    if record.cut_short {
        let text =
            "the run was ended before its plan was done; the facts are what it had shown by then";
        note(Id::CutShort, text.to_owned());
    }
    fixed_port(record, &mut note);
    if record.strays > 0 {
        let text =
            format!("{} datagrams answered no request of ours and were ignored", record.strays);
        note(Id::Strays, text);
    }
    let seen: BTreeSet<std::net::IpAddr> =
        record.transactions.iter().filter_map(|t| Some(t.received.as_ref()?.mapped.ip())).collect();
    if seen.len() > 1 {
        let names: Vec<String> = seen.iter().map(ToString::to_string).collect();
        let text = format!(
            "this host is seen under {} addresses ({}): a pool of addresses, several uplinks, or a dishonest server",
            seen.len(),
            names.join(", ")
        );
        note(Id::SeveralExternalAddresses, text);
    }
    findings
}
