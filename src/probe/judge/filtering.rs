//! Filtering (RFC 4787 section 5, RFC 5780 section 4.4), with the controls that turn silence into
//! knowledge.

use super::view::{View, first_sent, ids};
use crate::ground::fact::{EvidenceId, Fact};
use crate::nat::Filtering;
use crate::probe::record::{Record, RejectedWhy, Transaction, Via};
use crate::stun::Change;
use std::net::SocketAddr;

/// Silence counts when the chance that all tries were lost is below this.
pub(super) const SILENCE_PROVEN: f64 = 3e-6;

/// The other address, the same port.
const ADDRESS: Change = Change { ip: true, port: false };

/// What one kind of filter test showed.
pub(super) enum Test {
    /// The unsolicited answer came in.
    Pass(Vec<EvidenceId>),
    /// It did not, and the controls passed.
    Silent(Vec<EvidenceId>),
    /// It did not, or not so that it counts.
    Unclear(String, Vec<EvidenceId>),
    /// Nothing was tried.
    Missing,
}

impl Test {
    pub(super) fn evidence(&self) -> &[EvidenceId] {
        match self {
            Self::Pass(ids) | Self::Silent(ids) | Self::Unclear(_, ids) => ids,
            Self::Missing => &[],
        }
    }

    /// Which filtering a test from another address leaves possible, or one from another port.
    pub(super) fn leaves(&self, from: From) -> &'static [Filtering] {
        use Filtering::{AddressAndPortDependent, AddressDependent, EndpointIndependent};
        match (self, from) {
            (Self::Pass(_), From::Address) => &[EndpointIndependent],
            (Self::Silent(_), From::Address) => &[AddressDependent, AddressAndPortDependent],
            (Self::Pass(_), From::Port) => &[EndpointIndependent, AddressDependent],
            (Self::Silent(_), From::Port) => &[AddressAndPortDependent],
            (Self::Unclear(..) | Self::Missing, _) => Filtering::ALL,
        }
    }
}

/// Where an unasked answer comes from: another address, or another port of the server's own.
#[derive(Clone, Copy)]
pub(super) enum From {
    Address,
    Port,
}

/// The filtering that one server's answers show.
pub(super) fn judge(view: View<'_>, about: usize) -> Fact<Filtering> {
    let elsewhere = surer(test(view, about, Change::BOTH), test(view, about, ADDRESS));
    let port = test(view, about, Change::PORT);
    let left = left(&elsewhere, &port);
    match left.as_slice() {
        [] => Fact::inconclusive(
            "another address and port came in unasked, another port of the same address did not: no known filter does that",
            both_of(&elsewhere, &port),
        ),
        [only] => known(*only, &elsewhere, &port),
        several => open(view, several, elsewhere, port),
    }
}

/// What both kinds of test leave possible.
pub(super) fn left(elsewhere: &Test, port: &Test) -> Vec<Filtering> {
    let leaves = elsewhere.leaves(From::Address).iter().copied();
    leaves.filter(|f| port.leaves(From::Port).contains(f)).collect()
}

/// Of the two tests from another address, the one that shows more.
pub(super) fn surer(both: Test, address: Test) -> Test {
    let rank = |test: &Test| match test {
        Test::Pass(_) => 3,
        Test::Silent(_) => 2,
        Test::Unclear(..) => 1,
        Test::Missing => 0,
    };
    if rank(&address) > rank(&both) { address } else { both }
}

pub(super) fn both_of(elsewhere: &Test, port: &Test) -> Vec<EvidenceId> {
    ids(elsewhere.evidence().iter().chain(port.evidence()))
}

fn known(only: Filtering, elsewhere: &Test, port: &Test) -> Fact<Filtering> {
    match only {
        Filtering::EndpointIndependent => Fact::proven(
            only,
            "an answer came in from an address and port that nothing here had sent to",
            elsewhere.evidence().to_vec(),
        ),
        Filtering::AddressDependent => Fact::proven(
            only,
            "an answer came in from another port of the server's address, none from its other address, and the controls passed",
            ids(port.evidence().iter().chain(elsewhere.evidence())),
        ),
        Filtering::AddressAndPortDependent => Fact::proven(
            only,
            "no answer came in even from another port of the server's own address, and the controls passed",
            port.evidence().to_vec(),
        ),
    }
}

/// What is left, and why not less.
fn open(view: View<'_>, left: &[Filtering], elsewhere: Test, port: Test) -> Fact<Filtering> {
    let evidence = both_of(&elsewhere, &port);
    let because = match (elsewhere, port) {
        (Test::Silent(_), Test::Unclear(why, _)) => format!(
            "the other address is filtered; the other port of the same address could not be judged: {why}"
        ),
        (Test::Silent(_), _) => {
            "the other address is filtered; the other port of the same address was not tested"
                .to_owned()
        }
        (Test::Unclear(why, _), Test::Pass(_)) => format!(
            "another port of the server's address gets in; whether another address does could not be judged: {why}"
        ),
        (_, Test::Pass(_)) => {
            "another port of the server's address gets in; the server has no second address to test with"
                .to_owned()
        }
        (Test::Unclear(why, _), _) | (_, Test::Unclear(why, _)) => why,
        _ => return not_tested(view),
    };
    Fact::narrowed(left, because, evidence)
}

fn not_tested(view: View<'_>) -> Fact<Filtering> {
    if view.plain().any(|t| t.received.is_some()) {
        Fact::not_tested(
            "filtering needs a server with RFC 5780 (two addresses), which this one is not",
        )
    } else {
        Fact::not_tested("no server answered over UDP")
    }
}

/// The filter tests are the requests for an answer from an endpoint that nothing here had sent to.
fn test(view: View<'_>, about: usize, change: Change) -> Test {
    let tests: Vec<&Transaction> = view
        .udp()
        .filter(|t| t.change == change && t.response_port.is_none() && !t.sent.is_empty())
        .filter(|t| !view.has_pinhole(&t.socket, t.expected_from, first_sent(t)))
        .collect();
    let Some(&test) = tests.first() else { return Test::Missing };
    let own = vec![test.id.clone()];
    match &test.received {
        // what was sent in the same moment was sent because of the answer
        Some(reply) if reply.at <= view.touched_source(test) => Test::Pass(own),
        Some(_) => Test::Unclear(
            format!(
                "an answer from {} came only after this run had sent to it",
                test.expected_from
            ),
            own,
        ),
        None => silence(view, about, test),
    }
}

/// Weighs a silence: refusals first, then each control.
pub(super) fn silence(view: View<'_>, about: usize, test: &Transaction) -> Test {
    let from = test.expected_from;
    let own = vec![test.id.clone()];
    if let Some(why) = refusal(test) {
        return Test::Unclear(why, own);
    }
    let Some((alive, reply_ms)) = plain_answer(view, from) else {
        let why = format!("{from} answers nothing at all, so its silence shows nothing");
        return Test::Unclear(why, own);
    };
    let Some((beat, true)) = heartbeat(view.record, test) else {
        let why = "the test's own socket did not keep working with the same mapping".to_owned();
        return Test::Unclear(why, own);
    };
    let Some((control, control_ms)) = control(view, test) else {
        return Test::Unclear(no_control(view, test), own);
    };
    let end = view.end();
    let needed = reply_ms.max(control_ms);
    let tries = test.sent.iter().filter(|&&sent| sent + needed <= end).count();
    let tries = u32::try_from(tries).unwrap_or(u32::MAX);
    // what was lost on the way of the test, and on that of the plain requests beside it
    let chance = |about| view.losses(about, reply_ms).chance_all_lost(tries);
    let chance = chance(about).max(chance(beat.about));
    let evidence = ids([&test.id, alive, &beat.id, control]);
    if chance > SILENCE_PROVEN {
        let why = format!(
            "{tries} tries for an answer from {from} stayed without one, but too much was lost on the way to be sure"
        );
        return Test::Unclear(why, evidence);
    }
    Test::Silent(evidence)
}

/// What the server did instead of obeying.
fn refusal(test: &Transaction) -> Option<String> {
    let rejected = test.rejected.first()?;
    let server = test.server;
    Some(match (rejected.why, rejected.code) {
        (RejectedWhy::Error, Some(code)) => {
            format!("{server} refuses CHANGE-REQUEST with error {code}")
        }
        (RejectedWhy::WrongSource, _) if rejected.from == server => {
            format!("{server} ignores CHANGE-REQUEST: it answered from where it was asked")
        }
        (RejectedWhy::WrongSource, _) => format!(
            "{server} answered from {} where {} was asked for",
            rejected.from, test.expected_from
        ),
        _ => format!("{server} gave an answer that does not count"),
    })
}

/// A plain request that this endpoint answered, and how long that took in ms.
fn plain_answer(view: View<'_>, from: SocketAddr) -> Option<(&EvidenceId, f64)> {
    view.plain()
        .filter(|t| t.server == from)
        .find_map(|t| Some((&t.id, t.received.as_ref()?.at - first_sent(t))))
}

/// The plain request that ran beside the test from the same socket, and whether the mapping was
/// the same as before the test.
fn heartbeat<'a>(record: &'a Record, test: &Transaction) -> Option<(&'a Transaction, bool)> {
    let view = View { record, about: None };
    let relayed = test.via == Via::FromRelay;
    let of_socket = |t: &&Transaction| {
        let server = if relayed { t.via == Via::Udp } else { t.server == test.server };
        t.socket == test.socket && server
    };
    let before = view
        .plain()
        .filter(of_socket)
        .filter(|t| first_sent(t) < first_sent(test))
        .find_map(|t| Some(t.received.as_ref()?.mapped))?;
    view.plain()
        .filter(of_socket)
        .filter(|t| t.sent.last().is_some_and(|&last| last > first_sent(test)))
        .find_map(|t| Some((t, t.received.as_ref()?.mapped == before)))
}

/// The pinhole control: an answer from the same endpoint, by the same kind of request, that came
/// in where a pinhole was open. Gives how long it took, in ms, at the most.
fn control<'a>(view: View<'a>, test: &Transaction) -> Option<(&'a EvidenceId, f64)> {
    view.transactions()
        .filter(|t| t.via == test.via && t.change == test.change)
        .filter(|t| t.expected_from == test.expected_from)
        .filter(|t| t.id != test.id && view.has_pinhole(&t.socket, t.expected_from, first_sent(t)))
        .find_map(|t| Some((&t.id, t.received.as_ref()?.at - first_sent(t))))
}

/// Why there is no passed control.
fn no_control(view: View<'_>, test: &Transaction) -> String {
    let tried = view.transactions().find(|t| {
        t.via == test.via
            && t.change == test.change
            && t.expected_from == test.expected_from
            && t.id != test.id
            && view.has_pinhole(&t.socket, t.expected_from, first_sent(t))
    });
    let from = test.expected_from;
    match tried {
        Some(t) if t.response_port.is_some() => format!(
            "no proof that the server sends from {from}: the mapping depends on the destination, and RESPONSE-PORT, which would show it, was not obeyed"
        ),
        Some(_) => format!(
            "no proof that the server sends from {from}: through an open pinhole nothing came from there either"
        ),
        None => format!("no proof that the server sends from {from}: no control could be run"),
    }
}
