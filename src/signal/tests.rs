use super::*;
use crate::ground::limit::Bucket;
use proptest::prelude::*;
use std::net::IpAddr;
use std::time::Duration;

const NOW: Duration = Duration::from_secs(5);

struct Hall(Rooms);

impl Hall {
    fn new(limits: Limits) -> Self {
        Self(Rooms::new(limits))
    }
    fn said(&mut self) -> Vec<(u64, Result<Message, ()>)> {
        let outputs = std::iter::from_fn(|| self.0.poll());
        outputs
            .map(|output| match output {
                Output::Send(id, text) => (id.0, Ok(Message::parse(&text).unwrap())),
                Output::Close(id) => (id.0, Err(())),
            })
            .collect()
    }
    fn come(&mut self, id: u64) -> bool {
        self.0.connected(NOW, ClientId(id), IpAddr::from([192, 0, 2, 1]))
    }
    fn join(&mut self, id: u64, room: &str) -> Vec<(u64, Result<Message, ()>)> {
        self.come(id);
        let join = Message::Join { room: room.to_owned(), version: VERSION };
        self.0.received(NOW, ClientId(id), &join.to_json());
        self.said()
    }
    fn say(&mut self, id: u64, text: &str) -> Vec<(u64, Result<Message, ()>)> {
        self.0.received(NOW, ClientId(id), text);
        self.said()
    }
    /// The code with which this is refused, and that the connection is then closed.
    fn refused(said: &[(u64, Result<Message, ()>)]) -> Option<Code> {
        match said {
            [(a, Ok(Message::Error { code, .. })), (b, Err(())), ..] if a == b => Some(*code),
            _ => None,
        }
    }
}

#[test]
fn a_room_is_two_peers_and_what_one_says_the_other_hears() {
    let mut hall = Hall::new(Limits::default());
    assert_eq!(hall.join(1, "a"), [(1, Ok(Message::Joined { role: Role::Offer, peer: false }))]);
    let alone = hall.say(1, r#"{"type":"candidate","candidate":""}"#);
    let [(1, Ok(Message::Error { code: Code::NoPeer, .. }))] = &alone[..] else {
        panic!("{alone:?}")
    };
    let both =
        [(2, Ok(Message::Joined { role: Role::Answer, peer: true })), (1, Ok(Message::PeerJoined))];
    assert_eq!(hall.join(2, "a"), both);
    let offer = Message::Offer { sdp: "v=0\r\n".to_owned() };
    assert_eq!(hall.say(1, &offer.to_json()), [(2, Ok(offer))]);
    // what a later version says is passed on as it is
    hall.0.received(NOW, ClientId(2), r#"{"type":"later","x":[1]}"#);
    let passed = Output::Send(ClientId(1), r#"{"type":"later","x":[1]}"#.to_owned());
    assert_eq!(hall.0.poll(), Some(passed));
    assert_eq!(Message::parse(r#"{"type":"later","x":[1]}"#), Ok(Message::Unknown));
}

#[test]
fn a_third_is_refused_and_the_two_are_not_disturbed() {
    let mut hall = Hall::new(Limits::default());
    hall.join(1, "a");
    hall.join(2, "a");
    let said = hall.join(3, "a");
    assert_eq!(Hall::refused(&said), Some(Code::RoomFull), "{said:?}");
    assert_eq!(said.len(), 2, "{said:?}");
    assert_eq!(hall.0.clients(), 2);
    assert_eq!(hall.join(4, "b").len(), 1);
    assert_eq!(hall.0.rooms(), 2);
}

#[test]
fn who_comes_again_takes_the_role_that_is_free() {
    let mut hall = Hall::new(Limits::default());
    hall.join(1, "a");
    hall.join(2, "a");
    hall.0.disconnected(ClientId(1));
    assert_eq!(hall.said(), [(2, Ok(Message::PeerLeft))]);
    let again = hall.join(3, "a");
    assert_eq!(again[0], (3, Ok(Message::Joined { role: Role::Offer, peer: true })));
    hall.0.disconnected(ClientId(2));
    hall.0.disconnected(ClientId(3));
    assert_eq!((hall.0.rooms(), hall.0.clients()), (0, 0));
}

#[test]
fn every_limit_is_told_by_its_name() {
    let limits = Limits { rooms: 1, clients: 4, message: 200, burst: 3, ..Limits::default() };
    let mut hall = Hall::new(limits);
    hall.join(1, "a");
    assert_eq!(Hall::refused(&hall.join(2, "b")), Some(Code::TooManyRooms));
    assert_eq!(Hall::refused(&hall.join(3, "no room")), Some(Code::BadRoom));
    assert_eq!(Hall::refused(&hall.join(3, "")), Some(Code::BadRoom));
    assert_eq!(Hall::refused(&hall.join(3, &"x".repeat(65))), Some(Code::BadRoom));
    hall.come(4);
    assert_eq!(Hall::refused(&hall.say(4, "nonsense")), Some(Code::BadMessage));
    for (id, text, code) in [
        (5, r#"{"type":"error","code":"room-full","message":"I lie"}"#, Code::BadMessage),
        (6, r#"{"type":"peer-left"}"#, Code::BadMessage),
        (7, r#"{"type":"offer","sdp":""}"#, Code::NotJoined),
        (8, r#"{"type":"join","room":"a","version":2}"#, Code::Version),
        (9, r#"{"type":"join"}"#, Code::BadMessage),
    ] {
        hall.come(id);
        assert_eq!(Hall::refused(&hall.say(id, text)), Some(code), "{text}");
    }
    let long = format!(r#"{{"type":"offer","sdp":"{}"}}"#, "x".repeat(200));
    hall.join(10, "a");
    assert_eq!(Hall::refused(&hall.say(10, &long)), Some(Code::TooLong));
    hall.join(11, "a");
    let quick: Vec<_> = (0..3).map(|_| hall.say(11, r#"{"type":"x"}"#)).collect();
    assert_eq!(Hall::refused(&quick[2]), Some(Code::TooFast), "{quick:?}");
    for id in 20..30 {
        hall.come(id);
    }
    assert_eq!(hall.0.clients(), 4);
    assert_eq!(Hall::refused(&hall.said()), Some(Code::TooManyClients));
}

/// One address took all 1,000 rooms in 0.3 s, and tried 2,677 names a second.
#[test]
fn one_source_has_its_share_of_connections_and_guesses_and_others_have_theirs() {
    let mut server = Rooms::new(Limits::default());
    let ip = |text: &str| -> IpAddr { text.parse().expect("an address") };
    let join = |server: &mut Rooms, now, id, from: IpAddr, room: &str| {
        let _ = server.connected(now, ClientId(id), from);
        let join = Message::Join { room: room.to_owned(), version: VERSION };
        server.received(now, ClientId(id), &join.to_json());
        let said: Vec<_> = std::iter::from_fn(|| server.poll()).collect();
        match said.first() {
            Some(Output::Send(_, text)) => Message::parse(text).ok(),
            _ => None,
        }
    };
    let code = |said| match said {
        Some(Message::Error { code, .. }) => Some(code),
        _ => None,
    };
    // a whole /64 is one source
    for n in 0..1000 {
        join(&mut server, NOW, n, ip(&format!("2001:db8::{n:x}")), &format!("room{n}"));
    }
    assert_eq!((server.clients(), server.rooms()), (64, 64));
    let other = join(&mut server, NOW, 2000, ip("2001:db8:0:1::1"), "other");
    assert!(matches!(other, Some(Message::Joined { .. })), "{other:?}");
    // guesses: each on a connection of its own, one after the other
    let mut let_in = 0;
    for n in 0..27_000u64 {
        let now = NOW + Duration::from_millis(n * 1000 / 2677);
        let said = join(&mut server, now, 10_000 + n, ip("192.0.2.1"), &format!("guess{n}"));
        let_in += usize::from(matches!(said, Some(Message::Joined { .. })));
        server.disconnected(ClientId(10_000 + n));
        while server.poll().is_some() {}
        let expected =
            if matches!(said, Some(Message::Joined { .. })) { None } else { Some(Code::TooFast) };
        assert_eq!(code(said), expected);
    }
    assert!((70..=76).contains(&let_in), "{let_in} in ten seconds");
    let end = NOW + Duration::from_secs(10);
    let other = join(&mut server, end, 3000, ip("192.0.2.2"), "third");
    assert!(matches!(other, Some(Message::Joined { .. })), "{other:?}");
}

#[test]
fn after_a_pause_one_may_speak_again() {
    let limits = Limits { burst: 2, per_second: 10, ..Limits::default() };
    let limits = limits.messages();
    let mut bucket = Bucket::new(NOW, limits);
    assert!(bucket.take(NOW, 1, limits) && bucket.take(NOW, 1, limits));
    assert!(!bucket.take(NOW, 1, limits));
    let later = NOW + Duration::from_millis(100);
    assert!(bucket.take(later, 1, limits) && !bucket.take(later, 1, limits));
    assert!(bucket.take(NOW + Duration::from_secs(9), 1, limits));
}

#[test]
fn the_silent_are_turned_out() {
    let limits = Limits::default();
    let mut hall = Hall::new(limits);
    hall.join(1, "a");
    hall.come(2);
    assert_eq!(hall.0.deadline(), Some(NOW + limits.join));
    hall.0.tick(NOW + limits.join);
    assert_eq!(Hall::refused(&hall.said()), Some(Code::Idle));
    assert_eq!(hall.0.deadline(), Some(NOW + limits.idle));
    hall.0.tick(limits.idle);
    assert_eq!(hall.said(), []);
    hall.0.tick(NOW + limits.idle);
    assert_eq!(Hall::refused(&hall.said()), Some(Code::Idle));
    assert_eq!((hall.0.rooms(), hall.0.clients(), hall.0.deadline()), (0, 0, None));
}

#[test]
fn a_code_of_a_later_version_is_still_a_refusal() {
    let text = r#"{"type":"error","code":"moon-phase","message":"full"}"#;
    let Ok(Message::Error { code, .. }) = Message::parse(text) else { panic!() };
    assert_eq!(code, Code::Unknown);
}

proptest! {
    /// Whatever is said in whatever order: no panic, never more than two in a room, nothing for a
    /// client that was closed, and when all have gone nothing is left.
    #[test]
    fn rooms_stay_rooms_of_two(
        steps in prop::collection::vec((0u64..6, 0u8..6, 0u64..200), 1..200),
        noise in any::<String>(),
    ) {
        let limits = Limits { rooms: 2, clients: 5, burst: 10, ..Limits::default() };
        let mut server = Rooms::new(limits);
        let mut now = Duration::ZERO;
        for (client, what, ms) in steps {
            now += Duration::from_millis(ms * 50);
            let id = ClientId(client);
            match what {
                0 => server.disconnected(id),
                1 => {
                    server.connected(now, id, [192, 0, 2, 1].into());
                }
                2 => server.received(now, id, r#"{"type":"join","room":"a","version":1}"#),
                3 => server.received(now, id, r#"{"type":"join","room":"b","version":1}"#),
                4 => server.received(now, id, r#"{"type":"candidate","candidate":"x"}"#),
                _ => server.received(now, id, &noise),
            }
            server.tick(now);
            let closed: Vec<_> = std::iter::from_fn(|| server.poll()).collect();
            prop_assert!(closed.len() <= 40);
            prop_assert!(server.rooms() <= 2 && server.clients() <= 5);
        }
        for client in 0..6 {
            server.disconnected(ClientId(client));
        }
        prop_assert_eq!((server.rooms(), server.clients()), (0, 0));
    }
}
