//! A history of an ICE agent whose peer knows the passwords and says anything: requests and answers,
//! signed or not, candidates, time that passes. No panic; the agent does not spin, and it comes to
//! one end.
#![no_main]

use hmac::{Hmac, KeyInit, Mac};
use libfuzzer_sys::fuzz_target;
use natscope::ice::{
    Agent, Candidate, Config, Description, Event, Kind, Output, Pace, Policy, Role, Transport,
};
use natscope::stun::{self, Class};
use sha1::Sha1;
use std::net::SocketAddr;
use std::time::Duration;

const PASSWORD: &str = "the-peer-0123456789abcdef";

fuzz_target!(|input: (bool, Vec<(u8, u8, Vec<u8>)>)| {
    let (controlling, events) = input;
    let mut world = World::new(if controlling { Role::Controlling } else { Role::Controlled });
    for (kind, who, bytes) in events.into_iter().take(64) {
        world.happen(kind, who, &bytes);
    }
    world.pass(Duration::from_secs(4));
    assert_eq!(world.ends, 1);
    assert!(!world.agent.outcome().because.is_empty());
});

struct World {
    agent: Agent,
    own: Description,
    now: Duration,
    asked: Vec<[u8; 12]>,
    ends: u32,
}

fn host() -> SocketAddr {
    SocketAddr::from(([192, 168, 1, 2], 5000))
}

fn peer(who: u8) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 2 + who % 2], 4000 + u16::from(who % 4)))
}

fn candidate(who: u8, priority: u32) -> Candidate {
    let kinds = [Kind::Host, Kind::ServerReflexive, Kind::PeerReflexive, Kind::Relayed];
    Candidate {
        foundation: "1".to_owned(),
        component: 1 + u16::from(who / 128),
        transport: Transport::Udp,
        priority,
        address: peer(who),
        kind: kinds[usize::from(who / 4 % 4)],
        related: None,
    }
}

impl World {
    fn new(role: Role) -> Self {
        let (stun, turn) = (Vec::new(), Vec::new());
        let config = Config { role, pace: Pace::lab(), policy: Policy::All, stun, turn };
        let mut agent = Agent::new(config, [7; 32]);
        agent.add_host(host());
        agent.end_hosts();
        let own = agent.description();
        agent.set_remote(&Description {
            ufrag: "peer".to_owned(),
            pwd: PASSWORD.to_owned(),
            candidates: vec![candidate(0, 1_000_000)],
            complete: false,
            trickle: true,
        });
        agent.start(Duration::ZERO);
        let mut world = Self { agent, own, now: Duration::ZERO, asked: Vec::new(), ends: 0 };
        world.settle();
        world
    }

    fn happen(&mut self, kind: u8, who: u8, bytes: &[u8]) {
        let bytes = &bytes[..bytes.len().min(600)];
        let packet = match kind % 8 {
            0 => bytes.to_vec(),
            1 | 2 => {
                let name = format!("{}:peer", self.own.ufrag);
                let mut body = attribute(0x0006, name.as_bytes());
                body.extend(bytes);
                message(0x0001, [who; 12], body, &self.own.pwd)
            }
            3 | 4 => {
                let Some(id) = self.asked.iter().rev().nth(usize::from(who / 4 % 8)) else { return };
                let class = if kind % 8 == 3 { 0x0101 } else { 0x0111 };
                message(class, *id, bytes.to_vec(), PASSWORD)
            }
            5 => {
                let priority = bytes.iter().fold(0, |n: u32, b| (n << 8) | u32::from(*b));
                self.agent.add_remote(candidate(who, priority));
                let _until = self.settle();
                return;
            }
            6 if who > 250 => {
                self.agent.end_remote();
                let _until = self.settle();
                return;
            }
            _ => return self.pass(Duration::from_millis(u64::from(who))),
        };
        self.agent.receive(self.now, host(), peer(who), &packet);
        self.settle();
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.now = self.settle().min(until);
        }
        self.settle();
    }

    fn settle(&mut self) -> Duration {
        for _ in 0..5000 {
            match self.agent.poll(self.now) {
                Output::Send { bytes, .. } => {
                    let read = stun::read(&bytes).expect("it speaks STUN");
                    if read.class == Class::Request {
                        self.asked.push(read.id);
                    }
                }
                Output::Event(Event::Selected(_) | Event::Failed) => self.ends += 1,
                Output::Event(_) | Output::Relay { .. } => {}
                // a wait that is over means: come again
                Output::Wait(until) if until <= self.now => {}
                Output::Wait(until) => return until,
            }
        }
        panic!("it spins at {:?}", self.now);
    }
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = kind.to_be_bytes().to_vec();
    bytes.extend(u16::try_from(value.len()).expect("short").to_be_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// With MESSAGE-INTEGRITY and FINGERPRINT.
fn message(kind: u16, id: [u8; 12], mut body: Vec<u8>, password: &str) -> Vec<u8> {
    body.resize(body.len().next_multiple_of(4), 0);
    let header = |length: usize| {
        let mut bytes = kind.to_be_bytes().to_vec();
        bytes.extend(u16::try_from(length).expect("short").to_be_bytes());
        bytes.extend(stun::MAGIC_COOKIE.to_be_bytes());
        bytes.extend(id);
        bytes
    };
    let mut mac = Hmac::<Sha1>::new_from_slice(password.as_bytes()).expect("any key");
    mac.update(&header(body.len() + 24));
    mac.update(&body);
    body.extend(attribute(0x0008, &mac.finalize().into_bytes()));
    let mut bytes = header(body.len() + 8);
    bytes.extend(&body);
    bytes.extend(attribute(0x8028, &(crc32(&bytes) ^ 0x5354_554e).to_be_bytes()));
    bytes
}

/// CRC-32 of ITU V.42, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 }
        })
    })
}
