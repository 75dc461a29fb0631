//! Any description of a NAT: no panic, and what it makes nft read is one table of its own, with
//! nothing of the description's free text in it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use natscope::lab::{catalogue, plan, rules};
use natscope::nat::NatSpec;

fuzz_target!(|text: &str| {
    // A description must bear its file's name; any name will do here.
    let Ok(NatSpec { name, .. }) = toml::from_str(text) else { return };
    let Ok(spec) = catalogue::parse(&format!("{name}.toml"), text) else { return };
    let _truth = spec.truth();
    let Ok(plan) = plan::plan(&[spec], 2, 10) else { return };
    for layer in plan.sites.iter().flat_map(|site| &site.boxes) {
        let rules = rules::nftables(&layer.spec, &layer.wiring);
        assert!(rules.starts_with("table ip natscope {\n") && rules.ends_with("}\n"));
        assert_eq!(rules.matches('{').count(), rules.matches('}').count(), "{rules}");
    }
});
