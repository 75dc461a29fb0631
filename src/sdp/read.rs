//! Reads descriptions: sdp-types does the parsing, this adds places to its errors and finds what
//! ICE needs.

use super::candidate::{self, Entry, Unusable};
use super::paste::{self, Source};
use super::{Kind, Message, SdpError};
use crate::ice::Description;
use crate::stun::text::safe;
use sdp_types::{ParserError, Session};

/// The most candidates that are taken from one description.
const MOST_CANDIDATES: usize = 64;

/// A session description as it was read.
#[derive(Debug)]
pub struct Sdp {
    /// Offer or answer, as far as it can be told.
    pub kind: Option<Kind>,
    /// What the library read.
    pub session: Session,
    /// Its lines, in order.
    pub lines: Vec<Line>,
}

/// One line of a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Which, from 1, in the text that was read.
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

/// Reads an offer or an answer: SDP, our one-line form, a browser's JSON, or a text with SDP in it.
///
/// # Errors
/// [`SdpError`] says where it is malformed and what was expected.
pub fn read(text: &str) -> Result<Sdp, SdpError> {
    let found = paste::find(text)?;
    let joined: Vec<&str> = found.lines.iter().map(|line| line.text.as_str()).collect();
    let joined = joined.join("\n");
    let session =
        Session::parse(joined.as_bytes()).map_err(|error| explain(&error, &found.lines))?;
    let mut sdp = Sdp { kind: found.kind, session, lines: lines(found.lines) };
    sdp.kind = sdp.kind.or_else(|| sdp.guess_kind());
    sdp.entries()?;
    Ok(sdp)
}

fn lines(sources: Vec<Source>) -> Vec<Line> {
    let mut media = None;
    let line = |source: Source| {
        let mut chars = source.text.chars();
        let key = chars.next()?;
        if key == 'm' {
            media = Some(media.map_or(0, |m: usize| m + 1));
        }
        let value = source.text.get(2..)?.to_owned();
        Some(Line { number: source.line, before: source.before, media, key, value })
    };
    sources.into_iter().filter_map(line).collect()
}

impl Sdp {
    /// The candidates, in order, each with its media section.
    ///
    /// # Errors
    /// One is malformed.
    pub fn entries(&self) -> Result<Vec<(Option<usize>, Entry)>, SdpError> {
        let mut entries = Vec::new();
        for line in &self.lines {
            let Some((name, Some(value))) = line.attribute() else { continue };
            if name.eq_ignore_ascii_case("candidate") {
                let before = line.before + "a=candidate:".len();
                entries.push((line.media, candidate::read_value(value, line.number, before)?));
            }
        }
        Ok(entries)
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

    /// The first media section with ICE, which carries all of them when they are bundled.
    #[must_use]
    pub fn ice_section(&self) -> Option<Option<usize>> {
        let line = self
            .lines
            .iter()
            .find(|l| l.attribute().is_some_and(|(n, _)| n.eq_ignore_ascii_case("ice-ufrag")))?;
        // credentials of the session count for its first section
        Some(line.media.or_else(|| (!self.session.medias.is_empty()).then_some(0)))
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
        for (media, entry) in self.entries()? {
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

/// An error of the library, with the place of the field and what belongs there.
fn explain(error: &ParserError, lines: &[Source]) -> SdpError {
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
