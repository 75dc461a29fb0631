//! The client in virtual time, against a server of a few lines.

use super::*;
use crate::stun::{Key, Writer};
use proptest::prelude::*;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn server(over: Over) -> Server {
    Server {
        uri: "turn:203.0.113.1".to_owned(),
        name: "203.0.113.1".to_owned(),
        address: address("203.0.113.1:3478"),
        over,
        user: "lab".to_owned(),
        password: "lab".to_owned(),
    }
}

fn client(over: Over) -> Client {
    Client::new(server(over), address("192.0.2.1:5000"), Patience::lab(), Duration::ZERO)
}

/// What a server without fault answers: nothing to indications.
fn answer(bytes: &[u8]) -> Option<Vec<u8>> {
    let request = stun::read(bytes).ok().filter(|m| m.class == Class::Request)?;
    let mut out = Vec::new();
    let class = if request.integrity { Class::Success } else { Class::Error };
    let mut write = Writer::new(class, request.method, request.id, &mut out);
    if !request.integrity {
        write.error(None, 401, "Unauthorized");
        write.text(types::REALM, "test");
        write.text(types::NONCE, "nonce");
        return Some(out);
    }
    if request.method == method::ALLOCATE {
        write.xor_address(types::XOR_RELAYED, address("203.0.113.1:50000"));
    }
    if matches!(request.method, method::ALLOCATE | method::REFRESH) {
        write.attribute(types::LIFETIME, &600_u32.to_be_bytes());
    }
    write.sign(&Key::long_term("lab", "test", "lab"));
    Some(out)
}

/// Runs until `until`; every packet that leaves is given to `server`. Gives the events and how
/// often it was woken.
fn run(
    client: &mut Client,
    now: &mut Duration,
    until: Duration,
    mut server: impl FnMut(Duration, &[u8]) -> Option<Vec<u8>>,
) -> (Vec<Event>, usize) {
    let (mut events, mut turns) = (Vec::new(), 0);
    loop {
        turns += 1;
        assert!(turns < 100_000, "it spins at {now:?}");
        let mut answers = Vec::new();
        while let Some(bytes) = client.transmit(*now) {
            answers.extend(server(*now, &bytes));
        }
        for bytes in &answers {
            client.receive(*now, bytes);
        }
        match client.poll(*now) {
            Poll::Event(event) => events.push(event),
            Poll::Wait(next) if !answers.is_empty() || next <= *now => {
                assert!(!answers.is_empty() || !client.out.is_empty(), "it waits for the past");
            }
            Poll::Wait(next) if next >= until => {
                *now = until;
                return (events, turns);
            }
            Poll::Wait(next) => *now = next,
        }
    }
}

fn allocated(over: Over) -> (Client, Duration) {
    let (mut client, mut now) = (client(over), Duration::ZERO);
    let (events, _) = run(&mut client, &mut now, Duration::from_millis(500), |_, b| answer(b));
    let relayed = address("203.0.113.1:50000");
    assert_eq!(events, [Event::Allocated { relayed, mapped: None }]);
    (client, now)
}

#[test]
fn a_silent_server_is_asked_by_the_schedule_and_given_up() {
    let (mut client, mut now) = (client(Over::Udp), Duration::ZERO);
    let mut sent = Vec::new();
    let (events, turns) = run(&mut client, &mut now, Duration::from_secs(60), |at, bytes| {
        if stun::read(bytes).unwrap().method == method::ALLOCATE {
            sent.push(at.as_millis());
        }
        None
    });
    assert_eq!(sent, [0, 50, 150, 350]);
    let [Event::Failed(Failure::NoAnswer { tried })] = &events[..] else { panic!("{events:?}") };
    assert!(tried.contains("203.0.113.1:3478") && tried.contains("0.7 s"), "{tried}");
    assert!(turns < 100, "it was woken {turns} times");
    assert!(client.ended());
}

#[test]
fn an_hour_of_silence_between_peers_keeps_the_allocation_and_little_else() {
    let (mut client, mut now) = allocated(Over::Udp);
    client.permit(now, "198.51.100.7".parse().unwrap());
    let mut packets = 0;
    let (events, _) = run(&mut client, &mut now, Duration::from_secs(3600), |_, bytes| {
        packets += 1;
        answer(bytes)
    });
    assert_eq!(events, [Event::Permitted("198.51.100.7".parse().unwrap())]);
    // one Refresh a second, which the lab's patience asks for, and a permission every four minutes
    assert!((3400..3800).contains(&packets), "{packets} packets");
}

#[test]
fn what_waits_for_a_permission_is_bounded() {
    let (mut client, mut now) = allocated(Over::Udp);
    let peer = address("198.51.100.7:7");
    for _ in 0..10 * MOST_HELD {
        client.send(now, peer, b"waits");
    }
    assert_eq!(client.held.len(), MOST_HELD);
    for port in 0..10 * MOST_PEERS {
        let ip = [198, 51, u8::try_from(port / 256).unwrap(), u8::try_from(port % 256).unwrap()];
        client.send(now, SocketAddr::from((ip, 7)), b"waits");
    }
    assert!(client.peers.len() <= MOST_PEERS && client.held.len() <= MOST_HELD);
    let mut passed = 0;
    let end = now + Duration::from_secs(1);
    let (events, _) = run(&mut client, &mut now, end, |_, bytes| {
        let class = stun::read(bytes).map(|message| message.class);
        passed += usize::from(class == Ok(Class::Indication));
        answer(bytes)
    });
    assert_eq!(events.first(), Some(&Event::Permitted(peer.ip())));
    assert_eq!(passed, MOST_HELD);
}

#[test]
fn what_cannot_be_sent_is_dropped() {
    let (mut client, now) = allocated(Over::Udp);
    client.send(now, address("[2001:db8::1]:7"), b"another family");
    client.bind_channel(now, address("[2001:db8::1]:7"));
    client.send(now, address("198.51.100.7:7"), &vec![0; MOST_PAYLOAD + 1]);
    assert!(client.peers.is_empty() && client.held.is_empty() && client.channels.is_empty());
}

#[test]
fn closing_sends_a_refresh_even_right_after_another_request() {
    let (mut client, now) = allocated(Over::Udp);
    client.permit(now, "198.51.100.7".parse().unwrap());
    while client.transmit(now).is_some() {}
    client.close(now);
    let bytes = client.transmit(now).expect("a Refresh");
    let message = Strict::read(&bytes).unwrap();
    assert_eq!(message.value(types::LIFETIME), Some(&[0; 4][..]));
    assert!(client.transmit(now).is_none() && client.ended());
}

#[test]
fn a_user_name_that_no_message_can_carry_is_refused() {
    let long = Server { user: "x".repeat(LONGEST_USER + 1), ..server(Over::Udp) };
    let mut client = Client::new(long, address("192.0.2.1:5000"), Patience::lab(), Duration::ZERO);
    let event = client.poll(Duration::ZERO);
    assert!(matches!(event, Poll::Event(Event::Failed(Failure::Unauthorized { .. }))));
    let longest = Server { user: "x".repeat(LONGEST_USER), ..server(Over::Udp) };
    let local = address("192.0.2.1:5000");
    let mut client = Client::new(longest, local, Patience::lab(), Duration::ZERO);
    let mut now = Duration::ZERO;
    run(&mut client, &mut now, Duration::from_secs(2), |_, bytes| answer(bytes));
    assert!(client.ended(), "another user's signature does not fit");
}

/// Bytes as the network may bring them: anything, or an answer that was tampered with.
fn hostile() -> impl Strategy<Value = (bool, Vec<u8>, usize, u8)> {
    (any::<bool>(), prop::collection::vec(any::<u8>(), 0..200), 0..200_usize, any::<u8>())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_panic_or_fill_memory(
        tcp in any::<bool>(),
        script in prop::collection::vec(hostile(), 0..40),
    ) {
        let mut client = client(if tcp { Over::Tcp } else { Over::Udp });
        let mut now = Duration::ZERO;
        let peer = address("198.51.100.7:7");
        for (tampered, bytes, at, with) in script {
            let mut answers = Vec::new();
            while let Some(sent) = client.transmit(now) {
                answers.extend(answer(&sent));
            }
            if tampered {
                for mut bytes in answers {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = with;
                    }
                    client.receive(now, &bytes);
                }
            } else {
                for bytes in &answers {
                    client.receive(now, bytes);
                }
                client.receive(now, &bytes);
            }
            client.send(now, peer, &bytes);
            client.bind_channel(now, peer);
            while let Poll::Event(_) = client.poll(now) {}
            now += Duration::from_millis(60);
        }
        prop_assert!(client.held.len() <= MOST_HELD && client.out.len() <= 2 * MOST_HELD);
    }

    #[test]
    fn a_lossy_server_is_used_or_named(losses in prop::collection::vec(any::<bool>(), 64)) {
        let (mut client, mut now) = (client(Over::Udp), Duration::ZERO);
        let mut losses = losses.into_iter();
        let (events, _) = run(&mut client, &mut now, Duration::from_secs(3), |_, bytes| {
            if losses.next().unwrap_or(false) { None } else { answer(bytes) }
        });
        let first = events.first().expect("something within three seconds");
        prop_assert!(
            matches!(first, Event::Allocated { .. }
                | Event::Failed(Failure::NoAnswer { .. } | Failure::SilentOnceAsked { .. } | Failure::NotTurn)),
            "{first:?}"
        );
    }
}
