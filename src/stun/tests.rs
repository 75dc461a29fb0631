//! Our bytes against a second codec, and anything at all against our reader.

use super::{
    Change, Class, ErrorResponse, Request, Success, encode_error, encode_request, encode_success,
    read,
};
use proptest::prelude::*;
use std::net::{IpAddr, SocketAddr};
use stun_rs::attributes::discovery::{OtherAddress, Padding, ResponseOrigin};
use stun_rs::attributes::stun::{
    ErrorCode, Fingerprint, MappedAddress, Software, UnknownAttributes,
    XorMappedAddress as XorMapped,
};
use stun_rs::{MessageClass, MessageEncoderBuilder, StunMessageBuilder};
use stun_types::attribute::XorMappedAddress;
use stun_types::message::{
    BINDING, Message as Theirs, MessageWrite, MessageWriteExt, MessageWriteVec,
};

fn address() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

fn of_stun_rs(id: [u8; 12], class: MessageClass) -> StunMessageBuilder {
    StunMessageBuilder::new(stun_rs::methods::BINDING, class).with_transaction_id(id.into())
}

fn encoded(message: StunMessageBuilder) -> Vec<u8> {
    let mut out = vec![0; 4000];
    let encoder = MessageEncoderBuilder::default().build();
    let length = encoder.encode(&mut out, &message.build()).expect("it fits");
    out.truncate(length);
    out
}

fn success_of_stun_rs(id: [u8; 12], response: &Success<'_>) -> Vec<u8> {
    let split = |a: SocketAddr| (a.ip(), a.port());
    let (ip, port) = split(response.mapped);
    let mut message = of_stun_rs(id, MessageClass::SuccessResponse)
        .with_attribute(XorMapped::from(response.mapped))
        .with_attribute(MappedAddress::new(ip, port));
    if let Some((ip, port)) = response.origin.map(split) {
        message = message.with_attribute(ResponseOrigin::new(ip, port));
    }
    if let Some((ip, port)) = response.other.map(split) {
        message = message.with_attribute(OtherAddress::new(ip, port));
    }
    if let Some(software) = response.software.and_then(|s| Software::new(s).ok()) {
        message = message.with_attribute(software);
    }
    if let Some(padding) = response.padding.and_then(|n| Padding::new("0".repeat(n)).ok()) {
        message = message.with_attribute(padding);
    }
    if response.fingerprint {
        message = message.with_attribute(Fingerprint::default());
    }
    encoded(message)
}

fn error_of_stun_rs(id: [u8; 12], response: &ErrorResponse<'_>) -> Vec<u8> {
    let code = stun_rs::ErrorCode::new(response.code, response.reason).expect("a code");
    let mut message =
        of_stun_rs(id, MessageClass::ErrorResponse).with_attribute(ErrorCode::from(code));
    if !response.unknown.is_empty() {
        message = message.with_attribute(UnknownAttributes::from(response.unknown));
    }
    if let Some(software) = response.software.and_then(|s| Software::new(s).ok()) {
        message = message.with_attribute(software);
    }
    if response.fingerprint {
        message = message.with_attribute(Fingerprint::default());
    }
    encoded(message)
}

proptest! {
    #[test]
    fn requests_are_read_back(id in any::<[u8; 12]>(), ip: bool, port: bool, rp in any::<Option<u16>>()) {
        let request = Request { change: Change { ip, port }, response_port: rp };
        let bytes = encode_request(id, request);
        let theirs = Theirs::from_bytes(&bytes).expect("the second codec reads it");
        prop_assert_eq!(theirs.method(), BINDING);
        let ours = read(&bytes).expect("we read it");
        prop_assert_eq!(ours.class, Class::Request);
        prop_assert_eq!(ours.id, id);
        prop_assert_eq!(ours.change.unwrap_or_default(), request.change);
        prop_assert_eq!(ours.response_port, rp);
        prop_assert!(ours.defects.is_empty());
    }

    #[test]
    fn successes_are_read_back(
        id in any::<[u8; 12]>(), mapped in address(), origin in proptest::option::of(address()),
        other in proptest::option::of(address()), fingerprint: bool, padding in proptest::option::of(0usize..2000),
    ) {
        let mut bytes = Vec::new();
        let response = Success { mapped, origin, other, software: Some("natscope"), padding, fingerprint, classic: None };
        encode_success(id, &response, &mut bytes);
        let theirs = Theirs::from_bytes(&bytes).expect("the second codec reads it");
        let xor = theirs.attribute::<XorMappedAddress>().expect("it has XOR-MAPPED-ADDRESS");
        prop_assert_eq!(xor.addr(theirs.transaction_id()), mapped);
        let ours = read(&bytes).expect("we read it");
        prop_assert_eq!(ours.xor_mapped, Some(mapped));
        prop_assert_eq!(ours.mapped, Some(mapped));
        prop_assert_eq!(ours.origin, origin);
        prop_assert_eq!(ours.other, other);
        prop_assert_eq!(ours.fingerprint, fingerprint.then_some(true));
        prop_assert_eq!(ours.padding, padding);
        prop_assert!(ours.defects.is_empty(), "{:?}", ours.defects);
    }

    #[test]
    fn a_success_is_byte_for_byte_that_of_stun_rs(
        id in any::<[u8; 12]>(), mapped in address(), origin in proptest::option::of(address()),
        other in proptest::option::of(address()), fingerprint: bool,
        software in proptest::option::of(".{0,200}"), padding in proptest::option::of(0usize..1500),
    ) {
        let software = software.as_deref();
        let response = Success { mapped, origin, other, software, padding, fingerprint, classic: None };
        let mut ours = Vec::new();
        encode_success(id, &response, &mut ours);
        prop_assert_eq!(ours, success_of_stun_rs(id, &response));
    }

    #[test]
    fn an_error_is_byte_for_byte_that_of_stun_rs(
        id in any::<[u8; 12]>(), code in 300u16..700, reason in ".{0,40}", fingerprint: bool,
        unknown in proptest::collection::vec(0u16..8, 0..8), software in proptest::option::of(".{0,200}"),
    ) {
        let response = ErrorResponse { code, reason: &reason, unknown: &unknown, software: software.as_deref(), fingerprint, classic: None };
        let mut ours = Vec::new();
        encode_error(id, &response, &mut ours);
        prop_assert_eq!(ours, error_of_stun_rs(id, &response));
    }

    #[test]
    fn what_the_second_codec_writes_is_read(mapped in address(), id in 0u128..1 << 96) {
        let mut writer = Theirs::builder(
            stun_types::message::MessageType::from_class_method(stun_types::message::MessageClass::Success, BINDING),
            id.into(), MessageWriteVec::new());
        writer.add_attribute(&XorMappedAddress::new(mapped, id.into())).expect("fits");
        writer.add_fingerprint().expect("fits");
        let ours = read(&writer.finish()).expect("we read it");
        prop_assert_eq!(ours.reflexive(), Some(mapped));
        prop_assert_eq!(ours.fingerprint, Some(true));
    }

    #[test]
    fn errors_are_read_back(id in any::<[u8; 12]>(), code in 300u16..700, types in proptest::collection::btree_set(any::<u16>(), 0..8), word in any::<Option<u32>>()) {
        let mut bytes = Vec::new();
        let unknown: Vec<u16> = types.into_iter().collect();
        let response = ErrorResponse { code, reason: "why", unknown: &unknown, software: None, fingerprint: false, classic: word };
        encode_error(id, &response, &mut bytes);
        let ours = read(&bytes).expect("we read it");
        prop_assert_eq!(ours.class, Class::Error);
        prop_assert_eq!(ours.error.as_ref().map(|e| e.0), Some(code));
        // The second codec's order is its own, and RFC 3489 fills up with a repetition.
        let mut read_back = ours.unknown_attributes;
        read_back.sort_unstable();
        read_back.dedup();
        prop_assert_eq!(read_back, unknown);
        prop_assert_eq!(ours.id, id);
    }

    #[test]
    fn classic_answers_are_read_back(id in any::<[u8; 12]>(), word: u32, mapped in address(), other in proptest::option::of(address())) {
        let mut bytes = Vec::new();
        let response = Success { mapped, origin: Some(mapped), other, software: None, padding: None, fingerprint: false, classic: Some(word) };
        encode_success(id, &response, &mut bytes);
        let ours = read(&bytes).expect("we read it");
        prop_assert_eq!((ours.cookie, ours.id), (word, id));
        prop_assert_eq!((ours.mapped, ours.other, ours.xor_mapped), (Some(mapped), other, None));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = read(&bytes);
        let mut framed = vec![1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        framed.extend(&bytes[..bytes.len() / 4 * 4]);
        let length = u16::try_from(framed.len() - 20).expect("short").to_be_bytes();
        framed[2..4].copy_from_slice(&length);
        prop_assert!(read(&framed).is_ok());
    }

    #[test]
    fn a_bad_optional_attribute_never_costs_the_mapped_address(
        mapped in address(), kind in 0x8000u16.., value in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        prop_assume!(kind != 0x8020);
        let mut bytes = Vec::new();
        let response = Success { mapped, origin: None, other: None, software: None, padding: None, fingerprint: false, classic: None };
        encode_success([7; 12], &response, &mut bytes);
        let mut bad = kind.to_be_bytes().to_vec();
        bad.extend(u16::try_from(value.len()).expect("short").to_be_bytes());
        bad.extend(&value);
        bad.resize(bad.len().next_multiple_of(4), 0);
        bytes.splice(20..20, bad);
        let length = u16::try_from(bytes.len() - 20).expect("short").to_be_bytes();
        bytes[2..4].copy_from_slice(&length);
        prop_assert_eq!(read(&bytes).expect("we read it").reflexive(), Some(mapped));
    }
}
