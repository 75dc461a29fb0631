//! What STUN costs, and what a relay costs.

use super::table::{Alike, Markup};
use crate::lab::cost::{Cost, Cpu, Range, RelayCost, RelayPlan, Source, Way};
use crate::nat::pair::{End, Verdict};
use std::fmt::Write as _;

impl Alike for Cost {
    fn shown(&self, markup: Markup) -> String {
        let gap = markup.gap();
        let mut text = match markup {
            Markup::Markdown => "## What STUN costs, and what a relay costs\n\n".to_owned(),
            Markup::Terminal => String::new(),
        };
        text += &summary(markup, self);
        let _ = write!(text, "{gap}{}", loads(markup, self));
        let _ = write!(text, "{gap}{}", wire(markup, self));
        let _ = write!(text, "{gap}{}", need(markup, self));
        for relay in &self.relays {
            if let Some(failure) = &relay.failure {
                let said = format!("{} was not measured to the end: {failure}", relay.name);
                text += &markup.paragraph(&said);
            }
        }
        text += &markup.paragraph(&format!(
            "Measured in {:.1} s between two peers behind {}, with {} processors for all of it{}",
            self.seconds,
            self.nat,
            self.cpus,
            if self.complete { "." } else { "; stopped before everything was measured." }
        ));
        if let Some(versions) = versions(self) {
            text += &markup.paragraph(&versions);
        }
        if let Some(others) = self.others.filter(|&others| others > BUSY) {
            let said = format!(
                "Other programs took {} of the processors meanwhile, which makes loads and 99th percentiles worse: measure again when the machine is idle.",
                percent(others, 0)
            );
            text += &markup.paragraph(&said);
        }
        text.trim_end().to_owned() + "\n"
    }
}

/// What was measured, and with what.
fn versions(cost: &Cost) -> Option<String> {
    let own = cost.system.as_ref()?;
    let foreign = cost.relays.iter().filter(|relay| relay.name != "natscope");
    let named = foreign.map(|relay| {
        let version = relay.version.as_deref().unwrap_or("of unknown version");
        format!(", {} {version}", relay.name)
    });
    Some(format!("Measured with {own}{}.", named.collect::<String>()))
}

/// A figure, or that there is none.
fn or_none<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "not measured".to_owned(), show)
}

/// The table that an operator plans with: a row for each figure, STUN and the direct way first.
fn summary(markup: Markup, cost: &Cost) -> String {
    let mut head = vec![String::new(), "STUN, direct".to_owned()];
    let mut rows = direct(cost);
    for (index, relay) in cost.relays.iter().enumerate() {
        head.push(format!("TURN, {}", relay.name));
        for (row, cell) in rows.iter_mut().zip(relayed(cost, index, relay)) {
            row.push(cell);
        }
    }
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    markup.table(&head, &rows)
}

fn direct(cost: &Cost) -> Vec<Vec<String>> {
    let none = String::new;
    let knee = cost.direct.load.as_ref().and_then(|load| load.knee);
    let calls = cost.plan.calls;
    let once = cost.plan.relays.first().and_then(|plan| plan.stun_cpu_seconds);
    [
        ("purpose", "tells an address".to_owned()),
        ("is needed", "twice by a call".to_owned()),
        ("round trip", or_none(cost.direct.rtt.as_ref(), |r| ms(r.median_ms))),
        ("99th percentile", or_none(cost.direct.rtt.as_ref(), |r| ms(r.p99_ms))),
        ("throughput", or_none(knee, |knee| megabits(knee.delivered_mbit_s))),
        ("loss there", or_none(knee, |knee| percent(knee.loss, 2))),
        ("wire per byte", or_none(cost.wire.last(), |w| format!("{:.3}", w.direct))),
        ("by indications", none()),
        ("CPU, STUN request", none()),
        ("CPU for a Gbit", none()),
        ("by indications", none()),
        ("memory for one", "none".to_owned()),
        ("memory, idle", none()),
    ]
    .map(|(name, cell)| (name.to_owned(), cell))
    .into_iter()
    .chain([
        (format!("{calls} calls"), "set up".to_owned()),
        ("traffic in, out".to_owned(), none()),
        ("out in an hour".to_owned(), none()),
        ("CPU".to_owned(), or_none(once, |s| format!("{s:.3} s, once"))),
        ("memory".to_owned(), none()),
    ])
    .map(|(name, cell)| vec![name, cell])
    .collect()
}

fn relayed(cost: &Cost, index: usize, relay: &RelayCost) -> Vec<String> {
    let knee = relay.channel.load.as_ref().and_then(|load| load.knee);
    let cpu = |cpu: &Option<Cpu>| or_none(cpu.as_ref(), |cpu| format!("{:.2} s", cpu.per_gbit));
    let wire = cost.wire.last();
    let none = RelayPlan::default();
    let plan = cost.plan.relays.get(index).unwrap_or(&none);
    vec![
        "carries every packet".to_owned(),
        format!("by {} of pairs", between(cost.need.ranges.turn, 0)),
        or_none(relay.added_median_ms, |ms| format!("{ms:+.3} ms")),
        or_none(relay.added_p99_ms, |ms| format!("{ms:+.3} ms")),
        or_none(knee, |knee| megabits(knee.delivered_mbit_s)),
        or_none(knee, |knee| percent(knee.loss, 2)),
        or_none(wire, |w| format!("{:.3}", w.channel)),
        or_none(wire, |w| format!("{:.3}", w.indication)),
        or_none(relay.stun.as_ref(), |stun| format!("{:.1} µs", stun.cpu_us)),
        cpu(&relay.channel_cpu),
        cpu(&relay.indication_cpu),
        or_none(relay.memory.as_ref(), |m| format!("{:.1} KiB", m.per_allocation_kib)),
        or_none(relay.memory.as_ref(), |m| format!("{:.1} MiB", m.idle_kib as f64 / 1024.0)),
        format!("{} relayed", count(cost.plan.relayed_range)),
        or_none(plan.out_mbit_s, megabits),
        or_none(plan.out_gb_per_hour, |gb| format!("{gb:.0} GB")),
        or_none(plan.processors, |n| format!("{n:.2} processors")),
        or_none(plan.memory_mib, |mib| format!("{mib:.1} MiB")),
    ]
}

fn ms(ms: f64) -> String {
    format!("{ms:.3} ms")
}

fn megabits(mbit_s: f64) -> String {
    format!("{mbit_s:.0} Mbit/s")
}

fn percent(share: f64, digits: usize) -> String {
    format!("{:.digits$} %", share * 100.0)
}

/// A range of shares; one figure where both ends look alike.
fn between(Range { low, high }: Range, digits: usize) -> String {
    let (least, most) = (format!("{:.digits$}", low * 100.0), format!("{:.digits$}", high * 100.0));
    if least == most { format!("{least} %") } else { format!("{least}-{most} %") }
}

fn count(Range { low, high }: Range) -> String {
    let (least, most) = (format!("{low:.0}"), format!("{high:.0}"));
    if least == most { least } else { format!("{least}-{most}") }
}

/// Each way by itself.
fn loads(markup: Markup, cost: &Cost) -> String {
    let mut rows = vec![way("direct", &cost.direct)];
    for relay in &cost.relays {
        rows.push(way(&format!("{}, channel", relay.name), &relay.channel));
        rows.push(way(&format!("{}, indications", relay.name), &relay.indication));
    }
    markup.table(&["way", "round trip", "p99", "knee", "lost", "lost beyond"], &rows)
}

fn way(name: &str, way: &Way) -> Vec<String> {
    let knee = way.load.as_ref().and_then(|load| load.knee);
    let beyond = way.load.as_ref().map(|load| match load.beyond {
        Some(step) => {
            format!("{} of {}", percent(step.loss, 0), megabits(step.offered_mbit_s))
        }
        None => "sender's end".to_owned(),
    });
    vec![
        name.to_owned(),
        or_none(way.rtt.as_ref(), |rtt| ms(rtt.median_ms)),
        or_none(way.rtt.as_ref(), |rtt| ms(rtt.p99_ms)),
        or_none(knee, |knee| megabits(knee.delivered_mbit_s)),
        or_none(knee, |knee| percent(knee.loss, 2)),
        or_none(beyond, |beyond| beyond),
    ]
}

fn wire(markup: Markup, cost: &Cost) -> String {
    let rows: Vec<Vec<String>> = cost
        .wire
        .iter()
        .map(|wire| {
            vec![
                format!("{} bytes ({})", wire.payload_bytes, wire.typical),
                format!("{:.3}", wire.direct),
                format!("{:.3}", wire.channel),
                format!("{:.3}", wire.indication),
            ]
        })
        .collect();
    let head = ["wire bytes per payload byte", "direct", "ChannelData", "Send indications"];
    markup.table(&head, &rows)
}

/// Other programs may take so much before it is said.
const BUSY: f64 = 0.1;

/// How many pairs of the table are shown.
const PAIRS: usize = 6;

fn need(markup: Markup, cost: &Cost) -> String {
    let need = &cost.need;
    let percent = |share: f64| percent(share, 1);
    let mut rows: Vec<Vec<String>> = need
        .pairs
        .iter()
        .take(PAIRS)
        .map(|pair| {
            let needs = match pair.verdict {
                Verdict::Stun => "STUN",
                Verdict::OrderDependent => match pair.first {
                    Some(End::A) => "the left one to send first",
                    Some(End::B) => "the right one to send first",
                    None => "a given side to send first",
                },
                Verdict::Turn => "TURN",
                Verdict::None => "what there is not",
            };
            vec![format!("{} × {}", pair.a, pair.b), percent(pair.share), needs.to_owned()]
        })
        .collect();
    let rest: f64 = need.pairs.iter().skip(PAIRS).map(|pair| pair.share).sum();
    if need.pairs.len() > PAIRS {
        let more = need.pairs.len() - PAIRS;
        rows.push(vec![format!("{more} more pairs"), percent(rest), String::new()]);
    }
    let mut text = markup.table(&["peers behind", "of all pairs", "need"], &rows);
    let mut say = |said: String| text.push_str(&markup.paragraph(&said));
    let ranges = &need.ranges;
    say(format!(
        "{} of pairs connect with STUN, {} only when a given side sends first, {} need TURN: {} for their NATs, {} because UDP is blocked (over TCP or TLS).",
        between(ranges.stun, 1),
        between(ranges.order_dependent, 1),
        between(ranges.turn, 1),
        between(ranges.turn_by_nat, 1),
        between(ranges.turn_over_tcp, 1)
    ));
    if ranges.turn.high - ranges.turn.low > 0.0005 {
        say(format!(
            "Rows of pairs and the figures of the calls are by the middle of the ranges, {} with TURN.",
            percent(need.turn)
        ));
    }
    for population in &need.populations {
        say(source(population, need.populations.len() > 1));
    }
    say(format!("From the field: {}.", cost.field.join("; ")));
    text
}

/// Where the shares of a population come from; with its name, where there are two.
fn source(population: &Source, named: bool) -> String {
    let name = if named { format!(", {}", population.name) } else { String::new() };
    let mut said = format!("The shares of NATs{name}");
    let unsourced = if population.source.is_empty() { "no source is named" } else { "" };
    let _ = write!(said, ": {}{unsourced}.", population.source);
    if !population.counted.is_empty() {
        let _ = write!(said, " Counted: {}.", population.counted);
    }
    if !population.assumed.is_empty() {
        let _ = write!(said, " Assumed: {}.", population.assumed.join("; "));
    }
    said
}
