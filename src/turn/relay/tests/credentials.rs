//! Who is let in.

use super::*;

#[test]
fn nobody_is_served_without_a_password() {
    let mut world = World::plain();
    let mut who = Who::alice();
    for method in [ALLOCATE, REFRESH, PERMIT, BIND] {
        let bytes = world.request(&who, method, &[UDP]);
        let said = world.answer(&who, &bytes).expect("a challenge");
        assert_eq!((said.code, said.reason.as_str()), (401, "Unauthorized"));
        assert!(said.nonce.is_some() && !said.signed);
    }
    assert!(world.open.is_empty());
    let relayed = world.allocate(&mut who);
    assert_eq!(relayed.ip(), addr(SERVER).ip());
    assert_eq!(world.open, HashSet::from([relayed]));
}

#[test]
fn a_wrong_password_or_name_is_refused_again_and_again() {
    let mut world = World::plain();
    for (user, password) in
        [("alice", "Wonder"), ("mallory", "wonder"), ("bob", "wonder"), ("", ""), ("alice", "")]
    {
        let mut who = Who::new("198.51.100.8:1", user, password);
        for _ in 0..3 {
            let said = world.ask(&mut who, ALLOCATE, &[UDP]);
            assert_eq!((said.code, said.signed), (401, false), "{user}");
            who.nonce = said.nonce;
        }
    }
    let mut elsewhere = Who { realm: "elsewhere".into(), ..Who::alice() };
    assert_eq!(world.ask(&mut elsewhere, ALLOCATE, &[UDP]).code, 401);
    assert!(world.open.is_empty());
}

#[test]
fn half_of_the_credentials_is_a_bad_request() {
    let mut world = World::plain();
    let who = Who::alice();
    let kind = MessageType::from_class_method(MessageClass::Request, Method::new(ALLOCATE));
    let mut write = Message::builder(kind, 77u128.into(), MessageWriteVec::new());
    write.add_attribute(&Username::new("alice").expect("short")).expect("it fits");
    let credentials = LongTermCredentials::new("alice".into(), "wonder".into());
    let key = credentials.to_key(REALM.into()).make_key(IntegrityAlgorithm::Sha1);
    write.add_message_integrity_with_key(&key, IntegrityAlgorithm::Sha1).expect("unsigned");
    let said = world.answer(&who, &write.finish()).expect("an answer");
    assert_eq!(said.code, 400);
}

#[test]
fn a_nonce_is_stale_after_an_hour_for_another_client_and_when_it_is_changed() {
    let mut world = World::plain();
    let mut who = Who::alice();
    world.allocate(&mut who);
    let nonce = who.nonce.clone().expect("given");

    let mut other = Who { nonce: who.nonce.clone(), ..Who::alice_at(40_001) };
    let said = world.ask(&mut other, ALLOCATE, &[UDP]);
    assert_eq!(said.code, 438, "it is another client's");
    other.nonce = said.nonce;
    world.allocate(&mut other);
    let over_tcp = Path { over: Over::Tcp, ..who.path };
    let mut other = Who { path: over_tcp, ..who.clone() };
    assert_eq!(world.ask(&mut other, ALLOCATE, &[UDP]).code, 438);

    for changed in ["", "0", "zz", &nonce[1..], &format!("{nonce}0"), &format!("f{}", &nonce[1..])]
    {
        let mut other = Who { nonce: Some(changed.to_owned()), ..who.clone() };
        if changed.is_empty() {
            continue;
        }
        assert_eq!(world.ask(&mut other, REFRESH, &[]).code, 438, "{changed}");
    }

    assert_eq!(world.ask(&mut who, REFRESH, &[A::Lifetime(3600)]).code, 0);
    world.now += seconds(3599);
    assert_eq!(world.ask(&mut who, REFRESH, &[A::Lifetime(3600)]).code, 0);
    world.now += seconds(1);
    let said = world.ask(&mut who, REFRESH, &[]);
    assert_eq!(said.code, 438);
    who.nonce = said.nonce;
    assert_eq!(world.ask(&mut who, REFRESH, &[]).code, 0, "with the new one it goes on");
}

/// Somebody whom a back end let in for `left` seconds from the start of the test.
fn guest(remote: &str, name: &str, left: u64) -> Who {
    let user = format!("{}{name}", EPOCH + left);
    let password = time_limited_password(b"north", &user);
    Who::new(remote, &user, &password)
}

#[test]
fn the_password_of_a_time_limited_credential_is_what_everybody_computes() {
    // by `openssl dgst -sha1 -hmac north -binary | base64` of the name
    let password = time_limited_password(b"north", "1800000060:carol");
    assert_eq!(password, "32sNxb6mwGYn3fm3euaubmjU6I4=");
}

#[test]
fn a_time_limited_credential_is_good_until_it_expires_and_then_said_to_have() {
    let mut world = World::plain();
    for name in [":carol", ":", ""] {
        let mut who = guest("198.51.100.9:1", name, 60);
        world.allocate(&mut who);
        assert_eq!(world.ask(&mut who, REFRESH, &[A::Lifetime(0)]).code, 0);
    }
    let mut who = guest("198.51.100.9:2", ":carol", 60);
    world.allocate(&mut who);
    world.now = seconds(59);
    assert_eq!(world.ask(&mut who, REFRESH, &[]).code, 0);
    world.now = seconds(60);
    for (method, attributes) in [
        (REFRESH, vec![]),
        (PERMIT, vec![A::Peer("192.0.2.9:1")]),
        (BIND, vec![A::Channel(0x4000), A::Peer("192.0.2.9:1")]),
    ] {
        let said = world.ask(&mut who, method, &attributes);
        assert_eq!(said.code, 401);
        assert_eq!(said.reason, "Unauthorized: these credentials have expired");
    }
    let said = world.ask(&mut guest("198.51.100.9:3", ":carol", 60), ALLOCATE, &[UDP]);
    assert_eq!((said.code, said.reason.contains("expired")), (401, true));
    // what it holds may still be given back
    assert_eq!(world.open.len(), 1);
    assert_eq!(world.ask(&mut who, REFRESH, &[A::Lifetime(0)]).code, 0);
    assert!(world.open.is_empty());
}

#[test]
fn who_does_not_know_the_secret_is_not_told_that_a_credential_has_expired() {
    let mut world = World::plain();
    let mut who = guest("198.51.100.9:1", ":carol", 0);
    who.password = "guess".into();
    assert_eq!(world.ask(&mut who, ALLOCATE, &[UDP]).reason, "Unauthorized");
}

#[test]
fn a_secret_can_be_replaced_without_a_gap() {
    let mut config = config();
    config.credentials.secrets.insert(0, b"newer".to_vec());
    let mut world = World::new(config);
    world.allocate(&mut guest("198.51.100.9:1", ":carol", 60));
    let user = format!("{}:dave", EPOCH + 60);
    let password = time_limited_password(b"newer", &user);
    world.allocate(&mut Who::new("198.51.100.9:2", &user, &password));
    let password = time_limited_password(b"elsewhere", &user);
    let mut who = Who::new("198.51.100.9:3", &user, &password);
    assert_eq!(world.ask(&mut who, ALLOCATE, &[UDP]).code, 401);
}

#[test]
fn without_a_secret_nobody_has_a_time_limited_credential() {
    let mut config = config();
    config.credentials.secrets.clear();
    let mut world = World::new(config);
    let user = format!("{}:carol", EPOCH + 60);
    for secret in [b"north".as_slice(), b""] {
        let password = time_limited_password(secret, &user);
        let mut who = Who::new("198.51.100.9:3", &user, &password);
        assert_eq!(world.ask(&mut who, ALLOCATE, &[UDP]).code, 401);
    }
}

#[test]
fn a_password_is_never_printed() {
    let config = config();
    let printed = format!("{:?}", config.credentials);
    assert!(printed.contains("alice"), "{printed}");
    assert!(!printed.contains("wonder") && !printed.contains("north"), "{printed}");
}

/// Whoever can change packets on the way could otherwise add to them what nobody signed.
#[test]
fn what_follows_the_integrity_does_not_count() {
    let mut world = World::plain();
    let mut who = Who::alice();
    world.allocate(&mut who);
    let mut bytes = world.request(&who, REFRESH, &[]);
    // FINGERPRINT, which is nobody's signature
    bytes.truncate(bytes.len() - 8);
    bytes.extend([0x00, 0x0d, 0, 4, 0, 0, 0, 0]);
    let said = world.answer(&who, &bytes).expect("an answer");
    assert_eq!((said.code, said.lifetime), (0, Some(600)), "{said:?}");
    let mut bytes = world.request(&who, PERMIT, &[]);
    bytes.truncate(bytes.len() - 8);
    let peer: [u8; 12] = bytes[8..20].try_into().expect("an id");
    let (kind, value) = A::PeerAt(addr("192.0.2.9:9")).raw(peer);
    bytes.extend(kind.to_be_bytes());
    bytes.extend([0, 8]);
    bytes.extend(value);
    let length = u16::try_from(bytes.len() - 20).expect("short");
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
    let said = world.answer(&who, &bytes).expect("an answer");
    assert_eq!(said.code, 400, "no peer was signed for: {said:?}");
    assert_eq!(world.sent(&who, &send("192.0.2.9:9", b"never")), None);
}
