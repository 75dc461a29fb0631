//! Allocations that a prober observes from.

use super::bind::Bind;
use super::probe::Event;
use super::tls::Tls;
use super::turn::Session;
use crate::probe::{News, RelayId, Wish};
use crate::stun::Patience;
use crate::turn::client;
use crate::turn::{Failure, Over, Server};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::mpsc;

/// Until an allocation over TCP must stand where the user named UDP.
const TCP: Duration = Duration::from_millis(1500);

/// How to leave this host.
pub(super) struct Way {
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
    way: Way,
    mut wishes: mpsc::Receiver<Wish>,
    events: mpsc::Sender<Event>,
) {
    let tell = async |news| events.send(Event::Relay { relay, news }).await.is_ok();
    let opened = tokio::select! {
        opened = open(server, &way) => opened,
        _ = wishes.recv() => return,
    };
    let (mut session, relayed, udp) = match opened {
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

/// An allocation, its relayed address, and whether the server was reached over UDP.
async fn open(server: Server, way: &Way) -> Result<(Session, SocketAddr, bool), Failure> {
    if server.over == Over::Udp {
        let over_tcp = Server { over: Over::Tcp, ..server.clone() };
        if let Ok(Ok(opened)) = tokio::time::timeout(TCP, allocate(over_tcp, way)).await {
            return Ok(opened);
        }
    }
    allocate(server, way).await
}

async fn allocate(server: Server, way: &Way) -> Result<(Session, SocketAddr, bool), Failure> {
    let udp = server.over == Over::Udp;
    let bind = way.bind.as_ref();
    let mut session = Session::open(server, bind, &way.tls, Patience::internet()).await?;
    loop {
        match session.event().await {
            client::Event::Allocated { relayed, .. } => return Ok((session, relayed, udp)),
            client::Event::Failed(failure) => {
                session.close().await;
                return Err(failure);
            }
            _ => {}
        }
    }
}
