//! The nftables text of one box: a pure function from its description and its addresses.
//!
//! How a NAT of RFC 4787 is made from a stock kernel. Two stages follow one another at postrouting:
//! the `nat` chain picks the external port, and a chain of type *filter* right after it sees the
//! packet already translated, and so learns the true external port. It keeps
//!
//! - `inside`: external port → inside address and port, which prerouting translates back by;
//! - `outside`: inside key → external port, which later flows are translated by. Its key *is* the
//!   mapping behaviour: inside endpoint (endpoint-independent), with the destination address
//!   (address-dependent), or no map at all (address-and-port-dependent);
//! - `taken`: external ports in use, so that port preservation gives the second user of a port
//!   another one;
//! - `allowed`: who may send to an external port, kept per mapping unless the scope says otherwise.
//!
//! The filter is tested in that second stage too, where the packet looks as it does outside: a
//! hairpinned packet then bears its sender's external endpoint (RFC 4787 REQ-9).
//!
//! Whatever a box drops it writes down with the reason, in the set `refused`.

mod refused;

pub use refused::{Reason, Refused, SET as REFUSED, read as read_refused};

use crate::nat::{Allocation, Bug, Filtering, Mapping, NatSpec, Scope, Translation};
use std::fmt::Write as _;
use std::net::Ipv4Addr;

/// The interface towards the internet.
pub const WAN: &str = "wan";
/// The interfaces towards inside hosts: `lan0`, `lan1`, …
pub const LAN: &str = "lan*";
/// The set of permissions, where the filtering needs one.
pub const PERMISSIONS: &str = "allowed";
/// External ports of sequential allocation: this many from [`FIRST_SEQUENTIAL_PORT`] on, then again.
pub const SEQUENTIAL_PORTS: u16 = 1024;
/// The first external port of sequential allocation.
pub const FIRST_SEQUENTIAL_PORT: u16 = 50_000;

/// The addresses of one box, and what its links do to packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wiring {
    /// Its address on the side of the internet.
    pub wan: Ipv4Addr,
    /// The network of its inside hosts, and the length of the prefix.
    pub lan: (Ipv4Addr, u8),
    /// Of a hundred UDP packets, how many are lost, in each direction (0 to 100).
    pub loss_percent: u8,
}

/// The nftables text of the outermost layer of `spec` (further layers are boxes of their own).
#[must_use]
pub fn nftables(spec: &NatSpec, wiring: &Wiring) -> String {
    let mut text = Text::default();
    text.line("table ip natscope {");
    refused::declare(&mut text);
    if spec.translation == Translation::None {
        router(&mut text, spec);
    } else if spec.has(Bug::EarlyPacket) {
        masquerade(&mut text, wiring);
    } else {
        nat(&mut text, spec, wiring);
    }
    losses(&mut text, spec, wiring);
    text.line("}");
    text.0
}

/// Text under construction: nft wants a newline before every closing brace.
#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }
    fn block(&mut self, head: &str, lines: &[String]) {
        let _ = writeln!(self.0, "\t{head} {{");
        for line in lines {
            let _ = writeln!(self.0, "\t\t{line}");
        }
        self.line("\t}");
    }
}

fn table_of(kind: &str, name: &str, of: &str, spec: &NatSpec) -> (String, Vec<String>) {
    (
        format!("{kind} {name}"),
        vec![
            format!("type {of}"),
            "flags dynamic,timeout".into(),
            format!("timeout {}s", spec.timeouts.udp),
            "size 65535".into(),
        ],
    )
}

/// Packets addressed to the box itself. A peer's early packet that INPUT accepted would become a
/// conntrack entry that owns the tuple, and our own flow to that peer would get another port: two
/// cones would fail to connect. Real routers drop.
fn input(text: &mut Text) {
    text.block(
        "chain input",
        &[
            "type filter hook input priority filter; policy accept;".into(),
            format!("iifname \"{WAN}\" ct state new {}", Reason::NoMapping.refuse()),
        ],
    );
}

/// Loss, and the fault that no UDP passes. Before every other filter, behind translation.
fn losses(text: &mut Text, spec: &NatSpec, wiring: &Wiring) {
    let mut lines = vec!["type filter hook forward priority filter - 10; policy accept;".into()];
    if spec.has(Bug::UdpBlocked) {
        lines.push(format!("iifname \"{LAN}\" meta l4proto udp {}", Reason::Blocked.refuse()));
    }
    if wiring.loss_percent > 0 {
        // a map, not a comparison: numgen's number is in host order
        let lost: Vec<String> =
            (0..wiring.loss_percent.min(100)).map(|n| format!("{n} : drop")).collect();
        lines
            .push(format!("meta l4proto udp numgen random mod 100 vmap {{ {} }}", lost.join(", ")));
    }
    if lines.len() > 1 {
        text.block("chain losses", &lines);
    }
}

fn outbound() -> String {
    format!("iifname \"{LAN}\" oifname \"{WAN}\" accept")
}

/// What the chain's policy drops, written down.
fn unasked() -> String {
    format!("iifname \"{WAN}\" {}", Reason::Filter.refuse())
}

fn forward_head() -> Vec<String> {
    vec![
        "type filter hook forward priority filter; policy drop;".into(),
        "ct state established,related accept".into(),
    ]
}

/// A router that translates nothing; with a filter it is a stateful firewall.
fn router(text: &mut Text, spec: &NatSpec) {
    let mut forward = forward_head();
    let inbound = format!("iifname \"{WAN}\" oifname \"{LAN}\"");
    match spec.filtering {
        Filtering::EndpointIndependent => forward.push(format!("{inbound} accept")),
        Filtering::AddressDependent => {
            let (of, learnt, asked) = match spec.scope {
                Scope::Mapping => (
                    "ipv4_addr . inet_service . ipv4_addr",
                    "ip saddr . udp sport . ip daddr",
                    "ip daddr . udp dport . ip saddr",
                ),
                Scope::Endpoint => ("ipv4_addr", "ip daddr", "ip saddr"),
            };
            let (head, lines) = table_of("set", "allowed", of, spec);
            text.block(&head, &lines);
            forward.insert(
                1,
                format!("iifname \"{LAN}\" meta l4proto udp update @allowed {{ {learnt} }}"),
            );
            forward.push(format!("{inbound} meta l4proto udp {asked} @allowed accept"));
        }
        // conntrack alone: what was not sent to is new
        Filtering::AddressAndPortDependent => {}
    }
    forward.push(outbound());
    forward.push(unasked());
    text.block("chain forward", &forward);
    if !spec.has(Bug::EarlyPacket) {
        input(text);
    }
}

/// A plain masquerade whose WAN side accepts: endpoint-independent only as long as nobody else
/// wants the port, and open to early-packet poisoning.
fn masquerade(text: &mut Text, wiring: &Wiring) {
    let (net, length) = wiring.lan;
    text.block(
        "chain postrouting",
        &[
            "type nat hook postrouting priority srcnat; policy accept;".into(),
            format!("ip saddr {net}/{length} oifname \"{WAN}\" masquerade"),
        ],
    );
    let mut forward = forward_head();
    forward.push(outbound());
    forward.push(unasked());
    text.block("chain forward", &forward);
    text.block(
        "chain input",
        &[
            "type filter hook input priority filter; policy accept;".into(),
            format!("iifname \"{WAN}\" ct state new {}", Reason::Taken.write_down()),
        ],
    );
}

fn nat(text: &mut Text, spec: &NatSpec, wiring: &Wiring) {
    tables(text, spec);
    prerouting(text, spec, wiring);
    postrouting(text, spec, wiring);
    learn(text, spec, wiring);
    let mut forward = forward_head();
    forward.push(outbound());
    // translated back, so there is a mapping; the filter is tested behind translation
    forward.push(format!("iifname \"{WAN}\" oifname \"{LAN}\" ct status dnat accept"));
    if spec.hairpin {
        forward.push(format!("iifname \"{LAN}\" oifname \"{LAN}\" ct status dnat accept"));
    }
    text.block("chain forward", &forward);
    input(text);
}

fn tables(text: &mut Text, spec: &NatSpec) {
    let mut put = |kind: &str, name: &str, of: &str| {
        let (head, lines) = table_of(kind, name, of, spec);
        text.block(&head, &lines);
    };
    put("map", "inside", "inet_service : ipv4_addr . inet_service");
    match spec.mapping {
        Mapping::EndpointIndependent => {
            put("map", "outside", "ipv4_addr . inet_service : inet_service");
        }
        Mapping::AddressDependent => {
            put("map", "outside", "ipv4_addr . inet_service . ipv4_addr : inet_service");
        }
        Mapping::AddressAndPortDependent => {}
    }
    if spec.allocation == Allocation::Preserving {
        put("set", "taken", "inet_service");
    }
    if let Some(of) = permission(spec, "inet_service", "ipv4_addr", "inet_service") {
        put("set", "allowed", &of);
    }
}

/// The key of a permission: the mapping (its external port) unless all mappings share, the peer's
/// address, and its port where that matters. A set shared by the whole router lets a peer of one
/// inside host reach another.
fn permission(spec: &NatSpec, mapping: &str, address: &str, port: &str) -> Option<String> {
    let peer = match spec.filtering {
        Filtering::EndpointIndependent => return None,
        Filtering::AddressDependent => address.to_owned(),
        Filtering::AddressAndPortDependent => format!("{address} . {port}"),
    };
    Some(match spec.scope {
        Scope::Mapping => format!("{mapping} . {peer}"),
        Scope::Endpoint => peer,
    })
}

fn prerouting(text: &mut Text, spec: &NatSpec, wiring: &Wiring) {
    let wan = wiring.wan;
    let back = format!("ip daddr {wan} meta l4proto udp dnat to udp dport map @inside");
    let mut lines = vec![
        "type nat hook prerouting priority dstnat; policy accept;".into(),
        format!("iifname \"{WAN}\" {back}"),
    ];
    if spec.hairpin {
        lines.push(format!("iifname \"{LAN}\" {back}"));
    }
    text.block("chain prerouting", &lines);
}

fn postrouting(text: &mut Text, spec: &NatSpec, wiring: &Wiring) {
    let (net, length) = wiring.lan;
    let wan = wiring.wan;
    // one-port translation skips the kernel's search for a free tuple, which is what a map wants
    let mut translate = Vec::new();
    match spec.mapping {
        Mapping::EndpointIndependent => translate.push(format!(
            "meta l4proto udp snat to {wan} : ip saddr . udp sport map @outside"
        )),
        // the destination as the sender wrote it: a hairpinned packet's is translated by now
        Mapping::AddressDependent => translate.push(format!(
            "meta l4proto udp snat to {wan} : ip saddr . udp sport . ct original ip daddr map @outside"
        )),
        Mapping::AddressAndPortDependent => {}
    }
    match spec.allocation {
        Allocation::Preserving => {
            translate.push(format!("udp sport @taken snat to {wan} fully-random"));
        }
        Allocation::Random => {
            translate.push(format!("meta l4proto udp snat to {wan} fully-random"));
        }
        Allocation::Sequential => translate.push(format!(
            "meta l4proto udp snat to {wan} : numgen inc mod {SEQUENTIAL_PORTS} map {{ {} }}",
            // a map: the bare number would be byte-swapped on its way into the port
            (0..SEQUENTIAL_PORTS)
                .map(|n| format!("{n} : {}", FIRST_SEQUENTIAL_PORT + n))
                .collect::<Vec<_>>()
                .join(", ")
        )),
    }
    translate.push(format!("snat to {wan}"));
    text.block("chain translate", &translate);
    let mut lines = vec![
        "type nat hook postrouting priority srcnat; policy accept;".into(),
        format!("ip saddr {net}/{length} oifname \"{WAN}\" goto translate"),
    ];
    if spec.hairpin {
        // by address: the inbound interface does not match hairpinned packets here
        lines.push(format!("ip saddr {net}/{length} ct status dnat goto translate"));
    }
    text.block("chain postrouting", &lines);
}

/// The second stage: the packet is translated, and looks as it does outside.
fn learn(text: &mut Text, spec: &NatSpec, wiring: &Wiring) {
    let (net, length) = wiring.lan;
    let mut updates = vec![(
        "inside",
        "udp sport",
        Some("ct original ip saddr . ct original proto-src".to_owned()),
    )];
    match spec.mapping {
        Mapping::EndpointIndependent => updates.push((
            "outside",
            "ct original ip saddr . ct original proto-src",
            Some("udp sport".into()),
        )),
        Mapping::AddressDependent => updates.push((
            "outside",
            "ct original ip saddr . ct original proto-src . ct original ip daddr",
            Some("udp sport".into()),
        )),
        Mapping::AddressAndPortDependent => {}
    }
    if spec.allocation == Allocation::Preserving {
        updates.push(("taken", "udp sport", None));
    }
    let learnt = permission(spec, "udp sport", "ct original ip daddr", "ct original proto-dst");
    if let Some(key) = &learnt {
        updates.push(("allowed", key, None));
    }
    let update = |seconds: u32| -> Vec<String> {
        updates
            .iter()
            .map(|(name, key, value)| {
                let value = value.as_ref().map_or(String::new(), |v| format!(" : {v}"));
                // the protocol again, or nft does not know how long a conntrack port is
                format!("meta l4proto udp update @{name} {{ {key} timeout {seconds}s{value} }}")
            })
            .collect()
    };
    text.block("chain remember_short", &update(spec.timeouts.udp));
    text.block("chain remember_long", &update(spec.timeouts.udp_stream));
    let mut lines = vec![
        "type filter hook postrouting priority srcnat + 10; policy accept;".into(),
        "meta l4proto != udp accept".into(),
    ];
    // jumps, before the filter: what is sent opens the way back even when the other side's filter
    // stops it
    let sent = format!("ct direction original ct original ip saddr {net}/{length}");
    lines.push(format!("{sent} ct status assured jump remember_long"));
    lines.push(format!("{sent} ct status ! assured jump remember_short"));
    if let Some(key) = permission(spec, "ct original proto-dst", "ip saddr", "udp sport") {
        lines.push(format!(
            "oifname \"{LAN}\" ct direction original ct state new ct status dnat meta l4proto udp \
             {key} != @allowed {}",
            Reason::Filter.refuse()
        ));
    }
    // the kernel may rewrite a peer's source port to make an inbound flow unique, which would connect
    // what no real NAT connects
    lines.push(format!(
        "oifname \"{LAN}\" ct direction original ct original ip saddr != {net}/{length} \
         ct status snat {}",
        Reason::SecondSession.refuse()
    ));
    text.block("chain learn", &lines);
}

#[cfg(test)]
mod tests;
