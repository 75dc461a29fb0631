//! An agent and a peer that is none: it knows the credentials and says whatever it likes, in any
//! order, at any time. The agent does not panic, does not spin, and comes to an end.

use natscope::ice::{
    Agent, Candidate, Config, Description, Event, Kind, Output, Pace, Policy, Role, Transport,
};
use natscope::stun;
use proptest::prelude::*;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use stun_types::attribute::{AttributeType, RawAttribute, XorMappedAddress};
use stun_types::message::{
    BINDING, IntegrityAlgorithm, Message, MessageClass, MessageType, MessageWriteVec,
    ShortTermCredentials,
};
use stun_types::prelude::{MessageWrite, MessageWriteExt};

const PASSWORD: &str = "the-peer-0123456789abcdef";

/// What the peer does next.
#[derive(Debug, Clone)]
enum Act {
    /// A request with good integrity and these attributes, from one of its addresses.
    Request { from: u8, user: bool, attributes: Vec<(u16, Vec<u8>)> },
    /// An answer to one of the agent's requests: 0 is the last.
    Answer { from: u8, which: u8, class: bool, code: u16, mapped: Option<u16>, signed: bool },
    /// Anything.
    Bytes { from: u8, bytes: Vec<u8> },
    /// One more candidate.
    Add { kind: u8, port: u16, priority: u32, component: u16 },
    /// Candidates have ended.
    End,
    /// The network refuses.
    Unreachable { to: u8 },
    /// Time passes.
    Wait(u16),
}

fn act() -> impl Strategy<Value = Act> {
    let kind = prop_oneof![
        Just(0x0024_u16),
        Just(0x0025),
        Just(0x8029),
        Just(0x802a),
        Just(0x0020),
        any::<u16>()
    ];
    let bytes = |most: usize| proptest::collection::vec(any::<u8>(), 0..most);
    let value = prop_oneof![Just(vec![]), proptest::collection::vec(any::<u8>(), 4..9), bytes(20)];
    let attributes = proptest::collection::vec((kind, value), 0..6);
    prop_oneof![
        4 => (0..4_u8, any::<bool>(), attributes)
            .prop_map(|(from, user, attributes)| Act::Request { from, user, attributes }),
        4 => (0..4_u8, 0..6_u8, any::<bool>(), prop_oneof![Just(487), 300..700_u16],
            proptest::option::of(any::<u16>()), any::<bool>())
            .prop_map(|(from, which, class, code, mapped, signed)| {
                Act::Answer { from, which, class, code, mapped, signed }
            }),
        1 => (0..4_u8, bytes(60)).prop_map(|(from, bytes)| Act::Bytes { from, bytes }),
        1 => (0..4_u8, any::<u16>(), any::<u32>(), 0..4_u16)
            .prop_map(|(kind, port, priority, component)| {
                Act::Add { kind, port, priority, component }
            }),
        1 => Just(Act::End),
        1 => (0..4_u8).prop_map(|to| Act::Unreachable { to }),
        3 => (0..400_u16).prop_map(Act::Wait),
    ]
}

fn peer(number: u8) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::new(198, 51, 100, 2 + number / 2).into(), 4000 + u16::from(number))
}

fn host() -> SocketAddr {
    SocketAddr::new(Ipv4Addr::new(192, 168, 1, 2).into(), 5000)
}

struct Bench {
    agent: Agent,
    now: Duration,
    own: Description,
    sent: Vec<(SocketAddr, Vec<u8>)>,
    decided: bool,
}

impl Bench {
    fn new(role: Role) -> Self {
        let config =
            Config { role, pace: Pace::lab(), policy: Policy::All, stun: vec![], turn: vec![] };
        let mut agent = Agent::new(config, [7; 32]);
        agent.add_host(host());
        agent.end_hosts();
        let own = agent.description();
        let theirs = Description {
            ufrag: "peer".to_owned(),
            pwd: PASSWORD.to_owned(),
            candidates: vec![candidate(1, peer(0), 1_000_000, 1)],
            complete: false,
            trickle: true,
        };
        agent.set_remote(&theirs);
        agent.start(Duration::ZERO);
        Self { agent, now: Duration::ZERO, own, sent: Vec::new(), decided: false }
    }

    /// Polls until the agent wants to wait; until when.
    fn settle(&mut self) -> Duration {
        for _ in 0..2000 {
            match self.agent.poll(self.now) {
                Output::Send { to, bytes, .. } => self.sent.push((to, bytes)),
                Output::Event(Event::Selected(_) | Event::Failed) => {
                    assert!(!self.decided, "decided twice");
                    self.decided = true;
                }
                Output::Event(_) | Output::Relay { .. } => {}
                // a wait that is over means: come again
                Output::Wait(until) if until <= self.now => {}
                Output::Wait(until) => return until,
            }
        }
        panic!("it spins at {:?}", self.now);
    }

    fn pass(&mut self, until: Duration) {
        while self.now < until {
            let wake = self.settle();
            self.now = wake.min(until);
        }
        self.settle();
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Request { from, user, attributes } => {
                let bytes = self.request(user, &attributes);
                self.agent.receive(self.now, host(), peer(from), &bytes);
            }
            Act::Answer { from, which, class, code, mapped, signed } => {
                let Some(bytes) = self.answer(which, class, code, mapped, signed) else { return };
                self.agent.receive(self.now, host(), peer(from), &bytes);
            }
            Act::Bytes { from, bytes } => {
                self.agent.receive(self.now, host(), peer(from), &bytes);
            }
            Act::Add { kind, port, priority, component } => {
                let address = SocketAddr::new(Ipv4Addr::new(198, 51, 100, 9).into(), port);
                self.agent.add_remote(candidate(kind, address, priority, component));
            }
            Act::End => self.agent.end_remote(),
            Act::Unreachable { to } => self.agent.unreachable(host(), peer(to), "no"),
            Act::Wait(ms) => self.pass(self.now + Duration::from_millis(ms.into())),
        }
        self.settle();
    }

    fn request(&self, user: bool, attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut message = Message::builder_request(BINDING, MessageWriteVec::new());
        let name = if user { format!("{}:peer", self.own.ufrag) } else { "else:peer".to_owned() };
        push(&mut message, 0x0006, name.as_bytes());
        for (kind, value) in attributes {
            push(&mut message, *kind, value);
        }
        sign(message, &self.own.pwd)
    }

    fn answer(
        &self,
        which: u8,
        class: bool,
        code: u16,
        mapped: Option<u16>,
        signed: bool,
    ) -> Option<Vec<u8>> {
        let requests = self.sent.iter().rev().filter_map(|(_, bytes)| {
            stun::read(bytes).ok().filter(|m| m.class == stun::Class::Request).map(|m| m.id)
        });
        let id = requests.into_iter().nth(which.into())?;
        let number = id.iter().fold(0_u128, |number, byte| (number << 8) | u128::from(*byte));
        let class = if class { MessageClass::Success } else { MessageClass::Error };
        let kind = MessageType::from_class_method(class, BINDING);
        let mut message = Message::builder(kind, number.into(), MessageWriteVec::new());
        if let Some(port) = mapped {
            let at = SocketAddr::new(Ipv4Addr::new(192, 0, 2, 1).into(), port);
            message.add_attribute(&XorMappedAddress::new(at, number.into())).ok()?;
        }
        if class == MessageClass::Error {
            let [hundreds, rest] = [code / 100, code % 100].map(|n| u8::try_from(n).unwrap_or(0));
            push(&mut message, 0x0009, &[0, 0, hundreds, rest]);
        }
        Some(if signed { sign(message, PASSWORD) } else { message.finish() })
    }
}

/// What may stand before the integrity, once each.
fn push(message: &mut MessageWriteVec, kind: u16, value: &[u8]) {
    let last = [0x0008, 0x001c, 0x8028];
    let kind = AttributeType::new(kind);
    if !last.contains(&kind.value()) && !message.has_attribute(kind) {
        message.add_attribute(&RawAttribute::new(kind, value)).expect("it fits");
    }
}

fn sign(mut message: MessageWriteVec, password: &str) -> Vec<u8> {
    let credentials = ShortTermCredentials::new(password.to_owned()).into();
    message.add_message_integrity(&credentials, IntegrityAlgorithm::Sha1).expect("it fits");
    message.add_fingerprint().expect("it fits");
    message.finish()
}

fn candidate(kind: u8, address: SocketAddr, priority: u32, component: u16) -> Candidate {
    let kinds = [Kind::Host, Kind::ServerReflexive, Kind::PeerReflexive, Kind::Relayed];
    Candidate {
        foundation: "1".to_owned(),
        component,
        transport: Transport::Udp,
        priority,
        address,
        kind: kinds[usize::from(kind) % kinds.len()],
        related: None,
    }
}

/// Everything that goes out to these candidates in four seconds, and what is said in the end.
fn checked(own: SocketAddr, named: &[&str]) -> (Vec<SocketAddr>, natscope::ice::Outcome) {
    let config = Config {
        role: Role::Controlling,
        pace: Pace::lab(),
        policy: Policy::All,
        stun: vec![],
        turn: vec![],
    };
    let mut agent = Agent::new(config, [7; 32]);
    agent.add_host(own);
    agent.end_hosts();
    let candidates = named.iter().map(|to| candidate(0, to.parse().expect(to), 1_000_000, 1));
    agent.set_remote(&Description {
        ufrag: "peer".to_owned(),
        pwd: PASSWORD.to_owned(),
        candidates: candidates.collect(),
        complete: true,
        trickle: true,
    });
    agent.start(Duration::ZERO);
    let own_description = agent.description();
    let mut bench = Bench {
        agent,
        now: Duration::ZERO,
        own: own_description,
        sent: Vec::new(),
        decided: false,
    };
    // a check from such an address is not answered either
    let request = bench.request(true, &[(0x0024, vec![0, 0, 0, 1]), (0x8029, vec![0; 8])]);
    for from in named {
        bench.agent.receive(bench.now, own, from.parse().expect(from), &request);
    }
    bench.pass(Duration::from_secs(4));
    let outcome = bench.agent.outcome();
    (bench.sent.into_iter().map(|(to, _)| to).collect(), outcome)
}

#[test]
fn checks_went_wherever_a_peer_pointed_them() {
    let none = [
        "127.0.0.1:631",
        "127.0.0.1:50000",
        "0.0.0.0:50000",
        "224.0.0.251:5353",
        "239.255.255.250:50000",
        "240.0.0.1:50000",
        "255.255.255.255:50000",
        "169.254.169.254:80",
        "198.51.100.53:53",
        "198.51.100.53:123",
        "192.168.1.53:11211",
        "192.168.1.1:80",
    ];
    let (sent, outcome) = checked(host(), &none);
    assert_eq!(sent, [], "{outcome:#?}");
    let avoided: Vec<String> = outcome.avoided.iter().map(|a| a.address.to_string()).collect();
    assert_eq!(avoided, none);
    assert!(outcome.because.contains("no check is sent to"), "{}", outcome.because);
    // and real ones beside them are checked as before
    let some = ["127.0.0.1:50000", "198.51.100.7:443", "198.51.100.7:50000", "192.168.7.1:50000"];
    let (sent, outcome) = checked(host(), &some);
    for to in &some[1..] {
        assert!(sent.contains(&to.parse().expect(to)), "{to}: {sent:?}");
    }
    assert!(!sent.contains(&some[0].parse().expect("an address")));
    assert_eq!(outcome.avoided.len(), 1);
}

#[test]
fn two_peers_on_one_host_or_on_one_link_check_each_other() {
    for (own, to) in [
        ("127.0.0.1:5000", "127.0.0.1:50000"),
        ("[::1]:5000", "[::1]:50000"),
        ("169.254.7.7:5000", "169.254.9.9:50000"),
        ("192.168.1.2:5000", "192.168.1.2:50000"),
    ] {
        let (sent, outcome) = checked(own.parse().expect(own), &[to]);
        assert!(sent.contains(&to.parse().expect(to)), "{own} to {to}");
        assert!(outcome.avoided.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_peer_that_says_anything_does_no_harm(
        controlling in any::<bool>(),
        acts in proptest::collection::vec(act(), 0..40),
    ) {
        let role = if controlling { Role::Controlling } else { Role::Controlled };
        let mut bench = Bench::new(role);
        bench.settle();
        for act in acts {
            bench.act(act);
        }
        bench.pass(bench.now + Duration::from_secs(4));
        prop_assert!(bench.decided);
        let outcome = bench.agent.outcome();
        prop_assert!(!outcome.because.is_empty());
        prop_assert!(outcome.because.len() < 600);
        prop_assert!(outcome.connection.direct() == outcome.selected.is_some());
    }
}
