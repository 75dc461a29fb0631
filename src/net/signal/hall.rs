//! The rooms, and what waits to be sent to each client.

use crate::net::Stop;
use crate::signal::{self, Budget, ClientId, Limits, Output, frame};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Shared by all connections.
pub(super) struct Hall {
    inner: Mutex<Inner>,
    start: Instant,
}

struct Inner {
    server: signal::Rooms,
    budget: Budget,
    queues: HashMap<ClientId, Sender>,
    next: u64,
}

struct Sender {
    frames: mpsc::UnboundedSender<Vec<u8>>,
    cut: Stop,
}

/// What one connection is to send, and how it learns that it is over.
pub(super) struct Queue {
    /// Frames. At its end the client is turned out, once it has heard what was in it.
    pub frames: mpsc::UnboundedReceiver<Vec<u8>>,
    /// Cancelled when nothing more is to be sent: the client holds too much.
    pub cut: Stop,
}

/// One client that is in, until this is dropped.
pub(super) struct Member {
    hall: Arc<Hall>,
    pub id: ClientId,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.hall.act(|server, _| server.disconnected(self.id));
        let mut inner = self.hall.locked();
        inner.queues.remove(&self.id);
        inner.budget.leave(self.id);
    }
}

impl Hall {
    pub fn new(limits: Limits) -> Self {
        let inner = Inner {
            budget: Budget::new(&limits),
            server: signal::Rooms::new(limits),
            queues: HashMap::new(),
            next: 0,
        };
        Self { inner: Mutex::new(inner), start: Instant::now() }
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn limits(&self) -> Limits {
        *self.locked().server.limits()
    }

    /// The time that the rooms go by.
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// A client from this address comes in, or is to hear why not. True: it is in.
    pub fn enter(self: &Arc<Self>, from: IpAddr) -> (Member, Queue, bool) {
        let (frames, receiver) = mpsc::unbounded_channel();
        let cut = Stop::new();
        let id = {
            let mut inner = self.locked();
            inner.next += 1;
            let id = ClientId(inner.next);
            inner.queues.insert(id, Sender { frames, cut: cut.clone() });
            inner.budget.enter(id, from);
            id
        };
        let mut is_in = false;
        self.act(|server, now| is_in = server.connected(now, id, from));
        let member = Member { hall: Arc::clone(self), id };
        (member, Queue { frames: receiver, cut }, is_in)
    }

    /// Lets the rooms do something, and hands out what comes of it.
    pub fn act(&self, what: impl FnOnce(&mut signal::Rooms, Duration)) {
        let mut inner = self.locked();
        what(&mut inner.server, self.now());
        inner.hand_out();
    }

    /// A client takes leave: what waits for it is still sent.
    pub fn leave(&self, id: ClientId) {
        let mut inner = self.locked();
        inner.server.disconnected(id);
        inner.hand_out();
        inner.queues.remove(&id);
    }

    /// Sends a frame that the rooms know nothing of.
    pub fn send(&self, id: ClientId, frame: Vec<u8>) {
        let mut inner = self.locked();
        inner.queue(id, frame);
        inner.hand_out();
    }

    /// A message that is not whole yet takes this much, and took that much. False: too much, and the
    /// client goes.
    pub fn holds(&self, id: ClientId, before: usize, now: usize) -> bool {
        let mut inner = self.locked();
        if now <= before {
            inner.budget.give_back(id, before - now);
            return true;
        }
        let fits = inner.make_room(id, now - before);
        inner.hand_out();
        fits
    }

    /// A frame has been sent.
    pub fn sent(&self, id: ClientId, frame: &[u8]) {
        self.locked().budget.give_back(id, Budget::cost(frame.len()));
    }
}

impl Inner {
    fn hand_out(&mut self) {
        while let Some(output) = self.server.poll() {
            match output {
                Output::Send(id, text) => self.queue(id, frame::text(&text)),
                Output::Close(id) => drop(self.queues.remove(&id)),
            }
        }
    }

    fn queue(&mut self, id: ClientId, frame: Vec<u8>) {
        if self.queues.contains_key(&id)
            && self.make_room(id, Budget::cost(frame.len()))
            && let Some(queue) = self.queues.get(&id)
        {
            // the connection may be at its end: then nobody hears it
            let _ = queue.frames.send(frame);
        }
    }

    /// Cuts off those who hold the most, until there is room. False: it was this client.
    fn make_room(&mut self, id: ClientId, bytes: usize) -> bool {
        while let Err(largest) = self.budget.take(id, bytes) {
            if let Some(queue) = self.queues.remove(&largest) {
                queue.cut.cancel();
            }
            // it does not read: it goes, what waits for it with it, and its peer is told
            self.budget.leave(largest);
            self.server.disconnected(largest);
            if largest == id {
                return false;
            }
        }
        true
    }
}
