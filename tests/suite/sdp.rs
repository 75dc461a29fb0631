//! Session descriptions: a headless Chromium takes ours, and `natscope report sdp` explains its.

use crate::support;
use assert_cmd::Command;
use natscope::ice::{Candidate, Description, Kind, Transport};
use natscope::sdp::{Message, read};
use serde_json::Value;
use std::path::Path;

fn candidate(kind: Kind, address: &str, related: Option<&str>, transport: Transport) -> Candidate {
    Candidate {
        foundation: "1".to_owned(),
        component: 1,
        transport,
        priority: 2_130_706_431,
        address: address.parse().unwrap(),
        kind,
        related: related.map(|a| a.parse().unwrap()),
    }
}

fn offer(complete: bool) -> Message {
    let base = Some("192.168.1.7:40000");
    Message::offer(Description {
        ufrag: "aB3+".to_owned(),
        pwd: "Secret1234567890/+Secret".to_owned(),
        candidates: vec![
            candidate(Kind::Host, "192.168.1.7:40000", None, Transport::Udp),
            candidate(Kind::Host, "192.168.1.7:9", None, Transport::TcpActive),
            candidate(Kind::Host, "[2001:db8::7]:40001", None, Transport::TcpPassive),
            candidate(Kind::ServerReflexive, "198.51.100.4:61000", base, Transport::Udp),
            candidate(
                Kind::Relayed,
                "203.0.113.9:50000",
                Some("198.51.100.4:61001"),
                Transport::Udp,
            ),
        ],
        complete,
        trickle: true,
    })
}

/// What a page prints into its element `o`, in a headless Chromium; `None` where there is none.
///
/// The page is dumped when its virtual time is over, which leaps ahead while nothing is due; but
/// WebRTC works on threads that have the real time. So the page keeps a timer due until it is done.
fn chromium(script: &str) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let html = format!(
        "<pre id=o>it did not run</pre><script>let done=false;\
         const tick=()=>{{if(!done)setTimeout(tick,1)}};tick();(async()=>{{{script}}})()\
         .catch(e=>String(e)).then(t=>{{document.getElementById('o').textContent=t;done=true}})\
         </script>"
    );
    std::fs::write(&page, html).unwrap();
    let found = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| {
        std::process::Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success())
    });
    let Some(browser) = found else {
        support::skip("Chromium is not installed");
        return None;
    };
    let output = std::process::Command::new("timeout")
        .args(["60", browser, "--headless", "--no-sandbox", "--disable-gpu"])
        .args(["--disable-dev-shm-usage", "--virtual-time-budget=1000000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", folder.path().display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    let dom = String::from_utf8_lossy(&output.stdout).into_owned();
    let text = dom.split_once("<pre id=\"o\">").and_then(|(_, rest)| rest.split_once("</pre>"));
    let (text, _) = text.unwrap_or_else(|| panic!("{dom}\n{}", support::stderr(&output)));
    Some(text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
}

fn explain(arguments: &[&Path]) -> Value {
    let output = Command::new(assert_cmd::cargo::cargo_bin!("natscope"))
        .args(["report", "sdp", "--format", "json"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", support::stderr(&output));
    support::parse(&support::stdout(&output))
}

#[test]
fn chromium_takes_our_offer_and_its_answer_is_understood() {
    for complete in [true, false] {
        let sdp = serde_json::to_string(&offer(complete).to_sdp()).unwrap();
        let script = format!(
            "const pc=new RTCPeerConnection();\
             await pc.setRemoteDescription({{type:'offer',sdp:{sdp}}});\
             await pc.setLocalDescription(await pc.createAnswer());\
             return JSON.stringify(pc.localDescription)"
        );
        let Some(answer) = chromium(&script) else { return };
        let answer = read(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"));
        let (message, _) = answer.message().unwrap();
        assert_eq!(message.kind, natscope::sdp::Kind::Answer);
        assert_eq!(message.check_answers(&offer(complete).description), Ok(()));
    }
}

#[test]
fn chromium_takes_our_answer_to_its_offer() {
    let script = "const pc=new RTCPeerConnection();pc.createDataChannel('x');\
        const o=await pc.createOffer();return JSON.stringify(o)";
    let Some(text) = chromium(script) else { return };
    let (theirs, _) = read(&text).unwrap().message().unwrap();
    let answer = Message::answer(offer(true).description, &theirs.description).to_sdp();
    // the offer that it takes an answer to must be one of its own, in the same page
    let answer = serde_json::to_string(&answer).unwrap();
    let script = format!(
        "const pc=new RTCPeerConnection();pc.createDataChannel('x');\
         await pc.setLocalDescription(await pc.createOffer());\
         await pc.setRemoteDescription({{type:'answer',sdp:{answer}}});return pc.signalingState"
    );
    assert_eq!(chromium(&script).as_deref(), Some("stable"));
}

#[test]
fn an_offer_of_chromium_is_explained() {
    let script = "const pc=new RTCPeerConnection();pc.createDataChannel('x');\
        pc.addTransceiver('audio');pc.addTransceiver('video');\
        await pc.setLocalDescription(await pc.createOffer());\
        return JSON.stringify(pc.localDescription)";
    let Some(text) = chromium(script) else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("offer.json");
    std::fs::write(&file, &text).unwrap();
    let report = explain(&[&file]);
    assert_eq!(report["schema"], "natscope-sdp/1");
    let offer = &report["descriptions"][0];
    assert_eq!(offer["kind"], "offer");
    let lines = offer["lines"].as_array().unwrap();
    assert!(lines.len() > 40, "{report:#}");
    let unknown = |l: &&Value| l["meaning"].as_str().unwrap().contains("not known");
    assert_eq!(lines.iter().find(unknown), None);
    let pwd = text.split("ice-pwd:").nth(1).unwrap().split('\\').next().unwrap();
    assert!(!report.to_string().contains(pwd), "the password is in the report");
}

#[test]
fn both_sides_are_explained_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let (one, two) = (file("offer.sdp"), file("answer.txt"));
    let other = Description { ufrag: "zzzz".into(), ..offer(true).description };
    std::fs::write(&one, offer(true).to_sdp()).unwrap();
    std::fs::write(&two, Message::answer(other, &offer(true).description).to_line()).unwrap();
    let report = explain(&[&one, &two]);
    assert_eq!(report["pairs"].as_array().unwrap().len(), 9, "{report:#}");
    let output = Command::new(assert_cmd::cargo::cargo_bin!("natscope"))
        .args(["report", "sdp", "--format", "markdown", "--output"])
        .arg(file("x.json"))
        .args([&one, &two])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", support::stderr(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("### Pairs"));
    let saved: Value =
        serde_json::from_str(&std::fs::read_to_string(file("x.json")).unwrap()).unwrap();
    assert_eq!(saved, report);
}

#[test]
fn one_line_that_cannot_be_read_is_told_by_line_and_column_and_the_rest_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("offer.sdp");
    let good = offer(true).to_sdp();
    for (text, told, candidates) in [
        (
            good.replacen("40000 typ", "x typ", 1),
            "line 8, column 44: expected a port from 0 to 65535, found `x`",
            4,
        ),
        (
            good.replace("t=0 0", "t=0"),
            "line 4, column 4: expected a time in seconds, or 0, found the end of the line",
            5,
        ),
        (
            good.replace("t=0 0", "hello"),
            "line 4, column 1: expected a letter, `=` and a value, found `hello`",
            5,
        ),
    ] {
        std::fs::write(&file, text).unwrap();
        let report = explain(&[&file]);
        let offer = &report["descriptions"][0];
        let findings = offer["findings"].as_array().unwrap();
        let bad: Vec<_> = findings.iter().filter(|f| f["id"] == "bad-line").collect();
        assert_eq!(bad.len(), 1, "{report:#}");
        assert!(bad[0]["text"].as_str().unwrap().starts_with(told), "{told}: {bad:#?}");
        assert_eq!(offer["candidates"].as_array().unwrap().len(), candidates, "{report:#}");
    }
}

#[test]
fn what_holds_no_description_is_told_by_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("offer.sdp");
    let half = &offer(true).to_line()[..60];
    for (text, told) in [
        (half.to_owned(), "only a part of this offer was pasted"),
        ("hello".to_owned(), "offer.sdp, line 1, column 1: expected a session description"),
        (String::new(), "but there is nothing"),
    ] {
        std::fs::write(&file, text).unwrap();
        let output = Command::new(assert_cmd::cargo::cargo_bin!("natscope"))
            .args(["report", "sdp"])
            .arg(&file)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(support::stderr(&output).contains(told), "{told}: {}", support::stderr(&output));
    }
}

/// Two files of 4,800 candidates make 23 million pairs.
#[test]
fn thousands_of_candidates_take_memory_for_candidates_and_not_for_pairs() {
    let folder = tempfile::tempdir().unwrap();
    let side = |name: &str, ufrag: &str, net: u8| {
        let mut message = offer(true);
        message.description.ufrag = ufrag.to_owned();
        message.description.candidates = (0..4800u32)
            .map(|i| {
                let [_, _, high, low] = i.to_be_bytes();
                let address = format!("198.{net}.{high}.{low}:40000");
                let made = candidate(Kind::ServerReflexive, &address, None, Transport::Udp);
                Candidate { priority: 1_000_000 - i, ..made }
            })
            .collect();
        let file = folder.path().join(name);
        std::fs::write(&file, message.to_sdp()).unwrap();
        file
    };
    let (one, other) = (side("offer.sdp", "aaaa", 51), side("answer.sdp", "bbbb", 18));
    let output = Command::new("prlimit")
        .args(["--as=1500000000", "--cpu=60"])
        .arg(assert_cmd::cargo::cargo_bin!("natscope"))
        .args(["report", "sdp", "--format", "json"])
        .args([&one, &other])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", support::stderr(&output));
    let report = support::parse(&support::stdout(&output));
    let pairs = report["pairs"].as_array().unwrap();
    assert_eq!(pairs.len(), 400);
    // the preferred first, and no better one left out
    assert_eq!((&pairs[0]["offer"], &pairs[0]["answer"]), (&0.into(), &0.into()));
    let priorities: Vec<u64> = pairs.iter().map(|p| p["priority"].as_u64().unwrap()).collect();
    let of = |a: u64, b: u64| (a.min(b) << 32) + 2 * a.max(b) + u64::from(a > b);
    let all = (0..500u64).flat_map(|i| (0..500).map(move |j| of(1_000_000 - i, 1_000_000 - j)));
    let mut all: Vec<u64> = all.collect();
    all.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(priorities, all[..400]);
}
