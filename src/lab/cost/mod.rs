//! The price of a relay: what was measured, and what an operator plans with. Pure.

mod need;
mod shares;

pub use need::{Need, PairNeed, Range, Ranges};
pub use shares::{DEFAULT as DEFAULT_SHARES, Share, Shares, SharesError, Source};

use super::system::System;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The schema of [`Cost`].
pub const SCHEMA: &str = "natscope-cost/1";

/// What was measured on the internet, to hold the prediction against.
pub const FIELD: &[&str] = &[
    "82 % of NATs supported UDP hole punching (Ford, Srisuresh, Kegel 2005)",
    "once a relay was reserved and an address discovered, which fails in about 29 % of attempts, hole punching connected 70 %, give or take 7.1, of 4.4 million (Trautwein et al., arXiv 2510.27500 and 2604.12484)",
    "services with browsers had 15 to 22 % of their calls relayed (Twilio; callstats.io, 2016)",
];

/// Lost packets at the knee: the highest load at which no more than this share is lost.
pub const KNEE_LOSS: f64 = 0.01;

/// What `natscope lab cost --format json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// `natscope-cost/1`.
    pub schema: String,
    /// Everything was measured; false when the run was stopped early.
    pub complete: bool,
    /// Wall-clock seconds of the run.
    pub seconds: f64,
    /// Processors that the two peers, their NATs and the relay shared.
    pub cpus: usize,
    /// The share of the processors' time that other programs of this machine took meanwhile, 0 to
    /// 1. When it is much, loads and 99th percentiles are worse than the relays are.
    pub others: Option<f64>,
    /// The NAT that each of the two peers sits behind.
    pub nat: String,
    /// The direct way, from peer to peer.
    pub direct: Way,
    /// The relays.
    pub relays: Vec<RelayCost>,
    /// Bytes on the link of a peer.
    pub wire: Vec<Wire>,
    /// How often a relay is needed.
    pub need: Need,
    /// What was measured on the internet, to hold `need` against.
    pub field: Vec<String>,
    /// What a number of calls costs.
    pub plan: Plan,
    /// What it was measured with; documents of older versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<System>,
}

/// One way from peer to peer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Way {
    /// Round trips of small packets on an idle way.
    pub rtt: Option<Rtt>,
    /// How much it carries.
    pub load: Option<Load>,
}

/// Round trips over one way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rtt {
    /// How many requests were answered.
    pub samples: usize,
    /// How many were not.
    pub lost: usize,
    /// The middle one, in ms.
    pub median_ms: f64,
    /// The 99th percentile, in ms.
    pub p99_ms: f64,
}

impl Rtt {
    /// Of these samples; `None` when there are none.
    #[must_use]
    pub fn of(mut samples: Vec<Duration>, lost: usize) -> Option<Self> {
        samples.sort_unstable();
        let at = |share: f64| {
            // the nearest rank
            let rank = (share * samples.len() as f64).ceil().max(1.0);
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // of a small count
            samples.get(rank as usize - 1).map(|time| time.as_secs_f64() * 1000.0)
        };
        Some(Self { samples: samples.len(), lost, median_ms: at(0.5)?, p99_ms: at(0.99)? })
    }
}

/// One offered load.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Payload sent, in Mbit/s.
    pub offered_mbit_s: f64,
    /// Payload received, in Mbit/s.
    pub delivered_mbit_s: f64,
    /// The share of packets lost, 0 to 1.
    pub loss: f64,
}

/// How much a way carries, in one direction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Payload of a packet, in bytes.
    pub payload_bytes: usize,
    /// The highest load with at most 1 % lost; null when every load lost more.
    pub knee: Option<Step>,
    /// The first load above it that lost more; null when the sender could not send more.
    pub beyond: Option<Step>,
    /// Every load, in the order tried.
    pub steps: Vec<Step>,
}

impl Load {
    /// Finds the knee.
    #[must_use]
    pub fn of(payload_bytes: usize, steps: Vec<Step>) -> Self {
        let by_load = |a: &&Step, b: &&Step| a.delivered_mbit_s.total_cmp(&b.delivered_mbit_s);
        let good = |step: &&Step| step.loss <= KNEE_LOSS;
        let knee = steps.iter().filter(good).max_by(by_load).copied();
        let above = knee.map_or(0.0, |knee| knee.offered_mbit_s);
        let beyond = steps
            .iter()
            .filter(|step| step.loss > KNEE_LOSS && step.offered_mbit_s > above)
            .min_by(|a, b| a.offered_mbit_s.total_cmp(&b.offered_mbit_s))
            .copied();
        Self { payload_bytes, knee, beyond, steps }
    }
}

/// What a relay's process used while it carried a load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cpu {
    /// Payload carried, in Gbit.
    pub payload_gbit: f64,
    /// Processor time, in seconds, the kernel's for its packets included.
    pub seconds: f64,
    /// Seconds for each Gbit: processors for each Gbit/s.
    pub per_gbit: f64,
}

impl Cpu {
    /// Of this much; `None` when nothing was carried.
    #[must_use]
    pub fn of(payload_bytes: u64, used: Duration) -> Option<Self> {
        #[allow(clippy::cast_precision_loss)] // far below 2^52
        let payload_gbit = payload_bytes as f64 * 8.0 / 1e9;
        let seconds = used.as_secs_f64();
        (payload_bytes > 0).then(|| Self {
            payload_gbit,
            seconds,
            per_gbit: seconds / payload_gbit,
        })
    }
}

/// What a relay's process keeps in memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Resident without allocations, in KiB.
    pub idle_kib: u64,
    /// How many allocations were made.
    pub allocations: usize,
    /// Resident with them, in KiB.
    pub with_kib: u64,
    /// For each, in KiB; without what the kernel keeps for its socket.
    pub per_allocation_kib: f64,
}

/// What the same process needs as a STUN server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StunCost {
    /// Binding requests answered.
    pub requests: u64,
    /// Processor time for each, in microseconds.
    pub cpu_us: f64,
    /// Bytes on the wire for each, request and answer, Ethernet and IP included.
    pub wire_bytes: usize,
}

/// What one relay costs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RelayCost {
    /// `natscope` or `coturn`.
    pub name: String,
    /// Its version, as it says it.
    pub version: Option<String>,
    /// Why it could not be measured.
    pub failure: Option<String>,
    /// Through a channel (RFC 8656 section 12).
    pub channel: Way,
    /// By Send and Data indications (section 11).
    pub indication: Way,
    /// Added to the direct way's median round trip through a channel, in ms.
    pub added_median_ms: Option<f64>,
    /// Added to the direct way's 99th percentile through a channel, in ms.
    pub added_p99_ms: Option<f64>,
    /// Processor time through a channel.
    pub channel_cpu: Option<Cpu>,
    /// Processor time by indications.
    pub indication_cpu: Option<Cpu>,
    /// Memory of the relay's process.
    pub memory: Option<Memory>,
    /// As a STUN server.
    pub stun: Option<StunCost>,
}

impl RelayCost {
    /// Compares with the direct way.
    pub fn compare(&mut self, direct: &Way) {
        let (Some(own), Some(direct)) = (&self.channel.rtt, &direct.rtt) else { return };
        self.added_median_ms = Some(own.median_ms - direct.median_ms);
        self.added_p99_ms = Some(own.p99_ms - direct.p99_ms);
    }

    /// Whether everything was measured.
    #[must_use]
    pub fn complete(&self) -> bool {
        let way = |way: &Way| way.rtt.is_some() && way.load.is_some();
        way(&self.channel)
            && way(&self.indication)
            && self.channel_cpu.is_some()
            && self.indication_cpu.is_some()
            && self.memory.is_some()
            && self.stun.is_some()
    }
}

/// Bytes on the link of the peer for each byte of payload, Ethernet, IP and UDP included; counted by
/// its interface.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wire {
    /// Payload of a packet, in bytes.
    pub payload_bytes: usize,
    /// What it is typical of.
    pub typical: String,
    /// From peer to peer.
    pub direct: f64,
    /// In `ChannelData`.
    pub channel: f64,
    /// In Send indications.
    pub indication: f64,
}

/// What a number of calls costs, by what was measured. Each of the two peers of a call sends `mbit_s`
/// of payload all the time; one of them is on the relay, when one is needed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Calls at once.
    pub calls: u32,
    /// Payload in each direction, in Mbit/s.
    pub mbit_s: f64,
    /// Calls on a relay.
    pub relayed_calls: f64,
    /// The range of them, where the shares of NATs are ranges.
    #[serde(default)]
    pub relayed_range: Range,
    /// For each relay, in the order of `relays`.
    pub relays: Vec<RelayPlan>,
}

/// What the calls cost on one relay; null where that was not measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RelayPlan {
    /// Its name.
    pub name: String,
    /// Traffic out of the relay, in Mbit/s; as much comes in.
    pub out_mbit_s: Option<f64>,
    /// The same in GB for each hour.
    pub out_gb_per_hour: Option<f64>,
    /// Processors, through channels.
    pub processors: Option<f64>,
    /// Memory for the allocations, in MiB.
    pub memory_mib: Option<f64>,
    /// Processor seconds of STUN for all of them, once: two requests for each call.
    pub stun_cpu_seconds: Option<f64>,
}

impl Plan {
    /// By what was measured.
    #[must_use]
    pub fn new(calls: u32, mbit_s: f64, need: &Need, wire: &[Wire], relays: &[RelayCost]) -> Self {
        let relayed_calls = f64::from(calls) * need.turn;
        // the packets of calls with pictures are long
        let longest = wire.iter().max_by_key(|wire| wire.payload_bytes);
        // of one peer's packets a part comes in through the channel and goes out plain, of the
        // other's the reverse
        let out = longest.map(|wire| relayed_calls * mbit_s * (wire.direct + wire.channel));
        let one = |relay: &RelayCost| RelayPlan {
            name: relay.name.clone(),
            out_mbit_s: out,
            out_gb_per_hour: out.map(|out| out * 3600.0 / 8.0 / 1000.0),
            processors: relay
                .channel_cpu
                .as_ref()
                .map(|cpu| relayed_calls * 2.0 * mbit_s / 1000.0 * cpu.per_gbit),
            memory_mib: relay
                .memory
                .as_ref()
                .map(|memory| relayed_calls * memory.per_allocation_kib / 1024.0),
            stun_cpu_seconds: relay
                .stun
                .as_ref()
                .map(|stun| f64::from(calls) * 2.0 * stun.cpu_us / 1e6),
        };
        let Range { low, high } = need.ranges.turn;
        let relayed_range = Range { low: f64::from(calls) * low, high: f64::from(calls) * high };
        let relays = relays.iter().map(one).collect();
        Self { calls, mbit_s, relayed_calls, relayed_range, relays }
    }
}

impl Cost {
    /// A document without measurements yet.
    #[must_use]
    pub fn new(nat: &str, cpus: usize, need: Need) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            complete: false,
            seconds: 0.0,
            cpus,
            others: None,
            nat: nat.to_owned(),
            direct: Way::default(),
            relays: Vec::new(),
            wire: Vec::new(),
            need,
            field: FIELD.iter().map(|&note| note.to_owned()).collect(),
            plan: Plan::default(),
            system: None,
        }
    }

    /// Draws the conclusions from what was measured.
    pub fn conclude(&mut self, calls: u32, mbit_s: f64, seconds: f64) {
        for relay in &mut self.relays {
            relay.compare(&self.direct);
        }
        self.plan = Plan::new(calls, mbit_s, &self.need, &self.wire, &self.relays);
        self.seconds = seconds;
        self.complete = self.direct.rtt.is_some()
            && self.direct.load.is_some()
            && !self.wire.is_empty()
            && !self.relays.is_empty()
            && self.relays.iter().all(RelayCost::complete);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(offered: f64, loss: f64) -> Step {
        Step { offered_mbit_s: offered, delivered_mbit_s: offered * (1.0 - loss), loss }
    }

    #[test]
    fn percentiles_are_the_nearest_rank() {
        let samples = (1..=200).rev().map(Duration::from_millis).collect();
        let rtt = Rtt::of(samples, 3).unwrap();
        assert_eq!((rtt.samples, rtt.lost), (200, 3));
        assert!((rtt.median_ms - 100.0).abs() < 1e-9 && (rtt.p99_ms - 198.0).abs() < 1e-9);
        assert_eq!(Rtt::of(vec![], 3), None);
        let one = Rtt::of(vec![Duration::from_millis(5)], 0).unwrap();
        assert!((one.median_ms - 5.0).abs() < 1e-9 && (one.p99_ms - 5.0).abs() < 1e-9);
    }

    #[test]
    fn the_knee_is_the_highest_load_that_comes_through() {
        let steps = vec![step(50.0, 0.0), step(100.0, 0.004), step(200.0, 0.3), step(150.0, 0.02)];
        let load = Load::of(1200, steps);
        assert_eq!(load.knee, Some(step(100.0, 0.004)));
        assert_eq!(load.beyond, Some(step(150.0, 0.02)));
        let load = Load::of(1200, vec![step(50.0, 0.0)]);
        assert_eq!(load.beyond, None, "the sender was at its end");
        let load = Load::of(1200, vec![step(50.0, 0.5)]);
        assert_eq!((load.knee, load.beyond), (None, Some(step(50.0, 0.5))));
    }

    #[test]
    fn a_plan_multiplies_what_was_measured() {
        let need = Need { turn: 0.25, ..Shares::embedded().unwrap().need() };
        let wire = Wire {
            payload_bytes: 1200,
            typical: "video".into(),
            direct: 1.03,
            channel: 1.04,
            indication: 1.06,
        };
        let relay = RelayCost {
            name: "natscope".into(),
            channel_cpu: Cpu::of(125_000_000, Duration::from_secs(2)),
            memory: Some(Memory {
                idle_kib: 1000,
                allocations: 100,
                with_kib: 1400,
                per_allocation_kib: 4.0,
            }),
            ..RelayCost::default()
        };
        let plan = Plan::new(1000, 2.0, &need, &[wire], &[relay]);
        assert!((plan.relayed_calls - 250.0).abs() < 1e-9);
        let of = &plan.relays[0];
        // 250 calls of 2 Mbit/s, out once plain and once framed
        assert!((of.out_mbit_s.unwrap() - 250.0 * 2.0 * 2.07).abs() < 1e-9);
        assert!((of.out_gb_per_hour.unwrap() - 1035.0 * 0.45).abs() < 1e-9);
        // 1 Gbit/s of payload by 2 s of processor for each
        assert!((of.processors.unwrap() - 2.0).abs() < 1e-9);
        assert!((of.memory_mib.unwrap() - 250.0 * 4.0 / 1024.0).abs() < 1e-9);
        assert_eq!(of.stun_cpu_seconds, None);
    }

    #[test]
    fn what_was_not_measured_is_null_and_the_document_is_not_complete() {
        let mut cost = Cost::new("eim-apdf", 2, Shares::embedded().unwrap().need());
        cost.relays.push(RelayCost { name: "natscope".into(), ..RelayCost::default() });
        cost.conclude(1000, 1.0, 0.5);
        assert!(!cost.complete);
        let json = serde_json::to_value(&cost).unwrap();
        assert!(json["direct"]["rtt"].is_null() && json["relays"][0]["added_p99_ms"].is_null());
        let back: Cost = serde_json::from_value(json).unwrap();
        assert_eq!(back, cost);
    }
}
