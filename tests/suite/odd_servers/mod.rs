//! `natscope probe` on loopback, where nothing is translated, against servers as they are found in
//! the field: misdeployed, refusing, damaged, answering from elsewhere. Each is named for what it
//! is, and no fact is false.

mod field;
mod server;

use serde_json::Value;
use server::{
    Behaviour, MAPPED, SUCCESS, XOR_MAPPED, at, attribute, error, frame, message, plain, seen_as,
    serve, xored,
};
use std::net::SocketAddr;
use std::process::Command;

struct Probed {
    code: Option<i32>,
    report: Value,
    text: String,
}

fn probe(servers: &[&str]) -> Probed {
    let run = |format: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_natscope"));
        command.args(["probe", "-4", "--format", format]);
        for server in servers {
            command.args(["--server", server]);
        }
        command.output().expect("natscope runs")
    };
    let output = run("json");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {said}"));
    let text = String::from_utf8(run("text").stdout).expect("text");
    Probed { code: output.status.code(), report, text }
}

impl Probed {
    fn known(&self, axis: &str) -> Option<&Value> {
        let fact = &self.report["paths"][0][axis];
        (fact["status"] == "known").then(|| &fact["value"])
    }

    /// Nothing is translated or filtered on loopback.
    fn assert_true(&self, what: &str) {
        for (axis, truth) in [
            ("nat", Value::Bool(false)),
            ("mapping", "endpoint-independent".into()),
            ("filtering", "endpoint-independent".into()),
            ("classic", "open-internet".into()),
            ("port_preservation", Value::Bool(true)),
            ("early_packet_poisoning", Value::Bool(false)),
            ("mapped_address_rewriting", Value::Bool(false)),
            ("allocation", Value::Null),
        ] {
            if let Some(said) = self.known(axis) {
                assert_eq!(said, &truth, "{what}: {axis}: {}", self.text);
            }
        }
    }

    fn finding(&self, server: usize, id: &str) -> String {
        let findings = self.report["servers"][server]["findings"].as_array().expect("findings");
        let found = findings.iter().find(|finding| finding["id"] == id);
        let found = found.unwrap_or_else(|| panic!("no {id}: {findings:#?}"));
        found["text"].as_str().expect("text").to_owned()
    }

    fn standing(&self, server: usize) -> &str {
        self.report["servers"][server]["standing"].as_str().expect("a standing")
    }
}

/// Each of these servers, alone: its standing, the finding that names it, and no false fact.
fn each(cases: &[(&str, &str, &str, Behaviour)]) {
    std::thread::scope(|scope| {
        for &(what, standing, id, behaviour) in cases {
            scope.spawn(move || {
                let probed = probe(&[&serve(behaviour)]);
                probed.assert_true(what);
                assert_eq!(probed.standing(0), standing, "{what}: {}", probed.text);
                if !id.is_empty() {
                    probed.finding(0, id);
                }
                assert!(!probed.text.contains("did not answer"), "{what}: {}", probed.text);
                if standing == "answers" {
                    assert_eq!(probed.known("nat"), Some(&Value::Bool(false)), "{what}");
                    assert_eq!(probed.code, Some(0), "{what}");
                } else {
                    assert_eq!(probed.known("nat"), None, "{what}");
                    assert_eq!(probed.code, Some(3), "{what}");
                    assert_eq!(probed.report["paths"][0]["mapped"], Value::Null, "{what}");
                }
            });
        }
    });
}

#[test]
fn mapped_addresses_that_cannot_be() {
    each(&[
        ("0.0.0.0", "unusable", "impossible-mapped-address", |r, from| {
            seen_as(r, at("0.0.0.0", from.port()))
        }),
        ("broadcast", "unusable", "impossible-mapped-address", |r, from| {
            seen_as(r, at("255.255.255.255", from.port()))
        }),
        ("multicast", "unusable", "impossible-mapped-address", |r, from| {
            seen_as(r, at("224.0.0.251", from.port()))
        }),
        ("port 0", "unusable", "impossible-mapped-address", |r, from| {
            seen_as(r, SocketAddr::new(from.ip(), 0))
        }),
        ("an IPv6 address", "unusable", "proxy-before-server", |r, from| {
            seen_as(r, at("2001:db8::9", from.port()))
        }),
        ("a container's bridge", "unusable", "proxy-before-server", |r, from| {
            seen_as(r, at("172.17.0.1", from.port() ^ 0x155))
        }),
        ("a cluster's node, mapped", "unusable", "proxy-before-server", |r, from| {
            seen_as(r, at("::ffff:10.244.0.1", from.port()))
        }),
        ("a carrier's address", "unusable", "proxy-before-server", |r, from| {
            seen_as(r, at("100.64.1.1", from.port()))
        }),
        ("a forwarder on this host", "unusable", "proxy-before-server", |r, from| {
            seen_as(r, SocketAddr::new(from.ip(), from.port() ^ 0x155))
        }),
        ("one endpoint for all", "unusable", "one-address-for-all", |r, _| {
            seen_as(r, at("192.0.2.1", 7777))
        }),
        ("the XOR forgotten", "unusable", "mangled-mapped-address", |r, from| {
            vec![(message(r, SUCCESS, &[(XOR_MAPPED, plain(from))]), false)]
        }),
        ("the XOR forgotten in one of two", "unusable", "mangled-mapped-address", |r, from| {
            let both = [(MAPPED, plain(from)), (XOR_MAPPED, plain(from))];
            vec![(message(r, SUCCESS, &both), false)]
        }),
        ("a port in the wrong byte order", "unusable", "mangled-mapped-address", |r, from| {
            // a palindrome is right either way
            let port = from.port();
            let port = if port == port.swap_bytes() { port ^ 0x2112 } else { port.swap_bytes() };
            seen_as(r, SocketAddr::new(from.ip(), port))
        }),
    ]);
}

#[test]
fn mapped_addresses_in_old_clothes() {
    each(&[
        ("only MAPPED-ADDRESS", "answers", "", |r, from| {
            vec![(message(r, SUCCESS, &[(MAPPED, plain(from))]), false)]
        }),
        ("XOR-MAPPED-ADDRESS at 0x8020", "answers", "", |r, from| {
            let both = [(MAPPED, plain(from)), (0x8020, xored(from, r))];
            vec![(message(r, SUCCESS, &both), false)]
        }),
        ("IPv4-mapped in both attributes", "answers", "", |r, from| {
            let from = at(&format!("::ffff:{}", from.ip()), from.port());
            let both = [(MAPPED, plain(from)), (XOR_MAPPED, xored(from, r))];
            vec![(message(r, SUCCESS, &both), false)]
        }),
        ("no magic cookie, RFC 3489", "answers", "malformed-attribute", |r, from| {
            let mut answer = message(r, SUCCESS, &[(MAPPED, plain(from))]);
            answer.splice(4..8, [0; 4]);
            vec![(answer, false)]
        }),
        ("another cookie, and XOR all the same", "odd-answer", "no-mapped-address", |r, from| {
            let mut answer = message(r, SUCCESS, &[(XOR_MAPPED, xored(from, r))]);
            answer.splice(4..8, [1, 2, 3, 4]);
            vec![(answer, false)]
        }),
        (
            "addresses of its own network in SOURCE and CHANGED",
            "answers",
            "origin-disagrees",
            |r, from| {
                let elsewhere = plain(at("192.168.7.7", 3479));
                let all = [(MAPPED, plain(from)), (4, elsewhere.clone()), (5, elsewhere)];
                vec![(message(r, SUCCESS, &all), false)]
            },
        ),
    ]);
}

#[test]
fn errors_each_by_its_name() {
    each(&[
        ("401", "wants-credentials", "wants-credentials", |r, _| {
            let realm = (0x14, b"example.org".to_vec());
            error(r, 401, b"Unauthorized", &[realm, (0x15, b"0123456789abcdef".to_vec())])
        }),
        ("401 without a realm", "wants-credentials", "wants-credentials", |r, _| {
            error(r, 401, b"", &[])
        }),
        ("438", "wants-credentials", "wants-credentials", |r, _| {
            error(r, 438, b"Stale Nonce", &[])
        }),
        ("400", "error", "refuses-request", |r, _| error(r, 400, b"Bad Request", &[])),
        ("403", "error", "forbidden", |r, _| error(r, 403, b"Forbidden IP", &[])),
        ("420", "error", "unknown-attribute", |r, _| error(r, 420, b"", &[(10, vec![0, 3])])),
        ("486", "error", "refuses-request", |r, _| error(r, 486, b"Quota", &[])),
        ("508", "error", "server-error", |r, _| error(r, 508, b"No Capacity", &[])),
        ("699", "error", "answers-with-error", |r, _| error(r, 699, b"?", &[])),
        ("300 to nowhere", "redirects", "redirects", |r, _| error(r, 300, b"Try Alternate", &[])),
        ("300 into a network", "redirects", "redirects", |r, _| {
            error(r, 300, b"Try Alternate", &[(0x8023, plain(at("0.0.0.0", 3478)))])
        }),
    ]);
}

#[test]
fn hostile_words_do_not_reach_the_terminal() {
    let probed = probe(&[&serve(|r, _| {
        error(r, 403, "go \u{1b}[31maway\u{202e}\n\n# now".as_bytes(), &[])
    })]);
    assert!(probed.finding(0, "forbidden").contains("go "));
    let harmful = |c: char| c == '\u{1b}' || c == '\u{202e}';
    assert!(!probed.text.contains(harmful), "{:?}", probed.text);
    assert!(!probed.text.contains("\n# now"), "{:?}", probed.text);
}

#[test]
fn a_server_that_is_in_trouble_once_is_asked_again() {
    use std::sync::atomic::{AtomicBool, Ordering};
    static TROUBLE: AtomicBool = AtomicBool::new(true);
    let probed = probe(&[&serve(|r, from| {
        if TROUBLE.swap(false, Ordering::Relaxed) {
            error(r, 500, b"Server Error", &[])
        } else {
            seen_as(r, from)
        }
    })]);
    probed.assert_true("500 once");
    assert_eq!(probed.standing(0), "answers");
}

#[test]
fn a_redirection_is_followed_and_attributed() {
    use std::sync::OnceLock;
    static GOOD: OnceLock<SocketAddr> = OnceLock::new();
    let good = serve(seen_as);
    let address = good.strip_prefix("stun:").expect("a URI").parse().expect("an address");
    GOOD.set(address).expect("set once");
    let probed = probe(&[&serve(|r, from| {
        let to = GOOD.get().copied().unwrap_or(from);
        error(r, 300, b"Try Alternate", &[(0x8023, plain(to))])
    })]);
    probed.assert_true("300");
    assert_eq!(probed.standing(0), "redirects");
    assert!(probed.finding(0, "redirects").contains(&address.to_string()));
    assert_eq!(probed.standing(1), "answers");
    assert_eq!(probed.report["servers"][1]["uri"], good.as_str());
    let sender = &probed.report["servers"][0]["address"];
    assert_eq!(&probed.report["servers"][1]["sent_by"], sender);
    assert_eq!(probed.known("nat"), Some(&Value::Bool(false)));
}

#[test]
fn damage_is_read_where_it_is_harmless() {
    each(&[
        ("a line end behind it", "answers", "malformed-attribute", |r, from| {
            let mut answers = seen_as(r, from);
            answers[0].0.extend(b"\r\n");
            answers
        }),
        ("a buffer sent whole", "answers", "malformed-attribute", |r, from| {
            let mut answers = seen_as(r, from);
            answers[0].0.resize(1500, 0);
            answers
        }),
        ("the header counted", "answers", "malformed-attribute", |r, from| {
            let body = attribute(XOR_MAPPED, &xored(from, r));
            vec![(frame(r, SUCCESS, body.len() + 20, &body), false)]
        }),
        ("no length", "answers", "malformed-attribute", |r, from| {
            let body = attribute(XOR_MAPPED, &xored(from, r));
            vec![(frame(r, SUCCESS, 0, &body), false)]
        }),
        ("no padding at the end", "answers", "malformed-attribute", |r, from| {
            let mut body = attribute(XOR_MAPPED, &xored(from, r));
            body.extend([0x80, 0x22, 0, 5]);
            body.extend(b"v1.13");
            vec![(frame(r, SUCCESS, body.len(), &body), false)]
        }),
        ("padding that is not counted", "answers", "malformed-attribute", |r, from| {
            let mut body = attribute(0x8022, b"v1.13");
            body.extend(attribute(XOR_MAPPED, &xored(from, r)));
            vec![(frame(r, SUCCESS, body.len() - 3, &body), false)]
        }),
        ("a broken attribute beside", "answers", "malformed-attribute", |r, from| {
            let odd = (0x802c, vec![0, 9, 1, 2, 3, 4, 5, 6]);
            vec![(message(r, SUCCESS, &[odd, (XOR_MAPPED, xored(from, r))]), false)]
        }),
        ("an address of three bytes", "odd-answer", "no-mapped-address", |r, _| {
            vec![(message(r, SUCCESS, &[(XOR_MAPPED, vec![0, 1, 2])]), false)]
        }),
        ("half a message", "malformed", "malformed-answer", |r, from| {
            let mut answers = seen_as(r, from);
            answers[0].0.truncate(27);
            answers
        }),
        ("nothing in a datagram", "malformed", "malformed-answer", |_, _| vec![(vec![], false)]),
        ("a web server", "malformed", "malformed-answer", |_, _| {
            vec![(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), false)]
        }),
    ]);
}

#[test]
fn answers_from_elsewhere_or_to_somebody_else() {
    each(&[
        ("from another port", "wrong-source", "wrong-source", |r, from| {
            seen_as(r, from).into_iter().map(|(bytes, _)| (bytes, true)).collect()
        }),
        ("another transaction id", "wrong-id", "wrong-id", |r, from| {
            let mut answers = seen_as(r, from);
            answers[0].0[12] ^= 0xff;
            answers
        }),
        ("an echo", "odd-answer", "odd-answer", |r, _| vec![(r.to_vec(), false)]),
        ("an indication", "odd-answer", "odd-answer", |r, from| {
            let mapped = [(XOR_MAPPED, xored(from, r))];
            vec![(message(r, 0x0011, &mapped), false)]
        }),
        ("an answer to Allocate", "odd-answer", "odd-answer", |r, from| {
            let mapped = [(XOR_MAPPED, xored(from, r))];
            vec![(message(r, 0x0103, &mapped), false)]
        }),
        ("from both, the right one second", "answers", "wrong-source", |r, from| {
            let answer = message(r, SUCCESS, &[(XOR_MAPPED, xored(from, r))]);
            let lie = message(r, SUCCESS, &[(XOR_MAPPED, xored(at("192.0.2.1", 9), r))]);
            vec![(lie, true), (answer, false)]
        }),
    ]);
}

#[test]
fn an_honest_server_beside_each_kind_is_believed() {
    let odd: [Behaviour; 4] = [
        |r, from| seen_as(r, at("10.0.0.9", from.port())),
        |r, _| error(r, 401, b"Unauthorized", &[]),
        |_, _| vec![(b"nonsense".to_vec(), false)],
        |r, from| seen_as(r, from).into_iter().map(|(bytes, _)| (bytes, true)).collect(),
    ];
    std::thread::scope(|scope| {
        for behaviour in odd {
            scope.spawn(move || {
                let probed = probe(&[&serve(behaviour), &serve(seen_as)]);
                probed.assert_true("beside");
                assert_eq!(probed.known("nat"), Some(&Value::Bool(false)));
                assert_eq!(probed.known("mapping"), Some(&"endpoint-independent".into()));
                assert_eq!(probed.standing(1), "answers");
                assert_ne!(probed.standing(0), "answers");
                assert_ne!(probed.standing(0), "silent");
            });
        }
    });
}
