//! Interactive Connectivity Establishment (RFC 8445), sans-IO: time and bytes go in, bytes and
//! events come out. Host, server-reflexive, peer-reflexive and relayed candidates; trickle
//! (RFC 8838) and full.
//!
//! [`Description`] is what one peer tells the other; [`Outcome`] is what the two came to, with the
//! trace of every check, so that a failure can be explained.

mod agent;
mod attempt;
mod candidate;
mod checks;
mod consent;
mod description;
mod explain;
mod gather;
mod judge;
mod message;
mod outcome;
mod own;
mod pace;
mod packets;
mod relays;
mod remotes;
mod round_trips;
mod schedule;
mod session;
mod targets;
mod trace;

pub use agent::{Agent, Config, Event, Output};

pub use candidate::{Candidate, Kind, Transport};
pub use description::Description;
pub use outcome::{
    Allocation, Avoided, Check, CheckResult, Connection, Gathered, Outcome, Pair, PairEnd, Role,
};
pub use pace::Pace;

/// Which candidates are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// All that there are.
    #[default]
    All,
    /// Relayed ones only: nothing else is told to the peer, and nothing else is checked.
    RelayOnly,
}

#[cfg(test)]
mod nomination_tests;
