//! A port that was asked in the wrong language is asked in the other one.

use super::Way;
use crate::net::turn::Link;
use crate::stun;
use crate::turn::{Failure, Over, Server, TlsFault};
use std::time::Duration;

/// The longest that this may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// A failure that may come of TLS spoken to a plain port, or the reverse: told as that, where it is
/// so.
pub(super) async fn check(way: &Way<'_>, failure: Failure) -> Failure {
    let (other, fault, why) = match (way.server.over, &failure) {
        (Over::Tls, Failure::Tls { fault: TlsFault::NotTls, .. }) => {
            (Over::Tcp, TlsFault::PlainPort, "this port speaks TURN without TLS")
        }
        (
            Over::Tcp,
            Failure::Connection { .. } | Failure::NoAnswer { .. } | Failure::Nonsense { .. },
        ) => (Over::Tls, TlsFault::TlsPort, "this port speaks TLS, and was asked without"),
        _ => return failure,
    };
    let server = Server { over: other, ..way.server.clone() };
    let spoken = tokio::time::timeout(PATIENCE, speaks(way, &server)).await;
    if spoken == Ok(true) { Failure::Tls { why: why.to_owned(), fault } } else { failure }
}

async fn speaks(way: &Way<'_>, server: &Server) -> bool {
    let link = match Link::open(server, way.bind, way.tls).await {
        Ok(link) => link,
        // it has shown a certificate, or at least that it knows what TLS is
        Err(Failure::Tls { fault, .. }) => {
            return !matches!(fault, TlsFault::NotTls | TlsFault::Other);
        }
        Err(_) => return false,
    };
    if server.over == Over::Tls {
        return true;
    }
    let request = stun::encode_request(*b"natscope tcp", stun::Request::default());
    let mut answer = Vec::new();
    link.send(&request).is_ok()
        && link.recv(&mut answer).await.is_ok()
        // the beginning of a stream: there may be more to come
        && answer.get(4..8) == Some(&stun::MAGIC_COOKIE.to_be_bytes())
}
