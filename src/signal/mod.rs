//! Signalling, sans-IO: how two peers exchange their descriptions through a room of two.
//!
//! [`Rooms`] holds the rooms; [`Message`] is what is said, as JSON, and `docs/signalling.md`
//! documents it for other programs. Nothing is stored: what a peer says is passed on at once, or
//! refused.

mod budget;
pub mod frame;
mod limits;
mod message;
mod rooms;

pub use budget::Budget;
pub use limits::Limits;
pub use message::{Code, Message, Role, VERSION, is_room_name};
pub use rooms::{ClientId, Output, Rooms};

#[cfg(test)]
mod tests;
