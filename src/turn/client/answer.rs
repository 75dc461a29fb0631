//! What the server said: read leniently first, to name what went wrong, then given to the library.

use super::{
    Access, Class, Client, Duration, Event, Failure, Guard, IpAddr, MOST_EVENTS, Over, Strict,
    Transmit, TransportType, TurnClientApi, TurnEvent, TurnRecvRet, VecDeque, asked, instant,
    method, stream, stun, types,
};

/// 438s in a row that are believed; a nonce is stale once.
const MOST_STALE: u32 = 3;

impl Client {
    /// One message from the server.
    pub(super) fn message(&mut self, now: Duration, bytes: &[u8]) {
        let channel = bytes.first().is_some_and(|b| b >> 6 == 1);
        if channel && self.relayed.is_some() {
            self.heard(now);
            return self.feed(now, bytes);
        }
        let Ok(message) = stun::read(bytes) else {
            // One stray packet proves nothing: it has a say when nothing better comes.
            self.nonsense.get_or_insert_with(|| stream::shown(bytes));
            return;
        };
        match message.class {
            Class::Indication => self.feed(now, bytes),
            Class::Request => {}
            Class::Success | Class::Error => self.answer(now, &message, bytes),
        }
    }

    fn heard(&mut self, now: Duration) {
        self.heard = now;
        self.alive = None;
    }

    fn answer(&mut self, now: Duration, message: &stun::Message, bytes: &[u8]) {
        if self.binding.as_ref().is_some_and(|binding| binding.id == message.id) {
            self.answers_binding = true;
            return;
        }
        let own = self.alive.as_ref().is_some_and(|alive| alive.id == message.id);
        // Late, doubled, or somebody else's.
        let Some(request) = self.asked.take(&message.id) else { return };
        self.heard(now);
        self.learn(bytes);
        if message.class == Class::Error {
            let Some(failure) = self.refusal(&request, message) else {
                // 401 and 438 are part of the exchange: the library sends again.
                if !own {
                    self.feed(now, bytes);
                }
                return;
            };
            // Whatever else it says to our own Refresh, it lives and knows us.
            let ends = matches!(
                failure,
                Failure::Mismatch | Failure::WrongCredentials | Failure::Unauthorized { .. }
            );
            if !own || ends {
                self.refused(now, &request, failure, bytes);
            }
            return;
        }
        self.stale = 0;
        if own {
            return;
        }
        if request.method == method::ALLOCATE {
            return self.allocated(now, request.signed, message, bytes);
        }
        if let Some(bytes) = self.signed(bytes, message.integrity) {
            self.feed(now, &bytes);
        }
    }

    /// A success to Allocate.
    fn allocated(&mut self, now: Duration, asked: bool, message: &stun::Message, bytes: &[u8]) {
        self.mapped = message.reflexive();
        let relayed = Strict::read(bytes).and_then(|read| read.xor_address(types::XOR_RELAYED));
        if !message.integrity {
            self.guard = if asked { Guard::Unsigned } else { Guard::Open };
        }
        let unusable = Failure::Nonsense { what: unusable(message) };
        let Some(relayed) = relayed else { return self.fail(unusable) };
        if relayed.is_ipv4() != self.ipv4 {
            self.give_back();
            return self.fail(Failure::OtherFamily { relayed });
        }
        // what it is when the library does not take it
        let signed = self.guard == Guard::Signed;
        self.not_taken = Some(if signed { Failure::Unverified } else { unusable });
        let taken = if self.guard == Guard::Open {
            self.admit(now, bytes)
        } else {
            if let Some(bytes) = self.signed(bytes, message.integrity) {
                self.feed(now, &bytes);
                self.drive(now);
            }
            self.relayed.is_some()
        };
        if !taken {
            let failure = self.unanswered();
            self.fail(failure);
        }
    }

    /// Lets our own credentials see the nonces that the library sees.
    pub(super) fn learn(&mut self, bytes: &[u8]) {
        if let Some(message) = Strict::read(bytes) {
            if let Some(realm) = message.text(types::REALM) {
                realm.clone_into(&mut self.realm);
            }
            self.login.learn(&message);
        }
    }

    /// What an error response means; `None` when it only asks for other credentials.
    fn refusal(&mut self, request: &asked::Request, message: &stun::Message) -> Option<Failure> {
        let Some((code, reason)) = &message.error else {
            let what = "an error response without an error code".to_owned();
            return Some(Failure::Nonsense { what });
        };
        let realm = || message.realm.clone().unwrap_or_default();
        match code {
            401 if self.server.user.is_empty() && !request.signed => {
                Some(Failure::CredentialsWanted { realm: realm() })
            }
            401 if !request.signed && message.realm.is_some() && self.guard != Guard::Open => None,
            401 if !request.signed => {
                Some(Failure::Nonsense { what: "a 401 without a realm".to_owned() })
            }
            401 => Some(Failure::Unauthorized { realm: realm(), reason: reason.clone() }),
            438 => {
                self.stale += 1;
                (self.stale > MOST_STALE).then_some(Failure::StaleNonce)
            }
            _ => Some(named(*code, reason, message)),
        }
    }

    /// A failure ends the client, or one peer's hopes.
    fn refused(&mut self, now: Duration, request: &asked::Request, failure: Failure, bytes: &[u8]) {
        let fatal = !matches!(request.method, method::CREATE_PERMISSION | method::CHANNEL_BIND)
            || matches!(
                failure,
                Failure::Mismatch | Failure::StaleNonce | Failure::Unauthorized { .. }
            );
        match (fatal, request.peer) {
            (false, Some(peer)) => {
                if request.method == method::CREATE_PERMISSION {
                    self.shut(peer.ip(), failure);
                } else {
                    self.events.push_back(Event::Unbound { peer, failure });
                }
                let signed = self.signed(bytes, false);
                self.feed(now, signed.as_deref().unwrap_or(bytes));
            }
            _ => self.fail(failure),
        }
    }

    /// Nothing passes to or from this peer.
    fn shut(&mut self, peer: IpAddr, failure: Failure) {
        if self.peers.insert(peer, Access::Refused) != Some(Access::Refused) {
            self.held.retain(|(to, _)| to.ip() != peer);
            self.channels.retain(|to| to.ip() != peer);
            self.events.push_back(Event::Refused { peer, failure });
        }
    }

    /// Gives a message to the library.
    pub(super) fn feed(&mut self, now: Duration, bytes: &[u8]) {
        let transport =
            if self.server.over == Over::Udp { TransportType::Udp } else { TransportType::Tcp };
        let transmit = Transmit::new(bytes, transport, self.server.address, self.local);
        if let TurnRecvRet::PeerData(data) = self.proto.recv(transmit, instant(now)) {
            self.heard(now);
            if self.events.len() < MOST_EVENTS {
                let payload = data.data().to_vec();
                self.events.push_back(Event::Data { peer: data.peer, payload });
            }
        }
    }

    /// What the library noticed.
    pub(super) fn event(&mut self, now: Duration, event: &TurnEvent) {
        match *event {
            TurnEvent::AllocationCreated(_, relayed) => {
                self.relayed = Some(relayed);
                self.heard(now);
                self.events.push_back(Event::Allocated { relayed, mapped: self.mapped });
            }
            TurnEvent::AllocationCreateFailed(_) => {
                let failure = self.unanswered();
                self.fail(failure);
            }
            TurnEvent::PermissionCreated(_, peer) => self.granted(now, peer),
            // With an error code it was named when it came: this one was never answered.
            TurnEvent::PermissionCreateFailed(_, peer) => {
                let tried = format!("CreatePermission for {peer}");
                self.shut(peer, Failure::NoAnswer { tried });
            }
            TurnEvent::ChannelCreated(_, peer) => self.events.push_back(Event::Bound(peer)),
            TurnEvent::ChannelCreateFailed(..)
            | TurnEvent::TcpConnected(_)
            | TurnEvent::TcpConnectFailed(_) => {}
        }
    }

    fn granted(&mut self, now: Duration, peer: IpAddr) {
        if self.peers.insert(peer, Access::Granted) != Some(Access::Granted) {
            self.events.push_back(Event::Permitted(peer));
        }
        let (ready, held): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.held).into_iter().partition(|(to, _)| to.ip() == peer);
        self.held = held;
        for (to, payload) in ready {
            self.relay(now, to, &payload);
        }
    }

    /// Why there is no allocation, when no answer said so.
    pub(super) fn unanswered(&mut self) -> Failure {
        if let Some(failure) = self.not_taken.take() {
            return failure;
        }
        if let Some(what) = self.nonsense.take() {
            return Failure::Nonsense { what };
        }
        let asked_for_credentials = self.asked.any(method::ALLOCATE, true);
        if self.answers_binding && !asked_for_credentials {
            return Failure::NotTurn;
        }
        let over = match self.server.over {
            Over::Udp => "UDP",
            Over::Tcp => "TCP",
            Over::Tls => "TLS",
        };
        let (at, total) = (self.server.address, self.patience.total().as_secs_f64());
        if asked_for_credentials {
            return Failure::SilentOnceAsked { tried: format!("{at} over {over}, {total:.1} s") };
        }
        let tried = if self.stream.is_some() {
            format!("{at} over {over}, {total:.1} s")
        } else {
            format!("{} requests to {at} over {over} in {total:.1} s", self.patience.tries)
        };
        Failure::NoAnswer { tried }
    }
}

/// The failure that an error code stands for (RFC 8656 section 15, RFC 8489 section 14.8).
fn named(code: u16, reason: &str, message: &stun::Message) -> Failure {
    match code {
        300 => Failure::TryAlternate {
            to: message
                .alternate_server
                .map_or_else(|| "a server that it does not name".to_owned(), |to| to.to_string()),
        },
        403 => Failure::Forbidden { reason: reason.to_owned() },
        437 => Failure::Mismatch,
        440 => Failure::FamilyNotSupported,
        441 => Failure::WrongCredentials,
        442 => Failure::UnsupportedTransport,
        486 => Failure::QuotaReached,
        508 => Failure::InsufficientCapacity,
        _ => Failure::Error { code, reason: reason.to_owned() },
    }
}

/// Why a success response to Allocate gave no allocation.
fn unusable(message: &stun::Message) -> String {
    if let Some(defect) = message.defects.first() {
        return format!("attribute {:#06x}: {}", defect.attribute, defect.what);
    }
    "a success without a relayed address or a lifetime".to_owned()
}
