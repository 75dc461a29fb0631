use super::*;
use crate::lab::catalogue::Catalogue;

fn wiring() -> Wiring {
    Wiring {
        wan: Ipv4Addr::new(192, 0, 2, 1),
        lan: (Ipv4Addr::new(192, 168, 1, 0), 24),
        loss_percent: 0,
    }
}

/// The map of sequential ports is a thousand entries that say nothing.
fn shorten(text: &str) -> String {
    let long = (3..SEQUENTIAL_PORTS)
        .map(|n| format!(", {n} : {}", FIRST_SEQUENTIAL_PORT + n))
        .collect::<Vec<_>>()
        .concat();
    text.replace(&long, ", …")
}

#[test]
fn the_text_of_every_nat_of_the_catalogue() {
    for spec in Catalogue::embedded().nats() {
        insta::assert_snapshot!(
            format!("rules-{}", spec.name),
            shorten(&nftables(spec, &wiring()))
        );
    }
}

#[test]
fn hairpin_loss_and_shared_permissions() {
    let mut spec = NatSpec::new(
        Mapping::AddressDependent,
        Filtering::AddressDependent,
        Allocation::Preserving,
    );
    spec.hairpin = true;
    spec.scope = Scope::Endpoint;
    insta::assert_snapshot!(nftables(&spec, &Wiring { loss_percent: 2, ..wiring() }));
}

#[test]
fn every_closing_brace_stands_behind_a_newline_or_an_element() {
    for spec in Catalogue::embedded().nats() {
        for line in nftables(spec, &wiring()).lines() {
            assert!(!line.contains("; }"), "{line}");
        }
    }
}
