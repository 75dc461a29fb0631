//! Which addresses this host has, and has next: a relay sends to none of them.

use crate::net::interface;
use crate::turn::relay::Net;
use std::time::Duration;

/// How often they are read again without being told of a change: for what nobody tells (ranges of
/// `ip route add local`), and where no kernel tells anything.
const EVERY: Duration = Duration::from_secs(10);

/// Those of its interfaces, at this moment.
pub(super) fn now<T: FromIterator<Net>>() -> T {
    let single =
        |one: interface::Address| Net::new(one.ip, if one.ip.is_ipv4() { 32 } else { 128 });
    interface::addresses().into_iter().filter_map(single).collect()
}

pub(super) use system::watch;

#[cfg(target_os = "linux")]
mod system {
    use super::EVERY;
    use crate::turn::relay::{Host, Net};
    use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
    use rtnetlink::packet_route::route::{
        RouteAddress, RouteAttribute, RouteMessage, RouteProtocol, RouteScope, RouteType,
    };
    use rtnetlink::sys::AsyncSocket as _;
    use rtnetlink::{Handle, MulticastGroup, RouteMessageBuilder};
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    use std::time::Duration;

    /// The kernel's table of what it takes for itself (`ip route show table local`).
    const LOCAL: u8 = 255;
    /// How long the kernel may take to list it.
    const PATIENCE: Duration = Duration::from_secs(2);

    /// Tells them now and after every change, for ever.
    pub async fn watch(mut tell: impl FnMut(Host)) {
        let groups = [MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr];
        loop {
            let Ok((mut connection, handle, mut changes)) =
                rtnetlink::new_multicast_connection(&groups)
            else {
                tell(super::now());
                tokio::time::sleep(EVERY).await;
                continue;
            };
            // older kernels (before 4.20) list all tables instead: what is not ours is left out
            let _all = connection.socket_mut().socket_mut().set_netlink_get_strict_chk(true);
            let reading = async {
                loop {
                    tell(read(&handle).await);
                    let change = tokio::time::timeout(EVERY, changes.next()).await;
                    if matches!(change, Ok(None)) {
                        return;
                    }
                    while changes.next().now_or_never().flatten().is_some() {}
                }
            };
            tokio::select! {
                () = connection => {}
                () = reading => {}
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn read(handle: &Handle) -> Host {
        let v4 = RouteMessageBuilder::<Ipv4Addr>::new().table_id(LOCAL.into());
        let v4 = v4.protocol(RouteProtocol::Unspec).scope(RouteScope::Universe);
        let v6 = RouteMessageBuilder::<Ipv6Addr>::new().table_id(LOCAL.into());
        let v6 = v6.protocol(RouteProtocol::Unspec).scope(RouteScope::Universe);
        let mut nets: Vec<Net> = super::now();
        for wanted in [v4.kind(RouteType::Unspec).build(), v6.kind(RouteType::Unspec).build()] {
            let mut routes = handle.route().get(wanted).execute();
            let listing = async {
                while let Ok(Some(route)) = routes.try_next().await {
                    nets.extend(taken(&route));
                }
            };
            let _late = tokio::time::timeout(PATIENCE, listing).await;
        }
        nets.into_iter().collect()
    }

    /// What this route takes for the host itself.
    fn taken(route: &RouteMessage) -> Option<Net> {
        let own = [RouteType::Local, RouteType::Broadcast, RouteType::Anycast];
        if route.header.table != LOCAL || !own.contains(&route.header.kind) {
            return None;
        }
        let ip = route.attributes.iter().find_map(|attribute| match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(ip)) => Some(IpAddr::V4(*ip)),
            RouteAttribute::Destination(RouteAddress::Inet6(ip)) => Some(IpAddr::V6(*ip)),
            _ => None,
        });
        Net::new(ip?, route.header.destination_prefix_length)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::EVERY;
    use crate::turn::relay::Host;

    /// Tells them now and again, for ever.
    pub async fn watch(mut tell: impl FnMut(Host)) {
        loop {
            tell(super::now());
            tokio::time::sleep(EVERY).await;
        }
    }
}
