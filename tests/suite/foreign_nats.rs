//! `natscope probe` behind NATs that natscope did not build: iptables, slirp4netns, pasta.
//!
//! What is true of each is known from how it works, not from what we measure.
#![cfg(target_os = "linux")]

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
