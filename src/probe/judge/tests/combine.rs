//! Several servers' facts, taken together.

use super::*;
use crate::ground::finding::Id;
use crate::nat::Filtering::{
    self, AddressAndPortDependent as Apdf, AddressDependent as Adf, EndpointIndependent as Eif,
};
use crate::probe::judge::combine::Comparison;

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
        let mut compare = Comparison { record: &record, findings: &mut findings };
        let fact = compare.facts("filtering", Id::ServersDisagreeOnFiltering, alone.clone());
        assert_eq!(fact.possible(), *left, "{alone:?}: {fact:?}");
        match (said, findings.as_slice()) {
            (None, []) => {}
            (Some(said), [finding]) => assert!(finding.text.contains(said), "{finding:?}"),
            (wanted, found) => panic!("{wanted:?}: {found:?}"),
        }
    }
}

#[test]
fn the_surest_that_says_what_is_left_is_kept_or_all_are_named() {
    let run = plain(&[(A, X), (B, X)]);
    let together = |alone: Vec<Fact<Filtering>>| {
        Comparison { record: &run.0, findings: &mut Vec::new() }.facts(
            "filtering",
            Id::ServersDisagreeOnFiltering,
            alone,
        )
    };
    let fact = |grade, why: &str| Fact::Known {
        value: Adf,
        grade,
        because: why.to_owned(),
        evidence: vec![why.to_owned()],
    };
    let sure = fact(Grade::Proven, "t2");
    assert_eq!(together(vec![fact(Grade::Probable, "t1"), sure.clone()]), sure);
    let narrowed = |left: &[Filtering], id: &str| Fact::narrowed(left, id, vec![id.to_owned()]);
    let both = together(vec![narrowed(&[Adf, Apdf], "t1"), narrowed(&[Eif, Adf], "t2")]);
    is(
        &both,
        Some((Adf, Grade::Proven)),
        "by stun:192.0.2.1:3478, t1; by stun:192.0.2.33:3478, t2",
    );
    assert_eq!(both.evidence(), ["t1", "t2"]);
    // what rests on a server's being left out is not proven
    let three = plain(&[(A, X), (B, X), (C, X)]);
    let mut findings = Vec::new();
    let mut compare = Comparison { record: &three.0, findings: &mut findings };
    let alone = vec![sure.clone(), sure, Fact::proven(Eif, "t3", vec![])];
    is(
        &compare.facts("filtering", Id::ServersDisagreeOnFiltering, alone),
        Some((Adf, Grade::Probable)),
        "t2",
    );
    has(&findings, "servers-disagree-on-filtering", Severity::Warning, "was left out");
    // one machine that contradicts itself is no liar when only one other speaks
    let named_twice = plain(&[(A, X), (A_PORT, X), (B, X)]);
    let mut compare = Comparison { record: &named_twice.0, findings: &mut findings };
    let alone = [Eif, Apdf, Eif].map(|f| Fact::proven(f, "", vec![]));
    is(
        &compare.facts("filtering", Id::ServersDisagreeOnFiltering, alone.to_vec()),
        None,
        "contradict one another",
    );
    // of those that exclude nothing, one that was tried
    is(&together(vec![Fact::not_tested("no"), Fact::inconclusive("lost", vec![])]), None, "lost");
    is(&together(vec![]), None, "no server could be asked");
}
