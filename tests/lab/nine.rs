//! What the tests of plain servers and of a TURN account share: the nine NATs, and servers that know no
//! OTHER-ADDRESS and no CHANGE-REQUEST before them.

use crate::harness::{Outcome, text};
use natscope::lab::catalogue::Catalogue;
use natscope::lab::kernel::namespace::Namespace;
use natscope::nat::NatSpec;
use natscope::net::serve;
use natscope::stun::responder::Sites;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::sync::oneshot;

pub const fn at(ip: Ipv4Addr, port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(ip), port)
}

/// Every mapping with every filtering.
pub fn specs() -> Outcome<Vec<NatSpec>> {
    let catalogue = Catalogue::embedded();
    let names = ["eim", "adm", "apdm"].map(|m| ["eif", "adf", "apdf"].map(|f| format!("{m}-{f}")));
    let found: Result<Vec<NatSpec>, _> =
        names.iter().flatten().map(|name| catalogue.find(name)).collect();
    found.map_err(text)
}

/// A plain server on each of these.
pub async fn serve_plainly(internet: &Namespace, servers: Vec<SocketAddr>) -> Outcome {
    let (tell, ready) = oneshot::channel();
    drop(internet.submit(move || async move {
        let sites = servers.into_iter().map(Sites::One).collect();
        match serve::Server::bind(serve::Config { limit: None, ..serve::Config::new(sites) }) {
            Ok(server) => {
                let _ = tell.send(Ok(()));
                let _ = server.run(std::future::pending()).await;
            }
            Err(e) => {
                let _ = tell.send(Err(text(e)));
            }
        }
    }));
    ready.await.map_err(text)?
}
