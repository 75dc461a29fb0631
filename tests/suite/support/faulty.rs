//! A STUN server on real sockets with one fault.
#![allow(clippy::disallowed_types)] // it is a server

use natscope::stun::{self, BINDING, Change, Class, ErrorResponse, Message, Success};
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

const PRIMARY: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);
const ALTERNATE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 20);
const PORTS: [u16; 2] = [3478, 3479];

/// What is wrong with the server, by name.
pub const FAULTS: &[&str] = &[
    "none",
    "ignores-change-request",
    "answers-420",
    "alternate-silent",
    "alternate-refuses",
    "other-same-ip",
    "other-private",
    "other-loopback",
    "other-wrong-family",
    "other-unroutable",
    "wrong-source",
    "late",
    "duplicated",
    "garbage",
    "wrong-ids",
    "rate-limited",
    "nothing-listens",
    "silent",
    "only-tcp",
    "balancer",
    "mapped6",
    "unpadded",
    "auth",
    "later",
];

/// One of the four sockets: (alternate address, alternate port).
type Site = (bool, bool);

struct Answer {
    after: Duration,
    from: Site,
    bytes: Vec<u8>,
}

/// Serves with this fault until the process is killed. `ready` is called when the sockets are open.
pub async fn serve(fault: &'static str, ready: impl FnOnce()) -> io::Result<()> {
    let sockets = Arc::new(open(fault).await?);
    for (&site, socket) in sockets.iter() {
        tokio::spawn(answer(fault, site, Arc::clone(socket), Arc::clone(&sockets)));
    }
    if fault == "only-tcp" {
        tokio::spawn(serve_tcp(TcpListener::bind((PRIMARY, PORTS[0])).await?));
    }
    ready();
    std::future::pending().await
}

async fn open(fault: &str) -> io::Result<HashMap<Site, Arc<UdpSocket>>> {
    let mut sockets = HashMap::new();
    for site in [(false, false), (false, true), (true, false), (true, true)] {
        let closed = match fault {
            "nothing-listens" => true,
            "alternate-refuses" => site.0,
            _ => false,
        };
        if !closed {
            sockets.insert(site, Arc::new(UdpSocket::bind(address(site)).await?));
        }
    }
    Ok(sockets)
}

fn address((ip, port): Site) -> SocketAddr {
    SocketAddr::from((if ip { ALTERNATE } else { PRIMARY }, PORTS[usize::from(port)]))
}

async fn answer(
    fault: &'static str,
    site: Site,
    socket: Arc<UdpSocket>,
    sockets: Arc<HashMap<Site, Arc<UdpSocket>>>,
) {
    let mut buffer = [0; 2048];
    let mut seen = 0_usize;
    loop {
        // an ICMP error about an earlier answer is nothing to us
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        let Ok(request) = stun::read(&buffer[..length]) else { continue };
        if request.class != Class::Request || request.method != BINDING {
            continue;
        }
        seen += 1;
        let to = SocketAddr::new(from.ip(), request.response_port.unwrap_or(from.port()));
        for answer in answers(fault, site, &request, from, seen) {
            let Some(socket) = sockets.get(&answer.from).map(Arc::clone) else { continue };
            tokio::spawn(async move {
                if !answer.after.is_zero() {
                    tokio::time::sleep(answer.after).await; // the fault itself
                }
                let _refused = socket.send_to(&answer.bytes, to).await;
            });
        }
    }
}

/// The answers to one request, the `seen`-th of its socket.
fn answers(
    fault: &str,
    site: Site,
    request: &Message,
    from: SocketAddr,
    seen: usize,
) -> Vec<Answer> {
    let change = request.change.unwrap_or(Change::NONE);
    let asked = (site.0 != change.ip, site.1 != change.port);
    let good = |leaves: Site| Answer {
        after: Duration::ZERO,
        from: leaves,
        bytes: success(request, from, address(leaves), other(fault, site)),
    };
    match fault {
        "silent" | "only-tcp" => vec![],
        "alternate-silent" if site.0 || asked.0 => vec![],
        "ignores-change-request" => vec![good(site)],
        "answers-420" if change.any() => vec![Answer { bytes: refusal(request), ..good(site) }],
        // the only other address that such a server has is its other port
        "other-same-ip" => vec![good((false, asked.1))],
        "wrong-source" => vec![good((!asked.0, !asked.1))],
        "late" => vec![Answer { after: Duration::from_millis(700), ..good(asked) }],
        "duplicated" => {
            [0, 30, 400].map(|ms| Answer { after: Duration::from_millis(ms), ..good(asked) }).into()
        }
        // over a satellite, or by a modem that wakes up
        "later" => vec![Answer { after: Duration::from_millis(3500), ..good(asked) }],
        "auth" => vec![Answer { bytes: unauthorized(request), ..good(site) }],
        "balancer" => {
            let seen = SocketAddr::from(([10, 0, 0, 9], from.port()));
            let bytes = success(request, seen, address(asked), other(fault, site));
            vec![Answer { bytes, ..good(asked) }]
        }
        "mapped6" => {
            let seen = match from.ip() {
                std::net::IpAddr::V4(v4) => {
                    SocketAddr::new(v4.to_ipv6_mapped().into(), from.port())
                }
                std::net::IpAddr::V6(_) => from,
            };
            let bytes = success(request, seen, address(asked), other(fault, site));
            vec![Answer { bytes, ..good(asked) }]
        }
        "unpadded" => {
            let mut answer = good(asked);
            answer.bytes.splice(20..20, *b"\x80\x22\0\x0dodd server v1");
            let length = u16::try_from(answer.bytes.len() - 20).expect("short");
            answer.bytes.splice(2..4, length.to_be_bytes());
            vec![answer]
        }
        "garbage" => garbage(&good(asked).bytes, seen)
            .into_iter()
            .map(|bytes| Answer { bytes, ..good(asked) })
            .collect(),
        "wrong-ids" => {
            let mut answer = good(asked);
            answer.bytes[19] ^= 0x55;
            vec![answer]
        }
        // no clock: one request in three is answered
        "rate-limited" if seen % 3 != 1 => vec![],
        _ => vec![good(asked)],
    }
}

/// OTHER-ADDRESS as this server gives it.
fn other(fault: &str, site: Site) -> SocketAddr {
    let port = PORTS[usize::from(!site.1)];
    match fault {
        "other-same-ip" => SocketAddr::from((PRIMARY, port)),
        "other-private" => SocketAddr::from(([10, 0, 0, 20], port)),
        "other-loopback" => SocketAddr::from(([127, 0, 0, 1], port)),
        "other-wrong-family" => "[2001:db8::20]:3479".parse().expect("literal"),
        "other-unroutable" => SocketAddr::from(([192, 88, 99, 20], port)),
        _ => address((!site.0, !site.1)),
    }
}

fn success(request: &Message, to: SocketAddr, origin: SocketAddr, other: SocketAddr) -> Vec<u8> {
    let mut bytes = Vec::new();
    let response = Success {
        mapped: to,
        origin: Some(origin),
        other: Some(other),
        software: Some("faulty"),
        padding: None,
        fingerprint: false,
        classic: None,
    };
    stun::encode_success(request.id, &response, &mut bytes);
    bytes
}

fn refusal(request: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    let response = ErrorResponse {
        code: 420,
        reason: "Unknown Attribute",
        unknown: &[0x0003],
        software: None,
        fingerprint: false,
        classic: None,
    };
    stun::encode_error(request.id, &response, &mut bytes);
    bytes
}

fn unauthorized(request: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    let response = ErrorResponse {
        code: 401,
        reason: "Unauthorized",
        unknown: &[],
        software: None,
        fingerprint: false,
        classic: None,
    };
    stun::encode_error(request.id, &response, &mut bytes);
    bytes
}

/// Nothing, noise, half a message, a message with a length that is not its own.
fn garbage(good: &[u8], seen: usize) -> Vec<Vec<u8>> {
    let mut long = good.to_vec();
    long[2] = 0xff;
    let noise = (0..200 + seen).map(|i| (i * 131 + seen * 7).to_le_bytes()[0]).collect();
    vec![vec![], noise, good[..good.len() / 2].to_vec(), long, vec![0xff; 9000]]
}

async fn serve_tcp(listener: TcpListener) {
    loop {
        let Ok((mut stream, from)) = listener.accept().await else { continue };
        let mut buffer = [0; 2048];
        let Ok(length) = stream.read(&mut buffer).await else { continue };
        let Ok(request) = stun::read(&buffer[..length]) else { continue };
        let bytes = success(&request, from, address((false, false)), other("none", (false, false)));
        let _closed = stream.write_all(&bytes).await;
    }
}
