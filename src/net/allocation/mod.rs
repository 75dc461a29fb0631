//! Tries a TURN server: an allocation, and one packet through it and back to this machine.

mod cross;
mod through;

use super::bind::Bind;
use super::tls::Tls;
use super::turn::Session;
use crate::stun::Patience;
use crate::turn::client::{Event, Guard};
use crate::turn::{Failure, Server, address, expiry};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Attempt {
    /// The relayed address; `None` when there is none.
    pub relayed: Option<SocketAddr>,
    /// What the server saw as our address.
    pub mapped: Option<SocketAddr>,
    /// From the first packet until the address was there.
    pub took: Option<Duration>,
    /// How it let us in; of use when there is an address.
    pub guard: Guard,
    /// Why there is no address, or none that is of use.
    pub failure: Option<Failure>,
    /// What there is to say of the credentials that were refused.
    pub remark: Option<String>,
    /// The way of a packet from a socket of this machine to the relayed address, and from there
    /// through the allocation back here.
    pub direct: Direct,
    /// The same from a second allocation on this server, where no packet came from here.
    pub second: Second,
    /// Of a server reached over IPv6: what it gave when asked in the other way, with or without
    /// REQUESTED-ADDRESS-FAMILY.
    pub otherwise: Option<Otherwise>,
}

/// Whether a packet came through from here.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Direct {
    /// After so long.
    Came(Duration),
    /// It did not, although UDP passes between this machine and the server.
    Lost,
    /// It did not; instead an ICMP error came: what it says, and from whom.
    Icmp(String),
    /// It did not, and no UDP from the server came either: perhaps none passes here at all.
    NoUdp,
    /// The server refused the permission for this machine's own address.
    Refused(IpAddr, Failure),
    /// Not tried: there is no allocation, or no time was left.
    #[default]
    NotTried,
}

/// Whether a packet came through from a second allocation on the same server.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Second {
    /// After so long.
    Came(Duration),
    /// It did not.
    Lost,
    /// There was no second allocation, or the server refuses its own address.
    Refused(Failure),
    /// Not tried.
    #[default]
    NotTried,
}

/// Another way of asking a server that was reached over IPv6.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Otherwise {
    /// Whether this way asks for an IPv4 address, by no REQUESTED-ADDRESS-FAMILY, as browsers do.
    pub ipv4: bool,
    /// What it gave.
    pub result: Result<SocketAddr, Failure>,
}

/// What an attempt needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way<'a> {
    pub server: &'a Server,
    pub bind: Option<&'a Bind>,
    pub tls: &'a Tls,
    pub patience: Patience,
}

impl Way<'_> {
    async fn open(&self, ipv4: bool) -> Result<Session, Failure> {
        Session::asking(self.server.clone(), self.bind, self.tls, self.patience, ipv4).await
    }
}

/// Tries a server until `deadline`. A packet is sent to the relayed address from a fresh UDP
/// socket, as a peer on the same machine would; where none comes through, from a second allocation.
pub async fn attempt(
    server: &Server,
    bind: Option<&Bind>,
    tls: &Tls,
    patience: Patience,
    deadline: Instant,
) -> Attempt {
    let mut attempt = Attempt::default();
    let way = Way { server, bind, tls, patience };
    // it is large: three sessions may be under way in it
    let trying = Box::pin(both_ways(&way, &mut attempt));
    let in_time = tokio::time::timeout_at(deadline, trying).await;
    if in_time.is_err() && attempt.relayed.is_none() && attempt.failure.is_none() {
        let tried = format!("{} until the time for it was over", server.address);
        attempt.failure = Some(Failure::NoAnswer { tried });
    }
    if matches!(attempt.failure, Some(Failure::Unauthorized { .. })) {
        attempt.remark = remark(&server.user);
    }
    attempt
}

/// What a refused user's name looks like now, where there is something to say.
pub(super) fn remark(user: &str) -> Option<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    expiry::remark(user, now)
}

/// Over IPv6 some servers give what is asked for by REQUESTED-ADDRESS-FAMILY only, others only what
/// is asked for without it.
async fn both_ways(way: &Way<'_>, attempt: &mut Attempt) {
    let ipv4 = way.server.address.is_ipv4();
    run(way, ipv4, attempt).await;
    if ipv4 {
        return;
    }
    let refused = attempt.failure.clone().filter(|failure| match failure {
        Failure::FamilyNotSupported
        | Failure::InsufficientCapacity
        | Failure::OtherFamily { .. } => true,
        Failure::Error { code, .. } => matches!(code, 400 | 420),
        _ => false,
    });
    if let Some(failure) = refused {
        let mut as_browsers = Attempt::default();
        run(way, true, &mut as_browsers).await;
        if as_browsers.relayed.is_some() {
            *attempt = as_browsers;
            attempt.otherwise = Some(Otherwise { ipv4: false, result: Err(failure) });
        }
    } else if attempt.failure.is_none() {
        let result = match allocate(way, true).await {
            Ok(allocated) => {
                allocated.session.close().await;
                match address::unusable(allocated.relayed, way.server.address) {
                    Some(why) => Err(Failure::RelayedAddress { relayed: allocated.relayed, why }),
                    None => Ok(allocated.relayed),
                }
            }
            Err(failure) => Err(failure),
        };
        attempt.otherwise = Some(Otherwise { ipv4: true, result });
    }
}

/// An allocation that stands.
pub(super) struct Allocated {
    pub session: Session,
    pub relayed: SocketAddr,
    mapped: Option<SocketAddr>,
}

pub(super) async fn allocate(way: &Way<'_>, ipv4: bool) -> Result<Allocated, Failure> {
    let mut session = way.open(ipv4).await?;
    loop {
        match session.event().await {
            Event::Allocated { relayed, mapped } => {
                return Ok(Allocated { session, relayed, mapped });
            }
            Event::Failed(failure) => {
                // what it still has to say, such as that an allocation is of no use
                session.close().await;
                return Err(failure);
            }
            _ => {}
        }
    }
}

async fn run(way: &Way<'_>, ipv4: bool, attempt: &mut Attempt) {
    let start = Instant::now();
    let mut allocated = match allocate(way, ipv4).await {
        Ok(allocated) => allocated,
        Err(failure) => {
            if let Failure::OtherFamily { relayed } = failure {
                attempt.relayed = Some(relayed);
            }
            // when the time is over before more is known
            attempt.failure = Some(failure.clone());
            return attempt.failure = Some(cross::check(way, failure).await);
        }
    };
    let relayed = allocated.relayed;
    attempt.relayed = Some(relayed);
    attempt.mapped = allocated.mapped;
    attempt.took = Some(start.elapsed());
    attempt.guard = allocated.session.client().guard();
    if let Some(why) = address::unusable(relayed, way.server.address) {
        attempt.failure = Some(Failure::RelayedAddress { relayed, why });
        return allocated.session.close().await;
    }
    // when the time is over before it has ended
    attempt.direct = Direct::NoUdp;
    match through::direct(way, &mut allocated).await {
        Ok(direct) => attempt.direct = direct,
        Err(failure) => return attempt.failure = Some(failure),
    }
    if !matches!(attempt.direct, Direct::Came(_)) {
        attempt.second = through::second(way, &mut allocated).await;
    }
    allocated.session.close().await;
}
