//! What data passed through the lab's internet, by flow: directly between two NATs, or by the relay.
//! The rules that count, the one that cuts the relay, and how to read them. Pure.
//!
//! Data is what is not STUN: the first byte of a STUN message is 0 to 3 (RFC 8489 section 5). Checks
//! on pairs that were not selected are so left out.

use super::nft_json;
use super::plan::SERVER;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// The set of flows between NATs.
pub const DIRECT: &str = "direct";
/// The set of flows from and to the relay's own ports.
pub const RELAYED: &str = "relayed";

/// The rules of the internet namespace that count. `ports` are those of the STUN and TURN server,
/// where clients talk to it; every other port of its address is a relayed one.
#[must_use]
pub fn counting(ports: &[u16]) -> String {
    let ports = ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    let flow = "ip saddr . udp sport . ip daddr . udp dport";
    let mut text = String::from("table ip natscope {\n");
    for set in [DIRECT, RELAYED] {
        let _ = writeln!(
            text,
            "\tset {set} {{\n\t\ttype ipv4_addr . inet_service . ipv4_addr . inet_service\n\
             \t\tflags dynamic\n\t\tsize 65535\n\t}}"
        );
    }
    for (hook, matches, set) in [
        ("forward", String::new(), DIRECT),
        ("input", format!("ip daddr {SERVER} udp dport != {{ {ports} }} "), RELAYED),
        ("output", format!("ip saddr {SERVER} udp sport != {{ {ports} }} "), RELAYED),
    ] {
        let _ = writeln!(
            text,
            "\tchain {hook} {{\n\t\ttype filter hook {hook} priority filter; policy accept;\n\
             \t\t{matches}meta l4proto udp @th,64,8 > 3 update @{set} {{ {flow} counter }}\n\t}}"
        );
    }
    text + "}\n"
}

/// The rules that cut the relay: whatever comes from its host or goes there is dropped, STUN too.
#[must_use]
pub fn cut() -> String {
    format!(
        "table ip natscope {{\n\tchain cut_in {{\n\
         \t\ttype filter hook input priority filter - 10; policy accept;\n\
         \t\tip daddr {SERVER} drop\n\t}}\n\tchain cut_out {{\n\
         \t\ttype filter hook output priority filter - 10; policy accept;\n\
         \t\tip saddr {SERVER} drop\n\t}}\n}}\n"
    )
}

/// Packets by flow: sender and addressee, as they stood in the internet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flows(BTreeMap<(SocketAddrV4, SocketAddrV4), u64>);

impl Flows {
    /// Reads what `nft -j list set` prints; what it does not understand is left out.
    #[must_use]
    pub fn read(json: &str) -> Self {
        let flow = |element: nft_json::Element| {
            let [from, from_port, to, to_port] = element.key.as_slice() else { return None };
            let end = |host: &serde_json::Value, port: &serde_json::Value| {
                let host: Ipv4Addr = host.as_str()?.parse().ok()?;
                Some(SocketAddrV4::new(host, u16::try_from(port.as_u64()?).ok()?))
            };
            Some(((end(from, from_port)?, end(to, to_port)?), element.packets))
        };
        Self(nft_json::elements(json).into_iter().filter_map(flow).collect())
    }

    /// The packets since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let new = |(flow, packets): (&(SocketAddrV4, SocketAddrV4), &u64)| {
            let old = before.0.get(flow).copied().unwrap_or(0);
            (packets > &old).then(|| (*flow, packets - old))
        };
        Self(self.0.iter().filter_map(new).collect())
    }

    /// Packets between these two endpoints, either way.
    #[must_use]
    pub fn between(&self, one: SocketAddr, two: SocketAddr) -> u64 {
        self.count(|from, to| (from == one && to == two) || (from == two && to == one))
    }

    /// Packets from and to this endpoint.
    #[must_use]
    pub fn of(&self, endpoint: SocketAddr) -> u64 {
        self.count(|from, to| from == endpoint || to == endpoint)
    }

    /// Packets from and to any port of this host.
    #[must_use]
    pub fn of_host(&self, host: Ipv4Addr) -> u64 {
        self.count(|from, to| from.ip() == host || to.ip() == host)
    }

    fn count(&self, which: impl Fn(SocketAddr, SocketAddr) -> bool) -> u64 {
        self.0
            .iter()
            .filter(|((from, to), _)| which((*from).into(), (*to).into()))
            .map(|(_, packets)| packets)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(first: u64) -> Flows {
        Flows::read(&format!(
            r#"{{"nftables":[{{"set":{{"elem":[
            {{"elem":{{"val":{{"concat":["192.0.2.1",5,"192.0.2.2",6]}},"counter":{{"packets":{first}}}}}}},
            {{"elem":{{"val":{{"concat":["192.0.2.2",6,"192.0.2.1",5]}},"counter":{{"packets":2}}}}}},
            {{"elem":{{"val":{{"concat":["192.0.2.2",7,"203.0.113.1",9]}},"counter":{{"packets":4}}}}}}
            ]}}}}]}}"#
        ))
    }

    #[test]
    fn packets_are_counted_by_flow_host_and_time() {
        let at = |text: &str| text.parse().unwrap();
        let flows = read(3);
        assert_eq!(flows.between(at("192.0.2.2:6"), at("192.0.2.1:5")), 5);
        assert_eq!(flows.of(at("203.0.113.1:9")), 4);
        assert_eq!(flows.of_host(Ipv4Addr::new(192, 0, 2, 2)), 9);
        let later = read(10).since(&flows);
        assert_eq!(later.of_host(Ipv4Addr::new(192, 0, 2, 2)), 7);
        assert_eq!(later.of(at("203.0.113.1:9")), 0);
        assert_eq!(Flows::read("nonsense"), Flows::default());
    }

    #[test]
    fn the_rules() {
        insta::assert_snapshot!(counting(&[3478, 3479]) + &cut());
    }
}
