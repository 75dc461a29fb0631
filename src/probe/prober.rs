//! The planner.

use super::record::Record;
use super::{Config, Input, Output};
use std::time::Duration;

/// Runs the tests of one path.
#[derive(Debug)]
pub struct Prober {}

impl Prober {
    /// A prober that has done nothing yet. `seed` makes its transaction ids: unpredictable in the
    /// field, fixed in a simulation.
    #[must_use]
    pub fn new(_config: Config, _seed: [u8; 32]) -> Self {
        todo!()
    }
    /// What to do next, at time `now` since the start.
    pub fn poll(&mut self, _now: Duration) -> Output {
        todo!()
    }
    /// Takes what happened at time `now`.
    pub fn handle(&mut self, _now: Duration, _input: Input<'_>) {
        todo!()
    }
    /// What was observed so far; whole after [`Output::Done`].
    #[must_use]
    pub fn record(&self) -> &Record {
        todo!()
    }
}
