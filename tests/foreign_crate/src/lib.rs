//! A STUN client of another project, by natscope's library.
#![allow(clippy::disallowed_types)] // another project opens sockets as it likes

use natscope::stun::{self, Request};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::UdpSocket;

/// How the server sees this socket.
///
/// # Errors
/// Nothing came back within two seconds, or no answer to a Binding request.
pub async fn seen_as(socket: &UdpSocket, server: SocketAddr) -> Result<SocketAddr, String> {
    let request = stun::encode_request([7; 12], Request::default());
    socket.send_to(&request, server).await.map_err(|e| e.to_string())?;
    let mut buffer = [0; 1500];
    let answer = tokio::time::timeout(Duration::from_secs(2), socket.recv_from(&mut buffer)).await;
    let (length, _) = answer.map_err(|_| "no answer")?.map_err(|e| e.to_string())?;
    let answer = stun::read(&buffer[..length]).map_err(|e| e.to_string())?;
    answer.reflexive().ok_or_else(|| "no address in the answer".to_owned())
}
