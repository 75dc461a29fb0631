//! Any saved measurement through the judge: reports are files, and files are edited.
#![no_main]

use libfuzzer_sys::fuzz_target;
use natscope::probe::{judge, record::Record};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(record) = serde_json::from_slice::<Record>(bytes) {
        let _judgement = judge::judge(&record);
    }
});
