//! The flags of commands that use a TURN server.

use super::exit::Failure;
use crate::net::file;
use crate::net::resolve::{Family, resolve};
use crate::net::tls::Tls;
use crate::stun::uri::{Host, Scheme, Transport, Uri};
use crate::turn::{Over, Server};
use std::path::PathBuf;

/// TURN servers and how to be let in.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "TURN")]
pub struct TurnArgs {
    /// A TURN server: turn:HOST[:PORT][?transport=tcp], or turns: for TLS (repeatable)
    #[arg(long, value_name = "URI", value_parser = parse_uri)]
    pub turn: Vec<Uri>,
    /// The user's name there; with time-limited credentials EXPIRY:NAME
    #[arg(long, value_name = "NAME", env = "NATSCOPE_TURN_USER", hide_env_values = true)]
    pub user: Option<String>,
    /// The password; safer in a file or in the environment, where nobody sees it in a list of
    /// processes
    #[arg(
        long,
        value_name = "PASSWORD",
        env = "NATSCOPE_TURN_PASSWORD",
        hide_env_values = true,
        conflicts_with = "password_file"
    )]
    pub password: Option<String>,
    /// A file whose first line is the password
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Also trust the certificates in this PEM file, for turns:
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// Reads the URI of a TURN server that can be used.
fn parse_uri(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|error| format!("{error}"))?;
    match (uri.scheme, uri.transport) {
        (Scheme::Turn, _) | (Scheme::Turns, None | Some(Transport::Tcp)) => Ok(uri),
        (Scheme::Turns, Some(Transport::Udp)) => {
            Err("TURN over DTLS is not supported: leave out ?transport=udp".into())
        }
        (Scheme::Stun | Scheme::Stuns, _) => {
            Err("this is a STUN server: write turn: for a TURN server".into())
        }
    }
}

/// The longest user name and password (RFC 8489 section 14.3, and of the same length).
const LONGEST: usize = 508;

/// A user's name and password. Its password is in no log.
#[derive(Clone)]
pub struct Credentials {
    /// The name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl TurnArgs {
    /// The credentials, when a TURN server is named.
    ///
    /// # Errors
    /// When one is missing, too long, or the file cannot be read.
    pub fn credentials(&self) -> Result<Option<Credentials>, Failure> {
        if self.turn.is_empty() {
            return match &self.password_file {
                Some(_) => Err(Failure::usage("--password-file is of no use without --turn")),
                None => Ok(None),
            };
        }
        let user = self.user.clone().filter(|user| !user.is_empty()).ok_or_else(|| {
            Failure::usage(
                "--turn needs --user NAME (or NATSCOPE_TURN_USER): no TURN server lets anybody in",
            )
        })?;
        let password = self.password()?.ok_or_else(|| {
            Failure::usage(
                "--turn needs --password-file FILE, NATSCOPE_TURN_PASSWORD, or --password PASSWORD",
            )
        })?;
        if user.len() > LONGEST || password.len() > LONGEST {
            return Err(Failure::usage(format!(
                "a TURN user's name and password have at most {LONGEST} bytes (RFC 8489)"
            )));
        }
        Ok(Some(Credentials { user, password }))
    }

    fn password(&self) -> Result<Option<String>, Failure> {
        let Some(path) = &self.password_file else { return Ok(self.password.clone()) };
        let text = file::read_text(path, file::SMALL).map_err(|error| {
            Failure::run(format!("--password-file {}: {error}", path.display()))
        })?;
        let line = text.lines().next().unwrap_or_default();
        if line.is_empty() {
            let message = format!("--password-file {}: its first line is empty", path.display());
            return Err(Failure::run(message));
        }
        Ok(Some(line.to_owned()))
    }

    /// Whom to trust.
    ///
    /// # Errors
    /// When the `--ca` file is of no use.
    pub fn tls(&self) -> Result<Tls, Failure> {
        Tls::new(self.ca.as_deref()).map_err(|error| Failure::run(format!("--ca: {error}")))
    }
}

/// A named TURN server, with every address that it has in these families.
///
/// # Errors
/// When its name cannot be resolved.
pub async fn look_up(
    uri: &Uri,
    credentials: &Credentials,
    family: Family,
) -> Result<Vec<Server>, String> {
    let addresses = resolve(uri, family).await.map_err(|error| error.to_string())?;
    let name = match &uri.host {
        Host::Ip(ip) => ip.to_string(),
        Host::Name(name) => name.clone(),
    };
    let over = match (uri.scheme, uri.transport) {
        (Scheme::Turns | Scheme::Stuns, _) => Over::Tls,
        (_, Some(Transport::Tcp)) => Over::Tcp,
        _ => Over::Udp,
    };
    let server = |address| Server {
        uri: uri.to_string(),
        name: name.clone(),
        address,
        over,
        user: credentials.user.clone(),
        password: credentials.password.clone(),
    };
    Ok(addresses.into_iter().map(server).collect())
}
