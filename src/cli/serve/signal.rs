//! `natscope serve --signal`: rooms in which peers find each other.

use super::{Failure, Listen, parse_listen, tell};
use crate::net::signal::{self, Config, Server};
use crate::signal::Limits;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use tokio_rustls::TlsAcceptor;

/// The port where none is given: beside those of STUN.
const PORT: u16 = 3480;

/// Flags of the signalling server.
#[derive(Debug, clap::Args)]
#[group(skip)] // two of one name in a command are one too many
#[command(next_help_heading = "Signalling (docs/signalling.md)")]
pub struct Args {
    /// Keep rooms for `natscope connect --via`, at ws:// or with a certificate at wss://
    /// [default: the first --listen address, else all, port 3480]
    #[arg(long, value_name = "IP[:PORT]", num_args = 0..=1, default_missing_value = "",
        value_parser = parse_place)]
    pub(super) signal: Option<Place>,
    /// The certificate chain for TLS, in PEM
    #[arg(long, value_name = "FILE", requires_all = ["signal", "signal_key"])]
    signal_cert: Option<PathBuf>,
    /// Its private key, in PEM
    #[arg(long, value_name = "FILE", requires_all = ["signal", "signal_cert"])]
    signal_key: Option<PathBuf>,
    /// A page that may use the rooms, as `https://example.org` (repeatable): browsers say where a
    /// page came from. Programs that are no browsers are not asked [default: every page]
    #[arg(long, value_name = "ORIGIN", requires = "signal", value_parser = parse_origin)]
    signal_origin: Vec<String>,
    /// Rooms at one time
    #[arg(long, value_name = "N", requires = "signal", default_value_t = Limits::default().rooms)]
    signal_rooms: usize,
}

/// Where, if anywhere is named.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    Usual,
    Named(Listen),
}

fn parse_place(text: &str) -> Result<Place, String> {
    if text.is_empty() { Ok(Place::Usual) } else { parse_listen(text).map(Place::Named) }
}

/// What browsers send: a scheme, a host, a port unless it is the usual one, and nothing else.
fn parse_origin(text: &str) -> Result<String, String> {
    let wrong =
        || "write it as browsers do: https://example.org or http://localhost:8080".to_owned();
    let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
    let plain = |c: char| c.is_ascii_graphic() && !"/?#@,\"\\".contains(c);
    let fits =
        !rest.is_empty() && rest.chars().all(plain) && scheme.chars().all(char::is_alphanumeric);
    if fits { Ok(text.to_owned()) } else { Err(wrong()) }
}

impl Args {
    /// The certificate and key as the files have them now.
    pub(super) fn tls(&self) -> Result<Option<TlsAcceptor>, Failure> {
        let (Some(cert), Some(key)) = (&self.signal_cert, &self.signal_key) else {
            return Ok(None);
        };
        signal::acceptor(cert, key).map(Some).map_err(|error| Failure::run(error.to_string()))
    }

    /// Opens the server, if one is asked for.
    ///
    /// # Errors
    /// The address or a file cannot be had.
    pub(super) fn open(&self, first: Option<IpAddr>) -> Result<Option<Server>, Failure> {
        let Some(signal) = self.signal else { return Ok(None) };
        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let listen = match signal {
            Place::Named(listen) => listen.or_port(PORT),
            Place::Usual => SocketAddr::new(first.unwrap_or(any), PORT),
        };
        let tls = self.tls()?;
        if tls.is_none() {
            tell(
                "warning: the rooms are at ws:// only: who is on the way reads along and can pretend to be a peer; give --signal-cert and --signal-key, or put a proxy with TLS before it",
            );
        }
        let rooms = self.signal_rooms;
        let clients = rooms.saturating_mul(2).saturating_add(200);
        let limits = Limits { rooms, clients, ..Limits::default() };
        let origins = self.signal_origin.clone();
        let server = Server::bind(Config { tls, limits, origins, ..Config::new(listen) });
        let server = server.map_err(|error| match error {
            signal::SignalError::Net(error) => Failure::run(super::unopened(&error)),
            error => Failure::run(error.to_string()),
        })?;
        Ok(Some(server))
    }
}
