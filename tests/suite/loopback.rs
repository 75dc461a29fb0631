//! The real prober against the real server over the loopback interface: no NAT, no filter.

use natscope::ground::fact::Grade;
use natscope::nat::{Classic, Filtering, Mapping};
use natscope::net::Stop;
use natscope::net::{probe, serve};
use natscope::probe::{Config, judge};
use natscope::stun::responder::Sites;
use std::net::SocketAddr;
use std::time::Duration;

/// Two of this host's addresses; the whole of 127/8 is (on Linux).
fn sites(port: u16) -> Sites {
    Sites::Two {
        primary: SocketAddr::from(([127, 0, 0, 1], port)),
        alternate: SocketAddr::from(([127, 0, 0, 2], port + 1)),
    }
}

async fn observe(servers: Vec<(String, SocketAddr)>) -> natscope::probe::record::Record {
    let config =
        Config { servers, budget: Duration::from_secs(10), fixed: false, relays: Vec::new() };
    let stopped = Stop::new();
    probe::run(config, &probe::Options::default(), stopped, &mut |_| {}).await.expect("it runs")
}

#[tokio::test]
async fn an_open_host_is_recognised_with_every_fact_proven() {
    let sites = sites(24_780);
    let server = serve::Server::bind(serve::Config::new(vec![sites])).expect("the ports are free");
    let (quit, quitting) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.run(async { drop(quitting.await) }));
    let record = observe(vec![("stun:127.0.0.1:24780".into(), sites.all()[0].1)]).await;
    assert!(!record.cut_short, "{record:#?}");
    for t in &record.transactions {
        assert_eq!(t.sent.len(), 1, "nothing was lost: {t:#?}");
    }
    let facts = judge::judge(&record).facts;
    assert_eq!(facts.nat.known(), Some((&false, Grade::Proven)));
    assert_eq!(facts.mapping.known(), Some((&Mapping::EndpointIndependent, Grade::Proven)));
    assert_eq!(facts.filtering.known(), Some((&Filtering::EndpointIndependent, Grade::Proven)));
    assert_eq!(facts.classic.known(), Some((&Classic::OpenInternet, Grade::Proven)));
    assert_eq!(facts.mapped_address_rewriting.value(), Some(&false));
    quit.send(()).expect("the server still runs");
    serving.await.expect("no panic").expect("a clean stop");
}

#[tokio::test]
async fn a_closed_port_is_not_called_blocked_udp() {
    let record =
        observe(vec![("stun:127.0.0.1:9".into(), SocketAddr::from(([127, 0, 0, 1], 9)))]).await;
    assert!(!record.cut_short, "{record:#?}");
    let judgement = judge::judge(&record);
    assert_eq!(judgement.facts.classic.value(), None);
    assert!(judgement.facts.classic.because().contains("nothing listens"), "{judgement:#?}");
    assert!(!record.transactions[0].icmp.is_empty(), "the error queue was read");
}
