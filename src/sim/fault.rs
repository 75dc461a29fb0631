//! What servers do wrong.

use super::server::Corner;
use std::net::SocketAddr;
use std::time::Duration;

/// What an OTHER-ADDRESS says that is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherLie {
    /// The server's own address, another port (which answers).
    SameAddress,
    /// Another address (which answers), the same port.
    SamePort,
    /// A private address.
    Private,
    /// 127.0.0.1.
    Loopback,
    /// An address of the other family.
    WrongFamily,
    /// A global address that leads nowhere.
    Unroutable,
    /// A global address of somebody else's, where a plain STUN server answers.
    Stranger,
}

/// Which endpoints are dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadPart {
    /// Both ports of the alternate address.
    Address,
    /// The alternate port of the alternate address only.
    Corner,
    /// The alternate port of the primary address only.
    Port,
    /// The alternate port of both addresses: a firewall on the way lets only the usual one pass.
    OtherPort,
}

/// How CHANGE-REQUEST is misunderstood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crossed {
    /// Only the port ever changes.
    PortOnly,
    /// Only the address ever changes.
    AddressOnly,
    /// Any request to change changes both.
    AlwaysBoth,
    /// Port and address are mixed up.
    Swapped,
}

/// What a server sees of its clients that is not so, or writes so that it does not read so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// The private address of the load balancer before it.
    Balancer,
    /// The right address, as an IPv4-mapped IPv6 one: this is no lie.
    Mapped6,
    /// 0.0.0.0.
    Unspecified,
    /// A multicast address.
    Multicast,
    /// The right address, and port 0.
    PortZero,
    /// An IPv6 address.
    OtherFamily,
    /// 127.0.0.1: a proxy on its own machine.
    Loopback,
    /// Its own address.
    Itself,
    /// The right address, without the XOR.
    NoXor,
}

/// One way to misbehave. A server may have several.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// Answers CHANGE-REQUEST from where it was asked.
    IgnoresChange,
    /// Does not answer requests with CHANGE-REQUEST.
    DropsChange,
    /// Answers them with 420.
    RefusesChange,
    /// Some endpoints do not answer, nor does anything come from them unless `sends`.
    Dead {
        /// Which endpoints.
        part: DeadPart,
        /// Requests to it are lost, yet answers leave from it.
        sends: bool,
        /// ICMP port unreachable instead of silence.
        icmp: bool,
    },
    /// The whole server is dead over UDP.
    WhollyDead {
        /// ICMP port unreachable instead of silence.
        icmp: bool,
    },
    /// OTHER-ADDRESS is wrong.
    Other(OtherLie),
    /// Answers CHANGE-REQUEST from the wrong one of its four endpoints, and says in
    /// RESPONSE-ORIGIN that it was the right one if `lies`.
    Crosses {
        /// How it answers otherwise than it was asked.
        how: Crossed,
        /// RESPONSE-ORIGIN names the endpoint that was asked for.
        lies: bool,
    },
    /// All answers leave by this other endpoint of its own.
    AnswersFrom(Corner),
    /// All answers leave by an address that is not its own.
    AnswersFromStranger,
    /// RESPONSE-ORIGIN names a private address: the server stands behind a one-to-one NAT.
    PrivateOrigin,
    /// Every answer is late by this much.
    Late {
        /// At the least.
        least: Duration,
        /// At the most.
        most: Duration,
    },
    /// Every answer is sent again so many times.
    Duplicates(u8),
    /// This share of answers is garbage.
    Garbage(f64),
    /// This share of answers has a wrong id.
    WrongId(f64),
    /// A token bucket over all four endpoints.
    RateLimited {
        /// Answers a second.
        per_second: u32,
        /// Answers at once.
        burst: u32,
    },
    /// This share of requests is not answered.
    Drops(f64),
    /// No OTHER-ADDRESS, and CHANGE-REQUEST ignored: plain STUN.
    Plain,
    /// Answers RESPONSE-PORT with 420.
    RefusesResponsePort,
    /// Does not see RESPONSE-PORT.
    IgnoresResponsePort,
    /// Answers over UDP only.
    NoTcp,
    /// Misdeployed: what it sees is not the client.
    Sees(Sight),
    /// Answers everything with this error code.
    Refuses(u16),
    /// Sends everybody to another server (300 Try Alternate); of two, the second is what its
    /// alternate address says.
    Redirects(SocketAddr),
    /// Sends an attribute without its padding before the mapped address.
    Unpadded,
    /// Sends this many bytes after the message.
    Trailing(u8),
    /// Knows no magic cookie and no XOR: RFC 3489, and gives back zeros for the cookie.
    NoCookie,
}
