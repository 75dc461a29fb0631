//! `natscope probe` with servers that misbehave, behind four NATs: no wrong definite verdict.
#![cfg(target_os = "linux")]

use crate::support::faulty;
use crate::support::world::{Probed, Truth, world};

/// Four NATs in one world. `quiet` drops what comes to the router itself, as real routers do.
const NATS: &str = "
quiet() { in_ns \"$1\" iptables -A INPUT -i wan -m conntrack --ctstate NEW -j DROP; }
router cone 7
rules cone <<'RULES'
-t nat -A POSTROUTING -o wan -j MASQUERADE
RULES
quiet cone
router full 8
rules full <<'RULES'
-t nat -A POSTROUTING -o wan -j SNAT --to-source 198.51.8.2
-t nat -A PREROUTING -i wan -j DNAT --to-destination 192.168.8.2
RULES
router symmetric 9
rules symmetric <<'RULES'
-t nat -A POSTROUTING -o wan -j MASQUERADE --random
RULES
quiet symmetric
router open 11 192.0.2
";

const TRUTHS: [(&str, Truth); 4] = [
    (
        "cone",
        &[
            ("nat", "true"),
            ("mapping", "endpoint-independent"),
            ("filtering", "address-and-port-dependent"),
            ("classic", "port-restricted-cone"),
            ("port_preservation", "true"),
            ("early_packet_poisoning", "false"),
            ("mapped_address_rewriting", "false"),
        ],
    ),
    (
        "full",
        &[
            ("nat", "true"),
            ("mapping", "endpoint-independent"),
            ("filtering", "endpoint-independent"),
            ("classic", "full-cone"),
            ("port_preservation", "true"),
            ("early_packet_poisoning", "false"),
            ("mapped_address_rewriting", "false"),
        ],
    ),
    (
        "symmetric",
        &[
            ("nat", "true"),
            ("mapping", "address-and-port-dependent"),
            ("filtering", "address-and-port-dependent"),
            ("classic", "symmetric"),
            ("port_preservation", "false"),
            ("early_packet_poisoning", "false"),
            ("mapped_address_rewriting", "false"),
        ],
    ),
    (
        "open",
        &[
            ("nat", "false"),
            ("mapping", "endpoint-independent"),
            ("filtering", "endpoint-independent"),
            ("classic", "open-internet"),
            ("early_packet_poisoning", "false"),
            ("mapped_address_rewriting", "false"),
        ],
    ),
];

/// The reports from behind the four NATs, in the order of [`TRUTHS`], none of them wrong.
fn with(fault: &str) -> Option<[Probed; 4]> {
    assert!(faulty::FAULTS.contains(&fault), "{fault}");
    let body = format!(
        "{NATS}
        faulty {fault}
        all=
        for nat in cone full symmetric open; do
            probe $nat-in $nat 203.0.113.10:3478 &
            all=\"$all $!\"
        done
        wait $all"
    );
    let probed = world(&[], &body, TRUTHS.map(|(name, _)| name))?;
    for (one, (_, truth)) in probed.iter().zip(TRUTHS) {
        one.assert_never_wrong(truth);
    }
    Some(probed)
}

/// What the report says of the server.
fn findings(probed: &Probed) -> Vec<&str> {
    let servers = probed.report["servers"].as_array().expect("servers");
    let findings = servers.iter().filter_map(|server| server["findings"].as_array()).flatten();
    findings.filter_map(|finding| finding["id"].as_str()).collect()
}

/// The process that a world starts in its namespace.
#[test]
#[ignore = "a server that the other tests start"]
fn faulty_server_process() {
    let name = std::env::var("FAULT").expect("started by a world, with FAULT and READY");
    let ready = std::env::var_os("READY").expect("started by a world");
    let fault = faulty::FAULTS.iter().find(|fault| **fault == name).expect("a known fault");
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime
        .block_on(faulty::serve(fault, || std::fs::write(ready, "ready\n").expect("told")))
        .expect("it serves");
}

#[test]
fn without_a_fault_everything_is_proven() {
    let Some(probed) = with("none") else { return };
    for (one, (_, truth)) in probed.iter().zip(TRUTHS) {
        one.assert_exactly(&truth[..4], "proven");
    }
}

/// Without obedience nothing shows the filtering, and the server is named.
fn filtering_untold(fault: &str) {
    let Some(probed) = with(fault) else { return };
    for one in &probed {
        assert_eq!(one.fact("filtering"), None, "{fault}: {one:#?}");
        assert!(!findings(one).is_empty(), "{fault}: the server is not named: {one:#?}");
    }
}

/// With two ports of one address: filtering by port can still be proven, and that only; whether
/// the mapping depends on the address cannot. The server is named.
fn one_address(fault: &str) {
    let Some(probed) = with(fault) else { return };
    for (one, (name, _)) in probed.iter().zip(TRUTHS) {
        let named = findings(one);
        assert!(!named.is_empty(), "{fault}, {name}: the server is not named: {one:#?}");
        let filtering = one.fact("filtering").map(|fact| fact.0);
        assert_ne!(filtering.as_deref(), Some("endpoint-independent"), "{fault}: {one:#?}");
        if name == "cone" || name == "full" {
            assert_eq!(one.fact("mapping"), None, "{fault}, {name}: {one:#?}");
        }
    }
}

#[test]
fn change_request_ignored() {
    filtering_untold("ignores-change-request");
}

#[test]
fn change_request_answered_420() {
    filtering_untold("answers-420");
}

#[test]
fn other_address_on_the_same_ip() {
    one_address("other-same-ip");
}

#[test]
fn other_address_private() {
    one_address("other-private");
}

#[test]
fn other_address_loopback() {
    one_address("other-loopback");
}

#[test]
fn other_address_of_the_wrong_family() {
    one_address("other-wrong-family");
}

#[test]
fn other_address_unroutable() {
    one_address("other-unroutable");
}

#[test]
fn alternate_silent() {
    let Some([cone, _, symmetric, _]) = with("alternate-silent") else { return };
    // one address alone shows neither an endpoint-independent mapping nor a filter by address
    assert_eq!(cone.fact("mapping"), None, "{cone:#?}");
    assert_ne!(symmetric.fact("classic").map(|f| f.0).as_deref(), Some("full-cone"));
}

#[test]
fn alternate_refuses_with_icmp() {
    let Some([cone, ..]) = with("alternate-refuses") else { return };
    assert_eq!(cone.fact("mapping"), None, "{cone:#?}");
}

#[test]
fn answers_from_the_wrong_address() {
    let Some(probed) = with("wrong-source") else { return };
    for (one, (name, _)) in probed.iter().zip(TRUTHS) {
        assert_eq!(one.fact("mapping"), None, "{name}: {one:#?}");
        assert_eq!(one.fact("filtering"), None, "{name}: {one:#?}");
        // a strict filter hides the fault from us; where the answers come in, it is named
        let named = findings(one).contains(&"wrong-source");
        assert_eq!(named, matches!(name, "full" | "open"), "{name}: {one:#?}");
    }
}

#[test]
fn answers_late() {
    let Some(probed) = with("late") else { return };
    for (one, (_, truth)) in probed.iter().zip(TRUTHS) {
        one.assert_exactly(&truth[..4], "proven");
    }
}

#[test]
fn answers_duplicated() {
    let Some(probed) = with("duplicated") else { return };
    for (one, (_, truth)) in probed.iter().zip(TRUTHS) {
        one.assert_exactly(&truth[..4], "proven");
    }
}

#[test]
fn requests_mostly_ignored() {
    let Some(probed) = with("rate-limited") else { return };
    for (one, (name, truth)) in probed.iter().zip(TRUTHS) {
        assert!(findings(one).contains(&"loss"), "{name}: {one:#?}");
        // one answer shows it; how much more gets through is the server's luck
        one.assert_exactly(&truth[..1], "proven");
    }
}

/// No answer counts, and the report says why nothing could be told.
fn nothing_told(fault: &str) {
    let Some(probed) = with(fault) else { return };
    probed.iter().for_each(Probed::assert_could_not_tell);
}

#[test]
fn garbage_only() {
    nothing_told("garbage");
}

#[test]
fn wrong_ids_only() {
    nothing_told("wrong-ids");
}

#[test]
fn nothing_listens() {
    nothing_told("nothing-listens");
}

#[test]
fn silent_server() {
    nothing_told("silent");
}

#[test]
fn server_that_answers_only_over_tcp() {
    nothing_told("only-tcp");
}

/// The server answers, and nothing that it says of this host is used.
fn nothing_used(fault: &str, id: &str) {
    let Some(probed) = with(fault) else { return };
    for (one, (name, _)) in probed.iter().zip(TRUTHS) {
        one.assert_could_not_tell();
        assert_eq!(one.fact("nat"), None, "{name}: {one:#?}");
        assert_eq!(one.fact("port_preservation"), None, "{name}: {one:#?}");
        assert!(findings(one).contains(&id), "{name}: {one:#?}");
        assert!(!findings(one).contains(&"silent"), "{name}: {one:#?}");
    }
}

#[test]
fn a_balancer_before_the_server() {
    nothing_used("balancer", "proxy-before-server");
}

#[test]
fn a_server_that_wants_credentials() {
    nothing_used("auth", "wants-credentials");
}

/// What is odd about the answers costs nothing.
fn everything_told(fault: &str) {
    let Some(probed) = with(fault) else { return };
    for (one, (_, truth)) in probed.iter().zip(TRUTHS) {
        one.assert_exactly(&truth[..4], "proven");
    }
}

#[test]
fn addresses_written_as_ipv4_mapped() {
    everything_told("mapped6");
}

#[test]
fn answers_without_padding() {
    everything_told("unpadded");
}

#[test]
fn the_first_answer_after_three_and_a_half_seconds() {
    let Some(probed) = with("later") else { return };
    for (one, (name, _)) in probed.iter().zip(TRUTHS) {
        // that much takes one answer; what more there is time for depends on the budget
        let nat = one.fact("nat").map(|fact| fact.0);
        let truth = if name == "open" { "false" } else { "true" };
        assert_eq!(nat.as_deref(), Some(truth), "{name}: {one:#?}");
    }
}
