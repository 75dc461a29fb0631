//! Rate limits: a token bucket, and one for each source address in a table of bounded size. Time is
//! what they are told.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// How much of anything one may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Per second in the long run.
    pub per_second: u64,
    /// At once after a pause.
    pub burst: u64,
}

impl Default for Limit {
    /// Answers of a STUN server to one source: four times what a natscope probe on a lossy path needs.
    fn default() -> Self {
        Self { per_second: 200, burst: 400 }
    }
}

/// Most sources remembered; when full, those whose bucket is full again are forgotten.
const MOST_SOURCES: usize = 65_536;

/// How long a full table is left before it is walked again: a walk takes a millisecond or two, and an
/// invented source has its bucket full again after five.
const WALK: Duration = Duration::from_millis(100);

/// One of what is counted, in a bucket's tokens.
const ONE: u64 = 1_000_000;

/// A token bucket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    /// In millionths, so that whole microseconds count: rounded to milliseconds, a source that asks
    /// more often than that would never have anything refilled.
    tokens: u64,
    at: Duration,
}

impl Bucket {
    /// A full one.
    pub const fn new(now: Duration, limit: Limit) -> Self {
        Self { tokens: limit.burst.saturating_mul(ONE), at: now }
    }

    /// Takes so many; false, and nothing is taken, when there are not so many.
    pub fn take(&mut self, now: Duration, count: u64, limit: Limit) -> bool {
        self.tokens = self.refilled(now, limit);
        self.at = self.at.max(now);
        let left = self.tokens.checked_sub(count.saturating_mul(ONE));
        self.tokens = left.unwrap_or(self.tokens);
        left.is_some()
    }

    /// Whether nothing is missing: such a bucket need not be remembered.
    pub fn is_full(&self, now: Duration, limit: Limit) -> bool {
        self.refilled(now, limit) >= limit.burst.saturating_mul(ONE)
    }

    fn refilled(&self, now: Duration, limit: Limit) -> u64 {
        let passed = u64::try_from(now.saturating_sub(self.at).as_micros()).unwrap_or(u64::MAX);
        let gained = passed.saturating_mul(limit.per_second);
        self.tokens.saturating_add(gained).min(limit.burst.saturating_mul(ONE))
    }
}

/// The buckets.
#[derive(Debug)]
pub(crate) struct Limiter {
    limit: Limit,
    buckets: HashMap<IpAddr, Bucket>,
    /// When idle sources may be forgotten next: a walk through the table for every packet of a
    /// flood would itself be the denial of service.
    next_walk: Duration,
}

impl Limiter {
    pub fn new(limit: Limit) -> Self {
        Self { limit, buckets: HashMap::new(), next_walk: Duration::ZERO }
    }

    /// Takes one answer from the source's bucket; false when it is empty.
    pub fn allows(&mut self, now: Duration, source: IpAddr) -> bool {
        let key = group(source);
        if self.buckets.len() >= MOST_SOURCES && !self.buckets.contains_key(&key) {
            if now >= self.next_walk {
                self.next_walk = now + WALK;
                self.forget_idle(now);
            }
            if self.buckets.len() >= MOST_SOURCES {
                // Under a flood of invented sources, known ones are served and new ones are not.
                return false;
            }
        }
        let bucket = self.buckets.entry(key).or_insert_with(|| Bucket::new(now, self.limit));
        bucket.take(now, 1, self.limit)
    }

    fn forget_idle(&mut self, now: Duration) {
        self.buckets.retain(|_, bucket| !bucket.is_full(now, self.limit));
    }
}

/// Whom an address counts as: a host has a whole /64 of IPv6 addresses to itself.
pub(crate) fn group(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(ip) => {
            let mut segments = ip.segments();
            segments[4..].fill(0);
            Ipv6Addr::from(segments).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_held_to_its_rate_and_others_are_not() {
        let mut limiter = Limiter::new(Limit { per_second: 10, burst: 5 });
        let (a, b) = ("192.0.2.1".parse().expect("ip"), "192.0.2.2".parse().expect("ip"));
        let served = (0..20).filter(|_| limiter.allows(Duration::ZERO, a)).count();
        assert_eq!(served, 5);
        assert!(limiter.allows(Duration::ZERO, b));
        assert!(limiter.allows(Duration::from_millis(100), a));
        assert!(!limiter.allows(Duration::from_millis(100), a));
    }

    #[test]
    fn a_source_that_asks_too_often_still_gets_its_rate() {
        let mut limiter = Limiter::new(Limit { per_second: 200, burst: 400 });
        let source = "192.0.2.1".parse().expect("ip");
        let every = Duration::from_micros(130);
        let served = (0..38_462).filter(|&n| limiter.allows(every * n, source)).count();
        assert!((1395..=1400).contains(&served), "{served} in five seconds after a burst of 400");
    }

    #[test]
    fn one_ipv6_host_cannot_multiply_itself() {
        let mut limiter = Limiter::new(Limit { per_second: 1, burst: 1 });
        assert!(limiter.allows(Duration::ZERO, "2001:db8::1".parse().expect("ip")));
        assert!(!limiter.allows(Duration::ZERO, "2001:db8::2".parse().expect("ip")));
    }

    /// A walk each second left nine tenths of it to whoever invents sources.
    #[test]
    fn a_flood_of_invented_sources_does_not_lock_new_ones_out() {
        let mut limiter = Limiter::new(Limit::default());
        let (mut served, mut asked) = (0, 0);
        // 400,000 a second for two seconds, and a new honest client every 20 ms
        for n in 0..800_000u32 {
            let now = Duration::from_nanos(2500) * n;
            limiter.allows(now, IpAddr::V4((0x0a00_0000 + n).into()));
            if n % 8000 == 7999 {
                asked += 1;
                served += u32::from(limiter.allows(now, IpAddr::V4((0xc000_0200 + asked).into())));
            }
        }
        assert!(limiter.buckets.len() <= MOST_SOURCES);
        assert!(served >= asked * 9 / 10, "{served} of {asked} honest clients");
    }

    #[test]
    fn a_flood_of_invented_sources_does_not_grow_the_table_without_bound() {
        let mut limiter = Limiter::new(Limit { per_second: 1, burst: 2 });
        for n in 0..100_000u32 {
            limiter.allows(Duration::ZERO, IpAddr::V4((0x0a00_0000 + n).into()));
        }
        assert!(limiter.buckets.len() <= MOST_SOURCES);
        assert!(limiter.allows(Duration::from_secs(10), "192.0.2.1".parse().expect("ip")));
    }
}
