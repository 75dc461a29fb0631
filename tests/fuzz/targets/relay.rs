//! A history of a TURN relay: messages from three clients, signed with a good password or not at all,
//! packets from peers, time that passes, sockets that cannot be opened. No panic; only who has shown
//! the password has an allocation; nothing goes to a forbidden peer or without one; every socket that
//! is opened is closed once.
#![no_main]

use hmac::{Hmac, KeyInit, Mac};
use libfuzzer_sys::fuzz_target;
use md5::{Digest, Md5};
use natscope::stun::responder::Over;
use natscope::turn::relay::{
    Config, Credentials, Path, PortRange, Relay, Start, Step, Unopened, frame, is_turn,
};
use sha1::Sha1;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

/// What happens: of which kind, to which client, and bytes for it.
type Event = (u8, u8, Vec<u8>);

fuzz_target!(|input: Vec<Event>| {
    let mut world = World::new();
    for (kind, who, bytes) in input.into_iter().take(64) {
        world.happen(kind, who, &bytes);
    }
    world.now += Duration::from_secs(7200);
    world.relay.expire(world.now);
    world.close();
    assert!(world.open.is_empty(), "a socket without an allocation");
});

struct World {
    relay: Relay,
    now: Duration,
    open: HashSet<SocketAddr>,
    nonces: [String; 3],
    key: Vec<u8>,
}

impl World {
    fn new() -> Self {
        let server = SocketAddr::from(([203, 0, 113, 1], 3478));
        let users = vec![("alice".to_owned(), "wonder".to_owned())];
        let config = Config {
            realm: "r".to_owned(),
            relay: vec![server.ip(), "2001:db8::1".parse().expect("an address")],
            ports: PortRange::new(50_000, 50_007).expect("a range"),
            quota: Some(3),
            capacity: 4,
            ..Config::new(Credentials { users, secrets: vec![b"north".to_vec()] })
        };
        let (software, epoch) = ("natscope".to_owned(), 1_800_000_000);
        let relay = Relay::new(config, Start { limit: None, software, key: [7; 32], epoch });
        let key = Md5::digest(b"alice:r:wonder").to_vec();
        let open = HashSet::new();
        Self { relay, now: Duration::ZERO, open, nonces: Default::default(), key }
    }

    fn path(who: u8) -> Path {
        let over = if who % 3 == 2 { Over::Tcp } else { Over::Udp };
        let at = |last, port| SocketAddr::from(([203, 0, 113, last], port));
        Path { over, local: at(1, 3478), remote: at(10, 4000 + u16::from(who % 3)) }
    }

    fn happen(&mut self, kind: u8, who: u8, bytes: &[u8]) {
        let path = Self::path(who);
        match kind % 8 {
            // as it is
            0 => self.receive(&path, bytes, false),
            // with a good user, nonce and integrity, behind attributes of the fuzzer's
            1..=4 => self.request(&path, who, bytes),
            5 => self.peer(bytes),
            6 => {
                let seconds = bytes.first().map_or(1, |&n| u64::from(n) * 4);
                self.now += Duration::from_secs(seconds);
                self.relay.expire(self.now);
                self.close();
            }
            _ => {
                self.relay.disconnected(&path);
                self.close();
            }
        }
    }

    fn request(&mut self, path: &Path, who: u8, bytes: &[u8]) {
        let (method, body) = bytes.split_first().unwrap_or((&3, &[]));
        let method = [3u16, 4, 8, 9][usize::from(method % 4)];
        let slot = usize::from(who % 3);
        if self.nonces[slot].is_empty() {
            self.challenge(path, slot);
        }
        let mut message = method.to_be_bytes().to_vec();
        message.extend([0, 0, 0x21, 0x12, 0xa4, 0x42]);
        message.extend([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, bytes.len().to_le_bytes()[0]]);
        let body = &body[..body.len().min(200) / 4 * 4];
        message.extend(body);
        for (kind, value) in [(6u16, "alice"), (0x14, "r"), (0x15, &self.nonces[slot])] {
            message.extend(kind.to_be_bytes());
            message.extend(u16::try_from(value.len()).expect("short").to_be_bytes());
            message.extend(value.as_bytes());
            message.resize(message.len().next_multiple_of(4), 0);
        }
        let length = u16::try_from(message.len() + 24 - 20).expect("short");
        message[2..4].copy_from_slice(&length.to_be_bytes());
        let mut mac = Hmac::<Sha1>::new_from_slice(&self.key).expect("any length");
        mac.update(&message);
        message.extend([0, 8, 0, 20]);
        message.extend(mac.finalize().into_bytes());
        self.receive(path, &message, true);
    }

    /// Asks for a nonce.
    fn challenge(&mut self, path: &Path, slot: usize) {
        let mut request = vec![0, 3, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        request.extend([9; 12]);
        let mut out = Vec::new();
        let step = self.relay.receive(self.now, path, &request, &mut out);
        assert!(matches!(step, Step::Answer));
        let at = out.windows(4).position(|w| w == [0, 0x15, 0, 28]).expect("a nonce");
        self.nonces[slot] = String::from_utf8(out[at + 4..at + 32].to_vec()).expect("text");
    }

    fn receive(&mut self, path: &Path, bytes: &[u8], signed: bool) {
        let served = self.relay.serves(path);
        let mut out = Vec::new();
        let mut step = self.relay.receive(self.now, path, bytes, &mut out);
        self.close();
        while let Step::Open(opening) = step {
            let at = opening.address();
            // some ports are others', and one address is broken
            let result = match at.port() % 8 {
                3 => Err(Unopened::Taken),
                5 if at.is_ipv6() => Err(Unopened::Failed),
                _ => {
                    assert!(self.open.insert(at), "{at} is open already");
                    Ok(())
                }
            };
            step = self.relay.opened(self.now, opening, result, &mut out);
            self.close();
        }
        assert!(signed || served || !self.relay.serves(path), "an allocation for nobody");
        match step {
            Step::Answer => {
                assert!(is_turn(bytes));
                assert_eq!(frame(&out), Ok(Some(out.len())), "the answer is one message");
                let mut again = Vec::new();
                let answered = self.relay.receive(self.now, path, &out, &mut again);
                assert!(matches!(answered, Step::Nothing), "an answer is answered");
            }
            Step::Send { from, to, payload } => {
                assert!(served && self.open.contains(&from) && bytes.get(payload).is_some());
                assert!(self.relay.may_send(to) && from.is_ipv4() == to.is_ipv4());
                let ip = to.ip();
                assert!(!ip.is_loopback() && !ip.is_multicast() && !ip.is_unspecified());
            }
            Step::Nothing | Step::Open(_) => assert!(out.is_empty()),
        }
    }

    fn peer(&mut self, bytes: &[u8]) {
        let Some(&relayed) = self.open.iter().next() else { return };
        let peer = SocketAddr::from(([8, 8, 8, bytes.first().copied().unwrap_or(8)], 53));
        let mut out = Vec::new();
        match self.relay.receive_from_peer(self.now, relayed, peer, bytes, &mut out) {
            Some(path) => {
                assert!(self.relay.serves(&path));
                let length = frame(&out).expect("a message").expect("a whole one");
                assert!(length == out.len() || path.over == Over::Udp, "padded over a stream");
            }
            None => assert!(out.is_empty()),
        }
    }

    fn close(&mut self) {
        while let Some(address) = self.relay.poll_close() {
            assert!(self.open.remove(&address), "{address} was not open");
        }
    }
}
