//! What people paste into `natscope report sdp`: forms in which descriptions and candidates come, as
//! issue threads, mailing lists and logs have them, rebuilt with documentation addresses. Each file
//! of `tests/cases/sdp` has its right answer here.

#![allow(clippy::disallowed_methods, reason = "how long reading takes is what is tested")]

use natscope::report::Document as _;
use natscope::report::sdp::SdpReport;
use natscope::sdp::{Reading, decode, read_all};
use std::collections::BTreeSet;
use std::path::Path;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/sdp");

fn load(name: &str) -> Reading {
    let bytes = std::fs::read(Path::new(FOLDER).join(name)).unwrap();
    read_all(&decode(&bytes)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn report(names: &[&str]) -> SdpReport {
    let readings: Vec<Reading> = names.iter().map(|name| load(name)).collect();
    let second = names.get(1).zip(readings.get(1)).map(|(name, reading)| (*name, reading));
    let report = SdpReport::of((names[0], &readings[0]), second);
    for document in [report.text(false), report.markdown()] {
        assert!(!document.contains("pppppppp"), "{names:?}: the password is shown\n{document}");
    }
    report
}

/// A text of one file: the kind of each description, all candidates, and findings that must be there.
struct One(
    &'static str,
    &'static [Option<&'static str>],
    &'static [&'static str],
    &'static [&'static str],
);

const OFFER: &[Option<&str>] = &[Some("offer")];
const ANSWER: &[Option<&str>] = &[Some("answer")];
const UNKNOWN: &[Option<&str>] = &[None];
const PAIR: &[Option<&str>] = &[Some("offer"), Some("answer")];
const TWO: &[&str] = &["host 192.168.1.10:50000", "srflx 198.51.100.7:50001"];
const HOST: &[&str] = &["host 192.168.1.10:50000"];
const MDNS: &str = "host 11111111-2222-4333-8444-555555555555.local:50000";
const CALL: &[&str] =
    &["host 192.168.1.10:50000", "srflx 198.51.100.7:50001", "host 203.0.113.80:40000"];

#[rustfmt::skip]
const ONE: &[One] = &[
    // printed, wrapped, carried
    One("console-single-quotes.txt", OFFER, HOST, &["private-only"]),
    One("python-dict.txt", OFFER, HOST, &[]),
    One("kvs-message.json", OFFER, HOST, &[]),
    One("rtpengine-syslog.txt", OFFER, &["host 192.168.2.156:63067", "srflx 198.51.100.1:63067"], &[]),
    One("arrow.txt", OFFER, HOST, &[]),
    One("mail-wrapped.sdp", UNKNOWN, &["host 192.168.2.126:51267", "srflx 198.51.100.24:62633"], &[]),
    One("logcat.txt", OFFER, TWO, &[]),
    One("docker-json-log.txt", ANSWER, TWO, &[]),
    One("compose-colours.txt", OFFER, TWO, &[]),
    One("javascript-concatenated.txt", OFFER, TWO, &[]),
    One("c-literals.txt", OFFER, TWO, &[]),
    One("gson-escapes.txt", OFFER, TWO, &[]),
    One("php-slashes.txt", ANSWER, TWO, &[]),
    One("page-entities.html", OFFER, TWO, &[]),
    One("page-breaks.html", OFFER, TWO, &[]),
    One("ngrep.txt", OFFER, TWO, &[]),
    One("tcpdump-dots.txt", OFFER, TWO, &[]),
    One("collapsed-to-blanks.txt", OFFER, TWO, &[]),
    One("url-encoded.txt", OFFER, TWO, &[]),
    One("base64-lines.txt", OFFER, TWO, &[]),
    One("base64-url-json.txt", ANSWER, TWO, &[]),
    One("mail-quoted.txt", OFFER, TWO, &[]),
    One("windows-utf16.txt", OFFER, TWO, &[]),
    One("sip-trace-two.txt", PAIR, CALL, &[]),
    One("freeswitch.txt", OFFER, TWO, &[]),
    One("asterisk.txt", OFFER, TWO, &[]),
    One("flutter.txt", ANSWER, TWO, &[]),
    One("cr-lf-words.txt", OFFER, TWO, &[]),
    One("double-spaced.txt", OFFER, TWO, &[]),
    One("python-bytes.txt", OFFER, TWO, &[]),
    One("lost-backslashes.txt", OFFER, TWO, &[]),
    One("nbsp.txt", OFFER, TWO, &[]),
    One("gstreamer.txt", OFFER, TWO, &[]),
    One("unity.txt", OFFER, TWO, &[]),
    One("journal.txt", OFFER, TWO, &[]),
    One("packet-tree.txt", UNKNOWN, TWO, &[]),
    One("cat-ends.txt", OFFER, TWO, &[]),
    One("base64-twice.txt", OFFER, TWO, &[]),
    One("go-struct.txt", OFFER, TWO, &[]),
    One("erlang.txt", OFFER, TWO, &[]),
    One("numbered.txt", OFFER, TWO, &[]),
    One("json-real-newlines.txt", OFFER, TWO, &[]),
    One("diff.txt", OFFER, TWO, &[]),
    One("react-native.txt", OFFER, &["host 192.168.1.10:50000", "srflx 198.51.100.7:50001", "relay 203.0.113.9:61000"], &[]),
    One("rtcstats.txt", PAIR, CALL, &[]),
    One("cut-json.txt", OFFER, HOST, &["bad-line"]),
    // candidates alone, and told one by one
    One("candidates-alone.txt", UNKNOWN, &["host 172.18.0.2:44774", "host 172.18.0.2:44774"], &["part"]),
    One("part.txt", UNKNOWN, &["host 192.168.1.159:30328"], &["part"]),
    One("console-candidate.txt", UNKNOWN, &["srflx 198.51.100.7:50001"], &["part"]),
    One("trickle-log.txt", PAIR, CALL, &["part"]),
    One("mediasoup-transport.txt", UNKNOWN, &["host 172.31.5.6:40000", "host 172.31.5.6:40001"], &["lite-private"]),
    One("aiortc-objects.txt", UNKNOWN, TWO, &["part"]),
    One("jingle.xml", UNKNOWN, TWO, &["part"]),
    One("firefox-objects.txt", UNKNOWN, &[MDNS, "srflx 198.51.100.7:50001"], &["part"]),
    One("janus-trickle.txt", UNKNOWN, TWO, &["part"]),
    One("native-log.txt", UNKNOWN, TWO, &["part"]),
    One("candidates-bare.txt", UNKNOWN, TWO, &["part"]),
    One("offer-then-trickle.txt", PAIR, CALL, &[]),
    // dumps
    One("internals-failed.json", PAIR, &["host 192.168.1.10:50000", "host 192.168.1.10:50000", "host 198.51.100.7:50000"], &["other-generation"]),
    One("internals-connected.json", PAIR, CALL, &["incomplete"]),
    One("internals-relay-only.json", PAIR, &["srflx 198.51.100.7:50001", "relay 203.0.113.9:61000"], &["relay-only"]),
    One("internals-two.json", &[Some("offer"), Some("answer"), Some("offer"), Some("answer")], &["host 192.168.1.10:50000", "srflx 198.51.100.7:50001", "host 203.0.113.80:40000", "srflx 198.51.100.7:50001", "relay 203.0.113.9:61000"], &[]),
    One("internals-objects.json", PAIR, CALL, &[]),
    One("internals-cut-off.json", PAIR, TWO, &["no-candidates"]),
    One("internals-no-answer.json", OFFER, TWO, &[]),
    One("about-webrtc.txt", PAIR, CALL, &[]),
    // hidden values
    One("redacted-word.txt", OFFER, &["host 11111111-2222-4333-8444-555555555555.local:55731", "srflx my_wan_ip:55731"], &["hidden-address"]),
    One("redacted-letters.txt", OFFER, &["host 11111111-2222-4333-8444-555555555555.local:55731", "srflx XXX.YYY.ZZZ.WWW:55731"], &["hidden-address"]),
    One("redacted-x.sdp", OFFER, &["host 192.168.1.10:50000", "srflx x.x.x.x:50001"], &["hidden-address"]),
    One("redacted-brackets.sdp", OFFER, &["host <redacted>:50000", "srflx [IP]:50001", "relay ***:61000"], &["hidden-address"]),
    One("redacted-tail.sdp", OFFER, &["host 192.168.1.xxx:50000", "srflx 198.51.100.xxx:50001", "host 2001:db8:xxxx:xxxx::1:50002"], &["hidden-address"]),
    One("redacted-blank.sdp", OFFER, &["host 192.168.1.10:50000", "srflx <my public ip>:50001"], &["hidden-address"]),
    One("redacted-port.sdp", OFFER, &["host 192.168.1.10:50000", "srflx PUBLIC_IP"], &["hidden-address"]),
    One("redacted-only.sdp", OFFER, &[MDNS, "relay REDACTED:61000"], &["hidden-address"]),
    // lines that cannot be read
    One("zone.sdp", OFFER, &["host 192.168.1.10:60721"], &["bad-line"]),
    One("one-bad-candidate.sdp", OFFER, &["host 192.168.1.10:50000", "srflx 198.51.100.7:50000"], &["bad-line"]),
    One("bad-null.sdp", OFFER, TWO, &["bad-line"]),
    One("bad-cut.sdp", OFFER, TWO, &["bad-line"]),
    One("bad-old-draft.sdp", OFFER, &["srflx 198.51.100.7:50001"], &["bad-line"]),
    One("bad-octet.sdp", OFFER, HOST, &["bad-line"]),
    One("bad-media-port.sdp", OFFER, TWO, &["bad-line"]),
    One("bad-line.sdp", OFFER, TWO, &["bad-line"]),
    One("tcp-old-types.sdp", OFFER, &["host 203.0.113.80:40000", "host 203.0.113.80:40001", "host 203.0.113.80:9", "host 203.0.113.80:443"], &[]),
    One("odd-extensions.sdp", OFFER, TWO, &[]),
    // a group
    One("bundle-wrong-section.sdp", ANSWER, &["host 203.0.113.5:40000"], &["wrong-section"]),
];

#[test]
fn every_form_gives_its_descriptions_and_candidates() {
    for One(name, kinds, candidates, findings) in ONE {
        let report = report(&[name]);
        let found: Vec<_> = report.descriptions.iter().map(|d| d.kind.as_deref()).collect();
        assert_eq!(found, *kinds, "{name}: {report:#?}");
        let all = report.descriptions.iter().flat_map(|d| &d.candidates);
        let all: Vec<String> = all.map(|c| format!("{} {}", c.kind, c.address)).collect();
        assert_eq!(all, *candidates, "{name}");
        let ids: BTreeSet<&str> =
            report.descriptions.iter().flat_map(|d| &d.findings).map(|f| f.id.as_str()).collect();
        for wanted in *findings {
            assert!(ids.contains(wanted), "{name}: no {wanted} in {ids:?}");
        }
        assert!(!ids.contains("only-mdns"), "{name}");
        let bad = findings.contains(&"bad-line");
        assert_eq!(ids.contains("bad-line"), bad, "{name}: {ids:?}");
    }
}

/// Offer and answer: the first pair's verdict, what the summary says, findings.
struct Two(&'static str, &'static str, Option<&'static str>, &'static str, &'static [&'static str]);

#[rustfmt::skip]
const TWO_SIDES: &[Two] = &[
    Two("browser-mdns.sdp", "sfu-lite-public.sdp", Some("likely"), "A direct connection is likely", &["ice-lite"]),
    Two("browser.sdp", "docker-lite.sdp", Some("same network only"), "It cannot work from outside of one network: ICE-lite sends no checks, and nobody outside of its network reaches 172.17.0.2", &["lite-private"]),
    Two("offer-lite.sdp", "sfu-lite-public.sdp", Some("cannot"), "both sides are ICE-lite", &["both-lite"]),
    Two("browser.sdp", "answer-actpass.sdp", Some("likely"), "A direct connection is likely", &["illegal-actpass"]),
    Two("sip-offer.sdp", "sip-answer.sdp", Some("likely"), "likely, no ICE needed", &["no-ice"]),
    Two("browser.sdp", "pair-srflx-answer.sdp", Some("same network only"), "depends on the NATs", &["no-relay"]),
    Two("browser-mdns.sdp", "pair-srflx-answer.sdp", Some("same network only"), "depends on the NATs", &[]),
    Two("browser-mdns.sdp", "pair-relay-answer.sdp", Some("depends"), "Only a relay could connect them, and whether it does is not shown", &["relay-only"]),
    Two("browser.sdp", "pair-relay-answer.sdp", Some("likely"), "Only a relay connects them", &["relay-only"]),
    Two("browser.sdp", "pair-six-answer.sdp", None, "It cannot work: their families", &[]),
    Two("browser.sdp", "pair-name-answer.sdp", Some("depends"), "depends", &[]),
    Two("pair-tcp-offer.sdp", "pair-tcp-answer.sdp", Some("same network only"), "only within one network", &[]),
    Two("browser.sdp", "pair-lite-forwarded.sdp", Some("depends"), "depends", &["ice-lite"]),
    Two("pair-link-local.sdp", "pair-six-answer.sdp", Some("cannot"), "its own link", &[]),
    Two("browser.sdp", "pair-unspecified-relay.sdp", Some("cannot"), "0.0.0.0 is no address", &["wrong-address"]),
    Two("pair-two-offer.sdp", "pair-two-answer.sdp", Some("likely"), "Section 1 (video) is the worst: they connect only within one network", &[]),
    Two("sip-offer.sdp", "sip-private.sdp", Some("depends"), "one-way audio", &["private-media"]),
    Two("sip-private.sdp", "sip-private.sdp", Some("same network only"), "only within one network", &[]),
    Two("sip-offer.sdp", "sip-hold.sdp", None, "No media flows", &["on-hold"]),
    Two("sip-offer.sdp", "sip-refused-video.sdp", Some("likely"), "likely, no ICE needed", &[]),
    Two("sip-video-private.sdp", "sip-video-public.sdp", Some("likely"), "Section 1 (video) is the worst", &[]),
    Two("sip-offer.sdp", "sip-hidden.sdp", Some("depends"), "hidden", &[]),
    Two("browser.sdp", "sip-answer.sdp", Some("cannot"), "the answer has no ICE", &["one-sided-ice"]),
    Two("redacted-x.sdp", "pair-srflx-answer.sdp", Some("same network only"), "depends on the NATs", &["hidden-address"]),
    Two("browser.sdp", "mediasoup-transport.txt", Some("same network only"), "It cannot work from outside of one network: ICE-lite", &["lite-private"]),
    Two("browser.sdp", "pair-private-answer.sdp", Some("same network only"), "depends on the NATs", &["private-only"]),
    Two("browser.sdp", "bundle-wrong-section.sdp", None, "It cannot work: the candidates of the answer stand in a section where nobody looks", &["wrong-section"]),
    Two("browser.sdp", "pair-restarted-answer.sdp", None, "cannot be told whether they connect: the candidates of the answer belong to another generation", &["other-generation"]),
    Two("browser.sdp", "pair-tcp-answer.sdp", None, "transports differ", &[]),
];

#[test]
fn every_pair_is_judged_by_who_sends_first_and_who_can_be_reached() {
    for Two(offer, answer, first, says, findings) in TWO_SIDES {
        let report = report(&[offer, answer]);
        let name = format!("{offer} with {answer}");
        assert_eq!(report.pairs.first().map(|p| p.could.title()), *first, "{name}: {report:#?}");
        assert!(report.summary.contains(says), "{name}: {}", report.summary);
        let ids: BTreeSet<&str> =
            report.descriptions.iter().flat_map(|d| &d.findings).map(|f| f.id.as_str()).collect();
        for wanted in *findings {
            assert!(ids.contains(wanted), "{name}: no {wanted} in {ids:?}");
        }
        // the order of the arguments says which is which
        let kinds: Vec<_> = report.descriptions.iter().map(|d| d.kind.as_deref()).collect();
        assert_eq!(kinds, [Some("offer"), Some("answer")], "{name}");
    }
}

#[test]
fn every_case_has_its_right_answer() {
    let mut used: BTreeSet<&str> = ONE.iter().map(|one| one.0).collect();
    used.extend(TWO_SIDES.iter().flat_map(|two| [two.0, two.1]));
    for file in std::fs::read_dir(FOLDER).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(used.contains(name.as_str()), "{name} has no right answer");
    }
}

#[test]
fn bad_lines_are_told_by_line_and_column() {
    for (name, told) in [
        ("zone.sdp", "line 9, column 31: expected an address without a zone (`%21`"),
        ("one-bad-candidate.sdp", "line 12, column 30: expected an address, found `undefined`"),
        ("bad-cut.sdp", "line 16, column 39: expected a port"),
        ("bad-line.sdp", "line 13, column 1: expected a letter, `=` and a value"),
        ("bad-media-port.sdp", "line 6, column 9: expected a port from 0 to 65535, found `99999`"),
    ] {
        let report = report(&[name]);
        let bad = report.descriptions[0].findings.iter().find(|f| f.id.as_str() == "bad-line");
        assert!(bad.is_some_and(|bad| bad.text.starts_with(told)), "{name}: {bad:?}");
    }
    // of what could not be read nothing is concluded
    let ids = |name: &str| -> Vec<String> {
        report(&[name]).descriptions[0].findings.iter().map(|f| f.id.to_string()).collect()
    };
    assert!(!ids("one-bad-candidate.sdp").contains(&"no-relay".to_owned()));
    assert!(!ids("cut-json.txt").iter().any(|id| id == "no-relay" || id == "private-only"));
    assert!(!ids("bad-octet.sdp").iter().any(|id| id == "no-reflexive" || id == "private-only"));
}

#[test]
fn a_dump_tells_how_each_connection_ended() {
    for (name, ended) in [
        ("internals-failed.json", vec![("1-1", "failed", 20_000)]),
        ("internals-connected.json", vec![("7-1", "connected", 2_000)]),
        ("internals-relay-only.json", vec![("8-2", "failed", 15_000)]),
        ("internals-two.json", vec![("1-1", "connected", 2_000), ("1-2", "failed", 15_000)]),
        ("internals-objects.json", vec![("3-1", "connected", 500)]),
        ("internals-no-answer.json", vec![("5-5", "closed", 30_000)]),
    ] {
        let report = report(&[name]);
        let found: Vec<_> = report
            .connections
            .iter()
            .map(|c| {
                (
                    c.name.as_deref().unwrap_or_default(),
                    c.ended.as_deref().unwrap_or_default(),
                    c.after_ms.unwrap_or_default(),
                )
            })
            .collect();
        assert_eq!(found, ended, "{name}");
    }
    let failed = report(&["internals-failed.json"]);
    assert!(failed.summary.contains("ended as `failed` after 20 s"), "{}", failed.summary);
    let relay = report(&["internals-relay-only.json"]);
    let error = &relay.connections[0].findings[0];
    assert!(error.text.contains("turn.example.org") && error.text.contains("701"), "{error:?}");
    // what came later stands in no line, and is shown all the same
    for document in [relay.text(false), relay.markdown()] {
        assert!(document.contains("relay udp 203.0.113.9:61000"), "{document}");
    }
    // half a dump is no JSON, and what it holds is read all the same
    let half = report(&["internals-cut-off.json"]);
    assert!(half.summary.contains("cannot be told"), "{}", half.summary);
}

/// The worst kinds of text, of about so many bytes.
fn hostile(bytes: usize) -> Vec<(&'static str, String)> {
    let fill = |unit: &str| unit.repeat(bytes / unit.len());
    let long = |start: &str, unit: &str| format!("{start}{}", fill(unit));
    vec![
        ("one word", fill("a")),
        ("quotation marks", fill("\"")),
        ("backslashes", fill("\\")),
        ("braces", fill("{")),
        ("keys", long("v=0\no=- 1 1 IN IP4 0\n", "a=x\n")),
        ("keys in one line", long("v=0\\r\\no=- 1 1 IN IP4 0\\r\\n", "a=mid:0\\r\\n")),
        ("strings in one line", long("{\"sdp\":\"v=0\\r\\n", "\"a=mid:0\" ")),
        ("beginnings", fill("v=0 ")),
        ("beginnings in lines", fill("v=0\no=- 1 1 IN IP4 0\n")),
        ("candidates in one line", fill("candidate:1 1 udp 1 192.0.2.1 5 typ host,")),
        ("candidates", fill("candidate:1 1 udp 1 192.0.2.1 5 typ host\n")),
        (
            "candidates of one description",
            long("v=0\no=- 1 1 IN IP4 0\n", "a=candidate:1 1 udp 1 192.0.2.1 5 typ host\n"),
        ),
        (
            "sections",
            long("v=0\no=- 1 1 IN IP4 0\na=group:BUNDLE 0 1 2\n", "m=audio 9 X 0\na=mid:0\n"),
        ),
        ("groups", long("v=0\no=- 1 1 IN IP4 0\n", "a=group:BUNDLE 0 1 2 3 4 5 6 7\n")),
        ("wrapped", long("v=0\na=candidate:1 1 udp 1 192.0.2.1 5 typ host\n", " generation 0\n")),
        ("base64", fill("dj0wDQpvPS0gMSAxIElOIElQNCAwLjAuMC4wDQpz")),
        (
            "base64 in lines",
            fill("dj0wDQpvPS0gMSAxIElOIElQNCAwLjAuMC4wDQpzdj0wDQpvPS0gMSAxIElOIElQNCAwLjAuMC4w\n"),
        ),
        ("objects", fill("{foundation: 1, ip: '192.0.2.1', port: 5, type: 'host'} ")),
        ("escapes", fill("\\u003d")),
        ("entities", fill("&amp;")),
        ("percents", long("v%3D0", "%0D%0A")),
        ("colours", fill("\u{1b}[0m")),
        ("words of a log", long("v=0\no=- 1 1 IN IP4 0\n", "x y z\n")),
        (
            "dump",
            long(
                "{\"PeerConnections\":{\"1\":{\"updateLog\":[",
                "{\"type\":\"icecandidate\",\"value\":\"candidate:1 1 udp 1 192.0.2.1 5 typ host\"},",
            ) + "{}]}}}",
        ),
        ("deep dump", long("{\"PeerConnections\":{\"1\":{\"updateLog\":", "[")),
    ]
}

/// A text of a megabyte is read in a second or so, and 50 of them in 50 times that; what grew with the
/// square would take hours. Set `NATSCOPE_SDP_MB` for more than the one of every day.
#[test]
fn no_text_takes_time_or_memory_beyond_its_length() {
    let most = std::env::var("NATSCOPE_SDP_MB").ok().and_then(|mb| mb.parse().ok()).unwrap_or(1);
    for (what, text) in hostile(most * 1_000_000) {
        let begun = std::time::Instant::now();
        let reading = read_all(&text);
        let took = begun.elapsed();
        println!("{what}: {took:?}");
        if let Ok(reading) = reading {
            let report = SdpReport::of(("x", &reading), None);
            assert!(report.pairs.len() <= 400_000);
        }
        // many times what the slowest took on a busy machine
        assert!(took.as_secs() < 30 * most as u64, "{what}: {took:?}");
    }
}
