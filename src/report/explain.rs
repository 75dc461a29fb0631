//! A saved report at length: what each answer means, why it is believed, and the very packets.

use super::prose::paragraph;
use super::{Axis, Path, Report, Status};
use crate::probe::record::{Outcome, Transaction, Via};
use std::fmt::Write as _;

/// Every fact of a report with its meaning, its reason and its evidence, as text.
#[must_use]
pub fn explain(report: &Report) -> String {
    let mut out = String::new();
    let answer = super::answer::answer(report);
    paragraph(&mut out, "", &answer.answer);
    paragraph(&mut out, "", &answer.open);
    for path in &report.paths {
        let _ = writeln!(out, "\n{}", path.family.title());
        for axis in Axis::ALL {
            fact(&mut out, report, path, *axis);
        }
    }
    out
}

fn fact(out: &mut String, report: &Report, path: &Path, axis: Axis) {
    let fact = axis.of(&path.facts);
    let _ = writeln!(out, "\n  {}: {}", axis.title(), fact.answer());
    if let Status::Known(value, _) = &fact.status {
        paragraph(out, "    ", meaning(axis, value));
    }
    if let Status::Inconclusive(left) = &fact.status {
        for value in left {
            paragraph(out, "    ", &format!("Perhaps {value}: {}", meaning(axis, value)));
        }
    }
    paragraph(out, "    ", &format!("Because {}.", fact.because));
    for id in fact.evidence {
        if let Some(t) = report.transactions.iter().find(|t| &t.id == id) {
            paragraph(out, "    ", &transaction(t));
        }
    }
}

/// What a value means, for a reader who does not know the RFCs.
fn meaning(axis: Axis, value: &str) -> &'static str {
    match (axis, value) {
        (Axis::Nat, "true") => {
            "A router between here and the internet replaces this machine's address."
        }
        (Axis::Nat, _) => {
            "This machine is seen under its own address; a firewall may still stand there."
        }
        (Axis::Mapping, "endpoint-independent") => {
            "One outside port serves all destinations, so what a STUN server reports is what peers see (RFC 4787 section 4.1)."
        }
        (Axis::Mapping, "address-dependent") => {
            "The outside port differs for each destination address, so peers see another than a STUN server reports (RFC 4787 section 4.1)."
        }
        (Axis::Mapping, _) => {
            "The outside port differs for each destination, so peers see another than a STUN server reports (RFC 4787 section 4.1)."
        }
        (Axis::Filtering, "endpoint-independent") => {
            "Anyone who knows the outside port may send to it (RFC 4787 section 5)."
        }
        (Axis::Filtering, "address-dependent") => {
            "Only addresses that this machine has sent to may send to it (RFC 4787 section 5)."
        }
        (Axis::Filtering, _) => {
            "Only an address and port that this machine has sent to may send to it (RFC 4787 section 5)."
        }
        (Axis::Classic, "unnamed") => "RFC 3489 has no name for this combination.",
        (Axis::Classic, "udp-blocked") => "No UDP passes between here and the internet.",
        (Axis::Classic, _) => "The name that RFC 3489 gave to this combination.",
        (Axis::PortPreservation, "true") => {
            "The outside port is the inside one while that is free."
        }
        (Axis::PortPreservation, _) => "The router chooses outside ports itself.",
        (Axis::Allocation, "preserving") => {
            "Outside ports repeat the inside ones (RFC 4787 section 4.2)."
        }
        (Axis::Allocation, "sequential") => {
            "Outside ports count up, so that the next can be guessed."
        }
        (Axis::Allocation, _) => "Outside ports cannot be guessed.",
        (Axis::EarlyPacketPoisoning, "true") => {
            "A packet that a peer sends before this machine does takes its place in the router, and the connection may fail."
        }
        (Axis::EarlyPacketPoisoning, _) => "It does not matter which peer sends first.",
        (Axis::MappedAddressRewriting, "true") => {
            "Something on the way rewrites addresses inside packets (an application-level gateway); switch it off."
        }
        (Axis::MappedAddressRewriting, _) => {
            "Nothing on the way rewrites addresses inside packets."
        }
    }
}

fn transaction(t: &Transaction) -> String {
    let asked = match (t.change.ip, t.change.port) {
        (true, true) => " asking for an answer from the other address and port",
        (true, false) => " asking for an answer from the other address",
        (false, true) => " asking for an answer from the other port",
        (false, false) => "",
    };
    let via = match t.via {
        Via::Udp => String::new(),
        Via::Tcp => " over TCP".to_owned(),
        Via::ToRelay => " (a relayed address)".to_owned(),
        Via::FromRelay => format!(" from the relayed address {}", t.expected_from),
    };
    let first = t.sent.first().copied().unwrap_or_default();
    let end = match (&t.received, t.outcome) {
        (Some(reply), _) if t.via == Via::FromRelay => {
            format!("it came in after {:.1} ms", reply.at - first)
        }
        (Some(reply), _) => {
            format!(
                "answered from {} after {:.1} ms: you are {}",
                reply.from,
                reply.at - first,
                reply.mapped
            )
        }
        (None, Outcome::Refused) => "refused by ICMP".to_owned(),
        (None, Outcome::Rejected) => "answered, but not as asked".to_owned(),
        (None, Outcome::Unsent) => "not sent".to_owned(),
        (None, _) => format!("sent {} times, no answer until {:.1} ms", t.sent.len(), t.closed),
    };
    let id = &t.id;
    let socket = if t.socket.is_empty() { String::new() } else { format!(" {}", t.socket) };
    format!("{id}: at {first:.1} ms{socket} to {}{via}{asked}: {end}", t.server)
}
