//! Files that users name. Each is read with a bound: a device or a pipe may never end.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The longest configuration, password, table or description of a NAT, in bytes.
pub const SMALL: u64 = 1 << 20;
/// The longest file of certificates, in bytes: the bundles of systems have about 250 kB.
pub const CERTIFICATES: u64 = 16 << 20;

/// Reads a file, or stdin where it is named `-`, of at most so many bytes.
///
/// # Errors
/// It cannot be read, or is longer ([`io::ErrorKind::FileTooLarge`]).
pub fn read_or_stdin(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    if path == Path::new("-") { drain(io::stdin().lock(), most) } else { read(path, most) }
}

/// Reads a file of at most so many bytes.
///
/// # Errors
/// As of [`read_or_stdin`].
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    drain(File::open(path)?, most)
}

/// Reads a file of at most so many bytes that is text.
///
/// # Errors
/// As of [`read_or_stdin`]; and it is not UTF-8.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    text(read(path, most)?)
}

/// What was read as text, without the mark that some editors begin with.
///
/// # Errors
/// It is not UTF-8 ([`io::ErrorKind::InvalidData`]).
pub fn text(bytes: Vec<u8>) -> io::Result<String> {
    let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(invalid("it is UTF-16: save it as UTF-8".to_owned()));
    }
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        invalid(format!("it is not UTF-8 text (byte {})", at + 1))
    })?;
    if text.starts_with('\u{feff}') {
        text.remove(0);
    }
    Ok(text)
}

/// Reads to the end, or to the bound.
fn drain(from: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 <= most {
        return Ok(bytes);
    }
    let most =
        if most >= 1 << 20 { format!("{} MiB", most >> 20) } else { format!("{most} bytes") };
    let why = format!("it is longer than {most}, which is the most that is read");
    Err(io::Error::new(io::ErrorKind::FileTooLarge, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_ends_is_read_to_the_bound_only() {
        let error = drain(io::repeat(0), SMALL).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert!(error.to_string().contains("longer than 1 MiB"), "{error}");
        assert_eq!(drain(&b"12345"[..], 5).unwrap(), b"12345");
        assert!(drain(&b"123456"[..], 5).is_err());
    }

    #[test]
    fn text_says_what_it_is_not() {
        assert_eq!(text(b"\xef\xbb\xbf{}".to_vec()).unwrap(), "{}");
        assert!(text(b"\xff\xfe{\0}\0".to_vec()).unwrap_err().to_string().contains("UTF-16"));
        assert!(text(b"ab\xc3(".to_vec()).unwrap_err().to_string().contains("byte 3"));
    }
}
