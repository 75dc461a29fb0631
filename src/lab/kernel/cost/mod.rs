//! `natscope lab cost`: two peers in a lab, direct and through relays, in one run.
//!
//! Everything stands on one machine: the round trips are what a relay adds by itself, without the
//! detour to it; the loads are what these processors carry. A relay's processor time includes what
//! the kernel does in its name, and so the way of its packets over the lab's links and the NAT.

mod load;
mod machine;
mod peers;
mod process;

use super::namespace::Namespace;
use super::{Lab, LabError, experiment};
use crate::lab::cost::{Cost, Cpu, Load, Memory, Need, RelayCost, Rtt, StunCost, Wire};
use crate::nat::NatSpec;
use crate::net::Stop;
use load::{VIDEO, VOICE};
use machine::Ticks;
use peers::{Allocations, Far, LOAD, Way, Wrap};
use process::{Kind, Relay};
use std::net::UdpSocket;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Allocations for the memory of one.
const ALLOCATIONS: usize = 200;
/// Rounds of round trips, over each way in turn.
const ROUNDS: u64 = 5;
/// Round trips in a round.
const TRIPS: u64 = 100;
/// Binding requests for the cost of one.
const BINDINGS: u64 = 20_000;
/// How long a load is offered for the processor time.
const CPU_TIME: Duration = Duration::from_millis(400);
/// Packets whose bytes are counted on the wire.
const COUNTED: u64 = 200;
/// Payloads that are sent.
const LENGTHS: [usize; 2] = [VOICE, VIDEO];
/// Ethernet, IPv4 and UDP headers.
const HEADERS: usize = 14 + 20 + 8;

/// Measures until done or stopped; a document that was stopped early says so. `progress` is told
/// what is being measured.
///
/// # Errors
/// The lab or our relay cannot be had.
pub async fn measure(
    spec: &NatSpec,
    need: Need,
    (calls, mbit_s): (u32, f64),
    stop: Stop,
    progress: Arc<dyn Fn(&str) + Send + Sync>,
) -> Result<Cost, LabError> {
    let began = Instant::now();
    progress("building the lab");
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cost = Cost { system: Some(super::nft::system()), ..Cost::new(&spec.name, cpus, need) };
    let document = Arc::new(Mutex::new(cost));
    let lab = experiment::build(&[spec.clone(), spec.clone()], 0).await?;
    let relays = start(&lab, &document).await?;
    let bench = Bench::open(&lab, relays).await?;
    let processes: Vec<u32> = bench.relays.iter().map(Relay::pid).collect();
    let before = Ticks::now(&processes);
    let (told, filled) = (stop.clone(), Arc::clone(&document));
    let work = tokio::task::spawn_blocking(move || run(bench, &filled, &told, progress.as_ref()));
    let ended = work.await;
    let bench = ended.map_err(|e| LabError::Experiment(format!("measuring: {e}")))??;
    if !stop.is_cancelled() {
        let wire = wires(&lab, &bench).await?;
        lock(&document).wire = wire;
    }
    let after = Ticks::now(&processes);
    drop(bench);
    let mut cost = lock(&document).clone();
    cost.others = after.zip(before).and_then(|(after, before)| after.others_since(before));
    cost.conclude(calls, mbit_s, began.elapsed().as_secs_f64());
    Ok(cost)
}

fn lock(document: &Mutex<Cost>) -> std::sync::MutexGuard<'_, Cost> {
    document.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ours, and coturn when it is installed.
async fn start(lab: &Lab, document: &Mutex<Cost>) -> Result<Vec<Relay>, LabError> {
    let (ours, coturn) = tokio::join!(
        Relay::start(Kind::Natscope, &lab.internet),
        Relay::start(Kind::Coturn, &lab.internet)
    );
    let missing = || LabError::Experiment("this program cannot be started again".into());
    let mut relays = vec![ours?.ok_or_else(missing)?];
    let mut costs = vec![RelayCost {
        name: Kind::Natscope.name().to_owned(),
        version: relays[0].version.clone(),
        ..RelayCost::default()
    }];
    let name = Kind::Coturn.name().to_owned();
    match coturn {
        Ok(Some(relay)) => {
            let version = relay.version.clone();
            costs.push(RelayCost { name, version, ..RelayCost::default() });
            relays.push(relay);
        }
        Ok(None) => {}
        Err(e) => {
            let failure = Some(e.to_string());
            costs.push(RelayCost { name, failure, ..RelayCost::default() });
        }
    }
    lock(document).relays = costs;
    Ok(relays)
}

/// The sockets and relays.
#[derive(Debug)]
struct Bench {
    relays: Vec<Relay>,
    /// The near peer's: one for each way, and one for STUN.
    near: Vec<UdpSocket>,
    /// The near peer's, for the memory of allocations.
    many: Vec<UdpSocket>,
    far: Option<UdpSocket>,
    /// The far peer, once it has begun: it must live as long as somebody sends there.
    begun: Option<Far>,
    /// The ways, once they stand: the direct one, then each relay's by indications and by channel.
    ways: Vec<Way>,
}

impl Bench {
    async fn open(lab: &Lab, relays: Vec<Relay>) -> Result<Self, LabError> {
        let hosts: Vec<&Namespace> =
            lab.sites.iter().filter_map(|site| site.clients.first()).collect();
        let [near, far] = hosts[..] else {
            return Err(LabError::Experiment("the lab has no two hosts".into()));
        };
        let ways = 1 + 3 * relays.len();
        let many = ALLOCATIONS * relays.len();
        Ok(Self {
            relays,
            near: sockets(near, ways).await?,
            many: sockets(near, many).await?,
            far: sockets(far, 1).await?.pop(),
            begun: None,
            ways: Vec::new(),
        })
    }

    fn socket(&mut self) -> Result<UdpSocket, LabError> {
        self.near.pop().ok_or_else(|| LabError::Experiment("no socket is left".into()))
    }
}

async fn sockets(host: &Namespace, count: usize) -> Result<Vec<UdpSocket>, LabError> {
    let opened = host.run(move || async move {
        (0..count).map(|_| peers::open()).collect::<Result<Vec<_>, _>>()
    });
    opened.await?.map_err(failed)
}

#[allow(clippy::needless_pass_by_value)] // for map_err
fn failed(e: std::io::Error) -> LabError {
    LabError::Experiment(format!("a peer: {e}"))
}

/// All but the wire, by blocking calls.
fn run(
    mut bench: Bench,
    document: &Mutex<Cost>,
    stop: &Stop,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> Result<Bench, LabError> {
    let stun = Kind::Natscope.address();
    let far = bench.far.take().ok_or_else(|| LabError::Experiment("no far peer".into()))?;
    let far = Far::start(far, stun).map_err(failed)?;
    progress("memory and STUN");
    for index in 0..bench.relays.len() {
        if stop.is_cancelled() {
            return Ok(bench);
        }
        let rest = bench.many.len().saturating_sub(ALLOCATIONS);
        let sockets = bench.many.split_off(rest);
        let socket = bench.socket()?;
        let relay = &bench.relays[index];
        let memory = memory(relay, sockets);
        let asked = requests(relay, &socket);
        let mut document = lock(document);
        let cost = &mut document.relays[index];
        match memory {
            Ok(memory) => cost.memory = memory,
            Err(failure) => cost.failure = Some(format!("allocations: {failure}")),
        }
        match asked {
            Ok(asked) => cost.stun = asked,
            Err(e) => cost.failure = Some(format!("STUN requests: {e}")),
        }
    }
    progress("connecting, direct and relayed");
    let socket = bench.socket()?;
    let mut ways = vec![(0, Way::direct(socket, stun, &far, &LENGTHS).map_err(failed)?)];
    for index in 0..bench.relays.len() {
        for wrap in [Wrap::Indication, Wrap::Channel] {
            let socket = bench.socket()?;
            match Way::relayed(socket, bench.relays[index].kind, wrap, &far, &LENGTHS) {
                Ok(way) => ways.push((index, way)),
                Err(failure) => {
                    lock(document).relays[index].failure = Some(format!("{wrap:?}: {failure}"));
                }
            }
        }
    }
    trips(&ways, document, stop, progress)?;
    loads(&bench.relays, &ways, &far, document, stop, progress)?;
    bench.ways = ways.into_iter().map(|(_, way)| way).collect();
    bench.begun = Some(far);
    Ok(bench)
}

/// Resident memory with and without allocations.
fn memory(relay: &Relay, sockets: Vec<UdpSocket>) -> Result<Option<Memory>, crate::turn::Failure> {
    let why = |e: std::io::Error| crate::turn::Failure::Connection { why: e.to_string() };
    let (Some(idle_kib), allocations) = (relay.resident_kib(), sockets.len()) else {
        return Ok(None);
    };
    let mut all = Allocations::new(sockets, relay.kind).map_err(why)?;
    all.wait(Duration::from_secs(5))?;
    let with_kib = relay.resident_kib();
    all.close();
    Ok(with_kib.map(|with_kib| Memory {
        idle_kib,
        allocations,
        with_kib,
        per_allocation_kib: with_kib.saturating_sub(idle_kib) as f64 / allocations as f64,
    }))
}

/// Processor time of a Binding request.
fn requests(relay: &Relay, socket: &UdpSocket) -> std::io::Result<Option<StunCost>> {
    socket.connect(relay.kind.address())?;
    let before = relay.cpu();
    let (requests, bytes) = load::bindings(socket, BINDINGS)?;
    let used = relay.cpu().zip(before).map(|(after, before)| after.saturating_sub(before));
    Ok(used.filter(|_| requests > 0).map(|used| StunCost {
        requests,
        cpu_us: used.as_secs_f64() * 1e6 / requests as f64,
        wire_bytes: bytes + 2 * HEADERS,
    }))
}

/// Round trips over each way in turn, so that what disturbs one disturbs all.
fn trips(
    ways: &[(usize, Way)],
    document: &Mutex<Cost>,
    stop: &Stop,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> Result<(), LabError> {
    progress("round trips");
    let mut all: Vec<(Vec<Duration>, usize)> = vec![Default::default(); ways.len()];
    for round in 0..ROUNDS {
        for ((index, way), (times, lost)) in ways.iter().zip(&mut all) {
            if stop.is_cancelled() {
                return Ok(());
            }
            match load::round_trips(way, TRIPS, round * TRIPS) {
                Ok((more, less)) => {
                    times.extend(more);
                    *lost += less;
                }
                Err(e) => fell(document, *index, way.wrap, "round trips", &e)?,
            }
        }
    }
    let mut document = lock(document);
    for ((relay, way), (times, lost)) in ways.iter().zip(all) {
        place(&mut document, *relay, way.wrap).rtt = Rtt::of(times, lost);
    }
    Ok(())
}

/// A way that fails: the direct one is the end of it, a relay's is the relay's fault.
fn fell(
    document: &Mutex<Cost>,
    relay: usize,
    wrap: Wrap,
    during: &str,
    e: &std::io::Error,
) -> Result<(), LabError> {
    if wrap == Wrap::Plain {
        return Err(LabError::Experiment(format!("{during} over the direct way: {e}")));
    }
    lock(document).relays[relay].failure = Some(format!("{wrap:?}, {during}: {e}"));
    Ok(())
}

/// Where a way's figures belong.
fn place(document: &mut Cost, relay: usize, wrap: Wrap) -> &mut crate::lab::cost::Way {
    match wrap {
        Wrap::Plain => &mut document.direct,
        Wrap::Channel => &mut document.relays[relay].channel,
        Wrap::Indication => &mut document.relays[relay].indication,
    }
}

/// The knee of each way, and a relay's processor time at half of it.
fn loads(
    relays: &[Relay],
    ways: &[(usize, Way)],
    far: &Far,
    document: &Mutex<Cost>,
    stop: &Stop,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> Result<(), LabError> {
    for (index, way) in ways {
        let relay = (way.wrap != Wrap::Plain).then(|| &relays[*index]);
        progress(&format!("load: {}", relay.map_or("direct", |relay| relay.kind.name())));
        let measured = load::climb(way, far, stop).and_then(|load| {
            let Some(load) = load else { return Ok(None) };
            let cpu = relay.map_or(Ok(None), |relay| cpu(relay, way, far, &load))?;
            Ok(Some((load, cpu)))
        });
        let (load, cpu) = match measured {
            Ok(Some(measured)) => measured,
            Ok(None) => return Ok(()),
            Err(e) => {
                fell(document, *index, way.wrap, "load", &e)?;
                continue;
            }
        };
        let mut document = lock(document);
        place(&mut document, *index, way.wrap).load = Some(load);
        match way.wrap {
            Wrap::Plain => {}
            Wrap::Channel => document.relays[*index].channel_cpu = cpu,
            Wrap::Indication => document.relays[*index].indication_cpu = cpu,
        }
    }
    Ok(())
}

fn cpu(relay: &Relay, way: &Way, far: &Far, load: &Load) -> std::io::Result<Option<Cpu>> {
    let Some(knee) = load.knee else { return Ok(None) };
    let frame = way.frame(LOAD, VIDEO)?;
    let before = relay.cpu();
    let offered = load::offer(&way.socket, &frame, far, knee.delivered_mbit_s / 2.0, CPU_TIME)?;
    let used = relay.cpu().zip(before).map(|(after, before)| after.saturating_sub(before));
    Ok(used.and_then(|used| Cpu::of(offered.delivered, used)))
}

/// Bytes on the near peer's link, counted by its interface.
async fn wires(lab: &Lab, bench: &Bench) -> Result<Vec<Wire>, LabError> {
    let near = lab.first_client()?;
    let way = |wrap| bench.ways.iter().find(|way| way.wrap == wrap);
    let (Some(direct), Some(channel), Some(indication)) =
        (way(Wrap::Plain), way(Wrap::Channel), way(Wrap::Indication))
    else {
        return Ok(Vec::new());
    };
    let mut wires = Vec::new();
    for (payload, typical) in [(VOICE, "voice"), (VIDEO, "video")] {
        wires.push(Wire {
            payload_bytes: payload,
            typical: typical.to_owned(),
            direct: wire(near, direct, payload).await?,
            channel: wire(near, channel, payload).await?,
            indication: wire(near, indication, payload).await?,
        });
    }
    Ok(wires)
}

async fn wire(near: &Namespace, way: &Way, payload: usize) -> Result<f64, LabError> {
    let frame = way.frame(LOAD, payload).map_err(failed)?;
    let before = sent_bytes(near).await?;
    for _ in 0..COUNTED {
        way.socket.send(&frame.bytes).map_err(failed)?;
    }
    let sent = sent_bytes(near).await?.saturating_sub(before);
    Ok(sent as f64 / (COUNTED as f64 * payload as f64))
}

/// What has left by the host's link, in bytes.
async fn sent_bytes(host: &Namespace) -> Result<u64, LabError> {
    let text = host.run(|| async { std::fs::read_to_string("/proc/thread-self/net/dev") });
    let text = text.await?.map_err(failed)?;
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix("eth0:"));
    let field = line.and_then(|line| line.split_whitespace().nth(8)?.parse().ok());
    field.ok_or_else(|| LabError::Experiment("eth0 has no counters".into()))
}
