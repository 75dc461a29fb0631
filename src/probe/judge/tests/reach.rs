//! Translation, blocked UDP, the classic name.

use super::*;
use crate::nat::Classic;

#[test]
fn the_classic_name_is_one_of_those_that_are_left() {
    let classic = plain(&[(A, X), (B, Y)]).facts().classic;
    assert_eq!(classic.possible(), [Classic::Symmetric, Classic::Unnamed], "{classic:?}");
    let classic = plain(&[(A, X), (B, X)]).facts().classic;
    let cones = [Classic::FullCone, Classic::RestrictedCone, Classic::PortRestrictedCone];
    assert_eq!(classic.possible(), cones, "{classic:?}");
    let classic = plain(&[(A, M), (B, M)]).facts().classic;
    let open = [Classic::OpenInternet, Classic::SymmetricUdpFirewall, Classic::Unnamed];
    assert_eq!(classic.possible(), open, "{classic:?}");
}

#[test]
fn an_address_that_differs_is_translated() {
    is(&plain(&[(A, X)]).facts().nat, Some((true, Grade::Proven)), "seen as 198.51.100.7:1001 by");
    is(&plain(&[(A, M)]).facts().nat, Some((false, Grade::Proven)), "is seen as itself by");
    is(&Run::default().server(&[(A, None)]).facts().nat, None, "no server answered over UDP");
}

#[test]
fn silence_is_blocked_udp_only_where_something_else_answers() {
    use IcmpKind::{PortUnreachable, Prohibited, Unreachable};
    let silent = || Run::default().server(&[(A, None)]);
    let icmp = |offender, kind| silent().icmp(offender, kind).facts().classic;
    let tcp = |servers: &[&str]| {
        let asked = |run: Run, at: &&str| {
            let about = run.0.servers.len();
            run.server(&[(at, None)]).ask(about, "", at, Some(X)).tcp()
        };
        servers.iter().fold(Run::default(), asked).facts().classic
    };
    let mut cut = silent();
    cut.0.cut_short = true;
    let blocked = Some((Classic::UdpBlocked, Grade::Probable));
    for (fact, known, because) in [
        (silent().but(|t| t.sent.clear()).facts().classic, None, "no packet could be sent"),
        (cut.facts().classic, None, "when the run was ended"),
        (icmp(None, Unreachable), None, "this host itself refuses to send"),
        (icmp(Some("10.0.0.1"), Prohibited), blocked, "a firewall at 10.0.0.1 answers"),
        (icmp(Some("10.0.0.1"), Unreachable), None, "10.0.0.1 says of 192.0.2.1:3478 that there"),
        (icmp(Some("192.0.2.1"), PortUnreachable), None, "that nothing listens there (ICMP)"),
        (silent().facts().classic, None, "over UDP or TCP"),
        (tcp(&[A]), None, "a second server would tell"),
        (tcp(&[A, B]), blocked, "2 servers answer over TCP and none over UDP"),
        // one host by two ports says it once
        (tcp(&[A, A_PORT]), None, "a second server would tell"),
    ] {
        is(&fact, known, because);
    }
    // whatever came in over UDP, UDP is not blocked
    let mut stray = silent();
    stray.0.strays = 1;
    for run in [stray, silent().rejected(RejectedWhy::Malformed, None)] {
        assert!(!run.facts().classic.because().contains("over UDP or TCP"));
    }
}
