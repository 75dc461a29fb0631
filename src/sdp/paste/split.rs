//! Lines as programs write them into one line: `\r\n`, `#015#012` (syslog), `<CR><LF>`, `^M`, `<br>`
//! and what the cleaning left as `␤`.

use super::clean::WRITTEN_END;

/// The pieces of a physical line between written line ends, each with the byte where it begins.
pub(super) fn pieces(line: &str) -> Pieces<'_> {
    Pieces { line, at: Some(0) }
}

pub(super) struct Pieces<'a> {
    line: &'a str,
    at: Option<usize>,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = (usize, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.at?;
        let bytes = self.line.as_bytes();
        let mut i = start;
        while i < bytes.len() {
            let (length, ends) = mark(self.line, i);
            if ends {
                self.at = Some(i + length);
                return Some((start, &self.line[start..i]));
            }
            i += length;
        }
        self.at = None;
        Some((start, &self.line[start..]))
    }
}

/// How many bytes the mark at this byte has, and whether it ends a line; one byte, and no, where
/// there is none. All marks begin with a character of their own, so a cut is never within one.
fn mark(line: &str, at: usize) -> (usize, bool) {
    let bytes = &line.as_bytes()[at..];
    match bytes[0] {
        b'\\' => {
            let slashes = bytes.iter().take_while(|b| **b == b'\\').count();
            let rest = &bytes[slashes..];
            let known: [&[u8]; 6] = [b"r", b"n", b"015", b"012", b"x0d", b"x0a"];
            let ends = known.iter().find(|mark| {
                rest.get(..mark.len()).is_some_and(|found| found.eq_ignore_ascii_case(mark))
                    && (mark.len() > 1 || rest[0].is_ascii_lowercase())
            });
            ends.map_or((slashes, false), |mark| (slashes + mark.len(), true))
        }
        b'#' if bytes.starts_with(b"#015") || bytes.starts_with(b"#012") => (4, true),
        b'<' => {
            let known: [&[u8]; 7] =
                [b"<cr>", b"<lf>", b"<crlf>", b"<br>", b"<br/>", b"<br />", b"</div>"];
            let found = known.iter().find(|mark| {
                bytes.get(..mark.len()).is_some_and(|found| found.eq_ignore_ascii_case(mark))
            });
            found.map_or((1, false), |mark| (mark.len(), true))
        }
        b'^' if bytes == b"^M$" => (3, true),
        b'^' if bytes.starts_with(b"^M") => (2, true),
        b'\r' => (1, true),
        0xe2 if line[at..].starts_with(WRITTEN_END) => (WRITTEN_END.len_utf8(), true),
        _ => (1, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_line_ends_end_lines() {
        for line in [
            "a\\r\\nb",
            "a\\\\r\\\\nb",
            "a\\nb",
            "a#015#012b",
            "a<CR><LF>b",
            "a<br>b",
            "a^Mb",
            "a␤b",
            "a\rb",
            "a\\015\\012b",
            "a\\x0d\\x0Ab",
        ] {
            let found: Vec<_> = pieces(line).map(|(_, p)| p).filter(|p| !p.is_empty()).collect();
            assert_eq!(found, ["a", "b"], "{line}");
        }
        let whole: Vec<_> = pieces("\"a\\\"b\\/\\").collect();
        assert_eq!(whole, [(0, "\"a\\\"b\\/\\")]);
        assert_eq!(pieces("").collect::<Vec<_>>(), [(0, "")]);
    }
}
