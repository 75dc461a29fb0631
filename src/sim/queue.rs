//! What happens when: a queue of events in virtual time.

use std::collections::BTreeMap;
use std::time::Duration;

/// Events by time; those of the same time in the order they were put in.
#[derive(Debug)]
pub(super) struct Queue<E> {
    events: BTreeMap<(Duration, u64), E>,
    next: u64,
}

impl<E> Queue<E> {
    pub const fn new() -> Self {
        Self { events: BTreeMap::new(), next: 0 }
    }

    pub fn at(&mut self, time: Duration, event: E) {
        self.events.insert((time, self.next), event);
        self.next += 1;
    }

    /// When the next event is due.
    pub fn due(&self) -> Option<Duration> {
        self.events.first_key_value().map(|((time, _), _)| *time)
    }

    /// The next event, if it is due by `time`.
    pub fn pop(&mut self, time: Duration) -> Option<(Duration, E)> {
        self.due().filter(|&due| due <= time)?;
        self.events.pop_first().map(|((due, _), event)| (due, event))
    }
}
