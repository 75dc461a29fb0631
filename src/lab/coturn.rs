//! coturn beside our relay: where its `turnserver` is, which version it is, and what must be said to
//! that version so that it does the same as the others. `lab cost`, the benches and the tests start
//! it by this.

use std::ffi::OsString;
use std::fmt;

/// Names another `turnserver` than the one in PATH.
pub const PROGRAM: &str = "NATSCOPE_TURNSERVER";

/// The `turnserver` to start.
#[must_use]
pub fn program() -> OsString {
    std::env::var_os(PROGRAM).filter(|path| !path.is_empty()).unwrap_or_else(|| "turnserver".into())
}

/// A version of coturn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(u32, u32, u32);

impl Version {
    /// From what `turnserver --version` prints; `None` when it is none (a program of that name that
    /// is not coturn, or one that ends with an error).
    #[must_use]
    pub fn of(said: &str) -> Option<Self> {
        let line = said.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
        let number = line.trim_start_matches("Coturn-").split([' ', '-', '+', '~']).next()?;
        let mut parts = number.split('.').map(|part| part.parse().ok());
        let mut next = || parts.next().unwrap_or(Some(0));
        Some(Self(next()?, next()?, next()?))
    }

    /// Whether what it sends to a client after an allocation over UDP has a TTL of 1, and ends at the
    /// first router: 4.17.1 was seen to (on loopback and on one link that does not show).
    #[must_use]
    pub fn spends_its_ttl(self) -> bool {
        self >= Self(4, 17, 0)
    }

    /// What switches off its telnet CLI, DTLS and what else a relay or a STUN server beside ours
    /// does not have, and sends its log to stdout. `rfc5780` as the second argument has it answer
    /// CHANGE-REQUEST where it has two addresses.
    #[must_use]
    pub fn options(self, rfc5780: bool) -> Vec<&'static str> {
        let mut options = vec!["-n", "--log-file", "stdout", "--simple-log"];
        // off by itself since
        if self < Self(4, 10, 0) {
            options.push("--no-cli");
        }
        if self < Self(4, 17, 0) {
            options.push("--no-dtls");
        }
        match (rfc5780, self < Self(4, 7, 0)) {
            (true, false) => options.push("--rfc5780"),
            // the option to switch it off is of 4.6.0
            (false, true) if self >= Self(4, 6, 0) => options.push("--no-rfc5780"),
            _ => {}
        }
        options
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// Whether a line of its log says that the last of its threads runs: the CLI's in 4.6, since then
/// those that look up users.
#[must_use]
pub fn is_ready(line: &str) -> bool {
    ["IO method (admin thread)", "Total auth threads"].iter().any(|words| line.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_they_are_printed() {
        assert_eq!(Version::of("4.6.1\n"), Some(Version(4, 6, 1)));
        assert_eq!(Version::of("0: log file opened\n4.17.1\n\n"), Some(Version(4, 17, 1)));
        assert_eq!(Version::of("Coturn-4.5.2 'dan Eider'"), Some(Version(4, 5, 2)));
        assert_eq!(Version::of("4.18-rc1"), Some(Version(4, 18, 0)));
        assert_eq!(Version::of("command not found"), None);
        assert_eq!(Version::of(""), None);
        assert!(Version(4, 6, 1) < Version(4, 17, 1));
        assert_eq!(Version(4, 17, 1).to_string(), "4.17.1");
        assert!(Version(4, 17, 1).spends_its_ttl() && !Version(4, 6, 1).spends_its_ttl());
    }

    #[test]
    fn a_version_is_told_only_what_it_knows() {
        let of = |version: &str, rfc5780| Version::of(version).unwrap().options(rfc5780).join(" ");
        let old = of("4.6.1", false);
        assert!(old.contains("--no-cli") && old.contains("--no-dtls"), "{old}");
        assert!(old.contains("--no-rfc5780") && !of("4.6.1", true).contains("5780"), "{old}");
        let new = of("4.17.1", false);
        assert!(!new.contains("--no-") && !new.contains("5780"), "{new}");
        assert!(of("4.17.1", true).contains("--rfc5780"));
    }

    #[test]
    fn the_last_line_of_either_log_is_known() {
        assert!(is_ready("1: : IO method (admin thread): epoll (with changelist)"));
        assert!(is_ready("2026-11-26T01:53:14.206+0000 INFO Total auth threads: 3"));
        assert!(!is_ready("0: : IO method (auth thread): epoll (with changelist)"));
    }
}
