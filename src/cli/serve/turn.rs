//! The relay's part of `natscope serve`.

use super::log::Log;
use crate::cli::exit::{Failure, tell};
use crate::net::serve::{Observer, relay_addresses};
use crate::stun::responder::Over;
use crate::stun::responder::Sites;
use crate::turn::relay::{
    Bandwidth, CAPACITY, Config, Credentials, Net, Policy, PortRange, REALM, Traffic, Usage,
};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Arguments of the relay.
#[derive(Debug, clap::Args)]
#[group(skip)] // two of one name in a command are one too many
#[command(next_help_heading = "TURN relay")]
pub struct Args {
    /// Relay for clients too (TURN), on the same addresses and ports
    #[arg(long)]
    turn: bool,
    /// A user that may relay (repeatable, each with its --password-file)
    #[arg(long, value_name = "NAME", requires_all = ["turn", "password_file"])]
    user: Vec<String>,
    /// The file whose first line is the user's password
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Vec<PathBuf>,
    /// The file whose lines are secrets: lets in users named EXPIRY:NAME, seconds since 1970, by
    /// the base64 of the name's HMAC-SHA1 (the "TURN REST API")
    #[arg(long, value_name = "FILE", requires = "turn")]
    secret_file: Option<PathBuf>,
    /// The realm of the passwords
    #[arg(long, value_name = "NAME", default_value = REALM)]
    realm: String,
    /// The address to relay from (repeatable, one for each address family) [default: the first
    /// --listen]
    #[arg(long, value_name = "IP", requires = "turn")]
    relay_address: Vec<IpAddr>,
    /// The ports to relay from
    #[arg(long, value_name = "A-B", default_value_t = PortRange::default())]
    relay_ports: PortRange,
    /// Relayed addresses of one user at once; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 100)]
    quota: usize,
    /// Relayed addresses of all users at once
    #[arg(long, value_name = "N", default_value_t = CAPACITY)]
    capacity: usize,
    /// What one user may have relayed in a second, both ways together, as 2Mbit or 250kB; more is
    /// dropped [default: no limit]
    #[arg(long, value_name = "RATE", requires = "turn")]
    turn_bandwidth: Option<Bandwidth>,
    /// Let clients reach private networks: whatever this host can reach there, they can
    #[arg(long, requires = "turn")]
    allow_private: bool,
    /// Never relay to these addresses (repeatable)
    #[arg(long, value_name = "IP[/BITS]", requires = "turn")]
    deny_peer: Vec<Net>,
    /// Relay to these although they are private or this host's own (repeatable), such as a media
    /// server beside
    #[arg(long, value_name = "IP[/BITS]", requires = "turn")]
    allow_peer: Vec<Net>,
}

impl Args {
    /// The relay that is asked for; `None` for none.
    pub fn relay(&self, sites: &[Sites]) -> Result<Option<Config>, Failure> {
        if !self.turn {
            return Ok(None);
        }
        let credentials = self.credentials()?;
        let policy = Policy {
            allow_private: self.allow_private,
            deny: self.deny_peer.clone(),
            allow: self.allow_peer.clone(),
            ..Policy::default()
        };
        let config = Config {
            realm: self.realm.clone(),
            relay: self.relay_address.clone(),
            ports: self.relay_ports,
            quota: (self.quota > 0).then_some(self.quota),
            capacity: self.capacity,
            bandwidth: self.turn_bandwidth,
            policy,
            ..Config::new(credentials)
        };
        warn_of_few_files(self.capacity);
        let addresses = relay_addresses(&config, sites);
        check_addresses(&addresses)?;
        let names: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        tell(&format!("relaying from {}, ports {}", names.join(" and "), self.relay_ports));
        Ok(Some(config))
    }

    /// Those given to relay from.
    pub fn relay_addresses(&self) -> &[IpAddr] {
        &self.relay_address
    }

    /// The users and secrets as the files have them now.
    pub(super) fn credentials(&self) -> Result<Credentials, Failure> {
        if self.user.len() != self.password_file.len() {
            return Err(Failure::usage(format!(
                "{} --user and {} --password-file: give each user a file",
                self.user.len(),
                self.password_file.len()
            )));
        }
        let mut credentials = Credentials::default();
        for (user, file) in self.user.iter().zip(&self.password_file) {
            check_name("--user", user)?;
            let password = lines(file)?.into_iter().next().ok_or_else(|| empty(file))?;
            credentials.users.push((user.clone(), password));
        }
        if let Some(file) = &self.secret_file {
            let secrets = lines(file)?;
            if secrets.is_empty() {
                return Err(empty(file));
            }
            credentials.secrets = secrets.into_iter().map(String::into_bytes).collect();
        }
        if credentials.is_empty() {
            return Err(Failure::usage(
                "a relay for everybody would be abused within hours: give --user and --password-file, or --secret-file",
            ));
        }
        check_name("--realm", &self.realm)?;
        Ok(credentials)
    }
}

/// What it has carried, at the end.
pub fn tell_total(total: Traffic, log: &Log) {
    log.tell(format!(
        "relayed {} packets to peers ({} bytes) and {} to clients ({} bytes), dropped {}",
        total.to_peers, total.to_peers_bytes, total.to_client, total.to_client_bytes, total.dropped
    ));
}

/// Writes a line for every allocation: who, from where, by which relayed address; and at its end
/// what it has carried.
pub fn observer(log: Log) -> Observer {
    Observer::new(move |usage| log.tell(line(usage)))
}

fn line(usage: &Usage) -> String {
    let Usage { client, traffic, age, account, .. } = usage;
    let over = match client.over {
        Over::Udp => "UDP",
        Over::Tcp => "TCP",
    };
    let relayed: Vec<String> = usage.relayed.iter().map(ToString::to_string).collect();
    let who = format!(
        "user {account} from {} over {over}, relayed {}",
        client.remote,
        relayed.join(" and ")
    );
    if usage.live {
        return format!("allocation began: {who}");
    }
    format!(
        "allocation ended: {who}, after {} s: {} packets to peers ({} bytes), {} to the client ({} bytes), dropped {}",
        age.as_secs(),
        traffic.to_peers,
        traffic.to_peers_bytes,
        traffic.to_client,
        traffic.to_client_bytes,
        traffic.dropped
    )
}

/// Descriptors beside those of allocations: sockets that are listened on, connections, files.
const OTHER_FILES: u64 = 1200;

/// An allocation has a socket, and a process may have so many files only. Linux says how many.
fn warn_of_few_files(capacity: usize) {
    let Ok(limits) = std::fs::read_to_string("/proc/self/limits") else { return };
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    let needed = u64::try_from(capacity).unwrap_or(u64::MAX).saturating_add(OTHER_FILES);
    // "unlimited" is no number
    if let Some(soft) = soft.filter(|&soft| soft < needed) {
        tell(&format!(
            "warning: this process may open {soft} files (ulimit -n), but {capacity} allocations (--capacity) need a socket each: type ulimit -n {needed} before, or LimitNOFILE={needed} in a systemd unit, or lower --capacity"
        ));
    }
}

/// RFC 8489 sections 14.3 and 14.9: names travel in attributes of bounded length, realms in quotes.
fn check_name(option: &str, name: &str) -> Result<(), Failure> {
    let fits = !name.is_empty() && name.chars().count() <= 127;
    if fits && !name.chars().any(|c| c.is_control() || c == '"' || c == '\\') {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{option} must have 1 to 127 characters, and no quotes, backslashes or control characters"
    )))
}

fn check_addresses(addresses: &[IpAddr]) -> Result<(), Failure> {
    let Some(first) = addresses.first() else {
        return Err(Failure::usage(
            "with --listen 0.0.0.0 or [::], name the address that peers will see: --relay-address IP",
        ));
    };
    if addresses.iter().any(IpAddr::is_unspecified) {
        return Err(Failure::usage("--relay-address must be one that peers can send to"));
    }
    if addresses.iter().filter(|ip| ip.is_ipv4() == first.is_ipv4()).count() > 1
        || addresses.len() > 2
    {
        return Err(Failure::usage("give one --relay-address for each address family"));
    }
    Ok(())
}

fn empty(file: &Path) -> Failure {
    Failure::usage(format!("{}: the file is empty", file.display()))
}

/// The longest file of passwords or secrets, in bytes.
const LONGEST_FILE: u64 = 1 << 20;

/// The lines of a file of secrets that are not empty. Warns when others on this host can read it.
fn lines(file: &Path) -> Result<Vec<String>, Failure> {
    let text = crate::net::file::read_text(file, LONGEST_FILE)
        .map_err(|error| Failure::run(format!("{}: {error}", file.display())))?;
    warn_if_open(file);
    let lines = text.lines().map(|line| line.trim_end_matches('\r'));
    Ok(lines.filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

#[cfg(unix)]
fn warn_if_open(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let open = std::fs::metadata(file).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0);
    if open {
        tell(&format!(
            "warning: {} can be read by others on this host; type: chmod 600 {}",
            file.display(),
            file.display()
        ));
    }
}

#[cfg(not(unix))]
fn warn_if_open(_file: &Path) {}
