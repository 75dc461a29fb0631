//! STUN and TURN URIs (RFC 7064, RFC 7065).

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// The scheme of a URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// STUN over UDP or TCP.
    Stun,
    /// STUN over TLS or DTLS.
    Stuns,
    /// TURN over UDP or TCP.
    Turn,
    /// TURN over TLS or DTLS.
    Turns,
}

impl Scheme {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stun => "stun",
            Self::Stuns => "stuns",
            Self::Turn => "turn",
            Self::Turns => "turns",
        }
    }

    /// The port where the URI names none.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Stun | Self::Turn => 3478,
            Self::Stuns | Self::Turns => 5349,
        }
    }
}

/// The transport of a TURN URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// UDP, or DTLS under `turns`.
    Udp,
    /// TCP, or TLS under `turns`.
    Tcp,
}

/// The host part: a literal address or a name to resolve.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A literal address.
    Ip(IpAddr),
    /// A name of letters, digits, hyphens and dots.
    Name(String),
}

/// A parsed URI. Display gives it back in canonical form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Uri {
    /// Its scheme.
    pub scheme: Scheme,
    /// Its host.
    pub host: Host,
    /// The port given, else 3478 (stun, turn) or 5349 (stuns, turns).
    pub port: u16,
    /// `?transport=`, TURN only.
    pub transport: Option<Transport>,
}

/// What is wrong with a URI, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UriError(String);

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let shown = super::text::safe(text.as_bytes());
        let fail = |why: String| UriError(format!("`{shown}`: {why}"));
        let Some((scheme, rest)) = split_scheme(text) else {
            let meant = super::text::safe(meant(text).as_bytes());
            return Err(fail(format!(
                "a server is written stun:HOST or stun:HOST:PORT; did you mean `{meant}`?"
            )));
        };
        if rest.starts_with("//") {
            let bare = super::text::safe(rest.trim_start_matches('/').as_bytes());
            return Err(fail(format!(
                "RFC 7064 has no slashes; write `{}:{bare}`",
                scheme.as_str()
            )));
        }
        let (authority, query) = match rest.split_once('?') {
            Some((authority, query)) => (authority, Some(query)),
            None => (rest, None),
        };
        let (host, port) = split_port(authority).map_err(&fail)?;
        let transport = query.map(|q| transport(scheme, q)).transpose().map_err(&fail)?;
        Ok(Self {
            scheme,
            host: read_host(host).map_err(&fail)?,
            port: port.map_or(Ok(scheme.default_port()), read_port).map_err(&fail)?,
            transport,
        })
    }
}

/// What somebody who left out the scheme, or took another, will have wanted.
fn meant(text: &str) -> String {
    let host = text.split_once("://").map_or(text, |(_, host)| host).trim_end_matches('/');
    if host.parse::<Ipv6Addr>().is_ok() { format!("stun:[{host}]") } else { format!("stun:{host}") }
}

/// The scheme is without case (RFC 3986 section 3.1).
fn split_scheme(text: &str) -> Option<(Scheme, &str)> {
    let (name, rest) = text.split_once(':')?;
    [Scheme::Stun, Scheme::Stuns, Scheme::Turn, Scheme::Turns]
        .into_iter()
        .find(|scheme| scheme.as_str().eq_ignore_ascii_case(name))
        .map(|scheme| (scheme, rest))
}

fn split_port(authority: &str) -> Result<(&str, Option<&str>), String> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, tail) =
            rest.split_once(']').ok_or("the `[` of the IPv6 address is not closed")?;
        if host.parse::<Ipv6Addr>().is_err() {
            return Err("between brackets there may only be an IPv6 address".to_owned());
        }
        return match tail.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if tail.is_empty() => Ok((host, None)),
            None => Err("after `]` there may only be `:PORT`".to_owned()),
        };
    }
    if authority.parse::<Ipv6Addr>().is_ok() {
        return Err(format!("an IPv6 address needs brackets: [{authority}]"));
    }
    Ok(authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))))
}

fn read_port(port: &str) -> Result<u16, String> {
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let number = port.parse::<u16>().ok().filter(|&n| digits && n != 0);
    number.ok_or_else(|| "the port is a number from 1 to 65535".to_owned())
}

fn read_host(host: &str) -> Result<Host, String> {
    if host.is_empty() {
        return Err("the host is missing".to_owned());
    }
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(Host::Ip(ip));
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let mut labels = host.strip_suffix('.').unwrap_or(host).split('.');
    let sized = labels.clone().all(|label| (1..=63).contains(&label.len())) && host.len() <= 253;
    let numeric = labels.next_back().is_some_and(|label| label.bytes().all(|b| b.is_ascii_digit()));
    if !host.chars().all(fits) || !sized || numeric {
        return Err("the host is neither an IP address nor a host name".to_owned());
    }
    Ok(Host::Name(host.to_ascii_lowercase()))
}

fn transport(scheme: Scheme, query: &str) -> Result<Transport, String> {
    if matches!(scheme, Scheme::Stun | Scheme::Stuns) {
        return Err("`?` has no meaning in a stun URI (RFC 7064)".to_owned());
    }
    // the RFC's grammar is without case (RFC 5234 section 2.3)
    match query.to_ascii_lowercase().strip_prefix("transport=") {
        Some("udp") => Ok(Transport::Udp),
        Some("tcp") => Ok(Transport::Tcp),
        Some("tls") => Err("for TURN over TLS write turns:HOST, without ?transport=tls".to_owned()),
        _ => Err("after `?` there may be transport=udp or transport=tcp".to_owned()),
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.scheme.as_str())?;
        match &self.host {
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]")?,
            Host::Ip(ip) => write!(f, "{ip}")?,
            Host::Name(name) => f.write_str(name)?,
        }
        if self.port != self.scheme.default_port() {
            write!(f, ":{}", self.port)?;
        }
        match self.transport {
            Some(Transport::Udp) => f.write_str("?transport=udp"),
            Some(Transport::Tcp) => f.write_str("?transport=tcp"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_uris_come_back_as_they_were() {
        for uri in [
            "stun:example.org",
            "stun:192.0.2.1:19302",
            "stuns:[2001:db8::1]:443",
            "turn:[2001:db8::1]?transport=tcp",
            "turns:relay.example.org:443?transport=udp",
        ] {
            assert_eq!(uri.parse::<Uri>().expect(uri).to_string(), uri);
        }
        let upper: Uri = "STUN:Example.ORG:3478".parse().expect("schemes have no case");
        assert_eq!(upper.to_string(), "stun:example.org");
    }

    #[test]
    fn bad_uris_say_what_to_write() {
        for (uri, said) in [
            ("192.0.2.1", "did you mean `stun:192.0.2.1`"),
            ("2001:db8::1", "did you mean `stun:[2001:db8::1]`"),
            ("https://example.org/", "did you mean `stun:example.org`"),
            ("stun:[192.0.2.1]", "only be an IPv6 address"),
            ("stun:[example.org]:3478", "only be an IPv6 address"),
            ("stun:[fe80::1%eth0]", "only be an IPv6 address"),
            ("example.org:3478", "did you mean `stun:example.org:3478`"),
            ("stun://example.org", "write `stun:example.org`"),
            ("stun:", "host is missing"),
            ("stun:a:0", "1 to 65535"),
            ("stun:a:+1", "1 to 65535"),
            ("stun:a:70000", "1 to 65535"),
            ("stun:2001:db8::1", "brackets"),
            ("stun:[2001:db8::1", "not closed"),
            ("stun:[::1]x", "after `]`"),
            ("stun:1.2.3.999", "neither"),
            ("stun:a b", "neither"),
            ("stun:a?transport=udp", "no meaning"),
            ("turn:a?transport=sctp", "transport=udp or"),
        ] {
            let error = uri.parse::<Uri>().expect_err(uri).to_string();
            assert!(error.contains(said), "{uri}: {error}");
        }
    }
}
