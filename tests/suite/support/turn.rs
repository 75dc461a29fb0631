//! A TURN client for tests, as simple as it can be: it asks and waits for the answer.
#![allow(clippy::disallowed_types)] // real sockets are the point

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use stun_types::attribute::{ErrorCode, Nonce, RawAttribute, Realm, Username, XorMappedAddress};
use stun_types::message::{
    IntegrityAlgorithm, LongTermCredentials, Message, MessageClass, MessageType, MessageWrite,
    MessageWriteExt, MessageWriteVec, Method, TransactionId,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use turn_server_proto::types::attribute::{Data, XorPeerAddress, XorRelayedAddress};

/// Nothing here takes longer unless it is broken.
const PATIENCE: Duration = Duration::from_secs(10);

pub const BINDING: u16 = 1;
pub const ALLOCATE: u16 = 3;
pub const REFRESH: u16 = 4;
pub const PERMIT: u16 = 8;
pub const BIND: u16 = 9;

/// An attribute: its type and value.
pub type Attribute = (u16, Vec<u8>);

/// REQUESTED-TRANSPORT: UDP.
pub fn udp() -> Attribute {
    (0x0019, vec![17, 0, 0, 0])
}

/// REQUESTED-ADDRESS-FAMILY: IPv6.
pub fn ipv6() -> Attribute {
    (0x0017, vec![2, 0, 0, 0])
}

pub fn lifetime(seconds: u32) -> Attribute {
    (0x000d, seconds.to_be_bytes().to_vec())
}

pub fn channel(number: u16) -> Attribute {
    (0x000c, [number.to_be_bytes(), [0, 0]].concat())
}

/// XOR-PEER-ADDRESS, under the one transaction id that this client has.
pub fn peer(address: SocketAddr) -> Attribute {
    let key: Vec<u8> = 0x2112_a442u32.to_be_bytes().into_iter().chain([7; 12]).collect();
    let octets = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let mut value = vec![0, if address.is_ipv4() { 1 } else { 2 }];
    value.extend(address.port().to_be_bytes().iter().zip(&key).map(|(a, b)| a ^ b));
    value.extend(octets.iter().zip(&key).map(|(a, b)| a ^ b));
    (0x0012, value)
}

pub enum Link {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

/// What came from a peer.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    Channel(u16, Vec<u8>),
    Data(SocketAddr, Vec<u8>),
}

pub struct Client {
    pub link: Link,
    user: String,
    password: String,
    challenge: Option<(String, String)>,
    heard: Vec<Heard>,
}

impl Client {
    pub async fn udp(server: SocketAddr, user: &str, password: &str) -> Self {
        let socket = UdpSocket::bind((server.ip(), 0)).await.expect("a port");
        socket.connect(server).await.expect("a server");
        Self::new(Link::Udp(socket), user, password)
    }

    pub async fn tcp(server: SocketAddr, user: &str, password: &str) -> Self {
        let stream = TcpStream::connect(server).await.expect("accepted");
        stream.set_nodelay(true).expect("TCP");
        Self::new(Link::Tcp(stream), user, password)
    }

    fn new(link: Link, user: &str, password: &str) -> Self {
        let (user, password) = (user.to_owned(), password.to_owned());
        Self { link, user, password, challenge: None, heard: Vec::new() }
    }

    pub fn local(&self) -> SocketAddr {
        match &self.link {
            Link::Udp(socket) => socket.local_addr(),
            Link::Tcp(stream) => stream.local_addr(),
        }
        .expect("bound")
    }

    /// The bytes of a request.
    pub fn request(&self, method: u16, attributes: &[Attribute]) -> Vec<u8> {
        let id = TransactionId::from(u128::from_be_bytes([7; 16]) >> 32);
        let kind = MessageType::from_class_method(MessageClass::Request, Method::new(method));
        let mut write = Message::builder(kind, id, MessageWriteVec::new());
        for (kind, value) in attributes {
            write.add_attribute(&RawAttribute::new((*kind).into(), value)).expect("it fits");
        }
        if let Some((realm, nonce)) = &self.challenge {
            write.add_attribute(&Username::new(&self.user).expect("short")).expect("it fits");
            write.add_attribute(&Realm::new(realm).expect("short")).expect("it fits");
            write.add_attribute(&Nonce::new(nonce).expect("short")).expect("it fits");
            let credentials = LongTermCredentials::new(self.user.clone(), self.password.clone());
            let key = credentials.to_key(realm.clone()).make_key(IntegrityAlgorithm::Sha1);
            write.add_message_integrity_with_key(&key, IntegrityAlgorithm::Sha1).expect("once");
        }
        write.finish()
    }

    /// Asks, answers a challenge, and gives the answer: an error code, or the bytes of a success.
    pub async fn ask(&mut self, method: u16, attributes: &[Attribute]) -> Result<Vec<u8>, u16> {
        for _ in 0..2 {
            let fresh = self.challenge.is_none();
            self.send(&self.request(method, attributes)).await;
            let bytes = self.answer().await;
            let message = Message::from_bytes(&bytes).expect("STUN");
            let Ok(error) = message.attribute::<ErrorCode>() else { return Ok(bytes) };
            if !(fresh && error.code() == 401) {
                return Err(error.code());
            }
            let realm = message.attribute::<Realm>().expect("REALM").realm().to_owned();
            let nonce = message.attribute::<Nonce>().expect("NONCE").nonce().to_owned();
            self.challenge = Some((realm, nonce));
        }
        Err(401)
    }

    /// An allocation's relayed address, or the error code.
    pub async fn allocate(&mut self) -> Result<SocketAddr, u16> {
        self.allocate_with(&[udp()]).await
    }

    /// An allocation for a request with these attributes.
    pub async fn allocate_with(&mut self, attributes: &[Attribute]) -> Result<SocketAddr, u16> {
        let bytes = self.ask(ALLOCATE, attributes).await?;
        let message = Message::from_bytes(&bytes).expect("STUN");
        let mapped = message.attribute::<XorMappedAddress>().expect("XOR-MAPPED-ADDRESS");
        assert_eq!(mapped.addr(message.transaction_id()), self.local());
        let relayed = message.attribute::<XorRelayedAddress>().expect("XOR-RELAYED-ADDRESS");
        Ok(relayed.addr(message.transaction_id()))
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: &[u8]) {
        match &mut self.link {
            Link::Udp(socket) => {
                socket.send(bytes).await.expect("sent");
            }
            Link::Tcp(stream) => stream.write_all(bytes).await.expect("open"),
        }
    }

    /// ChannelData, padded over TCP.
    pub fn channel_data(&self, number: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = number.to_be_bytes().to_vec();
        bytes.extend(u16::try_from(payload.len()).expect("short").to_be_bytes());
        bytes.extend(payload);
        if matches!(self.link, Link::Tcp(_)) {
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    /// A Send indication.
    #[allow(clippy::unused_self)] // beside `channel_data`, which needs it
    pub fn send_indication(&self, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0x16, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        bytes.extend([7; 12]);
        for (kind, value) in [peer(to), (0x0013, payload.to_vec())] {
            bytes.extend(kind.to_be_bytes());
            bytes.extend(u16::try_from(value.len()).expect("short").to_be_bytes());
            bytes.extend(value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        let length = u16::try_from(bytes.len() - 20).expect("short");
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        bytes
    }

    /// The next that a peer sent.
    pub async fn hear(&mut self) -> Heard {
        while self.heard.is_empty() {
            let bytes = self.message().await;
            assert!(self.keep(&bytes), "an answer to nothing: {bytes:?}");
        }
        self.heard.remove(0)
    }

    async fn answer(&mut self) -> Vec<u8> {
        loop {
            let bytes = self.message().await;
            if !self.keep(&bytes) {
                return bytes;
            }
        }
    }

    /// Whether it is from a peer, and then it is kept.
    fn keep(&mut self, bytes: &[u8]) -> bool {
        if bytes[0] & 0xc0 == 0x40 {
            let length = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
            let number = u16::from_be_bytes([bytes[0], bytes[1]]);
            self.heard.push(Heard::Channel(number, bytes[4..4 + length].to_vec()));
            return true;
        }
        let message = Message::from_bytes(bytes).expect("STUN");
        if message.class() != MessageClass::Indication {
            return false;
        }
        let peer = message.attribute::<XorPeerAddress>().expect("XOR-PEER-ADDRESS");
        let data = message.attribute::<Data>().expect("DATA");
        let heard = Heard::Data(peer.addr(message.transaction_id()), data.data().to_vec());
        self.heard.push(heard);
        true
    }

    /// The next message, whatever it is.
    async fn message(&mut self) -> Vec<u8> {
        let reading = async {
            let mut bytes = vec![0; 65_536];
            match &mut self.link {
                Link::Udp(socket) => {
                    let length = socket.recv(&mut bytes).await.expect("open");
                    bytes.truncate(length);
                }
                Link::Tcp(stream) => {
                    bytes.truncate(4);
                    stream.read_exact(&mut bytes).await.expect("open");
                    let length = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
                    let whole = if bytes[0] & 0xc0 == 0 {
                        20 + length
                    } else {
                        4 + length.next_multiple_of(4)
                    };
                    bytes.resize(whole, 0);
                    stream.read_exact(&mut bytes[4..]).await.expect("open");
                }
            }
            bytes
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("a message")
    }
}
