//! A long run: STUN, allocations and rooms together, with clients that come, go and misbehave. Memory
//! must be flat, and SIGTERM must end the server within a second with all of them attached.
//!
//! Six seconds as a test; `NATSCOPE_SOAK=300 cargo test --release --test lab soak -- --nocapture` for
//! five minutes.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)] // real sockets and a clock

use crate::harness::Outcome;
use crate::support::turn;
use crate::support::websocket;
use std::fs::File;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use turn::{BIND, BINDING, Client, Heard, PERMIT, REFRESH, channel, lifetime, peer};
use websocket::{connect, frame, hear, join, upgrade};

/// Memory of the last third may be this much above that of the second: what a busy moment takes.
const SLACK: usize = 3 << 10;

/// Clients that stay to the end: allocations, and members of rooms.
const ATTACHED: usize = 100;

struct Server {
    child: Child,
    stun: SocketAddr,
    rooms: SocketAddr,
}

impl Server {
    fn start(folder: &std::path::Path) -> Self {
        let (log, password) = (folder.join("log"), folder.join("password"));
        std::fs::write(&password, "wonder\n").expect("written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_natscope"));
        command.args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--limit",
            "0",
            "--turn",
            "--quota",
            "0",
        ]);
        command.args(["--user", "alice", "--password-file"]).arg(password);
        command.args(["--signal", "127.0.0.1:0"]);
        command.stderr(Stdio::from(File::create(&log).expect("a file")));
        let child = command.spawn().expect("it starts");
        let start = Instant::now();
        let said = loop {
            let said = std::fs::read_to_string(&log).expect("a file");
            if said.lines().filter(|line| line.contains("answering on ")).count() == 2 {
                break said;
            }
            assert!(start.elapsed() < Duration::from_secs(20), "{said}");
            std::thread::yield_now();
        };
        let mut all = said.lines().filter_map(|line| line.strip_prefix("natscope: answering on "));
        let mut at = || {
            let uri = all.next().expect("it says where");
            uri.trim_start_matches("ws://").parse().expect("an address")
        };
        let (stun, rooms) = (at(), at());
        Self { child, stun, rooms }
    }

    /// Resident memory, in KiB.
    fn resident(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|l| l.split_whitespace().next()?.parse().ok()).expect("a number")
    }

    /// How long it lives after SIGTERM, and its exit code.
    fn terminate(&mut self) -> (Duration, Option<i32>) {
        let process = nix::unistd::Pid::from_raw(self.child.id().try_into().expect("a pid"));
        let start = Instant::now();
        nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGTERM).expect("it runs");
        let status = self.child.wait().expect("a child");
        (start.elapsed(), status.code())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Default)]
struct Done {
    stun: AtomicUsize,
    allocations: AtomicUsize,
    packets: AtomicUsize,
    rooms: AtomicUsize,
}

fn count(of: &AtomicUsize) {
    of.fetch_add(1, Ordering::Relaxed);
}

async fn ask_stun(at: SocketAddr, done: &Done, over: &AtomicBool) {
    let mut client = Client::udp(at, "", "").await;
    while !over.load(Ordering::Relaxed) {
        client.ask(BINDING, &[]).await.expect("an answer");
        count(&done.stun);
    }
}

/// Two allocations that talk; one is given up, the other loses its connection.
async fn allocate(at: SocketAddr, done: &Done, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let mut a = Client::udp(at, "alice", "wonder").await;
        let mut b = Client::tcp(at, "alice", "wonder").await;
        let (at_a, at_b) = (a.allocate().await.expect("room"), b.allocate().await.expect("room"));
        a.ask(PERMIT, &[peer(at_b)]).await.expect("live");
        b.ask(BIND, &[channel(0x4000), peer(at_a)]).await.expect("live");
        for n in 0..20u8 {
            a.send(&a.send_indication(at_b, &[n; 1000])).await;
            assert!(matches!(b.hear().await, Heard::Channel(0x4000, _)));
            b.send(&b.channel_data(0x4000, &[n; 100])).await;
            assert!(matches!(a.hear().await, Heard::Data(_, _)));
            count(&done.packets);
            count(&done.packets);
        }
        a.ask(REFRESH, &[lifetime(0)]).await.expect("live");
        count(&done.allocations);
        count(&done.allocations);
    }
}

/// In a room; `None` when this source has had its share for now.
fn enter(at: SocketAddr, source: u8, room: &str) -> Option<TcpStream> {
    let mut stream = connect(at, source);
    if !upgrade(&mut stream, "").starts_with("HTTP/1.1 101 ") {
        return None;
    }
    stream.write_all(&join(room)).ok()?;
    hear(&mut stream).filter(|said| said.contains("joined")).map(|_| stream)
}

/// Pairs that meet in a room, talk and go, from ever other addresses; and some that do half of it.
fn meet(at: SocketAddr, done: &Done, over: &AtomicBool) {
    let offer = format!(r#"{{"type":"offer","sdp":"{}"}}"#, "x".repeat(5000));
    let offer = frame(0x81, offer.as_bytes());
    let long = frame(0x81, format!(r#"{{"type":"x","x":"{}"}}"#, "x".repeat(60_000)).as_bytes());
    for n in 0usize.. {
        if over.load(Ordering::Relaxed) {
            return;
        }
        let source = u8::try_from(100 + n % 150).expect("small");
        let room = format!("room{n}");
        let (Some(mut a), Some(mut b)) = (enter(at, source, &room), enter(at, source, &room))
        else {
            std::thread::yield_now();
            continue;
        };
        if n % 10 == 0 {
            // half a handshake, half a message, and somebody who does not read
            let _ = connect(at, source).write_all(b"GET / HTTP/1.1\r\n");
            let _ = a.write_all(&long[..30_000]);
            for _ in 0..20 {
                let _ = b.write_all(&long);
            }
        } else {
            a.write_all(&offer).expect("sent");
            assert_eq!(hear(&mut b).map(|said| said.len()), Some(5000 + 25));
            count(&done.rooms);
        }
    }
}

/// Memory is flat and the end is quick.
pub fn run() -> Outcome {
    // it fails as ordinary tests do
    std::panic::catch_unwind(check).map_err(|_| "see above".to_owned())
}

fn check() {
    let seconds = std::env::var("NATSCOPE_SOAK").ok().and_then(|text| text.parse().ok());
    let time = Duration::from_secs(seconds.unwrap_or(6).max(3));
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(folder.path());
    let (done, over) = (Done::default(), AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let (stun, rooms) = (server.stun, server.rooms);
    let staying = runtime.block_on(async {
        let mut all = Vec::new();
        for n in 0..ATTACHED {
            let mut client = if n % 2 == 0 {
                Client::udp(stun, "alice", "wonder").await
            } else {
                Client::tcp(stun, "alice", "wonder").await
            };
            client.allocate().await.expect("room");
            all.push(client);
        }
        all
    });
    let members: Vec<_> = (0..ATTACHED)
        .map(|n| {
            let source = u8::try_from(2 + n / 10).expect("small");
            enter(rooms, source, &format!("stays{}", n / 2)).expect("a place")
        })
        .collect();
    let mut memory = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| meet(rooms, &done, &over));
        scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                tokio::join!(
                    ask_stun(stun, &done, &over),
                    ask_stun(stun, &done, &over),
                    allocate(stun, &done, &over),
                    allocate(stun, &done, &over),
                    allocate(stun, &done, &over),
                );
            });
        });
        let start = Instant::now();
        let step = time / 60;
        for n in 1..=60 {
            std::thread::sleep((step * n).saturating_sub(start.elapsed()));
            memory.push(server.resident());
        }
        over.store(true, Ordering::Relaxed);
    });
    let most = |third: usize| memory[20 * third..20 * (third + 1)].iter().max().copied();
    let thirds = [most(0), most(1), most(2)].map(Option::unwrap_or_default);
    let [stun, allocations, packets, rooms] =
        [&done.stun, &done.allocations, &done.packets, &done.rooms]
            .map(|n| n.load(Ordering::Relaxed));
    let (took, code) = server.terminate();
    println!(
        "{} s: {stun} STUN answers, {allocations} allocations, {packets} packets relayed, {rooms} rooms; \
         most memory in each third {thirds:?} KiB; SIGTERM with {} attached took {took:?}",
        time.as_secs(),
        staying.len() + members.len(),
    );
    assert!(stun > 100 && allocations > 10 && packets > 100 && rooms > 10);
    assert!(thirds[2] <= thirds[1] + SLACK, "it grows: {memory:?} KiB");
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(1), "{took:?} from SIGTERM to the end");
}
