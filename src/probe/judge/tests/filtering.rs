//! What came in unasked, what did not, and which silences show nothing.

use super::*;
use crate::nat::Filtering::{
    self, AddressAndPortDependent as Apdf, AddressDependent as Adf, EndpointIndependent as Eif,
};

/// What became of a request for an answer from elsewhere.
#[derive(Clone, Copy, PartialEq)]
enum Unasked {
    CameIn,
    /// It did not, and through a pinhole it does.
    Filtered,
    /// It did not, and nothing shows that the server sends it.
    Unshown,
    NotTried,
}

/// One server with RFC 5780, all its endpoints alive: what became of answers from its other address
/// and port, from its other address, and from its other port.
fn tested(both: Unasked, by_address: Unasked, port: Unasked) -> Run {
    let mut run = Run::default().named(A).ask(0, "f", A, Some(X));
    let asked = [
        (both, Change::BOTH, A_BOTH),
        (by_address, Change { ip: true, port: false }, A_ADDRESS),
        (port, Change::PORT, A_PORT),
    ];
    let tested = asked.iter().filter(|(became, ..)| *became != Unasked::NotTried);
    for &(became, change, from) in tested.clone() {
        run = run.change("f", change, from, became == Unasked::CameIn);
    }
    // the heartbeat beside them, each try answered
    run = run.ask(0, "f", A, Some(X));
    let beat = run.0.transactions.last_mut().expect("just added");
    beat.sent = (0..16).map(|i| 100.0 + 20.0 * f64::from(i)).collect();
    let answers: Vec<f64> = beat.sent.iter().map(|sent| sent + 1.0).collect();
    beat.again = answers[1..].to_vec();
    beat.received.as_mut().expect("answered").at = answers[0];
    for at in [A, A_BOTH, A_ADDRESS, A_PORT] {
        run = run.ask(0, "m", at, Some(Y)).later();
    }
    for &(_, change, from) in tested.filter(|(became, ..)| *became == Unasked::Filtered) {
        run = run.change("m", change, from, true).later();
    }
    run
}

impl Run {
    fn change(self, socket: &str, change: Change, from: &str, answered: bool) -> Self {
        let mut run = self.ask(0, socket, A, answered.then_some(X));
        let t = run.0.transactions.last_mut().expect("just added");
        t.change = change;
        t.expected_from = address(from);
        if let Some(reply) = &mut t.received {
            reply.from = address(from);
        } else {
            t.sent = (0..16).map(|i| 100.0 + 20.0 * f64::from(i)).collect();
        }
        run
    }

    /// The last transaction, after all filter tests.
    fn later(mut self) -> Self {
        let t = self.0.transactions.last_mut().expect("there is one");
        let earlier = t.sent[0];
        t.sent[0] = earlier + 1000.0;
        t.closed += 1000.0;
        if let Some(reply) = &mut t.received {
            reply.at = t.sent[0] + 1.0;
        }
        self
    }
}

#[test]
fn what_comes_in_unasked_and_what_does_not_leave_this_filtering() {
    use Unasked::{CameIn, Filtered, NotTried, Unshown};
    let table: &[(Unasked, Unasked, Unasked, &[Filtering])] = &[
        (CameIn, NotTried, CameIn, &[Eif]),
        (CameIn, NotTried, Unshown, &[Eif]),
        (Filtered, NotTried, CameIn, &[Adf]),
        (Filtered, NotTried, Filtered, &[Apdf]),
        (Unshown, NotTried, Filtered, &[Apdf]),
        (Filtered, NotTried, Unshown, &[Adf, Apdf]),
        (Filtered, NotTried, NotTried, &[Adf, Apdf]),
        (Unshown, NotTried, CameIn, &[Eif, Adf]),
        (NotTried, NotTried, CameIn, &[Eif, Adf]),
        (Unshown, NotTried, Unshown, Filtering::ALL),
        (NotTried, NotTried, NotTried, Filtering::ALL),
        // the other port is closed on the way, the other address is not
        (Unshown, CameIn, Unshown, &[Eif]),
        (Unshown, Filtered, Unshown, &[Adf, Apdf]),
        (Unshown, Filtered, CameIn, &[Adf]),
        // no filter does that
        (CameIn, NotTried, Filtered, Filtering::ALL),
    ];
    for &(both, by_address, port, left) in table {
        let fact = tested(both, by_address, port).facts().filtering;
        let names = [both, by_address, port].map(|u| match u {
            CameIn => "came in",
            Filtered => "filtered",
            Unshown => "unshown",
            NotTried => "not tried",
        });
        assert_eq!(fact.possible(), left, "{names:?}: {fact:?}");
        assert_eq!(fact.known().is_some(), left.len() == 1, "{names:?}: {fact:?}");
    }
}

#[test]
fn a_silence_without_its_controls_shows_nothing() {
    use Unasked::{Filtered, NotTried};
    type Spoil = fn(&mut Record);
    /// The first that asks for this, or the last plain request to there.
    fn of(record: &mut Record, wanted: impl Fn(&Transaction) -> bool) -> &mut Transaction {
        record.transactions.iter_mut().rfind(|t| wanted(t)).expect("it is there")
    }
    fn test(record: &mut Record) -> &mut Transaction {
        of(record, |t| t.change.any() && t.socket == "f")
    }
    fn control(record: &mut Record) -> &mut Transaction {
        of(record, |t| t.change.any() && t.socket == "m")
    }
    fn refused(record: &mut Record, why: RejectedWhy, code: Option<u16>, from: &str) {
        let refused = Rejected { code, ..Rejected::new(1.0, address(from), why) };
        test(record).rejected.push(refused);
    }
    let table: &[(Spoil, &str)] = &[
        (|r| refused(r, RejectedWhy::Error, Some(420), A), "refuses CHANGE-REQUEST with error 420"),
        (|r| refused(r, RejectedWhy::WrongSource, None, A), "answered from where it was asked"),
        (|r| refused(r, RejectedWhy::WrongSource, None, B), "answered from 192.0.2.33:3478 where"),
        (|r| refused(r, RejectedWhy::WrongOrigin, None, A), "an answer that does not count"),
        (|r| of(r, |t| t.server == address(A_BOTH)).received = None, "answers nothing at all"),
        (
            |r| of(r, |t| t.socket == "f" && !t.change.any()).received = None,
            "own socket did not keep working",
        ),
        (|r| control(r).received = None, "through an open pinhole nothing came"),
        (
            |r| {
                control(r).received = None;
                control(r).response_port = Some(9);
            },
            "RESPONSE-PORT, which would show it, was not obeyed",
        ),
        (|r| control(r).change = Change::NONE, "no control could be run"),
        (|r| test(r).sent.truncate(3), "3 tries for an answer from 192.0.2.2:3479"),
        (
            |r| {
                let late = r.transactions[0].received.clone();
                test(r).received = late.map(|reply| Reply { at: 9000.0, ..reply });
            },
            "came only after this run had sent to it",
        ),
    ];
    for (spoil, because) in table {
        let mut run = tested(Filtered, NotTried, NotTried);
        assert_eq!(run.facts().filtering.possible(), [Adf, Apdf], "{because}");
        spoil(&mut run.0);
        let fact = run.facts().filtering;
        assert_eq!(fact.possible(), Filtering::ALL, "{because}: {fact:?}");
        is(&fact, None, because);
    }
    is(&plain(&[(A, X)]).facts().filtering, None, "needs a server with RFC 5780");
    let silent = Run::default().server(&[(A, None)]);
    is(&silent.facts().filtering, None, "no server answered over UDP");
}
