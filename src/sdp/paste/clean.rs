//! What programs do to a text before a person copies it: encodings of the whole file, colours of a
//! terminal, entities of a page, escapes of a URL. Real line ends stay where they are, so that lines
//! keep their numbers; a line end that was written in other characters becomes `␤`.

use std::borrow::Cow;

/// A line end that stood in the text as an entity or an escape.
pub(super) const WRITTEN_END: char = '␤';

/// Bytes as text: UTF-16 with a byte order mark, else UTF-8. What is neither is replaced.
#[must_use]
pub fn decode(bytes: &[u8]) -> Cow<'_, str> {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units = bytes.chunks_exact(2).filter_map(|pair| Some(unit(pair.try_into().ok()?)));
        char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => Cow::Owned(wide(rest, u16::from_le_bytes)),
        [0xfe, 0xff, rest @ ..] => Cow::Owned(wide(rest, u16::from_be_bytes)),
        [b'v', 0, b'=', 0, ..] => Cow::Owned(wide(bytes, u16::from_le_bytes)),
        _ => String::from_utf8_lossy(bytes),
    }
}

/// The text as it was before it was shown. Every pass runs only where its marks are, and goes over
/// the text once.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for (needed, pass) in PASSES {
        if needed(&text) {
            text = Cow::Owned(pass(&text));
        }
    }
    text
}

type Pass = (fn(&str) -> bool, fn(&str) -> String);

const PASSES: [Pass; 6] = [
    (|text| !text.is_ascii(), characters),
    (|text| text.contains('\u{1b}'), colours),
    (|text| text.contains("(a): ") && text.contains("(m): "), dissected),
    (|text| text.contains("\\u00"), escapes),
    (
        |text| ["&quot;", "&lt;", "&gt;", "&amp;", "&#", "&apos;"].iter().any(|e| text.contains(e)),
        entities,
    ),
    (|text| ["%3D0", "%3d0"].iter().any(|e| text.contains(e)), percent),
];

/// Blanks and quotation marks of a typesetter, and characters that cannot be seen.
fn characters(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\u{a0}' | '\u{202f}' | '\u{2000}'..='\u{200a}' | '\u{3000}' => clean.push(' '),
            '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}'
            | '\u{ad}' => {}
            '“' | '”' | '„' | '«' | '»' => clean.push('"'),
            '‘' | '’' | '‚' => clean.push('\''),
            '–' | '‐' | '‑' | '−' => clean.push('-'),
            '\u{2028}' | '\u{2029}' | '\u{85}' | '↵' | '⏎' | '␍' | '␊' | '¶' => {
                clean.push(WRITTEN_END);
            }
            _ => clean.push(c),
        }
    }
    clean
}

/// Control sequences of a terminal (ECMA-48): colours, mostly.
fn colours(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let mut clean = String::with_capacity(text.len());
    clean.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let rest = match part.strip_prefix('[') {
            // a sequence is short: what has no end is text
            Some(rest) => match rest.char_indices().take(24).find(|(_, c)| ('@'..='~').contains(c))
            {
                Some((at, end)) => &rest[at + end.len_utf8()..],
                None => rest,
            },
            None => part,
        };
        clean.push_str(rest);
    }
    clean
}

/// The tree of a packet analyser: `Media Attribute (a): mid:0`. What it says of each line besides is
/// left out.
fn dissected(text: &str) -> String {
    let line = |line: &str| {
        let at = line.find("): ")?;
        let (before, value) = (&line[..at], &line[at + 3..]);
        let key = before.chars().next_back().filter(char::is_ascii_lowercase)?;
        before.strip_suffix(key)?.ends_with('(').then(|| format!("{key}={value}"))
    };
    let lines: Vec<String> = text.split('\n').map(|l| line(l).unwrap_or_default()).collect();
    lines.join("\n")
}

/// `\u003d` and the like, as Gson and Go write `=`, `&`, `<` and `>` in JSON.
fn escapes(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\\u00") {
        let (before, after) = rest.split_at(at);
        let code = after.get(4..6).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            Some(b'\n' | b'\r') => {
                clean.push_str(before.trim_end_matches('\\'));
                clean.push(WRITTEN_END);
            }
            Some(code @ (b' '..=b'!' | b'#'..=b'[' | b']'..=b'~')) => {
                clean.push_str(before.trim_end_matches('\\'));
                clean.push(char::from(code));
            }
            _ => {
                clean.push_str(before);
                clean.push_str(&after[..4]);
                rest = &after[4..];
                continue;
            }
        }
        rest = &after[6..];
    }
    clean.push_str(rest);
    clean
}

/// Entities and the simplest tags of HTML.
fn entities(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, after) = rest.split_at(at);
        clean.push_str(before);
        let name = after.bytes().take(10).position(|b| b == b';').and_then(|end| after.get(1..end));
        if let Some((name, c)) = name.and_then(|name| Some((name, entity(name)?))) {
            clean.push(c);
            rest = &after[name.len() + 2..];
        } else {
            clean.push('&');
            rest = &after[1..];
        }
    }
    clean.push_str(rest);
    clean
}

fn entity(name: &str) -> Option<char> {
    let code = match name {
        "quot" => u32::from('"'),
        "apos" => u32::from('\''),
        "lt" => u32::from('<'),
        "gt" => u32::from('>'),
        "amp" => u32::from('&'),
        "nbsp" => u32::from(' '),
        _ => match name.strip_prefix('#')?.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => name.strip_prefix('#')?.parse().ok()?,
        },
    };
    Some(match code {
        10 | 13 => WRITTEN_END,
        160 => ' ',
        _ => char::from_u32(code)?,
    })
}

/// Escapes of a URL (RFC 3986 section 2.1), blanks as `+` where a form wrote them.
fn percent(text: &str) -> String {
    let form = text.contains("IN+IP");
    let mut clean = String::with_capacity(text.len());
    let mut parts = text.split('%');
    let plus = |part: &str| if form { part.replace('+', " ") } else { part.to_owned() };
    clean.push_str(&plus(parts.next().unwrap_or_default()));
    for part in parts {
        let code = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            Some(b'\n' | b'\r') => clean.push(WRITTEN_END),
            Some(code @ b' '..=b'~') => clean.push(char::from(code)),
            _ => {
                clean.push('%');
                clean.push_str(&plus(part));
                continue;
            }
        }
        clean.push_str(&plus(&part[2..]));
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_what_it_was_before_it_was_shown() {
        for (shown, text) in [
            ("v=0\u{a0}“x”", "v=0 \"x\""),
            ("v=0\n↵o=-", "v=0\n␤o=-"),
            ("\u{1b}[36ma=mid:0\u{1b}[0m", "a=mid:0"),
            ("\u{1b}", ""),
            ("v\\u003d0\\u000d\\u000ao\\\\u003d-", "v=0␤␤o=-"),
            ("\\u00", "\\u00"),
            ("\\u00e9", "\\u00e9"),
            ("&quot;v=0&#13;&#10;a=x&amp;y&quot; &unknown; &", "\"v=0␤␤a=x&y\" &unknown; &"),
            ("v%3D0%0D%0Ao%3D-+1+IN+IP4+a%2Bb 50%", "v=0␤␤o=- 1 IN IP4 a+b 50%"),
        ] {
            assert_eq!(clean(shown), text, "{shown}");
        }
    }

    #[test]
    fn files_of_windows_are_decoded() {
        let wide: Vec<u8> = "\u{feff}v=0".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(decode(&wide), "v=0");
        let wide: Vec<u8> = "\u{feff}v=0".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(decode(&wide), "v=0");
        assert_eq!(decode(b"v=\xff"), "v=\u{fffd}");
    }
}
