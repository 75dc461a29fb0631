//! Every string of every document made hostile, in turn, and shown in every format.

use super::{
    Document, Report, connect, explain, json, markdown, matrix, nats, schema_tests, sdp, text,
};
use crate::ground::hostile::is_hostile;
use crate::ice::Connection;
use crate::sdp::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What a terminal acts upon: clears, a title in C1, DEL, direction marks, what is not drawn.
const EVIL: &str = "\u{1b}[2J\u{9b}2J\u{9d}0;x\u{7f}\u{202e}\u{2066}\u{200b}\u{2028}\u{e0041}\r";

/// The places of all strings in a document.
fn strings(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(at.to_owned()),
        Value::Array(all) => {
            for (i, value) in all.iter().enumerate() {
                strings(value, &format!("{at}/{i}"), found);
            }
        }
        Value::Object(all) => {
            for (key, value) in all {
                strings(value, &format!("{at}/{key}"), found);
            }
        }
        _ => {}
    }
}

/// Shows the document once for each string in it that may be any text; how many there were.
fn shown<T: Serialize + DeserializeOwned>(document: &T, show: impl Fn(&T) -> Vec<String>) -> usize {
    let plain = serde_json::to_value(document).unwrap();
    let mut places = Vec::new();
    strings(&plain, "", &mut places);
    let mut tried = 0;
    for place in places {
        let mut hostile = plain.clone();
        if let Some(Value::String(text)) = hostile.pointer_mut(&place) {
            text.push_str(EVIL);
        }
        let Ok(document) = serde_json::from_value::<T>(hostile) else { continue };
        tried += 1;
        for shown in show(&document).into_iter().chain(json::document(&document)) {
            let raw = shown.chars().find(|&c| c != '\n' && is_hostile(c));
            assert_eq!(raw, None, "{place} in {shown}");
        }
    }
    tried
}

#[test]
fn no_format_of_a_report_shows_a_hostile_character() {
    let report: Report = super::tests::report(super::tests::cone());
    assert!(shown(&report, |r| vec![text(r, false), markdown(r), explain(r)]) > 10);
}

#[test]
fn no_format_of_a_connection_shows_a_hostile_character() {
    for how in [Connection::Failed, Connection::DirectReflexive] {
        let report = connect::tests::both(how);
        assert!(shown(&report, |r| vec![r.text(false), r.markdown()]) > 10);
    }
}

#[test]
fn no_format_of_descriptions_shows_a_hostile_character() {
    let offer = sdp::tests::home("aaaa", false);
    let answer = Message::answer(sdp::tests::home("bbbb", true), &offer);
    let report = sdp::tests::both(&Message::offer(offer), &answer);
    assert!(shown(&report, |r| vec![r.text(false), r.markdown()]) > 10);
}

#[test]
fn no_format_of_a_matrix_shows_a_hostile_character() {
    let all = matrix::tests::matrix();
    let formats =
        |m: &_| vec![matrix::text(m, false), matrix::markdown(m), matrix::junit(m).unwrap()];
    assert!(shown(&all, formats) > 10);
    let cells = |m: &crate::lab::matrix::Matrix| {
        m.cells.iter().flat_map(|c| [matrix::text_of(c), matrix::markdown_of(c)]).collect()
    };
    assert!(shown(&all, cells) > 10);
}

#[test]
fn no_format_of_what_the_lab_measures_shows_a_hostile_character() {
    fn both<T: Document>(document: &T) -> Vec<String> {
        vec![document.text(false), document.markdown()]
    }
    assert!(shown(&schema_tests::certificate(), both) > 5);
    assert!(shown(&schema_tests::scenario(), both) > 5);
    assert!(shown(&schema_tests::cost(), both) > 5);
    let catalogue = crate::lab::catalogue::Catalogue::embedded();
    assert!(shown(&nats::Nats::new(catalogue.nats()), both) > 5);
}
