//! Reads a cleaned text line by line: which lines are of a description, and which of none.

use super::shape;
use super::split::pieces;
use super::{Found, MOST_FOUND, MOST_LINES, MOST_LOOSE, Pasted, Source, context, loose};
use crate::sdp::Kind;
use crate::sdp::candidate::read_value;

/// Words above a description that are remembered, in bytes.
const ABOVE: usize = 300;
/// So many lines that are none of SDP end a description; of a log whose every line has a prefix,
/// more may come between.
const ALIEN: usize = 3;
const ALIEN_IN_LOG: usize = 60;
/// A mail program wraps no shorter line.
const WRAPPED: usize = 50;
/// Longer than any line of a description that is looked at.
const LONGEST_LINE: usize = 64 * 1024;

/// Reads it.
pub(super) fn scan(text: &str, into: &mut Pasted) {
    let mut scan = Scan { into, open: None, above: String::new(), sip: None, cursor: (0, 0, 0) };
    for (number, line) in (1usize..).zip(text.split('\n')) {
        if line.trim().is_empty() {
            scan.blank();
            continue;
        }
        for (at, piece) in pieces(line) {
            scan.piece(number, line, at, piece);
        }
    }
    scan.finish("");
}

struct Scan<'p> {
    into: &'p mut Pasted,
    open: Option<Open>,
    /// The words above.
    above: String,
    /// What the SIP message is that is being read.
    sip: Option<Kind>,
    /// A line, a byte in it and how many characters stand before that.
    cursor: (usize, usize, usize),
}

/// A description that is being read.
struct Open {
    found: Found,
    /// What stands before it.
    words: String,
    /// The quotation mark that it is in, and how many backslashes stand before that.
    quote: Option<(usize, char)>,
    /// Line ends that only this text has: what stands between `v=0` and `o=`.
    end: Option<String>,
    /// What stands in place of each line's end: a `.`, as packet sniffers print a carriage return, or
    /// the `$` of `cat -A`.
    end_mark: Option<char>,
    /// Every line has words before it.
    prefixed: bool,
    /// Lines since the last of SDP.
    pending: Vec<Source>,
    alien: usize,
    blank: bool,
    doubled: bool,
    /// The last line ended with a blank, or was long: it may go on.
    flowed: bool,
    /// The physical line of its last line.
    last: usize,
}

impl Scan<'_> {
    fn blank(&mut self) {
        if let Some(open) = &mut self.open {
            open.blank = true;
        }
    }

    /// A piece of a physical line; what follows a closed string in it is a piece again.
    fn piece(&mut self, number: usize, line: &str, at: usize, piece: &str) {
        let (mut at, mut rest) = (at, piece);
        // where the next description begins in it: looked for once, not after every line
        let mut version = shape::version(rest);
        while !rest.trim().is_empty() {
            let before = version.map_or(rest, |version| &rest[..version]);
            let used = match (self.one(number, line, at, before), version) {
                (Some(used), _) => used,
                (None, None) => return,
                (None, Some(start)) => {
                    self.finish(before);
                    self.begin(number, before, true);
                    start + self.line(number, line, at + start, &rest[start..])
                }
            };
            at += used;
            rest = &rest[used..];
            version = match version {
                Some(start) if start >= used => Some(start - used),
                Some(_) => shape::version(rest),
                None => None,
            };
        }
    }

    /// How many bytes of it were a line of SDP, when something may follow.
    fn one(&mut self, number: usize, line: &str, at: usize, piece: &str) -> Option<usize> {
        if piece.trim().is_empty() {
            return None;
        }
        let start = match &self.open {
            Some(_) if is_end(piece) => None,
            Some(_) => shape::inside(piece),
            None => shape::outside(piece),
        };
        if let Some(start) = start.filter(|start| !is_trickled(piece, *start)) {
            if self.open.as_ref().is_some_and(|open| open.alien > ALIEN && !open.prefixed) {
                self.finish("");
            }
            if self.open.is_none() {
                self.begin(number, &piece[..start], false);
            }
            return Some(start + self.line(number, line, at + start, &piece[start..]));
        }
        self.other(number, line, at, piece);
        None
    }

    /// How many characters of a line stand before a byte: asked for from left to right.
    fn column(&mut self, number: usize, line: &str, at: usize) -> usize {
        if self.cursor.0 != number || self.cursor.1 > at {
            self.cursor = (number, 0, 0);
        }
        let (_, from, chars) = self.cursor;
        let chars = chars + line.get(from..at).unwrap_or_default().chars().count();
        self.cursor = (number, at, chars);
        chars
    }

    fn begin(&mut self, number: usize, words: &str, whole: bool) {
        let words = format!("{} {words}", context::tail(&self.above, ABOVE));
        let words = context::tail(&words, ABOVE + 100).to_owned();
        self.open = Some(Open {
            found: Found { whose: context::whose(&words), whole, line: number, ..Found::default() },
            words,
            quote: None,
            end: None,
            end_mark: None,
            prefixed: false,
            pending: Vec::new(),
            alien: 0,
            blank: false,
            doubled: false,
            flowed: false,
            last: number,
        });
    }

    /// A line of SDP that begins here: how many bytes it took.
    fn line(&mut self, number: usize, line: &str, at: usize, text: &str) -> usize {
        let first = self.column(number, line, at);
        let Some(open) = &mut self.open else { return text.len() };
        let before = context::tail(&line[..at], ABOVE);
        if let Some(quote) = opening(before) {
            open.quote = Some(quote);
        }
        let bare = before.trim_start_matches(shape::QUOTING);
        open.prefixed |= number != open.last && bare.len() > 4 && open.quote.is_none();
        let closed = open.quote.and_then(|quote| closing(text, quote));
        let taken = closed.unwrap_or(text.len());
        open.resolve();
        if open.blank && !open.found.lines.is_empty() {
            open.doubled = true;
        }
        open.blank = false;
        if open.found.lines.is_empty() && open.found.whole {
            open.end = unknown_end(&text[..taken]);
            open.end_mark = match text[..taken].trim_end() {
                "v=0." => Some('.'),
                "v=0$" => Some('$'),
                _ => None,
            };
        }
        let mut column = first;
        for part in open.parts(&text[..taken]) {
            if self.into.found.len() >= MOST_FOUND || self.into.lines >= MOST_LINES {
                self.into.cut = true;
                break;
            }
            self.into.lines += 1;
            open.push(number, column, part);
            column += part.chars().count() + open.end.as_ref().map_or(0, |end| end.chars().count());
        }
        open.last = number;
        if closed.is_some() {
            open.quote = None;
            open.flowed = false;
        }
        taken
    }

    /// No line of SDP.
    fn other(&mut self, number: usize, line: &str, at: usize, piece: &str) {
        if let Some(context::Sip(kind)) = context::sip(piece) {
            self.finish("");
            self.sip = kind;
        }
        let before = self.column(number, line, at);
        let above = context::tail(&self.above, ABOVE).to_owned();
        let found = loose::candidates(number, before, piece, &above);
        if found.is_empty() {
            if let Some(last) = self.into.loose.last_mut() {
                loose::goes_on(last, number, piece);
            }
            self.alien(number, before, piece);
        }
        for mut candidate in found {
            if self.into.loose.len() >= MOST_LOOSE {
                self.into.cut = true;
                break;
            }
            candidate.after = self.into.found.len() + usize::from(self.open.is_some());
            self.into.loose.push(candidate);
        }
        self.above.push(' ');
        self.above.push_str(context::tail(piece, ABOVE));
        if self.above.len() > 8 * ABOVE {
            self.above = context::tail(&self.above, ABOVE).to_owned();
        }
    }

    /// A line among those of a description: the rest of what carries it, the rest of the line
    /// before, a broken one, or no part of it.
    fn alien(&mut self, number: usize, before: usize, piece: &str) {
        let Some(open) = &mut self.open else { return };
        if open.alien == 0 && open.found.kind.is_none() {
            open.found.kind = context::kind(&open.words, piece);
        }
        let bare = piece.trim();
        let carrier = bare.starts_with(['"', '\'', '`', '}', ')', ']', ',', '{', '\\']);
        if carrier && open.quote.is_some() {
            open.quote = None;
        }
        if carrier && !open.prefixed {
            // the string has ended; lines of it may still follow, each in a string of its own
            open.alien += 1;
        } else if open.prefixed {
            open.alien += 1;
            if open.alien > ALIEN_IN_LOG {
                self.finish("");
            }
        } else if is_end(piece) || (open.blank && !open.doubled) {
            self.finish("");
        } else if !open.goes_on(bare) {
            open.alien += 1;
            if open.alien > ALIEN {
                self.finish("");
            } else {
                let bare = piece.trim_start();
                let before = before + piece[..piece.len() - bare.len()].chars().count();
                let text: String = bare.trim_end().chars().take(LONGEST_LINE).collect();
                open.pending.push(Source { line: number, before, text, broken: true });
            }
        }
    }

    /// The description has ended.
    fn finish(&mut self, after: &str) {
        let Some(open) = self.open.take() else { return };
        let mut found = open.found;
        // one line is a word of something else
        if found.lines.len() < 2 && (found.whole || !is_candidate(&found.lines)) {
            return;
        }
        found.kind = found.kind.or_else(|| context::kind(&open.words, after));
        found.kind = found.kind.or(self.sip.take());
        let first = found.lines.first().map_or(0, |source| source.line);
        if found.lines.len() > 1 && found.lines.iter().all(|source| source.line == first) {
            for (number, source) in (1usize..).zip(&mut found.lines) {
                (source.line, source.before) = (number, 0);
            }
        }
        self.above.clear();
        if self.into.found.len() < MOST_FOUND {
            self.into.found.push(found);
        } else {
            self.into.cut = true;
        }
    }
}

fn is_candidate(lines: &[Source]) -> bool {
    lines.first().is_some_and(|line| line.text.starts_with("a=candidate:"))
}

impl Open {
    /// The lines in a piece: one, or all of them between line ends of this text alone.
    fn parts<'t>(&self, text: &'t str) -> Vec<&'t str> {
        let Some(end) = &self.end else { return vec![text] };
        let mut parts = Vec::new();
        let mut start = 0;
        for (at, _) in text.match_indices(end.as_str()) {
            let rest = text.as_bytes().get(at + end.len()..).unwrap_or_default();
            if at > start && matches!(rest, [key, b'=', ..] if key.is_ascii_lowercase()) {
                parts.push(&text[start..at]);
                start = at + end.len();
            }
        }
        let last = &text[start..];
        parts.push(last.strip_suffix(end.as_str()).unwrap_or(last));
        parts
    }

    fn push(&mut self, number: usize, before: usize, text: &str) {
        self.flowed = text.ends_with(' ') || text.len() >= WRAPPED;
        let text = text.trim_end_matches([' ', '\t', '\\']);
        let text = self.end_mark.and_then(|mark| text.strip_suffix(mark)).unwrap_or(text);
        let mut text: String = text.chars().take(LONGEST_LINE).collect();
        if text.contains('\\') {
            text = unescaped(&text);
        }
        self.found.lines.push(Source { line: number, before, text, broken: false });
    }

    /// What stood between two lines of SDP is the rest of the first, or broken.
    fn resolve(&mut self) {
        self.alien = 0;
        let mut pending = std::mem::take(&mut self.pending);
        if self.prefixed {
            return;
        }
        if let ([rest], true, Some(last)) = (&pending[..], self.flowed, self.found.lines.last_mut())
            && !rest.text.contains('=') | last.text.starts_with("a=fmtp")
        {
            last.text.push(' ');
            last.text.push_str(&rest.text);
            return;
        }
        self.found.lines.append(&mut pending);
    }

    /// Whether the last line, a candidate, goes on with this: a mail program or a terminal wrapped it.
    fn goes_on(&mut self, rest: &str) -> bool {
        let Some(last) = self.found.lines.last_mut() else { return false };
        let Some(value) = last.text.strip_prefix("a=candidate:") else { return false };
        if !self.pending.is_empty() || rest.len() > 500 || value.len() > 2000 {
            return false;
        }
        let reads = |text: &str| read_value(text, 1, 0).is_ok();
        let words = |text: &str| text.split_whitespace().count();
        let joined = format!("{value} {rest}");
        let complete = reads(value);
        let known = ["generation", "ufrag", "network-", "raddr", "rport", "tcptype"];
        let goes_on = match (complete, reads(&joined)) {
            (false, true) => true,
            // a name without its value, or names that follow
            (true, true) => {
                words(rest) <= 12
                    && (words(value) % 2 == 1 || known.iter().any(|k| rest.starts_with(k)))
            }
            (_, false) => {
                let close = format!("{value}{rest}");
                if complete || !reads(&close) {
                    return false;
                }
                last.text = format!("a=candidate:{close}");
                return true;
            }
        };
        if goes_on {
            last.text = format!("a=candidate:{joined}");
        }
        goes_on
    }
}

/// What can be no part of a description.
fn is_end(piece: &str) -> bool {
    let piece = context::head(piece, ABOVE);
    let bare = piece.trim_start();
    piece.contains("SIP/2.0")
        || bare.starts_with("--")
        || bare.starts_with("```")
        || bare.starts_with("<---")
}

/// A candidate that is told by itself, in an object of its own.
fn is_trickled(piece: &str, start: usize) -> bool {
    let around = context::head(&piece[start..], 3 * ABOVE);
    around.starts_with("a=candidate:")
        && (context::tail(&piece[..start], ABOVE).to_ascii_lowercase().contains("candidate")
            || ["sdpMid", "sdpMLineIndex"].iter().any(|key| around.contains(key)))
}

/// The quotation mark at the end of a text, with how many backslashes stand before it.
fn opening(before: &str) -> Option<(usize, char)> {
    let mut chars = before.chars().rev();
    let quote = chars.next().filter(|c| matches!(c, '"' | '\'' | '`'))?;
    Some((chars.take_while(|c| *c == '\\').count(), quote))
}

/// Where that mark closes.
fn closing(text: &str, (slashes, quote): (usize, char)) -> Option<usize> {
    let bytes = text.as_bytes();
    text.match_indices(quote).map(|(at, _)| at).find_map(|at| {
        let before = bytes[..at].iter().rev().take_while(|b| **b == b'\\').count();
        (before == slashes).then_some(at - before)
    })
}

/// Line ends that this text alone has: ` `, ` | `, `..`, or `rn` that lost its backslashes.
fn unknown_end(text: &str) -> Option<String> {
    let rest = text.strip_prefix("v=0")?;
    let at = rest.as_bytes().windows(2).take(10).position(|pair| pair == b"o=")?;
    let end = rest.get(..at).filter(|end| !end.is_empty())?;
    Some(end.to_owned())
}

/// `\/`, `\"` and doubled backslashes, as JSON writes them.
fn unescaped(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let escapes = c == '\\' && matches!(chars.peek(), Some('/' | '"' | '\'' | '\\'));
        if !escapes {
            clean.push(c);
        }
    }
    clean
}
