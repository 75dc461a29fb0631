//! Whose an allocation is: what quotas, reservations and bandwidth are counted by.

use super::Relay;
use crate::ground::limit::{Bucket, Limit};
use std::fmt;
use std::time::Duration;

/// One identity.
///
/// A user with a password and a time-limited one of the same name are two: another may have given
/// out that name. The expiry and the secret are no part of it. Time-limited users without a name
/// cannot be told apart and are one together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Account {
    /// A user with a password of its own.
    User(String),
    /// `EXPIRY:name`.
    TimeLimited(String),
    /// `EXPIRY` or `EXPIRY:`.
    Nameless,
}

impl Account {
    /// The name as the operator knows it, without the expiry.
    pub fn name(&self) -> &str {
        match self {
            Self::User(name) | Self::TimeLimited(name) => name,
            Self::Nameless => "",
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => f.write_str(name),
            Self::TimeLimited(name) => write!(f, "{name} (time-limited)"),
            Self::Nameless => f.write_str("nameless (time-limited)"),
        }
    }
}

/// How many bytes of payload a user may have relayed in a second, both ways together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bandwidth {
    bytes_per_second: u64,
}

/// The longest datagram: a limit that never lets one through would be none that anybody meant.
const LONGEST: u64 = 65_536;

impl Bandwidth {
    /// So many bytes a second.
    #[must_use]
    pub const fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second }
    }

    /// At once after a pause a quarter of a second's may pass.
    fn limit(self) -> Limit {
        let per_second = self.bytes_per_second;
        Limit { per_second, burst: LONGEST.max(per_second / 4) }
    }
}

impl std::str::FromStr for Bandwidth {
    type Err = String;

    /// A number and a unit: bits a second as `kbit`, `Mbit`, `Gbit`, bytes a second as `kB`, `MB`,
    /// `GB`; thousands, as networks count; `/s` may follow.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            "write a number and a unit, such as 2Mbit (megabits a second) or 250kB (kilobytes a second)"
                .to_owned()
        };
        let text = text.trim().trim_end_matches("/s");
        let at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, unit) = text.split_at(at);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let (factor, bits) = match unit.trim() {
            "kbit" => (1_000, true),
            "Mbit" => (1_000_000, true),
            "Gbit" => (1_000_000_000, true),
            "kB" => (1_000, false),
            "MB" => (1_000_000, false),
            "GB" => (1_000_000_000, false),
            _ => return Err(wrong()),
        };
        let all = number.checked_mul(factor).ok_or_else(wrong)?;
        let bytes_per_second = if bits { all / 8 } else { all };
        if bytes_per_second == 0 { Err(wrong()) } else { Ok(Self { bytes_per_second }) }
    }
}

/// What an account has.
#[derive(Debug, Default)]
pub(super) struct Holding {
    /// Sockets, and reserved ports.
    pub count: usize,
    bucket: Option<Bucket>,
}

impl Relay {
    pub(super) fn count_account(&mut self, account: &Account) {
        self.accounts.entry(account.clone()).or_default().count += 1;
    }

    pub(super) fn release_account(&mut self, account: &Account) {
        if let Some(holding) = self.accounts.get_mut(account) {
            holding.count = holding.count.saturating_sub(1);
            // with a bandwidth it is remembered until its bucket is full: to end an allocation and
            // make another is not to have more
            if holding.count == 0 && holding.bucket.is_none() {
                self.accounts.remove(account);
            }
        }
    }

    pub(super) fn held_by(&self, account: &Account) -> usize {
        self.accounts.get(account).map_or(0, |holding| holding.count)
    }

    pub(super) fn forget_accounts(&mut self, now: Duration) {
        let Some(limit) = self.bandwidth.map(Bandwidth::limit) else { return };
        self.accounts.retain(|_, holding| {
            let full = |bucket: Bucket| bucket.is_full(now, limit);
            holding.count > 0 || !holding.bucket.is_none_or(full)
        });
    }
}

/// Whether the account may have so many bytes more relayed; they are taken then.
pub(super) fn may_pass(
    bandwidth: Option<Bandwidth>,
    accounts: &mut std::collections::HashMap<Account, Holding>,
    now: Duration,
    account: &Account,
    bytes: usize,
) -> bool {
    let Some(limit) = bandwidth.map(Bandwidth::limit) else { return true };
    let Some(holding) = accounts.get_mut(account) else { return false };
    let bucket = holding.bucket.get_or_insert_with(|| Bucket::new(now, limit));
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    bucket.take(now, bytes, limit)
}
