//! Filtering, as a relay sees it: two relayed addresses of a TURN account send to a socket that has
//! not sent to them.

use super::filtering::{From, Test, both_of, left, silence, surer};
use super::view::{View, first_sent};
use crate::ground::fact::Fact;
use crate::nat::Filtering;
use crate::probe::record::{RelayRecord, Transaction, Via};

/// The filtering that this relay shows.
pub(super) fn judge(view: View<'_>, about: usize, relay: &RelayRecord) -> Fact<Filtering> {
    if let Some(why) = &relay.failed {
        return Fact::not_tested(format!("the relay was of no use: {why}"));
    }
    let (mut elsewhere, mut port) = (Test::Missing, Test::Missing);
    let all = view.transactions().filter(|t| t.via == Via::FromRelay && !t.sent.is_empty());
    let tests = all.filter(|t| !view.has_pinhole(&t.socket, t.expected_from, first_sent(t)));
    for t in tests {
        match test(view, about, t) {
            (From::Address, test) => elsewhere = surer(elsewhere, test),
            (From::Port, test) => port = surer(port, test),
        }
    }
    let evidence = both_of(&elsewhere, &port);
    let left = left(&elsewhere, &port);
    let because = because(&left, elsewhere, port, relay);
    match left.as_slice() {
        [] => Fact::inconclusive(because, evidence),
        &[only] => Fact::proven(only, because, evidence),
        several if several.len() == Filtering::ALL.len() => Fact::inconclusive(because, evidence),
        several => Fact::narrowed(several, because, evidence),
    }
}

/// Whether a filter would have known the relay's address when it sent, and what came of it.
fn test(view: View<'_>, about: usize, t: &Transaction) -> (From, Test) {
    let whole = View { about: None, ..view };
    let from = t.expected_from;
    let Some(reply) = &t.received else {
        let own = whole.udp().filter(|sent| sent.socket == t.socket);
        let mut earlier = own.filter(|sent| first_sent(sent) < first_sent(t));
        let known = earlier.any(|sent| sent.server.ip() == from.ip());
        return (if known { From::Port } else { From::Address }, silence(view, about, t));
    };
    let own = vec![t.id.clone()];
    if whole.touched(from) < reply.at {
        let why = format!("a packet from {from} came in only after this run had sent there");
        return (From::Port, Test::Unclear(why, own));
    }
    let known = reply.at > whole.touched_source(t);
    (if known { From::Port } else { From::Address }, Test::Pass(own))
}

fn because(left: &[Filtering], elsewhere: Test, port: Test, relay: &RelayRecord) -> String {
    use Filtering::{AddressAndPortDependent, AddressDependent, EndpointIndependent};
    let one = || {
        if relay.relayed.len() < 2 {
            " (one relayed address only: a second allocation would tell)"
        } else {
            ""
        }
    };
    match (left, elsewhere, port) {
        ([EndpointIndependent], ..) => {
            "a packet came in from a relay that nothing here had sent to".to_owned()
        }
        ([AddressDependent], ..) => {
            "a packet came in from another port of a relay that this socket had sent to, none before it had, and the controls passed".to_owned()
        }
        ([AddressAndPortDependent], ..) => {
            "no packet came in even from another port of an address that this socket had sent to, and the controls passed".to_owned()
        }
        ([], ..) => "a relay's packet came in unasked, and none from its other port: no known filter does that".to_owned(),
        (_, Test::Unclear(why, _), _) | (_, Test::Missing, Test::Unclear(why, _)) => why,
        (_, Test::Silent(_), Test::Unclear(why, _)) => format!(
            "a relay that this socket had not sent to does not get in; whether its other port does later could not be judged: {why}"
        ),
        (_, Test::Silent(_), _) => format!(
            "a relay that this socket had not sent to does not get in; whether another port of an address that it had sent to does was not shown{}",
            one()
        ),
        (_, _, Test::Pass(_)) if relay.udp => {
            "a relay gets in that this socket had not sent to, but this host's TURN client had, over UDP: a filter that belongs to the whole host would do that too; a server that lets clients in over TCP or TLS, or a STUN server at another address, would tell".to_owned()
        }
        (_, _, Test::Pass(_)) => {
            "another port of an address that was sent to gets in; whether another address does takes a STUN server at another address than the relay's: give one more --server".to_owned()
        }
        _ => "the relay's packets could not be judged".to_owned(),
    }
}
