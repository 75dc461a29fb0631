//! The dump of a browser's WebRTC internals page (`chrome://webrtc-internals`): the log of every
//! connection, with its descriptions, its candidates and how it went. It is read as a stream: what
//! is of no use here, the statistics above all, is never kept.

use super::paste::{self, Loose};
use super::read::{Connection, Reading, State};
use super::tie::Ties;
use super::{Sdp, Whose};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// The most that is kept of one dump.
const MOST_DESCRIPTIONS: usize = 1000;
const MOST_CANDIDATES: usize = 20_000;
const MOST_STATES: usize = 1000;
const MOST_ERRORS: usize = 20;
const MOST_CONNECTIONS: usize = 1000;
/// The longest value of an event, in bytes.
const LONGEST_VALUE: usize = 1 << 20;

/// Reads it; `None` when it is no such dump, or not a whole one.
pub(super) fn read(text: &str) -> Option<Reading> {
    let text = text.trim_start_matches('\u{feff}');
    if !text.trim_start().starts_with('{') || !text.contains("\"PeerConnections\"") {
        return None;
    }
    let mut dump = Dump { reading: Reading::default(), candidates: 0 };
    let mut json = serde_json::Deserializer::from_str(text);
    (Top(&mut dump)).deserialize(&mut json).ok()?;
    let none = dump.reading.descriptions.is_empty() && dump.reading.connections.is_empty();
    (!none).then_some(dump.reading)
}

struct Dump {
    reading: Reading,
    candidates: usize,
}

/// One connection while its log is read.
struct Log<'d> {
    dump: &'d mut Dump,
    name: String,
    connection: Connection,
    ties: Ties,
    /// Where its descriptions begin among all.
    from: usize,
    /// What was made, for a `setLocalDescription()` that names none.
    created: Option<String>,
    start: Option<i64>,
    /// The state of the connection as a whole, for browsers that log no other.
    whole: Vec<State>,
}

impl Log<'_> {
    fn event(&mut self, time: &str, kind: &str, value: &str) {
        let event = kind.to_ascii_lowercase();
        let failed = event.contains("fail");
        match event.as_str() {
            _ if event.contains("candidateerror") => self.error("", value),
            _ if failed && (event.starts_with("set") || event.starts_with("add")) => {
                self.error(&format!("{kind}: "), value);
            }
            _ if event.starts_with("create") && value.contains("v=0") => {
                self.created = Some(value.to_owned());
            }
            _ if event.starts_with("setlocaldescription") => {
                self.describe(Whose::Local, time, kind, value);
            }
            _ if event.starts_with("setremotedescription") => {
                self.describe(Whose::Remote, time, kind, value);
            }
            "icecandidate" | "onicecandidate" => self.candidate(Whose::Local, value),
            _ if event.starts_with("addicecandidate") => self.candidate(Whose::Remote, value),
            "iceconnectionstatechange" | "iceconnectionstate" => {
                let state = self.state(time, value, "iceconnectionstate");
                push(&mut self.connection.states, state);
            }
            "connectionstatechange" => {
                let state = self.state(time, value, "connectionstate");
                push(&mut self.whole, state);
            }
            _ => {}
        }
    }

    fn describe(&mut self, whose: Whose, time: &str, kind: &str, value: &str) {
        self.start = self.start.or_else(|| millis(time));
        let value = match &self.created {
            Some(created) if whose == Whose::Local && !value.contains("v=0") => created.clone(),
            _ => value.to_owned(),
        };
        let mut found = paste::find(&value).found;
        let Some(mut found) = (!found.is_empty()).then(|| found.swap_remove(0)) else { return };
        found.whose = Some(whose);
        let mut sdp = Sdp::new(found);
        let all = &mut self.dump.reading.descriptions;
        let known = all
            .iter()
            .skip(self.from)
            .position(|old| old.whose == sdp.whose && old.lines == sdp.lines);
        let at = match known {
            Some(at) => self.from + at,
            None if all.len() >= MOST_DESCRIPTIONS => {
                self.dump.reading.cut = true;
                return;
            }
            None => {
                let time: String = time.chars().take(40).collect();
                sdp.name = Some(format!("connection {}, {kind} at {time}", self.name));
                self.ties.add(all.len(), &sdp);
                all.push(sdp);
                all.len() - 1
            }
        };
        match whose {
            Whose::Local => self.connection.offer = Some(at),
            Whose::Remote => self.connection.answer = Some(at),
        }
    }

    fn candidate(&mut self, whose: Whose, value: &str) {
        for mut loose in paste::find(value).loose {
            self.dump.candidates += 1;
            if self.dump.candidates > MOST_CANDIDATES {
                self.dump.reading.cut = true;
                return;
            }
            loose.whose = Some(whose);
            loose.after = self.dump.reading.descriptions.len();
            self.place(&loose);
        }
    }

    fn place(&mut self, loose: &Loose) {
        let read = super::candidate::read_value(&loose.text, 1, "candidate:".len());
        let ufrag = read.as_ref().ok().and_then(|entry| entry.ufrag.clone());
        let all = &mut self.dump.reading.descriptions;
        let at = self.ties.target(loose, ufrag.as_deref()).unwrap_or_else(|| {
            // told before the description that it belongs to
            let name = Some(format!("connection {}, candidates", self.name));
            let sdp = Sdp { whose: loose.whose, name, place: 1, ..Sdp::default() };
            self.ties.add(all.len(), &sdp);
            all.push(sdp);
            all.len() - 1
        });
        if let Some(sdp) = all.get_mut(at) {
            self.ties.trickle(sdp, at, loose, read);
        }
    }

    fn state(&self, time: &str, value: &str, prefix: &str) -> State {
        let lower = value.trim().trim_matches('"').to_ascii_lowercase();
        let state = lower.strip_prefix(prefix).unwrap_or(&lower).chars().take(40).collect();
        let after_ms = self.start.zip(millis(time)).map(|(from, to)| {
            // a log that goes on after midnight
            let day = 86_400_000;
            u64::try_from(if to < from { to + day - from } else { to - from }).unwrap_or(0)
        });
        State { state, after_ms }
    }

    fn error(&mut self, what: &str, value: &str) {
        let words: Vec<&str> = value.split_whitespace().take(60).collect();
        let text: String = format!("{what}{}", words.join(" ")).chars().take(300).collect();
        let errors = &mut self.connection.errors;
        if errors.len() < MOST_ERRORS && !errors.contains(&text) {
            errors.push(text);
        }
    }

    fn end(mut self) {
        if self.connection.states.is_empty() {
            self.connection.states = self.whole;
        }
        let all = &self.dump.reading.descriptions;
        // the local one was taken for the offer; it is the answer where it says so
        let kind = |at: Option<usize>| at.and_then(|at| all.get(at)).and_then(|sdp| sdp.kind);
        let answers = kind(self.connection.offer) == Some(super::Kind::Answer);
        if answers || (self.connection.offer.is_none() && kind(self.connection.answer).is_some()) {
            std::mem::swap(&mut self.connection.offer, &mut self.connection.answer);
        }
        self.connection.name = Some(self.name);
        let connection = self.connection;
        let empty = connection.offer.is_none()
            && connection.answer.is_none()
            && connection.states.is_empty()
            && connection.errors.is_empty();
        if !empty && self.dump.reading.connections.len() < MOST_CONNECTIONS {
            self.dump.reading.connections.push(connection);
        }
    }
}

fn push(states: &mut Vec<State>, state: State) {
    if states.len() < MOST_STATES {
        states.push(state);
    } else if let Some(last) = states.last_mut() {
        *last = state;
    }
}

/// Milliseconds of a time of day, whatever date stands before it, or of a number.
#[allow(clippy::cast_possible_truncation, reason = "seconds of a minute, and a cast saturates")]
fn millis(time: &str) -> Option<i64> {
    let time = time.trim();
    if let Ok(number) = time.parse::<f64>() {
        return number.is_finite().then_some(number as i64);
    }
    let colon = time.find(':')?;
    let start = time[..colon]
        .rfind(|c: char| !c.is_ascii_digit())
        .map_or(0, |at| at + time[at..].chars().next().map_or(1, char::len_utf8));
    let clock = &time[start..];
    let end =
        clock.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(clock.len());
    let mut parts = clock[..end].split(':');
    let hours: i64 = parts.next()?.parse().ok().filter(|h| *h < 25)?;
    let minutes: i64 = parts.next()?.parse().ok().filter(|m| *m < 60)?;
    let seconds: f64 = parts.next().unwrap_or("0").parse().ok().filter(|s| *s < 61.0)?;
    let half = clock[end..].trim_start_matches([' ', '\u{202f}', '\u{a0}']).to_ascii_lowercase();
    let hours = match half.get(..2) {
        Some("pm") if hours < 12 => hours + 12,
        Some("am") if hours == 12 => 0,
        _ => hours,
    };
    Some((hours * 60 + minutes) * 60_000 + (seconds * 1000.0).round() as i64)
}

/// The whole dump: only its connections are read.
struct Top<'d>(&'d mut Dump);

impl<'de> DeserializeSeed<'de> for Top<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Top<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the dump of a WebRTC internals page")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(key)) = map.next_key()? {
            if key == "PeerConnections" {
                map.next_value_seed(Connections(&mut *self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

struct Connections<'d>(&'d mut Dump);

impl<'de> DeserializeSeed<'de> for Connections<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Connections<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connections by name")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(name)) = map.next_key()? {
            let from = self.0.reading.descriptions.len();
            let log = Log {
                dump: &mut *self.0,
                name: name.chars().take(60).collect(),
                connection: Connection::default(),
                ties: Ties::new(&[]),
                from,
                created: None,
                start: None,
                whole: Vec::new(),
            };
            map.next_value_seed(One(log))?.end();
        }
        Ok(())
    }
}

struct One<'d>(Log<'d>);

impl<'de, 'd> DeserializeSeed<'de> for One<'d> {
    type Value = Log<'d>;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Log<'d>, D::Error> {
        d.deserialize_map(self)
    }
}

impl<'de, 'd> Visitor<'de> for One<'d> {
    type Value = Log<'d>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a connection with its log")
    }
    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Log<'d>, A::Error> {
        while let Some(Text(key)) = map.next_key()? {
            match key.as_str() {
                "updateLog" => map.next_value_seed(Events(&mut self.0))?,
                "rtcConfiguration" => {
                    let Text(config) = map.next_value()?;
                    self.0.connection.relay_only |= is_relay_only(&config);
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(self.0)
    }
}

fn is_relay_only(config: &str) -> bool {
    let bare: String = config.chars().filter(|c| !matches!(c, '"' | ' ' | '\'')).collect();
    ["iceTransportPolicy:relay", "iceTransports:relay", "iceTransportPolicy:\"relay"]
        .iter()
        .any(|mark| bare.contains(mark))
}

struct Events<'l, 'd>(&'l mut Log<'d>);

impl<'de> DeserializeSeed<'de> for Events<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Events<'_, '_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a log of events")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(event) = seq.next_element::<Event>()? {
            self.0.event(&event.time, &event.kind, &event.value);
        }
        Ok(())
    }
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Event {
    #[serde(deserialize_with = "text")]
    time: String,
    #[serde(rename = "type", deserialize_with = "text")]
    kind: String,
    #[serde(deserialize_with = "text")]
    value: String,
}

fn text<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    <Text as serde::Deserialize>::deserialize(d).map(|Text(text)| text)
}

/// Any value as text: newer browsers write objects where older ones wrote strings.
struct Text(String);

impl<'de> serde::Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(Any).map(Text)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = String;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        let mut end = text.len().min(LONGEST_VALUE);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Ok(text[..end].to_owned())
    }
    fn visit_bool<E>(self, value: bool) -> Result<String, E> {
        Ok(value.to_string())
    }
    fn visit_i64<E>(self, value: i64) -> Result<String, E> {
        Ok(value.to_string())
    }
    fn visit_u64<E>(self, value: u64) -> Result<String, E> {
        Ok(value.to_string())
    }
    fn visit_f64<E>(self, value: f64) -> Result<String, E> {
        Ok(value.to_string())
    }
    fn visit_unit<E>(self) -> Result<String, E> {
        Ok(String::new())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<String, A::Error> {
        let mut all = String::new();
        while let Some(Text(value)) = seq.next_element()? {
            add(&mut all, "", &value);
        }
        Ok(all)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<String, A::Error> {
        let mut all = String::new();
        while let Some((Text(key), Text(value))) = map.next_entry()? {
            add(&mut all, &key, &value);
        }
        Ok(all)
    }
}

fn add(all: &mut String, key: &str, value: &str) {
    if all.len() + value.len() < LONGEST_VALUE {
        all.push_str(key);
        all.push_str(": ");
        all.push_str(value);
        all.push_str(",\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_browsers_print_them() {
        for (time, ms) in [
            ("1/1/2026, 10:00:20", Some(36_020_000)),
            ("1/1/2026, 10:00:20 PM", Some(79_220_000)),
            ("1.1.2026, 12:00:00\u{202f}AM", Some(0)),
            ("2026-01-01T10:00:20.250Z", Some(36_020_250)),
            ("1700000000000", Some(1_700_000_000_000)),
            ("noon", None),
            ("a:b:c", None),
        ] {
            assert_eq!(millis(time), ms, "{time}");
        }
    }
}
