//! Allocations that a prober observes from.

use super::allocation::{Allocated, Way, allocate};
use super::bind::Bind;
use super::probe::Event;
use super::tls::Tls;
use crate::probe::{News, RelayId, Wish};
use crate::stun::Patience;
use crate::turn::client;
use crate::turn::{Failure, Over, Server};
use std::time::Duration;
use tokio::sync::mpsc;

/// Until an allocation over TCP must stand where the user named UDP.
const TCP: Duration = Duration::from_millis(1500);

/// How to leave this host.
pub(super) struct Out {
    pub bind: Option<Bind>,
    pub tls: Tls,
}

fn news(event: client::Event) -> Option<News> {
    match event {
        client::Event::Permitted(ip) => Some(News::Permitted(ip)),
        client::Event::Refused { peer, failure } => Some(News::Refused(peer, failure.to_string())),
        client::Event::Data { peer, payload } => Some(News::Data { from: peer, bytes: payload }),
        client::Event::Failed(failure) => Some(News::Failed(failure.to_string())),
        _ => None,
    }
}

/// Makes an allocation and does what is wished of it, until nobody wishes any more.
pub(super) async fn live(
    relay: RelayId,
    server: Server,
    out: Out,
    mut wishes: mpsc::Receiver<Wish>,
    events: mpsc::Sender<Event>,
) {
    let tell = async |news| events.send(Event::Relay { relay, news }).await.is_ok();
    let opened = tokio::select! {
        opened = open(&server, &out) => opened,
        _ = wishes.recv() => return,
    };
    let (Allocated { mut session, relayed, .. }, udp) = match opened {
        Ok(opened) => opened,
        Err(failure) => {
            tell(News::Failed(failure.to_string())).await;
            return;
        }
    };
    let mut told = Some(News::Open { relayed, udp });
    loop {
        if let Some(told) = told.take()
            && !tell(told).await
        {
            break;
        }
        tokio::select! {
            wish = wishes.recv() => match wish {
                Some(Wish::Send { to, bytes }) => session.send(to, &bytes),
                Some(Wish::Permit(ip)) => session.permit(ip),
                Some(Wish::Open { .. }) => {}
                None => break,
            },
            event = session.event() => told = news(event),
        }
    }
    session.close().await;
}

/// An allocation, and whether the server was reached over UDP.
async fn open(server: &Server, out: &Out) -> Result<(Allocated, bool), Failure> {
    let (bind, tls, patience) = (out.bind.as_ref(), &out.tls, Patience::internet());
    let ipv4 = server.address.is_ipv4();
    let way = Way { server, bind, tls, patience };
    if server.over == Over::Udp {
        let server = &Server { over: Over::Tcp, ..server.clone() };
        let over_tcp = Way { server, ..way };
        if let Ok(Ok(opened)) = tokio::time::timeout(TCP, allocate(&over_tcp, ipv4)).await {
            return Ok((opened, false));
        }
    }
    Ok((allocate(&way, ipv4).await?, server.over == Over::Udp))
}
