use super::*;
use crate::ice::{Candidate, Description, Kind, Transport};
use crate::report::Document;
use crate::sdp::{Message, read};

fn candidate(kind: Kind, address: &str, related: Option<&str>) -> Candidate {
    let priority = match kind {
        Kind::Host => 2_130_706_431,
        Kind::ServerReflexive => 1_694_498_815,
        _ => 16_777_215,
    };
    Candidate {
        foundation: "1".to_owned(),
        component: 1,
        transport: Transport::Udp,
        priority,
        address: address.parse().unwrap(),
        kind,
        related: related.map(|a| a.parse().unwrap()),
    }
}

fn description(ufrag: &str, candidates: Vec<Candidate>) -> Description {
    let pwd = "SecretSecretSecretSecret".to_owned();
    Description { ufrag: ufrag.to_owned(), pwd, candidates, complete: true, trickle: true }
}

/// Home, behind one NAT.
pub(in crate::report) fn home(ufrag: &str, relay: bool) -> Description {
    let base = Some("192.168.1.7:40000");
    let mut candidates = vec![
        candidate(Kind::Host, "192.168.1.7:40000", None),
        candidate(Kind::ServerReflexive, "198.51.100.4:61000", base),
    ];
    if relay {
        candidates.push(candidate(Kind::Relayed, "203.0.113.9:50000", Some("198.51.100.4:61001")));
    }
    description(ufrag, candidates)
}

/// Behind a symmetric NAT.
fn symmetric(ufrag: &str) -> Description {
    let base = Some("10.0.0.2:5000");
    description(
        ufrag,
        vec![
            candidate(Kind::Host, "10.0.0.2:5000", None),
            candidate(Kind::ServerReflexive, "192.0.2.77:1111", base),
            candidate(Kind::ServerReflexive, "192.0.2.77:2222", base),
        ],
    )
}

fn ids(explained: &Explained) -> Vec<&str> {
    explained.findings.iter().map(|f| f.id.as_str()).collect()
}

fn explain(sdp: &str) -> SdpReport {
    SdpReport::new(("offer.sdp", &read(sdp).unwrap()), None)
}

pub(in crate::report) fn both(offer: &Message, answer: &Message) -> SdpReport {
    let (offer, answer) = (read(&offer.to_sdp()).unwrap(), read(&answer.to_sdp()).unwrap());
    SdpReport::new(("offer.sdp", &offer), Some(("answer.sdp", &answer)))
}

#[test]
fn an_offer_is_explained() {
    let report = explain(&Message::offer(home("aB3+", true)).to_sdp());
    insta::assert_snapshot!("offer_text", report.text(false));
    insta::assert_snapshot!("offer_markdown", report.markdown());
    assert_eq!(ids(&report.descriptions[0]), [""; 0]);
}

#[test]
fn an_offer_with_its_answer_is_explained() {
    let offer = home("aaaa", true);
    let answer = Message::answer(symmetric("bbbb"), &offer);
    let report = both(&Message::offer(offer), &answer);
    let shown = report.text(false);
    insta::assert_snapshot!("pair_text", shown.split_once("Pairs, ").unwrap().1);
    assert_eq!(ids(&report.descriptions[1]), ["no-relay", "dependent-mapping"]);
    insta::assert_json_snapshot!("pair_json", report, { ".descriptions[].lines" => "[lines]", ".tool.version" => "[version]" });
}

#[test]
fn the_password_is_nowhere() {
    let mut offer = home("aaaa", true);
    offer.pwd = "SecretSecretSecretSecret".into();
    let sdp = Message::offer(offer).to_sdp()
        + "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:SecretSecret\r\nk=clear:SecretSecret\r\n";
    let report = explain(&sdp);
    for document in [report.text(false), report.markdown(), report.json().unwrap()] {
        assert!(!document.contains("Secret"), "{document}");
        assert!(document.contains("hidden"));
    }
}

#[test]
fn what_is_missing_is_said() {
    let private = description("aaaa", vec![candidate(Kind::Host, "192.168.1.7:40000", None)]);
    let none = description("aaaa", vec![]);
    let public = description("aaaa", vec![candidate(Kind::Host, "192.0.2.7:40000", None)]);
    for (description, expected) in [
        (private, vec!["private-only", "no-relay"]),
        (none, vec!["no-candidates"]),
        (public, vec!["no-relay"]),
        (symmetric("aaaa"), vec!["no-relay", "dependent-mapping"]),
    ] {
        let report = explain(&Message::offer(description).to_sdp());
        assert_eq!(ids(&report.descriptions[0]), expected, "{}", report.summary);
    }
    let mdns = Message::offer(description("aaaa", vec![])).to_sdp()
        + "a=candidate:1 1 udp 2113937151 5f1ff3ae-64a5.local 50112 typ host\r\n";
    let report = explain(&mdns);
    assert_eq!(ids(&report.descriptions[0]), ["only-mdns", "no-relay", "unusable-candidate"]);
}

#[test]
fn a_sip_call_without_ice_is_explained() {
    let sip = "v=0\r\no=alice 1 1 IN IP4 192.168.1.5\r\ns=-\r\nc=IN IP4 192.168.1.5\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\nm=video 0 RTP/AVP 99\r\n";
    let report = explain(sip);
    assert_eq!(ids(&report.descriptions[0]), ["no-ice", "private-media"]);
    insta::assert_snapshot!("sip_text", report.text(false));
}

#[test]
fn an_answer_to_another_offer_has_no_pairs() {
    let answer = Message::answer(home("bbbb", false), &home("cccc", false));
    let report = both(&Message::offer(home("aaaa", false)), &answer);
    assert!(report.pairs.is_empty());
    assert!(
        report.summary.contains("answers another offer: it names `cccc`"),
        "{}",
        report.summary
    );
    let swapped = both(
        &Message::answer(home("bbbb", false), &home("aaaa", false)),
        &Message::offer(home("aaaa", false)),
    );
    assert!(swapped.summary.contains("give the offer first"), "{}", swapped.summary);
}

#[test]
fn two_symmetric_sides_need_a_relay_and_the_summary_says_so() {
    let offer = symmetric("aaaa");
    let report = both(&Message::offer(offer.clone()), &Message::answer(symmetric("bbbb"), &offer));
    let reflexive =
        report.pairs.iter().find(|p| p.from.starts_with("srflx") && p.to.starts_with("srflx"));
    // seen as one address: hairpinning is asked about before anything else
    assert!(reflexive.unwrap().because.contains("hairpinning"), "{reflexive:?}");
    assert!(report.summary.contains("no relay to fall back on"), "{}", report.summary);
}

#[test]
fn hostile_lines_steer_neither_terminal_nor_markdown() {
    let sdp = Message::offer(home("aaaa", false)).to_sdp()
        + "a=x:\u{1b}[2J<img src=x> **b** | [a](http://e.com)\r\n";
    let report = explain(&sdp);
    assert!(!report.text(false).contains('\u{1b}'));
    let shown = report.markdown();
    assert!(
        !shown.contains("<img") && !shown.contains("**b") && !shown.contains("[a]("),
        "{shown}"
    );
}
