//! Whether an address that a server names is fit to be asked, or to rest a test on.

use crate::ground::address::{Reach, reach};
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

/// Whether an ALTERNATE-SERVER may be asked (RFC 8489 section 10): of the same family, and never
/// nearer to this host than the server that names it, so that no server can have us send to
/// addresses of our own network.
///
/// # Errors
/// Why not, in one clause.
pub fn may_follow(server: SocketAddr, to: SocketAddr) -> Result<(), &'static str> {
    let (from, there) = (reach(server.ip()), reach(to.ip()));
    if server.ip().to_canonical().is_ipv4() != to.ip().to_canonical().is_ipv4() {
        Err("it is of another address family")
    } else if to.port() == 0 || there == Reach::Nowhere {
        Err("nothing can answer there")
    } else if there < from {
        Err("it is a private address, and the server's is not")
    } else if to == server {
        Err("it is the same address")
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

    #[test]
    fn no_server_sends_us_into_our_own_network() {
        let follow = |server: &str, to: &str| {
            may_follow(server.parse().expect("literal"), to.parse().expect("literal"))
        };
        for to in ["203.0.113.2:3478", "203.0.113.1:3479", "198.51.100.1:19302"] {
            assert_eq!(follow("203.0.113.1:3478", to), Ok(()), "{to}");
        }
        for to in [
            "10.0.0.2:3478",
            "192.168.1.1:53",
            "127.0.0.1:3478",
            "169.254.169.254:80",
            "100.64.0.1:3478",
            "0.0.0.0:3478",
            "224.0.0.1:3478",
            "255.255.255.255:3478",
            "203.0.113.2:0",
            "203.0.113.1:3478",
            "[2001:db8::1]:3478",
            "[::ffff:10.0.0.2]:3478",
        ] {
            assert!(follow("203.0.113.1:3478", to).is_err(), "{to}");
        }
        assert_eq!(follow("10.0.0.1:3478", "10.0.0.2:3478"), Ok(()));
        assert_eq!(follow("127.0.0.1:3478", "203.0.113.2:3478"), Ok(()));
        assert!(follow("[2001:db8::1]:3478", "[fd00::1]:3478").is_err());
        assert!(follow("[2001:db8::1]:3478", "[64:ff9b::10.0.0.1]:3478").is_err());
    }
}
