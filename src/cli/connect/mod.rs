//! `natscope connect`.

mod hand;

use super::exit::{self, Failure, Outcome, tell};
use super::output::{self, Files, Format, Target};
use super::probe::{parse_bind, parse_duration, ways};
use super::progress::Progress;
use super::turn::TurnArgs;
use super::{config, runtime, stop};
use crate::ice::{Connection, Pace, Policy};
use crate::net::bind::BindTo;
use crate::net::connect::{self, Meeting, Room};
use crate::net::signal::Uri;
use crate::net::tls::Tls;
use crate::report::connect::ConnectReport;
use crate::run;
use crate::run::connect::Config;
use crate::signal::{Role, is_room_name};
use crate::stun::uri::Uri as ServerUri;
use clap::ValueEnum;
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  natscope connect offer                 # prints a line for the other side, which runs
  natscope connect answer                # this, and prints the line to paste back
  natscope connect offer offer.sdp --answer answer.sdp
  natscope connect --via wss://signal.example.org --room 7fkq2x
  natscope connect --via ws://192.0.2.1:3480 --room 7fkq2x \\
                   --turn turn:192.0.2.1 --user alice --password-file secret

Both sides then print the same report. That they do not connect is a result like any
other: the exit code is 0, unless --expect says otherwise; 3 where it ended before
there was a result.";

/// Arguments of `natscope connect`.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{}", exit::HELP))]
pub struct Args {
    /// Which side this is, when people carry the descriptions
    #[arg(value_enum, required_unless_present = "via", conflicts_with = "via")]
    side: Option<Side>,
    /// The offer's file: `offer` writes it, `answer` waits for it; else stdout and stdin
    #[arg(value_name = "FILE", requires = "side")]
    file: Option<PathBuf>,
    /// The answer's file: `answer` writes it, `offer` waits for it; else stdout and stdin
    #[arg(long, value_name = "FILE", requires = "side")]
    answer: Option<PathBuf>,
    /// A signalling server (`natscope serve --signal`): ws://HOST:PORT, or wss:// with TLS
    #[arg(long, value_name = "URI", requires = "room")]
    via: Option<Uri>,
    /// The room to meet in, the same on both sides; who knows its name can come in first
    #[arg(long, value_name = "NAME", requires = "via", value_parser = parse_room)]
    room: Option<String>,
    /// A STUN server, such as stun:stun.example.org:3478 (repeatable)
    #[arg(long, value_name = "URI", value_parser = config::parse_uri)]
    server: Vec<ServerUri>,
    /// Use relayed candidates only
    #[arg(long, requires = "turn")]
    relay_only: bool,
    /// Do not measure this side's NAT besides
    #[arg(long)]
    no_probe: bool,
    /// Only IPv4
    #[arg(short = '4', long = "ipv4", conflicts_with = "six")]
    four: bool,
    /// Only IPv6
    #[arg(short = '6', long = "ipv6", id = "six")]
    six: bool,
    /// Send from this local address or interface; with a port, its candidates have that port
    #[arg(long, value_name = "ADDR[:PORT]|IFACE[:PORT]", value_parser = parse_bind)]
    bind: Option<BindTo>,
    /// The longest that the attempt may take once the peer is there
    #[arg(long, value_name = "DUR", default_value = "30s", value_parser = parse_duration)]
    budget: Duration,
    /// The longest to wait for the peer
    #[arg(long, value_name = "DUR", default_value = "10m", value_parser = parse_duration)]
    wait: Duration,
    /// For networks where a round trip takes a few ms: failure is known within a second
    #[arg(long)]
    quick: bool,
    /// How to print the report on stdout
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also write it to a file, by extension: .json, .md or .txt (repeatable)
    #[arg(long, value_name = "FILE", value_parser = output::parse)]
    output: Vec<Target>,
    /// Exit with 4 unless the peers connect like this
    #[arg(long, value_enum, value_name = "HOW")]
    expect: Option<Expected>,
    #[command(flatten)]
    turn: TurnArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Side {
    /// Make the offer
    Offer,
    /// Answer one
    Answer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Expected {
    /// Without a relay
    Direct,
    /// Through a relay
    Relay,
    /// Either way
    Connected,
    /// Not at all
    Failed,
}

fn parse_room(text: &str) -> Result<String, String> {
    if is_room_name(text) {
        return Ok(text.to_owned());
    }
    Err("write 1 to 64 letters, digits, `.`, `_` or `-`".to_owned())
}

/// Runs it.
///
/// # Errors
/// When nothing could be tried, or the result cannot be written.
pub fn run(args: &Args) -> Result<Outcome, Failure> {
    let ways = ways(args.four, args.six, args.bind.as_ref())?;
    let servers = config::servers(&args.server)?;
    let config = Config {
        ways,
        relays: args.turn.relays()?,
        policy: if args.relay_only { Policy::RelayOnly } else { Policy::All },
        pace: if args.quick { Pace::lab() } else { Pace::internet() },
        probe: !args.no_probe,
        budget: args.budget,
        wait: args.wait,
        ..Config::new(servers)
    };
    let files = Files::create(&args.output)?;
    let runtime = runtime()?;
    let report = runtime.block_on(attempt(args, &config));
    // a name that is still being looked up, or a read from stdin, must not hold the program
    runtime.shutdown_background();
    let report = report?;
    files.deliver(args.format, &report)?;
    Ok(conclude(args, &report))
}

fn conclude(args: &Args, report: &ConnectReport) -> Outcome {
    let Some(connection) = report.result.connection else {
        tell(&format!("could not tell: {}", report.result.because));
        return Outcome::CouldNotTell;
    };
    let holds = args.expect.is_none_or(|expected| match expected {
        Expected::Direct => connection.direct(),
        Expected::Relay => connection.relayed(),
        Expected::Connected => connection != Connection::Failed,
        Expected::Failed => connection == Connection::Failed,
    });
    if holds {
        return Outcome::Done;
    }
    tell(&format!("not as expected: {}", report.result.sentence()));
    Outcome::NotAsExpected
}

async fn attempt(args: &Args, config: &Config) -> Result<ConnectReport, Failure> {
    let stop = stop::on_signal()?;
    let meeting = meeting(args, config.relays.tls.clone())?;
    // a spinner would write over what is pasted
    let progress = matches!(meeting, Meeting::Room(_)).then(Progress::new);
    let mut show = |news: connect::Progress| match (news, &progress) {
        (connect::Progress::Doing(what), Some(progress)) => progress.doing(what),
        (connect::Progress::Note(text), Some(progress)) => progress.note(&text),
        (connect::Progress::Note(text), None) => tell(&text),
        (connect::Progress::Doing(_), None) => {}
    };
    let report = run::connect::connect(config, meeting, stop, &mut show).await;
    if let Some(progress) = &progress {
        progress.end();
    }
    report.map_err(|error| Failure::run(error.to_string()))
}

fn meeting(args: &Args, tls: Tls) -> Result<Meeting, Failure> {
    if let (Some(uri), Some(name)) = (&args.via, &args.room) {
        return Ok(Meeting::Room(Room { uri: uri.clone(), name: name.clone(), tls }));
    }
    let role = match args.side {
        Some(Side::Answer) => Role::Answer,
        _ => Role::Offer,
    };
    // one document on stdout and nothing else there
    let to_stdout = args.format == Format::Text;
    let hand = hand::Hands::new(role, args.file.clone(), args.answer.clone(), to_stdout)?;
    Ok(Meeting::Hand(Box::new(hand)))
}
