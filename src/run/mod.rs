//! What the commands of the program do, as calls with plain configurations: [`probe`](probe::probe)
//! measures the NAT and tries TURN servers, [`connect`](connect::connect) tries the connection for
//! real, and [`serve`](serve::serve) is a server. The first two look names up and choose ways out of this
//! host alike.

// Sockets and clocks are this floor's business.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod connect;
mod names;
pub mod probe;
mod relays;
pub mod serve;
mod ways;

pub use relays::{Credentials, Relays};
pub use ways::Ways;
