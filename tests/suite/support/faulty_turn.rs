//! A TURN server on loopback with one fault, over UDP or TCP. It relays nothing.
#![allow(clippy::disallowed_types)] // it is a server

use natscope::stun;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use stun_types::attribute::{AlternateServer, ErrorCode, Nonce, Realm, XorMappedAddress};
use stun_types::message::{
    IntegrityAlgorithm, IntegrityKey, LongTermKeyCredentials, Message, MessageWriteVec,
};
use stun_types::prelude::AttributeStaticType;
use stun_types::prelude::{MessageWrite, MessageWriteExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use turn_client_proto::types::attribute::{Lifetime, RequestedAddressFamily, XorRelayedAddress};

/// The realm that it names.
pub const REALM: &str = "faulty.test";
/// The address that it says it relays from.
pub const RELAYED: &str = "192.0.2.1:50000";

const TEXT: &[u8] = b"SSH-2.0-OpenSSH_9.6\r\n";

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// It answers nothing.
    Silent,
    /// It asks for credentials, and then says nothing.
    SilentOnceAsked,
    /// It answers Binding only.
    StunOnly,
    /// It asks for credentials for ever, with a new nonce each time.
    AlwaysAsks,
    /// It asks for credentials without a realm.
    AsksWithoutRealm,
    /// It refuses an Allocate with credentials with this code; signed or not.
    Code(u16, bool),
    /// Its error response has no error code.
    NoCode,
    /// Its nonce is stale so many times.
    Stale(usize),
    /// It answers with text of another protocol.
    Text,
    /// Its success has no relayed address.
    NoRelayed,
    /// Its success is not signed.
    Unsigned,
    /// It asks for no credentials, and does not know what to do with any.
    Open,
    /// Its relayed address is of the other family.
    OtherFamily,
    /// Asked by REQUESTED-ADDRESS-FAMILY it refuses with this code.
    FamilyCode(u16),
    /// It relays from this address, as it says.
    Relays(SocketAddr),
    /// Its success has a SOFTWARE that is not text, and the server's MESSAGE-INTEGRITY covers it.
    BadSoftware,
    /// It closes the connection (TCP).
    Closes,
    /// It allocates, and refuses permissions with this code; signed or not.
    PermissionCode(u16, bool),
    /// It allocates, and refuses channels with this code.
    ChannelCode(u16),
    /// It allocates, and then says nothing.
    SilentOnceAllocated,
    /// It allocates, and then knows the allocation no more, as after a restart.
    Forgets,
}

/// How many requests came, by method; retransmissions are counted.
pub type Seen = Arc<HashMap<u16, AtomicUsize>>;

const METHODS: [u16; 5] = [1, 3, 4, 8, 9];

fn seen() -> Seen {
    Arc::new(METHODS.into_iter().map(|method| (method, AtomicUsize::new(0))).collect())
}

/// How many requests of a method came.
pub fn count(seen: &Seen, method: u16) -> usize {
    seen.get(&method).map_or(0, |count| count.load(Ordering::Relaxed))
}

/// Serves UDP on a free port while the runtime lives.
pub async fn udp(fault: Fault) -> (SocketAddr, Seen) {
    udp_on("127.0.0.1", fault).await
}

/// The same on another address.
pub async fn udp_on(ip: &str, fault: Fault) -> (SocketAddr, Seen) {
    let socket = UdpSocket::bind((ip, 0)).await.expect("a port");
    let (address, seen) = (socket.local_addr().expect("bound"), seen());
    let counts = Arc::clone(&seen);
    tokio::spawn(async move {
        let mut buffer = vec![0; 65_536];
        loop {
            let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
            for answer in answers(fault, &counts, &buffer[..length], from) {
                let _gone = socket.send_to(&answer, from).await;
            }
        }
    });
    (address, seen)
}

/// Serves UDP on this address, in a thread of its own, while `body` runs.
pub fn live<T>(ip: &'static str, fault: Fault, body: impl FnOnce(SocketAddr) -> T) -> T {
    let (tell, told) = std::sync::mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            tell.send(udp_on(ip, fault).await.0).unwrap();
            drop(stopped.await);
        });
    });
    let done = body(told.recv().unwrap());
    drop(stop);
    thread.join().unwrap();
    done
}

/// Serves one TCP connection after the other on a free port.
pub async fn tcp(fault: Fault) -> (SocketAddr, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (address, seen) = (listener.local_addr().expect("bound"), seen());
    let counts = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((mut stream, from)) = listener.accept().await {
            let mut buffer = vec![0; 65_536];
            while let Ok(length) = stream.read(&mut buffer).await {
                if length == 0 || fault == Fault::Closes {
                    break;
                }
                if fault == Fault::Text {
                    let _gone = stream.write_all(TEXT).await;
                    continue;
                }
                // a client sends one request at a time
                for answer in answers(fault, &counts, &buffer[..length], from) {
                    let _gone = stream.write_all(&answer).await;
                }
            }
        }
    });
    (address, seen)
}

fn answers(fault: Fault, seen: &Seen, bytes: &[u8], from: SocketAddr) -> Vec<Vec<u8>> {
    let (Ok(request), Ok(message)) = (stun::read(bytes), Message::from_bytes(bytes)) else {
        return Vec::new();
    };
    if request.class != stun::Class::Request {
        return Vec::new();
    }
    let before = seen.get(&request.method).map_or(0, |n| n.fetch_add(1, Ordering::Relaxed));
    let answer = match (request.method, fault) {
        (_, Fault::Silent) => None,
        (_, Fault::Text) => Some(TEXT.to_vec()),
        (1, _) => Some(mapped(&message, from)),
        (_, Fault::StunOnly) => None,
        (3, Fault::AsksWithoutRealm) => Some(error(&message, 401, "", false)),
        (3, Fault::Open) if !request.integrity => allocate(fault, &message, from, before),
        (_, Fault::Open) if request.integrity => Some(error(&message, 400, "", false)),
        (4 | 8 | 9, Fault::Open | Fault::Unsigned) => {
            Some(Message::builder_success(&message, MessageWriteVec::new()).finish())
        }
        (3, _) if !request.integrity => Some(error(&message, 401, "first", false)),
        (3, Fault::FamilyCode(code)) if message.has_attribute(RequestedAddressFamily::TYPE) => {
            Some(error(&message, code, "", true))
        }
        (3, Fault::AlwaysAsks) => Some(error(&message, 401, &format!("nonce{before}"), false)),
        (3, _) => allocate(fault, &message, from, before),
        (_, Fault::SilentOnceAllocated) => None,
        (4, Fault::Forgets) => Some(error(&message, 437, "", true)),
        (8, Fault::PermissionCode(code, signed)) => Some(error(&message, code, "", signed)),
        (9, Fault::ChannelCode(code)) => Some(error(&message, code, "", true)),
        (4 | 8 | 9, _) => Some(signed(Message::builder_success(&message, MessageWriteVec::new()))),
        _ => None,
    };
    answer.into_iter().collect()
}

/// The answer to an Allocate with credentials.
fn allocate(
    fault: Fault,
    message: &Message<'_>,
    from: SocketAddr,
    before: usize,
) -> Option<Vec<u8>> {
    match fault {
        Fault::SilentOnceAsked => None,
        Fault::Code(code, signed) => Some(error(message, code, "", signed)),
        Fault::NoCode => Some(Message::builder_error(message, MessageWriteVec::new()).finish()),
        Fault::Stale(times) if before <= times => {
            Some(error(message, 438, &format!("nonce{before}"), false))
        }
        fault => {
            let mut builder = Message::builder_success(message, MessageWriteVec::new());
            let id = message.transaction_id();
            builder.add_attribute(&XorMappedAddress::new(from, id)).expect("fits");
            if fault != Fault::NoRelayed {
                let relayed = match fault {
                    Fault::OtherFamily => "[2001:db8::1]:50000".parse().expect("an address"),
                    Fault::Relays(address) => address,
                    _ => RELAYED.parse().expect("an address"),
                };
                builder.add_attribute(&XorRelayedAddress::new(relayed, id)).expect("fits");
            }
            builder.add_attribute(&Lifetime::new(600)).expect("fits");
            if fault == Fault::BadSoftware {
                let raw = stun_types::attribute::RawAttribute::new(
                    stun_types::attribute::AttributeType::new(0x8022),
                    &[0xff, 0xfe, 0x00, 0x1b],
                );
                builder.add_attribute(&raw).expect("fits");
            }
            Some(if matches!(fault, Fault::Unsigned | Fault::Open) {
                builder.finish()
            } else {
                signed(builder)
            })
        }
    }
}

fn mapped(message: &Message<'_>, from: SocketAddr) -> Vec<u8> {
    let mut builder = Message::builder_success(message, MessageWriteVec::new());
    let mapped = XorMappedAddress::new(from, message.transaction_id());
    builder.add_attribute(&mapped).expect("fits");
    builder.finish()
}

fn error(message: &Message<'_>, code: u16, nonce: &str, sign: bool) -> Vec<u8> {
    let mut builder = Message::builder_error(message, MessageWriteVec::new());
    let reason = "as \x1b[31mconfigured";
    let error = ErrorCode::builder(code).reason(reason).build().expect("a code");
    builder.add_attribute(&error).expect("fits");
    if code == 300 {
        let server = AlternateServer::new("192.0.2.99:3478".parse().expect("an address"));
        builder.add_attribute(&server).expect("fits");
    }
    if !nonce.is_empty() {
        builder.add_attribute(&Realm::new(REALM).expect("short")).expect("fits");
        builder.add_attribute(&Nonce::new(nonce).expect("short")).expect("fits");
    }
    if sign { signed(builder) } else { builder.finish() }
}

fn signed(mut builder: MessageWriteVec) -> Vec<u8> {
    builder.add_message_integrity_with_key(&key(), IntegrityAlgorithm::Sha1).expect("fits");
    builder.finish()
}

fn key() -> IntegrityKey {
    LongTermKeyCredentials::new("lab".to_owned(), "lab".to_owned(), REALM.to_owned())
        .make_key(IntegrityAlgorithm::Sha1)
}
