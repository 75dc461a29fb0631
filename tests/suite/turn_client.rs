//! The TURN client against coturn, over every transport, and how each failure is named.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods)] // peers are sockets; bounded time

use crate::support::coturn;
use crate::support::faulty_turn as faulty;
use coturn::Coturn;
use faulty::Fault;
use natscope::net::tls::Tls;
use natscope::net::turn::Session;
use natscope::stun::Patience;
use natscope::turn::client::{Event, Guard};
use natscope::turn::{Failure, Over, Server};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::UdpSocket;

fn server(address: SocketAddr, over: Over) -> Server {
    Server {
        uri: format!("turn:{address}"),
        name: "localhost".to_owned(),
        address,
        over,
        user: "lab".to_owned(),
        password: "lab".to_owned(),
    }
}

fn run<T>(body: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(30), body).await.expect("in time")
    })
}

async fn open(server: Server) -> Result<Session, Failure> {
    Session::open(server, None, &Tls::default(), Patience::lab()).await
}

/// The first event of an attempt, or why there is not even a link.
async fn first(server: Server) -> Result<(Session, Event), Failure> {
    let mut session = open(server).await?;
    let event = session.event().await;
    Ok((session, event))
}

async fn failure(server: Server) -> Failure {
    match first(server).await {
        Err(failure) | Ok((_, Event::Failed(failure))) => failure,
        Ok((_, event)) => panic!("expected a failure, not {event:?}"),
    }
}

/// Packets of every length pass both ways, as indications and through a channel.
async fn exchange(server: Server, tls: &Tls) {
    let mut session = Session::open(server, None, tls, Patience::lab()).await.expect("a link");
    let Event::Allocated { relayed, mapped } = session.event().await else { panic!() };
    assert_eq!(mapped, Some(session.link().local()), "there is no NAT on loopback");
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = peer.local_addr().unwrap();
    let mut buffer = [0; 2048];
    session.send(address, b"held until permitted");
    assert_eq!(session.event().await, Event::Permitted(address.ip()));
    let (length, from) = peer.recv_from(&mut buffer).await.unwrap();
    assert_eq!((&buffer[..length], from), (&b"held until permitted"[..], relayed));
    for channel in [false, true] {
        if channel {
            session.bind_channel(address);
            assert_eq!(session.event().await, Event::Bound(address));
        }
        for length in [1, 2, 3, 4, 5, 100, 1199, 1200] {
            let payload: Vec<u8> = (0..=250).cycle().take(length).collect();
            session.send(address, &payload);
            let (got, from) = peer.recv_from(&mut buffer).await.unwrap();
            assert_eq!((&buffer[..got], from), (&payload[..], relayed), "channel: {channel}");
            peer.send_to(&payload, relayed).await.unwrap();
            let event = session.event().await;
            assert_eq!(event, Event::Data { peer: address, payload }, "channel: {channel}");
        }
    }
    session.close().await;
}

#[test]
fn coturn_relays_over_udp() {
    if coturn::installed() {
        let coturn = Coturn::start(&[], None);
        run(exchange(server(coturn.address, Over::Udp), &Tls::default()));
    }
}

#[test]
fn coturn_relays_over_tcp() {
    if coturn::installed() {
        let coturn = Coturn::start(&[], None);
        run(exchange(server(coturn.address, Over::Tcp), &Tls::default()));
    }
}

#[test]
fn a_wrong_password_is_told_from_everything_else() {
    if coturn::installed() {
        let coturn = Coturn::start(&[], None);
        let wrong = Server { password: "wrong".to_owned(), ..server(coturn.address, Over::Udp) };
        let failed = run(failure(wrong));
        // the words beside the code are 4.6's; 4.17 sends none
        let told =
            matches!(&failed, Failure::Unauthorized { realm, .. } if realm == "natscope.test");
        assert!(told, "{failed:?}");
    }
}

#[test]
fn a_server_that_dies_is_lost() {
    if coturn::installed() {
        let mut coturn = Coturn::start(&[], None);
        run(async {
            let (mut session, event) = first(server(coturn.address, Over::Udp)).await.unwrap();
            assert!(matches!(event, Event::Allocated { .. }), "{event:?}");
            coturn.kill();
            assert_eq!(session.event().await, Event::Failed(Failure::Lost));
        });
    }
}

/// A certificate authority's file, and a certificate and key that it gave to `name`.
struct Certified {
    folder: tempfile::TempDir,
}

impl Certified {
    fn new(name: &str, expired: bool) -> Self {
        use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
        let folder = tempfile::tempdir().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.distinguished_name.push(rcgen::DnType::CommonName, format!("CA of {name}"));
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().unwrap();
        let root = authority.self_signed(&authority_key).unwrap();
        let issuer = Issuer::new(authority, authority_key);
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if expired {
            params.not_before = rcgen::date_time_ymd(2001, 1, 1);
            params.not_after = rcgen::date_time_ymd(2002, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        std::fs::write(folder.path().join("ca.pem"), root.pem()).unwrap();
        std::fs::write(folder.path().join("cert.pem"), certificate.pem()).unwrap();
        std::fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn coturn(&self) -> Coturn {
        Coturn::start(&[], Some((&self.path("cert.pem"), &self.path("key.pem"))))
    }
}

#[test]
fn coturn_relays_over_tls() {
    if coturn::installed() {
        let certified = Certified::new("localhost", false);
        let coturn = certified.coturn();
        let tls = Tls::new(Some(&certified.path("ca.pem"))).unwrap();
        run(exchange(server(coturn.tls, Over::Tls), &tls));
    }
}

#[test]
fn a_bad_certificate_is_told_from_another_bad_certificate() {
    if !coturn::installed() {
        return;
    }
    for (name, expired, trusted, said) in [
        ("localhost", false, false, "own certificate only"),
        ("other.example", false, true, "is for other.example, not for `localhost`"),
        ("localhost", true, true, "expired on 2002-01-01 00:00:00 UTC"),
    ] {
        let certified = Certified::new(name, expired);
        let coturn = certified.coturn();
        let ca = certified.path("ca.pem");
        // somebody else's authority, so that there is one even where the system has none
        let stranger = Certified::new("stranger", false);
        let ca = if trusted { ca } else { stranger.path("ca.pem") };
        let tls = Tls::new(Some(&ca)).unwrap();
        let server = server(coturn.tls, Over::Tls);
        let failure = run(Session::open(server, None, &tls, Patience::lab())).unwrap_err();
        assert!(matches!(&failure, Failure::Tls { why, .. } if why.contains(said)), "{failure}");
    }
}

#[test]
fn what_speaks_no_tls_is_a_tls_fault() {
    run(async {
        let (address, _) = faulty::tcp(Fault::Text).await;
        let stranger = Certified::new("stranger", false);
        let tls = Tls::new(Some(&stranger.path("ca.pem"))).unwrap();
        let opened = Session::open(server(address, Over::Tls), None, &tls, Patience::lab()).await;
        let failure = opened.unwrap_err();
        // it answers nothing that it understands; it is asked in TLS
        assert!(matches!(failure, Failure::Tls { .. } | Failure::NoAnswer { .. }), "{failure}");
    });
}

#[test]
fn a_ca_file_without_certificates_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, "nothing\n").unwrap();
    let error = Tls::new(Some(&file)).unwrap_err().to_string();
    assert!(error.contains("ca.pem") && error.contains("no certificate"), "{error}");
    let error = Tls::new(Some(&folder.path().join("none.pem"))).unwrap_err().to_string();
    assert!(error.contains("none.pem"), "{error}");
}

/// What a faulty server says beside a code, made safe to print.
const SAID: &str = "as \u{fffd}[31mconfigured";

/// Whom a faulty server is blamed for, over UDP and over TCP alike.
fn blames(fault: Fault, expected: impl Fn(&Failure) -> bool) {
    run(async {
        let (udp, _) = faulty::udp(fault).await;
        let over_udp = failure(server(udp, Over::Udp)).await;
        assert!(expected(&over_udp), "{fault:?} over UDP: {over_udp:?}");
        let (tcp, _) = faulty::tcp(fault).await;
        let over_tcp = failure(server(tcp, Over::Tcp)).await;
        assert!(expected(&over_tcp), "{fault:?} over TCP: {over_tcp:?}");
    });
}

#[test]
fn a_server_without_fault_allocates() {
    run(async {
        for fault in [Fault::None, Fault::Stale(1), Fault::BadSoftware] {
            let (address, _) = faulty::udp(fault).await;
            let (_, event) = first(server(address, Over::Udp)).await.unwrap();
            let relayed = faulty::RELAYED.parse().unwrap();
            assert!(
                matches!(event, Event::Allocated { relayed: r, .. } if r == relayed),
                "{fault:?}: {event:?}"
            );
        }
    });
}

#[test]
fn a_server_that_lets_anybody_in_or_does_not_sign_is_used_and_told_of() {
    run(async {
        for (fault, guard) in [(Fault::Open, Guard::Open), (Fault::Unsigned, Guard::Unsigned)] {
            for user in ["lab", ""] {
                let nobody = |server: Server| Server {
                    user: user.to_owned(),
                    password: user.to_owned(),
                    ..server
                };
                let (udp, seen) = faulty::udp(fault).await;
                let (tcp, _) = faulty::tcp(fault).await;
                for server in [server(udp, Over::Udp), server(tcp, Over::Tcp)] {
                    if fault == Fault::Unsigned && user.is_empty() {
                        continue;
                    }
                    let (mut session, event) = first(nobody(server)).await.unwrap();
                    let relayed = faulty::RELAYED.parse().unwrap();
                    let allocated =
                        matches!(event, Event::Allocated { relayed: r, .. } if r == relayed);
                    assert!(allocated, "{fault:?}: {event:?}");
                    assert_eq!(session.client().guard(), guard);
                    let peer: SocketAddr = "198.51.100.7:7".parse().unwrap();
                    session.permit(peer.ip());
                    assert_eq!(session.event().await, Event::Permitted(peer.ip()), "{fault:?}");
                    session.close().await;
                }
                assert!(fault != Fault::Open || faulty::count(&seen, 3) == 1, "one Allocate each");
            }
        }
    });
}

#[test]
fn a_server_that_wants_credentials_says_so_to_who_has_none() {
    run(async {
        let (address, _) = faulty::udp(Fault::None).await;
        let nobody = Server { user: String::new(), ..server(address, Over::Udp) };
        let realm = faulty::REALM.to_owned();
        assert_eq!(failure(nobody).await, Failure::CredentialsWanted { realm });
    });
}

#[test]
fn a_success_signed_with_another_password_is_told_from_nonsense() {
    run(async {
        let (address, _) = faulty::udp(Fault::None).await;
        let wrong = Server { password: "wrong".to_owned(), ..server(address, Over::Udp) };
        assert_eq!(failure(wrong).await, Failure::Unverified);
    });
}

#[test]
fn a_relayed_address_of_another_family_is_given_back() {
    run(async {
        let (address, seen) = faulty::udp(Fault::OtherFamily).await;
        let mut session = open(server(address, Over::Udp)).await.unwrap();
        let event = session.event().await;
        let Event::Failed(Failure::OtherFamily { relayed }) = event else { panic!("{event:?}") };
        assert!(relayed.is_ipv6());
        session.close().await;
        while faulty::count(&seen, 4) == 0 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn every_error_code_has_a_name_whether_it_is_signed_or_not() {
    for signed in [false, true] {
        for (code, expected) in [
            (403, Failure::Forbidden { reason: SAID.to_owned() }),
            (437, Failure::Mismatch),
            (440, Failure::FamilyNotSupported),
            (441, Failure::WrongCredentials),
            (442, Failure::UnsupportedTransport),
            (486, Failure::QuotaReached),
            (508, Failure::InsufficientCapacity),
            (300, Failure::TryAlternate { to: "192.0.2.99:3478".to_owned() }),
            (500, Failure::Error { code: 500, reason: SAID.to_owned() }),
        ] {
            blames(Fault::Code(code, signed), |failure| *failure == expected);
        }
    }
}

#[test]
fn endless_401_and_438_end() {
    let realm = faulty::REALM.to_owned();
    blames(
        Fault::AlwaysAsks,
        |failure| matches!(failure, Failure::Unauthorized { realm: r, .. } if *r == realm),
    );
    blames(Fault::Stale(usize::MAX), |failure| *failure == Failure::StaleNonce);
}

#[test]
fn answers_that_are_not_turn_are_nonsense() {
    blames(Fault::NoCode, |f| matches!(f, Failure::Nonsense { what } if what.contains("code")));
    blames(
        Fault::AsksWithoutRealm,
        |f| matches!(f, Failure::Nonsense { what } if what.contains("realm")),
    );
    blames(
        Fault::NoRelayed,
        |f| matches!(f, Failure::Nonsense { what } if what.contains("relayed address")),
    );
    blames(Fault::Text, |f| *f == Failure::Nonsense { what: "`SSH-2.0-OpenSSH_9.6`".to_owned() });
}

#[test]
fn silence_is_told_from_a_stun_server() {
    blames(Fault::StunOnly, |f| *f == Failure::NotTurn);
    blames(Fault::Silent, |f| matches!(f, Failure::NoAnswer { .. }));
    blames(Fault::SilentOnceAsked, |f| {
        matches!(f, Failure::SilentOnceAsked { .. })
            && f.to_string().contains("asked for credentials")
    });
}

#[test]
fn a_refused_port_is_no_silence() {
    run(async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let closed = socket.local_addr().unwrap();
        drop(socket);
        let started = std::time::Instant::now();
        let over_udp = failure(server(closed, Over::Udp)).await;
        assert!(
            matches!(&over_udp, Failure::Refused { why } if why.contains("port")),
            "{over_udp}"
        );
        let over_tcp = failure(server(closed, Over::Tcp)).await;
        assert!(matches!(over_tcp, Failure::Refused { .. }), "{over_tcp}");
        assert!(started.elapsed() < Patience::lab().total(), "not by a timeout");
    });
}

#[test]
fn a_closed_connection_is_named() {
    run(async {
        let (address, _) = faulty::tcp(Fault::Closes).await;
        let failure = failure(server(address, Over::Tcp)).await;
        assert!(matches!(&failure, Failure::Connection { why } if why.contains("closed")));
    });
}

#[test]
fn a_refused_peer_is_told_and_costs_one_request() {
    for signed in [false, true] {
        run(async {
            let (address, seen) = faulty::udp(Fault::PermissionCode(403, signed)).await;
            let (mut session, _) = first(server(address, Over::Udp)).await.unwrap();
            let peer: SocketAddr = "198.51.100.7:7".parse().unwrap();
            let forbidden = Failure::Forbidden { reason: SAID.to_owned() };
            session.send(peer, b"dropped");
            let refused = Event::Refused { peer: peer.ip(), failure: forbidden.clone() };
            assert_eq!(session.event().await, refused);
            session.send(peer, b"dropped as well");
            session.permit(peer.ip());
            let other: SocketAddr = "198.51.100.8:8".parse().unwrap();
            session.permit(other.ip());
            let refused = Event::Refused { peer: other.ip(), failure: forbidden.clone() };
            assert_eq!(session.event().await, refused, "the other peer is asked for apart");
            assert_eq!(faulty::count(&seen, 8), 2, "one request for each peer");
        });
    }
}

#[test]
fn without_a_channel_packets_go_on() {
    run(async {
        let (address, _) = faulty::udp(Fault::ChannelCode(508)).await;
        let (mut session, _) = first(server(address, Over::Udp)).await.unwrap();
        let peer: SocketAddr = "198.51.100.7:7".parse().unwrap();
        session.bind_channel(peer);
        assert_eq!(session.event().await, Event::Permitted(peer.ip()));
        let unbound = Event::Unbound { peer, failure: Failure::InsufficientCapacity };
        assert_eq!(session.event().await, unbound);
        assert!(!session.client().ended());
    });
}

#[test]
fn an_unanswered_permission_is_told_before_the_server_is_given_up() {
    run(async {
        let (address, _) = faulty::udp(Fault::SilentOnceAllocated).await;
        let (mut session, _) = first(server(address, Over::Udp)).await.unwrap();
        let peer: SocketAddr = "198.51.100.7:7".parse().unwrap();
        session.permit(peer.ip());
        let event = session.event().await;
        assert!(
            matches!(&event, Event::Refused { failure: Failure::NoAnswer { .. }, .. }),
            "{event:?}"
        );
        assert_eq!(session.event().await, Event::Failed(Failure::Lost));
    });
}

#[test]
fn a_server_that_falls_silent_is_lost_within_seconds() {
    for tcp in [false, true] {
        run(async {
            let (address, over) = if tcp {
                (faulty::tcp(Fault::SilentOnceAllocated).await.0, Over::Tcp)
            } else {
                (faulty::udp(Fault::SilentOnceAllocated).await.0, Over::Udp)
            };
            let (mut session, _) = first(server(address, over)).await.unwrap();
            let started = std::time::Instant::now();
            assert_eq!(session.event().await, Event::Failed(Failure::Lost));
            assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
        });
    }
}

#[test]
fn a_restarted_server_has_no_such_allocation() {
    run(async {
        let (address, _) = faulty::udp(Fault::Forgets).await;
        let (mut session, _) = first(server(address, Over::Udp)).await.unwrap();
        assert_eq!(session.event().await, Event::Failed(Failure::Mismatch));
    });
}

#[test]
fn a_server_without_fault_is_not_lost() {
    run(async {
        let (address, seen) = faulty::udp(Fault::None).await;
        let (mut session, _) = first(server(address, Over::Udp)).await.unwrap();
        let quiet = tokio::time::timeout(Duration::from_millis(3500), session.event()).await;
        assert!(quiet.is_err(), "{quiet:?}");
        let asked = faulty::count(&seen, 4);
        assert!((2..=4).contains(&asked), "it is asked about once a second, not {asked} times");
    });
}
