//! A link to a TURN server, for as long as the peer lives.

use crate::net::bind::Bind;
use crate::net::tls::Tls;
use crate::net::turn::Link;
use crate::turn::{Failure, Server};
use std::sync::Arc;
use tokio::sync::mpsc;

/// What there is to say of a link.
#[derive(Debug)]
pub(super) enum Said {
    Open(Arc<Link>),
    Bytes(Vec<u8>),
    Broken(Failure),
}

/// Opens the link and reads it, until it breaks or the driver is gone.
pub(super) async fn live(
    turn: usize,
    server: Server,
    bind: Option<Bind>,
    tls: Tls,
    say: mpsc::Sender<(usize, Said)>,
) {
    let broken = match Link::open(&server, bind.as_ref(), &tls).await {
        Ok(link) => read(turn, Arc::new(link), &say).await,
        Err(failure) => Some(failure),
    };
    if let Some(failure) = broken {
        // the driver may have ended meanwhile
        let _gone = say.send((turn, Said::Broken(failure))).await;
    }
}

/// Why it broke; `None` when the driver is gone.
async fn read(turn: usize, link: Arc<Link>, say: &mpsc::Sender<(usize, Said)>) -> Option<Failure> {
    say.send((turn, Said::Open(Arc::clone(&link)))).await.ok()?;
    let mut buffer = Vec::new();
    loop {
        match link.recv(&mut buffer).await {
            Ok(()) => say.send((turn, Said::Bytes(buffer.clone()))).await.ok()?,
            Err(failure) => return Some(failure),
        }
    }
}
