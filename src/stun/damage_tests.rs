//! What damaged framing costs: a finding, never the address, and never a wrong one.

use super::*;
use proptest::prelude::*;

type Attribute = (u16, Vec<u8>);

/// A Binding success with these attributes, each padded or not.
fn message(attributes: &[Attribute], padded: impl Fn(usize) -> bool) -> Vec<u8> {
    let mut bytes = vec![1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    for (n, (kind, value)) in attributes.iter().enumerate() {
        bytes.extend(kind.to_be_bytes());
        bytes.extend(u16::try_from(value.len()).expect("short").to_be_bytes());
        bytes.extend(value);
        if padded(n) {
            let padding = value.len().next_multiple_of(4) - value.len();
            bytes.resize(bytes.len() + padding, 0);
        }
    }
    let length = bytes.len() - 20;
    says(bytes, length)
}

/// The same with another length in its header.
fn says(mut bytes: Vec<u8>, length: usize) -> Vec<u8> {
    bytes.splice(2..4, u16::try_from(length).expect("short").to_be_bytes());
    bytes
}

fn mapped() -> SocketAddr {
    "192.0.2.1:4660".parse().expect("literal")
}

/// XOR-MAPPED-ADDRESS of [`mapped`].
fn seen() -> Attribute {
    let port = 0x1234_u16 ^ 0x2112;
    let ip = 0xc000_0201_u32 ^ MAGIC_COOKIE;
    let mut value = vec![0, 1];
    value.extend(port.to_be_bytes());
    value.extend(ip.to_be_bytes());
    (types::XOR_MAPPED, value)
}

fn software(length: usize) -> Attribute {
    (
        types::SOFTWARE,
        b"an odd server, of many words".iter().copied().cycle().take(length).collect(),
    )
}

/// Read with the right address, and said that something was wrong.
fn assert_read(bytes: &[u8], what: &str) {
    let read = read_damaged(bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(read.reflexive(), Some(mapped()), "{what}: {read:?}");
    assert!(!read.defects.is_empty(), "{what}: nothing is said");
}

#[test]
fn missing_padding_is_read() {
    for length in [1, 2, 3, 5, 13, 14, 27] {
        let before = message(&[software(length), seen()], |_| false);
        assert_read(&before, "before the address");
        let after = message(&[seen(), software(length)], |_| false);
        assert_read(&after, "at the end");
        let between = message(&[software(length), software(6), seen()], |n| n == 1);
        assert_read(&between, "behind one of two");
        let odd = message(&[software(length), (0x8029, vec![0; 5]), seen()], |_| false);
        assert_read(&odd, "behind several");
    }
}

#[test]
fn a_length_that_counts_otherwise_is_read() {
    let attributes = [software(13), seen()];
    let padded = message(&attributes, |_| true);
    let bare = message(&attributes, |_| false);
    let (long, short) = (padded.len() - 20, bare.len() - 20);
    assert_read(&says(padded.clone(), short), "the padding is not counted");
    assert_read(&says(bare, long), "padding is counted that is not there");
    assert_read(&says(padded.clone(), long + 20), "the header is counted");
    assert_read(&says(padded, 0), "it is left at zero");
    let end = message(&[seen(), software(13)], |_| false);
    assert_read(&says(end, 12 + 4 + 16), "the last padding is counted and missing");
}

#[test]
fn bytes_after_the_message_are_left_alone() {
    for after in [1, 2, 3, 4, 7, 8, 200] {
        let mut bytes = message(&[seen()], |_| true);
        bytes.resize(bytes.len() + after, 0xff);
        assert_read(&bytes, "0xff behind it");
        let mut bytes = message(&[seen()], |_| true);
        bytes.resize(bytes.len() + after, 0);
        assert_read(&bytes, "zeros behind it");
    }
    // what follows is not believed, whatever it says
    let mut bytes = message(&[software(4)], |_| true);
    bytes.extend(&message(&[seen()], |_| true)[20..]);
    assert_eq!(read_damaged(&bytes).expect("readable").reflexive(), None);
}

#[test]
fn half_a_message_is_none() {
    let whole = message(&[software(13), seen(), software(30)], |_| true);
    for cut in 0..whole.len() - 3 {
        if let Ok(read) = read_damaged(&whole[..cut]) {
            panic!("{cut} bytes of {}: {read:?}", whole.len());
        }
    }
}

/// Each byte may be padding or not: that must not take exponential time.
#[test]
fn many_ways_to_read_are_tried_once() {
    let long: Vec<u8> = [0x80, 0x22, 0, 1, 0].iter().copied().cycle().take(9001).collect();
    let mut bytes = message(&[], |_| true);
    bytes.extend(long);
    let length = bytes.len() - 20;
    assert!(read_damaged(&says(bytes.clone(), length)).is_err());
    assert!(read_damaged(&says(bytes, 9000)).is_err());
}

fn attributes() -> impl Strategy<Value = Vec<Attribute>> {
    let kind = prop_oneof![
        Just(types::MAPPED),
        Just(types::XOR_MAPPED),
        Just(types::XOR_MAPPED_OLD),
        Just(types::SOFTWARE),
        Just(types::ERROR_CODE),
        Just(types::FINGERPRINT),
        Just(types::INTEGRITY),
        1_u16..,
    ];
    let value = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40),
        Just(vec![0, 1, 0x12, 0x34, 192, 0, 2, 1])
    ];
    proptest::collection::vec((kind, value), 0..20)
}

proptest! {
    #[test]
    fn what_is_in_order_reads_as_the_strict_reader_reads_it(attributes in attributes()) {
        let bytes = message(&attributes, |_| true);
        prop_assert_eq!(read_damaged(&bytes), read(&bytes));
    }

    #[test]
    fn what_the_strict_reader_takes_the_other_takes(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut bytes = message(&[], |_| true);
        bytes.extend(&body[..body.len() / 4 * 4]);
        let length = bytes.len() - 20;
        let bytes = says(bytes, length);
        prop_assert!(read(&bytes).is_ok() && read_damaged(&bytes).is_ok());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), length: u16) {
        let _ = read_damaged(&bytes);
        let mut framed = message(&[], |_| true);
        framed.extend(&bytes);
        let _ = read_damaged(&says(framed, usize::from(length % 700)));
    }

    #[test]
    fn without_any_padding_the_address_is_the_same(
        length in 0_usize..64, more in 0_usize..64, place in 0_usize..3, some: [bool; 3],
    ) {
        let mut attributes = vec![software(length), (0x8029, vec![7; more])];
        attributes.insert(place.min(2), seen());
        let read = read_damaged(&message(&attributes, |n| some[n])).expect("readable");
        prop_assert_eq!(read.reflexive(), Some(mapped()));
    }
}
