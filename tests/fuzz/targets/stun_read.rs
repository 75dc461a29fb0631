//! Any datagram through the reader: no panic, and what it shows of the text is safe to print.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = natscope::stun::read(bytes) else { return };
    assert!(message.method <= 0xfff);
    let reason = message.error.as_ref().map(|(_, reason)| reason.as_str());
    for text in [message.software.as_deref(), reason].into_iter().flatten() {
        assert!(!text.chars().any(char::is_control), "{text:?}");
        assert!(text.chars().count() <= 128, "{text:?}");
    }
});
