//! Signalling over real sockets: rooms, refusals, TLS, and what becomes of a peer when the server
//! goes.
#![allow(clippy::disallowed_types)] // a server that says nothing

use crate::support::certificate;
use natscope::net::signal::{self, Client, Config, Event, Server, SignalError, Uri};
use natscope::net::tls::Tls;
use natscope::signal::{Code, Limits, Message, Role};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(5);

struct Running {
    uri: Uri,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

fn serve(limits: Limits, tls: Option<tokio_rustls::TlsAcceptor>) -> Running {
    let listen = "127.0.0.1:0".parse().unwrap();
    let server = Server::bind(Config { tls, limits, ..Config::new(listen) }).expect("a free port");
    let uri = server.uri().replace("127.0.0.1", "localhost").parse().expect("a URI");
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(server.run(async { drop(stopped.await) }));
    Running { uri, stop, task }
}

async fn join(uri: &Uri, room: &str) -> Result<(Client, Role, bool), (Option<Code>, String)> {
    let tls = Tls::default();
    let mut client = signal::connect(uri, room, &tls, PATIENCE).await.expect("it connects");
    client.joined(PATIENCE).await.map(|(role, peer)| (client, role, peer))
}

async fn next(client: &mut Client) -> Event {
    tokio::time::timeout(PATIENCE, client.next()).await.expect("something comes")
}

#[tokio::test]
async fn two_peers_meet_and_a_third_is_refused_clearly() {
    let server = serve(Limits::default(), None);
    let (mut a, role, peer) = join(&server.uri, "room").await.unwrap();
    assert_eq!((role, peer), (Role::Offer, false));
    let (mut b, role, peer) = join(&server.uri, "room").await.unwrap();
    assert_eq!((role, peer), (Role::Answer, true));
    assert_eq!(next(&mut a).await, Event::Said(Message::PeerJoined));
    let (code, why) = join(&server.uri, "room").await.expect_err("the room is full");
    assert_eq!(code, Some(Code::RoomFull));
    assert!(why.contains("two peers are in this room already"), "{why}");

    let offer = Message::Offer { sdp: "v=0\r\n".to_owned() };
    assert!(a.say(&offer).await);
    assert_eq!(next(&mut b).await, Event::Said(offer));
    b.close().await;
    assert_eq!(next(&mut a).await, Event::Said(Message::PeerLeft));
}

#[tokio::test]
async fn when_the_server_goes_both_peers_are_told_at_once() {
    let server = serve(Limits::default(), None);
    let (mut a, ..) = join(&server.uri, "room").await.unwrap();
    let (mut b, ..) = join(&server.uri, "room").await.unwrap();
    assert_eq!(next(&mut a).await, Event::Said(Message::PeerJoined));
    server.stop.send(()).unwrap();
    server.task.await.unwrap();
    for peer in [&mut a, &mut b] {
        let Event::Gone(why) = next(peer).await else { panic!("it goes on") };
        assert!(why.contains("signalling server"), "{why}");
        assert!(
            !peer.say(&Message::EndOfCandidates).await
                || matches!(next(peer).await, Event::Gone(_))
        );
    }
    let error = signal::connect(&server.uri, "room", &Tls::default(), PATIENCE).await.unwrap_err();
    assert!(matches!(error, SignalError::Connect { .. }), "{error}");
    assert!(error.to_string().contains("natscope serve --signal"), "{error}");
}

#[tokio::test]
async fn what_is_too_long_or_too_fast_is_told_and_ends() {
    let limits = Limits { message: 1000, burst: 3, ..Limits::default() };
    let server = serve(limits, None);
    let (mut long, ..) = join(&server.uri, "a").await.unwrap();
    long.say(&Message::Offer { sdp: "x".repeat(1500) }).await;
    let Event::Said(Message::Error { code: Code::TooLong, .. }) = next(&mut long).await else {
        panic!("no refusal")
    };
    assert!(matches!(next(&mut long).await, Event::Gone(_)));
    let (mut fast, ..) = join(&server.uri, "a").await.unwrap();
    for _ in 0..10 {
        fast.say(&Message::EndOfCandidates).await;
    }
    let mut last = None;
    loop {
        match next(&mut fast).await {
            Event::Said(Message::Error { code, .. }) => last = Some(code),
            Event::Said(_) => {}
            Event::Gone(_) => break,
        }
    }
    assert_eq!(last, Some(Code::TooFast));
}

#[tokio::test]
async fn over_tls_with_a_certificate_of_ones_own() {
    let made = certificate::make(&["localhost"]);
    let acceptor = signal::acceptor(&made.cert, &made.key).expect("they fit");
    let server = serve(Limits::default(), Some(acceptor));
    assert!(server.uri.secure);
    let trusting = Tls::new(Some(&made.ca)).unwrap();
    let mut client = signal::connect(&server.uri, "room", &trusting, PATIENCE).await.unwrap();
    assert_eq!(client.joined(PATIENCE).await, Ok((Role::Offer, false)));

    let error = signal::connect(&server.uri, "room", &Tls::default(), PATIENCE).await.unwrap_err();
    assert!(error.to_string().contains("--ca FILE"), "{error}");
    let plain: Uri = server.uri.to_string().replace("wss", "ws").parse().unwrap();
    let error = signal::connect(&plain, "room", &trusting, PATIENCE).await.unwrap_err();
    assert!(error.to_string().contains("is it wss:// there?"), "{error}");

    let other = certificate::make(&["localhost"]);
    let Err(error) = signal::acceptor(&made.cert, &other.key) else { panic!("they do not fit") };
    assert!(error.to_string().contains("does not belong to the certificate"), "{error}");
    let Err(error) = signal::acceptor(&made.key, &made.key) else { panic!("no certificate") };
    assert!(error.to_string().contains("holds no certificate"), "{error}");
}

#[tokio::test]
async fn tls_to_a_plain_server_says_so_and_silence_ends() {
    let server = serve(Limits::default(), None);
    let tls: Uri = server.uri.to_string().replace("ws:", "wss:").parse().unwrap();
    let error = signal::connect(&tls, "room", &Tls::default(), PATIENCE).await.unwrap_err();
    assert!(matches!(error, SignalError::Tls { .. } | SignalError::Silent { .. }), "{error}");

    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri: Uri = format!("ws://{}", mute.local_addr().unwrap()).parse().unwrap();
    let short = Duration::from_millis(300);
    let error = signal::connect(&uri, "room", &Tls::default(), short).await.unwrap_err();
    assert!(matches!(error, SignalError::Silent { .. }), "{error}");
}

/// One that reads nothing must not make the server hold what its peer says for ever.
#[tokio::test]
async fn a_peer_that_does_not_read_is_dropped() {
    let limits = Limits { burst: 100_000, ..Limits::default() };
    let server = serve(limits, None);
    let (mut a, ..) = join(&server.uri, "room").await.unwrap();
    let (_deaf, ..) = join(&server.uri, "room").await.unwrap();
    assert_eq!(next(&mut a).await, Event::Said(Message::PeerJoined));
    let long = Message::Offer { sdp: "x".repeat(60_000) };
    for _ in 0..1000 {
        if !a.say(&long).await {
            break;
        }
    }
    assert_eq!(next(&mut a).await, Event::Said(Message::PeerLeft));
}
