//! STUN and TURN URIs (RFC 7064, RFC 7065).

/// The scheme of a URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    Stun,
    Stuns,
    Turn,
    Turns,
}

/// The transport of a TURN URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    Udp,
    Tcp,
}

/// The host part: a literal address or a name to resolve.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    Ip(std::net::IpAddr),
    Name(String),
}

/// A parsed URI. Display gives it back in canonical form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Uri {
    pub scheme: Scheme,
    pub host: Host,
    /// The port given, else 3478 (stun, turn) or 5349 (stuns, turns).
    pub port: u16,
    /// `?transport=`, TURN only.
    pub transport: Option<Transport>,
}
