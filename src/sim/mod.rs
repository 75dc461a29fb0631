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
mod world;

pub use world::{Failure, Outcome, World};
