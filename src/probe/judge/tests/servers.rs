//! What is noticed about one server.

use super::*;
use IcmpKind::{PortUnreachable, Prohibited, Unreachable};
use Severity::{Error, Info, Warning};

#[test]
fn each_oddity_of_a_server_is_named() {
    let run = || plain(&[(A, X)]);
    let silent = || Run::default().server(&[(A, None)]);
    let other = |other: &str| run().saying(|reply| reply.other = Some(address(other)));
    let mut unopened = silent().but(|t| t.sent.clear());
    unopened.0.sockets[0].failed = Some("address in use".into());
    let mut blind = silent();
    blind.0.sockets[0].no_icmp = true;
    let mut sent = run();
    sent.0.servers[0].sent_by = Some(address(B));
    let six = Run::default().socket("m", "[2001:db8::5]:4000");
    let table = [
        (run().saying(|reply| reply.origin = Some(address(B))), "origin-disagrees", Info, B),
        (
            run().saying(|reply| reply.defects = vec!["one".into(), "two".into()]),
            "malformed-attribute",
            Info,
            "(one; 1 more of the kind)",
        ),
        (six.server(&[("[2001:db8::1]:3478", Some(X))]), "nat64", Info, "asked over IPv6"),
        (sent, "alternate-server", Info, "because 192.0.2.33:3478 sends"),
        (silent().ask(0, "", A, Some(X)).tcp(), "udp-silent", Error, "over TCP, not over UDP"),
        (silent().ask(0, "", A, None).tcp(), "silent", Error, "over UDP, nor over TCP"),
        (silent(), "silent", Error, "does not answer over UDP:"),
        (silent().icmp(Some("192.0.2.1"), PortUnreachable), "refused", Error, "192.0.2.1 says"),
        (blind, "icmp-unseen", Info, "may have refused"),
        (unopened, "not-sent", Error, "(address in use)"),
        (silent().icmp(None, Prohibited), "not-sent", Error, "its own firewall"),
        (silent().icmp(None, Unreachable), "not-sent", Error, "no route to it"),
        (Run::default().named(A), "not-asked", Warning, "the run was ended"),
        (run().but(|t| t.again = vec![2.0]), "duplicates", Info, "more than once"),
        (run().but(|t| t.sent = vec![0.0, 100.0, 200.0]), "loss", Warning, "2 of 3 exchanges"),
        (run(), "no-rfc5780", Info, "has no OTHER-ADDRESS"),
        (other(A_PORT), "bad-other-address", Warning, "it is the same IP address"),
        (
            other(A_BOTH).ask(0, "m", A_BOTH, None),
            "alternate-dead",
            Warning,
            "nothing answers there",
        ),
    ];
    for (run, id, severity, text) in table {
        has(&run.judged().servers[0].findings, id, severity, text);
    }
    // nothing to say of one with RFC 5780 whose alternate lives
    let good = other(A_BOTH).ask(0, "m", A_BOTH, Some(X)).judged().servers.remove(0);
    assert_eq!((good.findings, good.rtt_us), (vec![], Some(1000)));
    assert_eq!((good.other_address, good.mapped), (Some(address(A_BOTH)), Some(address(X))));
}
