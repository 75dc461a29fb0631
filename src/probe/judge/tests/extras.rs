//! Ports, early packets, rewritten addresses.

use super::*;
use crate::nat::Allocation::{self, Preserving, Random, Sequential};

/// Sockets on the ports from 40001, each seen at one of these ports.
fn ports(seen: &[u16]) -> Run {
    seen.iter().zip(40001..).fold(Run::default().named(A), |run, (port, own)| {
        let socket = format!("s{own}");
        let run = run.socket(&socket, &format!("203.0.113.2:{own}"));
        run.ask(0, &socket, A, Some(&format!("198.51.100.7:{port}")))
    })
}

#[test]
fn ports_are_kept_by_all_by_none_or_by_some() {
    let proven = |value| Some((value, Grade::Proven));
    for (seen, known, because) in [
        (&[][..], None, "no server answered"),
        (&[40001], None, "only one socket"),
        (&[40001, 40002], proven(true), "kept by all 2"),
        (&[7000, 9000], proven(false), "changed for all 2"),
        (&[40001, 9000], None, "kept by 1 of 2"),
    ] {
        is(&ports(seen).facts().port_preservation, known, because);
    }
    // a second destination may rightly get another port
    let second = ports(&[40001, 40002]).ask(0, "s40001", A_PORT, Some(Z));
    is(&second.facts().port_preservation, proven(true), "kept by all 2");
}

#[test]
fn ports_are_chosen_by_a_counter_or_at_random() {
    type Case<'a> = (&'a [u16], &'a [Allocation], Option<Grade>, &'a str);
    let few = [Sequential, Random];
    let table: [Case<'_>; 8] = [
        (&[40001, 40002], &[Preserving], Some(Grade::Proven), "kept by all"),
        (&[40001], &[Preserving, Sequential, Random], None, "only one socket"),
        (&[40001, 9000], &[Preserving, Sequential, Random], None, "kept by 1 of 2"),
        (&[7000, 9000], &few, None, "2 mappings are too few"),
        (&[7000, 7001, 7003], &[Sequential], Some(Grade::Proven), "3 new mappings lie within 4"),
        (&[7000, 19000, 52000, 61000], &[Random], Some(Grade::Probable), "0 of them within 64"),
        (&[7000, 7001, 19000, 52000, 61000], &[Random], Some(Grade::Probable), "1 of them within"),
        (&[7000, 7001, 52000, 61000], &few, None, "some new mappings are neighbours"),
    ];
    for (seen, left, grade, because) in table {
        let fact = ports(seen).facts().allocation;
        assert_eq!(fact.possible(), left, "{because}: {fact:?}");
        is(&fact, grade.map(|grade| (left[0], grade)), because);
    }
    is(&plain(&[(A, M), (B, M)]).facts().allocation, None, "no port is translated");
}

#[test]
fn an_early_packet_spoils_the_mapping_to_its_sender_or_does_not() {
    /// The mapping is known; `tries` answers are asked for from where nothing had sent to, and then
    /// the socket's own flow to there is seen as `after`.
    fn early(came: bool, tries: u32, after: &str) -> Run {
        let run = plain(&[(A, X), (B, X)]).ask(0, "e", A, Some(X));
        let run = run.ask(0, "e", A, came.then_some(X)).but(|t| {
            t.change = Change::BOTH;
            t.expected_from = address(A_BOTH);
            t.sent = (0..tries).map(|i| 40.0 + f64::from(i)).collect();
        });
        let run = run.ask(0, "e", A_BOTH, Some(after)).but(|t| t.sent = vec![900.0]);
        run.saying(|reply| reply.at = 901.0)
    }
    /// It is seen elsewhere that the server sends from there.
    fn obeyed(run: Run) -> Run {
        run.ask(0, "p", A, Some(X)).but(|t| {
            t.change = Change::BOTH;
            t.expected_from = address(A_BOTH);
            t.sent = vec![950.0];
        })
    }
    // something had sent to that address before, and a filter may know it
    let known_there = early(true, 1, Y).ask(0, "q", A_ADDRESS, Some(X)).but(|t| t.sent = vec![1.0]);
    let proven = |value| Some((value, Grade::Proven));
    for (run, known, because) in [
        (known_there, None, "no early packet could be shown"),
        (plain(&[(A, X), (B, Y)]), None, "differs per destination in any case"),
        (plain(&[(A, X)]), None, "only beside a known mapping"),
        (plain(&[(A, X), (B, X)]), None, "no early packet could be shown"),
        (early(true, 1, X), proven(false), "kept its endpoint"),
        (early(true, 1, Y), proven(true), "instead of 198.51.100.7:1001"),
        (early(false, 16, X), None, "no early packet could be shown"),
        (obeyed(early(false, 60, X)), proven(false), "kept its endpoint"),
        (obeyed(early(false, 2, X)), None, "may all have been lost"),
        (obeyed(early(false, 2, Y)), proven(true), "instead of"),
    ] {
        is(&run.facts().early_packet_poisoning, known, because);
    }
}

#[test]
fn an_alg_rewrites_what_is_not_hidden_from_it() {
    let told = |plain: &str| {
        let run = self::plain(&[(A, X)]);
        run.saying(|reply| reply.mapped_plain = Some(address(plain)))
    };
    let fact = |run: Run| run.facts().mapped_address_rewriting;
    is(&fact(told(Y)), Some((true, Grade::Proven)), "MAPPED-ADDRESS says 198.51.100.7:1002");
    is(&fact(told(X)), Some((false, Grade::Proven)), "agree");
    is(&fact(plain(&[(A, X)])), None, "no server sent both");
    is(&fact(told(X).saying(|reply| reply.xor = false)), None, "no server sent both");
}
