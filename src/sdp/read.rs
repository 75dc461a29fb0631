//! Reads descriptions: sdp-types does the parsing, this adds places to its errors and finds what
//! ICE needs. [`read`] takes one description and refuses what is not quite right, for a peer that is
//! to be connected to; [`read_all`] takes whatever a text holds, for a person who wants it explained.

use super::candidate::{self, Entry, Unusable};
use super::paste::{self, Found, Source};
use super::{Kind, LONGEST, Message, SdpError, Whose, one_line, tie};
use crate::ice::Description;
use crate::stun::text::safe;
use sdp_types::{ParserError, Session};

/// The most candidates that are taken from one description to be checked.
const MOST_CANDIDATES: usize = 64;
/// The type of a candidate that breaks off before it.
const UNKNOWN: &str = "unknown";
/// The most lines of one description that are told to be malformed.
pub(super) const MOST_BAD: usize = 100;

/// A session description as it was read, or a part of one.
#[derive(Debug, Clone, Default)]
pub struct Sdp {
    /// Offer or answer, as far as it can be told.
    pub kind: Option<Kind>,
    /// The text around it said so; else it is a guess by what is in it.
    pub declared: bool,
    /// Whose it is, where a log says.
    pub whose: Option<Whose>,
    /// It begins with `v=0`; else it is a part, or candidates alone.
    pub whole: bool,
    /// The line of the text where it begins, from 1.
    pub place: usize,
    /// What the text calls it, such as a step of a browser's log; hostile: escape before printing.
    pub name: Option<String>,
    /// Its lines, in order.
    pub lines: Vec<Line>,
    /// What could not be read in it.
    pub bad: Vec<SdpError>,
    /// Its candidates, each with its media section, those that came later among them.
    pub(super) entries: Vec<(Option<usize>, Entry)>,
    /// Its side is ICE-lite (RFC 8445 section 2.5).
    pub lite: bool,
    /// The types of candidates that could not be read; `unknown` where not even that could.
    pub unread: Vec<String>,
}

/// One line of a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Which, from 1, in the text that was read; in the description, where all of it stands in one
    /// line of the text.
    pub number: usize,
    /// How many characters stand before it in that line.
    pub before: usize,
    /// The media section that it belongs to, from 0; none for the session's own.
    pub media: Option<usize>,
    /// Its letter.
    pub key: char,
    /// What follows `=`. Hostile: escape before printing.
    pub value: String,
}

impl Line {
    /// The name and the value of an attribute.
    #[must_use]
    pub fn attribute(&self) -> Option<(&str, Option<&str>)> {
        (self.key == 'a').then(|| match self.value.split_once(':') {
            Some((name, value)) => (name, Some(value)),
            None => (self.value.as_str(), None),
        })
    }
}

/// Everything that a text holds.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// The descriptions, parts of them and candidates alone, in order.
    pub descriptions: Vec<Sdp>,
    /// Which of them belong to one connection, as far as the text tells.
    pub connections: Vec<Connection>,
    /// There was more than is taken.
    pub cut: bool,
}

/// Two descriptions of one connection, and how it went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connection {
    /// What a dump calls it; hostile.
    pub name: Option<String>,
    /// The index of the offer; of the first, where it is not known which offers.
    pub offer: Option<usize>,
    /// That of the other.
    pub answer: Option<usize>,
    /// The states of ICE that were logged, the last state last.
    pub states: Vec<State>,
    /// It was told to use relays only (`iceTransportPolicy: relay`).
    pub relay_only: bool,
    /// STUN and TURN servers that failed, in words; hostile.
    pub errors: Vec<String>,
}

/// A state of ICE, as a browser logged it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Such as `failed`; hostile.
    pub state: String,
    /// Milliseconds after its first description was set; none when the log has no times that can be read.
    pub after_ms: Option<u64>,
}

/// Reads one offer or answer: SDP, our one-line form, a browser's JSON, or a text with SDP in it.
///
/// # Errors
/// [`SdpError`] says where it is malformed and what was expected, or that there are several.
pub fn read(text: &str) -> Result<Sdp, SdpError> {
    if text.len() > LONGEST {
        let kib = LONGEST / 1024;
        return Err(SdpError::nowhere(format!("longer than {kib} KiB: no session description is")));
    }
    if let Some((kind, sdp)) = one_line::decode(text)? {
        return one(&sdp, Some(kind));
    }
    one(text, None)
}

fn one(text: &str, kind: Option<Kind>) -> Result<Sdp, SdpError> {
    let mut found = tie::distinct(paste::find(text).found);
    if !found.iter().any(|found| found.whole) {
        return Err(paste::nothing(text));
    }
    if let [first, second, ..] = &found[..] {
        let what = format!(
            "there are {} descriptions or parts of one here (at lines {} and {}): give only the one that is meant",
            found.len(),
            first.line,
            second.line
        );
        return Err(SdpError::nowhere(what));
    }
    let Some(mut only) = found.pop() else { return Err(paste::nothing(text)) };
    only.kind = kind.or(only.kind);
    let joined: Vec<&str> = only.lines.iter().map(|line| line.text.as_str()).collect();
    let joined = joined.join("\n");
    Session::parse(joined.as_bytes()).map_err(|error| explain(&error, &only.lines))?;
    let sdp = Sdp::new(only);
    match sdp.bad.into_iter().next() {
        Some(error) => Err(error),
        None => Ok(Sdp { bad: Vec::new(), ..sdp }),
    }
}

/// Reads everything that a text holds. A line that cannot be read is told of in the description that
/// it belongs to, and the rest is read.
///
/// # Errors
/// There is nothing of the kind, or the text is longer than [`super::LONGEST_PASTE`].
pub fn read_all(text: &str) -> Result<Reading, SdpError> {
    if text.len() > super::LONGEST_PASTE {
        let most = super::LONGEST_PASTE >> 20;
        return Err(SdpError::nowhere(format!(
            "longer than {most} MiB, which is the most that is read"
        )));
    }
    if let Ok(Some((kind, sdp))) = one_line::decode(head(text)) {
        let descriptions = vec![one(&sdp, Some(kind))?];
        return Ok(Reading { descriptions, ..Reading::default() });
    }
    if let Some(reading) = super::dump::read(text) {
        return Ok(reading);
    }
    let pasted = paste::find(text);
    let cut = pasted.cut;
    let descriptions = tie::tie(pasted);
    if descriptions.is_empty() {
        // half of our own line says better what is wrong
        one_line::decode(head(text))?;
        return Err(paste::nothing(text));
    }
    let connections = tie::connections(&descriptions);
    Ok(Reading { descriptions, connections, cut })
}

/// As much of a text as a line of ours may be in.
fn head(text: &str) -> &str {
    if text.len() > LONGEST { "" } else { text }
}

impl Sdp {
    /// Reads the lines that were found; what cannot be read is in `bad`.
    pub(super) fn new(found: Found) -> Self {
        let mut sdp = Self {
            kind: found.kind,
            declared: found.kind.is_some(),
            whose: found.whose,
            whole: found.whole,
            place: found.line,
            ..Self::default()
        };
        let mut media: Option<usize> = None;
        for source in found.lines {
            if let Err(error) = check(&source) {
                sdp.complain(error);
            }
            let mut chars = source.text.chars();
            let (Some(key), Some('='), false) = (chars.next(), chars.next(), source.broken) else {
                continue;
            };
            if key == 'm' {
                media = Some(media.map_or(0, |m| m + 1));
            }
            let value = chars.as_str().to_owned();
            let line = Line { number: source.line, before: source.before, media, key, value };
            if let Some((name, Some(value))) = line.attribute()
                && name.eq_ignore_ascii_case("candidate")
            {
                let before = line.before + "a=candidate:".len();
                let read = candidate::read_value(value, line.number, before);
                sdp.take(media, read, value);
            }
            sdp.lines.push(line);
        }
        sdp.lite = sdp.says("ice-lite");
        sdp.declared |= sdp.says("natscope-answers");
        sdp.kind = sdp.kind.or_else(|| sdp.guess_kind());
        sdp
    }

    /// Takes a candidate of a section, or what is wrong with it.
    pub(super) fn take(
        &mut self,
        media: Option<usize>,
        read: Result<Entry, SdpError>,
        value: &str,
    ) {
        match read {
            Ok(entry) => self.entries.push((media, entry)),
            Err(error) => {
                let kind = value.split_once(" typ ").and_then(|(_, rest)| rest.split(' ').next());
                let kind = kind.map_or_else(|| UNKNOWN.to_owned(), |kind| safe(kind.as_bytes()));
                if self.unread.len() < MOST_BAD {
                    self.unread.push(kind);
                }
                self.complain(error);
            }
        }
    }

    fn complain(&mut self, error: SdpError) {
        if self.bad.len() < MOST_BAD {
            self.bad.push(error);
        }
    }

    /// The candidates, in order, each with its media section.
    #[must_use]
    pub fn entries(&self) -> &[(Option<usize>, Entry)] {
        &self.entries
    }

    /// Whether an attribute stands anywhere in it.
    #[must_use]
    pub fn says(&self, name: &str) -> bool {
        let mut names = self.lines.iter().filter_map(Line::attribute).map(|(name, _)| name);
        names.any(|found| found.eq_ignore_ascii_case(name))
    }

    /// The value of an attribute that counts for a media section: its own, else the session's.
    #[must_use]
    pub fn value(&self, media: Option<usize>, name: &str) -> Option<(&Line, &str)> {
        let find = |media: Option<usize>| {
            self.lines.iter().filter(|line| line.media == media).find_map(|line| {
                let (found, value) = line.attribute()?;
                found.eq_ignore_ascii_case(name).then_some((line, value.unwrap_or_default()))
            })
        };
        find(media).or_else(|| find(None))
    }

    /// The media section that ICE runs for, which carries all of them when they are bundled: the
    /// first that the group names, else the first with credentials.
    #[must_use]
    pub fn ice_section(&self) -> Option<Option<usize>> {
        let line = self
            .lines
            .iter()
            .find(|l| l.attribute().is_some_and(|(n, _)| n.eq_ignore_ascii_case("ice-ufrag")))?;
        // credentials of the session count for its first section
        let any = self.lines.iter().any(|line| line.media.is_some());
        let first = line.media.or_else(|| any.then_some(0));
        let tagged = self.bundles().first().and_then(|group| group.first().copied());
        let has = |section: &usize| self.value(Some(*section), "ice-ufrag").is_some();
        Some(tagged.filter(has).or(first))
    }

    /// What ICE needs of it, and the candidates that are of no use here.
    ///
    /// # Errors
    /// It has no ICE in it, or the credentials are not of the grammar of RFC 8839 section 5.4.
    pub fn message(&self) -> Result<(Message, Vec<(Entry, Unusable)>), SdpError> {
        let section = self.ice_section().ok_or_else(|| {
            SdpError::nowhere(
                "it has no ICE in it: expected a line `a=ice-ufrag:…` and a line `a=ice-pwd:…`",
            )
        })?;
        let ufrag = self.credential(section, "ice-ufrag", 4)?;
        let pwd = self.credential(section, "ice-pwd", 22)?;
        let mut candidates = Vec::new();
        let mut unusable = Vec::new();
        for (media, entry) in self.entries().iter().cloned() {
            if media.is_some() && media != section {
                continue;
            }
            match entry.usable() {
                Ok(candidate) if candidates.len() < MOST_CANDIDATES => candidates.push(candidate),
                Ok(_) => {}
                Err(why) => unusable.push((entry, why)),
            }
        }
        let options = self.value(section, "ice-options").map_or("", |(_, value)| value);
        let trickle = options.split(' ').any(|option| option == "trickle");
        let ended = self.value(section, "end-of-candidates").is_some();
        let description =
            Description { ufrag, pwd, candidates, complete: ended || !trickle, trickle };
        let answers = self.value(section, "natscope-answers").map(|(_, value)| value.to_owned());
        let kind = self.kind.unwrap_or(Kind::Offer);
        Ok((Message { kind, description, answers }, unusable))
    }

    fn credential(
        &self,
        section: Option<usize>,
        name: &str,
        shortest: usize,
    ) -> Result<String, SdpError> {
        let Some((line, value)) = self.value(section, name) else {
            return Err(SdpError::nowhere(format!("it has no line `a={name}:…`")));
        };
        let ice_char =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_' | '=');
        if (shortest..=256).contains(&value.len()) && value.chars().all(ice_char) {
            return Ok(value.to_owned());
        }
        let column = line.before + "a=".len() + name.len() + ":".len() + 1;
        let expected = format!("expected {shortest} to 256 letters, digits, `+` or `/` in {name}");
        Err(SdpError::at(line.number, column, expected))
    }

    /// An offer leaves the role in DTLS open (RFC 8842 section 5.1), an answer does not.
    fn guess_kind(&self) -> Option<Kind> {
        let has = |wanted: &str| {
            self.lines
                .iter()
                .filter_map(Line::attribute)
                .any(|(name, value)| name.eq_ignore_ascii_case("setup") && value == Some(wanted))
        };
        let named = |wanted: &str| {
            self.lines.iter().filter_map(Line::attribute).any(|(name, _)| name == wanted)
        };
        if named("natscope-answers") || has("active") || has("passive") {
            Some(Kind::Answer)
        } else if has("actpass") {
            Some(Kind::Offer)
        } else {
            None
        }
    }
}

/// What stands before most lines.
const TOP: &str = "v=0\no=- 0 0 IN IP4 0.0.0.0\ns=-\n";

/// Whether a line is of the grammar, by itself.
fn check(source: &Source) -> Result<(), SdpError> {
    let text = &source.text;
    let sources = std::slice::from_ref(source);
    let wrap = |before: &str, after: &str| format!("{before}{text}\n{after}");
    let whole = match text.as_bytes() {
        _ if source.broken => wrap(TOP, ""),
        [b'v', b'=', ..] => wrap("", "o=- 0 0 IN IP4 0.0.0.0\ns=-\nt=0 0\n"),
        [b'o', b'=', ..] => wrap("v=0\n", "s=-\nt=0 0\n"),
        [b't', b'=', ..] => wrap(TOP, ""),
        [b'm' | b'b', b'=', ..] => wrap(&format!("{TOP}t=0 0\n"), ""),
        [b'c', b'=', ..] => wrap(TOP, "t=0 0\n"),
        // the value of an attribute is free; candidates are read apart
        [_, b'=', ..] => return Ok(()),
        _ => wrap(TOP, ""),
    };
    Session::parse(whole.as_bytes()).map(drop).map_err(|error| explain(&error, sources))
}

/// An error of the library, with the place of the field and what belongs there.
pub(super) fn explain(error: &ParserError, lines: &[Source]) -> SdpError {
    let at = |line: usize, word: Option<usize>, what: String| {
        let source = lines.get(line.saturating_sub(1)).or(lines.last());
        source.map_or_else(
            || SdpError::nowhere(what.clone()),
            |source| {
                let text = &source.text;
                let byte = match word {
                    None => 0,
                    Some(word) => field_at(text, word),
                };
                let column = source.before + text[..byte].chars().count() + 1;
                let found = text[byte..].split(' ').next().unwrap_or_default();
                let found = if found.is_empty() {
                    "the end of the line".to_owned()
                } else if text.contains("pwd") || text.contains("crypto") {
                    // a line that lost its beginning may still hold its secret
                    "something else".to_owned()
                } else {
                    format!("`{}`", safe(found.as_bytes()))
                };
                SdpError::at(source.line, column, format!("{what}, found {found}"))
            },
        )
    };
    match *error {
        ParserError::InvalidLineFormat(line, _) => {
            at(line, None, "expected a letter, `=` and a value".into())
        }
        ParserError::InvalidFieldEncoding(line, name)
        | ParserError::InvalidFieldFormat(line, name)
        | ParserError::MissingField(line, name) => {
            let (word, expected) = field(name);
            at(line, Some(word), format!("expected {expected}"))
        }
        ParserError::FieldTrailingData(line, name) => {
            let fields = if name == "Origin" {
                6
            } else if name == "Connection" {
                3
            } else {
                2
            };
            at(line, Some(fields), format!("expected the end of the line after {fields} fields"))
        }
        ParserError::InvalidVersion(line, _) => at(line, Some(0), "expected version 0".into()),
        ParserError::RepeatWithoutTime(line) => at(line, None, "expected `t=` before `r=`".into()),
        ParserError::MultipleVersions(line)
        | ParserError::MultipleOrigins(line)
        | ParserError::MultipleSessionNames(line)
        | ParserError::MultipleSessionDescription(line)
        | ParserError::MultipleUris(line)
        | ParserError::MultipleConnections(line)
        | ParserError::MultipleTimeZones(line)
        | ParserError::MultipleMediaTitles(line)
        | ParserError::MultipleKeys(line) => at(line, None, "expected this line only once".into()),
        _ => at(1, None, "expected `v=0`".into()),
    }
}

/// Which word of its line a field of the library is, from 0, and what belongs there.
fn field(name: &str) -> (usize, &'static str) {
    match name {
        "Origin username" => (0, "a user name, or `-`"),
        "Origin sess-id" => (1, "a session id"),
        "Origin sess-version" => (2, "a version number"),
        "Origin nettype" => (3, "a type of network, IN"),
        "Origin addrtype" => (4, "a type of address, IP4 or IP6"),
        "Origin unicast-address" => (5, "an address"),
        "Connection nettype" => (0, "a type of network, IN"),
        "Connection addrtype" => (1, "a type of address, IP4 or IP6"),
        "Connection connection-address" => (2, "an address"),
        "Bandwidth bwtype" => (0, "a type of bandwidth, such as AS"),
        "Bandwidth bandwidth" => (0, "a type and a number, such as AS:128"),
        "Time start-time" => (0, "a time in seconds, or 0"),
        "Time stop-time" => (1, "a time in seconds, or 0"),
        "Media name" => (0, "a medium, such as audio"),
        "Media port" | "Media Port" | "Media num-ports" => (1, "a port from 0 to 65535"),
        "Media proto" => (2, "a protocol, such as RTP/AVP"),
        "Media fmt" => (3, "a format"),
        _ => (0, "another value"),
    }
}

/// Where a word of a line's value begins, in bytes.
fn field_at(line: &str, word: usize) -> usize {
    let value = line.get(2..).unwrap_or_default();
    super::words(value).nth(word).map_or(line.len(), |(at, _)| at + 2)
}
