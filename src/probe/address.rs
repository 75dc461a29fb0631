//! Whether an advertised alternate address is fit to rest a test on.

use crate::nat::address::{Reach, reach};
use std::net::SocketAddr;

/// What is wrong with an OTHER-ADDRESS (RFC 5780 section 7.4), one clause; `Ok` when nothing is.
///
/// # Errors
/// The clause, such as `it is the same IP address`.
pub fn check_other(server: SocketAddr, other: SocketAddr) -> Result<(), &'static str> {
    let (here, there) = (server.ip().to_canonical(), other.ip().to_canonical());
    if here.is_ipv4() != there.is_ipv4() {
        return Err("it is of another address family");
    }
    match reach(there) {
        Reach::Nowhere => return Err("nothing can answer from it"),
        r if r < reach(here) => {
            return Err(if r == Reach::Loopback {
                "it is a loopback address, and the server is not"
            } else {
                "it is a private address, and the server's is not"
            });
        }
        _ => {}
    }
    if here == there {
        return Err("it is the same IP address");
    }
    check_port(server, other)
}

/// What is wrong with the alternate port alone.
///
/// # Errors
/// The clause.
pub fn check_port(server: SocketAddr, other: SocketAddr) -> Result<(), &'static str> {
    if other.port() == 0 {
        Err("its port is 0")
    } else if other.port() == server.port() {
        Err("it is the same port")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternates_that_nothing_can_rest_on_are_named() {
        let server = "203.0.113.1:3478".parse().expect("literal");
        for (other, fault) in [
            ("203.0.113.1:3479", "same IP"),
            ("10.0.0.2:3479", "private"),
            ("100.64.0.2:3479", "private"),
            ("127.0.0.1:3479", "loopback"),
            ("0.0.0.0:3479", "nothing can answer"),
            ("224.0.0.1:3479", "nothing can answer"),
            ("[2001:db8::1]:3479", "family"),
            ("203.0.113.2:3478", "same port"),
            ("203.0.113.2:0", "port is 0"),
        ] {
            let said = check_other(server, other.parse().expect("literal")).expect_err(other);
            assert!(said.contains(fault), "{other}: {said}");
        }
        assert_eq!(check_other(server, "203.0.113.2:3479".parse().expect("literal")), Ok(()));
        let lan = "10.0.0.1:3478".parse().expect("literal");
        assert_eq!(check_other(lan, "10.0.0.2:3479".parse().expect("literal")), Ok(()));
    }
}
