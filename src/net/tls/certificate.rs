//! As much of an X.509 certificate (RFC 5280 section 4.1) as is needed to say what is wrong with it.

/// What is of interest in a certificate. Names are raw: they are compared as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Certificate<'a> {
    pub issuer: &'a [u8],
    pub subject: &'a [u8],
    /// Seconds since 1970.
    pub not_before: u64,
    pub not_after: u64,
}

const INTEGER: u8 = 0x02;
const OID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;

/// Reads one; `None` when it is not DER.
pub(super) fn read(der: &[u8]) -> Option<Certificate<'_>> {
    let (outer, _) = take(der, SEQUENCE)?;
    let (body, _) = take(outer, SEQUENCE)?;
    let body = take(body, VERSION).map_or(body, |(_, rest)| rest);
    let (_serial, body) = take(body, INTEGER)?;
    let (_algorithm, body) = take(body, SEQUENCE)?;
    let (issuer, body) = take(body, SEQUENCE)?;
    let (validity, body) = take(body, SEQUENCE)?;
    let (subject, _) = take(body, SEQUENCE)?;
    let (not_before, validity) = time(validity)?;
    let (not_after, _) = time(validity)?;
    Some(Certificate { issuer, subject, not_before, not_after })
}

/// A name for people: its common name, else its organisation; safe to print.
pub(super) fn name(mut raw: &[u8]) -> String {
    let mut organisation = None;
    while let Some((set, rest)) = take(raw, SET) {
        raw = rest;
        let Some((pair, _)) = take(set, SEQUENCE) else { continue };
        let Some((oid, value)) = take(pair, OID) else { continue };
        let Some((_, value, _)) = element(value) else { continue };
        match oid {
            [0x55, 0x04, 0x03] => return crate::stun::text::safe(value),
            [0x55, 0x04, 0x0a] => organisation = Some(crate::stun::text::safe(value)),
            _ => {}
        }
    }
    organisation.unwrap_or_else(|| "a name that cannot be read".to_owned())
}

/// The content of the next element when it has this tag, and what follows it.
fn take(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    element(bytes).filter(|(found, ..)| *found == tag).map(|(_, content, rest)| (content, rest))
}

/// Tag, content, and what follows (X.690 section 8.1).
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let count = usize::from(first & 0x7f);
        let octets = rest.get(..count).filter(|_| (1..=4).contains(&count))?;
        let length = octets.iter().fold(0, |length, octet| length << 8 | usize::from(*octet));
        (length, rest.get(count..)?)
    };
    Some((tag, rest.get(..length)?, rest.get(length..)?))
}

/// `UTCTime` or `GeneralizedTime`, both of DER: to the second, in UTC.
fn time(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (tag, content, rest) = element(bytes)?;
    let text = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    let (year, text) = match tag {
        UTC_TIME => {
            let year: i16 = text.get(..2)?.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, text.get(2..)?)
        }
        GENERALIZED_TIME => (text.get(..4)?.parse().ok()?, text.get(4..)?),
        _ => return None,
    };
    let part = |at: usize| text.get(at..at + 2)?.parse::<i8>().ok();
    let (month, day, hour, minute, second) = (part(0)?, part(2)?, part(4)?, part(6)?, part(8)?);
    let date = jiff::civil::DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    let seconds = jiff::tz::TimeZone::UTC.to_timestamp(date).ok()?.as_second();
    Some((u64::try_from(seconds).unwrap_or(0), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

    #[test]
    fn names_and_times_are_read() {
        let mut params = CertificateParams::new(vec!["turn.example".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "turn\u{1b}.example");
        params.not_before = date_time_ymd(2020, 2, 29);
        params.not_after = date_time_ymd(2051, 3, 1);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let der = certificate.der().as_ref();
        let read = read(der).unwrap();
        assert_eq!(read.issuer, read.subject);
        assert_eq!((read.not_before, read.not_after), (1_582_934_400, 2_561_241_600));
        assert_eq!(name(read.subject), "turn\u{fffd}.example");
        for cut in 0..der.len() {
            let _none_or_some = super::read(&der[..cut]);
        }
    }
}
