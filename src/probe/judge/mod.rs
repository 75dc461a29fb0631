//! The judge: a pure function from recorded observations to facts.

use super::fact::{Facts, Finding};
use super::record::Record;

/// What one path's record shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The facts of the path, all servers compared.
    pub facts: Facts,
    /// Per server, in the record's order: what was noticed about it.
    pub servers: Vec<ServerJudgement>,
    /// What was noticed about the path.
    pub findings: Vec<Finding>,
}

/// What one path's record shows of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerJudgement {
    /// Smallest round-trip time, in microseconds.
    pub rtt_us: Option<u64>,
    /// OTHER-ADDRESS as advertised.
    pub other_address: Option<std::net::SocketAddr>,
    /// The mapped address it reported first.
    pub mapped: Option<std::net::SocketAddr>,
    /// What was noticed.
    pub findings: Vec<Finding>,
}

/// Judges a record. Pure: the same record gives the same judgement.
#[must_use]
pub fn judge(_record: &Record) -> Judgement {
    todo!()
}
