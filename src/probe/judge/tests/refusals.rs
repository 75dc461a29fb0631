//! Answers that do not count, by name.

use super::*;
use RejectedWhy::{
    Error, Malformed, NoMappedAddress, UnusableMapped, WrongClass, WrongId, WrongOrigin,
    WrongSocket, WrongSource,
};
use Severity::{Error as Bad, Info, Warning};

fn refused(why: RejectedWhy, code: Option<u16>, edit: fn(&mut Transaction)) -> Run {
    Run::default().server(&[(A, None)]).rejected(why, code).but(edit)
}

#[test]
fn each_kind_of_answer_that_does_not_count_has_its_name() {
    type Row =
        (RejectedWhy, Option<u16>, fn(&mut Transaction), &'static str, Severity, &'static str);
    fn as_is(_: &mut Transaction) {}
    fn change(t: &mut Transaction) {
        t.change = Change::BOTH;
    }
    fn from_b(t: &mut Transaction) {
        t.rejected[0].from = address(B);
    }
    fn says(t: &mut Transaction) {
        t.rejected[0].says = Some("no, no".into());
    }
    let table: &[Row] = &[
        (WrongSource, None, change, "ignores-change-request", Warning, "answered itself"),
        (WrongSource, None, from_b, "wrong-source", Bad, "came from 192.0.2.33:3478"),
        (
            WrongSource,
            None,
            |t| {
                change(t);
                from_b(t);
            },
            "wrong-source",
            Bad,
            "it was not counted",
        ),
        (WrongOrigin, None, as_is, "wrong-origin", Warning, "RESPONSE-ORIGIN"),
        (NoMappedAddress, None, says, "no-mapped-address", Bad, "can be read (no, no)"),
        (WrongClass, None, as_is, "odd-answer", Warning, "no answer to the request"),
        (WrongSocket, None, as_is, "odd-answer", Warning, "no answer to the request"),
        (Malformed, None, as_is, "malformed-answer", Bad, "(it is no STUN message)"),
        (Malformed, None, says, "malformed-answer", Bad, "(no, no)"),
        (WrongId, None, as_is, "wrong-id", Bad, "may be anybody's"),
        (
            Error,
            Some(420),
            |t| t.response_port = Some(9),
            "refuses-response-port",
            Info,
            "RESPONSE-PORT (420)",
        ),
        (Error, Some(420), change, "refuses-change-request", Warning, "with error 420"),
        (Error, Some(401), change, "wants-credentials", Bad, "wants credentials, which"),
        (
            Error,
            Some(438),
            |t| t.rejected[0].realm = Some("example".into()),
            "wants-credentials",
            Bad,
            "for the realm \u{201c}example\u{201d}",
        ),
        (Error, Some(403), says, "forbidden", Bad, "403 \u{201c}no, no\u{201d}: it does not serve"),
        (Error, Some(420), as_is, "unknown-attribute", Bad, "no STUN server of RFC 5389"),
        (Error, Some(400), as_is, "refuses-request", Bad, "does not take a plain Binding"),
        (Error, Some(500), as_is, "server-error", Bad, "itself is in trouble"),
        (Error, Some(699), as_is, "answers-with-error", Warning, "error 699"),
        (Error, None, as_is, "answers-with-error", Warning, "error 0"),
    ];
    for (why, code, edit, id, severity, text) in table {
        has(&refused(*why, *code, *edit).judged().servers[0].findings, id, *severity, text);
    }
    // the finding about the server says it
    let findings = refused(UnusableMapped, None, as_is).judged().servers.remove(0).findings;
    assert!(findings.iter().all(|f| f.severity == Bad && f.text.contains("does not answer")));
}

#[test]
fn where_a_redirection_leads_and_why_it_was_not_followed() {
    let to = |to: Option<&str>| {
        let to = to.map(address);
        Run::default().server(&[(A, None)]).rejected(Error, Some(300)).but(|t| {
            t.rejected[0].alternate = to;
        })
    };
    let mut second = to(Some(B));
    second.0.servers[0].sent_by = Some(address(C));
    for (run, text) in [
        (to(None), "does not say where"),
        (to(Some(B)).named(B), "which was asked too"),
        (second, "one redirection is followed, not two"),
        (to(Some("10.0.0.9:3478")), "not asked: it is a private address"),
        (to(Some(B)), "not asked: the run was ended before"),
    ] {
        has(&run.judged().servers[0].findings, "redirects", Warning, text);
    }
}
