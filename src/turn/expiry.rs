//! Time-limited user names (draft-uberti-behave-turn-rest): `EXPIRY:NAME`, seconds since 1970.

/// What a user name and a password look like to somebody who knows the mistakes; in one clause with
/// what to do, where there is something to say. `now_s` is this machine's clock, in seconds since
/// 1970. Neither is in the text.
#[must_use]
pub fn remark(user: &str, now_s: u64) -> Option<String> {
    let Some((expiry, place)) = find(user) else {
        return looks_limited(user).then(|| {
            "the user name has a colon but no expiry: a server with a shared secret wants seconds since 1970 before it (EXPIRY:NAME)".to_owned()
        });
    };
    let (now, then) = (date(now_s), date(expiry));
    let late =
        "no server takes it after that: get new credentials from the back end that makes them";
    Some(match expiry {
        _ if expiry >= 100_000_000_000_000 => {
            format!(
                "the user name's expiry {expiry} is in microseconds or nanoseconds: make it in seconds since 1970"
            )
        }
        _ if expiry >= 100_000_000_000 => {
            let (meant, over) = (expiry / 1000, expiry / 1000 <= now_s);
            let besides = if over { ", and over" } else { "" };
            format!(
                "the user name's expiry {expiry} is in milliseconds (meant is {}{besides}): make it in seconds since 1970",
                date(meant)
            )
        }
        _ if expiry < 1_000_000_000 => format!(
            "the user name's {place} {expiry} is no time of day in seconds since 1970, perhaps a lifetime: make it now plus the lifetime ({now} is {now_s})"
        ),
        _ if expiry <= now_s => format!(
            "the credentials have expired: the user name's expiry {expiry} was {then}, {} ago by this machine's clock ({now}); {late}",
            span(now_s - expiry)
        ),
        _ if expiry - now_s > 400 * 86_400 => format!(
            "the user name's expiry {expiry} is {then}, far in the future ({}): look whether the back end counts the lifetime in milliseconds; if the server takes such, the secret or the password is wrong",
            span(expiry - now_s)
        ),
        _ => format!(
            "the user name's expiry {expiry} is {then}, {} from now by this machine's clock ({now}): if the server's clock agrees, the password was made with another secret than the server has (coturn: static-auth-secret), or for another user name; it is base64(HMAC-SHA1(secret, whole user name))",
            span(expiry - now_s)
        ),
    })
}

/// The number that a server takes for the expiry, and where it stands: before the colon, else (as
/// coturn reads it) behind it, else the whole name.
fn find(user: &str) -> Option<(u64, &'static str)> {
    let digits = |text: &str| -> Option<u64> {
        let all = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if all { text.parse().ok() } else { None }
    };
    match user.split_once(':') {
        Some((before, after)) => digits(before)
            .map(|n| (n, "expiry"))
            .or_else(|| digits(after).filter(|n| *n >= 1_000_000).map(|n| (n, "expiry"))),
        // a short number is a name, such as an extension of a telephone
        None => digits(user).filter(|n| *n >= 1_000_000_000).map(|n| (n, "expiry")),
    }
}

/// A Matrix name (`@alice:example.org`) has a colon of its own.
fn looks_limited(user: &str) -> bool {
    user.contains(':')
}

/// A time in UTC, such as `2024-05-01 12:00:00 UTC`.
#[must_use]
pub fn date(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|s| jiff::Timestamp::from_second(s).ok());
    time.map_or_else(
        || format!("{seconds} seconds after 1970"),
        |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}

/// A length of time in the unit that fits.
#[must_use]
pub fn span(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..=119 => (seconds, "second"),
        120..=7_199 => (seconds / 60, "minute"),
        7_200..=172_799 => (seconds / 3600, "hour"),
        172_800..=63_071_999 => (seconds / 86_400, "day"),
        _ => (seconds / 31_556_952, "year"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    #[test]
    fn what_is_wrong_with_a_time_limited_name_is_said() {
        for (user, what) in [
            (
                "1699990000:alice",
                "expired: the user name's expiry 1699990000 was 2023-11-14 19:26:40 UTC, 2 hours ago",
            ),
            ("alice:1699990000", "2 hours ago"),
            ("1699990000", "have expired"),
            ("1700086400000:alice", "in milliseconds (meant is 2023-11-15 22:13:20 UTC)"),
            ("1600000000000:alice", "and over"),
            ("1700086400000000:alice", "microseconds"),
            ("86400:alice", "perhaps a lifetime"),
            ("1786400000:alice", "far in the future (2 years)"),
            ("1700003600:alice", "another secret"),
            ("@alice:example.org", "no expiry"),
            ("exp:alice", "no expiry"),
        ] {
            let said = remark(user, NOW).unwrap_or_else(|| panic!("{user}: nothing"));
            assert!(said.contains(what), "{user}: {said}");
            assert!(!said.contains("alice"), "{user}: {said}");
        }
    }

    #[test]
    fn a_plain_name_is_left_alone() {
        for user in ["", "alice", "1001", "4930123456"] {
            let said = remark(user, NOW);
            assert!(said.is_none() || user.len() > 9, "{user}: {said:?}");
        }
    }

    #[test]
    fn no_number_is_too_large() {
        for user in ["18446744073709551615:a", "99999999999999999999:a", "0:a", ":", "1:"] {
            let _said = remark(user, NOW);
        }
        assert_eq!(date(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(date(951_782_400), "2000-02-29 00:00:00 UTC");
        // past the calendar's last year
        assert_eq!(date(u64::MAX), "18446744073709551615 seconds after 1970");
    }
}
