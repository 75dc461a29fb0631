use super::*;
use crate::ice::{Candidate, Transport};
use proptest::prelude::*;
use webrtc_sdp::attribute_type::SdpAttributeType as Type;

fn candidate(kind: crate::ice::Kind, address: &str, related: Option<&str>) -> Candidate {
    Candidate {
        foundation: "1".to_owned(),
        component: 1,
        transport: Transport::Udp,
        priority: 2_130_706_431,
        address: address.parse().unwrap(),
        kind,
        related: related.map(|a| a.parse().unwrap()),
    }
}

fn description() -> Description {
    use crate::ice::Kind::{Host, Relayed, ServerReflexive};
    let base = Some("192.168.1.7:40000");
    Description {
        ufrag: "aB3+".to_owned(),
        pwd: "0123456789abcdefghij/+".to_owned(),
        candidates: vec![
            candidate(Host, "192.168.1.7:40000", None),
            candidate(Host, "[2001:db8::7]:40001", None),
            candidate(ServerReflexive, "198.51.100.4:61000", base),
            candidate(Relayed, "203.0.113.9:50000", Some("198.51.100.4:61001")),
        ],
        complete: true,
        trickle: true,
    }
}

fn back(text: &str) -> Message {
    let sdp = read(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let (message, unusable) = sdp.message().unwrap();
    assert_eq!(unusable, []);
    message
}

fn error(text: &str) -> String {
    let read = read(text).and_then(|sdp| sdp.message().map(drop));
    read.err().unwrap_or_else(|| panic!("it was read: {text}")).to_string()
}

#[test]
fn what_is_written_is_read_back() {
    let offer = Message::offer(description());
    assert_eq!(back(&offer.to_sdp()), offer);
    assert_eq!(back(&offer.to_line()), offer);
    let mut other = description();
    other.ufrag = "9999".to_owned();
    let answer = Message::answer(other, &description());
    assert_eq!(back(&answer.to_sdp()), answer);
    assert_eq!(back(&answer.to_line()), answer);
    assert_eq!(answer.check_answers(&description()), Ok(()));
}

#[test]
fn the_sdp_is_one_that_firefox_parses() {
    for complete in [true, false] {
        let offer = Message::offer(Description { complete, ..description() });
        for message in [offer.clone(), Message::answer(description(), &offer.description)] {
            let sdp = message.to_sdp();
            let parsed =
                webrtc_sdp::parse_sdp(&sdp, false).unwrap_or_else(|e| panic!("{e}:\n{sdp}"));
            // of our own attribute it knows nothing, and ignores it as RFC 8866 section 5.13 wants
            let mut warnings = parsed.warnings.iter().map(ToString::to_string);
            assert!(warnings.all(|w| w.contains("natscope-answers")), "{:?}", parsed.warnings);
            let media = &parsed.media[0];
            assert_eq!(media.get_attributes_of_type(Type::Candidate).len(), 4);
            for wanted in [Type::IceUfrag, Type::IcePwd, Type::Fingerprint, Type::Setup, Type::Mid]
            {
                assert!(media.get_attribute(wanted).is_some(), "{sdp}");
            }
            assert_eq!(
                media.get_attribute(Type::EndOfCandidates).is_some(),
                message.description.complete
            );
        }
    }
}

#[test]
fn an_answer_to_another_offer_is_refused_by_name() {
    let mine = description();
    let theirs = Description { ufrag: "zzzz".into(), ..description() };
    let other = Description { ufrag: "other".into(), ..description() };
    let answer = Message::answer(theirs.clone(), &other);
    let told = answer.check_answers(&mine).unwrap_err().to_string();
    assert!(told.contains("answers another offer (`other`; ours is `aB3+`)"), "{told}");
    assert_eq!(Message::offer(mine.clone()).check_answers(&mine), Err(Mismatch::Own));
    assert_eq!(Message::offer(theirs.clone()).check_answers(&mine), Err(Mismatch::Offer));
    // a browser's answer says nothing of its offer
    let browser = Message { kind: Kind::Answer, description: theirs, answers: None };
    assert_eq!(browser.check_answers(&mine), Ok(()));
}

#[test]
fn a_line_survives_a_chat_window() {
    let offer = Message::offer(description());
    let line = offer.to_line();
    assert!(line.len() < 400, "{} characters: {line}", line.len());
    let (a, b) = line.split_at(100);
    for damaged in [
        format!("hello!\n{line}\nbye"),
        format!("> {a}\r\n> {b}\r\n"),
        format!("`{line}`"),
        format!("<{line}>"),
        format!("“{a} {b}”"),
        format!("\u{feff}{a}\u{200b}{b}\u{a0}"),
        line.replace("--", "—"),
        line.replace('_', "\\_"),
    ] {
        assert_eq!(back(&damaged), offer, "{damaged}");
    }
}

#[test]
fn half_a_line_is_called_half() {
    let line = Message::offer(description()).to_line();
    for cut in "natscope-offer-".len()..line.len() {
        let told = error(&line[..cut]);
        assert!(told.contains("only a part of this offer was pasted"), "{cut}: {told}");
    }
    assert!(error(&line[..line.len() - 1]).contains("copy the whole line again"));
    // the first half is lost: it cannot even be called an offer
    assert!(error(&line[20..]).contains("expected a session description"));
}

#[test]
fn a_changed_line_is_told() {
    let line = Message::offer(description()).to_line();
    let mut changed = line.clone().into_bytes();
    let last = changed.len() - 1;
    changed[last] = if changed[last] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).unwrap();
    assert!(error(&changed).contains("checksum"), "{}", error(&changed));
    assert!(error("natscope-offer-2.1.0.x").contains("newer natscope"));
}

#[test]
fn lines_of_the_first_version_are_read_for_ever() {
    const OLD: &str = include_str!("first-version.txt");
    assert_eq!(back(OLD), Message::offer(description()));
}

#[test]
fn a_line_does_not_inflate_without_bound() {
    let bomb = "v=0\r\n".to_owned() + &"a=x\r\n".repeat(LONGEST / 5);
    let line = one_line::encode(Kind::Offer, &bomb);
    assert!(line.len() < 10_000);
    assert!(error(&line).contains("checksum") || error(&line).contains("longer than"));
}

/// What Chromium 14x gives for `JSON.stringify(pc.localDescription)`.
const BROWSER: &str = r#"{"type":"offer","sdp":"v=0\r\no=- 8372414998033698771 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS\r\nm=application 50112 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 198.51.100.4\r\na=candidate:1 1 udp 2113937151 5f1ff3ae-64a5-4c6b-8b8a-0d1f8a6e8b0c.local 50112 typ host generation 0 network-cost 999\r\na=candidate:2 1 udp 1677729535 198.51.100.4 50112 typ srflx raddr 0.0.0.0 rport 0 generation 0 network-cost 999\r\na=ice-ufrag:gFrS\r\na=ice-pwd:X6zAYx/35FUrp4JKtsYaTMWC\r\na=ice-options:trickle\r\na=fingerprint:sha-256 DA:82:E5:7D:43:39:1C:70:75:7D:20:DB:4C:E8:AB:B2:65:1A:B1:21:7B:5D:12:DF:8A:95:25:FE:BE:AE:81:6B\r\na=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n"}"#;

#[test]
fn a_browsers_json_is_read_and_its_mdns_name_is_a_finding() {
    let text = BROWSER;
    let wrapped = serde_json::json!({"events": [{"value": text}]}).to_string();
    let internals = "type: offer, sdp: ".to_owned()
        + &serde_json::from_str::<serde_json::Value>(text).unwrap()["sdp"]
            .as_str()
            .unwrap()
            .replace("\r\n", "\n");
    let on_one_line = text.split_once("\"sdp\":\"").unwrap().1.trim_end_matches('}');
    for form in [text, &wrapped, &internals, on_one_line] {
        let sdp = read(form).unwrap_or_else(|e| panic!("{e}: {form}"));
        assert_eq!(sdp.kind, Some(Kind::Offer), "{form}");
        let (message, unusable) = sdp.message().unwrap();
        assert_eq!(message.description.ufrag, "gFrS");
        assert_eq!(message.description.candidates.len(), 1);
        assert!(!message.description.complete);
        let [(entry, why)] = &unusable[..] else { panic!("{unusable:?}") };
        assert!(matches!(why, Unusable::Mdns(name) if name.starts_with("5f1ff3ae")), "{why:?}");
        assert_eq!(entry.known_kind(), Some(crate::ice::Kind::Host));
    }
}

#[test]
fn a_sip_trace_is_read() {
    let trace = "INVITE sip:bob@example.org SIP/2.0\r\nVia: SIP/2.0/UDP 192.168.1.5:5060\r\nContent-Type: application/sdp\r\n\r\nv=0\r\no=alice 2890844526 2890844526 IN IP4 192.168.1.5\r\ns=-\r\nc=IN IP4 192.168.1.5\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\n\r\nSIP/2.0 100 Trying\r\n";
    let sdp = read(trace).unwrap();
    assert_eq!(sdp.sections().len(), 1);
    assert_eq!(sdp.lines[0].number, 5);
    assert_eq!(sdp.lines.len(), 7);
    assert!(sdp.message().unwrap_err().to_string().contains("it has no ICE in it"));
}

#[test]
fn malformed_descriptions_are_told_by_line_and_column() {
    let good = Message::offer(description()).to_sdp();
    for (from, to, told) in [
        ("v=0", "v=1", "line 1, column 3: expected version 0, found `1`"),
        (" IN IP4 127", " I:N IP4 127", "expected a type of network, IN, found `I:N`"),
        ("t=0 0", "t=0 x", "line 4, column 5: expected a time in seconds, or 0, found `x`"),
        ("t=0 0", "t=0", "line 4, column 4: expected a time in seconds, or 0, found the end"),
        ("t=0 0", "hello", "line 4, column 1: expected a letter, `=` and a value, found `hello`"),
        ("t=0 0", "t=0 0 0", "line 4, column 7: expected the end of the line after 2 fields"),
        ("m=application 50000", "m=application 70000", "line 6, column 15: expected a port"),
        ("s=-\r\n", "s=-\r\ns=-\r\n", "line 4, column 1: expected this line only once"),
        (
            "192.168.1.7 40000 typ",
            "192.168.1.7 99999 typ",
            "line 8, column 44: expected a port from 0 to 65535, found `99999`",
        ),
        (
            "192.168.1.7 40000 typ",
            "192.168.1.300 40000 typ",
            "column 32: expected an address, found `192.168.1.300`",
        ),
        (
            "192.168.1.7 40000 typ",
            "192.168.1.7 40000 type",
            "column 50: expected the word `typ`, found `type`",
        ),
        (
            "udp 2130706431 192.168.1.7",
            "udp -1 192.168.1.7",
            "column 21: expected a priority from 1 to 4294967295, found `-1`",
        ),
        (
            "candidate:1 1 udp 2130706431 192",
            "candidate:1 0 udp 2130706431 192",
            "column 15: expected a component from 1 to 256, found `0`",
        ),
        (
            "raddr 192.168.1.7",
            "raddr x",
            "line 10, column 67: expected an IP address after `raddr`",
        ),
        ("ice-pwd:0123456789", "ice-pwd:", "expected 22 to 256 letters"),
        ("ice-ufrag:aB3+", "ice-ufrag:a b", "column 13: expected 4 to 256 letters"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from} is not in\n{good}");
        let said = error(&bad);
        assert!(said.contains(told), "{from} -> {to}: {said}");
        assert!(!said.contains("56789"), "no password in an error: {said}");
    }
    let bare = good.replacen("a=ice-pwd", "ice-pwd", 1);
    assert!(error(&bare).contains("a value, found something else"), "{}", error(&bare));
    assert!(error("").contains("there is nothing"));
    assert!(error("{\"type\":").contains("not JSON"));
    assert!(error("{}").contains("no field `sdp`"));
    assert_eq!(
        error("\no=- 1 1 IN IP4 0.0.0.0\n"),
        "line 2, column 1: expected a session description, which begins with the line `v=0`, found `o=- 1 1 IN IP4 0.0.0`"
    );
}

#[test]
fn what_nobody_here_can_check_is_a_finding() {
    for (text, told) in [
        ("candidate:1 1 sctp 5 192.0.2.1 5 typ host", "neither UDP nor TCP"),
        ("candidate:1 1 tcp 5 192.0.2.1 5 typ host tcptype odd", "`tcp odd`"),
        ("candidate:1 1 udp 5 192.0.2.1 5 typ magic", "none of host"),
        ("candidate:1 1 udp 5 pc.example.org 5 typ host", "is a name"),
        // the parser of the ICE library panics on this one
        ("candidate:1 1 UDP 5 a.local 5 typ host tcptype active", "multicast DNS"),
    ] {
        let why = read_candidate(text).unwrap().usable().unwrap_err().to_string();
        assert!(why.contains(told), "{text}: {why}");
    }
    let udp = read_candidate("a=candidate:1 1 UDP 5 192.0.2.1 5 typ host tcptype active").unwrap();
    assert_eq!(udp.usable().unwrap().transport, Transport::Udp);
}

#[test]
fn line_ends_blank_lines_and_quoting_do_not_matter() {
    let offer = Message::offer(description());
    let sdp = offer.to_sdp();
    for form in [
        sdp.replace("\r\n", "\n"),
        sdp.replace("\r\n", "\r\n\r\n"),
        sdp.replace("\r\n", "  \r\n"),
        format!("> {}", sdp.replace("\r\n", "\r\n> ")),
        format!("    {}", sdp.replace("\r\n", "\n    ")),
        format!("Hi Bob,\n\n{sdp}\n\nRegards\n"),
        format!("```\n{sdp}```\n"),
        format!("\"{}\"", sdp.trim_end()),
    ] {
        assert_eq!(back(&form), offer, "{form}");
    }
}

fn ice_chars(range: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(b"abzAZ019+/".to_vec()), range)
        .prop_map(|bytes| String::from_utf8(bytes).unwrap())
}

fn any_candidate() -> impl Strategy<Value = Candidate> {
    use crate::ice::Kind::{Host, PeerReflexive, Relayed, ServerReflexive};
    let transports = vec![
        Transport::Udp,
        Transport::TcpActive,
        Transport::TcpPassive,
        Transport::TcpSimultaneousOpen,
    ];
    let kinds = vec![Host, ServerReflexive, PeerReflexive, Relayed];
    (
        ice_chars(1..=32),
        1u16..=256,
        prop::sample::select(transports),
        any::<u32>(),
        any::<std::net::SocketAddr>(),
        prop::sample::select(kinds),
        any::<std::net::SocketAddr>(),
    )
        .prop_map(|(foundation, component, transport, priority, address, kind, related)| {
            let plain = |a: std::net::SocketAddr| std::net::SocketAddr::new(a.ip(), a.port());
            Candidate {
                foundation,
                component,
                transport,
                priority,
                address: plain(address),
                kind,
                related: (kind != Host).then(|| plain(related)),
            }
        })
}

prop_compose! {
    fn any_description()(
        ufrag in ice_chars(4..=256),
        pwd in ice_chars(22..=256),
        candidates in prop::collection::vec(any_candidate(), 0..12),
        complete in any::<bool>(),
        trickle in any::<bool>(),
    ) -> Description {
        Description { ufrag, pwd, candidates, complete: complete || !trickle, trickle }
    }
}

proptest! {
    #[test]
    fn any_description_comes_back(ours in any_description(), offer in any_description()) {
        for message in [Message::offer(ours.clone()), Message::answer(ours, &offer)] {
            prop_assert_eq!(&back(&message.to_sdp()), &message);
            prop_assert_eq!(&back(&message.to_line()), &message);
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = read(&text).map(|sdp| sdp.message());
        let _ = read_candidate(&text);
        let _ = read(&format!("v=0\n{text}")).map(|sdp| sdp.message());
        let _ = read(&format!("natscope-offer-1.{text}"));
    }

    #[test]
    fn no_change_to_a_line_goes_unseen(at in 0usize..1000, to in any::<char>()) {
        let offer = Message::offer(description());
        let mut line: Vec<char> = offer.to_line().chars().collect();
        let at = at % line.len();
        line[at] = to;
        let line: String = line.into_iter().collect();
        if let Ok(sdp) = read(&line) {
            prop_assert_eq!(sdp.message().unwrap().0.description, offer.description);
        }
    }
}
