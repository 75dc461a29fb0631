//! Descriptions as SDP, as a browser takes them.

use super::candidate::to_attribute;
use super::{Kind, Message, one_line};
use crate::ice::{Candidate, Kind as CandidateKind, Transport};
use sdp_types::{Attribute, Connection, Media, Origin, Session, Time};
use sha1::{Digest as _, Sha1};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Of no certificate: no DTLS ever runs. RFC 8122 section 5 wants a hash of that form.
const NO_FINGERPRINT: &str = "sha-256 00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00";

impl Message {
    /// The description as SDP, with the line ends of RFC 8866.
    #[must_use]
    pub fn to_sdp(&self) -> String {
        let origin = Origin::with_ip_addr(self.session_id(), 2, Ipv4Addr::LOCALHOST);
        let session = Session {
            times: vec![Time::new(0, 0)],
            attributes: vec![Attribute::with_value("group", "BUNDLE 0")],
            medias: vec![self.media()],
            ..Session::new(origin, "-")
        };
        let mut sdp = Vec::new();
        // writing to memory does not fail
        let _ = session.write(&mut sdp);
        String::from_utf8_lossy(&sdp).into_owned()
    }

    /// The description as one line for a chat window.
    #[must_use]
    pub fn to_line(&self) -> String {
        one_line::encode(self.kind, &self.to_sdp())
    }

    /// RFC 8829 section 5.2.1 wants a number of 63 bits; this one follows from the ufrag, which is
    /// random, so that the same description is always written alike.
    fn session_id(&self) -> String {
        let hash = Sha1::digest(self.description.ufrag.as_bytes());
        let number = hash.iter().take(8).fold(0u64, |n, &byte| n << 8 | u64::from(byte));
        (number >> 1).to_string()
    }

    fn media(&self) -> Media {
        let description = &self.description;
        // RFC 8840 section 4.1.1: port 9 while there is no candidate
        let default = default_candidate(&description.candidates);
        let address = default.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |a| a.ip());
        let port = default.map_or(9, |a| a.port());
        let mut attributes = Vec::new();
        let mut put = |name: &str, value: &str| {
            attributes.push(Attribute::with_value(name, value));
        };
        for candidate in &description.candidates {
            put("candidate", &to_attribute(candidate).to_string());
        }
        put("ice-ufrag", &description.ufrag);
        put("ice-pwd", &description.pwd);
        if description.trickle {
            put("ice-options", "trickle");
        }
        put("fingerprint", NO_FINGERPRINT);
        // RFC 8842 section 5: the offer leaves the role open, the answer opens the connection
        put("setup", if self.kind == Kind::Offer { "actpass" } else { "active" });
        put("mid", "0");
        put("sctp-port", "5000");
        if let Some(answers) = &self.answers {
            put("natscope-answers", answers);
        }
        if description.complete {
            attributes.push(Attribute::new("end-of-candidates"));
        }
        Media {
            media: "application".to_owned(),
            port,
            num_ports: None,
            proto: "UDP/DTLS/SCTP".to_owned(),
            fmt: "webrtc-datachannel".to_owned(),
            media_title: None,
            connections: vec![Connection::from_ip_addr(address)],
            bandwidths: Vec::new(),
            key: None,
            attributes,
        }
    }
}

/// The address that a peer without ICE would send to (RFC 8839 section 4.2.1.2): the one most
/// likely to work.
fn default_candidate(candidates: &[Candidate]) -> Option<SocketAddr> {
    let rank = |candidate: &&Candidate| {
        let kind = match candidate.kind {
            CandidateKind::Relayed => 3,
            CandidateKind::ServerReflexive => 2,
            CandidateKind::PeerReflexive => 1,
            CandidateKind::Host => 0,
        };
        (kind, candidate.address.is_ipv4(), candidate.priority)
    };
    let udp = candidates.iter().filter(|c| c.transport == Transport::Udp);
    udp.max_by_key(rank).map(|candidate| candidate.address)
}
