//! A virtual-time network with modelled NATs, links and servers that misbehave.
//!
//! Nothing here has a socket, a clock or randomness of its own: time is a [`std::time::Duration`]
//! since the start of the world, and every choice comes from the world's seed, so that a world that
//! failed once fails again. [`World::run`] drives the real planner through it and gives back the
//! record, which the real judge then judges.

pub mod bytes;
mod fault;
pub mod link;
pub mod nat;
pub mod peers;
mod queue;
mod relay;
pub mod server;
pub mod vantage;
mod world;

pub use world::{Failure, Outcome, World};

use crate::stun::{self, Class, Success};
use std::net::SocketAddr;

/// What a plain STUN server answers.
fn binding(source: SocketAddr, request: &[u8]) -> Option<Vec<u8>> {
    let message = stun::read(request).ok()?;
    if message.class != Class::Request || message.method != stun::BINDING {
        return None;
    }
    let success = Success {
        mapped: source,
        origin: None,
        other: None,
        software: None,
        padding: None,
        fingerprint: false,
        classic: None,
    };
    let mut out = Vec::new();
    stun::encode_success(message.id, &success, &mut out);
    Some(out)
}
