//! Nomination between two agents, packet by packet in virtual time.

use super::{Agent, Config, Description, Event, Kind, Output, Pace, Policy, Role};
use std::net::SocketAddr;
use std::time::Duration;

fn agent(role: Role, host: SocketAddr, seed: u8) -> Agent {
    let config =
        Config { role, pace: Pace::lab(), policy: Policy::All, stun: vec![], turn: vec![] };
    let mut agent = Agent::new(config, [seed; 32]);
    agent.add_host(host);
    agent.end_hosts();
    agent
}

/// Polls until there is nothing more to do now: what is sent, and whether a pair was selected.
fn poll(agent: &mut Agent, now: Duration, selected: &mut bool) -> Vec<Vec<u8>> {
    let mut sent = Vec::new();
    loop {
        match agent.poll(now) {
            Output::Send { bytes, .. } => sent.push(bytes),
            Output::Event(Event::Selected(_)) => *selected = true,
            Output::Event(_) | Output::Relay { .. } => {}
            Output::Wait(_) => return sent,
        }
    }
}

/// What is told of an agent behind a NAT that keeps its port.
fn told(agent: &Agent, public: SocketAddr) -> Description {
    let mut description = agent.description();
    for candidate in &mut description.candidates {
        candidate.kind = Kind::ServerReflexive;
        candidate.address = public;
    }
    description
}

/// A controlled peer had sent first, and its early checks were filtered: the peer's nomination then
/// came while its next check was under way, and it never selected the pair.
#[test]
fn a_nomination_that_comes_before_the_answer_counts() {
    let at = |text: &str| -> SocketAddr { text.parse().unwrap() };
    let (private, public) = (
        [at("192.168.1.100:4000"), at("192.168.1.100:5000")],
        [at("192.0.2.1:4000"), at("192.0.2.2:5000")],
    );
    for (seed, late) in (0..60_u8).map(|n| (n, u64::from(n) * 3 % 90)) {
        let mut a = agent(Role::Controlling, private[0], seed);
        let mut b = agent(Role::Controlled, private[1], seed + 90);
        let mut selected = [false; 2];
        poll(&mut a, Duration::ZERO, &mut false);
        poll(&mut b, Duration::ZERO, &mut false);
        a.set_remote(&told(&b, public[1]));
        b.set_remote(&told(&a, public[0]));
        b.start(Duration::ZERO);
        let mut open = false;
        for ms in 0..700 {
            let now = Duration::from_millis(ms);
            if ms == late {
                a.start(now);
            }
            let from_a = poll(&mut a, now, &mut selected[0]);
            let from_b = poll(&mut b, now, &mut selected[1]);
            // a's filter opens with its own first packet
            open |= !from_a.is_empty();
            for bytes in from_a {
                b.receive(now, private[1], public[0], &bytes);
            }
            for bytes in from_b.into_iter().filter(|_| open) {
                a.receive(now, private[0], public[1], &bytes);
            }
        }
        assert_eq!(selected, [true, true], "a began after {late} ms");
    }
}
