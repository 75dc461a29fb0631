//! Text from the network is hostile: it must not move a cursor, hide, or turn round a line.

use crate::ground::hostile::is_hostile;

/// At most this many characters are kept.
const LONGEST: usize = 128;

/// The bytes as text that is safe to print: invalid UTF-8 and control or direction characters
/// become U+FFFD, trailing NULs and blanks go, and no more than 128 characters stay.
#[must_use]
pub fn safe(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end_matches(['\0', ' ']);
    text.chars()
        .take(LONGEST)
        .map(|c| if is_hostile(c) { char::REPLACEMENT_CHARACTER } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::safe;

    #[test]
    fn escape_sequences_and_direction_marks_are_disarmed() {
        assert_eq!(safe(b"Coturn-4.6.1 'Gorst'\0\0"), "Coturn-4.6.1 'Gorst'");
        assert_eq!(safe(b"a\x1b[31mb"), "a\u{fffd}[31mb");
        assert_eq!(safe("a\u{202e}b".as_bytes()), "a\u{fffd}b");
        assert_eq!(safe(&[0xff, b'x']), "\u{fffd}x");
        assert_eq!(safe(&[b'x'; 1000]).chars().count(), 128);
    }
}
