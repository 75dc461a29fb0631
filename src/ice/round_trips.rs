//! The round trips that natscope measures over a connection: a payload that the other natscope
//! sends back. The leading byte belongs to none of the protocols of RFC 7983.

use crate::stun::TransactionId;
use std::collections::HashMap;
use std::time::Duration;

const MAGIC: [u8; 4] = [0xc0, b'n', b'e', b'c'];
const PING: u8 = 1;
const PONG: u8 = 2;
/// Pings that wait for their answer.
const MOST_OPEN: usize = 4096;

/// Pings under way.
#[derive(Debug, Default)]
pub(super) struct Echo {
    next: u64,
    open: HashMap<u64, Duration>,
    /// Those that are Binding requests: any ICE agent answers them.
    requests: HashMap<TransactionId, u64>,
}

/// What a payload is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Payload {
    /// To be sent back: here is the answer.
    Ping(Vec<u8>),
    /// Ours came back.
    Pong { number: u64, round_trip: Duration },
    /// Something else.
    Other,
}

impl Echo {
    /// A new ping: its number and its payload.
    pub fn ping(&mut self, now: Duration) -> (u64, Vec<u8>) {
        let number = self.number(now);
        (number, frame(PING, number))
    }

    /// A new ping by a Binding request with this id: its number.
    pub fn request(&mut self, now: Duration, id: TransactionId) -> u64 {
        let number = self.number(now);
        self.requests.insert(id, number);
        number
    }

    fn number(&mut self, now: Duration) -> u64 {
        let number = self.next;
        self.next += 1;
        if self.open.len() >= MOST_OPEN {
            self.open.clear();
            self.requests.clear();
        }
        self.open.insert(number, now);
        number
    }

    /// The answer to a request came: the ping's number and its round trip.
    pub fn answered(&mut self, now: Duration, id: &TransactionId) -> Option<(u64, Duration)> {
        let number = self.requests.remove(id)?;
        Some((number, now.saturating_sub(self.open.remove(&number)?)))
    }

    /// Reads a payload.
    pub fn receive(&mut self, now: Duration, payload: &[u8]) -> Payload {
        let Some((kind, number)) = parse(payload) else { return Payload::Other };
        if kind == PING {
            return Payload::Ping(frame(PONG, number));
        }
        match self.open.remove(&number) {
            Some(sent) => Payload::Pong { number, round_trip: now.saturating_sub(sent) },
            None => Payload::Other,
        }
    }
}

fn frame(kind: u8, number: u64) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.push(kind);
    bytes.extend(number.to_be_bytes());
    bytes
}

fn parse(payload: &[u8]) -> Option<(u8, u64)> {
    let rest = payload.strip_prefix(&MAGIC)?;
    let (kind, number) = rest.split_first()?;
    let known = matches!(*kind, PING | PONG);
    known.then_some((*kind, u64::from_be_bytes(number.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_comes_back_once() {
        let ms = Duration::from_millis;
        let (mut here, mut there) = (Echo::default(), Echo::default());
        let (number, ping) = here.ping(ms(5));
        let Payload::Ping(answer) = there.receive(ms(6), &ping) else { panic!("no ping") };
        assert_eq!(here.receive(ms(8), &answer), Payload::Pong { number, round_trip: ms(3) });
        assert_eq!(here.receive(ms(9), &answer), Payload::Other);
        assert_eq!(here.receive(ms(9), b"\xc0nec\x03"), Payload::Other);
    }
}
