//! Questions that the judge asks of a record.

use crate::ground::fact::EvidenceId;
use crate::probe::loss;
use crate::probe::record::{
    Record, RelayRecord, Reply, ServerRecord, SocketRecord, Transaction, Via,
};
use std::net::{IpAddr, SocketAddr};

/// A record, seen with one server in mind or with all.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub record: &'a Record,
    /// The server, by index; `None` for all.
    pub about: Option<usize>,
}

/// One answered plain request: which mapping a socket has toward a remote endpoint.
#[derive(Clone, Copy)]
#[allow(clippy::struct_field_names)] // the fields are what the RFCs call them
pub(super) struct Mapped<'a> {
    pub socket: &'a str,
    pub remote: SocketAddr,
    pub mapped: SocketAddr,
    pub local: SocketAddr,
    pub about: usize,
    pub id: &'a EvidenceId,
}

impl<'a> View<'a> {
    pub fn transactions(self) -> impl Iterator<Item = &'a Transaction> {
        let about = self.about;
        self.record.transactions.iter().filter(move |t| about.is_none_or(|index| index == t.about))
    }

    pub fn udp(self) -> impl Iterator<Item = &'a Transaction> {
        self.transactions().filter(|t| from_here(t))
    }

    /// Plain UDP requests: no CHANGE-REQUEST.
    pub fn plain(self) -> impl Iterator<Item = &'a Transaction> {
        self.udp().filter(|t| !t.change.any())
    }

    /// What the server in mind gave to observe from, where it is a TURN server.
    pub fn relay(self) -> Option<&'a RelayRecord> {
        self.record.servers.get(self.about?)?.relay.as_ref()
    }

    pub fn socket(self, id: &str) -> Option<&'a SocketRecord> {
        self.record.sockets.iter().find(|s| s.id == id)
    }

    /// Every answered plain request from a socket that no filter test had used by then: an
    /// unsolicited packet that a filter test brought about may have spoiled the mapping.
    pub fn mappings(self) -> Vec<Mapped<'a>> {
        self.plain()
            .filter(|t| !self.sent_change_before(&t.socket, first_sent(t)))
            .filter_map(|t| self.mapped(t))
            .collect()
    }

    pub fn mapped(self, t: &'a Transaction) -> Option<Mapped<'a>> {
        let reply: &Reply = t.received.as_ref()?;
        let local = self.socket(&t.socket)?.local;
        Some(Mapped {
            socket: &t.socket,
            remote: t.server,
            mapped: reply.mapped,
            local,
            about: t.about,
            id: &t.id,
        })
    }

    /// What the user knows this endpoint by: its address, and the server's URI where that does not
    /// hold the address.
    pub fn name(self, remote: SocketAddr) -> String {
        let own = self.record.servers.iter().find(|s| s.address == remote);
        let of = || {
            let asked = self.record.transactions.iter().find(|t| t.server == remote)?;
            self.record.servers.get(asked.about)
        };
        match own.or_else(of) {
            Some(server) if server.uri.contains(&remote.ip().to_string()) => remote.to_string(),
            Some(server) if own.is_some() => format!("{} ({remote})", server.uri),
            Some(server) => format!("{remote} (of {})", server.uri),
            None => remote.to_string(),
        }
    }

    /// Whether the socket had been sent to from elsewhere before this time, as far as we brought it
    /// about.
    fn sent_change_before(self, socket: &str, time: f64) -> bool {
        let unasked = |t: &Transaction| t.change.any() || t.via == Via::FromRelay;
        let mut all = self.record.transactions.iter();
        all.any(|t| t.socket == socket && unasked(t) && first_sent(t) < time)
    }

    /// When anything in this run first sent to this endpoint, in ms; infinite if nothing did.
    pub fn touched(self, remote: SocketAddr) -> f64 {
        self.first_contact(|t| t.server == remote)
    }

    /// The same for any port of an address.
    pub fn touched_ip(self, remote: IpAddr) -> f64 {
        self.first_contact(|t| t.server.ip() == remote)
    }

    /// When anything in this run first sent to where the answer to a test was to come from, or so near
    /// that a filter may know it, in ms.
    pub fn touched_source(self, test: &Transaction) -> f64 {
        let from = test.expected_from;
        let relay = |server: &ServerRecord| {
            server.address.ip() == from.ip() && server.relay.as_ref().is_some_and(|r| r.udp)
        };
        match test.via {
            // by the TURN client, before anything came from there
            Via::FromRelay if self.record.servers.iter().any(relay) => f64::NEG_INFINITY,
            Via::FromRelay => self.touched_ip(from.ip()),
            _ if test.change.ip => self.touched_ip(from.ip()),
            _ => self.touched(from),
        }
    }

    fn first_contact(self, wanted: impl Fn(&Transaction) -> bool) -> f64 {
        let all = self.record.transactions.iter();
        all.filter(|t| from_here(t) && wanted(t)).map(first_sent).fold(f64::INFINITY, f64::min)
    }

    /// Whether this socket had an answer from this endpoint to a request sent before `time`.
    pub fn has_pinhole(self, socket: &str, remote: SocketAddr, time: f64) -> bool {
        self.record.transactions.iter().any(|t| {
            t.socket == socket
                && t.server == remote
                && !t.change.any()
                && t.received.is_some()
                && first_sent(t) < time
        })
    }

    /// What was lost of the exchanges with this server; an answer takes about `rtt` ms where none tells.
    pub fn losses(self, about: usize, rtt: f64) -> loss::Sample {
        let end = self.end();
        let slack = loss::patience(loss::rtt(self.record, about).unwrap_or(rtt));
        loss::sample(self.record, about, end, slack)
    }

    /// When the run's last transaction closed, in ms.
    pub fn end(self) -> f64 {
        let ends = self.record.transactions.iter().map(|t| t.closed);
        ends.fold(0.0, f64::max)
    }
}

/// Whether it left a UDP socket of ours.
pub(super) fn from_here(t: &Transaction) -> bool {
    matches!(t.via, Via::Udp | Via::ToRelay)
}

/// When it was first sent, in ms; infinite if never.
pub(super) fn first_sent(t: &Transaction) -> f64 {
    t.sent.first().copied().unwrap_or(f64::INFINITY)
}

pub(super) fn ids<'a>(items: impl IntoIterator<Item = &'a EvidenceId>) -> Vec<EvidenceId> {
    let mut ids: Vec<EvidenceId> = items.into_iter().cloned().collect();
    ids.dedup();
    ids
}
