//! TCP sockets that are listened on.

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// Listens there, with room for `backlog` connections that nobody has accepted yet. Those that are
/// accepted inherit the bytes of `buffer`, each way; the system may grant less.
pub(super) fn listen(
    at: SocketAddr,
    backlog: i32,
    buffer: Option<usize>,
) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    if at.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A port whose last connections are closing is free. On Windows this would take it from another
    // program, and there it is free without.
    if cfg!(not(windows)) {
        socket.set_reuse_address(true)?;
    }
    if let Some(bytes) = buffer {
        let _granted = socket.set_send_buffer_size(bytes).and(socket.set_recv_buffer_size(bytes));
    }
    socket.bind(&at.into())?;
    socket.listen(backlog)?;
    TcpListener::from_std(socket.into())
}

/// Whether a port could not be had because another has it. Windows says so of a port that is held
/// exclusively, or kept back by the system, in the words for what a user may not (WSAEACCES, 10013).
pub(super) fn is_taken(why: &io::Error) -> bool {
    why.kind() == io::ErrorKind::AddrInUse
        || (cfg!(windows) && why.kind() == io::ErrorKind::PermissionDenied)
}
