//! How sure silence is: the chance that every try of a test was lost on the way, given what the
//! run itself saw of loss.

use super::record::{Record, Transaction, Via};

/// Exchanges of one server that were answered, and that were lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sample {
    /// Tries that were answered.
    pub answered: u32,
    /// Tries that were not.
    pub lost: u32,
}

/// Weight of the assumption, before anything is seen, that exchanges succeed: the prior of the
/// loss rate is Beta(1, 4), a mean loss of 20 %.
const PRIOR_SUCCESS: f64 = 4.0;

impl Sample {
    /// The chance that `tries` independent exchanges are all lost: the mean of q^tries over the
    /// posterior of the loss rate q, Beta(1 + lost, 4 + answered).
    #[must_use]
    pub fn chance_all_lost(self, tries: u32) -> f64 {
        let a = 1.0 + f64::from(self.lost);
        let b = PRIOR_SUCCESS + f64::from(self.answered);
        (0..tries).map(|i| (a + f64::from(i)) / (a + b + f64::from(i))).product()
    }
}

/// What the plain requests to server `about` saw of loss up to `now`, both in ms. A try that is
/// younger than `slack` ms and unanswered is still on its way and does not count.
#[must_use]
pub fn sample(record: &Record, about: usize, now: f64, slack: f64) -> Sample {
    let plain = |t: &&Transaction| t.about == about && t.via != Via::Tcp && !t.change.any();
    let mut sample = Sample::default();
    let copies = copies(record, about);
    let rtt = rtt(record, about).unwrap_or(0.0);
    for t in record.transactions.iter().filter(plain) {
        // Silence of a whole transaction is not loss: the far end may be dead.
        if t.received.is_none() {
            continue;
        }
        let answered = answered_tries(t, copies, rtt);
        let due = count(t.sent.iter().filter(|&&sent| sent + slack <= now).count());
        sample.answered += answered;
        sample.lost += due.saturating_sub(answered);
    }
    sample
}

/// Whether more answers than requests were ever seen from this server.
#[must_use]
pub fn duplicates_replies(record: &Record, about: usize) -> bool {
    record
        .transactions
        .iter()
        .any(|t| t.about == about && t.received.is_some() && t.again.len() >= t.sent.len())
}

/// How many answers this server and the way to it make of one, by the transactions that were sent
/// only once; 1 where nothing is duplicated.
fn copies(record: &Record, about: usize) -> f64 {
    let once = record
        .transactions
        .iter()
        .filter(|t| t.about == about && t.received.is_some() && t.sent.len() == 1);
    let (asked, answers) =
        once.fold((0_usize, 0_usize), |(n, sum), t| (n + 1, sum + 1 + t.again.len()));
    if asked == 0 { 1.0 } else { answers as f64 / asked as f64 }
}

/// How many tries of one transaction were answered. All tries carry one id, so where answers are
/// duplicated (`copies` of each on average), each counts for its share, or is credited to the
/// latest try that could have caused it, whichever accounts for more tries.
fn answered_tries(t: &Transaction, copies: f64, rtt: f64) -> u32 {
    let Some(first) = &t.received else { return 0 };
    let answers = (1 + t.again.len()) as f64 / copies.max(1.0);
    let shares = u32::try_from(super::whole(answers + 0.5)).unwrap_or(u32::MAX);
    let mut credited = vec![false; t.sent.len()];
    // the least time that was seen need not be the least there is
    let least = rtt - (rtt * 0.2).min(2.0);
    for at in std::iter::once(first.at).chain(t.again.iter().copied()) {
        let cause = t.sent.iter().rposition(|sent| sent + least <= at);
        if let Some(slot) = cause.and_then(|index| credited.get_mut(index)) {
            *slot = true;
        }
    }
    let credits = count(credited.into_iter().filter(|&c| c).count());
    shares.min(count(t.sent.len())).max(credits).max(1)
}

/// The round-trip time of server `about` in ms: the least time from a first try to its answer, an
/// upper bound on what the network needs.
#[must_use]
pub fn rtt(record: &Record, about: usize) -> Option<f64> {
    record
        .transactions
        .iter()
        .filter(|t| t.about == about && t.via != Via::Tcp)
        .filter_map(|t| Some(t.received.as_ref()?.at - t.sent.first()?))
        .min_by(f64::total_cmp)
}

/// How long, in ms, an answer may reasonably take where the round trip takes `rtt` ms.
#[must_use]
pub fn patience(rtt: f64) -> f64 {
    2.0 * rtt + 30.0
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clean_runs_need_about_ten_tries_and_lossy_ones_more() {
        let clean = Sample { answered: 11, lost: 0 };
        assert!(clean.chance_all_lost(10) < 5e-7);
        assert!(clean.chance_all_lost(5) > 1e-5);
        let lossy = Sample { answered: 6, lost: 5 };
        assert!(lossy.chance_all_lost(10) > 1e-4);
        assert!(lossy.chance_all_lost(40) < lossy.chance_all_lost(10));
    }

    #[test]
    fn nothing_sent_proves_nothing() {
        assert!((Sample::default().chance_all_lost(0) - 1.0).abs() < 1e-12);
    }
}
