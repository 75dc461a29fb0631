//! Tables: what servers saw, and what that shows.

use super::judge;
use crate::ground::fact::{Fact, Grade};
use crate::nat::{Filtering, Mapping};
use crate::probe::record::{Outcome, Record, Reply, ServerRecord, SocketRecord, Transaction, Via};
use crate::stun::Change;
use std::net::SocketAddr;

use Filtering::{
    AddressAndPortDependent as Apdf, AddressDependent as Adf, EndpointIndependent as Eif,
};
use Mapping::{
    AddressAndPortDependent as Apdm, AddressDependent as Adm, EndpointIndependent as Eim,
};

const M: &str = "203.0.113.2:40001";

fn address(text: &str) -> SocketAddr {
    text.parse().expect("literal")
}

/// A record in the making: each server is asked by a socket of its own, then all by `m`.
#[derive(Default)]
struct Run(Record);

impl Run {
    /// A server at its endpoints, each with what it sees of the mapping socket; the first is the
    /// one that was given.
    fn server(mut self, seen: &[(&str, Option<&str>)]) -> Self {
        let about = self.0.servers.len();
        let primary = address(seen.first().expect("a server has an endpoint").0);
        self.0.servers.push(ServerRecord::new(format!("stun:{primary}"), primary));
        for (remote, mapped) in seen {
            self = self.ask(about, "m", remote, *mapped);
        }
        self
    }

    fn ask(mut self, about: usize, socket: &str, remote: &str, mapped: Option<&str>) -> Self {
        let at = self.0.transactions.len() as f64 * 10.0;
        if !self.0.sockets.iter().any(|s| s.id == socket) {
            self.0.sockets.push(SocketRecord::new(socket.into(), address(M)));
        }
        let remote = address(remote);
        self.0.transactions.push(Transaction {
            id: format!("t{}", self.0.transactions.len() + 1),
            socket: socket.into(),
            about,
            server: remote,
            via: Via::Udp,
            change: Change::NONE,
            response_port: None,
            expected_from: remote,
            sent: vec![at],
            closed: at + 500.0,
            received: mapped.map(|mapped| Reply {
                at: at + 1.0,
                from: remote,
                mapped: address(mapped),
                mapped_plain: None,
                xor: true,
                origin: None,
                other: None,
                software: None,
                defects: Vec::new(),
            }),
            again: Vec::new(),
            rejected: Vec::new(),
            icmp: Vec::new(),
            outcome: if mapped.is_some() { Outcome::Answered } else { Outcome::Silent },
        });
        self
    }

    fn mapping(&self) -> Fact<Mapping> {
        judge(&self.0).facts.mapping
    }

    fn finding(&self, id: &str) -> Option<String> {
        judge(&self.0).findings.into_iter().find(|f| f.id == id).map(|f| f.text)
    }
}

/// Plain servers, each with what it saw.
fn plain(seen: &[(&str, &str)]) -> Run {
    seen.iter().fold(Run::default(), |run, (at, mapped)| run.server(&[(*at, Some(*mapped))]))
}

const A: &str = "192.0.2.1:3478";
const A_PORT: &str = "192.0.2.1:3479";
const A_BOTH: &str = "192.0.2.2:3479";
const A_ADDRESS: &str = "192.0.2.2:3478";
const B: &str = "192.0.2.33:3478";
const C: &str = "192.0.2.65:3478";
const D: &str = "192.0.2.97:3478";
const X: &str = "198.51.100.7:1001";
const Y: &str = "198.51.100.7:1002";
const Z: &str = "198.51.100.7:1003";
/// Another address of ours, or of a proxy.
const FAR: &str = "198.51.100.99:1004";

#[test]
fn servers_are_judged_together_by_what_they_saw_of_one_socket() {
    let table: &[(&str, Run, &[Mapping])] = &[
        ("two addresses see the same", plain(&[(A, X), (B, X)]), &[Eim]),
        ("two addresses see different ports", plain(&[(A, X), (B, Y)]), &[Adm, Apdm]),
        ("three addresses, all different", plain(&[(A, X), (B, Y), (C, Z)]), &[Adm, Apdm]),
        ("two ports of one address see the same", plain(&[(A, X), (A_PORT, X)]), &[Eim, Adm]),
        ("two ports of one address see different", plain(&[(A, X), (A_PORT, Y)]), &[Apdm]),
        ("two ports alike, another address not", plain(&[(A, X), (A_PORT, X), (B, Y)]), &[Adm]),
        ("one server", plain(&[(A, X)]), Mapping::ALL),
        ("a plain one that is silent", plain(&[(A, X)]).server(&[(B, None)]), Mapping::ALL),
        (
            "a plain one beside RFC 5780 whose alternates are silent",
            { plain(&[(B, Y)]).server(&[(A, Some(X)), (A_BOTH, None), (A_PORT, None)]) },
            &[Adm, Apdm],
        ),
        (
            "the same, first in the list",
            {
                Run::default()
                    .server(&[(A, Some(X)), (A_BOTH, None), (A_PORT, None)])
                    .server(&[(B, Some(Y))])
            },
            &[Adm, Apdm],
        ),
        (
            "a plain one beside RFC 5780 that tells it all",
            { plain(&[(B, Z)]).server(&[(A, Some(X)), (A_BOTH, Some(Y)), (A_PORT, Some(X))]) },
            &[Adm],
        ),
        (
            "its other port is closed on the way: the other address is left",
            {
                Run::default().server(&[
                    (A, Some(X)),
                    (A_BOTH, None),
                    (A_PORT, None),
                    (A_ADDRESS, Some(X)),
                ])
            },
            &[Eim],
        ),
        (
            "the same, behind a mapping by address",
            {
                Run::default().server(&[
                    (A, Some(X)),
                    (A_BOTH, None),
                    (A_PORT, None),
                    (A_ADDRESS, Some(Y)),
                ])
            },
            &[Adm, Apdm],
        ),
        (
            "its other address is dead: the other port is left",
            { Run::default().server(&[(A, Some(X)), (A_BOTH, None), (A_PORT, Some(X))]) },
            &[Eim, Adm],
        ),
    ];
    for (name, run, left) in table {
        let fact = run.mapping();
        assert_eq!(fact.possible(), *left, "{name}: {fact:?}");
        if let Some((_, grade)) = fact.known() {
            assert_eq!(grade, Grade::Proven, "{name}");
        }
        assert_eq!(run.finding("servers-disagree-on-mapping"), None, "{name}");
    }
}

#[test]
fn the_reason_names_the_servers_that_were_compared() {
    let because = |run: Run| run.mapping().because().to_owned();
    for text in [because(plain(&[(A, X), (B, Y)])), because(plain(&[(A, X), (B, X)]))] {
        assert!(text.contains(A) && text.contains(B), "{text}");
    }
    let ports = because(plain(&[(A, X), (A_PORT, Y)]));
    assert!(ports.contains(A) && ports.contains(A_PORT), "{ports}");
    let mut named = plain(&[(A, X), (B, X)]);
    named.0.servers[1].uri = "stun:stun.example.org".into();
    let text = because(named);
    assert!(text.contains("stun:stun.example.org (192.0.2.33:3478)"), "{text}");
}

#[test]
fn one_that_lies_is_named_and_left_out() {
    let table: &[(&str, Run, &[Mapping], &str)] = &[
        ("a proxy before the third", plain(&[(A, X), (B, X), (C, FAR)]), &[Eim], C),
        ("a proxy before the first", plain(&[(A, FAR), (B, X), (C, X)]), &[Eim], A),
        ("another port, of our own address", plain(&[(A, X), (B, Y), (C, X)]), &[Eim], B),
        ("one of four", plain(&[(A, X), (B, X), (C, FAR), (D, X)]), &[Eim], C),
        (
            "RFC 5780 beside it tells all",
            {
                plain(&[(B, X), (C, FAR)]).server(&[
                    (A, Some(X)),
                    (A_BOTH, Some(X)),
                    (A_PORT, Some(X)),
                ])
            },
            &[Eim],
            C,
        ),
    ];
    for (name, run, left, liar) in table {
        let fact = run.mapping();
        assert_eq!(fact.possible(), *left, "{name}: {fact:?}");
        assert_eq!(fact.known().map(|k| k.1), Some(Grade::Probable), "{name}");
        assert!(!fact.because().contains(liar), "{name}: {fact:?}");
        let said = run.finding("servers-disagree-on-mapping").expect(name);
        assert!(said.starts_with(&format!("{liar} sees")), "{name}: {said}");
    }
}

#[test]
fn what_no_mapping_explains_excludes_nothing() {
    let contradictory = [
        ("two addresses of ours, two servers", plain(&[(A, X), (B, FAR)]), false),
        ("two of two, in pairs", plain(&[(A, X), (B, X), (C, Y), (D, Y)]), true),
        // one machine has one voice, however many names it is given by
        (
            "two names of one machine against another",
            { plain(&[(A, X), (A_PORT, X), (B, FAR)]) },
            false,
        ),
        ("a socket seen twice, differently", { plain(&[(A, X)]).ask(0, "m", A, Some(Y)) }, false),
        (
            "it agrees with another and yet differs from itself",
            { plain(&[(B, X), (C, X)]).server(&[(A, Some(X)), (A_PORT, Some(Y))]) },
            true,
        ),
    ];
    for (name, run, said) in contradictory {
        let fact = run.mapping();
        assert!(matches!(fact, Fact::Inconclusive { .. }), "{name}: {fact:?}");
        let finding = run.finding("servers-disagree-on-mapping");
        assert_eq!(finding.is_some(), said, "{name}: {finding:?}");
        if name != "two names of one machine against another" {
            assert!(!fact.excludes_some(), "{name}: {fact:?}");
        }
    }
}

#[test]
fn a_pool_of_addresses_that_both_servers_see_is_the_nats_doing() {
    let run = plain(&[(A, X), (B, FAR)]).ask(1, "s2", B, Some(Z));
    assert_eq!(run.mapping().possible(), [Adm, Apdm], "{:?}", run.mapping());
}

/// What became of a request for an answer from elsewhere.
#[derive(Clone, Copy, PartialEq)]
enum Unasked {
    CameIn,
    /// It did not, and through a pinhole it does.
    Filtered,
    /// It did not, and nothing shows that the server sends it.
    Unshown,
    NotTried,
}

/// One server with RFC 5780, all its endpoints alive: what became of answers from its other address
/// and port, from its other address, and from its other port.
fn filtered(both: Unasked, by_address: Unasked, port: Unasked) -> Fact<Filtering> {
    let mut run = Run::default().ask(0, "f", A, Some(X));
    run.0.servers.push(ServerRecord::new(format!("stun:{A}"), address(A)));
    let asked = [
        (both, Change::BOTH, A_BOTH),
        (by_address, Change { ip: true, port: false }, A_ADDRESS),
        (port, Change::PORT, A_PORT),
    ];
    let tested = asked.iter().filter(|(became, ..)| *became != Unasked::NotTried);
    for &(became, change, from) in tested.clone() {
        run = run.change("f", change, from, became == Unasked::CameIn);
    }
    // the heartbeat beside them, each try answered
    run = run.ask(0, "f", A, Some(X));
    let beat = run.0.transactions.last_mut().expect("just added");
    beat.sent = (0..16).map(|i| 100.0 + 20.0 * f64::from(i)).collect();
    let answers: Vec<f64> = beat.sent.iter().map(|sent| sent + 1.0).collect();
    beat.again = answers[1..].to_vec();
    beat.received.as_mut().expect("answered").at = answers[0];
    for at in [A, A_BOTH, A_ADDRESS, A_PORT] {
        run = run.ask(0, "m", at, Some(Y)).later();
    }
    for &(_, change, from) in tested.filter(|(became, ..)| *became == Unasked::Filtered) {
        run = run.change("m", change, from, true).later();
    }
    judge(&run.0).facts.filtering
}

impl Run {
    fn change(self, socket: &str, change: Change, from: &str, answered: bool) -> Self {
        let mut run = self.ask(0, socket, A, answered.then_some(X));
        let t = run.0.transactions.last_mut().expect("just added");
        t.change = change;
        t.expected_from = address(from);
        if let Some(reply) = &mut t.received {
            reply.from = address(from);
        } else {
            t.sent = (0..16).map(|i| 100.0 + 20.0 * f64::from(i)).collect();
        }
        run
    }

    /// The last transaction, after all filter tests.
    fn later(mut self) -> Self {
        let t = self.0.transactions.last_mut().expect("there is one");
        let earlier = t.sent[0];
        t.sent[0] = earlier + 1000.0;
        t.closed += 1000.0;
        if let Some(reply) = &mut t.received {
            reply.at = t.sent[0] + 1.0;
        }
        self
    }
}

#[test]
fn what_comes_in_unasked_and_what_does_not_leave_this_filtering() {
    use Unasked::{CameIn, Filtered, NotTried, Unshown};
    let table: &[(Unasked, Unasked, Unasked, &[Filtering])] = &[
        (CameIn, NotTried, CameIn, &[Eif]),
        (CameIn, NotTried, Unshown, &[Eif]),
        (Filtered, NotTried, CameIn, &[Adf]),
        (Filtered, NotTried, Filtered, &[Apdf]),
        (Unshown, NotTried, Filtered, &[Apdf]),
        (Filtered, NotTried, Unshown, &[Adf, Apdf]),
        (Filtered, NotTried, NotTried, &[Adf, Apdf]),
        (Unshown, NotTried, CameIn, &[Eif, Adf]),
        (NotTried, NotTried, CameIn, &[Eif, Adf]),
        (Unshown, NotTried, Unshown, Filtering::ALL),
        (NotTried, NotTried, NotTried, Filtering::ALL),
        // the other port is closed on the way, the other address is not
        (Unshown, CameIn, Unshown, &[Eif]),
        (Unshown, Filtered, Unshown, &[Adf, Apdf]),
        (Unshown, Filtered, CameIn, &[Adf]),
        // no filter does that
        (CameIn, NotTried, Filtered, Filtering::ALL),
    ];
    for &(both, by_address, port, left) in table {
        let fact = filtered(both, by_address, port);
        let names = [both, by_address, port].map(|u| match u {
            CameIn => "came in",
            Filtered => "filtered",
            Unshown => "unshown",
            NotTried => "not tried",
        });
        assert_eq!(fact.possible(), left, "{names:?}: {fact:?}");
        assert_eq!(fact.known().is_some(), left.len() == 1, "{names:?}: {fact:?}");
    }
}

/// What each server leaves, what all leave together, and the servers that disagree.
type Row<'a> = (Vec<Fact<Filtering>>, &'a [Filtering], Option<&'a str>);

#[test]
fn what_each_server_leaves_possible_is_taken_together() {
    let narrowed = |left: &[Filtering]| Fact::narrowed(left, "it was so", vec!["t1".into()]);
    let known = |f| Fact::proven(f, "it was shown", vec!["t2".into()]);
    let none = || Fact::not_tested("no RFC 5780");
    let table: &[Row<'_>] = &[
        (vec![none(), known(Adf)], &[Adf], None),
        (vec![narrowed(&[Adf, Apdf]), none()], &[Adf, Apdf], None),
        (vec![narrowed(&[Adf, Apdf]), narrowed(&[Eif, Adf])], &[Adf], None),
        (vec![narrowed(&[Adf, Apdf]), known(Apdf)], &[Apdf], None),
        (vec![none(), Fact::inconclusive("lost", vec![])], Filtering::ALL, None),
        (vec![known(Eif), known(Apdf)], Filtering::ALL, Some("")),
        (vec![known(Eif), narrowed(&[Adf, Apdf]), none()], Filtering::ALL, Some("")),
        (
            vec![known(Eif), narrowed(&[Adf, Apdf]), known(Adf)],
            &[Adf],
            Some("stun:192.0.2.1:3478 stands"),
        ),
        (vec![known(Adf), known(Adf), known(Eif)], &[Adf], Some("stun:192.0.2.65:3478 stands")),
        (vec![known(Eif), known(Adf), known(Apdf)], Filtering::ALL, Some("")),
    ];
    for (alone, left, said) in table {
        let record = plain(&[(A, X), (B, X), (C, X)]).0;
        let mut findings = Vec::new();
        let mut compare = super::combine::Comparison { record: &record, findings: &mut findings };
        let fact = compare.facts("filtering", alone.clone());
        assert_eq!(fact.possible(), *left, "{alone:?}: {fact:?}");
        match (said, findings.as_slice()) {
            (None, []) => {}
            (Some(said), [finding]) => assert!(finding.text.contains(said), "{finding:?}"),
            (wanted, found) => panic!("{wanted:?}: {found:?}"),
        }
    }
}

#[test]
fn the_classic_name_is_one_of_those_that_are_left() {
    use crate::nat::Classic;
    let classic = judge(&plain(&[(A, X), (B, Y)]).0).facts.classic;
    assert_eq!(classic.possible(), [Classic::Symmetric, Classic::Unnamed], "{classic:?}");
    let classic = judge(&plain(&[(A, X), (B, X)]).0).facts.classic;
    let cones = [Classic::FullCone, Classic::RestrictedCone, Classic::PortRestrictedCone];
    assert_eq!(classic.possible(), cones, "{classic:?}");
    let classic = judge(&plain(&[(A, M), (B, M)]).0).facts.classic;
    let open = [Classic::OpenInternet, Classic::SymmetricUdpFirewall, Classic::Unnamed];
    assert_eq!(classic.possible(), open, "{classic:?}");
}
