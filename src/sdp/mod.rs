//! Session descriptions (RFC 8866) with ICE in them (RFC 8839, RFC 8840): what peers exchange.
//!
//! natscope tests ICE and nothing above it. Its offers and answers are complete descriptions of a
//! WebRTC data channel, so that a browser's `setRemoteDescription` takes them, but no DTLS or SCTP
//! ever runs: the `a=fingerprint` is one of no certificate, all zeros.
//!
//! [`Message`] is an offer or an answer. It is written as SDP ([`Message::to_sdp`]) or as one short
//! line for a chat window ([`Message::to_line`]), and [`read`] takes either back, also as pasted
//! from a browser's internals page or from a SIP trace.

mod candidate;
mod dump;
mod hidden;
mod one_line;
mod paste;
mod read;
mod section;
mod tie;
mod write;

pub use candidate::{Address, Entry, Unusable, read_candidate, write_candidate};
pub use hidden::is_private_hidden;
pub use paste::decode;
pub use read::{Connection, Line, Reading, Sdp, State, read, read_all};
pub use section::Section;

use crate::ice::Description;
use std::fmt;

/// The longest description that is read, in bytes: far beyond what a browser writes.
pub const LONGEST: usize = 256 * 1024;

/// The longest text that [`read_all`] takes, in bytes: the dump of a browser's internals page is long.
pub const LONGEST_PASTE: usize = 50 << 20;

/// Which half of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The first.
    Offer,
    /// The reply to it.
    Answer,
}

impl Kind {
    /// As WebRTC writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::Answer => "answer",
        }
    }
}

/// Which side of a connection, seen from the program that wrote the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Whose {
    /// The side that wrote the dump.
    Local,
    /// The other side.
    Remote,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An offer or an answer of ICE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Which of the two.
    pub kind: Kind,
    /// Its sender's credentials and candidates.
    pub description: Description,
    /// In an answer of natscope: the `ice-ufrag` of the offer that it answers
    /// (`a=natscope-answers`), by which an answer to another offer is recognised.
    pub answers: Option<String>,
}

impl Message {
    /// A message that offers.
    #[must_use]
    pub const fn offer(description: Description) -> Self {
        Self { kind: Kind::Offer, description, answers: None }
    }

    /// The answer to an offer.
    #[must_use]
    pub fn answer(description: Description, offer: &Description) -> Self {
        Self { kind: Kind::Answer, description, answers: Some(offer.ufrag.clone()) }
    }

    /// The message that this text is, as [`read`] takes it.
    ///
    /// # Errors
    /// [`SdpError`] says where and what was expected.
    pub fn read(text: &str) -> Result<Self, SdpError> {
        read(text)?.message().map(|(message, _)| message)
    }

    /// Whether this can be taken as the answer to our offer.
    ///
    /// # Errors
    /// It is an offer, our own offer come back, or the answer to another offer.
    pub fn check_answers(&self, ours: &Description) -> Result<(), Mismatch> {
        if self.description.ufrag == ours.ufrag {
            return Err(Mismatch::Own);
        }
        match (&self.answers, self.kind) {
            (_, Kind::Offer) => Err(Mismatch::Offer),
            (Some(other), Kind::Answer) if *other != ours.ufrag => Err(Mismatch::OtherOffer {
                answers: crate::stun::text::safe(other.as_bytes()),
                ours: ours.ufrag.clone(),
            }),
            (_, Kind::Answer) => Ok(()),
        }
    }
}

/// Why a description is not the answer that was waited for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// It is an offer.
    #[error(
        "this is an offer, but an answer to ours is expected: give it to `natscope connect answer` instead"
    )]
    Offer,
    /// It is an answer.
    #[error(
        "this is an answer, but an offer is expected: give it to the `natscope connect offer` that it answers"
    )]
    Answer,
    /// It is what we wrote ourselves.
    #[error("this is our own offer, but the peer's answer to it is expected")]
    Own,
    /// It answers another.
    #[error(
        "this answers another offer (`{answers}`; ours is `{ours}`): send this offer to the peer, and paste the answer to it"
    )]
    OtherOffer {
        /// The ufrag of the offer that it answers.
        answers: String,
        /// The ufrag of our offer.
        ours: String,
    },
}

/// Where a description could not be read, and what was expected there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SdpError {
    /// Where; none when the text holds nothing of the kind.
    pub place: Option<Place>,
    /// What is wrong and what was expected, in a sentence; safe to print.
    pub what: String,
    /// It is the beginning of something: more may follow.
    pub partial: bool,
}

/// A place in a text, both from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The number of the line.
    pub line: usize,
    /// The character within it.
    pub column: usize,
}

impl SdpError {
    fn nowhere(what: impl Into<String>) -> Self {
        Self { place: None, what: what.into(), partial: false }
    }
    fn at(line: usize, column: usize, what: impl Into<String>) -> Self {
        Self { place: Some(Place { line, column }), what: what.into(), partial: false }
    }

    /// The same with the name of what was read before it.
    pub(crate) fn of(&self, name: impl fmt::Display) -> String {
        let between = if self.place.is_some() { ',' } else { ':' };
        format!("{name}{between} {self}")
    }
}

impl fmt::Display for SdpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.place {
            write!(f, "line {}, column {}: ", place.line, place.column)?;
        }
        f.write_str(&self.what)
    }
}

impl std::error::Error for SdpError {}

/// The words of a text, each with the byte where it begins.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split([' ', '\t']).filter_map(move |word| {
        let start = at;
        at += word.len() + 1;
        (!word.is_empty()).then_some((start, word))
    })
}

#[cfg(test)]
mod tests;
