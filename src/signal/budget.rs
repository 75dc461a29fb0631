//! Who holds how much of the server's memory: each client, each source, and all of them together.

use super::{ClientId, Limits};
use crate::ground::limit::group;
use std::collections::HashMap;
use std::net::IpAddr;

/// What a message costs beside its bytes.
const EACH: usize = 64;

/// Bytes that wait to be sent, and of messages that are not whole yet.
#[derive(Debug)]
pub struct Budget {
    of_client: usize,
    of_source: usize,
    of_all: usize,
    clients: HashMap<ClientId, (IpAddr, usize)>,
    sources: HashMap<IpAddr, usize>,
    total: usize,
}

impl Budget {
    /// One within these limits.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            of_client: limits.held_by_client,
            of_source: limits.held_by_source,
            of_all: limits.held,
            clients: HashMap::new(),
            sources: HashMap::new(),
            total: 0,
        }
    }

    /// A client has come.
    pub fn enter(&mut self, id: ClientId, from: IpAddr) {
        self.clients.insert(id, (group(from), 0));
    }

    /// It has gone, and all that it held is free.
    pub fn leave(&mut self, id: ClientId) {
        if let Some((source, held)) = self.clients.remove(&id) {
            self.forget(source, held);
        }
    }

    /// What a message of this length costs.
    #[must_use]
    pub const fn cost(bytes: usize) -> usize {
        bytes + EACH
    }

    /// A client is to hold this much more.
    ///
    /// # Errors
    /// Nothing is taken: who must go first, since it holds the most of what is full.
    pub fn take(&mut self, id: ClientId, bytes: usize) -> Result<(), ClientId> {
        let Some(&(source, held)) = self.clients.get(&id) else { return Err(id) };
        if held + bytes > self.of_client {
            return Err(id);
        }
        let of_source = self.sources.get(&source).copied().unwrap_or(0);
        if of_source + bytes > self.of_source {
            return Err(self.largest(Some(source)).unwrap_or(id));
        }
        if self.total + bytes > self.of_all {
            return Err(self.largest(None).unwrap_or(id));
        }
        if let Some((_, held)) = self.clients.get_mut(&id) {
            *held += bytes;
        }
        *self.sources.entry(source).or_default() += bytes;
        self.total += bytes;
        Ok(())
    }

    /// A client holds this much less.
    pub fn give_back(&mut self, id: ClientId, bytes: usize) {
        let Some((source, held)) = self.clients.get_mut(&id) else { return };
        let bytes = bytes.min(*held);
        *held -= bytes;
        let source = *source;
        self.forget(source, bytes);
    }

    /// All that is held, in bytes.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.total
    }

    fn forget(&mut self, source: IpAddr, bytes: usize) {
        self.total = self.total.saturating_sub(bytes);
        if let Some(of_source) = self.sources.get_mut(&source) {
            *of_source = of_source.saturating_sub(bytes);
            if *of_source == 0 {
                self.sources.remove(&source);
            }
        }
    }

    /// Of the fullest source, or of this one, the client that holds the most: who holds little has
    /// others' greed not to pay for.
    fn largest(&self, source: Option<IpAddr>) -> Option<ClientId> {
        let fullest = || self.sources.iter().max_by_key(|(_, held)| **held).map(|(ip, _)| *ip);
        let source = source.or_else(fullest)?;
        let of_source = self.clients.iter().filter(|(_, (from, _))| *from == source);
        of_source.max_by_key(|(_, (_, held))| *held).map(|(id, _)| *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(n: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, n])
    }

    #[test]
    fn a_client_a_source_and_all_have_a_bound_each_and_who_holds_most_goes() {
        let limits =
            Limits { held_by_client: 100, held_by_source: 150, held: 300, ..Limits::default() };
        let mut budget = Budget::new(&limits);
        for n in 1..=6 {
            budget.enter(ClientId(n), ip(u8::try_from(n / 2).expect("small")));
        }
        assert_eq!(budget.take(ClientId(2), 100), Ok(()));
        assert_eq!(budget.take(ClientId(2), 1), Err(ClientId(2)), "its own bound");
        assert_eq!(budget.take(ClientId(3), 50), Ok(()));
        assert_eq!(budget.take(ClientId(3), 1), Err(ClientId(2)), "its source's");
        assert_eq!(budget.take(ClientId(4), 90), Ok(()));
        assert_eq!(budget.take(ClientId(5), 50), Ok(()));
        assert_eq!(budget.take(ClientId(6), 50), Err(ClientId(2)), "all of it");
        budget.leave(ClientId(2));
        assert_eq!(budget.take(ClientId(6), 50), Ok(()));
        assert_eq!(budget.total(), 240);
        budget.give_back(ClientId(6), 1000);
        for n in 1..=6 {
            budget.leave(ClientId(n));
        }
        assert_eq!((budget.total(), budget.sources.len(), budget.clients.len()), (0, 0, 0));
    }
}
