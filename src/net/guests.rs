//! How many connections each source has at one time.

use crate::ground::limit::group;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The counts, by address; of IPv6 by /64, since a host has that many addresses to itself.
#[derive(Clone)]
pub(super) struct Guests {
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
    most: usize,
}

impl Guests {
    /// At most so many of one source.
    pub fn new(most: usize) -> Self {
        Self { counts: Arc::default(), most }
    }

    /// Counts one more; `None` when the source has enough.
    pub fn admit(&self, ip: IpAddr) -> Option<Guest> {
        let source = group(ip);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(source).or_insert(0);
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Guest { all: self.clone(), source })
    }
}

/// One connection, counted until it is dropped.
pub(super) struct Guest {
    all: Guests,
    source: IpAddr,
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut counts = self.all.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sixteen addresses of one /64 held all 1,024 places.
    #[test]
    fn the_addresses_of_one_64_share_their_places() {
        let guests = Guests::new(64);
        let ip = |text: String| text.parse().expect("an address");
        let all: Vec<_> =
            (0..1024).filter_map(|n| guests.admit(ip(format!("2001:db8::{n:x}")))).collect();
        assert_eq!(all.len(), 64);
        let neighbour = guests.admit(ip("2001:db8:0:1::1".into()));
        assert!(neighbour.is_some() && guests.admit(ip("192.0.2.1".into())).is_some());
        drop(all);
        assert!(guests.admit(ip("2001:db8::1".into())).is_some());
        drop(neighbour);
        assert!(guests.counts.lock().expect("nobody panicked").is_empty(), "nothing is kept");
    }
}
