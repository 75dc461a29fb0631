//! The relay's part of `natscope serve`.

use crate::cli::exit::{Failure, tell};
use crate::net::serve::Turn;
use crate::server::Sites;
use crate::turn::relay::{CAPACITY, Credentials, Net, Policy, PortRange, REALM, Traffic};
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
    /// Allocations of one user at once; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 100)]
    quota: usize,
    /// Allocations of all users at once
    #[arg(long, value_name = "N", default_value_t = CAPACITY)]
    capacity: usize,
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
    pub fn relay(&self, sites: &[Sites]) -> Result<Option<Turn>, Failure> {
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
        let turn = Turn {
            realm: self.realm.clone(),
            relay: self.relay_address.clone(),
            ports: self.relay_ports,
            quota: (self.quota > 0).then_some(self.quota),
            capacity: self.capacity,
            policy,
            ..Turn::new(credentials)
        };
        let addresses = turn.relay_addresses(sites);
        check_addresses(&addresses)?;
        let names: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        tell(&format!("relaying from {}, ports {}", names.join(" and "), self.relay_ports));
        Ok(Some(turn))
    }

    fn credentials(&self) -> Result<Credentials, Failure> {
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
pub fn tell_total(total: Traffic) {
    tell(&format!(
        "relayed {} packets to peers ({} bytes) and {} to clients ({} bytes), dropped {}",
        total.to_peers, total.to_peers_bytes, total.to_client, total.to_client_bytes, total.dropped
    ));
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

/// The lines of a file of secrets that are not empty. Warns when others on this host can read it.
fn lines(file: &Path) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(file)
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
