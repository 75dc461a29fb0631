//! `ws://` and `wss://`.

use std::fmt;
use std::str::FromStr;
use tokio_tungstenite::tungstenite::http;

/// Where a signalling server is (RFC 6455 section 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uri {
    /// `wss`.
    pub secure: bool,
    /// The name or address, an IPv6 one without brackets.
    pub host: String,
    /// 80 or 443 where none is given.
    pub port: u16,
    whole: http::Uri,
}

impl FromStr for Uri {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shown = crate::stun::text::safe(text.as_bytes());
        let hint = format!("`{shown}`: write ws://HOST:PORT, or wss:// with TLS");
        let uri: http::Uri = text.parse().map_err(|_| hint.clone())?;
        let secure = match uri.scheme_str() {
            Some("ws") => false,
            Some("wss") => true,
            _ => return Err(hint),
        };
        let authority = uri.authority().ok_or_else(|| hint.clone())?;
        if authority.as_str().contains('@') {
            return Err(format!("`{shown}`: no user and no password belong here"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let default = if secure { 443 } else { 80 };
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => default,
            Some(rest) => rest.strip_prefix(':').and_then(port).ok_or_else(|| hint.clone())?,
            None => return Err(hint),
        };
        if host.is_empty() {
            return Err(hint);
        }
        Ok(Self { secure, host, port, whole: uri })
    }
}

fn port(digits: &str) -> Option<u16> {
    digits.parse().ok().filter(|&port: &u16| port != 0 && !digits.starts_with('+'))
}

impl Uri {
    /// For the request.
    pub(super) const fn http(&self) -> &http::Uri {
        &self.whole
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.whole.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_have_hosts_and_ports() {
        for (text, secure, host, port) in [
            ("ws://example.org", false, "example.org", 80),
            ("wss://example.org/path?x", true, "example.org", 443),
            ("ws://192.0.2.1:3480", false, "192.0.2.1", 3480),
            ("wss://[2001:db8::1]:8443/", true, "2001:db8::1", 8443),
        ] {
            let uri: Uri = text.parse().expect(text);
            assert_eq!((uri.secure, uri.host.as_str(), uri.port), (secure, host, port), "{text}");
        }
        for text in
            ["", "example.org", "http://a", "ws://", "ws://a:0", "ws://a:b", "ws://u@a", "ws://a:"]
        {
            assert!(text.parse::<Uri>().is_err(), "{text}");
        }
    }
}
