//! Candidates that stand in no description: trickled ones in a log, printed objects, lines alone.

use super::Loose;
use super::context::{head, tail, value, whose};
use crate::sdp::candidate::read_value;

/// How many characters a candidate has at most; what is longer is none.
const LONGEST: usize = 2000;
/// How far behind a candidate its section is named.
const NEAR: usize = 300;
/// What names its section and its user name, as browsers, libraries and their bindings write it.
const MID: &[&str] = &["sdpMid", "sdp_mid", "sdpmid"];
const INDEX: &[&str] = &["sdpMLineIndex", "sdp_mline_index", "sdpMlineIndex", "mlineindex"];
const UFRAG: &[&str] = &["usernameFragment", "username_fragment"];

/// Those in a line; `before` are the words of the lines above.
pub(super) fn candidates(number: usize, before: usize, text: &str, above: &str) -> Vec<Loose> {
    let mut found: Vec<Loose> = Vec::new();
    let mut end = 0;
    let (mut counted, mut column) = (0, before);
    for (at, mark) in text.match_indices("candidate:") {
        let start = at + mark.len();
        if start < end {
            continue;
        }
        let Some(candidate) = body(&text[start..]) else { continue };
        // `candidate: candidate:1 …`: the first is a key
        if candidate.starts_with("candidate:") || candidate.starts_with("a=candidate:") {
            continue;
        }
        end = start + candidate.len();
        column += text[counted..start].chars().count();
        counted = start;
        let around = near(text, at, end);
        let words = tail(&text[..at], super::context::BEFORE);
        found.push(Loose {
            line: number,
            before: column,
            text: candidate.to_owned(),
            mid: value(around, MID).map(str::to_owned),
            index: value(around, INDEX).and_then(|index| index.parse().ok()),
            ufrag: value(around, UFRAG).map(str::to_owned),
            whose: whose(words).or_else(|| whose(above)),
            after: 0,
        });
    }
    if found.is_empty() {
        found.extend(bare(number, before, text, above));
    }
    found
}

/// The object that a candidate stands in: up to the brace before it, and to the one after.
fn near(text: &str, from: usize, to: usize) -> &str {
    let before = tail(&text[..from], NEAR);
    let before = before.len() - before.rfind(['{', '(', '}']).map_or(0, |at| at + 1);
    let behind = head(&text[to..], NEAR);
    let after = behind.find(['}', ')', '{']).unwrap_or(behind.len());
    &text[from - before..to + after]
}

/// Where it ends: at what closes the string that it stands in.
fn body(text: &str) -> Option<&str> {
    let text = head(text, LONGEST);
    let mut end = text.len();
    let mut open = 0usize;
    for (at, c) in text.char_indices() {
        match c {
            '[' | '{' | '(' | '<' => open += 1,
            ']' | '}' | ')' | '>' if open > 0 => open -= 1,
            '"' | '\'' | '`' | ',' | ';' | '\\' | ']' | '}' | ')' => {
                end = at;
                break;
            }
            _ => {}
        }
    }
    let body = text[..end].trim();
    // `candidate: null` and prose are none; one that cannot be read is still one
    let words = body.split(' ').filter(|word| !word.is_empty());
    let looks = |word: &str| {
        let lower = word.to_ascii_lowercase();
        lower == "typ" || lower == "udp" || lower.starts_with("tcp")
    };
    (words.clone().count() >= 4 && words.take(12).any(looks)).then_some(body)
}

/// `1 1 udp 2122260223 192.0.2.1 50000 typ host` without the word before it.
fn bare(number: usize, before: usize, text: &str, above: &str) -> Option<Loose> {
    let typ = text.find(" typ ")?;
    let start = text[..typ].char_indices().rev().filter(|(_, c)| *c == ' ').nth(4);
    let start = start.and_then(|(at, _)| {
        text[..at].rfind([' ', '"', '\'', ':', '=', '[', '(']).map(|at| at + 1).or(Some(0))
    });
    let candidate = body(text.get(start?..)?)?;
    read_value(candidate, 1, 0).ok()?;
    let start = start?;
    Some(Loose {
        line: number,
        before: before + text[..start].chars().count(),
        text: candidate.to_owned(),
        mid: value(text, MID).map(str::to_owned),
        index: value(text, INDEX).and_then(|index| index.parse().ok()),
        ufrag: None,
        whose: whose(&text[..start]).or_else(|| whose(above)),
        after: 0,
    })
}

/// A printed object goes on in the lines after its candidate.
pub(super) fn goes_on(last: &mut Loose, number: usize, text: &str) {
    if number > last.line + 8 {
        return;
    }
    last.mid = last.mid.take().or_else(|| value(text, MID).map(str::to_owned));
    last.index = last.index.or_else(|| value(text, INDEX).and_then(|index| index.parse().ok()));
    last.ufrag = last.ufrag.take().or_else(|| value(text, UFRAG).map(str::to_owned));
}
