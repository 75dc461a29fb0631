//! Any text as a STUN URI: no panic, and what is read is written back and read the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use natscope::stun::uri::Uri;

fuzz_target!(|text: &str| {
    let Ok(uri) = text.parse::<Uri>() else { return };
    let written = uri.to_string();
    let again: Uri = written.parse().expect("what is written can be read");
    assert_eq!(uri, again, "{text:?} became {written:?}");
});
