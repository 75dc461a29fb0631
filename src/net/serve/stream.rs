//! What waits to be written to a client's TCP connection: bounded, since a client may not read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc;

/// Messages that wait at most.
const MESSAGES: usize = 512;
/// Bytes that wait at most.
const BYTES: usize = 512 << 10;

/// The end that messages are put into.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    queue: mpsc::Sender<Vec<u8>>,
    waiting: Arc<AtomicUsize>,
}

/// The end that they are written from.
#[derive(Debug)]
pub(super) struct Receiver {
    queue: mpsc::Receiver<Vec<u8>>,
    waiting: Arc<AtomicUsize>,
    taken: Vec<Vec<u8>>,
}

pub(super) fn queue() -> (Sender, Receiver) {
    let (sender, receiver) = mpsc::channel(MESSAGES);
    let waiting = Arc::new(AtomicUsize::new(0));
    let sender = Sender { queue: sender, waiting: Arc::clone(&waiting) };
    (sender, Receiver { queue: receiver, waiting, taken: Vec::new() })
}

impl Sender {
    /// Puts a relayed packet in, or drops it when too much waits: it was UDP, and may be lost.
    pub fn offer(&self, message: Vec<u8>) -> bool {
        let length = message.len();
        if self.waiting.fetch_add(length, Ordering::Relaxed) + length > BYTES
            || self.queue.try_send(message).is_err()
        {
            self.waiting.fetch_sub(length, Ordering::Relaxed);
            return false;
        }
        true
    }

    /// Puts an answer in, and waits until there is room; false when the connection has ended.
    pub async fn send(&self, message: Vec<u8>) -> bool {
        self.waiting.fetch_add(message.len(), Ordering::Relaxed);
        self.queue.send(message).await.is_ok()
    }
}

impl Receiver {
    /// All that waits, one after the other, into `out` (cleared first); false when nothing more can
    /// come.
    pub async fn receive(&mut self, out: &mut Vec<u8>) -> bool {
        out.clear();
        self.queue.recv_many(&mut self.taken, MESSAGES).await;
        if self.taken.is_empty() {
            return false;
        }
        for message in self.taken.drain(..) {
            out.extend_from_slice(&message);
        }
        self.waiting.fetch_sub(out.len(), Ordering::Relaxed);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_client_does_not_read_is_dropped_before_it_fills_the_memory() {
        let (sender, mut receiver) = queue();
        let taken = (0..1000).filter(|_| sender.offer(vec![0; 10_000])).count();
        assert_eq!(taken, BYTES / 10_000);
        let mut out = Vec::new();
        assert!(receiver.receive(&mut out).await);
        assert_eq!(out.len(), taken * 10_000);
        assert!(sender.offer(vec![0; 10_000]), "and there is room again");
        let small = (0..10_000).filter(|_| sender.offer(vec![0])).count();
        assert_eq!(small, MESSAGES - 1);
    }
}
