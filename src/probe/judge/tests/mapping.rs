//! Mappings, by what several endpoints saw of one socket.

use super::*;
use Mapping::{
    AddressAndPortDependent as Apdm, AddressDependent as Adm, EndpointIndependent as Eim,
};

#[test]
fn where_there_is_nothing_to_compare() {
    let alike = plain(&[(A, M), (B, M)]).mapping();
    is(&alike, Some((Eim, Grade::Proven)), "nothing is translated");
    for seen in [X, M] {
        is(&plain(&[(A, seen)]).mapping(), None, "only one endpoint of one server answered");
    }
    is(&Run::default().server(&[(A, None)]).mapping(), None, "no server answered over UDP");
    // what a filter test's unasked packets may have spoiled shows no mapping
    let after = Run::default().named(A).ask(0, "m", A, None).but(|t| t.change = Change::BOTH);
    let after = after.ask(0, "m", A, Some(X)).ask(0, "m", A_BOTH, Some(Y));
    is(&after.mapping(), None, "no server answered over UDP");
}

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
