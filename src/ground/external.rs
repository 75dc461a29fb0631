//! Addresses that a host is known by outside: a cloud or a container translates each of its own to one
//! public address, one to one, and the host itself never sees that one.

use std::net::{IpAddr, SocketAddr};

/// Which address of this host is which one outside; ports are the same.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Externals(Vec<(IpAddr, IpAddr)>);

impl Externals {
    /// `own` is known outside as `public`.
    ///
    /// # Errors
    /// One clause: why that cannot be, safe to print.
    pub fn add(&mut self, own: IpAddr, public: IpAddr) -> Result<(), String> {
        if own.is_ipv4() != public.is_ipv4() {
            return Err(format!("{own} and {public} are of different address families"));
        }
        if public.is_unspecified() || public.is_multicast() {
            return Err(format!("{public} is no address that a host can have"));
        }
        if let Some((other, _)) = self.0.iter().find(|(o, p)| *o == own || *p == public) {
            return Err(format!("{other} is already known outside by another --external"));
        }
        self.0.push((own, public));
        Ok(())
    }

    /// What this address of ours is outside; itself where nothing translates it.
    #[must_use]
    pub fn outside(&self, own: SocketAddr) -> SocketAddr {
        SocketAddr::new(self.outside_ip(own.ip()), own.port())
    }

    /// The same of an address without a port.
    #[must_use]
    pub fn outside_ip(&self, own: IpAddr) -> IpAddr {
        self.0.iter().find(|(o, _)| *o == own).map_or(own, |(_, public)| *public)
    }

    /// Which of ours is known so outside; the address itself where it is none of them.
    #[must_use]
    pub fn inside(&self, public: SocketAddr) -> SocketAddr {
        let own = self.0.iter().find(|(_, p)| *p == public.ip());
        own.map_or(public, |(own, _)| SocketAddr::new(*own, public.port()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("a literal address")
    }

    #[test]
    fn an_address_is_translated_both_ways_and_others_are_let_be() {
        let mut externals = Externals::default();
        externals.add(ip("10.0.0.5"), ip("198.51.100.5")).expect("fine");
        let (own, public) =
            (SocketAddr::new(ip("10.0.0.5"), 7), SocketAddr::new(ip("198.51.100.5"), 7));
        assert_eq!((externals.outside(own), externals.inside(public)), (public, own));
        let other = SocketAddr::new(ip("192.0.2.1"), 7);
        assert_eq!((externals.outside(other), externals.inside(other)), (other, other));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let mut externals = Externals::default();
        externals.add(ip("10.0.0.5"), ip("198.51.100.5")).expect("fine");
        for (own, public) in [
            ("10.0.0.5", "198.51.100.6"),
            ("10.0.0.6", "198.51.100.5"),
            ("10.0.0.6", "2001:db8::1"),
            ("10.0.0.6", "0.0.0.0"),
            ("10.0.0.6", "224.0.0.1"),
        ] {
            assert!(externals.add(ip(own), ip(public)).is_err(), "{own}={public}");
        }
    }
}
