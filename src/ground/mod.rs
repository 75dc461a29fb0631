//! The words that every floor shares and that know nothing of any: how sure a fact is, what a finding
//! and an ICMP error say, what an address is, what text may show, what a stranger may cost.

pub mod address;
pub mod external;
pub mod fact;
pub mod finding;
pub mod hostile;
pub mod icmp;
pub mod limit;
pub mod special;

/// Milliseconds, to the microsecond, as documents have them.
pub(crate) fn ms(time: std::time::Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
