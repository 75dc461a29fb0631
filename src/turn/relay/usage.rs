//! What a relay has carried, for whoever runs it: read in-process, never sent anywhere.

use super::Path;
use std::net::SocketAddr;
use std::time::Duration;

/// Packets and bytes of payload, each way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Packets from the client, sent on to peers.
    pub to_peers: u64,
    /// Their payload in bytes, without the headers of TURN, UDP and IP.
    pub to_peers_bytes: u64,
    /// Packets from peers, passed to the client.
    pub to_client: u64,
    /// Their payload in bytes.
    pub to_client_bytes: u64,
    /// Packets that were dropped: no permission, a forbidden peer, a full queue.
    pub dropped: u64,
}

impl Traffic {
    /// Packets relayed, both ways.
    #[must_use]
    pub const fn packets(&self) -> u64 {
        self.to_peers + self.to_client
    }

    pub(super) fn add_to_peers(&mut self, bytes: usize) {
        self.to_peers += 1;
        self.to_peers_bytes += u64::try_from(bytes).unwrap_or(0);
    }

    pub(super) fn add_to_client(&mut self, bytes: usize) {
        self.to_client += 1;
        self.to_client_bytes += u64::try_from(bytes).unwrap_or(0);
    }

    pub(super) const fn add(&mut self, other: &Self) {
        self.to_peers += other.to_peers;
        self.to_peers_bytes += other.to_peers_bytes;
        self.to_client += other.to_client;
        self.to_client_bytes += other.to_client_bytes;
        self.dropped += other.dropped;
    }
}

/// One allocation, live or ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Its client, and where that reached the server.
    pub client: Path,
    /// Its relayed addresses: one, or one of each family.
    pub relayed: Vec<SocketAddr>,
    /// The user's name; of time-limited credentials without the expiry.
    pub user: String,
    /// The user for the log: by the name alone, a user with a password cannot be told from a
    /// time-limited one.
    pub account: String,
    /// How long it has been there, or was.
    pub age: Duration,
    /// What it carried so far.
    pub traffic: Traffic,
    /// Whether it is still there.
    pub live: bool,
}
