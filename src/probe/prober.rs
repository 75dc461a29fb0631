//! The prober: the five calls. What to test when is in `plan`, how it is sent and recorded in
//! `exchange`.

use super::exchange::Exchange;
use super::plan::Plan;
use super::record::Record;
use super::{Config, Input, Output};
use std::time::Duration;

/// Runs the tests of one path.
#[derive(Debug)]
pub struct Prober {
    exchange: Exchange,
    plan: Plan,
}

impl Prober {
    /// A prober that has done nothing yet. `seed` makes its transaction ids: unpredictable in the
    /// field, fixed in a simulation.
    #[must_use]
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        let mut exchange = Exchange::new(config, seed);
        let plan = Plan::new(&mut exchange);
        Self { exchange, plan }
    }

    /// What to do next, at time `now` since the start.
    pub fn poll(&mut self, now: Duration) -> Output {
        let exchange = &mut self.exchange;
        exchange.now = exchange.now.max(now);
        if let Some(output) = exchange.out.pop_front() {
            return output;
        }
        if exchange.done {
            return Output::Done;
        }
        if exchange.stopped || exchange.now >= exchange.budget {
            exchange.finish(true);
        } else {
            exchange.retransmit();
            let finished = self.plan.advance(exchange);
            exchange.begin_planned();
            if finished && exchange.waiting.is_empty() {
                exchange.finish(false);
            }
        }
        if let Some(output) = exchange.out.pop_front() {
            return output;
        }
        if exchange.done {
            return Output::Done;
        }
        let wake = exchange.next_wake().into_iter().chain(self.plan.next_wake(exchange)).min();
        Output::Wait(wake.unwrap_or(exchange.budget).min(exchange.budget))
    }

    /// Takes what happened at time `now`.
    pub fn handle(&mut self, now: Duration, input: Input<'_>) {
        let exchange = &mut self.exchange;
        exchange.now = exchange.now.max(now);
        match input {
            Input::Opened { socket, local } => exchange.opened(socket, local),
            Input::OpenFailed { socket, why } => exchange.open_failed(socket, why),
            Input::Datagram { socket, from, bytes } => exchange.datagram(socket, from, bytes),
            Input::Icmp { socket, to, offender, kind } => exchange.icmp(socket, to, offender, kind),
            Input::Tcp { tcp, bytes } => exchange.tcp(tcp, bytes),
            Input::Relay { relay, news } => exchange.relay(relay, news),
            Input::Tick => {}
            Input::Stop => exchange.stopped = true,
        }
    }

    /// What was observed so far; whole after [`Output::Done`].
    #[must_use]
    pub const fn record(&self) -> &Record {
        &self.exchange.record
    }
}
