use crate::ice::{Candidate, Description, Kind as Type, Transport};
use crate::sdp::{Message, read_all};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use std::fmt::Write as _;

/// The candidates of everything in a text, in order.
fn candidates(text: &str) -> Vec<(String, String, u32)> {
    let reading = read_all(text).unwrap_or_else(|error| panic!("{error}:\n{text}"));
    let bad: Vec<_> = reading.descriptions.iter().flat_map(|sdp| &sdp.bad).collect();
    assert!(bad.is_empty(), "{bad:?}:\n{text}");
    let entries = reading.descriptions.iter().flat_map(crate::sdp::Sdp::entries);
    entries.map(|(_, e)| (e.kind.clone(), e.address.to_string(), e.priority)).collect()
}

fn prefixed(sdp: &str, prefix: &str) -> String {
    sdp.lines().fold(String::new(), |mut all, line| {
        let _ = writeln!(all, "{prefix}{line}");
        all
    })
}

fn each(lines: &[&str], before: &str, after: &str) -> String {
    let mut all = String::new();
    for line in lines {
        let _ = write!(all, "{before}{line}{after}");
    }
    all
}

/// The same description as people come by it.
fn carried(sdp: &str) -> Vec<(&'static str, String)> {
    let json = serde_json::to_string(sdp).unwrap_or_default();
    let object = format!("{{\"type\":\"offer\",\"sdp\":{json}}}");
    let lines: Vec<&str> = sdp.lines().collect();
    let base64 = STANDARD.encode(sdp);
    let wide = base64.as_bytes().chunks(76).map(String::from_utf8_lossy);
    let wide: Vec<_> = wide.collect();
    let nested = serde_json::to_string(&object).unwrap_or_default();
    let escaped = json.replace('=', "\\u003d");
    let page = sdp.replace('&', "&amp;").replace('<', "&lt;").replace("\r\n", "<br>\n");
    vec![
        ("as it is", sdp.to_owned()),
        ("unix", sdp.replace("\r\n", "\n")),
        ("mac", sdp.replace("\r\n", "\r")),
        ("json", object.clone()),
        ("nested json", format!("{{\"data\":{nested}}}")),
        ("gson", format!("{{\"sdp\":{escaped}}}")),
        ("php", object.replace('/', "\\/")),
        ("python", format!("{{'sdp': '{}', 'type': 'offer'}}", sdp.replace("\r\n", "\\r\\n"))),
        ("javascript", each(&lines, "  '", "\\r\\n' +\n")),
        (
            "array",
            format!(
                "[\n{}\n]",
                lines.iter().map(|l| format!("  \"{l}\"")).collect::<Vec<_>>().join(",\n")
            ),
        ),
        ("c", each(&lines, "  \"", "\\r\\n\"\n")),
        (
            "syslog",
            format!(
                "Mar  1 10:00:00 sbc rtpengine[1]: \"sdp\": \"{}\"",
                sdp.replace("\r\n", "#015#012")
            ),
        ),
        ("journal", prefixed(sdp, "Jan 01 10:00:00 media janus[77]: ")),
        ("logcat", prefixed(sdp, "01-01 10:00:00.123  1234  1250 D PCRTCClient: ")),
        ("flutter", prefixed(sdp, "I/flutter ( 1234): ")),
        ("compose", prefixed(sdp, "\u{1b}[36msfu_1  |\u{1b}[0m ")),
        ("quoted", prefixed(sdp, "> > ")),
        ("indented", prefixed(sdp, "        ")),
        ("double", sdp.replace("\r\n", "\n\n")),
        ("arrows", sdp.replace("\r\n", "\n↵")),
        ("fence", format!("```\n{sdp}```\nthanks\n")),
        ("words", sdp.replace("\r\n", "<CR><LF>\n")),
        ("dots", sdp.replace("\r\n", ".\n")),
        ("ngrep", format!("U 192.0.2.1:5060 -> 192.0.2.2:5060\n{}", sdp.replace("\r\n", ".."))),
        ("blanks", sdp.trim_end().replace("\r\n", " ")),
        ("page", page),
        ("bom", format!("\u{feff}{sdp}")),
        ("nbsp", sdp.replace(' ', "\u{a0}")),
        ("base64", format!("payload={base64}")),
        ("base64 of json", format!("{{\"p\":\"{}\"}}", STANDARD.encode(&object))),
        ("base64 for urls", format!("?sdp={}", URL_SAFE_NO_PAD.encode(sdp))),
        ("base64 in lines", format!("here:\n{}\n\nbye\n", wide.join("\n"))),
        (
            "sip",
            format!(
                "INVITE sip:b@example.org SIP/2.0\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\nSIP/2.0 100 Trying\r\n"
            ),
        ),
        ("internals", format!("type: offer, sdp: {sdp}")),
        ("no end", sdp.trim_end().to_owned()),
    ]
}

fn any_address() -> impl Strategy<Value = std::net::SocketAddr> {
    (any::<std::net::IpAddr>(), any::<u16>()).prop_map(Into::into)
}

fn any_candidate() -> impl Strategy<Value = Candidate> {
    let kinds = vec![Type::Host, Type::ServerReflexive, Type::PeerReflexive, Type::Relayed];
    let transports = vec![Transport::Udp, Transport::TcpActive, Transport::TcpPassive];
    let (kinds, transports) = (prop::sample::select(kinds), prop::sample::select(transports));
    (
        "[a-zA-Z0-9+/]{1,32}",
        1u16..=256,
        transports,
        any::<u32>(),
        any_address(),
        kinds,
        any_address(),
    )
        .prop_map(|(foundation, component, transport, priority, address, kind, related)| {
            Candidate {
                foundation,
                component,
                transport,
                priority,
                address,
                kind,
                related: (kind != Type::Host).then_some(related),
            }
        })
}

prop_compose! {
    fn any_offer()(
        ufrag in "[a-zA-Z0-9+/]{4,32}",
        pwd in "[a-zA-Z0-9+/]{22,60}",
        candidates in prop::collection::vec(any_candidate(), 1..8),
    ) -> Message {
        Message::offer(Description { ufrag, pwd, candidates, complete: true, trickle: true })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn whatever_carries_a_description_its_candidates_are_the_same(offer in any_offer()) {
        let sdp = offer.to_sdp();
        let wanted: Vec<_> = offer.description.candidates.iter()
            .map(|c| (c.kind.to_string(), c.address.to_string(), c.priority))
            .collect();
        for (how, text) in carried(&sdp) {
            prop_assert_eq!(&candidates(&text), &wanted, "{}:\n{}", how, text);
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>(), cut in 0usize..2000) {
        let _ = read_all(&text);
        let _ = read_all(&format!("v=0\n{text}"));
        let _ = read_all(&format!("{{\"candidate\":\"candidate:1 1 udp {text}"));
        // half of anything
        for (_, carried) in carried(SHORT) {
            let mut cut = cut % (carried.len() + 1);
            while !carried.is_char_boundary(cut) {
                cut -= 1;
            }
            let _ = read_all(&carried[..cut]);
            let _ = read_all(&carried[cut..]);
        }
    }
}

const SHORT: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:aaaa\r\na=ice-pwd:bbbbbbbbbbbbbbbbbbbbbb\r\na=candidate:1 1 udp 1 192.0.2.1 50000 typ host\r\na=mid:0\r\n";

#[test]
fn two_descriptions_are_ambiguous_for_a_connection() {
    let other = SHORT.replace("aaaa", "cccc");
    let told = crate::sdp::read(&format!("{SHORT}\nand\nthe answer:\n\n{other}")).unwrap_err();
    assert!(told.to_string().contains("2 descriptions"), "{told}");
    assert!(crate::sdp::read(SHORT).is_ok());
    // the same one printed twice is one
    assert!(crate::sdp::read(&format!("sending:\n{SHORT}\nsent:\n\n{SHORT}")).is_ok());
}
