//! Links: delay, jitter, loss, reordering and duplication, each way by itself.

use rand::RngExt;
use rand::rngs::StdRng;
use std::time::Duration;

/// One direction of a link.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Link {
    /// How long a packet takes at the least.
    pub delay: Duration,
    /// Up to this much more, evenly spread. Packets may overtake one another by it.
    pub jitter: Duration,
    /// The chance that a packet is lost, 0 to 1.
    pub loss: f64,
    /// The chance that a packet is held back by twice the jitter and 10 ms more, 0 to 1.
    pub reorder: f64,
    /// The chance that a packet arrives twice, 0 to 1.
    pub duplicate: f64,
}

impl Link {
    /// A link with this delay and no faults.
    #[must_use]
    pub const fn clean(delay: Duration) -> Self {
        Self { delay, jitter: Duration::ZERO, loss: 0.0, reorder: 0.0, duplicate: 0.0 }
    }

    /// When the copies of a packet sent at `now` arrive: none (lost), one, or two.
    pub fn arrivals(&self, now: Duration, rng: &mut StdRng) -> Vec<Duration> {
        let copies = 1 + usize::from(chance(rng, self.duplicate));
        let mut arrivals = Vec::new();
        for _ in 0..copies {
            let jitter = self.jitter.mul_f64(rng.random_range(0.0..=1.0));
            let held = if chance(rng, self.reorder) {
                self.jitter * 2 + Duration::from_millis(10)
            } else {
                Duration::ZERO
            };
            if !chance(rng, self.loss) {
                arrivals.push(now + self.delay + jitter + held);
            }
        }
        arrivals
    }
}

/// Whether something of this probability happens.
pub(super) fn chance(rng: &mut StdRng, probability: f64) -> bool {
    probability > 0.0 && rng.random_bool(probability.min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn a_link_keeps_its_promises() {
        let mut rng = StdRng::seed_from_u64(1);
        let link = Link {
            jitter: Duration::from_millis(5),
            loss: 0.3,
            duplicate: 0.1,
            ..Link::clean(Duration::from_millis(20))
        };
        let mut arrived = 0;
        for _ in 0..10_000 {
            for at in link.arrivals(Duration::ZERO, &mut rng) {
                assert!((20..=25).contains(&at.as_millis()));
                arrived += 1;
            }
        }
        // 10,000 × 1.1 copies × 0.7.
        assert!((7_400..8_000).contains(&arrived), "{arrived}");
    }

    #[test]
    fn a_clean_link_is_exact() {
        let mut rng = StdRng::seed_from_u64(1);
        let link = Link::clean(Duration::from_millis(3));
        assert_eq!(link.arrivals(Duration::from_millis(4), &mut rng), [Duration::from_millis(7)]);
    }
}
