//! Allocations on TURN servers, as the prober sees them: relayed addresses that it can send from, and
//! that tell what came to them.

use super::exchange::Exchange;
use super::record::Via;
use super::transaction;
use super::{News, Output, RelayId, Wish};
use crate::stun::{Class, text};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// What is known of an allocation.
#[derive(Debug, Default)]
pub(super) struct Allocation {
    pub relayed: Option<SocketAddr>,
    /// Its server was reached over UDP.
    pub udp: bool,
    /// Why there is none, safe to print.
    pub failed: Option<String>,
    /// What the server said to the permissions asked for; nothing yet where `None`.
    permits: BTreeMap<IpAddr, Option<Result<(), String>>>,
}

impl Exchange {
    /// Asks for an allocation on the n-th TURN server; its index is also its [`RelayId`].
    pub fn allocate(&mut self, server: usize) -> usize {
        let index = self.allocations.len();
        self.allocations.push(Allocation::default());
        self.wish(index, Wish::Open { server });
        index
    }

    /// What the server says to packets from and to this address; asks when it was not asked yet.
    pub fn permission(&mut self, relay: usize, ip: IpAddr) -> Option<Result<(), String>> {
        let allocation = self.allocations.get_mut(relay)?;
        if let Some(why) = &allocation.failed {
            return Some(Err(why.clone()));
        }
        if let Some(said) = allocation.permits.get(&ip) {
            return said.clone();
        }
        allocation.permits.insert(ip, None);
        self.wish(relay, Wish::Permit(ip));
        None
    }

    fn wish(&mut self, relay: usize, wish: Wish) {
        self.out.push_back(Output::Relay { relay: RelayId(relay), wish });
    }

    pub fn relay(&mut self, relay: RelayId, news: &News) {
        let Some(allocation) = self.allocations.get_mut(relay.0) else { return };
        let safe = |why: &str| text::safe(why.as_bytes());
        match *news {
            News::Open { relayed, udp } => {
                allocation.relayed = Some(relayed);
                allocation.udp = udp;
            }
            News::Failed(ref why) => allocation.failed = Some(safe(why)),
            News::Permitted(ip) => {
                allocation.permits.insert(ip, Some(Ok(())));
            }
            News::Refused(ip, ref why) => {
                allocation.permits.insert(ip, Some(Err(safe(why))));
            }
            News::Data { from, ref bytes } => self.relayed(relay.0, from, bytes),
        }
    }

    /// What came to a relayed address: one of our own indications, or nothing of ours.
    fn relayed(&mut self, relay: usize, from: SocketAddr, bytes: &[u8]) {
        let Ok(message) = transaction::answer(bytes) else { return };
        let Some(index) = self.transaction_of(message.id) else { return };
        let t = &mut self.record.transactions[index];
        let ours = t.via == Via::ToRelay && self.live[index].relay == Some(relay);
        if ours && message.class == Class::Indication && t.again.len() < 256 {
            transaction::relayed(t, self.now, from, &message);
            self.settle_on_news(index);
            self.out.push_back(Output::Progress);
        }
    }
}
