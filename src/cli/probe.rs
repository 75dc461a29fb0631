//! `natscope probe`.

use super::exit::{Failure, Outcome, tell};
use super::expect::turn::{self as expect, Expectation};
use super::output::{self, Files, Format, Target};
use super::progress::Progress;
use super::turn::{self, Credentials, TurnArgs};
use super::{config, exit, runtime, stop};
use crate::ground::finding::{Finding, Id, Severity};
use crate::net::Stop;
use crate::net::bind::{Bind, BindTo};
use crate::net::probe::Options;
use crate::net::tls::Tls;
use crate::net::{self, NetError, allocation, resolve};
use crate::probe::Config;
use crate::probe::record::Record;
use crate::report::{Family, Report, TurnServer};
use crate::stun::Patience;
use crate::stun::uri::Uri;
use std::cell::RefCell;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Examples:
  natscope probe
  natscope probe --server stun:stun.example.org --server stun:192.0.2.1:3478
  natscope probe --format markdown --output report.json
  natscope probe -4 --expect mapping=endpoint-independent
  natscope probe --turn turns:turn.example.org --user me --password-file secret

Without --server the servers come from natscope.toml in the configuration folder
(~/.config/natscope/natscope.toml: servers = [\"stun:stun.example.org\"]), else from
a short built-in list.

Exit code 3 means that on no path mapping, filtering or the classic name could be
told. With --expect the code is that of the expectations: 4 when a fact of any path
is another, else 3 when one could not be told, else 0.";

/// Arguments of `natscope probe`.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{}", exit::HELP))]
pub struct Args {
    /// A STUN server, such as stun:stun.example.org:3478 (repeatable; best with RFC 5780)
    #[arg(long, value_name = "URI", value_parser = config::parse_uri)]
    server: Vec<Uri>,
    /// Only IPv4
    #[arg(short = '4', long = "ipv4", conflicts_with = "six")]
    four: bool,
    /// Only IPv6
    #[arg(short = '6', long = "ipv6", id = "six")]
    six: bool,
    /// Send from this local address or interface; with a port, the mapping is measured from it
    #[arg(long, value_name = "ADDR[:PORT]|IFACE[:PORT]", value_parser = parse_bind)]
    bind: Option<BindTo>,
    /// The longest that measuring may take, such as 5s or 800ms; trying --turn may take it again
    #[arg(long, value_name = "DUR", default_value = "10s", value_parser = parse_duration)]
    budget: Duration,
    /// How to print the report on stdout
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also write it to a file, by extension: .json, .md or .txt (repeatable)
    #[arg(long, value_name = "FILE", value_parser = output::parse::<Format>)]
    output: Vec<Target>,
    /// Exit with 4 unless this holds, such as mapping=endpoint-independent, or turn=works (or udp,
    /// tcp, tls) (repeatable)
    #[arg(long, value_name = "AXIS=VALUE", value_parser = expect::parse)]
    expect: Vec<Expectation>,
    #[command(flatten)]
    turn: TurnArgs,
}

pub(super) fn parse_bind(text: &str) -> Result<BindTo, String> {
    text.parse()
}

/// `5s`, `800ms`, `2m`, `1.5` (seconds).
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        _ => return Err(format!("unknown unit `{unit}`: write ms, s or m, such as 5s")),
    };
    let seconds =
        number.parse::<f64>().map_err(|_| "write a number, such as 5s".to_owned())? * scale;
    if (0.05..=3600.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("it must be from 50ms to 60m".to_owned())
    }
}

/// Runs it.
///
/// # Errors
/// When nothing could be measured, or the result cannot be written.
pub fn run(args: &Args) -> Result<Outcome, Failure> {
    let servers = config::servers(&args.server)?;
    if let Some(bind) = &args.bind {
        bind.check().map_err(|error| Failure::run(format!("--bind: {error}")))?;
    }
    expect::possible(&args.expect, &args.turn.turn)?;
    let relays = Relays::new(args)?;
    let files = Files::create(&args.output)?;
    let runtime = runtime()?;
    let report = runtime.block_on(measure(args, &servers, &relays));
    // a name that is still being looked up must not hold the program
    runtime.shutdown_background();
    let report = report?;
    files.deliver(args.format, |format, colour| format.render(&report, colour))?;
    Ok(conclude(args, &report))
}

fn conclude(args: &Args, report: &Report) -> Outcome {
    if !args.expect.is_empty() {
        let (outcome, lines) = expect::check_all(report, &args.expect);
        for line in lines {
            tell(&line);
        }
        return outcome;
    }
    report.turn.iter().filter_map(TurnServer::complaint).for_each(|line| tell(&line));
    if report.is_definite() {
        return Outcome::Done;
    }
    for path in &report.paths {
        let because = path.facts.classic.because();
        tell(&format!("could not tell over {}: {because}", path.family.title()));
    }
    Outcome::CouldNotTell
}

async fn measure(args: &Args, servers: &[Uri], relays: &Relays) -> Result<Report, Failure> {
    let started = jiff::Timestamp::now();
    let clock = Instant::now();
    let stop = stop::on_signal()?;
    let progress = RefCell::new(Progress::new());
    progress.borrow().doing("looking up the servers");
    let mut findings = Vec::new();
    let addresses = look_up(servers, args.budget, stop.clone(), &mut findings).await;
    let groups = group(args, &addresses, &mut findings);
    if groups.is_empty() {
        progress.borrow().end();
        return Err(nowhere(args, &findings));
    }
    progress.borrow().doing("measuring");
    let runs = run_paths(args, &groups, &stop, &progress).await;
    // Afterwards: a relay's address may be a server's other address, which nothing may touch
    // before filtering is known.
    let tried = relays.attempt(args, stop.clone(), &progress, &mut findings).await;
    progress.borrow().end();

    let mut records = Vec::new();
    for (family, run) in runs {
        match run {
            Ok(record) => records.push(record),
            Err(error) => findings.push(Finding::new(
                Id::PathFailed,
                Severity::Warning,
                format!("{}: {error}", family.title()),
            )),
        }
    }
    if records.is_empty() {
        let lines: Vec<String> =
            findings.iter().filter(|f| f.id == Id::PathFailed).map(|f| f.text.clone()).collect();
        return Err(Failure::run(lines.join("\n")));
    }
    let mut report = Report::new(started, clock.elapsed(), records, findings);
    report.tried(tried);
    Ok(report)
}

/// What is needed to try the TURN servers.
struct Relays {
    credentials: Option<Credentials>,
    tls: Tls,
}

impl Relays {
    fn new(args: &Args) -> Result<Self, Failure> {
        Ok(Self { credentials: args.turn.credentials()?, tls: args.turn.tls()? })
    }

    /// Tries each, side by side.
    async fn attempt(
        &self,
        args: &Args,
        stop: Stop,
        progress: &RefCell<Progress>,
        findings: &mut Vec<Finding>,
    ) -> Vec<TurnServer> {
        let Some(credentials) = &self.credentials else { return Vec::new() };
        progress.borrow().doing("trying the TURN server");
        let deadline = tokio::time::Instant::now() + args.budget;
        let one = async |uri: &Uri| {
            let looked_up = turn::look_up(uri, credentials, resolve::Family::Any);
            let found = tokio::time::timeout_at(deadline, looked_up).await;
            let found = found.unwrap_or_else(|_| Err("no answer from the name service".into()))?;
            let fits = |server: &&crate::turn::Server| wanted(args, Family::of(&server.address));
            let reachable = found.iter().filter(fits).find(|s| route(args, s.address).is_ok());
            let server = reachable
                .or_else(|| found.iter().find(fits))
                .ok_or("it has no address of the family that is asked for")?;
            let bind = args.bind.as_ref().map(|bind| &bind.by);
            let patience = Patience::internet();
            let attempt = allocation::attempt(server, bind, &self.tls, patience, deadline).await;
            Ok::<_, String>(TurnServer::new(server, attempt))
        };
        let all = async {
            let mut all = futures_util::future::join_all(args.turn.turn.iter().map(one)).await;
            // Our own allocations beside it may have used the quota up, and servers count them for
            // a moment after they were given back (coturn: up to a second); nothing tells when.
            for (uri, tried) in args.turn.turn.iter().zip(&mut all) {
                let full =
                    |tried: &TurnServer| tried.failure == Some(crate::turn::Failure::QuotaReached);
                for _ in 0..2 {
                    if tried.as_ref().is_ok_and(full) {
                        tokio::time::sleep(Duration::from_millis(1100)).await;
                        *tried = one(uri).await;
                    }
                }
            }
            all
        };
        let all = tokio::select! {
            all = all => all,
            () = stop.cancelled() => {
                let text = "the TURN servers were not tried to the end: interrupted".to_owned();
                findings.push(Finding::new(Id::TurnInterrupted, Severity::Warning, text));
                return Vec::new();
            }
        };
        let mut tried = Vec::new();
        for (uri, result) in args.turn.turn.iter().zip(all) {
            match result {
                Ok(server) => tried.push(server),
                Err(error) => {
                    let text = format!("{uri} was not tried: {error}");
                    findings.push(Finding::new(Id::TurnNotTried, Severity::Warning, text));
                }
            }
        }
        tried
    }
}

/// Both families side by side, on this thread.
async fn run_paths(
    args: &Args,
    groups: &[(Family, Vec<(String, SocketAddr)>)],
    stop: &Stop,
    progress: &RefCell<Progress>,
) -> Vec<(Family, Result<Record, NetError>)> {
    let one = async |family: Family| {
        let (_, servers) = groups.iter().find(|(f, _)| *f == family)?;
        let port = args.bind.as_ref().and_then(|bind| bind.port);
        let fixed = port.is_some();
        let config = Config { servers: servers.clone(), budget: args.budget, fixed };
        let options = Options { bind: args.bind.as_ref().map(|bind| bind.by.clone()), port };
        let mut update = |record: &Record| progress.borrow_mut().update(family, record);
        let run = net::probe::run(config, &options, stop.clone(), &mut update).await;
        Some((family, run))
    };
    let (four, six) = tokio::join!(one(Family::Ipv4), one(Family::Ipv6));
    four.into_iter().chain(six).collect()
}

/// The addresses of each server, looked up side by side.
pub(super) async fn look_up(
    servers: &[Uri],
    patience: Duration,
    stop: Stop,
    findings: &mut Vec<Finding>,
) -> Vec<(String, Vec<SocketAddr>)> {
    let tasks: Vec<_> = servers
        .iter()
        .cloned()
        .map(|uri| {
            tokio::spawn(async move {
                resolve::resolve(&uri, resolve::Family::Any).await.map_err(|e| e.to_string())
            })
        })
        .collect();
    let deadline = tokio::time::Instant::now() + patience;
    let mut found = Vec::new();
    for (uri, task) in servers.iter().zip(tasks) {
        let answer = tokio::select! {
            answer = tokio::time::timeout_at(deadline, task) => match answer {
                Ok(Ok(answer)) => answer,
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err(format!("no answer from the name service in {patience:?}")),
            },
            () = stop.cancelled() => Err("interrupted".to_owned()),
        };
        match answer {
            Ok(addresses) => found.push((uri.to_string(), addresses)),
            Err(error) => {
                let text = format!("{uri} is left out: {error}");
                findings.push(Finding::new(Id::Unresolvable, Severity::Warning, text));
            }
        }
    }
    found
}

/// The servers of each family that this host can reach. One address is asked once.
fn group(
    args: &Args,
    servers: &[(String, Vec<SocketAddr>)],
    findings: &mut Vec<Finding>,
) -> Vec<(Family, Vec<(String, SocketAddr)>)> {
    let mut groups = Vec::new();
    for family in [Family::Ipv4, Family::Ipv6].into_iter().filter(|&f| wanted(args, f)) {
        let mut group: Vec<(String, SocketAddr)> = Vec::new();
        for (uri, addresses) in servers {
            let Some(&address) = addresses.iter().find(|a| Family::of(a) == family) else {
                continue;
            };
            if let Some((same, _)) = group.iter().find(|(_, a)| *a == address) {
                let text = format!("{uri} is left out: it has the same address as {same}");
                findings.push(Finding::new(Id::SameAddress, Severity::Info, text));
            } else {
                group.push((uri.clone(), address));
            }
        }
        let Some((_, first)) = group.first() else { continue };
        match route(args, *first) {
            Ok(()) => groups.push((family, group)),
            Err(error) => {
                let text = format!("no route to {first} over {}: {error}", family.title());
                findings.push(Finding::new(Id::NoRoute, Severity::Info, text));
            }
        }
    }
    groups
}

fn wanted(args: &Args, family: Family) -> bool {
    let bound = match args.bind.as_ref().map(|bind| &bind.by) {
        Some(Bind::Address(ip)) => Some(if ip.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 }),
        _ => None,
    };
    let excluded = match family {
        Family::Ipv4 => args.six,
        Family::Ipv6 => args.four,
    };
    !excluded && bound.is_none_or(|bound| bound == family)
}

/// Whether the kernel knows a way there. Nothing is sent.
fn route(args: &Args, to: SocketAddr) -> std::io::Result<()> {
    if args.bind.is_some() {
        return Ok(()); // bound sockets have routes of their own; the driver will see
    }
    let any: SocketAddr = match to {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    UdpSocket::bind(any)?.connect(to)
}

/// Why there is nobody to ask.
fn nowhere(args: &Args, findings: &[Finding]) -> Failure {
    let mut lines: Vec<String> = findings
        .iter()
        .filter(|f| f.id == Id::Unresolvable || f.id == Id::NoRoute)
        .map(|f| f.text.clone())
        .collect();
    let advice = if findings.iter().any(|f| f.id == Id::NoRoute) {
        "this machine has no route to any server: is the network up?"
    } else if !lines.is_empty() {
        "no server is left to ask"
    } else if args.four || args.six || args.bind.is_some() {
        "no server has an address of the family that -4, -6 or --bind asks for"
    } else {
        "no server has an address"
    };
    lines.push(advice.to_owned());
    Failure::run(lines.join("\n"))
}
