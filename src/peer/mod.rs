//! What two peers tell one another once they are connected, sans-IO: what each measured and what
//! came of it ([`Side`]), in messages of any length ([`Parcels`]) over a connection that loses
//! packets.

mod parcel;
mod side;

pub use parcel::Parcels;
pub use side::{NatFacts, Relayed, RoundTrips, Side, Word};
