//! The flags of commands that use a TURN server.

use super::exit::Failure;
use crate::net::file;
use crate::net::tls::Tls;
use crate::run::{Credentials, Relays};
use crate::stun::text;
use crate::stun::uri::{Scheme, Transport, Uri};
use std::path::PathBuf;

/// TURN servers and how to be let in.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "TURN")]
pub struct TurnArgs {
    /// A TURN server: turn:HOST[:PORT][?transport=tcp], or turns: for TLS (repeatable); a HOST alone
    /// is asked over UDP
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

/// Reads the URI of a TURN server that can be used, also as people paste it: in quotes, with
/// slashes after its scheme, or the host alone.
fn parse_uri(text: &str) -> Result<Uri, String> {
    let pasted = text.trim_matches(|c: char| c.is_whitespace() || "\"'`,;".contains(c));
    if pasted.contains('@') {
        return Err("a TURN URI holds no user name: write turn:HOST, and the user with --user NAME and --password-file FILE".into());
    }
    if pasted.contains(|c: char| c.is_whitespace() || ",{}\"'".contains(c)) {
        return Err(
            "one server, such as turn:HOST or turns:HOST:443; further ones with --turn again"
                .into(),
        );
    }
    let uri: Uri = written(pasted)?.parse().map_err(|error| format!("{error}"))?;
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

/// A URI as RFC 7065 writes it.
fn written(pasted: &str) -> Result<String, String> {
    let pasted = match pasted.split_once('?') {
        Some((host, query)) => format!("{}?{query}", host.trim_end_matches('/')),
        None => pasted.trim_end_matches('/').to_owned(),
    };
    if let Some((scheme, rest)) = pasted.split_once("://") {
        return match scheme.to_ascii_lowercase().as_str() {
            scheme @ ("turn" | "turns" | "stun" | "stuns") => Ok(format!("{scheme}:{rest}")),
            "tls" | "https" | "wss" => {
                Err(format!("write turns:{} for TURN over TLS", shown(rest)))
            }
            "tcp" | "http" => {
                Err(format!("write turn:{}?transport=tcp for TURN over TCP", shown(rest)))
            }
            _ => Err(format!("write turn:{} for TURN over UDP", shown(rest))),
        };
    }
    let scheme = pasted.split(':').next().unwrap_or_default().to_ascii_lowercase();
    Ok(match scheme.as_str() {
        "turn" | "turns" | "stun" | "stuns" if pasted.contains(':') => pasted,
        _ if pasted.parse::<std::net::Ipv6Addr>().is_ok() => format!("turn:[{pasted}]"),
        _ => format!("turn:{pasted}"),
    })
}

/// The host and port of what has another scheme.
fn shown(rest: &str) -> String {
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    text::safe(rest.get(..end).unwrap_or_default().as_bytes())
}

/// The longest user name and password (RFC 8489 section 14.3, and of the same length).
const LONGEST: usize = 508;

impl TurnArgs {
    /// The servers, and what is needed to use them.
    ///
    /// # Errors
    /// When the credentials are not complete, or a file is of no use.
    pub fn relays(&self) -> Result<Relays, Failure> {
        let credentials = self.credentials()?;
        let tls = Tls::new(self.ca.as_deref());
        let tls = tls.map_err(|error| Failure::run(format!("--ca: {error}")))?;
        Ok(Relays { servers: self.turn.clone(), credentials, tls })
    }

    /// Both empty when there are none.
    fn credentials(&self) -> Result<Credentials, Failure> {
        if self.turn.is_empty() {
            return match &self.password_file {
                Some(_) => Err(Failure::usage("--password-file is of no use without --turn")),
                None => Ok(Credentials::default()),
            };
        }
        let user = self.user.clone().filter(|user| !user.is_empty());
        let (user, password) = match (user, self.password()?) {
            (Some(user), Some(password)) => (user, password),
            // a server that lets anybody in; any other will say that it does not
            (None, None) => (String::new(), String::new()),
            (Some(_), None) => {
                return Err(Failure::usage(
                    "--user needs --password-file FILE, NATSCOPE_TURN_PASSWORD, or --password PASSWORD",
                ));
            }
            (None, Some(_)) => {
                return Err(Failure::usage(
                    "a password needs its user: --user NAME (or NATSCOPE_TURN_USER)",
                ));
            }
        };
        if user.len() > LONGEST || password.len() > LONGEST {
            return Err(Failure::usage(format!(
                "a TURN user's name and password have at most {LONGEST} bytes (RFC 8489)"
            )));
        }
        Ok(Credentials { user, password })
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_paste_is_understood() {
        for (pasted, meant) in [
            ("relay.example.org", "turn:relay.example.org"),
            ("relay.example.org:443", "turn:relay.example.org:443"),
            ("192.0.2.1:3478", "turn:192.0.2.1"),
            ("2001:db8::1", "turn:[2001:db8::1]"),
            ("[2001:db8::1]:3479", "turn:[2001:db8::1]:3479"),
            ("turn:relay.example.org?transport=TCP", "turn:relay.example.org?transport=tcp"),
            ("TURN:relay.example.org?Transport=Udp", "turn:relay.example.org?transport=udp"),
            (
                "turns:relay.example.org:443?transport=TCP",
                "turns:relay.example.org:443?transport=tcp",
            ),
            ("turn://relay.example.org", "turn:relay.example.org"),
            ("turns://relay.example.org:443/", "turns:relay.example.org:443"),
            ("turn:relay.example.org:3478/?transport=tcp", "turn:relay.example.org?transport=tcp"),
            ("\"turn:relay.example.org:3478\",", "turn:relay.example.org"),
            (" 'turns:relay.example.org' ", "turns:relay.example.org"),
            ("relay.example.org?transport=tcp", "turn:relay.example.org?transport=tcp"),
            ("turn", "turn:turn"),
        ] {
            assert_eq!(parse_uri(pasted).expect(pasted).to_string(), meant, "{pasted}");
        }
    }

    #[test]
    fn what_is_not_understood_says_what_to_type() {
        for (pasted, said) in [
            ("turn:alice@relay.example.org", "--user NAME"),
            ("turn:alice:wonder@relay.example.org", "--user NAME"),
            ("stun:relay.example.org", "this is a STUN server"),
            ("turns:relay.example.org?transport=udp", "DTLS is not supported"),
            ("turn:relay.example.org?transport=tls", "write turns:"),
            ("https://relay.example.org/turn", "write turns:relay.example.org"),
            ("tcp://relay.example.org:3478", "write turn:relay.example.org:3478?transport=tcp"),
            ("udp://relay.example.org:3478", "write turn:relay.example.org:3478"),
            ("turn:a.example,turn:b.example", "further ones with --turn"),
            ("{ urls: 'turn:a.example' }", "one server"),
            ("turn:a.example turn:b.example", "further ones"),
            ("turn:", "host is missing"),
            ("", "host is missing"),
        ] {
            let error = parse_uri(pasted).expect_err(pasted);
            assert!(error.contains(said), "{pasted}: {error}");
            assert!(!error.contains("wonder"), "{error}");
        }
    }
}
