//! The attempts of a matrix: every pair of NATs in one lab, side by side.
//!
//! Each pair has two sites of its own, so no pair sees another's traffic. STUN alone is tried with
//! `a` first, then with `b` first; then both once more with a relay. After each phase the connected
//! pairs exchange data while the internet's counters look on; at the end the relay is cut for all at
//! once, and they exchange data again.

mod attempt;
mod peer;
mod traffic;

use super::{Lab, LabError, LabSite, experiment};
use crate::ice::{Connection, Outcome};
use crate::lab::matrix::autopsy::{Witness, examine, since};
use crate::lab::matrix::{Cell, Run, RunOutcome, Selected};
use crate::lab::rules::{self, Refused};
use crate::lab::traffic::Flows;
use crate::nat::pair::End;
use crate::nat::{Filtering, NatSpec, Scope};
use crate::net::Stop;
use crate::net::serve::RelayHandle;
use crate::turn;
use attempt::{Attempt, Setup, attempt};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::Semaphore;
use traffic::Counters;

/// Data packets that each connected pair sends in an exchange.
const DATA: u32 = 5;
/// Between two of them.
const EVERY: Duration = Duration::from_millis(20);

/// Attempts at a time: as many as two cores serve without answers coming late. The 45 pairs of nine
/// NATs go side by side.
const AT_ONCE: usize = 48;

/// Pairs in one lab. Each has two NATs with two neighbours for the kernel on either side, and the
/// kernel keeps 512 neighbours of all namespaces together before it forgets some that are in use.
const A_LAB: usize = 60;

/// Makes all attempts of these pairs and judges them, in as many labs as they need: one cell for
/// each pair, and whether all attempts were made. When `stop` is cancelled it ends with what there
/// is.
///
/// # Errors
/// The kernel refuses, a namespace has died, or a peer could not be started.
pub async fn run(
    pairs: Vec<[NatSpec; 2]>,
    stop: Stop,
    on_step: &mut dyn FnMut(Step),
) -> Result<(Vec<Cell>, bool), LabError> {
    let mut cells = Vec::new();
    let mut complete = true;
    for pairs in pairs.chunks(A_LAB) {
        if stop.is_cancelled() {
            complete = false;
            cells.extend(pairs.iter().map(|[a, b]| Cell::new(a, b, Vec::new())));
            continue;
        }
        let arena = Arena::build(pairs.to_vec(), 0).await?;
        let (more, all) = arena.run(stop.clone(), on_step).await?;
        cells.extend(more);
        complete &= all;
    }
    Ok((cells, complete))
}

/// A lab with two sites for each pair.
#[derive(Debug)]
pub struct Arena {
    /// The lab: the sites of the first pair, then those of the second, and so on.
    pub lab: Lab,
    pairs: Vec<[NatSpec; 2]>,
    counters: Counters,
    relay: RelayHandle,
}

/// How far a matrix is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The lab stands.
    Built,
    /// One attempt is over.
    Attempt,
    /// Connected pairs exchange data.
    Exchange,
    /// The relay is cut.
    Cut,
}

/// Attempts of each pair: both orders, without and with a relay.
pub const ATTEMPTS: usize = 4;

/// What an attempt gave, and what the boxes dropped during it.
struct Tried {
    attempt: Attempt,
    refused: [Vec<Vec<Refused>>; 2],
    traffic: Traffic,
}

/// The data of an exchange.
#[derive(Debug, Clone, Default)]
struct Traffic {
    relay_packets: u64,
    relay_reported: u64,
    direct_packets: u64,
    rtt_ms: Option<f64>,
    alive_without_relay: Option<bool>,
}

impl Arena {
    /// Builds the lab, with our server and its relay, and counters. Of a hundred UDP packets it loses
    /// `loss_percent`, in each direction.
    ///
    /// # Errors
    /// There is no room, or the kernel refuses.
    pub async fn build(pairs: Vec<[NatSpec; 2]>, loss_percent: u8) -> Result<Self, LabError> {
        let lab = experiment::build(pairs.as_flattened(), loss_percent).await?;
        let relay = experiment::serve(&lab.internet).await?;
        let counters = Counters::install(&lab.internet).await?;
        Ok(Self { lab, pairs, counters, relay })
    }

    /// Makes all attempts and judges them: one cell for each pair, and whether all were made. When
    /// `stop` is cancelled it ends with what there is.
    ///
    /// # Errors
    /// A namespace has died, or a peer could not be started.
    pub async fn run(
        &self,
        stop: Stop,
        on_step: &mut dyn FnMut(Step),
    ) -> Result<(Vec<Cell>, bool), LabError> {
        let mut tried: Vec<Vec<Tried>> = self.pairs.iter().map(|_| Vec::new()).collect();
        on_step(Step::Built);
        let complete = tokio::select! {
            all = self.all(&mut tried, on_step) => { all?; true }
            () = stop.cancelled() => false,
        };
        let cells = self
            .pairs
            .iter()
            .zip(self.lab.sites.chunks_exact(2))
            .zip(&tried)
            .map(|(([a, b], sites), tried)| {
                let runs = tried.iter().map(|t| t.run([a, b], [&sites[0], &sites[1]])).collect();
                Cell::new(a, b, runs)
            })
            .collect();
        Ok((cells, complete))
    }

    async fn all(
        &self,
        tried: &mut [Vec<Tried>],
        on_step: &mut dyn FnMut(Step),
    ) -> Result<(), LabError> {
        for turn in [false, true] {
            self.phase(turn, tried, on_step).await?;
            on_step(Step::Exchange);
            self.exchange(turn, tried).await?;
        }
        self.counters.cut(&self.lab.internet).await?;
        on_step(Step::Cut);
        self.without_relay(tried).await
    }

    /// Both orders of every pair, pairs side by side.
    async fn phase(
        &self,
        turn: bool,
        tried: &mut [Vec<Tried>],
        on_step: &mut dyn FnMut(Step),
    ) -> Result<(), LabError> {
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let turns = Semaphore::new(AT_ONCE);
        let cells = self.lab.sites.chunks_exact(2).enumerate().map(|(at, sites)| {
            let (tell, turns) = (tell.clone(), &turns);
            async move {
                // never closed
                let _turn = turns.acquire().await;
                let sites = [&sites[0], &sites[1]];
                let mut before = [self.refused(sites[0]).await?, self.refused(sites[1]).await?];
                for first in End::BOTH {
                    self.forget(sites[0]).await?;
                    self.forget(sites[1]).await?;
                    let attempt = attempt(sites, Setup { first, turn }).await?;
                    let after = [self.refused(sites[0]).await?, self.refused(sites[1]).await?];
                    let new = |side: usize| -> Vec<Vec<Refused>> {
                        before[side].iter().zip(&after[side]).map(|(b, a)| since(b, a)).collect()
                    };
                    let refused = [new(0), new(1)];
                    before = after;
                    let traffic = Traffic::default();
                    // the other end outlives this future
                    let _ = tell.send((at, Tried { attempt, refused, traffic }));
                }
                Ok::<(), LabError>(())
            }
        });
        let all = futures_util::future::try_join_all(cells);
        tokio::pin!(all);
        loop {
            tokio::select! {
                biased;
                Some((at, new)) = told.recv() => {
                    tried[at].push(new);
                    on_step(Step::Attempt);
                }
                done = &mut all => {
                    done?;
                    break;
                }
            }
        }
        while let Ok((at, new)) = told.try_recv() {
            tried[at].push(new);
            on_step(Step::Attempt);
        }
        Ok(())
    }

    /// Permissions that a router shares would outlive the attempt that opened them, and let the next
    /// one's early packets in; those of a mapping go with its sockets.
    async fn forget(&self, site: &LabSite) -> Result<(), LabError> {
        for (namespace, plan) in site.boxes.iter().zip(&site.plan.boxes) {
            let spec = &plan.spec;
            if spec.scope == Scope::Endpoint && spec.filtering != Filtering::EndpointIndependent {
                self.counters.forget(namespace).await?;
            }
        }
        Ok(())
    }

    /// What each box of a site has dropped so far.
    async fn refused(&self, site: &LabSite) -> Result<Vec<Vec<Refused>>, LabError> {
        let reading: Vec<_> = site
            .boxes
            .iter()
            .map(|namespace| self.counters.read(namespace, rules::REFUSED))
            .collect();
        let mut all = Vec::new();
        for set in reading {
            all.push(rules::read_refused(&set.wait().await??));
        }
        Ok(all)
    }

    /// The connected pairs of this phase exchange data, and the internet's counters say by which way.
    async fn exchange(&self, turn: bool, tried: &mut [Vec<Tried>]) -> Result<(), LabError> {
        let before = self.counters.flows(&self.lab.internet).await?;
        let reported = self.reported();
        let round_trips = futures_util::future::join_all(
            tried
                .iter()
                .flatten()
                .filter(|t| t.attempt.setup.turn == turn)
                .map(|t| t.attempt.exchange()),
        )
        .await;
        let after = self.counters.flows(&self.lab.internet).await?;
        let reports = self.reported();
        let carried = |address: SocketAddr| {
            let of = |all: &HashMap<SocketAddr, u64>| all.get(&address).copied().unwrap_or(0);
            of(&reports).saturating_sub(of(&reported))
        };
        let (direct, relayed) = (after.0.since(&before.0), after.1.since(&before.1));
        let mut round_trips = round_trips.into_iter();
        for (tried, sites) in tried.iter_mut().zip(self.lab.sites.chunks_exact(2)) {
            for t in tried.iter_mut().filter(|t| t.attempt.setup.turn == turn) {
                t.traffic = t.attempt.traffic(&direct, &relayed, [&sites[0], &sites[1]]);
                t.traffic.relay_reported = t.attempt.relayed().map(carried).sum();
                t.traffic.rtt_ms = round_trips.next().flatten();
            }
        }
        Ok(())
    }

    /// The packets that the relay says it carried so far, by relayed address; checks are among them.
    fn reported(&self) -> HashMap<SocketAddr, u64> {
        let each = |usage: turn::relay::Usage| {
            let packets = usage.traffic.packets();
            usage.relayed.into_iter().map(move |address| (address, packets))
        };
        self.relay.usage().into_iter().flat_map(each).collect()
    }

    /// With the relay cut: which pairs still exchange data.
    async fn without_relay(&self, tried: &mut [Vec<Tried>]) -> Result<(), LabError> {
        let alive =
            futures_util::future::join_all(tried.iter().flatten().map(|t| t.attempt.exchange()))
                .await;
        for (t, alive) in tried.iter_mut().flatten().zip(alive) {
            let connected = t.attempt.connection() != RunOutcome::Failed;
            t.traffic.alive_without_relay = connected.then_some(alive.is_some());
        }
        Ok(())
    }
}

impl Attempt {
    /// What both sides say of it.
    fn connection(&self) -> RunOutcome {
        let [a, b] = self.outcomes.each_ref().map(|outcome| outcome.connection);
        match (a, b) {
            (Connection::Failed, _) | (_, Connection::Failed) => RunOutcome::Failed,
            (a, b) if a.relayed() || b.relayed() => RunOutcome::Relay,
            _ => RunOutcome::Direct,
        }
    }

    /// Sends data over the connection; the median round trip in ms, when any came back.
    async fn exchange(&self) -> Option<f64> {
        if self.connection() == RunOutcome::Failed {
            return None;
        }
        let mut all: Vec<Duration> =
            self.peers[0].echo(DATA, EVERY).await.into_iter().flatten().collect();
        all.sort_unstable();
        all.get(all.len() / 2).map(|median| median.as_secs_f64() * 1e3)
    }

    /// The relayed addresses of both sides.
    fn relayed(&self) -> impl Iterator<Item = SocketAddr> {
        let allocations = self.outcomes.iter().flat_map(|outcome| &outcome.turn);
        allocations.filter_map(|allocation| allocation.relayed)
    }

    /// Which way its data went.
    fn traffic(&self, direct: &Flows, relayed: &Flows, sites: [&LabSite; 2]) -> Traffic {
        let remote = |side: usize| self.outcomes[side].selected.map(|pair| pair.remote.address);
        let direct_packets = match (remote(0), remote(1)) {
            (Some(b), Some(a)) => direct.between(a, b),
            _ => 0,
        };
        let relay_packets = if self.setup.turn {
            self.relayed().map(|relay| relayed.of(relay)).sum()
        } else {
            // it has no relay of its own: nothing at all may pass one
            sites.iter().map(|site| relayed.of_host(site.public())).sum()
        };
        Traffic { relay_packets, direct_packets, ..Traffic::default() }
    }
}

impl Tried {
    fn run(&self, specs: [&NatSpec; 2], sites: [&LabSite; 2]) -> Run {
        let attempt = &self.attempt;
        let outcome = attempt.connection();
        let [a, b] = &attempt.outcomes;
        let witness = |side: usize| Witness {
            spec: specs[side],
            public: sites[side].public(),
            outcome: &attempt.outcomes[side],
            refused: &self.refused[side],
        };
        let failed = outcome == RunOutcome::Failed;
        let selected = |outcome: &Outcome| outcome.selected;
        Run {
            first: attempt.setup.first,
            turn: attempt.setup.turn,
            outcome,
            selected: selected(a)
                .filter(|_| !failed)
                .map(|pair| Selected { local: pair.local.kind, remote: pair.remote.kind }),
            relay_packets: self.traffic.relay_packets,
            relay_reported: self.traffic.relay_reported,
            direct_packets: self.traffic.direct_packets,
            ms: a.connected_ms.filter(|_| !failed).unwrap_or(attempt.ms),
            rtt_ms: self.traffic.rtt_ms,
            alive_without_relay: self.traffic.alive_without_relay,
            because: if failed && a.selected.is_some() { b } else { a }.because.clone(),
            autopsy: failed.then(|| examine(witness(0), witness(1))),
        }
    }
}
