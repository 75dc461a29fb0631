//! Is a server until told to stop: STUN, a relay where its configuration has one, and rooms.

use crate::net::serve::Server;
use crate::net::{NetError, Stop, signal};

/// Answers on sockets that are open already ([`Server::bind`], [`signal::Server::bind`]), until `stop`
/// is cancelled.
///
/// # Errors
/// A socket of the STUN server failed.
pub async fn serve(
    server: Server,
    rooms: Option<signal::Server>,
    stop: &Stop,
) -> Result<(), NetError> {
    let rooms = async {
        if let Some(rooms) = rooms {
            rooms.run(stop.cancelled()).await;
        }
    };
    tokio::join!(server.run(stop.cancelled()), rooms).0
}
