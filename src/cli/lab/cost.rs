//! `natscope lab cost`.

use super::table::table;
use super::{Files, Format, code, find, inside, json, print, stop_signal};
use crate::cli::exit::{Failure, Outcome};
use crate::lab::cost::{Cost, Load, Need, RelayCost, Rtt, Shares, Way};
use crate::lab::kernel::cost;
use crate::nat::NatSpec;
use crate::nat::pair::Verdict;
use clap::Args;
use indicatif::ProgressBar;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

const ABOUT: &str = "\
Two peers behind NATs in a lab on this machine, connected directly and through relays in
one run: `natscope serve --turn`, and coturn when its `turnserver` is installed. It takes
about 15 seconds. Ctrl-C ends it with what was measured so far (exit code 3).

The round trips are what a relay adds by itself; on the internet the detour to it comes
on top. Loads and processor time are those of this machine's processors, which the peers
and their NATs share; a relay's processor time includes the kernel's for its packets.

How often a relay is needed is predicted for each pair of NATs and weighted by a table of
shares, lab/shares.toml; give your own with --shares.";

/// Arguments of `natscope lab cost`.
#[derive(Debug, Args)]
#[command(after_help = ABOUT)]
pub struct CostArgs {
    /// The NAT that each of the two peers sits behind; it must let them connect directly
    #[arg(long, value_name = "NAT", default_value = "eim-apdf")]
    nat: String,
    /// Which NATs users sit behind: a TOML file such as lab/shares.toml
    #[arg(long, value_name = "FILE")]
    shares: Option<PathBuf>,
    /// Calls at once to plan for
    #[arg(long, value_name = "N", default_value_t = 1000)]
    calls: u32,
    /// Payload in each direction of a call, in Mbit/s
    #[arg(long, value_name = "MBIT", default_value_t = 1.0, value_parser = rate)]
    rate: f64,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also write it to a file, by extension: .json, .md or .txt (repeatable)
    #[arg(long, value_name = "FILE")]
    output: Vec<PathBuf>,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.001..=100_000.0).contains(rate));
    rate.ok_or_else(|| "write Mbit/s, from 0.001 to 100000".to_owned())
}

pub(super) fn run(args: &CostArgs) -> Result<ExitCode, Failure> {
    let spec = find(&args.nat)?;
    let shares = match &args.shares {
        Some(path) => Shares::load(path),
        None => Shares::embedded(),
    };
    let need = shares.map_err(|e| Failure::run(e.to_string()))?.need();
    inside(|| perform(args, spec, need))
}

async fn perform(args: &CostArgs, spec: NatSpec, need: Need) -> Result<ExitCode, Failure> {
    let stop = stop_signal()?;
    let files = Files::create(&args.output)?;
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(100));
    let shown = bar.clone();
    let progress = Arc::new(move |doing: &str| shown.set_message(doing.to_owned()));
    let cost = cost::measure(&spec, need, (args.calls, args.rate), stop, progress).await;
    bar.finish_and_clear();
    let cost = cost?;
    print(&render(&cost, args.format)?)?;
    files.write(|format| render(&cost, format))?;
    Ok(code(if cost.complete { Outcome::Done } else { Outcome::CouldNotTell }))
}

fn render(cost: &Cost, format: Format) -> Result<String, Failure> {
    if format == Format::Json {
        return json(cost);
    }
    let gap = if format == Format::Markdown { "" } else { "\n" };
    let mut text = if format == Format::Markdown {
        "## What STUN costs, and what a relay costs\n\n".to_owned()
    } else {
        String::new()
    };
    text += &summary(format, cost);
    let _ = write!(text, "{gap}{}", loads(format, cost));
    let _ = write!(text, "{gap}{}", wire(format, cost));
    let _ = write!(text, "{gap}{}", need(format, cost));
    for relay in &cost.relays {
        if let Some(failure) = &relay.failure {
            let _ = writeln!(text, "{gap}{} was not measured: {failure}", relay.name);
        }
    }
    let _ = writeln!(
        text,
        "{gap}Measured in {:.1} s between two peers behind {}, with {} processors for all of it{}",
        cost.seconds,
        cost.nat,
        cost.cpus,
        if cost.complete { "." } else { "; stopped before everything was measured." }
    );
    Ok(text)
}

/// A figure, or that there is none.
fn or_none<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "not measured".to_owned(), show)
}

/// The table that an operator plans with.
fn summary(format: Format, cost: &Cost) -> String {
    let need = &cost.need;
    let mut head = vec!["".to_owned(), "STUN server, direct".to_owned()];
    let mut rows: Vec<Vec<String>> = vec![
        row("purpose", "tells each peer its address; then the peers talk directly"),
        row("needed", "for every call: two requests"),
        row("round trip", &or_none(cost.direct.rtt.as_ref(), milliseconds)),
        row("throughput", &or_none(cost.direct.load.as_ref(), throughput)),
        row("wire bytes per byte", &or_none(cost.wire.last(), |w| format!("{:.3}", w.direct))),
        row("processor", ""),
        row("memory", "none for a client"),
        row(&format!("{} calls", cost.plan.calls), ""),
    ];
    for (index, relay) in cost.relays.iter().enumerate() {
        head.push(format!("TURN server, {}", relay.name));
        let stun = or_none(relay.stun.as_ref(), |stun| {
            format!("{}: {:.1} µs a request", relay.name, stun.cpu_us)
        });
        join(&mut rows[5][1], &stun);
        let cells = [
            "carries every packet of a call".to_owned(),
            format!("by {:.0} % of pairs", need.turn * 100.0),
            or_none(relay.added_median_ms.zip(relay.added_p99_ms), |(median, p99)| {
                format!("{median:+.3} ms, p99 {p99:+.3} ms")
            }),
            or_none(relay.channel.load.as_ref(), throughput),
            or_none(cost.wire.last(), |w| {
                format!("{:.3}, by indications {:.3}", w.channel, w.indication)
            }),
            processor(relay),
            or_none(relay.memory.as_ref(), |m| {
                format!("{:.1} KiB an allocation, {:.0} MiB idle", m.per_allocation_kib, m.idle_kib as f64 / 1024.0)
            }),
            plan(cost, index),
        ];
        for (row, cell) in rows.iter_mut().zip(cells) {
            row.push(cell);
        }
    }
    if let Some(plan) = cost.plan.relays.first() {
        rows[7][1] = or_none(plan.stun_cpu_seconds, |s| format!("{s:.3} s of processor, once"));
    }
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    table(format, &head, &rows)
}

fn row(name: &str, first: &str) -> Vec<String> {
    vec![name.to_owned(), first.to_owned()]
}

fn join(text: &mut String, more: &str) {
    if !text.is_empty() {
        text.push_str(", ");
    }
    text.push_str(more);
}

fn milliseconds(rtt: &Rtt) -> String {
    format!("{:.3} ms, p99 {:.3} ms", rtt.median_ms, rtt.p99_ms)
}

fn throughput(load: &Load) -> String {
    or_none(load.knee, |knee| {
        format!("{:.0} Mbit/s, {:.2} % lost", knee.delivered_mbit_s, knee.loss * 100.0)
    })
}

fn processor(relay: &RelayCost) -> String {
    let of = |cpu: &Option<crate::lab::cost::Cpu>| {
        or_none(cpu.as_ref(), |cpu| format!("{:.2}", cpu.per_gbit))
    };
    let (channel, indication) = (of(&relay.channel_cpu), of(&relay.indication_cpu));
    format!("{channel} s for a Gbit, by indications {indication}")
}

fn plan(cost: &Cost, index: usize) -> String {
    let Some(plan) = cost.plan.relays.get(index) else { return String::new() };
    [
        format!("{:.0} on the relay", cost.plan.relayed_calls),
        or_none(plan.out_mbit_s, |out| format!("{out:.0} Mbit/s in and out")),
        or_none(plan.out_gb_per_hour, |gb| format!("{gb:.0} GB out an hour")),
        or_none(plan.processors, |n| format!("{n:.1} processors")),
        or_none(plan.memory_mib, |mib| format!("{mib:.0} MiB")),
    ]
    .join(", ")
}

/// Each way by itself.
fn loads(format: Format, cost: &Cost) -> String {
    let mut rows = vec![way("direct", &cost.direct)];
    for relay in &cost.relays {
        rows.push(way(&format!("{}, channel", relay.name), &relay.channel));
        rows.push(way(&format!("{}, indications", relay.name), &relay.indication));
    }
    table(format, &["way", "round trip", "p99", "at the knee", "lost", "beyond it"], &rows)
}

fn way(name: &str, way: &Way) -> Vec<String> {
    let ms = |ms: f64| format!("{ms:.3} ms");
    let knee = way.load.as_ref().and_then(|load| load.knee);
    let beyond = way.load.as_ref().map(|load| match load.beyond {
        Some(step) => {
            format!("{:.0} % of {:.0} Mbit/s lost", step.loss * 100.0, step.offered_mbit_s)
        }
        None => "the sender can no more".to_owned(),
    });
    vec![
        name.to_owned(),
        or_none(way.rtt.as_ref(), |rtt| ms(rtt.median_ms)),
        or_none(way.rtt.as_ref(), |rtt| ms(rtt.p99_ms)),
        or_none(knee, |knee| format!("{:.0} Mbit/s", knee.delivered_mbit_s)),
        or_none(knee, |knee| format!("{:.2} %", knee.loss * 100.0)),
        or_none(beyond, |beyond| beyond),
    ]
}

fn wire(format: Format, cost: &Cost) -> String {
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
    table(format, &head, &rows)
}

/// How many pairs of the table are shown.
const PAIRS: usize = 6;

fn need(format: Format, cost: &Cost) -> String {
    let need = &cost.need;
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let mut rows: Vec<Vec<String>> = need
        .pairs
        .iter()
        .take(PAIRS)
        .map(|pair| {
            let needs = match pair.verdict {
                Verdict::Stun => "STUN",
                Verdict::OrderDependent => "a given side to send first",
                Verdict::Turn => "TURN",
                Verdict::None => "what there is not",
            };
            vec![format!("{} and {}", pair.a, pair.b), percent(pair.share), needs.to_owned()]
        })
        .collect();
    let rest: f64 = need.pairs.iter().skip(PAIRS).map(|pair| pair.share).sum();
    if need.pairs.len() > PAIRS {
        let more = need.pairs.len() - PAIRS;
        rows.push(vec![format!("{more} more pairs"), percent(rest), String::new()]);
    }
    let mut text = table(format, &["peers behind", "of all pairs", "need"], &rows);
    let gap = if format == Format::Markdown { "" } else { "\n" };
    let _ = writeln!(
        text,
        "{gap}{} of pairs connect with STUN, {} only when a given side sends first, {} need TURN ({} over TCP or TLS).",
        percent(need.stun),
        percent(need.order_dependent),
        percent(need.turn),
        percent(need.turn_over_tcp)
    );
    if !need.source.is_empty() {
        let _ = writeln!(text, "{}The shares of NATs: {}.", paragraph(format), need.source);
    }
    let _ = writeln!(text, "{}From the field: {}.", paragraph(format), cost.field.join("; "));
    text
}

const fn paragraph(format: Format) -> &'static str {
    match format {
        Format::Markdown => "\n",
        _ => "",
    }
}
