//! Messages of any length over a connection that loses packets: what two peers tell each other
//! once they are connected. Cut into chunks, each repeated until it is acknowledged; one message
//! after the other.

use std::collections::VecDeque;
use std::time::Duration;

/// Belongs to none of the protocols of RFC 7983.
const MAGIC: [u8; 3] = [0xc1, b'n', b'p'];
const DATA: u8 = 1;
const ACK: u8 = 2;
const HEADER: usize = 3 + 1 + 4 + 2 + 2;
/// Payload of a datagram: fits any path, through a relay too.
const CHUNK: usize = 1000;
/// Chunks of one message: what is longer is not sent.
const MOST: usize = 256;
/// Chunks under way at one time.
const WINDOW: usize = 16;
/// Messages that wait to be sent or fetched.
const QUEUE: usize = 16;

/// One end.
#[derive(Debug)]
pub struct Parcels {
    again: Duration,
    sending: VecDeque<(u32, Vec<Chunk>)>,
    next: u32,
    expected: u32,
    arriving: Vec<Option<Vec<u8>>>,
    arrived: VecDeque<Vec<u8>>,
    acks: VecDeque<Vec<u8>>,
}

#[derive(Debug)]
struct Chunk {
    frame: Vec<u8>,
    due: Duration,
    acknowledged: bool,
}

impl Parcels {
    /// One that repeats a chunk after this time without an acknowledgement.
    #[must_use]
    pub fn new(again: Duration) -> Self {
        Self {
            again,
            sending: VecDeque::new(),
            next: 0,
            expected: 0,
            arriving: Vec::new(),
            arrived: VecDeque::new(),
            acks: VecDeque::new(),
        }
    }

    /// Takes a message to send; false when it is too long, or too many wait.
    pub fn send(&mut self, message: &[u8]) -> bool {
        let total = message.len().div_ceil(CHUNK).max(1);
        let (Ok(count), true) = (u16::try_from(total), total <= MOST && self.sending.len() < QUEUE)
        else {
            return false;
        };
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        let chunk = |(index, data): (u16, &[u8])| Chunk {
            frame: frame(DATA, id, index, count, data),
            due: Duration::ZERO,
            acknowledged: false,
        };
        let empty: &[u8] = &[];
        let chunks = if message.is_empty() {
            vec![chunk((0, empty))]
        } else {
            (0..).zip(message.chunks(CHUNK)).map(chunk).collect()
        };
        self.sending.push_back((id, chunks));
        true
    }

    /// Takes a datagram; what is none of ours is ignored.
    pub fn receive(&mut self, datagram: &[u8]) {
        let Some((kind, id, index, total, data)) = parse(datagram) else { return };
        if kind == ACK {
            self.acknowledged(id, index);
            return;
        }
        if kind != DATA || index >= total || usize::from(total) > MOST || data.len() > CHUNK {
            return;
        }
        let old = self.expected.wrapping_sub(id);
        if id == self.expected {
            if self.arrived.len() >= QUEUE {
                return; // it will come again
            }
            if self.arriving.len() != usize::from(total) {
                self.arriving = vec![None; usize::from(total)];
            }
            self.arriving[usize::from(index)] = Some(data.to_vec());
            if self.arriving.iter().all(Option::is_some) {
                let parts = std::mem::take(&mut self.arriving);
                self.arrived.push_back(parts.into_iter().flatten().flatten().collect());
                self.expected = self.expected.wrapping_add(1);
            }
        } else if old == 0 || old > 1024 {
            return; // of a later message: the sender does not do that
        }
        if self.acks.len() < MOST {
            self.acks.push_back(frame(ACK, id, index, total, &[]));
        }
    }

    /// The next datagram to send.
    pub fn transmit(&mut self, now: Duration) -> Option<Vec<u8>> {
        if let Some(ack) = self.acks.pop_front() {
            return Some(ack);
        }
        let again = self.again;
        let (_, chunks) = self.sending.front_mut()?;
        let open = chunks.iter_mut().filter(|chunk| !chunk.acknowledged).take(WINDOW);
        let chunk = open.into_iter().find(|chunk| chunk.due <= now)?;
        chunk.due = now + again;
        Some(chunk.frame.clone())
    }

    /// When [`Self::transmit`] next has something.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        if !self.acks.is_empty() {
            return Some(Duration::ZERO);
        }
        let (_, chunks) = self.sending.front()?;
        let open = chunks.iter().filter(|chunk| !chunk.acknowledged).take(WINDOW);
        open.map(|chunk| chunk.due).min()
    }

    /// The next message that has come whole.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        self.arrived.pop_front()
    }

    /// Whether everything that was sent is known to have arrived.
    #[must_use]
    pub fn is_delivered(&self) -> bool {
        self.sending.is_empty()
    }

    fn acknowledged(&mut self, id: u32, index: u16) {
        let Some((front, chunks)) = self.sending.front_mut() else { return };
        if *front != id {
            return;
        }
        if let Some(chunk) = chunks.get_mut(usize::from(index)) {
            chunk.acknowledged = true;
        }
        if chunks.iter().all(|chunk| chunk.acknowledged) {
            self.sending.pop_front();
        }
    }
}

fn frame(kind: u8, id: u32, index: u16, total: u16, data: &[u8]) -> Vec<u8> {
    let mut frame = MAGIC.to_vec();
    frame.push(kind);
    frame.extend(id.to_be_bytes());
    frame.extend(index.to_be_bytes());
    frame.extend(total.to_be_bytes());
    frame.extend(data);
    frame
}

fn parse(datagram: &[u8]) -> Option<(u8, u32, u16, u16, &[u8])> {
    let (header, data) = datagram.split_at_checked(HEADER)?;
    let rest = header.strip_prefix(&MAGIC)?;
    let (&kind, rest) = rest.split_first()?;
    let (id, rest) = rest.split_first_chunk()?;
    let (index, rest) = rest.split_first_chunk()?;
    let (total, _) = rest.split_first_chunk()?;
    let (id, index, total) =
        (u32::from_be_bytes(*id), u16::from_be_bytes(*index), u16::from_be_bytes(*total));
    Some((kind, id, index, total, data))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const AGAIN: Duration = Duration::from_millis(100);

    /// Carries everything between two ends, losing what `lose` says.
    fn carry(a: &mut Parcels, b: &mut Parcels, pattern: &[bool]) -> Vec<Vec<u8>> {
        let mut now = Duration::ZERO;
        let mut lost = pattern.iter().cycle();
        let mut came = Vec::new();
        for _ in 0..2000 {
            while let Some(datagram) = a.transmit(now) {
                if !lost.next().is_some_and(|&lost| lost) {
                    b.receive(&datagram);
                }
            }
            while let Some(datagram) = b.transmit(now) {
                if !lost.next().is_some_and(|&lost| lost) {
                    a.receive(&datagram);
                }
            }
            came.extend(std::iter::from_fn(|| b.take()));
            let Some(due) = a.deadline() else { break };
            now = now.max(due);
        }
        came
    }

    #[test]
    fn too_much_is_refused() {
        let mut a = Parcels::new(AGAIN);
        assert!(!a.send(&vec![0; MOST * CHUNK + 1]));
        assert!(a.send(&vec![0; MOST * CHUNK]));
        assert_eq!((0..100).filter(|_| a.send(b"x")).count(), QUEUE - 1);
    }

    #[test]
    fn what_a_stranger_sends_costs_little() {
        let mut a = Parcels::new(AGAIN);
        for id in 0..10_000 {
            a.receive(&frame(DATA, id, 0, u16::MAX, b"x"));
            a.receive(&frame(DATA, id, 1, 2, b"x"));
            a.receive(&frame(ACK, id, 1, 2, b"x"));
        }
        assert!(a.take().is_none() && a.acks.len() <= MOST && a.arriving.len() <= MOST);
    }

    proptest! {
        #[test]
        fn messages_arrive_whole_and_in_order_in_spite_of_loss(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5000), 1..8),
            lose in prop::collection::vec(any::<bool>(), 1..40),
        ) {
            prop_assume!(lose.iter().any(|lost| !lost));
            // a pattern as long as the traffic's period would lose the same chunk for ever
            let mut pattern = lose;
            if pattern.len() % 2 == 0 { pattern.push(false); }
            let (mut a, mut b) = (Parcels::new(AGAIN), Parcels::new(AGAIN));
            for message in &messages {
                prop_assert!(a.send(message));
            }
            let came = carry(&mut a, &mut b, &pattern);
            let whole = messages.len().min(came.len());
            prop_assert_eq!(&came[..], &messages[..whole]);
            if !pattern.iter().any(|lost| *lost) {
                prop_assert_eq!(came.len(), messages.len());
                prop_assert!(a.is_delivered());
            }
        }

        #[test]
        fn any_datagram_is_taken(datagrams in prop::collection::vec(any::<Vec<u8>>(), 0..50)) {
            let mut a = Parcels::new(AGAIN);
            a.send(b"hello");
            for datagram in datagrams {
                let framed = [&MAGIC[..], &datagram].concat();
                a.receive(&datagram);
                a.receive(&framed);
                let _ = (a.transmit(Duration::ZERO), a.take());
            }
        }
    }
}
