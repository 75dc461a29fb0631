//! The error queue of a UDP socket (`IP_RECVERR`, ip(7)): which ICMP error came for which packet,
//! and from whom. It tells a server that is down from a firewall that refuses.

use super::IcmpError;
use crate::ground::icmp::IcmpKind;
use nix::libc;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt,
};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};

/// Switches the queue on.
pub(super) fn enable(socket: &impl AsFd, ipv4: bool) -> io::Result<()> {
    if ipv4 {
        setsockopt(socket, sockopt::Ipv4RecvErr, &true)?;
    } else {
        setsockopt(socket, sockopt::Ipv6RecvErr, &true)?;
    }
    Ok(())
}

/// Takes one error off the queue; `Ok(None)` for one that is not about ICMP.
pub(super) fn take(socket: &impl AsRawFd) -> io::Result<Option<IcmpError>> {
    let mut payload = [0; 64];
    let mut vector = [IoSliceMut::new(&mut payload)];
    let mut space = nix::cmsg_space!([libc::sock_extended_err; 2], [libc::sockaddr_in6; 2]);
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let message =
        recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut vector, Some(&mut space), flags)?;
    let Some(to) = message.address.as_ref().and_then(plain_address) else { return Ok(None) };
    for control in message.cmsgs()? {
        let (error, offender) = match control {
            ControlMessageOwned::Ipv4RecvErr(error, from) => {
                (error, from.map(|a| IpAddr::V4(u32::from_be(a.sin_addr.s_addr).into())))
            }
            ControlMessageOwned::Ipv6RecvErr(error, from) => {
                (error, from.map(|a| IpAddr::V6(a.sin6_addr.s6_addr.into())))
            }
            _ => continue,
        };
        let remote = matches!(error.ee_origin, libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6);
        let offender = offender.filter(|ip| remote && !ip.is_unspecified());
        return Ok(Some(IcmpError { to, offender, kind: kind(&error) }));
    }
    Ok(None)
}

fn plain_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|a| SocketAddr::new(a.ip().into(), a.port()));
    v4.or_else(|| address.as_sockaddr_in6().map(|a| SocketAddr::new(a.ip().into(), a.port())))
}

/// RFC 792 and RFC 1812 section 5.2.7.1 for IPv4, RFC 4443 section 3.1 for IPv6.
fn kind(error: &libc::sock_extended_err) -> IcmpKind {
    match (error.ee_origin, error.ee_type, error.ee_code) {
        (libc::SO_EE_ORIGIN_ICMP, 3, 3) | (libc::SO_EE_ORIGIN_ICMP6, 1, 4) => {
            IcmpKind::PortUnreachable
        }
        (libc::SO_EE_ORIGIN_ICMP, 3, 9 | 10 | 13) | (libc::SO_EE_ORIGIN_ICMP6, 1, 1 | 5 | 6) => {
            IcmpKind::Prohibited
        }
        (libc::SO_EE_ORIGIN_ICMP, 3, _) | (libc::SO_EE_ORIGIN_ICMP6, 1, _) => IcmpKind::Unreachable,
        (libc::SO_EE_ORIGIN_ICMP, 11, _) | (libc::SO_EE_ORIGIN_ICMP6, 3, _) => {
            IcmpKind::TimeExceeded
        }
        (libc::SO_EE_ORIGIN_LOCAL, ..) => IcmpKind::Unreachable,
        _ => IcmpKind::Other,
    }
}
