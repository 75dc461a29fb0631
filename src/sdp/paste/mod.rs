//! Where in a pasted text the descriptions and candidates are. People paste what they see: the JSON
//! of a browser, a log, a string that a program printed, a mail, a whole SIP message.
//!
//! The text is cleaned of what showed it ([`clean`]), split at line ends real and written
//! ([`split`]), and read line by line ([`scan`]): a line of SDP is told by its form ([`shape`]),
//! whatever stands before it. So nothing needs to be whole: half a JSON object gives what is in it.
//! Each step goes over the text once.

mod clean;
mod context;
mod embedded;
mod fields;
mod loose;
mod scan;
mod shape;
mod split;

pub use clean::decode;

use super::{Kind, SdpError, Whose};

/// The most descriptions and candidates that are taken from one text.
const MOST_FOUND: usize = 1000;
const MOST_LOOSE: usize = 20_000;
/// The most lines of descriptions, all together.
const MOST_LINES: usize = 200_000;
/// How often what is found may be in base64 within base64.
const DEEPEST: usize = 3;

/// What a text holds.
#[derive(Debug, Default)]
pub(super) struct Pasted {
    pub found: Vec<Found>,
    pub loose: Vec<Loose>,
    /// How many lines of descriptions were taken.
    pub lines: usize,
    /// A library's parameters say that its side is ICE-lite.
    pub lite: bool,
    /// There was more than is taken.
    pub cut: bool,
}

/// A description, or a part of one.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What the text around it says that it is.
    pub kind: Option<Kind>,
    /// Whose, by the text around it.
    pub whose: Option<Whose>,
    /// It begins with `v=0`.
    pub whole: bool,
    /// Where it begins in the pasted text.
    pub line: usize,
    pub lines: Vec<Source>,
}

/// One line of a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// The line in the pasted text, from 1; that of the description where all of it stands in one.
    pub line: usize,
    /// How many characters stand before it there.
    pub before: usize,
    pub text: String,
    /// It stands among lines of SDP and is none.
    pub broken: bool,
}

/// A candidate that stands in no description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Loose {
    pub line: usize,
    pub before: usize,
    /// What follows `candidate:`.
    pub text: String,
    /// `sdpMid` and `sdpMLineIndex`.
    pub mid: Option<String>,
    pub index: Option<usize>,
    pub ufrag: Option<String>,
    pub whose: Option<Whose>,
    /// How many descriptions stand before it.
    pub after: usize,
}

/// Finds them all.
pub(super) fn find(text: &str) -> Pasted {
    let mut pasted = Pasted::default();
    deeper(text, 0, &mut pasted);
    pasted
}

fn deeper(text: &str, depth: usize, into: &mut Pasted) {
    let text = clean::clean(text);
    scan::scan(&text, into);
    fields::fields(&text, into);
    if depth == DEEPEST {
        return;
    }
    for inner in embedded::embedded(&text) {
        let (found, loose) = (into.found.len(), into.loose.len());
        deeper(&inner.text, depth + 1, into);
        for new in into.found.iter_mut().skip(found) {
            new.line = inner.line;
            new.kind = new.kind.or_else(|| context::kind(&inner.before, ""));
            new.whose = new.whose.or_else(|| context::whose(&inner.before));
        }
        for new in into.loose.iter_mut().skip(loose) {
            new.line = inner.line;
            new.whose = new.whose.or_else(|| context::whose(&inner.before));
        }
    }
}

/// What may stand around words that somebody quoted.
const MARKS: &[char] = &[' ', '\t', '\r', '>', '|', '"', '\'', '`', '\u{a0}', '\u{feff}'];

/// Why there is nothing.
pub(super) fn nothing(text: &str) -> SdpError {
    let trimmed = text.trim_start();
    if trimmed.starts_with(['{', '[', '"']) {
        return no_json(text);
    }
    let expected = "expected a session description, which begins with the line `v=0`";
    let words = |line: &str| !line.trim_matches(MARKS).trim().is_empty();
    let Some((number, line)) = (1usize..).zip(text.split('\n')).find(|(_, line)| words(line))
    else {
        return SdpError::nowhere(format!("{expected}, but there is nothing"));
    };
    let bare = line.trim_start_matches(MARKS);
    let column = line[..line.len() - bare.len()].chars().count() + 1;
    let start: String = bare.trim_end().chars().take(20).collect();
    let shown = crate::stun::text::safe(start.as_bytes());
    SdpError::at(number, column, format!("{expected}, found `{shown}`"))
}

fn no_json(text: &str) -> SdpError {
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Ok(_) => SdpError::nowhere("this JSON has no field `sdp` with a description"),
        Err(error) => {
            let why = crate::stun::text::safe(error.to_string().as_bytes());
            let why = why.split(" at line").next().unwrap_or_default().to_owned();
            SdpError::at(error.line().max(1), error.column().max(1), format!("not JSON: {why}"))
        }
    }
}

#[cfg(test)]
mod tests;
