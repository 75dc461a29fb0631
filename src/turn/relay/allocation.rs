//! One allocation: its relayed addresses, permissions, channels (RFC 8656 sections 7 to 12).

use super::account::Account;
use super::usage::{Traffic, Usage};
use super::{Path, wire};
use crate::stun::{Key, TransactionId};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How long a permission lasts (RFC 8656 section 9).
const PERMISSION: Duration = Duration::from_secs(300);
/// How long a channel lasts (section 12).
const CHANNEL: Duration = Duration::from_secs(600);
/// Permissions, and channels, of one allocation: an ICE agent needs one for each candidate.
const MOST: usize = 128;

/// A relayed address, and when it ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Relayed {
    pub address: SocketAddr,
    pub expires: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Channel {
    peer: SocketAddr,
    expires: Duration,
}

#[derive(Debug)]
pub(super) struct Allocation {
    pub path: Path,
    pub user: String,
    pub account: Account,
    pub began: Duration,
    pub key: Key,
    /// The request that made it: sent again, it is answered again.
    pub made_by: TransactionId,
    /// RESERVATION-TOKEN that was given with it.
    pub token: Option<u64>,
    /// At most one of each family.
    pub relayed: Vec<Relayed>,
    permissions: HashMap<IpAddr, Duration>,
    channels: HashMap<u16, Channel>,
    numbers: HashMap<SocketAddr, u16>,
    pub traffic: Traffic,
}

/// What stands in the way of a permission or channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clash {
    /// The number is another peer's, or the peer has another number.
    Bound,
    /// There are too many.
    Full,
}

impl Allocation {
    pub fn new(
        path: Path,
        user: String,
        account: Account,
        began: Duration,
        key: Key,
        made_by: TransactionId,
    ) -> Self {
        Self {
            path,
            user,
            account,
            began,
            key,
            made_by,
            token: None,
            relayed: Vec::new(),
            permissions: HashMap::new(),
            channels: HashMap::new(),
            numbers: HashMap::new(),
            traffic: Traffic::default(),
        }
    }

    /// The relayed address for peers of this family, while it lasts.
    pub fn relayed_for(&self, now: Duration, peer: IpAddr) -> Option<SocketAddr> {
        let mut live = self.relayed.iter().filter(|relayed| now < relayed.expires);
        live.find(|r| r.address.is_ipv4() == peer.is_ipv4()).map(|r| r.address)
    }

    /// Whether there is a permission for the address.
    pub fn permits(&self, now: Duration, peer: IpAddr) -> bool {
        self.permissions.get(&peer).is_some_and(|&expires| now < expires)
    }

    /// Whether these can all be permitted.
    pub fn has_room_for(&mut self, now: Duration, peers: &[SocketAddr]) -> bool {
        let fresh =
            |a: &Self| peers.iter().filter(|p| !a.permissions.contains_key(&p.ip())).count();
        if self.permissions.len() + fresh(self) > MOST {
            self.permissions.retain(|_, expires| now < *expires);
        }
        self.permissions.len() + fresh(self) <= MOST
    }

    /// Installs or refreshes a permission.
    pub fn permit(&mut self, now: Duration, peer: IpAddr) {
        self.permissions.insert(peer, now + PERMISSION);
    }

    /// Binds or refreshes a channel (RFC 8656 section 12.2): a number has one peer and a peer one
    /// number.
    pub fn bind(&mut self, now: Duration, number: u16, peer: SocketAddr) -> Result<(), Clash> {
        self.forget_channels(now);
        let other_peer = self.channels.get(&number).is_some_and(|c| c.peer != peer);
        let other_number = self.numbers.get(&peer).is_some_and(|&n| n != number);
        if other_peer || other_number {
            return Err(Clash::Bound);
        }
        if self.channels.len() >= MOST && !self.channels.contains_key(&number) {
            return Err(Clash::Full);
        }
        self.channels.insert(number, Channel { peer, expires: now + CHANNEL });
        self.numbers.insert(peer, number);
        Ok(())
    }

    fn forget_channels(&mut self, now: Duration) {
        self.channels.retain(|_, channel| now < channel.expires);
        let channels = &self.channels;
        self.numbers.retain(|_, number| channels.contains_key(number));
    }

    /// The peer of a channel, while it lasts.
    pub fn channel(&self, now: Duration, number: u16) -> Option<SocketAddr> {
        self.channels.get(&number).filter(|channel| now < channel.expires).map(|c| c.peer)
    }

    /// The channel of a peer, while it lasts.
    pub fn number(&self, now: Duration, peer: SocketAddr) -> Option<u16> {
        let number = *self.numbers.get(&peer)?;
        self.channel(now, number).map(|_| number)
    }

    /// What the client is sent for a packet from a peer.
    pub fn write(&self, now: Duration, peer: SocketAddr, bytes: &[u8], id: u64, out: &mut Vec<u8>) {
        let pad = self.path.over == crate::stun::responder::Over::Tcp;
        if let Some(number) = self.number(now, peer) {
            wire::write_channel(number, bytes, pad, out);
        } else {
            let mut long = [0; 12];
            long[4..].copy_from_slice(&id.to_be_bytes());
            wire::write_data(long, peer, bytes, out);
        }
    }

    pub fn usage(&self, now: Duration, live: bool) -> Usage {
        Usage {
            client: self.path,
            relayed: self.relayed.iter().map(|relayed| relayed.address).collect(),
            user: self.account.name().to_owned(),
            account: self.account.to_string(),
            age: now.saturating_sub(self.began),
            traffic: self.traffic,
            live,
        }
    }
}
