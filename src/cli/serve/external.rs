//! `--external`: what the addresses of this host are outside.

use super::{Args, parse_ip};
use crate::cli::exit::Failure;
use crate::ground::external::Externals;
use crate::stun::responder::Sites;
use std::net::IpAddr;

/// `PUBLIC`, or `LISTEN=PUBLIC`.
#[derive(Debug, Clone, Copy)]
pub struct External {
    own: Option<IpAddr>,
    public: IpAddr,
}

pub fn parse(text: &str) -> Result<External, String> {
    let ip = |text: &str| {
        let text = text.trim();
        parse_ip(text).ok_or_else(|| {
            format!("`{text}` is not an IP address: write PUBLIC, or LISTEN=PUBLIC such as 10.0.0.5=198.51.100.5")
        })
    };
    match text.split_once('=') {
        Some((own, public)) => Ok(External { own: Some(ip(own)?), public: ip(public)? }),
        None => Ok(External { own: None, public: ip(text)? }),
    }
}

/// Of these arguments.
pub fn of(args: &Args, sites: &[Sites]) -> Result<Externals, Failure> {
    let mut own: Vec<IpAddr> =
        sites.iter().flat_map(|sites| sites.all()).map(|(_, at)| at.ip()).collect();
    own.extend(args.turn.relay_addresses());
    own.sort_unstable();
    own.dedup();
    let mut externals = Externals::default();
    for external in &args.external {
        let public = external.public;
        let of_family: Vec<IpAddr> =
            own.iter().copied().filter(|ip| ip.is_ipv4() == public.is_ipv4()).collect();
        let named = match (external.own, of_family.as_slice()) {
            (Some(ip), _) if own.contains(&ip) => ip,
            (Some(ip), _) => {
                return Err(usage(format!(
                    "{ip} is none of the addresses that this server has: give it to --listen, --alternate or --relay-address too"
                )));
            }
            (None, [one]) => *one,
            (None, []) => {
                return Err(usage(format!("{public}: there is no --listen of its address family")));
            }
            (None, several) => {
                let all: Vec<String> = several.iter().map(|ip| format!("{ip}={public}")).collect();
                return Err(usage(format!(
                    "{public}: this server has several addresses: say which, {}",
                    all.join(" or ")
                )));
            }
        };
        if named.is_unspecified() {
            return Err(usage(format!(
                "{public}: name the address of this host that it belongs to, by --listen IP instead of {named}"
            )));
        }
        externals.add(named, public).map_err(usage)?;
    }
    Ok(externals)
}

fn usage(why: impl std::fmt::Display) -> Failure {
    Failure::usage(format!("--external: {why}"))
}
