//! Mapping (RFC 4787 section 4.1, RFC 5780 section 4.3): what one socket's external endpoint is
//! toward several remote endpoints.

use super::view::{Mapped, View, ids};
use crate::nat::Mapping;
use crate::probe::fact::Fact;

/// What the pairs of remote endpoints show.
#[derive(Default)]
struct Pairs<'a> {
    same_address_same: Option<[Mapped<'a>; 2]>,
    same_address_differ: Option<[Mapped<'a>; 2]>,
    other_address_same: Option<[Mapped<'a>; 2]>,
    other_address_differ: Option<[Mapped<'a>; 2]>,
    unstable: Option<[Mapped<'a>; 2]>,
}

/// The mapping of what this view sees.
pub(super) fn judge(view: View<'_>) -> Fact<Mapping> {
    let seen = view.mappings();
    if seen.is_empty() {
        return Fact::not_tested("no server answered over UDP");
    }
    if seen.iter().all(|m| m.mapped == m.local) && seen.len() > 1 {
        let evidence = ids(seen.iter().map(|m| m.id));
        let because = "nothing is translated: every server sees the local address and port";
        return Fact::proven(Mapping::EndpointIndependent, because, evidence);
    }
    verdict(&pairs(&seen))
}

fn pairs<'a>(seen: &[Mapped<'a>]) -> Pairs<'a> {
    let mut pairs = Pairs::default();
    for (i, &a) in seen.iter().enumerate() {
        for &b in seen.iter().skip(i + 1).filter(|b| b.socket == a.socket) {
            let same = a.mapped == b.mapped;
            let slot = match (a.remote.ip() == b.remote.ip(), a.remote == b.remote, same) {
                (_, true, true) => continue,
                (_, true, false) => &mut pairs.unstable,
                (true, _, true) => &mut pairs.same_address_same,
                (true, _, false) => &mut pairs.same_address_differ,
                (false, _, true) => &mut pairs.other_address_same,
                (false, _, false) => &mut pairs.other_address_differ,
            };
            slot.get_or_insert([a, b]);
        }
    }
    pairs
}

fn verdict(pairs: &Pairs<'_>) -> Fact<Mapping> {
    if let Some([a, b]) = &pairs.unstable {
        let because = format!(
            "the mapping is not stable: {} saw {} and later {}",
            a.remote, a.mapped, b.mapped
        );
        return Fact::inconclusive(because, ids([a.id, b.id]));
    }
    if let Some(pair) = &pairs.same_address_differ {
        let because =
            format!("another port of the same address sees another endpoint: {}", say(pair));
        return Fact::proven(Mapping::AddressAndPortDependent, because, evidence(&[Some(pair)]));
    }
    match (&pairs.other_address_same, &pairs.other_address_differ, &pairs.same_address_same) {
        (Some(same), None, _) => {
            let because = format!("different addresses see the same endpoint: {}", say(same));
            let evidence = evidence(&[Some(same), pairs.same_address_same.as_ref()]);
            Fact::proven(Mapping::EndpointIndependent, because, evidence)
        }
        (None, Some(differ), Some(same)) => {
            let because = format!(
                "another address sees another endpoint ({}), another port of the same address does not",
                say(differ)
            );
            Fact::proven(Mapping::AddressDependent, because, evidence(&[Some(differ), Some(same)]))
        }
        (None, Some(differ), None) => {
            let because = format!(
                "it depends on the destination ({}), but no two ports of one address could be compared: address-dependent or address-and-port-dependent",
                say(differ)
            );
            Fact::inconclusive(because, evidence(&[Some(differ)]))
        }
        (Some(same), Some(differ), _) => {
            let because = format!(
                "some addresses see the same endpoint and others do not: {}; {}",
                say(same),
                say(differ)
            );
            Fact::inconclusive(because, evidence(&[Some(same), Some(differ)]))
        }
        (None, None, Some(same)) => {
            let because = "two ports of one address see the same endpoint, but no second address answered: endpoint-independent or address-dependent";
            Fact::inconclusive(because, evidence(&[Some(same)]))
        }
        (None, None, None) => Fact::not_tested(
            "only one endpoint of one server answered; a mapping shows by comparison: give another server, or one with RFC 5780",
        ),
    }
}

fn say([a, b]: &[Mapped<'_>; 2]) -> String {
    if a.mapped == b.mapped {
        format!("{} and {} both see {}", a.remote, b.remote, a.mapped)
    } else {
        format!("{} sees {}, {} sees {}", a.remote, a.mapped, b.remote, b.mapped)
    }
}

fn evidence(pairs: &[Option<&[Mapped<'_>; 2]>]) -> Vec<String> {
    ids(pairs.iter().flatten().flat_map(|[a, b]| [a.id, b.id]))
}
