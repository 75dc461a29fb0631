//! What a client sends, by stun-rs.

use super::{Change, TransactionId};
use stun_rs::attributes::discovery::{ChangeRequest, ChangeRequestFlags, ResponsePort};
use stun_rs::methods::BINDING;
use stun_rs::{MessageClass, MessageEncoderBuilder, StunMessageBuilder};

/// Bytes enough for a header and these attributes.
const ROOM: usize = 64;

/// A Binding request to encode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Request {
    /// CHANGE-REQUEST, left out when it asks for nothing.
    pub change: Change,
    /// RESPONSE-PORT.
    pub response_port: Option<u16>,
}

/// The bytes of a Binding request.
#[must_use]
pub fn encode_request(id: TransactionId, request: Request) -> Vec<u8> {
    let mut message = binding(id, MessageClass::Request);
    if request.change.any() {
        let wanted = [
            (request.change.ip, ChangeRequestFlags::ChangeIp),
            (request.change.port, ChangeRequestFlags::ChangePort),
        ];
        let flags = wanted.into_iter().filter(|(on, _)| *on).map(|(_, flag)| flag).collect();
        message = message.with_attribute(ChangeRequest::new(Some(flags)));
    }
    if let Some(port) = request.response_port {
        message = message.with_attribute(ResponsePort::from(port));
    }
    encoded(message)
}

/// The bytes of a Binding indication: what needs no answer (RFC 8489 section 5).
#[must_use]
pub fn encode_indication(id: TransactionId) -> Vec<u8> {
    encoded(binding(id, MessageClass::Indication))
}

fn binding(id: TransactionId, class: MessageClass) -> StunMessageBuilder {
    StunMessageBuilder::new(BINDING, class).with_transaction_id(id.into())
}

fn encoded(message: StunMessageBuilder) -> Vec<u8> {
    let mut out = vec![0; ROOM];
    let encoder = MessageEncoderBuilder::default().build();
    let length = encoder.encode(&mut out, &message.build()).unwrap_or(0);
    out.truncate(length);
    out
}
