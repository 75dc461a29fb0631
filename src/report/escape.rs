//! Everything that came from the network or from a file is hostile: it must neither steer a
//! terminal nor be read as Markdown.

use crate::ground::hostile::is_hostile;
use std::borrow::Cow;
use std::fmt::Write as _;

/// Text that is safe to print on a terminal, on one line.
#[must_use]
pub fn terminal(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hostile) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hostile(c) {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// Text that Markdown shows as it is: no markup, no HTML, no links, no mentions, one line.
#[must_use]
pub fn markdown(text: &str) -> String {
    let text = terminal(text);
    let mut safe = String::with_capacity(text.len() + 8);
    let mut before = ' ';
    for c in text.chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '\\' | '`' | '*' | '[' | ']' | '|' | '~' | '$' => {
                let _ = write!(safe, "\\{c}");
            }
            // between letters an underscore is no markup, and reads better without a backslash
            '_' if !before.is_alphanumeric() => safe.push_str("\\_"),
            // mentions, ticket numbers and bare links: an empty comment breaks them unseen
            '@' => safe.push_str("@<!-- -->"),
            '#' => safe.push_str("#<!-- -->"),
            '/' if before == ':' => safe.push_str("<!-- -->/"),
            '.' if safe.to_ascii_lowercase().ends_with("www") => safe.push_str("<!-- -->."),
            _ => safe.push(c),
        }
        before = c;
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_steered() {
        assert_eq!(terminal("plain ünicode"), "plain ünicode");
        assert_eq!(terminal("\x1b[2Jgone\n\u{202e}x"), "\\u{1b}[2Jgone\\u{a}\\u{202e}x");
    }

    #[test]
    fn markdown_is_not_markup() {
        let hostile = "<img src=x> | **b** `c` [a](http://e.com) @all #1 www.e.com\n# h &lt; _i_";
        let safe = markdown(hostile);
        for raw in ["<img", " | ", "**b", " `c", "[a]", "://", "@all", "#1", "www.", "\n", "&lt; "]
        {
            assert!(!safe.contains(raw), "{raw:?} survived in {safe:?}");
        }
    }
}
