//! Why a TURN server relays or not, and what an operator should do about it.

use super::TurnVerdict as Verdict;
use crate::net::allocation::{Attempt, Direct, Otherwise, Second};
use crate::turn::client::Guard;
use crate::turn::{Failure, Server, address};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Where a packet came from that came from another allocation.
pub(super) const SECOND: &str = "second-allocation";
/// What to do when packets to the relayed address do not come.
const OPEN_PORTS: &str = "open the server's relay ports (coturn: min-port to max-port) for UDP in every firewall before it, and behind a NAT tell it its public address (coturn: external-ip)";
const OPEN_RELAY: &str = "it lets anybody in, without a name or a password: an open relay. Whoever finds it sends from its address: let it ask for credentials (coturn: no no-auth, but lt-cred-mech with user=NAME:PASSWORD, or use-auth-secret with static-auth-secret)";
const UNSIGNED: &str = "its success has no MESSAGE-INTEGRITY although it was asked with credentials: browsers drop such an answer, and anybody on the way could have made it";

/// What there is to say.
#[derive(Debug)]
pub(super) struct Explained {
    pub verdict: Verdict,
    pub because: Option<String>,
    pub advice: Option<String>,
    pub warnings: Vec<String>,
}

/// The packet that came through: after how long, and from where.
pub(super) const fn through(attempt: &Attempt) -> Option<(Duration, &'static str)> {
    match (&attempt.direct, &attempt.second) {
        (Direct::Came(took), _) => Some((*took, "udp")),
        (_, Second::Came(took)) => Some((*took, SECOND)),
        _ => None,
    }
}

pub(super) fn explain(server: &Server, attempt: &Attempt) -> Explained {
    let (verdict, because, advice) = match (&attempt.failure, attempt.relayed) {
        (Some(failure), _) => failed(failure, attempt),
        (None, Some(relayed)) => relaying(server, attempt, relayed),
        (None, None) => (Verdict::Unknown, None, None),
    };
    let warnings = if attempt.relayed.is_some() { warnings(server, attempt) } else { Vec::new() };
    Explained { verdict, because, advice, warnings }
}

type Said = (Verdict, Option<String>, Option<String>);

fn failed(failure: &Failure, attempt: &Attempt) -> Said {
    let general = || failure.advice().to_owned();
    let advice = match failure {
        Failure::Unauthorized { realm, .. } if realm.is_empty() => {
            "give the server a realm (coturn: realm=NAME), without which no password fits"
                .to_owned()
        }
        Failure::Unauthorized { .. } => attempt.remark.clone().unwrap_or_else(general),
        _ => general(),
    };
    (Verdict::Fails, Some(failure.to_string()), Some(advice))
}

fn relaying(server: &Server, attempt: &Attempt, relayed: SocketAddr) -> Said {
    let second = match attempt.second {
        Second::Came(_) => Some(true),
        Second::Lost => Some(false),
        _ => None,
    };
    match &attempt.direct {
        Direct::Came(_) => (Verdict::Works, None, None),
        Direct::Icmp(why) => (
            Verdict::Fails,
            Some(format!(
                "there is an address, but packets sent to {relayed} are refused: {why}{}",
                only_from_here(second)
            )),
            Some(open_ports(server, relayed)),
        ),
        Direct::Lost => (
            Verdict::Fails,
            Some(format!(
                "there is an address, but no packet sent to {relayed} came through{}",
                only_from_here(second)
            )),
            Some(open_ports(server, relayed)),
        ),
        Direct::Refused(peer, failure) => refused(*peer, failure, second),
        Direct::NoUdp | Direct::NotTried => match second {
            Some(true) => (Verdict::Works, None, None),
            _ => (
                Verdict::Unknown,
                Some(format!(
                    "there is an address, but whether packets sent to {relayed} come through could not be told: no UDP from {} reached this machine",
                    server.address
                )),
                None,
            ),
        },
    }
}

/// What a second allocation shows where nothing came from here.
const fn only_from_here(second: Option<bool>) -> &'static str {
    match second {
        Some(true) => {
            "; between two allocations of this server they pass, so the way from outside to its relay ports is closed"
        }
        _ => "",
    }
}

fn open_ports(server: &Server, relayed: SocketAddr) -> String {
    let (at, from) = (server.address.ip().to_canonical(), relayed.ip().to_canonical());
    if at == from || at.is_ipv4() != from.is_ipv4() {
        return OPEN_PORTS.to_owned();
    }
    format!(
        "{OPEN_PORTS}; it was reached at {at} and relays from {from}: look first whether that is still its address"
    )
}

/// A permission was refused. Whether peers elsewhere pass is not known where this one is private.
fn refused(peer: IpAddr, failure: &Failure, second: Option<bool>) -> Said {
    let range = address::range(peer);
    let lies = range.map(|range| format!(", which lies in {range}")).unwrap_or_default();
    let because = format!(
        "there is an address, but no permission for the peer {peer} (this machine{lies}): {failure}"
    );
    let verdict = match (failure, second) {
        (_, Some(true)) => Verdict::Works,
        (Failure::Forbidden { .. }, _) if !address::is_public(peer) => Verdict::Unknown,
        _ => Verdict::Fails,
    };
    let advice = match failure {
        Failure::Forbidden { .. } if peer.to_canonical().is_loopback() => {
            "servers let no peer on a loopback address pass: try from another host, or, to test only, allow it (coturn: allow-loopback-peers)".to_owned()
        }
        Failure::Forbidden { .. } if !address::is_public(peer) => format!(
            "servers are told to refuse private peers, so that nobody reaches their own network through them; try from outside. To let this range pass take it out of what is denied (coturn: denied-peer-ip, or add allowed-peer-ip={peer}; natscope serve: --allow-private)"
        ),
        Failure::Forbidden { .. } => format!(
            "look which range of the server's configuration holds {peer} and take it out (coturn: denied-peer-ip), or allow that address besides (coturn: allowed-peer-ip={peer})"
        ),
        _ => failure.advice().to_owned(),
    };
    (verdict, Some(because), Some(advice))
}

fn warnings(server: &Server, attempt: &Attempt) -> Vec<String> {
    let mut warnings = Vec::new();
    match attempt.guard {
        Guard::Open if server.user.is_empty() => warnings.push(OPEN_RELAY.to_owned()),
        Guard::Open => warnings.push(format!(
            "{OPEN_RELAY}; that the name and the password given here are right is not shown"
        )),
        Guard::Unsigned => warnings.push(UNSIGNED.to_owned()),
        Guard::Signed => {}
    }
    if let Some(relayed) = attempt.relayed
        && attempt.failure.is_none()
        && !address::is_public(relayed.ip())
    {
        let range = address::range(relayed.ip()).unwrap_or("a range that is not public");
        warnings.push(format!(
            "its relayed address lies in {range}: only peers in there can send to it; for others tell the server its public address (coturn: external-ip)"
        ));
    }
    warnings.extend(attempt.otherwise.as_ref().and_then(otherwise));
    warnings
}

fn otherwise(otherwise: &Otherwise) -> Option<String> {
    match otherwise {
        // browsers take what they are given
        Otherwise { result: Ok(_) | Err(Failure::OtherFamily { .. }), .. } => None,
        Otherwise { ipv4: true, result: Err(failure) } => Some(format!(
            "asked as browsers ask over IPv6, without REQUESTED-ADDRESS-FAMILY, it gives no address: {failure}"
        )),
        Otherwise { ipv4: false, result: Err(failure) } => Some(format!(
            "asked for an IPv6 address it gives none ({failure}); this is the IPv4 address that it gives when asked as browsers ask, without REQUESTED-ADDRESS-FAMILY"
        )),
    }
}
