//! Values that somebody took out before pasting: `my_wan_ip`, `XXX.YYY.ZZZ.WWW`, `1.2.3.xxx`,
//! `<redacted>`. That a value is hidden is known; what it was is not.

/// Words of which one must be there.
const TELLING: &[&str] = &[
    "addr",
    "address",
    "anonymized",
    "anonymised",
    "censored",
    "deleted",
    "hidden",
    "ip",
    "ip4",
    "ip6",
    "ipaddr",
    "ipv4",
    "ipv6",
    "masked",
    "omitted",
    "placeholder",
    "redacted",
    "removed",
    "sanitized",
    "scrubbed",
    "secret",
    "stripped",
];
/// Words that may stand beside those: `my_server` alone may be a host.
const BESIDE: &[&str] = &[
    "client", "external", "host", "internal", "lan", "local", "my", "private", "public", "remote",
    "server", "wan", "your",
];
/// The longest that is looked at.
const LONGEST: usize = 120;

/// Whether a word that should be an address stands in the place of one. What a program writes when
/// it has none (`undefined`, `null`) is no redaction.
pub(super) fn is_hidden(word: &str) -> bool {
    if word.is_empty() || word.len() > LONGEST || is_nothing(word) {
        return false;
    }
    in_brackets(word) || word.contains(masks) || is_pattern(word) || is_named(word)
}

/// Whether a word that should be a port stands in the place of one.
pub(super) fn is_hidden_port(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    !is_nothing(word)
        && word.len() <= LONGEST
        && (in_brackets(word)
            || word.contains(masks)
            || (word.len() > 1 && is_repeated(word) && !word.bytes().all(|b| b.is_ascii_digit()))
            || lower.contains("port")
            || TELLING.iter().any(|told| lower == *told))
}

/// What programs print for a value that is not there.
fn is_nothing(word: &str) -> bool {
    let bare = word.trim_matches(['[', ']', '<', '>', '(', ')', '{', '}']);
    let lower = bare.to_ascii_lowercase();
    ["undefined", "null", "nil", "none", "nan", "object", "(null)", "unknown"]
        .contains(&lower.as_str())
        || lower.starts_with("object ")
}

fn in_brackets(word: &str) -> bool {
    [('<', '>'), ('[', ']'), ('{', '}'), ('(', ')'), ('%', '%')]
        .iter()
        .any(|(open, close)| word.len() > 2 && word.starts_with(*open) && word.ends_with(*close))
}

fn masks(c: char) -> bool {
    matches!(c, '*' | '#' | '?' | '$' | '█' | '▇' | '▓' | '•' | '●' | '…' | '×' | '■' | '\u{fffd}')
}

/// `XXX.YYY.ZZZ.WWW`, `x.x.x.x`, `1.2.3.xxx`, `aa.bb.cc.dd`, `2001:db8:x:x::1`, `--.--.--.--`.
fn is_pattern(word: &str) -> bool {
    let six = word.contains(':');
    let labels: Vec<&str> = word.split(if six { ':' } else { '.' }).collect();
    if labels.len() < 2 {
        return word.len() >= 3 && is_repeated(word) && !word.bytes().all(|b| b.is_ascii_digit());
    }
    let number = |label: &&str| label.len() <= 4 && label.bytes().all(|b| b.is_ascii_hexdigit());
    let masked = |label: &&str| {
        is_repeated(label) && !(label.bytes().all(|b| b.is_ascii_digit()))
            // `2xx`, `1x`
            || (label.len() <= 4
                && label.bytes().any(|b| b.eq_ignore_ascii_case(&b'x'))
                && label.bytes().all(|b| b.is_ascii_digit() || b.eq_ignore_ascii_case(&b'x')))
    };
    let any_masked = if six {
        labels.iter().any(|l| masked(l) && !number(l))
    } else {
        labels.len() == 4 && labels.iter().any(masked)
    };
    let four = |label: &&str| label.len() <= 3 && label.bytes().all(|b| b.is_ascii_digit());
    any_masked && labels.iter().all(|l| masked(l) || if six { number(l) } else { four(l) })
}

/// One character, again and again.
fn is_repeated(word: &str) -> bool {
    let mut chars = word.chars();
    let Some(first) = chars.next() else { return false };
    (first.is_alphanumeric() || matches!(first, '-' | '_'))
        && chars.all(|c| c.eq_ignore_ascii_case(&first))
}

/// `my_wan_ip`, `PUBLIC-IP`, `redacted`, `my.public.ip`, `external_ip_address`, `publicIp1`.
fn is_named(word: &str) -> bool {
    let parts = parts(word);
    let last_is_domain = word
        .rsplit_once('.')
        .is_some_and(|(_, last)| !TELLING.contains(&last.to_ascii_lowercase().as_str()));
    let telling = |part: &String| TELLING.contains(&part.as_str());
    let known = |part: &String| telling(part) || BESIDE.contains(&part.as_str());
    !last_is_domain
        && !parts.is_empty()
        && parts.iter().any(telling)
        && (parts.iter().all(known) || word.contains('_') || parts.last().is_some_and(telling))
}

/// The words of an identifier, lower case, without numbers.
fn parts(word: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut lower = false;
    for c in word.chars() {
        if !c.is_ascii_alphanumeric() || (lower && c.is_ascii_uppercase()) {
            parts.push(std::mem::take(&mut part));
        }
        lower = c.is_ascii_lowercase();
        if c.is_ascii_alphanumeric() {
            part.push(c.to_ascii_lowercase());
        }
    }
    parts.push(part);
    let numbered = |p: String| {
        if TELLING.contains(&p.as_str()) {
            p
        } else {
            p.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned()
        }
    };
    parts.into_iter().map(numbered).filter(|p| !p.is_empty()).collect()
}

/// Whether what is left of a hidden address shows that it is one of a private network.
#[must_use]
pub fn is_private_hidden(shown: &str) -> bool {
    let mut labels = shown.split('.');
    let mut number = || labels.next().and_then(|l| l.parse::<u8>().ok());
    match (number(), number()) {
        (Some(10), _) | (Some(192), Some(168)) | (Some(169), Some(254)) => true,
        (Some(172), Some(second)) => (16..32).contains(&second),
        (Some(100), Some(second)) => second & 0xc0 == 64,
        _ => {
            let start = shown.trim_start_matches('[').to_ascii_lowercase();
            start.contains(':') && ["fe8", "fc", "fd"].iter().any(|p| start.starts_with(p))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_in_place_of_an_address_is_hidden() {
        for word in [
            "my_wan_ip",
            "XXX.YYY.ZZZ.WWW",
            "x.x.x.x",
            "<redacted>",
            "[IP]",
            "***",
            "1.2.3.xxx",
            "REDACTED",
            "{ip}",
            "my.public.ip",
            "PUBLIC_IP",
            "aa.bb.cc.dd",
            "xx.xxx.xxx.xx",
            "203.0.113.*",
            "████",
            "192.168.x.x",
            "2001:db8:x:x::1",
            "xxxx:xxxx::1",
            "$IP",
            "%IP%",
            "external-ip",
            "client-ip",
            "my-public-ip",
            "hidden",
            "PublicIp",
            "MY_PUBLIC_IP_1",
            "2xx.1x.0.1",
            "--.--.--.--",
            "(removed)",
            "<public ip>",
            "server_ip_address",
            "xxxxx",
            "?.?.?.?",
            "wan-ip",
            "yourip_ip",
            "A.B.C.D",
            "IPv4",
            "<IPv6>",
        ] {
            assert!(is_hidden(word), "{word}");
        }
    }

    #[test]
    fn what_programs_write_without_an_address_is_not_hidden() {
        for word in [
            "undefined",
            "null",
            "NaN",
            "None",
            "[object",
            "(null)",
            "fe80::1%21",
            "192.168.1.300",
            "turn.example.org",
            "192.168.1",
            "x",
            "pc.local",
            "ip.example.org",
            "",
            "my-ip.example.com",
            "192.0.2.1",
            "2001:db8::1",
            "aaa.bbb",
            "hostname",
            "1111",
        ] {
            assert!(!is_hidden(word), "{word}");
        }
    }

    #[test]
    fn the_start_of_a_hidden_address_may_tell_that_it_is_private() {
        for word in ["192.168.x.x", "10.x.x.x", "172.17.0.x", "fe80::xxxx", "100.64.*.*"] {
            assert!(is_private_hidden(word), "{word}");
        }
        for word in ["203.0.x.x", "my_wan_ip", "172.32.x.x", "2001:x::"] {
            assert!(!is_private_hidden(word), "{word}");
        }
    }
}
