//! An RFC 5780 STUN server, sans-IO: a pure function from (bytes, socket they came in on) to
//! (bytes, socket to leave by). RFC 3489 clients are served.

use std::net::SocketAddr;
use std::time::Duration;

/// The addresses a server answers on: one (plain STUN), or two addresses × two ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sites {
    /// One address: no OTHER-ADDRESS, CHANGE-REQUEST answered as RFC 5780 section 6.1 says.
    One(SocketAddr),
    /// Primary and alternate; they differ in address and in port.
    Two { primary: SocketAddr, alternate: SocketAddr },
}

/// One of the up to four sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Site {
    /// On the alternate address.
    pub alternate_ip: bool,
    /// On the alternate port.
    pub alternate_port: bool,
}

/// An answer to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The socket to leave by.
    pub from: Site,
    /// Where to.
    pub to: SocketAddr,
}

/// The responder: its addresses and its rate limit.
#[derive(Debug)]
pub struct Responder {}

impl Responder {
    /// Answers one datagram (or TCP message) that came from `source` to `site` at `now`; the bytes
    /// to send are left in `out`. `None`: say nothing.
    pub fn respond(
        &mut self,
        _now: Duration,
        _site: Site,
        _source: SocketAddr,
        _bytes: &[u8],
        _out: &mut Vec<u8>,
    ) -> Option<Answer> {
        todo!()
    }
}
