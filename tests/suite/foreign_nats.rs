//! `natscope probe` behind NATs that natscope did not build: iptables, slirp4netns, pasta.
//!
//! What is true of each is known from how it works, not from what we measure.
#![cfg(target_os = "linux")]

use crate::support::coturn;
use crate::support::world::{Probed, Truth, world};

/// Both of the servers that `serve` starts.
const SERVERS: &str = "203.0.113.10:3478 203.0.113.30:3478";

/// The probe's report from behind the router `nat` with these iptables lines.
fn behind(router: &str, rules: &str) -> Option<Probed> {
    let body = format!(
        "router nat 7 {router}\nrules nat <<'RULES'\n{rules}\nRULES\nserve\nprobe nat-in it {SERVERS}\n"
    );
    world(&[], &body, ["it"]).map(|[it]| it)
}

/// The same by one plain server and a TURN account on coturn without RFC 5780: both are what everybody
/// has.
fn behind_by_relay(router: &str, rules: &str) -> Option<Probed> {
    let Some(version) = coturn::version() else {
        crate::support::skip("coturn's turnserver is not installed");
        return None;
    };
    let options = version.options(false).join(" ");
    let body = format!(
        "router nat 7 {router}\nrules nat <<'RULES'\n{rules}\nRULES\nserve\n\
         in_ns inet ip address add 203.0.113.40/32 dev lo\nmkfifo /run/relaying\n\
         in_ns inet turnserver {options} --no-tls -L 203.0.113.40 -r natscope.test --lt-cred-mech \
             -u lab:lab --pidfile /run/turn.pid --userdb /run/turn.db >/run/relaying 2>&1 &\n\
         sed -u '/IO method (admin thread)/q; /Total auth threads/q' </run/relaying >/dev/null\n\
         echo lab >/run/password\ncode=0\n\
         in_ns nat-in \"$NATSCOPE\" probe --format json --server stun:203.0.113.30 \
             --turn turn:203.0.113.40 --user lab --password-file /run/password \
             >\"$OUT/it.json\" || code=$?\n\
         echo $code >\"$OUT/it.code\"\n"
    );
    world(&[], &body, ["it"]).map(|[it]| it)
}

const MASQUERADE: &str = "-t nat -A POSTROUTING -o wan -j MASQUERADE";
const INPUT_DROPS: &str = "-A INPUT -i wan -m conntrack --ctstate NEW -j DROP";

/// One host cannot see that Linux preserves ports rather than being endpoint-independent: without
/// a clash the two are the same.
const CONE: Truth = &[
    ("nat", "true"),
    ("mapping", "endpoint-independent"),
    ("filtering", "address-and-port-dependent"),
    ("classic", "port-restricted-cone"),
    ("port_preservation", "true"),
    ("allocation", "preserving"),
    ("mapped_address_rewriting", "false"),
];
const SYMMETRIC: Truth = &[
    ("nat", "true"),
    ("mapping", "address-and-port-dependent"),
    ("filtering", "address-and-port-dependent"),
    ("classic", "symmetric"),
    ("port_preservation", "false"),
    ("mapped_address_rewriting", "false"),
];
const FULL_CONE: Truth = &[
    ("nat", "true"),
    ("mapping", "endpoint-independent"),
    ("filtering", "endpoint-independent"),
    ("classic", "full-cone"),
    ("mapped_address_rewriting", "false"),
];
const OPEN: Truth = &[
    ("nat", "false"),
    ("mapping", "endpoint-independent"),
    ("filtering", "endpoint-independent"),
    ("classic", "open-internet"),
    ("mapped_address_rewriting", "false"),
];
const FIREWALL: Truth = &[
    ("nat", "false"),
    ("mapping", "endpoint-independent"),
    ("filtering", "address-and-port-dependent"),
    ("classic", "symmetric-udp-firewall"),
    ("mapped_address_rewriting", "false"),
];
const POISONED: Truth = &[("early_packet_poisoning", "true")];
const NOT_POISONED: Truth = &[("early_packet_poisoning", "false")];

#[test]
fn iptables_masquerade_whose_input_accepts() {
    let Some(it) = behind("", MASQUERADE) else { return };
    it.assert_exactly(CONE, "proven");
    it.assert_exactly(POISONED, "proven");
}

#[test]
fn iptables_masquerade_whose_input_drops() {
    let Some(it) = behind("", &format!("{MASQUERADE}\n{INPUT_DROPS}")) else { return };
    it.assert_exactly(CONE, "proven");
    it.assert_exactly(NOT_POISONED, "proven");
}

#[test]
fn iptables_masquerade_random() {
    let Some(it) = behind("", &format!("{MASQUERADE} --random\n{INPUT_DROPS}")) else { return };
    it.assert_exactly(SYMMETRIC, "proven");
}

#[test]
fn iptables_masquerade_random_whose_input_accepts() {
    let Some(it) = behind("", &format!("{MASQUERADE} --random")) else { return };
    it.assert_exactly(SYMMETRIC, "proven");
}

#[test]
fn a_turn_account_shows_the_same_of_each() {
    let dnat = "-t nat -A POSTROUTING -o wan -j SNAT --to-source 198.51.7.2
        -t nat -A PREROUTING -i wan -j DNAT --to-destination 192.168.7.2";
    let drops = |masquerade: &str| format!("{masquerade}\n{INPUT_DROPS}");
    for (rules, truth, poisoned) in [
        (MASQUERADE.to_owned(), CONE, POISONED),
        (drops(MASQUERADE), CONE, NOT_POISONED),
        (drops(&format!("{MASQUERADE} --random")), SYMMETRIC, &[]),
        (format!("{MASQUERADE} --random"), SYMMETRIC, &[]),
        (dnat.to_owned(), FULL_CONE, NOT_POISONED),
    ] {
        let Some(it) = behind_by_relay("", &rules) else { return };
        let known = |(axis, _): &&(&str, &str)| {
            ["mapping", "filtering", "classic", "early_packet_poisoning"].contains(axis)
        };
        for &(axis, value) in truth.iter().chain(poisoned).filter(known) {
            let expected = Some((value.to_owned(), "proven".to_owned()));
            assert_eq!(it.fact(axis), expected, "{axis}, {rules}: {it:#?}");
        }
        assert_eq!(it.report["servers"][1]["uri"], "turn:203.0.113.40", "{it:#?}");
    }
}

#[test]
fn static_dnat_is_a_full_cone() {
    let rules = "-t nat -A POSTROUTING -o wan -j SNAT --to-source 198.51.7.2
        -t nat -A PREROUTING -i wan -j DNAT --to-destination 192.168.7.2";
    let Some(it) = behind("", rules) else { return };
    it.assert_exactly(FULL_CONE, "proven");
    it.assert_exactly(NOT_POISONED, "proven");
}

#[test]
fn no_nat() {
    let Some(it) = behind("192.0.2", "") else { return };
    it.assert_exactly(OPEN, "proven");
}

#[test]
fn a_stateful_firewall_without_translation() {
    let rules = "-P FORWARD DROP
        -A FORWARD -i lan -j ACCEPT
        -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT";
    let Some(it) = behind("192.0.2", rules) else { return };
    it.assert_exactly(FIREWALL, "proven");
}

#[test]
fn udp_dropped() {
    let Some(it) = behind("", &format!("{MASQUERADE}\n-A FORWARD -p udp -j DROP")) else { return };
    // silence for which there is no control: both UDP services may be down
    it.assert_exactly(&[("classic", "udp-blocked")], "probable");
    for axis in ["nat", "mapping", "filtering"] {
        assert_eq!(it.fact(axis), None, "{axis}: {it:#?}");
    }
}

#[test]
fn udp_dropped_and_only_one_server_known() {
    let body = format!(
        "router nat 7\nrules nat <<'RULES'\n{MASQUERADE}\n-A FORWARD -p udp -j DROP\nRULES\n\
         serve\nprobe nat-in it 203.0.113.10:3478\n"
    );
    // its UDP service may be down as well: one server cannot tell
    let Some([it]) = world(&[], &body, ["it"]) else { return };
    it.assert_could_not_tell();
}

/// A firewall that refuses, with this ICMP error.
fn refused(with: &str) {
    let rules = format!("{MASQUERADE}\n-A FORWARD -p udp -j REJECT --reject-with {with}");
    let Some(it) = behind("", &rules) else { return };
    it.assert_exactly(&[("classic", "udp-blocked")], "probable");
    for axis in ["nat", "mapping", "filtering"] {
        assert_eq!(it.fact(axis), None, "{axis}: {it:#?}");
    }
}

#[test]
fn udp_rejected_as_port_unreachable() {
    refused("icmp-port-unreachable");
}

#[test]
fn udp_rejected_as_prohibited() {
    refused("icmp-admin-prohibited");
}

#[test]
fn udp_refused_by_the_host_itself() {
    let body = format!(
        "router nat 7\nrules nat <<'RULES'\n{MASQUERADE}\nRULES\n\
         in_ns nat-in iptables -A OUTPUT -p udp -j DROP\nserve\nprobe nat-in it {SERVERS}\n"
    );
    let Some([it]) = world(&[], &body, ["it"]) else { return };
    it.assert_could_not_tell();
}

/// libslirp keeps one host socket for each inside endpoint, and passes on whatever comes to it.
#[test]
fn slirp4netns_is_a_full_cone() {
    let body = format!(
        "router nat 7
        namespace guest
        mkfifo /run/slirp
        in_ns nat slirp4netns --configure --ready-fd=4 --netns-type=path \
            /run/netns/guest tap0 4>/run/slirp >&2 &
        exec 5</run/slirp
        head -c 1 <&5 >/dev/null
        serve
        probe guest it {SERVERS}"
    );
    let Some([it]) = world(&["slirp4netns", "/dev/net/tun"], &body, ["it"]) else { return };
    it.assert_exactly(FULL_CONE, "proven");
    it.assert_exactly(&[("port_preservation", "false")], "proven");
}

/// pasta gives its guest the host's own address and keeps ports: nothing is translated that could be
/// seen. Its older versions pass on whatever comes to a port; newer ones keep flows, and filter.
#[test]
fn pasta_translates_nothing() {
    let body = format!(
        "router nat 7
        namespace guest
        # it goes to the background when the guest is connected
        in_ns nat pasta --config-net -q -t none -u none -T none -U none --runas 0 \
            --netns /run/netns/guest >&2
        serve
        probe guest it {SERVERS}"
    );
    let Some([it]) = world(&["pasta", "/dev/net/tun"], &body, ["it"]) else { return };
    it.assert_never_wrong(&[("nat", "false"), ("mapping", "endpoint-independent")]);
    match it.fact("filtering").map(|f| f.0).as_deref() {
        Some("endpoint-independent") => it.assert_never_wrong(OPEN),
        Some("address-and-port-dependent") => it.assert_never_wrong(FIREWALL),
        Some(other) => panic!("pasta does not filter by {other}: {it:#?}"),
        None => {}
    }
}
