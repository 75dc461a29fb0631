//! The relay by the letter of RFC 8656, and by the policy of this server.

mod credentials;
mod floods;
mod library;
mod refusals;
mod relaying;
mod requests;

use super::*;
use crate::stun;
use std::collections::HashSet;
use stun_types::AddressFamily;
use stun_types::attribute::{Nonce, Realm, Username};
use stun_types::message::{
    IntegrityAlgorithm, LongTermCredentials, Message, MessageClass, MessageType, MessageWrite,
    MessageWriteExt, MessageWriteVec, Method, TransactionId,
};
use stun_types::prelude::*;

const REALM: &str = "natscope.test";
const SERVER: &str = "203.0.113.1:3478";
/// Seconds since 1970 at the start of each test.
const EPOCH: u64 = 1_800_000_000;

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("a literal address")
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// An attribute of a request.
#[derive(Debug, Clone)]
enum A {
    Peer(&'static str),
    PeerAt(SocketAddr),
    Channel(u16),
    Lifetime(u32),
    Transport(u8),
    Family(u8),
    Additional(u8),
    Even(bool),
    Token(u64),
    Raw(u16, Vec<u8>),
}

impl A {
    fn raw(&self, id: [u8; 12]) -> (u16, Vec<u8>) {
        let four = |first: u8| vec![first, 0, 0, 0];
        match self {
            Self::Peer(text) => (0x0012, xor(addr(text), id)),
            Self::PeerAt(peer) => (0x0012, xor(*peer, id)),
            Self::Channel(number) => (0x000c, [&number.to_be_bytes()[..], &[0, 0]].concat()),
            Self::Lifetime(seconds) => (0x000d, seconds.to_be_bytes().to_vec()),
            Self::Transport(protocol) => (0x0019, four(*protocol)),
            Self::Family(family) => (0x0017, four(*family)),
            Self::Additional(family) => (0x8000, four(*family)),
            Self::Even(next) => (0x0018, vec![u8::from(*next) << 7]),
            Self::Token(token) => (0x0022, token.to_be_bytes().to_vec()),
            Self::Raw(kind, value) => (*kind, value.clone()),
        }
    }
}

/// XOR-PEER-ADDRESS.
fn xor(peer: SocketAddr, id: [u8; 12]) -> Vec<u8> {
    let mut value = Vec::new();
    stun::address::write(peer, &stun::address::key(id), &mut value);
    value
}

const UDP: A = A::Transport(17);
const ALLOCATE: u16 = 3;
const REFRESH: u16 = 4;
const PERMIT: u16 = 8;
const BIND: u16 = 9;

/// A client and what it knows.
#[derive(Debug, Clone)]
struct Who {
    path: Path,
    user: String,
    password: String,
    realm: String,
    nonce: Option<String>,
}

impl Who {
    fn new(remote: &str, user: &str, password: &str) -> Self {
        let path = Path { over: Over::Udp, local: addr(SERVER), remote: addr(remote) };
        let (user, password, realm) = (user.into(), password.into(), REALM.into());
        Self { path, user, password, realm, nonce: None }
    }

    /// The usual one.
    fn alice() -> Self {
        Self::new("198.51.100.7:40000", "alice", "wonder")
    }

    /// Alice's host has more ports.
    fn alice_at(port: u16) -> Self {
        Self::new(&format!("198.51.100.7:{port}"), "alice", "wonder")
    }
}

/// An answer, read by the library.
#[derive(Debug, Clone)]
struct Said {
    code: u16,
    reason: String,
    relayed: Vec<SocketAddr>,
    mapped: Option<SocketAddr>,
    lifetime: Option<u32>,
    token: Option<u64>,
    nonce: Option<String>,
    lacking: Option<(AddressFamily, u16)>,
    unknown: Vec<u16>,
    signed: bool,
}

impl Said {
    fn read(bytes: &[u8], who: &Who) -> Self {
        use turn_server_proto::types::attribute as turn;
        let message = Message::from_bytes(bytes).expect("the answer is STUN");
        let id = message.transaction_id();
        let error = message.attribute::<stun_types::attribute::ErrorCode>().ok();
        let credentials = LongTermCredentials::new(who.user.clone(), who.password.clone());
        let key = credentials.to_key(who.realm.clone()).make_key(IntegrityAlgorithm::Sha1);
        let signed = message.has_attribute(stun_types::attribute::MessageIntegrity::TYPE);
        if signed {
            message.validate_integrity_with_key(&key).expect("signed with the user's key");
        }
        let relayed = message.iter_attributes().filter_map(|(_, attribute)| {
            Some(turn::XorRelayedAddress::from_raw(attribute).ok()?.addr(id))
        });
        let mapped = message.attribute::<stun_types::attribute::XorMappedAddress>();
        let lacking = message.attribute::<turn::AddressErrorCode>().ok();
        let unknown = message.raw_attribute(stun_types::attribute::UnknownAttributes::TYPE);
        let unknown = unknown.map(|raw| {
            raw.value.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
        });
        Self {
            code: error.as_ref().map_or(0, stun_types::attribute::ErrorCode::code),
            reason: error.map(|error| error.reason().to_owned()).unwrap_or_default(),
            relayed: relayed.collect(),
            mapped: mapped.ok().map(|mapped| mapped.addr(id)),
            lifetime: message.attribute::<turn::Lifetime>().ok().map(|l| l.seconds()),
            token: message.attribute::<turn::ReservationToken>().ok().map(|t| t.token()),
            nonce: message.attribute::<Nonce>().ok().map(|nonce| nonce.nonce().to_owned()),
            lacking: lacking.map(|lacking| (lacking.family(), lacking.error().code())),
            unknown: unknown.unwrap_or_default(),
            signed,
        }
    }
}

/// A relay in a world where sockets are only written down.
struct World {
    relay: Relay,
    now: Duration,
    open: HashSet<SocketAddr>,
    /// Ports that other programs have.
    taken: HashSet<SocketAddr>,
    /// Whether the system has no sockets left.
    exhausted: bool,
    requests: u64,
}

fn config() -> Config {
    let users = [("alice", "wonder"), ("bob", "builder")];
    let users = users.map(|(name, password)| (name.to_owned(), password.to_owned()));
    let secrets = vec![b"north".to_vec()];
    Config {
        realm: REALM.to_owned(),
        relay: vec![addr(SERVER).ip()],
        policy: Policy { own: vec![addr("203.0.113.2:0").ip()], ..Policy::default() },
        ..Config::new(Credentials { users: users.to_vec(), secrets })
    }
}

impl World {
    fn new(config: Config) -> Self {
        Self::limited(config, None)
    }

    fn limited(config: Config, limit: Option<Limit>) -> Self {
        let start = Start { limit, software: "natscope".to_owned(), key: [7; 32], epoch: EPOCH };
        Self {
            relay: Relay::new(config, start),
            now: seconds(10),
            open: HashSet::new(),
            taken: HashSet::new(),
            exhausted: false,
            requests: 0,
        }
    }

    fn plain() -> Self {
        Self::new(config())
    }

    /// What the relay does with a message; the answer's bytes.
    fn raw(&mut self, path: &Path, bytes: &[u8]) -> (Step, Vec<u8>) {
        let mut out = Vec::new();
        let mut step = self.relay.receive(self.now, path, bytes, &mut out);
        self.close();
        while let Step::Open(opening) = step {
            let at = opening.address();
            let result = if self.exhausted {
                Err(Unopened::Failed)
            } else if self.taken.contains(&at) {
                Err(Unopened::Taken)
            } else {
                assert!(self.open.insert(at), "{at} is open already");
                Ok(())
            };
            step = self.relay.opened(self.now, opening, result, &mut out);
            self.close();
        }
        (step, out)
    }

    fn close(&mut self) {
        while let Some(address) = self.relay.poll_close() {
            assert!(self.open.remove(&address), "{address} was not open");
        }
    }

    fn answer(&mut self, who: &Who, bytes: &[u8]) -> Option<Said> {
        let (step, out) = self.raw(&who.path, bytes);
        match step {
            Step::Answer => Some(Said::read(&out, who)),
            Step::Nothing => None,
            other => panic!("{other:?}"),
        }
    }

    /// The bytes of the next request.
    fn request(&mut self, who: &Who, method: u16, attributes: &[A]) -> Vec<u8> {
        self.requests += 1;
        request(who, method, attributes, self.requests)
    }

    /// Asks as a client does: for a nonce first.
    fn ask(&mut self, who: &mut Who, method: u16, attributes: &[A]) -> Said {
        if who.nonce.is_none() {
            let bytes = self.request(who, method, attributes);
            let said = self.answer(who, &bytes).expect("a challenge");
            assert_eq!((said.code, said.signed), (401, false));
            who.nonce = said.nonce;
        }
        let bytes = self.request(who, method, attributes);
        self.answer(who, &bytes).expect("an answer")
    }

    /// An allocation, and its relayed address.
    fn allocate(&mut self, who: &mut Who) -> SocketAddr {
        let said = self.ask(who, ALLOCATE, &[UDP]);
        assert_eq!((said.code, said.signed), (0, true), "{said:?}");
        said.relayed[0]
    }

    /// What reaches which peer from where.
    fn sent(&mut self, who: &Who, bytes: &[u8]) -> Option<(SocketAddr, SocketAddr, Vec<u8>)> {
        match self.raw(&who.path, bytes).0 {
            Step::Send { from, to, payload } => Some((from, to, bytes[payload].to_vec())),
            Step::Nothing => None,
            other => panic!("{other:?}"),
        }
    }

    /// What its client gets when a peer sends to a relayed address.
    fn heard(&mut self, relayed: SocketAddr, peer: &str, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        self.relay.receive_from_peer(self.now, relayed, addr(peer), bytes, &mut out)?;
        Some(out)
    }
}

fn request(who: &Who, method: u16, attributes: &[A], n: u64) -> Vec<u8> {
    let id = TransactionId::from(u128::from(n) << 8 | 0x5a);
    let kind = MessageType::from_class_method(MessageClass::Request, Method::new(method));
    let mut write = Message::builder(kind, id, MessageWriteVec::new());
    let bytes: [u8; 12] = u128::from(id).to_be_bytes()[4..].try_into().expect("twelve");
    for attribute in attributes {
        let (kind, value) = attribute.raw(bytes);
        let raw = stun_types::attribute::RawAttribute::new(kind.into(), &value);
        write.add_attribute(&raw).expect("it fits");
    }
    if let Some(nonce) = &who.nonce {
        write.add_attribute(&Username::new(&who.user).expect("short")).expect("it fits");
        write.add_attribute(&Realm::new(&who.realm).expect("short")).expect("it fits");
        write.add_attribute(&Nonce::new(nonce).expect("short")).expect("it fits");
        let credentials = LongTermCredentials::new(who.user.clone(), who.password.clone());
        let key = credentials.to_key(who.realm.clone()).make_key(IntegrityAlgorithm::Sha1);
        write.add_message_integrity_with_key(&key, IntegrityAlgorithm::Sha1).expect("unsigned");
    }
    write.add_fingerprint().expect("it has none");
    write.finish()
}

/// A Send indication.
fn send(peer: &str, payload: &[u8]) -> Vec<u8> {
    indication(&[A::PeerAt(addr(peer)), A::Raw(0x0013, payload.to_vec())])
}

fn indication(attributes: &[A]) -> Vec<u8> {
    let mut bytes = vec![0, 0x16, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    bytes.extend([9; 12]);
    for attribute in attributes {
        let (kind, value) = attribute.raw([9; 12]);
        bytes.extend(kind.to_be_bytes());
        bytes.extend(u16::try_from(value.len()).expect("short").to_be_bytes());
        bytes.extend(&value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    let length = u16::try_from(bytes.len() - 20).expect("short");
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
    bytes
}

/// ChannelData.
fn channel(number: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.extend(u16::try_from(payload.len()).expect("short").to_be_bytes());
    bytes.extend(payload);
    bytes
}
