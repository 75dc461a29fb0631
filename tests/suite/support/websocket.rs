//! A WebSocket client for tests, as raw as it can be: from any loopback address, and with bad manners
//! where they are wanted.
#![allow(clippy::disallowed_types)] // raw sockets are the point

use socket2::{Domain, Socket, Type};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// A connection from 127.0.0.`source`.
pub fn connect(at: SocketAddr, source: u8) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let from = SocketAddr::from((Ipv4Addr::new(127, 0, 0, source), 0));
    socket.bind(&from.into()).expect("loopback");
    socket.connect(&at.into()).expect("it listens");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    stream
}

/// What asks to join a room.
pub fn join(room: &str) -> Vec<u8> {
    frame(0x81, format!(r#"{{"type":"join","room":"{room}","version":1}}"#).as_bytes())
}

/// Asks for a WebSocket; the head of the answer.
pub fn upgrade(stream: &mut TcpStream, more: &str) -> String {
    let request = format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{more}\r\n"
    );
    let mut head = Vec::new();
    if stream.write_all(request.as_bytes()).is_err() {
        return String::new();
    }
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        head.extend(byte);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// A frame of a client, under the mask 0.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match u16::try_from(payload.len()).expect("short") {
        length @ 0..=125 => out.push(0x80 | u8::try_from(length).expect("short")),
        length => {
            out.push(0xfe);
            out.extend(length.to_be_bytes());
        }
    }
    out.extend([0; 4]);
    out.extend(payload);
    out
}

/// The next text of the server; `None` when it has closed.
pub fn hear(stream: &mut TcpStream) -> Option<String> {
    loop {
        let mut head = [0; 2];
        stream.read_exact(&mut head).ok()?;
        let length = match head[1] {
            126 => {
                let mut long = [0; 2];
                stream.read_exact(&mut long).ok()?;
                usize::from(u16::from_be_bytes(long))
            }
            short => usize::from(short),
        };
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).ok()?;
        match head[0] {
            0x81 => return Some(String::from_utf8(payload).expect("text")),
            0x88 => return None,
            _ => {}
        }
    }
}
