//! Any text as a session description: no panic; what ICE needs of it is written and read back, as
//! SDP and as one line; and it is explained without its password.
#![no_main]

use libfuzzer_sys::fuzz_target;
use natscope::report::Document as _;
use natscope::report::sdp::SdpReport;
use natscope::sdp::{read, read_all, read_candidate};

fuzz_target!(|text: &str| {
    let _ = read_candidate(text).map(|entry| entry.usable());
    if let Ok(reading) = read_all(text) {
        let report = SdpReport::of(("offer", &reading), Some(("answer", &reading)));
        let _ = (report.text(false), report.markdown(), report.json().expect("it is written"));
        let _ = SdpReport::of(("text", &reading), None).text(false);
    }
    let Ok(sdp) = read(text) else { return };
    let report = SdpReport::new(("offer", &sdp), Some(("answer", &sdp)));
    let _ = (report.text(false), report.markdown(), report.json().expect("it is written"));
    let Ok((message, _)) = sdp.message() else { return };
    let again = read(&message.to_sdp()).and_then(|sdp| sdp.message()).expect("ours is read");
    // a reflexive candidate without its base is written with none (0.0.0.0)
    let bare = |message: &natscope::sdp::Message| {
        let all = message.description.candidates.iter();
        all.map(|c| (c.address, c.kind, c.transport, c.priority)).collect::<Vec<_>>()
    };
    assert_eq!(bare(&again.0), bare(&message), "{text:?}");
    let line = read(&message.to_line()).and_then(|sdp| sdp.message()).expect("our line is read");
    assert_eq!(line.0.description.pwd, message.description.pwd);
});
