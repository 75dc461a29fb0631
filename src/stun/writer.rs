//! Laying a message down: the header, then one attribute after another.

use super::{Class, MAGIC_COOKIE, TransactionId, address, strict, types};
use std::net::SocketAddr;

/// A message at the end of `out`. After each call it is a whole one, as long as its header says.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    key: address::Key,
}

impl<'a> Writer<'a> {
    /// Begins a message behind what is in `out`.
    pub fn new(class: Class, method: u16, id: TransactionId, out: &'a mut Vec<u8>) -> Self {
        Self::with_word(class, method, MAGIC_COOKIE, id, out)
    }

    /// The same with this word in the cookie's place, for RFC 3489.
    pub(super) fn with_word(
        class: Class,
        method: u16,
        word: u32,
        id: TransactionId,
        out: &'a mut Vec<u8>,
    ) -> Self {
        let class = match class {
            Class::Request => 0x0000,
            Class::Indication => 0x0010,
            Class::Success => 0x0100,
            Class::Error => 0x0110,
        };
        let kind = class | (method & 0x000f) | (method & 0x0070) << 1 | (method & 0x0f80) << 2;
        let start = out.len();
        out.extend(kind.to_be_bytes());
        out.extend([0, 0]);
        out.extend(word.to_be_bytes());
        out.extend(id);
        Self { out, start, key: address::key(id) }
    }

    /// Adds an attribute, padded.
    pub fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.value(kind, |out| out.extend_from_slice(value));
    }

    /// Adds MAPPED-ADDRESS or one like it.
    pub fn address(&mut self, kind: u16, address: SocketAddr) {
        self.value(kind, |out| address::write(address, &address::PLAIN, out));
    }

    /// Adds XOR-MAPPED-ADDRESS or one like it.
    pub fn xor_address(&mut self, kind: u16, address: SocketAddr) {
        let key = self.key;
        self.value(kind, |out| address::write(address, &key, out));
    }

    /// Adds a text; one that is longer than its attribute may be is left out.
    pub fn text(&mut self, kind: u16, text: &str) {
        if text.len() <= strict::longest(kind) {
            self.attribute(kind, text.as_bytes());
        }
    }

    /// Adds ERROR-CODE, or ADDRESS-ERROR-CODE for a family (RFC 8656 section 18.12).
    pub fn error(&mut self, family: Option<u8>, code: u16, reason: &str) {
        let kind = family.map_or(types::ERROR_CODE, |_| types::ADDRESS_ERROR_CODE);
        let [hundreds, rest] = [code / 100, code % 100].map(|n| u8::try_from(n).unwrap_or(0));
        self.value(kind, |out| {
            out.extend([family.unwrap_or(0), 0, hundreds, rest]);
            out.extend_from_slice(reason.as_bytes());
        });
    }

    /// Adds UNKNOWN-ATTRIBUTES.
    pub fn unknown<'b>(&mut self, kinds: impl Iterator<Item = &'b u16>) {
        self.value(types::UNKNOWN_ATTRIBUTES, |out| {
            out.extend(kinds.flat_map(|kind| kind.to_be_bytes()));
        });
    }

    /// Adds MESSAGE-INTEGRITY.
    pub fn sign(&mut self, key: &strict::Key) {
        // it is computed over a header that counts it already (RFC 8489 section 14.5)
        self.count(24);
        let value = key.sign(self.out.get(self.start..).unwrap_or_default());
        self.attribute(types::INTEGRITY, &value);
    }

    /// Adds FINGERPRINT.
    pub fn fingerprint(&mut self) {
        // as above (section 14.7)
        self.count(8);
        let value = super::fingerprint(self.out.get(self.start..).unwrap_or_default());
        self.attribute(types::FINGERPRINT, &value.to_be_bytes());
    }

    fn value(&mut self, kind: u16, write: impl FnOnce(&mut Vec<u8>)) {
        self.out.extend(kind.to_be_bytes());
        self.out.extend([0, 0]);
        let at = self.out.len();
        write(self.out);
        let length = u16::try_from(self.out.len() - at).unwrap_or(0);
        self.set(at - 2, length);
        let padded = (self.out.len() - self.start).next_multiple_of(4);
        self.out.resize(self.start + padded, 0);
        self.count(0);
    }

    /// Counts what follows the header, and `more` bytes still to come.
    fn count(&mut self, more: usize) {
        let length = self.out.len() - self.start - 20 + more;
        self.set(self.start + 2, u16::try_from(length).unwrap_or(0));
    }

    fn set(&mut self, at: usize, number: u16) {
        if let Some(slot) = self.out.get_mut(at..at + 2) {
            slot.copy_from_slice(&number.to_be_bytes());
        }
    }
}
