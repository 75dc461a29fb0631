//! The library's client talks to the library's server and to ours; what it lives to see is the same.

use super::*;
use sans_io_time::Instant;
use stun_types::TransportType;
use turn_client_proto::api::{TurnClientApi, TurnConfig, TurnPollRet, TurnRecvRet};
use turn_client_proto::udp::TurnClientUdp;
use turn_server_proto::api::{TurnServerApi, TurnServerPollRet};
use turn_server_proto::server::TurnServer;
use turn_server_proto::stun::agent::Transmit;
use turn_server_proto::types::TurnCredentials;
use turn_server_proto::types::transmit::TransmitBuild;

const RELAYED: &str = "203.0.113.1:50000";
const CLIENT: &str = "198.51.100.7:40000";

/// What leaves a server: to whom, and the bytes.
type Sent = Vec<(SocketAddr, Vec<u8>)>;

/// Either server, with one relayed address to give.
trait Served {
    fn client_sends(&mut self, now: Duration, bytes: &[u8]) -> Sent;
    fn peer_sends(&mut self, now: Duration, peer: SocketAddr, bytes: &[u8]) -> Sent;
}

impl Served for World {
    fn client_sends(&mut self, now: Duration, bytes: &[u8]) -> Sent {
        self.now = now;
        let path = Path { over: Over::Udp, local: addr(SERVER), remote: addr(CLIENT) };
        match self.raw(&path, bytes) {
            (Step::Answer, out) => vec![(path.remote, out)],
            (Step::Send { to, payload, .. }, _) => vec![(to, bytes[payload].to_vec())],
            _ => Vec::new(),
        }
    }

    fn peer_sends(&mut self, now: Duration, peer: SocketAddr, bytes: &[u8]) -> Sent {
        self.now = now;
        let heard = self.heard(addr(RELAYED), &peer.to_string(), bytes);
        heard.into_iter().map(|bytes| (addr(CLIENT), bytes)).collect()
    }
}

fn instant(now: Duration) -> Instant {
    Instant::ZERO + now
}

impl Served for TurnServer {
    fn client_sends(&mut self, now: Duration, bytes: &[u8]) -> Sent {
        let transmit = Transmit::new(bytes, TransportType::Udp, addr(CLIENT), addr(SERVER));
        let answer = self.recv(transmit, instant(now)).map(TransmitBuild::build);
        let mut sent: Sent = answer.into_iter().map(|t| (t.to, t.data)).collect();
        while let TurnServerPollRet::AllocateSocket {
            transport,
            listen_addr,
            client_addr,
            allocation_transport,
            family,
        } = self.poll(instant(now))
        {
            self.allocated_socket(
                transport,
                listen_addr,
                client_addr,
                allocation_transport,
                family,
                Ok(addr(RELAYED)),
                instant(now),
            );
        }
        while let Some(transmit) = self.poll_transmit(instant(now)) {
            sent.push((transmit.to, transmit.data));
        }
        sent
    }

    fn peer_sends(&mut self, now: Duration, peer: SocketAddr, bytes: &[u8]) -> Sent {
        let transmit = Transmit::new(bytes, TransportType::Udp, peer, addr(RELAYED));
        let sent = self.recv(transmit, instant(now)).map(TransmitBuild::build);
        sent.into_iter().map(|transmit| (transmit.to, transmit.data)).collect()
    }
}

/// The client, its server, and what was seen.
struct Session<'a> {
    client: TurnClientUdp,
    server: &'a mut dyn Served,
    now: Duration,
    seen: Vec<String>,
}

impl Session<'_> {
    /// Lets both go on until neither has anything to say.
    fn settle(&mut self) {
        loop {
            let polled = self.client.poll(instant(self.now));
            let mut silent = true;
            while let Some(transmit) = self.client.poll_transmit(instant(self.now)) {
                let answers = self.server.client_sends(self.now, &transmit.data);
                self.deliver(answers);
                silent = false;
            }
            while let Some(event) = self.client.poll_event() {
                self.seen.push(format!("{event:?}"));
                silent = false;
            }
            match polled {
                _ if !silent => {}
                // it asks again a moment after a challenge
                TurnPollRet::WaitUntil(at) if at <= instant(self.now + seconds(1)) => {
                    self.now = self.now.max(at.duration_since(Instant::ZERO));
                }
                TurnPollRet::Closed if self.seen.last().is_some_and(|l| l == "closed") => return,
                TurnPollRet::Closed => return self.seen.push("closed".into()),
                _ => return,
            }
        }
    }

    fn deliver(&mut self, sent: Sent) {
        for (to, bytes) in sent {
            if to != addr(CLIENT) {
                self.seen.push(format!("to {to}: {}", String::from_utf8_lossy(&bytes)));
                continue;
            }
            let transmit = Transmit::new(bytes, TransportType::Udp, addr(SERVER), addr(CLIENT));
            if let TurnRecvRet::PeerData(data) = self.client.recv(transmit, instant(self.now)) {
                let text = String::from_utf8_lossy(data.data()).into_owned();
                self.seen.push(format!("from {}: {text}", data.peer));
            }
        }
    }

    fn send(&mut self, peer: &str, text: &str) {
        let sent = self.client.send_to(TransportType::Udp, addr(peer), text, instant(self.now));
        match sent {
            Ok(Some(transmit)) => {
                let bytes = transmit.build().data;
                self.seen.push(format!("{} bytes", bytes.len()));
                let answers = self.server.client_sends(self.now, &bytes);
                self.deliver(answers);
            }
            Ok(None) => {}
            Err(error) => self.seen.push(error.to_string()),
        }
    }

    fn hear(&mut self, peer: &str, text: &str) {
        let sent = self.server.peer_sends(self.now, addr(peer), text.as_bytes());
        let lengths: Vec<usize> = sent.iter().map(|(_, bytes)| bytes.len()).collect();
        self.seen.push(format!("{lengths:?} bytes"));
        self.deliver(sent);
    }
}

/// One life: an allocation, permissions, a channel, an hour, and the end.
fn life(server: &mut dyn Served, password: &str) -> Vec<String> {
    let config = TurnConfig::new(TurnCredentials::new("alice", password));
    let client = TurnClientUdp::allocate(addr(CLIENT), addr(SERVER), config);
    let mut session = Session { client, server, now: seconds(10), seen: Vec::new() };
    session.settle();
    let (peer, stranger) = ("192.0.2.9:5000", "192.0.2.10:5000");
    session.send(peer, "too early");
    session.hear(peer, "too early");
    let ip = addr(peer).ip();
    let permitted = session.client.create_permission(TransportType::Udp, ip, instant(session.now));
    session.seen.push(format!("{permitted:?}"));
    session.settle();
    for text in ["", "a", "abcd"] {
        session.send(peer, text);
        session.hear(peer, text);
        session.hear(stranger, text);
    }
    let bound = session.client.bind_channel(TransportType::Udp, addr(peer), instant(session.now));
    session.seen.push(format!("{bound:?}"));
    session.settle();
    for minute in 0..60 {
        session.now += seconds(60);
        session.settle();
        session.send(peer, &format!("minute {minute}"));
        session.hear(peer, &format!("minute {minute}"));
    }
    let deleted = session.client.delete(instant(session.now));
    session.seen.push(format!("{deleted:?}"));
    session.settle();
    session.hear(peer, "too late");
    session.seen
}

fn ours() -> World {
    let ports = PortRange::new(50_000, 50_000).expect("a range");
    World::new(Config { ports, ..config() })
}

fn theirs() -> TurnServer {
    let mut server = TurnServer::new(TransportType::Udp, addr(SERVER), REALM.to_owned());
    server.add_user("alice".to_owned(), "wonder".to_owned());
    server
}

#[test]
fn the_librarys_client_lives_the_same_life_with_the_librarys_server_and_with_ours() {
    let with_ours = life(&mut ours(), "wonder");
    assert_eq!(with_ours, life(&mut theirs(), "wonder"));
    for seen in [
        "AllocationCreated(Udp, 203.0.113.1:50000)",
        "PermissionCreated(Udp, 192.0.2.9)",
        "ChannelCreated(Udp, 192.0.2.9:5000)",
        "to 192.0.2.9:5000: minute 59",
        "from 192.0.2.9:5000: minute 59",
    ] {
        assert!(with_ours.iter().any(|line| line == seen), "{seen}: {with_ours:#?}");
    }
    assert!(!with_ours.iter().any(|seen| seen.contains("too")), "{with_ours:#?}");
}

#[test]
fn the_librarys_client_with_a_wrong_password_gets_nothing_from_either() {
    for seen in [life(&mut ours(), "wrong"), life(&mut theirs(), "wrong")] {
        assert!(!seen.iter().any(|seen| seen.starts_with("AllocationCreated")), "{seen:#?}");
    }
}
