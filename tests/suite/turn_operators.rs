//! `natscope probe --turn` against coturn as operators misconfigure it: the words and the exit code.
//!
//! Each test runs in a network namespace of its own, so that addresses are those of the internet.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods)] // coturn's ports are found by sockets

use crate::support::certificate;
use crate::support::coturn;
use crate::support::faulty_turn as faulty;
use crate::support::netns;
use crate::support::{natscope, parse, stderr, stdout};
use coturn::Coturn;
use faulty::Fault;
use serde_json::Value;
use std::process::Command;

const SERVER: &str = "192.0.2.1";
const PRIVATE: &str = "10.20.0.1";
const CLIENT: &str = "192.0.2.9";
const SIX: &str = "2001:db8::1";
const ACCOUNT: [&str; 4] = ["--lt-cred-mech", "--user=alice:wonder", "-r", "example.org"];

fn coturn_is_here() -> Result<(), String> {
    coturn::version().map(drop).ok_or_else(|| "coturn's turnserver is not installed".to_owned())
}

fn in_namespace(test: &str, body: impl FnOnce()) {
    let test = format!("{}::{test}", module_path!());
    netns::in_namespace_with(&test, coturn_is_here, &[SERVER, PRIVATE, CLIENT, SIX], body);
}

/// What a run came to.
struct Ran {
    code: Option<i32>,
    /// On stdout, its lines joined.
    text: String,
    stderr: String,
}

impl Ran {
    fn says(&self, what: &str) -> &Self {
        assert!(self.text.contains(what), "`{what}` is not in:\n{}\n{}", self.text, self.stderr);
        self
    }

    fn complains(&self, what: &str) -> &Self {
        assert!(self.stderr.contains(what), "`{what}` is not in:\n{}", self.stderr);
        self
    }

    fn ends(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.text, self.stderr);
        self
    }
}

fn run(args: &[&str]) -> Ran {
    let output = natscope().args(["probe", "--budget", "5s"]).args(args).output().unwrap();
    let text = stdout(&output).split_whitespace().collect::<Vec<_>>().join(" ");
    Ran { code: output.status.code(), text, stderr: stderr(&output) }
}

const ALICE: [&str; 4] = ["--user", "alice", "--password", "wonder"];

/// A run of alice by this server, with a STUN server that answers.
fn alice(turn: &str, more: &[&str]) -> Ran {
    run(&[&["--server", "stun:192.0.2.1", "--turn", turn], &ALICE[..], more].concat())
}

fn json(turn: &str, more: &[&str]) -> Value {
    let args = [&["--server", "stun:192.0.2.1", "--turn", turn, "--format", "json"], more].concat();
    let output = natscope().args(["probe", "--budget", "5s"]).args(args).output().unwrap();
    parse(&stdout(&output))["turn"][0].clone()
}

#[test]
fn the_three_misconfigured_servers_come_out_right() {
    in_namespace("the_three_misconfigured_servers_come_out_right", || {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/turn/misconfigured.sh");
        let program = assert_cmd::cargo::cargo_bin!("natscope");
        // it brings its own address up: in a namespace inside this one
        let mut command = Command::new("unshare");
        command.args(["-n", "bash", script]).arg(program);
        let output = command.env("XDG_CONFIG_HOME", "/nonexistent").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let parts: Vec<String> = said
            .split("=== ")
            .map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        let [_, open, nowhere, forbidden] = parts.as_slice() else { panic!("{said}") };
        for (part, wanted) in [
            (
                open,
                &[
                    "relays from 192.0.2.1:",
                    "a packet came through",
                    "warning: it lets anybody in",
                    "an open relay",
                    "exit 0",
                ][..],
            ),
            (
                nowhere,
                &[
                    "external-ip of the server is wrong",
                    "0.0.0.0",
                    "nobody can send there",
                    "what to do: tell the server its public address",
                    "natscope: TURN fails by turn:192.0.2.1",
                ],
            ),
            (
                forbidden,
                &[
                    "403",
                    "no permission for the peer 192.0.2.1",
                    "192.0.2.0/24",
                    "denied-peer-ip",
                    "allowed-peer-ip=192.0.2.1",
                    "natscope: TURN fails by turn:192.0.2.1",
                    "exit 0",
                ],
            ),
        ] {
            for what in wanted {
                assert!(part.contains(what), "`{what}` is not in: {part}");
            }
        }
    });
}

#[test]
fn an_open_relay_is_used_without_a_user_and_warned_of() {
    in_namespace("an_open_relay_is_used_without_a_user_and_warned_of", || {
        let _coturn = Coturn::on(&[SERVER], &["--no-auth", "-r", "example.org"], None);
        for turn in ["turn:192.0.2.1", "turn:192.0.2.1?transport=TCP", "192.0.2.1:3478"] {
            let args = ["--server", "stun:192.0.2.1", "--turn", turn, "--expect", "turn=works"];
            run(&args).ends(0).says("relays from 192.0.2.1:").says("an open relay");
        }
        let turn = json("turn:192.0.2.1", &[]);
        assert_eq!(turn["verdict"], "works", "{turn:#}");
        assert!(turn["warnings"][0].as_str().unwrap().contains("open relay"), "{turn:#}");
        assert!(turn["because"].is_null() && turn["through_ms"].is_f64(), "{turn:#}");
    });
}

#[test]
fn a_wrong_external_ip_is_told_before_anything_is_sent() {
    in_namespace("a_wrong_external_ip_is_told_before_anything_is_sent", || {
        for (external, range) in [
            ("10.1.2.3", "10.0.0.0/8 (private, RFC 1918)"),
            ("172.17.0.2", "172.16.0.0/12"),
            ("127.0.0.1", "127.0.0.0/8 (loopback)"),
            ("100.64.0.7", "100.64.0.0/10"),
        ] {
            let external = format!("--external-ip={external}");
            let options = [&ACCOUNT[..], &[external.as_str()]].concat();
            let _coturn = Coturn::on(&[SERVER], &options, None);
            alice("turn:192.0.2.1", &["--expect", "turn=works"])
                .ends(4)
                .says("external-ip of the server is wrong")
                .says(range)
                .says("the server was reached at 192.0.2.1")
                .complains("expected turn=works");
            let turn = json("turn:192.0.2.1", &ALICE);
            assert_eq!(turn["failure"]["failure"], "relayed-address", "{turn:#}");
            assert_eq!(turn["verdict"], "fails", "{turn:#}");
            assert!(turn["relayed"].is_string(), "{turn:#}");
        }
    });
}

#[test]
fn a_relay_of_a_private_network_is_said_to_work_only_there() {
    in_namespace("a_relay_of_a_private_network_is_said_to_work_only_there", || {
        let _coturn = Coturn::on(&[PRIVATE], &ACCOUNT, None);
        let args = ["--server", "stun:10.20.0.1", "--turn", "turn:10.20.0.1"];
        run(&[&args[..], &ALICE, &["--expect", "turn=udp"]].concat())
            .ends(0)
            .says("a packet came through")
            .says("warning: its relayed address lies in 10.0.0.0/8")
            .says("only peers in there can send to it");
    });
}

#[test]
fn a_private_peer_that_is_refused_says_nothing_of_the_internet() {
    in_namespace("a_private_peer_that_is_refused_says_nothing_of_the_internet", || {
        let options = [&ACCOUNT[..], &["--denied-peer-ip=10.0.0.0-10.255.255.255"]].concat();
        let _coturn = Coturn::on(&[PRIVATE], &options, None);
        let args = ["--server", "stun:10.20.0.1", "--turn", "turn:10.20.0.1"];
        let args = [&args[..], &ALICE].concat();
        run(&[&args[..], &["--expect", "turn=works"]].concat())
            .ends(3)
            .says("403")
            .says("10.20.0.1 (this machine, which lies in 10.0.0.0/8")
            .says("try from outside");
    });
}

#[test]
fn closed_relay_ports_are_told_from_rejected_ones_and_from_an_old_address() {
    let test = "closed_relay_ports_are_told_from_rejected_ones_and_from_an_old_address";
    in_namespace(test, || {
        let ports = ["--min-port=62000", "--max-port=62100"];
        for (action, said) in
            [("drop", "no packet sent to 192.0.2.1:62"), ("reject", "refused: port unreachable")]
        {
            nft("add table inet closed\ndelete table inet closed\nadd table inet closed");
            nft("add chain inet closed input { type filter hook input priority 0; }");
            nft(&format!("add rule inet closed input udp dport 62000-62100 {action}"));
            let _coturn = Coturn::on(&[SERVER], &[&ACCOUNT[..], &ports].concat(), None);
            alice("turn:192.0.2.1", &["--expect", "turn=udp"])
                .ends(4)
                .says(said)
                .says("open the server's relay ports");
        }
        nft("delete table inet closed");
        // a network of before, where nobody is any more
        netns::ip(&["route", "add", "198.51.100.0/24", "dev", "lo"]);
        let options = [&ACCOUNT[..], &["--external-ip=198.51.100.77"]].concat();
        let _coturn = Coturn::on(&[SERVER], &options, None);
        alice("turn:192.0.2.1", &["--expect", "turn=works"])
            .ends(4)
            .says("no packet sent to 198.51.100.77")
            .says("it was reached at 192.0.2.1 and relays from 198.51.100.77");
    });
}

fn nft(rules: &str) {
    use std::io::Write as _;
    let mut command = Command::new("nft");
    let rules = format!("{rules}\n");
    let mut child = command.args(["-f", "-"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(rules.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{rules}");
}

#[test]
fn a_401_looks_at_the_time_in_the_user_name() {
    in_namespace("a_401_looks_at_the_time_in_the_user_name", || {
        let options = ["--use-auth-secret", "--static-auth-secret=north", "-r", "example.org"];
        let _coturn = Coturn::on(&[SERVER], &options, None);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let now = now.as_secs();
        let who = |user: String, secret: &str| {
            let password = natscope::turn::relay::time_limited_password(secret.as_bytes(), &user);
            let args = ["--server", "stun:192.0.2.1", "--turn", "turn:192.0.2.1", "--user"];
            let rest = [user.as_str(), "--password", &password, "--expect", "turn=works"];
            run(&[&args[..], &rest].concat())
        };
        who(format!("{}:bob", now + 3600), "north").ends(0).says("a packet came through");
        who(format!("{}:bob", now - 7300), "north")
            .ends(4)
            .says("401")
            .says("the credentials have expired")
            .says("2 hours ago by this machine's clock");
        who(format!("{}:bob", now + 3600), "south")
            .ends(4)
            .says("made with another secret")
            .says("static-auth-secret");
        who(format!("{}:bob", (now + 3600) * 1000), "south").ends(4).says("is in milliseconds");
        who(format!("{}:bob", now + 90_000_000), "south").ends(4).says("far in the future");
        who("3600:bob".to_owned(), "north").ends(4).says("perhaps a lifetime");
        who("@bob:example.org".to_owned(), "north").ends(4).says("no expiry");
        who("bob".to_owned(), "north").ends(4).says("use-auth-secret").says("EXPIRY:NAME");
    });
}

#[test]
fn our_own_allocations_do_not_use_the_quota_up() {
    in_namespace("our_own_allocations_do_not_use_the_quota_up", || {
        let _coturn = Coturn::on(&[SERVER], &[&ACCOUNT[..], &["--user-quota=1"]].concat(), None);
        let more = ["--turn", "turn:192.0.2.1?transport=tcp", "--expect", "turn=tcp"];
        alice("turn:192.0.2.1", &more).ends(0);
        alice("turn:192.0.2.1", &[&more[..3], &["turn=udp"]].concat()).ends(0);
    });
}

#[test]
fn what_is_switched_off_in_coturn_is_named() {
    in_namespace("what_is_switched_off_in_coturn_is_named", || {
        for (option, turn, said) in [
            ("--no-udp-relay", "turn:192.0.2.1", "no-udp-relay): switch it on"),
            ("--no-udp", "turn:192.0.2.1", "nobody listens there"),
            ("--no-tcp", "turn:192.0.2.1?transport=tcp", "nobody listens there"),
            ("--total-quota=0", "turn:192.0.2.1", "a packet came through"),
            ("--secure-stun", "turn:192.0.2.1", "a packet came through"),
        ] {
            let _coturn = Coturn::on(&[SERVER], &[&ACCOUNT[..], &[option]].concat(), None);
            let ran = alice(turn, &["--expect", "turn=works"]);
            ran.ends(if said.contains("came through") { 0 } else { 4 }).says(said);
        }
    });
}

#[test]
fn over_ipv6_a_server_is_also_asked_as_browsers_ask() {
    in_namespace("over_ipv6_a_server_is_also_asked_as_browsers_ask", || {
        // it relays from IPv4 only: asked for an IPv6 address it refuses
        let options = [&ACCOUNT[..], &["--relay-ip=192.0.2.1"]].concat();
        {
            let _coturn = Coturn::on(&[SIX, SERVER], &options, None);
            alice("turn:[2001:db8::1]", &["--expect", "turn=works"])
                .ends(0)
                .says("relays from 192.0.2.1:")
                .says("asked for an IPv6 address it gives none (440");
        }
        // it relays from IPv6 only: browsers get nothing
        let options = [&ACCOUNT[..], &["--relay-ip=2001:db8::1"]].concat();
        let _coturn = Coturn::on(&[SIX, SERVER], &options, None);
        alice("turn:[2001:db8::1]", &["--expect", "turn=works"])
            .ends(0)
            .says("relays from [2001:db8::1]:")
            .says("as browsers ask over IPv6");
    });
}

#[test]
fn a_server_that_knows_no_requested_address_family_is_asked_without() {
    in_namespace("a_server_that_knows_no_requested_address_family_is_asked_without", || {
        let _coturn = Coturn::on(&[SERVER], &ACCOUNT, None);
        for code in [400, 420, 440, 508] {
            let more = ["--user", "lab", "--password", "lab"];
            let turn = faulty::live(SIX, Fault::FamilyCode(code), |address| {
                json(&format!("turn:{address}"), &more)
            });
            assert_eq!(turn["relayed"], faulty::RELAYED, "{code}: {turn:#}");
            let warned = turn["warnings"].to_string();
            assert!(warned.contains(&format!("({code}")), "{code}: {turn:#}");
        }
    });
}

#[test]
fn where_only_tcp_443_passes_a_relay_over_tls_is_the_answer() {
    let test = "where_only_tcp_443_passes_a_relay_over_tls_is_the_answer";
    in_namespace(test, || {
        let made = certificate::make(&[SERVER]);
        let options = [&ACCOUNT[..], &["--tls-listening-port=443"]].concat();
        let _coturn = Coturn::on(&[SERVER], &options, Some((&made.cert, &made.key)));
        nft("add table inet walled");
        nft("add chain inet walled input { type filter hook input priority 0; }");
        nft("add rule inet walled input ip saddr 192.0.2.9 tcp dport 443 accept");
        nft("add rule inet walled input ip saddr 192.0.2.9 drop");
        let ca = made.ca.to_str().unwrap();
        let common = ["--bind", CLIENT, "--ca", ca, "--turn", "turns:192.0.2.1:443"];
        alice("turn:192.0.2.1", &common)
            .ends(0)
            .says("TURN over TLS connects you; nothing direct will")
            .says("a packet came through from a second allocation")
            .complains("TURN fails by turn:192.0.2.1 ");
        alice("turn:192.0.2.1", &[&common[..], &["--expect", "turn=tls"]].concat()).ends(0);
        alice("turn:192.0.2.1", &[&common[..], &["--expect", "turn=udp"]].concat()).ends(4);
    });
}
