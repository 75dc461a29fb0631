//! `natscope probe` on loopback, where nothing is translated, against servers as they are found in
//! the field: misdeployed, refusing, damaged, answering from elsewhere. Each is named for what it
//! is, and no fact is false.
#![allow(clippy::disallowed_types)] // there are servers in it

use serde_json::Value;
use std::io::Read;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What a server does with a request: the bytes that go back, and whether by another socket.
type Behaviour = fn(&[u8], SocketAddr) -> Vec<(Vec<u8>, bool)>;

const SUCCESS: u16 = 0x0101;
const ERROR: u16 = 0x0111;
const MAPPED: u16 = 0x0001;
const XOR_MAPPED: u16 = 0x0020;

/// Answers on a port of its own, until the test is over; gives the URI.
fn serve(behaviour: Behaviour) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    let other = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    let uri = format!("stun:{}", socket.local_addr().expect("known"));
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            for (bytes, elsewhere) in behaviour(&buffer[..length], from) {
                let by = if elsewhere { &other } else { &socket };
                let _refused = by.send_to(&bytes, from);
            }
        }
    });
    uri
}

/// A message to this request, its length as it should be.
fn message(request: &[u8], kind: u16, attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, value) in attributes {
        body.extend(attribute(*kind, value));
    }
    frame(request, kind, body.len(), &body)
}

fn frame(request: &[u8], kind: u16, length: usize, body: &[u8]) -> Vec<u8> {
    let mut bytes = kind.to_be_bytes().to_vec();
    bytes.extend(u16::try_from(length).expect("short").to_be_bytes());
    bytes.extend(&request[4..20]);
    bytes.extend(body);
    bytes
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = kind.to_be_bytes().to_vec();
    bytes.extend(u16::try_from(value.len()).expect("short").to_be_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn plain(address: SocketAddr) -> Vec<u8> {
    let mut value = vec![0, if address.is_ipv4() { 1 } else { 2 }];
    value.extend(address.port().to_be_bytes());
    match address {
        SocketAddr::V4(v4) => value.extend(v4.ip().octets()),
        SocketAddr::V6(v6) => value.extend(v6.ip().octets()),
    }
    value
}

fn xored(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut value = plain(address);
    let key = &request[4..20];
    value[2..4].iter_mut().zip(key).for_each(|(byte, k)| *byte ^= k);
    value[4..].iter_mut().zip(key).for_each(|(byte, k)| *byte ^= k);
    value
}

fn seen_as(request: &[u8], address: SocketAddr) -> Vec<(Vec<u8>, bool)> {
    let answer = message(request, SUCCESS, &[(XOR_MAPPED, xored(address, request))]);
    vec![(answer, false)]
}

fn at(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse().expect("literal"), port)
}

fn error(
    request: &[u8],
    code: u16,
    reason: &[u8],
    more: &[(u16, Vec<u8>)],
) -> Vec<(Vec<u8>, bool)> {
    let [class, number] = [code / 100, code % 100].map(|n| u8::try_from(n).expect("small"));
    let mut attributes = vec![(9, [&[0, 0, class, number], reason].concat())];
    attributes.extend(more.iter().cloned());
    vec![(message(request, ERROR, &attributes), false)]
}

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

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

/// The server of the field cases with this fault, once it answers.
fn faulty(fault: &str, places: &[SocketAddr]) -> Option<Running> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/stun/faulty.py");
    let mut command = Command::new("python3");
    command.arg(script).arg(fault).args(places.iter().map(SocketAddr::to_string));
    let child = match command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) => {
            crate::support::skip(format!("python3: {error}"));
            return None;
        }
    };
    let mut running = Running(child);
    let asking = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    asking.set_read_timeout(Some(Duration::from_millis(100))).expect("set");
    let request = natscope::stun::encode_request([7; 12], natscope::stun::Request::default());
    let mut buffer = [0; 512];
    for place in places {
        let mut answered = false;
        for _ in 0..100 {
            let _refused = asking.send_to(&request, place);
            answered = asking.recv_from(&mut buffer).is_ok_and(|(_, from)| from == *place);
            if answered {
                break;
            }
        }
        if !answered {
            let _gone = running.0.kill();
            let mut said = String::new();
            let _all = running.0.stderr.take().map(|mut pipe| pipe.read_to_string(&mut said));
            panic!("{place} does not answer: {said}");
        }
    }
    Some(running)
}

/// Ports that were free a moment ago.
fn free(ips: &[&str]) -> Vec<SocketAddr> {
    let sockets: Vec<UdpSocket> =
        ips.iter().map(|ip| UdpSocket::bind((*ip, 0)).expect("loopback")).collect();
    sockets.iter().map(|socket| socket.local_addr().expect("known")).collect()
}

#[test]
fn the_cases_from_the_field() {
    for (fault, standing, id) in [
        ("mapped6", "answers", "no-rfc5780"),
        ("private", "unusable", "proxy-before-server"),
        ("unpadded", "answers", "malformed-attribute"),
        ("auth", "wants-credentials", "wants-credentials"),
        ("symmetric", "answers", "no-rfc5780"),
    ] {
        let places = free(&["127.0.0.1"]);
        let Some(_running) = faulty(fault, &places) else { return };
        let probed = probe(&[&format!("stun:{}", places[0])]);
        probed.assert_true(fault);
        assert_eq!(probed.standing(0), standing, "{fault}");
        let text = probed.finding(0, id);
        match fault {
            "auth" => {
                assert!(text.contains("401") && text.contains("example.org"), "{text}");
                assert!(!probed.text.contains("neither over UDP nor"), "{}", probed.text);
            }
            "mapped6" | "unpadded" => {
                assert_eq!(probed.known("nat"), Some(&Value::Bool(false)), "{fault}");
            }
            _ => assert_eq!(probed.known("nat"), None, "{fault}"),
        }
    }
}

#[test]
fn three_plain_servers_that_see_three_ports_show_a_dependent_mapping() {
    let places = free(&["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
    let Some(_running) = faulty("symmetric", &places) else { return };
    let uris: Vec<String> = places.iter().map(|place| format!("stun:{place}")).collect();
    let probed = probe(&uris.iter().map(String::as_str).collect::<Vec<_>>());
    let mapping = &probed.report["paths"][0]["mapping"];
    assert_eq!(mapping["status"], "inconclusive", "{mapping}");
    let left = serde_json::json!(["address-dependent", "address-and-port-dependent"]);
    assert_eq!(mapping["possible"], left, "{mapping}");
}
