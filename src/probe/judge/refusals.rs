//! Answers that do not count, each kind with its own name and its own advice.

use crate::ground::finding::Id;
use crate::probe::address::may_follow;
use crate::probe::record::{Record, Rejected, RejectedWhy, Transaction, Via};

/// Notes one answer that did not count.
pub(super) fn note(
    record: &Record,
    t: &Transaction,
    rejected: &Rejected,
    note: &mut impl FnMut(Id, String),
) {
    let (from, asked) = (rejected.from, t.expected_from);
    match rejected.why {
        RejectedWhy::Error => {
            let (id, text) = error(record, t, rejected);
            note(id, text);
        }
        RejectedWhy::WrongSource if t.change.any() && from == t.server => note(
            Id::IgnoresChangeRequest,
            format!(
                "asked to answer from {asked}, {from} answered itself: filtering cannot be tested with it"
            ),
        ),
        RejectedWhy::WrongSource if t.via == Via::FromRelay => {
            let text = format!(
                "what the relay was to send from {asked} came from {from}: it stands behind a translation of its own, and what it sends shows nothing of the filter here; let it relay from an address that it has"
            );
            note(Id::WrongSource, text);
        }
        RejectedWhy::WrongSource => {
            let advice = if t.change.any() {
                ""
            } else {
                "; the server has several addresses and answers by the wrong one, or a translation \
                 before it is broken: bind it to one address"
            };
            let text = format!(
                "an answer came from {from} where {asked} was asked for; it was not counted{advice}"
            );
            note(Id::WrongSource, text);
        }
        RejectedWhy::WrongOrigin => note(
            Id::WrongOrigin,
            format!("an answer from {from} names another RESPONSE-ORIGIN; it was not counted"),
        ),
        RejectedWhy::NoMappedAddress => {
            let what = rejected.says.as_ref().map(|w| format!(" ({w})")).unwrap_or_default();
            let text = format!(
                "{from} answers without a mapped address that can be read{what}: take another server"
            );
            note(Id::NoMappedAddress, text);
        }
        RejectedWhy::WrongClass | RejectedWhy::WrongSocket => note(
            Id::OddAnswer,
            format!("{from} sent a message that is no answer to the request; it was not counted"),
        ),
        RejectedWhy::Malformed => {
            let what = rejected.says.as_deref().unwrap_or("it is no STUN message");
            let text = format!(
                "{from} answers with what cannot be read ({what}): is this a STUN server's port? Check it, or take another server"
            );
            note(Id::MalformedAnswer, text);
        }
        RejectedWhy::WrongId => note(
            Id::WrongId,
            format!(
                "{from} answers with a transaction id that is not the request's; such an answer may be anybody's and was not counted. Take another server"
            ),
        ),
        // the finding about the server says it
        RejectedWhy::UnusableMapped => {}
    }
}

/// What an error response means.
fn error(record: &Record, t: &Transaction, rejected: &Rejected) -> (Id, String) {
    let from = rejected.from;
    let code = rejected.code.unwrap_or(0);
    let says = rejected.says.as_ref().map(|says| format!(" \u{201c}{says}\u{201d}"));
    let says = says.unwrap_or_default();
    if code == 420 && t.response_port.is_some() {
        let text = format!(
            "{from} refuses RESPONSE-PORT (420): behind a dependent mapping its obedience cannot be shown"
        );
        return (Id::RefusesResponsePort, text);
    }
    if t.change.any() && !matches!(code, 300 | 401 | 438) {
        let text = format!(
            "{from} refuses CHANGE-REQUEST with error {code}{says}: filtering cannot be tested with it"
        );
        return (Id::RefusesChangeRequest, text);
    }
    match code {
        300 => (Id::Redirects, redirect(record, t, rejected)),
        401 | 438 => {
            let realm = rejected.realm.as_ref().filter(|realm| !realm.is_empty());
            let realm = realm.map(|r| format!(" for the realm \u{201c}{r}\u{201d}"));
            let text = format!(
                "{from} answers Binding with {code}{says}: it wants credentials{}, which a STUN check does not give. Take another server, let it answer Binding without credentials (coturn: no `secure-stun`), or try it as a TURN server with --turn",
                realm.unwrap_or_default()
            );
            (Id::WantsCredentials, text)
        }
        403 => {
            let text = format!(
                "{from} answers 403{says}: it does not serve this host; ask who runs it, or take another server"
            );
            (Id::Forbidden, text)
        }
        420 => {
            let text = format!(
                "{from} answers a plain Binding request with 420{says}, as if there were an attribute in it that it must know: it is no STUN server of RFC 5389 or later, or something on the way adds to requests. Take another server"
            );
            (Id::UnknownAttribute, text)
        }
        400..=499 => {
            let text = format!(
                "{from} answers with error {code}{says}: it does not take a plain Binding request; is this a STUN server's port? Check it, or take another server"
            );
            (Id::RefusesRequest, text)
        }
        500..=599 => {
            let text = format!(
                "{from} answers with error {code}{says}: the server itself is in trouble; try again later, or take another server"
            );
            (Id::ServerError, text)
        }
        _ => {
            let text = format!("{from} answers with error {code}{says}: take another server");
            (Id::AnswersWithError, text)
        }
    }
}

/// Where a 300 leads, and whether it was followed.
fn redirect(record: &Record, t: &Transaction, rejected: &Rejected) -> String {
    let from = rejected.from;
    let Some(to) = rejected.alternate else {
        return format!(
            "{from} answers 300 (Try Alternate) and does not say where: take another server"
        );
    };
    let sender = record.servers.get(t.about);
    let known = record.servers.iter().any(|server| server.address == to);
    let why = match sender {
        _ if known => {
            return format!("{from} sends its clients to {to} (300), which was asked too");
        }
        Some(server) if server.sent_by.is_some() => "one redirection is followed, not two",
        _ => may_follow(t.server, to).err().unwrap_or("the run was ended before"),
    };
    format!(
        "{from} sends its clients to {to} (300), which was not asked: {why}. Name it with --server if it is right"
    )
}
