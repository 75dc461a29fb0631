//! JSON that may be shown on a terminal: `jq`, `cat` and a browser print what a string holds, so the
//! characters that steer or hide are written as `\u` and four digits (RFC 8259 section 7), of which
//! every reader makes the same text. All documents are written here.

use crate::ground::hostile::is_hostile;
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter};
use std::io::{self, Write};

/// A value as a document: indented, with a final newline, its hostile characters escaped.
///
/// # Errors
/// A map of the value has a key that is no text.
pub fn document<T: Serialize + ?Sized>(value: &T) -> Result<String, serde_json::Error> {
    let mut bytes = Vec::new();
    let mut serializer =
        serde_json::Serializer::with_formatter(&mut bytes, Escaping(PrettyFormatter::new()));
    value.serialize(&mut serializer)?;
    bytes.push(b'\n');
    String::from_utf8(bytes).map_err(|error| serde_json::Error::io(io::Error::other(error)))
}

/// The indented form of another formatter, with more of a string escaped.
struct Escaping<'a>(PrettyFormatter<'a>);

/// Hands everything but strings to the inner formatter.
macro_rules! as_before {
    ($($name:ident($($argument:ident: $kind:ty),*);)*) => {
        $(fn $name<W: ?Sized + Write>(&mut self, w: &mut W $(, $argument: $kind)*) -> io::Result<()> {
            self.0.$name(w $(, $argument)*)
        })*
    };
}

impl Formatter for Escaping<'_> {
    as_before! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        begin_object_value();
        end_object_value();
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        w: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut plain = 0;
        for (at, c) in fragment.char_indices().filter(|&(_, c)| is_hostile(c)) {
            w.write_all(&fragment.as_bytes()[plain..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(w, "\\u{unit:04x}")?;
            }
            plain = at + c.len_utf8();
        }
        w.write_all(&fragment.as_bytes()[plain..])
    }
}

#[cfg(test)]
mod tests {
    use super::document;
    use crate::ground::hostile::is_hostile;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[test]
    fn c1_del_and_direction_marks_left_the_program_raw() {
        let value =
            json!({ "a\u{202e}b": ["\u{9b}2J", "\u{7f}", "\u{2066}x\u{2069}", "\u{e0041}"] });
        let text = document(&value).unwrap();
        assert!(!text.chars().any(|c| c != '\n' && is_hostile(c)), "{text:?}");
        assert!(text.contains(r"\u009b2J") && text.contains(r"\udb40\udc41"), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn plain_documents_look_as_they_did() {
        let value = json!({"a": [1, 2.5, null, true, "ü \"x\" \\ \n"], "b": {}, "c": []});
        assert_eq!(document(&value).unwrap(), serde_json::to_string_pretty(&value).unwrap() + "\n");
    }

    proptest! {
        #[test]
        fn any_text_comes_back_as_it_was_and_shows_nothing_hostile(text in any::<String>()) {
            let written = document(&text).unwrap();
            prop_assert!(!written.trim_end().chars().any(is_hostile));
            prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }
    }
}
