//! `natscope serve`.

mod external;
mod log;
mod reload;
mod signal;
mod turn;

use super::exit::{self, Failure, Outcome, tell};
use super::{runtime, stop};
use crate::ground::limit::Limit;
use crate::net::NetError;
use crate::net::serve::{Config, Server};
use crate::run::serve::serve;
use crate::stun::responder::Sites;
use external::External;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};

const EXAMPLES: &str = "\
Examples:
  natscope serve --listen 192.0.2.1 --alternate 192.0.2.2
  natscope serve --listen 192.0.2.1 --alternate 192.0.2.2 \\
                 --listen 2001:db8::1 --alternate 2001:db8::2
  natscope serve --listen 192.0.2.1
  natscope serve --listen 192.0.2.1 --turn --user alice --password-file alice.password
  natscope serve --listen 10.0.0.5 --external 198.51.100.5 --turn --user a --password-file p
  natscope serve --listen 192.0.2.1 --signal
  natscope serve --signal 192.0.2.1:443 --signal-cert chain.pem --signal-key key.pem

With two addresses it is an RFC 5780 server on both, each with two ports: a prober can
tell the filtering. With one it is a plain STUN server. With --turn it relays besides, for
users with a password only, and not to private networks. It runs until SIGTERM or Ctrl-C;
SIGHUP makes it read certificates, passwords and secrets again.";

/// The port where none is given (RFC 8489 section 6.1), and the alternate's.
const PORT: u16 = 3478;
const ALTERNATE_PORT: u16 = 3479;

/// Arguments of `natscope serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{}", exit::HELP))]
pub struct Args {
    /// The address to answer on (repeatable, one for each address family)
    #[arg(long, value_name = "IP[:PORT]", required_unless_present = "signal", value_parser = parse_listen)]
    listen: Vec<Listen>,
    /// A second address and port of this host, of the same family (RFC 5780)
    #[arg(long, value_name = "IP[:PORT]", value_parser = parse_listen)]
    alternate: Vec<Listen>,
    /// What an address of this host is outside, where a cloud or a container translates it one to
    /// one (repeatable): answers and relayed addresses name it [default for LISTEN: --listen]
    #[arg(long, value_name = "[LISTEN=]PUBLIC", value_parser = external::parse)]
    external: Vec<External>,
    /// Answers per second to one source address; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = Limit::default().per_second)]
    limit: u64,
    /// Serve UDP only
    #[arg(long)]
    no_tcp: bool,
    #[command(flatten)]
    turn: turn::Args,
    #[command(flatten)]
    signal: signal::Args,
}

/// An address, and a port if one was given.
#[derive(Debug, Clone, Copy)]
struct Listen {
    ip: IpAddr,
    port: Option<u16>,
}

impl Listen {
    fn or_port(self, port: u16) -> SocketAddr {
        SocketAddr::new(self.ip, self.port.unwrap_or(port))
    }
}

/// An address, an IPv6 one also in brackets.
fn parse_ip(text: &str) -> Option<IpAddr> {
    text.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn parse_listen(text: &str) -> Result<Listen, String> {
    if let Some(ip) = parse_ip(text) {
        return Ok(Listen { ip, port: None });
    }
    let address: SocketAddr = text.parse().map_err(
        |_| "write an IP address of this host, such as 192.0.2.1:3478 or [2001:db8::1]:3478",
    )?;
    Ok(Listen { ip: address.ip(), port: Some(address.port()) })
}

/// Serves until told to stop.
pub fn run(args: &Args) -> Result<Outcome, Failure> {
    let sites = sites(args)?;
    for sites in &sites {
        if let Sites::One(address) = sites {
            tell(&format!(
                "{address}: one address only, so no OTHER-ADDRESS and no CHANGE-REQUEST: clients see their mapped address, not their filtering; add --alternate with a second address of this host"
            ));
        }
    }
    let external = external::of(args, &sites)?;
    let limit = (args.limit > 0)
        .then(|| Limit { per_second: args.limit, burst: args.limit.saturating_mul(2) });
    let log = log::Log::start();
    let turn = args.turn.relay(&sites)?;
    let observer = Some(turn::observer(log.clone()));
    let known = external.clone();
    let config =
        Config { limit, tcp: !args.no_tcp, turn, observer, external, ..Config::new(sites) };
    runtime()?.block_on(async {
        let server = Server::bind(config).map_err(|error| Failure::run(unopened(&error)))?;
        let rooms = args.signal.open(args.listen.first().map(|listen| listen.ip))?;
        // Before anything is said: who reads "answering" may send SIGTERM the next moment.
        let stop = stop::on_signal_but_hangup()?;
        let mut hangups = stop::hangups()?;
        for (_, address) in server.sites().iter().flat_map(|sites| sites.all()) {
            let outside = known.outside(address);
            let known =
                if outside == address { String::new() } else { format!(", {outside} outside") };
            tell(&format!("answering on {address}{known}"));
        }
        if let Some(rooms) = &rooms {
            tell(&format!("answering on {}", rooms.uri()));
        }
        let relay = server.relay();
        let certificate = rooms.as_ref().map(crate::net::signal::Server::certificate);
        let replaceable = reload::Replaceable { certificate, relay: relay.clone() };
        let reload = async {
            loop {
                hangups.next().await;
                replaceable.reload(args, &log);
            }
        };
        tokio::select! {
            ran = serve(server, rooms, &stop) => {
                ran.map_err(|error| Failure::run(error.to_string()))?;
            }
            () = reload => {}
        }
        if let Some(relay) = relay {
            turn::tell_total(relay.total(), &log);
        }
        log.tell("stopped".to_owned());
        log.flush();
        Ok(Outcome::Done)
    })
}

/// Why a socket could not be opened, and what to do.
fn unopened(error: &NetError) -> String {
    let kind = if let NetError::Open { why, .. } = error { why.kind() } else { ErrorKind::Other };
    let advice = match kind {
        ErrorKind::AddrInUse => {
            "; another server runs there: stop it, or choose a port with --listen IP:PORT"
        }
        ErrorKind::AddrNotAvailable if cfg!(windows) => {
            "; it is not an address of this host (see `ipconfig`)"
        }
        ErrorKind::AddrNotAvailable if cfg!(target_os = "linux") => {
            "; it is not an address of this host (see `ip address`)"
        }
        ErrorKind::AddrNotAvailable => "; it is not an address of this host (see `ifconfig`)",
        ErrorKind::PermissionDenied if cfg!(windows) => {
            "; another server has it, or the system keeps it back: choose a port with --listen IP:PORT"
        }
        ErrorKind::PermissionDenied => "; ports below 1024 are for root: choose another",
        _ => "",
    };
    format!("{error}{advice}")
}

/// Pairs each address with the alternate of its family.
fn sites(args: &Args) -> Result<Vec<Sites>, Failure> {
    let mut alternates = args.alternate.clone();
    let mut all = Vec::new();
    for listen in &args.listen {
        let primary = listen.or_port(PORT);
        let pair = alternates.iter().position(|a| a.ip.is_ipv4() == listen.ip.is_ipv4());
        let Some(alternate) = pair.map(|index| alternates.remove(index)) else {
            all.push(Sites::One(primary));
            continue;
        };
        let port = if primary.port() == ALTERNATE_PORT { PORT } else { ALTERNATE_PORT };
        let alternate = alternate.or_port(port);
        if alternate.ip() == primary.ip() || alternate.port() == primary.port() {
            return Err(Failure::usage(format!(
                "--alternate {alternate} must differ from --listen {primary} in address and in port"
            )));
        }
        if primary.ip().is_unspecified() || alternate.ip().is_unspecified() {
            return Err(Failure::usage(
                "with --alternate, name the two addresses: answers must leave by the one that is asked for",
            ));
        }
        all.push(Sites::Two { primary, alternate });
    }
    if let Some(left) = alternates.first() {
        return Err(Failure::usage(format!(
            "--alternate {} has no --listen of its address family",
            left.ip
        )));
    }
    Ok(all)
}
