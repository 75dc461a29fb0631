//! Links, addresses and routes of the namespace that the thread is in, by netlink.

use super::LabError;
use futures_util::{StreamExt as _, TryStreamExt as _};
use rtnetlink::packet_route::link::{InfoData, InfoVeth, LinkAttribute, State};
use rtnetlink::{
    AddressMessageBuilder, Handle, LinkUnspec, LinkVeth, MulticastGroup, RouteMessageBuilder,
};
use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;

/// How long a link may take to carry packets; milliseconds are usual.
const CARRIER_PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// A netlink socket in the thread's namespace.
pub(super) struct Links {
    namespace: String,
    handle: Handle,
    connection: tokio::task::JoinHandle<()>,
}

impl Drop for Links {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// A veth pair: this end, and the end in another namespace. The indices are chosen, so that
/// nothing need be looked up.
pub(super) struct Link<'a> {
    /// Name of this end.
    pub(super) name: &'a str,
    /// Index of this end.
    pub(super) index: u32,
    /// Name of the other end.
    pub(super) peer: &'a str,
    /// Index of the other end.
    pub(super) peer_index: u32,
}

impl Links {
    pub(super) fn open(namespace: &str) -> Result<Self, LabError> {
        let (connection, handle, _) = rtnetlink::new_connection().map_err(|e| LabError::Link {
            name: namespace.to_owned(),
            what: "opening netlink".into(),
            why: e.to_string(),
        })?;
        let connection = tokio::task::spawn_local(connection);
        Ok(Self { namespace: namespace.to_owned(), handle, connection })
    }

    /// Waits until a link carries packets. A link that rose before its other end begins to a moment
    /// after that end rose; the first address query would be lost, and the next comes a second later.
    pub(super) async fn carrier(namespace: &str, index: u32) -> Result<(), LabError> {
        let fail = |why: String| LabError::Link {
            name: namespace.to_owned(),
            what: format!("waiting for link {index}"),
            why,
        };
        // the messages first, so that no change is missed
        let (connection, handle, mut changes) =
            rtnetlink::new_multicast_connection(&[MulticastGroup::Link])
                .map_err(|e| fail(e.to_string()))?;
        let connection = tokio::task::spawn_local(connection);
        let links = Self { namespace: namespace.to_owned(), handle, connection };
        let waiting = async {
            loop {
                let mut found = links.handle.link().get().match_index(index).execute();
                let link = found.try_next().await.map_err(|e| fail(e.to_string()))?;
                let up = |a: &LinkAttribute| matches!(a, LinkAttribute::OperState(State::Up));
                if link.is_some_and(|link| link.attributes.iter().any(up)) {
                    return Ok(());
                }
                changes.next().await.ok_or_else(|| fail("netlink has ended".into()))?;
            }
        };
        tokio::time::timeout(CARRIER_PATIENCE, waiting)
            .await
            .map_err(|_| fail(format!("no carrier after {} s", CARRIER_PATIENCE.as_secs())))?
    }

    fn check(&self, what: String, result: Result<(), rtnetlink::Error>) -> Result<(), LabError> {
        result.map_err(|e| LabError::Link {
            name: self.namespace.clone(),
            what,
            why: e.to_string(),
        })
    }

    /// Sets a link up.
    pub(super) async fn up(&self, index: u32) -> Result<(), LabError> {
        let message = LinkUnspec::new_with_index(index).up().build();
        let done = self.handle.link().set(message).execute().await;
        self.check(format!("setting link {index} up"), done)
    }

    /// Makes a veth pair with one end here and one in the namespace of `there`. This end is
    /// up; the other cannot be yet, since a veth must not rise before it has its peer.
    pub(super) async fn veth(&self, link: &Link<'_>, there: &File) -> Result<(), LabError> {
        let mut peer = LinkUnspec::new_with_name(link.peer).index(link.peer_index).build();
        peer.attributes.push(LinkAttribute::NetNsFd(there.as_raw_fd()));
        let message = LinkVeth::new(link.name, link.peer)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
            .index(link.index)
            .up()
            .build();
        let done = self.handle.link().add(message).execute().await;
        self.check(format!("making the link {} – {}", link.name, link.peer), done)
    }

    /// Gives a link an address of its own, without a subnet.
    pub(super) async fn address(&self, index: u32, address: Ipv4Addr) -> Result<(), LabError> {
        let message =
            AddressMessageBuilder::<Ipv4Addr>::new().index(index).address(address, 32).build();
        let mut request = self.handle.address().add(index, address.into(), 32);
        *request.message_mut() = message;
        self.check(format!("address {address}"), request.execute().await)
    }

    /// Sends everything else to `router`, a neighbour on this link.
    pub(super) async fn default_route(&self, index: u32, router: Ipv4Addr) -> Result<(), LabError> {
        let route = RouteMessageBuilder::<Ipv4Addr>::new()
            .output_interface(index)
            .gateway(router)
            .onlink()
            .build();
        self.check(
            format!("route to everything by {router}"),
            self.handle.route().add(route).execute().await,
        )
    }

    /// A route to one host, a neighbour on this link or behind one.
    pub(super) async fn host_route(
        &self,
        index: u32,
        host: Ipv4Addr,
        by: Option<Ipv4Addr>,
    ) -> Result<(), LabError> {
        let mut route = RouteMessageBuilder::<Ipv4Addr>::new()
            .output_interface(index)
            .destination_prefix(host, 32);
        route = match by {
            Some(router) => route.gateway(router).onlink(),
            None => route.scope(rtnetlink::packet_route::route::RouteScope::Link),
        };
        self.check(
            format!("route to {host}"),
            self.handle.route().add(route.build()).execute().await,
        )
    }
}
