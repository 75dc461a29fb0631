//! What became of the questions to a server.

use super::*;
use crate::probe::judge::Standing;

#[test]
fn a_server_stands_as_its_record_shows() {
    use IcmpKind::{PortUnreachable, Unreachable};
    use RejectedWhy::{
        Error, Malformed, UnusableMapped, WrongClass, WrongId, WrongOrigin, WrongSource,
    };
    let silent = || Run::default().server(&[(A, None)]);
    let no = |why, code| silent().rejected(why, code);
    let mut unopened = silent().but(|t| t.sent.clear());
    unopened.0.sockets[0].failed = Some("no such address".into());
    let table = [
        (plain(&[(A, X)]), Standing::Answers),
        (plain(&[(A, "0.0.0.0:1")]), Standing::Unusable),
        (no(Error, Some(401)), Standing::WantsCredentials),
        (no(Error, Some(438)), Standing::WantsCredentials),
        (no(Error, Some(300)), Standing::Redirects),
        (no(Error, Some(500)), Standing::Error),
        (no(Malformed, None), Standing::Malformed),
        (no(WrongId, None), Standing::WrongId),
        (no(WrongSource, None), Standing::WrongSource),
        (no(WrongOrigin, None), Standing::WrongSource),
        (no(UnusableMapped, None), Standing::Unusable),
        (no(WrongClass, None), Standing::OddAnswer),
        // of several answers the one that tells the most
        (no(Malformed, None).ask(0, "m", A, None).rejected(Error, Some(401)), {
            Standing::WantsCredentials
        }),
        (silent().ask(0, "", A, Some(X)).tcp(), Standing::OnlyTcp),
        (silent().icmp(Some("192.0.2.1"), PortUnreachable), Standing::Refused),
        (silent().icmp(None, Unreachable), Standing::NotSent),
        (unopened, Standing::NotSent),
        (silent().but(|t| t.sent.clear()), Standing::NotAsked),
        (Run::default().named(A), Standing::NotAsked),
        (silent(), Standing::Silent),
    ];
    for (run, standing) in table {
        let judged = run.judged();
        assert_eq!(judged.servers[0].standing, standing, "{:?}", run.0.transactions);
        let counts = standing == Standing::Answers;
        assert_eq!(judged.facts.nat.known().is_some(), counts, "{standing:?}");
    }
}

#[test]
fn answers_that_do_not_count_are_the_reason_for_no_facts() {
    let refused = Run::default().server(&[(A, None)]).rejected(RejectedWhy::Error, Some(401));
    let why = "counts: stun:192.0.2.1:3478 answers with 401: it wants credentials";
    is(&refused.facts().mapping, None, why);
    // one that counts, or none at all, is no such case
    let beside = refused.server(&[(B, Some(X))]);
    is(&beside.facts().nat, Some((true, Grade::Proven)), "198.51.100.7:1001");
    is(&Run::default().server(&[(A, None)]).facts().mapping, None, "no server answered over UDP");
}
