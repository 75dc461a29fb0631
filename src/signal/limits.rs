//! What a stranger may cost.

use crate::ground::limit::Limit;
use std::time::Duration;

/// Bounds of a signalling server. A *source* is an IPv4 address, or a /64 of IPv6, which a host has
/// to itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rooms at one time.
    pub rooms: usize,
    /// Connections at one time, those that have not joined a room yet included.
    pub clients: usize,
    /// Connections of one source at one time.
    pub clients_of_source: usize,
    /// Handshakes (TLS, HTTP) of one source at one time.
    pub handshakes_of_source: usize,
    /// Handshakes of all at one time.
    pub handshakes: usize,
    /// How long the handshakes may take.
    pub handshake: Duration,
    /// Connections that one source may make.
    pub connections: Limit,
    /// Rooms that one source may ask for: whoever guesses a room's name is in.
    pub joins: Limit,
    /// The longest message, in bytes.
    pub message: usize,
    /// Messages that a client may send at once after a pause.
    pub burst: u64,
    /// Messages a second that a client may go on with.
    pub per_second: u64,
    /// Frames of a client: messages come in one or more, and pings are frames too.
    pub frames: Limit,
    /// Bytes that may wait for one client, with those of a message that it has sent a part of.
    pub held_by_client: usize,
    /// The same of all clients of one source.
    pub held_by_source: usize,
    /// The same of all clients.
    pub held: usize,
    /// How long a client may take to join a room.
    pub join: Duration,
    /// How long a room may be silent before it is closed.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rooms: 1000,
            clients: 2200,
            clients_of_source: 64,
            handshakes_of_source: 16,
            handshakes: 512,
            handshake: Duration::from_secs(10),
            connections: Limit { burst: 200, per_second: 10 },
            joins: Limit { burst: 64, per_second: 1 },
            message: 64 * 1024,
            burst: 100,
            per_second: 20,
            frames: Limit { burst: 400, per_second: 80 },
            held_by_client: 256 * 1024,
            held_by_source: 2 << 20,
            held: 32 << 20,
            join: Duration::from_secs(10),
            idle: Duration::from_secs(600),
        }
    }
}

impl Limits {
    /// The messages of a client.
    pub(super) const fn messages(&self) -> Limit {
        Limit { burst: self.burst, per_second: self.per_second }
    }
}
