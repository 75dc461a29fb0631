//! The prober: the five calls. What to test when is in `plan`, how it is sent and recorded in `core`.

use super::core::Core;
use super::plan::Plan;
use super::record::Record;
use super::{Config, Input, Output};
use std::time::Duration;

/// Runs the tests of one path.
#[derive(Debug)]
pub struct Prober {
    core: Core,
    plan: Plan,
}

impl Prober {
    /// A prober that has done nothing yet. `seed` makes its transaction ids: unpredictable in the
    /// field, fixed in a simulation.
    #[must_use]
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        let mut core = Core::new(config, seed);
        let plan = Plan::new(&mut core);
        Self { core, plan }
    }

    /// What to do next, at time `now` since the start.
    pub fn poll(&mut self, now: Duration) -> Output {
        let core = &mut self.core;
        core.now = core.now.max(now);
        if let Some(output) = core.out.pop_front() {
            return output;
        }
        if core.done {
            return Output::Done;
        }
        if core.stopped || core.now >= core.budget {
            core.finish(true);
        } else {
            core.retransmit();
            let finished = self.plan.advance(core);
            core.begin_planned();
            if finished && core.waiting.is_empty() {
                core.finish(false);
            }
        }
        if let Some(output) = core.out.pop_front() {
            return output;
        }
        if core.done {
            return Output::Done;
        }
        let wake = core.next_wake().into_iter().chain(self.plan.next_wake(core)).min();
        Output::Wait(wake.unwrap_or(core.budget).min(core.budget))
    }

    /// Takes what happened at time `now`.
    pub fn handle(&mut self, now: Duration, input: Input<'_>) {
        let core = &mut self.core;
        core.now = core.now.max(now);
        match input {
            Input::Opened { socket, local } => core.opened(socket, local),
            Input::OpenFailed { socket, why } => core.open_failed(socket, why),
            Input::Datagram { socket, from, bytes } => core.datagram(socket, from, bytes),
            Input::Icmp { socket, to, offender, kind } => core.icmp(socket, to, offender, kind),
            Input::Tcp { tcp, bytes } => core.tcp(tcp, bytes),
            Input::Tick => {}
            Input::Stop => core.stopped = true,
        }
    }

    /// What was observed so far; whole after [`Output::Done`].
    #[must_use]
    pub const fn record(&self) -> &Record {
        &self.core.record
    }
}
