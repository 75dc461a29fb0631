//! What strangers can cost a signalling server: each attack by its figure, against the program.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods)] // raw sockets are the point

use crate::support::certificate;
use crate::support::netns;
use crate::support::websocket;
use netns::Serve;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};
use websocket::{frame, hear, join, upgrade};

const PATIENCE: Duration = Duration::from_secs(20);

struct Rooms {
    serve: Serve,
    at: SocketAddr,
}

impl Rooms {
    fn start(more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_natscope"));
        command.args(["serve", "--signal", "127.0.0.1:0"]).args(more);
        let serve = Serve::start(&mut command, 1);
        let (_, at) = serve.said.rsplit_once("://").expect("it says where");
        let at = at.trim().parse().expect("an address");
        Self { serve, at }
    }

    /// Resident memory, in KiB.
    fn resident(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.serve.id()));
        let status = status.expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|l| l.split_whitespace().next()?.parse().ok()).expect("a number")
    }

    /// A connection from 127.0.0.`source`.
    fn tcp(&self, source: u8) -> TcpStream {
        websocket::connect(self.at, source)
    }

    /// One that has shaken hands.
    fn open(&self, source: u8) -> TcpStream {
        let mut stream = self.tcp(source);
        let answer = upgrade(&mut stream, "");
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        stream
    }

    fn join(&self, source: u8, room: &str) -> (TcpStream, String) {
        let mut stream = self.open(source);
        stream.write_all(&join(room)).expect("sent");
        let said = hear(&mut stream).unwrap_or_default();
        (stream, said)
    }
}

/// Writes until the server closes or takes no more for half a second; how many bytes it took.
fn flood(stream: &mut TcpStream, piece: &[u8], most: usize) -> usize {
    stream.set_write_timeout(Some(Duration::from_millis(500))).expect("a socket");
    let mut taken = 0;
    while taken < most {
        match stream.write(piece) {
            Ok(count) => taken += count,
            Err(_) => break,
        }
    }
    taken
}

/// 100 slow readers from one address held 715 MB.
#[test]
fn slow_readers_are_bounded_in_bytes_and_their_memory_is_given_back() {
    let rooms = Rooms::start(&[]);
    let before = rooms.resident();
    let offer = format!(r#"{{"type":"offer","sdp":"{}"}}"#, "x".repeat(60_000));
    let offer = frame(0x81, offer.as_bytes());
    let mut most = 0;
    let pairs: Vec<_> = (0..90u8)
        .map(|n| {
            // of three sources; the reader of each pair never reads
            let room = format!("room{n}");
            let (mut talker, _) = rooms.join(2 + n % 3, &room);
            let (deaf, _) = rooms.join(2 + n % 3, &room);
            flood(&mut talker, &offer, 40 * offer.len());
            most = most.max(rooms.resident());
            (talker, deaf)
        })
        .collect();
    let held = most.saturating_sub(before);
    println!("{held} KiB for 90 slow readers");
    assert!(held < 24_000, "{held} KiB for 90 slow readers");
    let (_well, said) = rooms.join(9, "well");
    assert!(said.contains(r#""type":"joined""#), "others are served: {said}");
    drop(pairs);
    let start = Instant::now();
    while rooms.resident() > before + 12_000 {
        assert!(start.elapsed() < PATIENCE, "{} KiB are kept of {most}", rooms.resident());
        std::thread::yield_now();
    }
}

/// An idle connection took 150 kB.
#[test]
fn an_idle_connection_is_small() {
    let rooms = Rooms::start(&[]);
    let warm: Vec<_> = (0..20).map(|n| rooms.join(2, &format!("warm{n}"))).collect();
    let before = rooms.resident();
    let count: usize = 400;
    let idle: Vec<_> = (0..count)
        .map(|n| rooms.join(3 + u8::try_from(n / 50).expect("small"), &format!("room{n}")))
        .collect();
    let each = rooms.resident().saturating_sub(before) * 1024 / count;
    println!("{each} bytes for an idle connection");
    assert!(each < 16_000, "{each} bytes for an idle connection");
    drop((warm, idle));
}

/// 2,264 half handshakes locked everybody out.
#[test]
fn half_handshakes_of_one_address_lock_nobody_out() {
    let rooms = Rooms::start(&[]);
    let mut half = Vec::new();
    for n in 0..600 {
        let mut stream = rooms.tcp(2);
        if n % 2 == 0 {
            // what is refused is reset, perhaps before this is sent
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: ");
        }
        half.push(stream);
    }
    let (_other, said) = rooms.join(3, "room");
    assert!(said.contains(r#""type":"joined""#), "{said}");
    let is_open = |stream: &mut TcpStream| {
        stream.set_nonblocking(true).expect("a socket");
        matches!(stream.read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
    };
    let open = half.iter_mut().map(is_open).filter(|open| *open).count();
    assert_eq!(open, 16, "the others were closed at once");
}

/// As above, in the middle of TLS; and what is idle over TLS.
#[test]
fn half_tls_handshakes_lock_nobody_out_and_an_idle_connection_is_small() {
    use natscope::net::{signal, tls::Tls};
    let made = certificate::make(&["localhost"]);
    let (cert, key) = (made.cert.to_str().expect("text"), made.key.to_str().expect("text"));
    let rooms = Rooms::start(&["--signal-cert", cert, "--signal-key", key]);
    let uri = format!("wss://localhost:{}", rooms.at.port()).parse().expect("a URI");
    let tls = Tls::new(Some(&made.ca)).expect("a certificate");
    // a record of 16,384 bytes that begins a handshake, of which only a part comes
    let half: Vec<_> = (0..600)
        .map(|_| {
            let mut stream = rooms.tcp(2);
            let _ = stream.write_all(&[22, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc, 3, 3]);
            stream
        })
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let join = async |n: usize| {
            let room = format!("room{n}");
            let mut client = signal::connect(&uri, &room, &tls, PATIENCE).await.expect("a place");
            client.joined(PATIENCE).await.expect("a room");
            client
        };
        let mut all = vec![join(0).await, join(1).await];
        let before = rooms.resident();
        for n in 2..52 {
            all.push(join(n).await);
        }
        let each = rooms.resident().saturating_sub(before) * 1024 / 50;
        println!("{each} bytes for an idle connection over TLS");
        assert!(each < 64_000, "{each} bytes for an idle connection over TLS");
    });
    drop(half);
}

/// One address took all 1,000 rooms in 0.3 s.
#[test]
fn one_address_cannot_have_all_the_rooms() {
    let rooms = Rooms::start(&["--signal-rooms", "100"]);
    let mut taken = Vec::new();
    for n in 0..120 {
        let mut stream = rooms.tcp(2);
        if !upgrade(&mut stream, "").starts_with("HTTP/1.1 101 ") {
            continue;
        }
        // a refusal may come before the request is sent
        let _ = stream.write_all(&join(&format!("room{n}")));
        taken.extend(hear(&mut stream).filter(|said| said.contains("joined")).map(|_| stream));
    }
    assert_eq!(taken.len(), 64);
    let (_other, said) = rooms.join(3, "mine");
    assert!(said.contains(r#""type":"joined""#), "{said}");
}

/// Each of these could be sent for ever.
#[test]
fn pings_empty_pieces_and_long_requests_have_an_end() {
    let rooms = Rooms::start(&[]);
    let open_text = frame(0x01, b"{");
    for (what, first, piece) in [
        ("pings", vec![], frame(0x89, &[b'p'; 125])),
        ("pongs", vec![], frame(0x8a, b"")),
        ("empty pieces", open_text, frame(0x00, b"")),
    ] {
        let (mut stream, _) = rooms.join(2, "room");
        stream.write_all(&first).expect("sent");
        let taken = flood(&mut stream, &piece.repeat(100), 64 << 20);
        assert!(taken < 8 << 20, "{what}: {taken} bytes were taken");
    }
    let mut stream = rooms.tcp(2);
    let long = format!("X-Long: {}\r\n", "x".repeat(9000));
    assert_eq!(upgrade(&mut stream, &long), "", "a request of 9,000 bytes");
    let mut stream = rooms.tcp(2);
    let many = "X: y\r\n".repeat(2000);
    assert_eq!(upgrade(&mut stream, &many), "", "a request of 2,000 lines");
    let (_other, said) = rooms.join(3, "room2");
    assert!(said.contains(r#""type":"joined""#), "{said}");
}

#[test]
fn a_page_of_another_origin_is_refused_when_one_is_configured() {
    let rooms = Rooms::start(&["--signal-origin", "https://meet.example.org"]);
    for (origin, expected) in [
        ("Origin: https://meet.example.org\r\n", "HTTP/1.1 101 "),
        ("", "HTTP/1.1 101 "),
        ("Origin: https://evil.example.org\r\n", "HTTP/1.1 403 "),
        ("Origin: null\r\n", "HTTP/1.1 403 "),
        ("Origin: https://meet.example.org.evil.example\r\n", "HTTP/1.1 403 "),
        (
            "Origin: https://meet.example.org\r\nOrigin: https://evil.example.org\r\n",
            "HTTP/1.1 403 ",
        ),
    ] {
        let answer = upgrade(&mut rooms.tcp(2), origin);
        assert!(answer.starts_with(expected), "{origin}: {answer}");
    }
    let rooms = Rooms::start(&[]);
    let answer = upgrade(&mut rooms.tcp(2), "Origin: https://evil.example.org\r\n");
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
}
