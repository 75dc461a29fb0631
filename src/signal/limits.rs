//! What a stranger may cost.

use std::time::Duration;

/// Bounds of a signalling server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rooms at one time.
    pub rooms: usize,
    /// Connections at one time, those that have not joined a room yet included.
    pub clients: usize,
    /// The longest message, in bytes.
    pub message: usize,
    /// Messages that a client may send at once after a pause.
    pub burst: u32,
    /// Messages a second that a client may go on with.
    pub per_second: u32,
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
            message: 64 * 1024,
            burst: 100,
            per_second: 20,
            join: Duration::from_secs(10),
            idle: Duration::from_secs(600),
        }
    }
}

/// How many messages a client may still send.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    /// In thousandths of a message.
    left: u64,
    filled: Duration,
}

impl Bucket {
    pub fn new(now: Duration, limits: &Limits) -> Self {
        Self { left: u64::from(limits.burst) * 1000, filled: now }
    }

    /// Takes one message; false when there is none left.
    pub fn take(&mut self, now: Duration, limits: &Limits) -> bool {
        let since = now.saturating_sub(self.filled).as_millis();
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        let gained = since.saturating_mul(u64::from(limits.per_second));
        self.left = self.left.saturating_add(gained).min(u64::from(limits.burst) * 1000);
        self.filled = self.filled.max(now);
        let left = self.left.checked_sub(1000);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }
}
