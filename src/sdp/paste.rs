//! Where in a pasted text the description is. People paste what they see: the JSON of a browser,
//! its internals page, an answer quoted in a mail, a whole SIP message.

use super::{Kind, LONGEST, SdpError, line};
use serde_json::Value;

/// The description's lines, and where each came from.
#[derive(Debug)]
pub(super) struct Found {
    /// What the text around it says that it is.
    pub kind: Option<Kind>,
    pub lines: Vec<Source>,
}

/// One line of a description.
#[derive(Debug)]
pub(super) struct Source {
    /// The line in the pasted text, from 1; within JSON or a one-line form that of the description.
    pub line: usize,
    /// How many characters stand before it there.
    pub before: usize,
    pub text: String,
}

/// What may stand before a line that somebody quoted.
const QUOTING: &[char] = &[' ', '\t', '>', '|', '"', '\'', '`', '“', '‘', '\u{a0}', '\u{feff}'];

/// Finds it.
pub(super) fn find(text: &str) -> Result<Found, SdpError> {
    if text.len() > LONGEST {
        let kib = LONGEST / 1024;
        return Err(SdpError::nowhere(format!("longer than {kib} KiB: no session description is")));
    }
    if let Some((kind, sdp)) = line::decode(text)? {
        return plain(&sdp, Some(kind));
    }
    let trimmed = text.trim_start();
    if trimmed.starts_with(['{', '[', '"']) && !trimmed.starts_with("\"v=") {
        return json(text);
    }
    plain(text, None)
}

/// `{"type":"offer","sdp":"v=0\r\n…"}`, however deep, or only the string.
fn json(text: &str) -> Result<Found, SdpError> {
    let value: Value = serde_json::from_str(text).map_err(|error| {
        let why = crate::stun::text::safe(error.to_string().as_bytes());
        let why = why.split(" at line").next().unwrap_or_default().to_owned();
        SdpError::at(error.line().max(1), error.column().max(1), format!("not JSON: {why}"))
    })?;
    let (kind, sdp) = within(&value)
        .ok_or_else(|| SdpError::nowhere("this JSON has no field `sdp` with a description"))?;
    plain(&sdp, kind)
}

/// The first description in a JSON value; an object says of which type it is. A string may hold
/// JSON again.
fn within(value: &Value) -> Option<(Option<Kind>, String)> {
    match value {
        Value::String(text) if text.trim_start().starts_with("v=") => Some((None, text.clone())),
        Value::String(text) if text.trim_start().starts_with('{') => {
            within(&serde_json::from_str(text).ok()?)
        }
        Value::Object(fields) => {
            let kind = fields.get("type").and_then(Value::as_str).and_then(kind_of);
            let first = fields.get("sdp").and_then(within);
            let found = first.or_else(|| fields.values().find_map(within));
            found.map(|(inner, sdp)| (inner.or(kind), sdp))
        }
        Value::Array(items) => items.iter().find_map(within),
        _ => None,
    }
}

fn kind_of(word: &str) -> Option<Kind> {
    match word {
        "offer" => Some(Kind::Offer),
        "answer" | "pranswer" => Some(Kind::Answer),
        _ => None,
    }
}

/// Text with `v=0` somewhere.
fn plain(text: &str, kind: Option<Kind>) -> Result<Found, SdpError> {
    let lines: Vec<&str> = text.split('\n').collect();
    let Some((first, at)) = start(&lines) else { return Err(no_start(&lines)) };
    let kind = kind.or_else(|| announced(&lines[first][..at]));
    let head = &lines[first][at..];
    if head.contains("\\n") {
        return Ok(Found {
            kind,
            lines: escaped(head, first + 1, lines[first][..at].chars().count()),
        });
    }
    let mut found = Vec::new();
    for (number, &raw) in lines.iter().enumerate().skip(first) {
        let cut =
            if number == first { at } else { raw.len() - raw.trim_start_matches(QUOTING).len() };
        let line = raw[cut..].trim_end();
        if (line.is_empty() && ends(&lines[number + 1..])) || line.contains("SIP/2.0") {
            break;
        }
        if !line.is_empty() {
            let before = raw[..cut].chars().count();
            found.push(Source { line: number + 1, before, text: line.to_owned() });
        }
    }
    let opened = lines[first][..at].trim_end().chars().next_back();
    if let (Some(quote @ ('"' | '\'' | '`')), Some(last)) = (opened, found.last_mut()) {
        last.text.truncate(last.text.trim_end_matches([quote, ',', ';']).len());
    }
    Ok(Found { kind, lines: found })
}

/// Where `v=` begins: its line and the byte within it.
fn start(lines: &[&str]) -> Option<(usize, usize)> {
    lines.iter().enumerate().find_map(|(number, line)| {
        let bare = line.trim_start_matches(QUOTING);
        if bare.starts_with("v=") {
            return Some((number, line.len() - bare.len()));
        }
        // `type: offer, sdp: v=0` is how Chromium's internals page shows it
        let at = ["sdp: v=", "sdp:v=", "sdp\":\"v=", "sdp: \"v="]
            .iter()
            .find_map(|mark| line.find(mark).map(|at| at + mark.len() - 2));
        at.map(|at| (number, at))
    })
}

/// What the words before it call it.
fn announced(before: &str) -> Option<Kind> {
    if before.contains("offer") {
        Some(Kind::Offer)
    } else if before.contains("answer") {
        Some(Kind::Answer)
    } else {
        None
    }
}

/// Whether nothing of a description follows a blank line.
fn ends(rest: &[&str]) -> bool {
    let next = rest.iter().map(|line| line.trim_matches(QUOTING).trim()).find(|l| !l.is_empty());
    next.is_none_or(|line| {
        let mut chars = line.chars();
        !(chars.next().is_some_and(|c| c.is_ascii_lowercase()) && chars.next() == Some('='))
            || line.starts_with("v=")
    })
}

/// A description on one line, its line ends written as `\r\n`.
fn escaped(text: &str, line: usize, before: usize) -> Vec<Source> {
    let mut found = Vec::new();
    let mut at = before;
    for part in text.split("\\n") {
        let clean = part.strip_suffix("\\r").unwrap_or(part).trim_end_matches(['"', '\'', '\r']);
        if !clean.trim().is_empty() {
            found.push(Source { line, before: at, text: clean.to_owned() });
        }
        at += part.chars().count() + 2;
    }
    // what follows the closing quote is no part of it
    found.retain(|source| {
        source.text.chars().nth(1) == Some('=') || !source.text.starts_with(['"', '}', ','])
    });
    found
}

/// Why there is no description.
fn no_start(lines: &[&str]) -> SdpError {
    let expected = "expected a session description, which begins with the line `v=0`";
    let first =
        lines.iter().enumerate().find(|(_, line)| !line.trim_matches(QUOTING).trim().is_empty());
    let Some((number, line)) = first else {
        return SdpError::nowhere(format!("{expected}, but there is nothing"));
    };
    let bare = line.trim_start_matches(QUOTING);
    let column = line[..line.len() - bare.len()].chars().count() + 1;
    let start: String = bare.trim_end().chars().take(20).collect();
    let shown = crate::stun::text::safe(start.as_bytes());
    SdpError::at(number + 1, column, format!("{expected}, found `{shown}`"))
}
