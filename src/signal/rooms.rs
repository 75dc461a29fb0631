//! The rooms: who is in which, and what is passed on.

use super::message::{Said, said};
use super::{Code, Limits, Message, Role, VERSION, is_room_name};
use crate::ground::limit::{Bucket, Limit, Limiter, group};
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

/// A connection, as its driver numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(pub u64);

/// What the driver is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this text to that client.
    Send(ClientId, String),
    /// Close its connection, once what was sent to it before has left.
    Close(ClientId),
}

#[derive(Debug)]
struct Client {
    room: Option<String>,
    from: IpAddr,
    since: Duration,
    bucket: Bucket,
}

#[derive(Debug)]
struct Room {
    peers: Vec<(ClientId, Role)>,
    heard: Duration,
}

/// Rooms of two. Times are since any fixed moment.
#[derive(Debug)]
pub struct Rooms {
    limits: Limits,
    clients: HashMap<ClientId, Client>,
    by_name: HashMap<String, Room>,
    /// How many clients each source has.
    sources: HashMap<IpAddr, usize>,
    joins: Limiter,
    outputs: VecDeque<Output>,
}

impl Rooms {
    /// An empty one.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            clients: HashMap::new(),
            by_name: HashMap::new(),
            sources: HashMap::new(),
            joins: Limiter::new(limits.joins),
            limits,
            outputs: VecDeque::new(),
        }
    }

    /// Its bounds.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How many rooms there are.
    #[must_use]
    pub fn rooms(&self) -> usize {
        self.by_name.len()
    }

    /// How many clients there are.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// A client has connected from this address. Each connection needs an id of its own. False: it
    /// is turned away.
    pub fn connected(&mut self, now: Duration, id: ClientId, from: IpAddr) -> bool {
        if self.clients.contains_key(&id) {
            return false;
        }
        let from = group(from);
        let (most, of_source) = (self.limits.clients_of_source, self.sources.get(&from).copied());
        let why = if self.clients.len() >= self.limits.clients {
            "the server is full: try later".to_owned()
        } else if of_source.is_some_and(|count| count >= most) {
            format!("there are {most} connections from your address already")
        } else {
            let bucket = Bucket::new(now, self.limits.messages());
            self.clients.insert(id, Client { room: None, from, since: now, bucket });
            *self.sources.entry(from).or_default() += 1;
            return true;
        };
        self.tell(id, &Message::error(Code::TooManyClients, why));
        self.outputs.push_back(Output::Close(id));
        false
    }

    /// A client has said something.
    pub fn received(&mut self, now: Duration, id: ClientId, text: &str) {
        let limits = self.limits;
        let Some(client) = self.clients.get_mut(&id) else { return };
        if !client.bucket.take(now, 1, limits.messages()) {
            let rate = limits.per_second;
            return self.refuse(id, Code::TooFast, &format!("more than {rate} messages a second"));
        }
        if text.len() > limits.message {
            return self.too_long(id);
        }
        let room = client.room.clone();
        match (said(text), room) {
            (Err(why), _) => self.refuse(id, Code::BadMessage, &why),
            (Ok(Said::Join { room, version }), None) => self.join(now, id, room, version),
            (Ok(Said::Join { .. }), Some(_)) => {
                self.refuse(id, Code::NotJoined, "a connection joins one room only");
            }
            (Ok(Said::ForPeer), None) => {
                self.refuse(id, Code::NotJoined, "join a room first");
            }
            (Ok(Said::ForPeer), Some(room)) => self.pass_on(now, id, &room, text),
        }
    }

    /// A client has said more than a message may hold, and the driver dropped it.
    pub fn too_long(&mut self, id: ClientId) {
        let most = self.limits.message;
        self.refuse(id, Code::TooLong, &format!("a message is at most {most} bytes"));
    }

    /// A client sends frames faster than it may.
    pub fn too_fast(&mut self, id: ClientId) {
        let most = self.limits.frames.per_second;
        self.refuse(id, Code::TooFast, &format!("more than {most} frames a second"));
    }

    /// What a client sends is no WebSocket (RFC 6455).
    pub fn broken(&mut self, id: ClientId) {
        self.refuse(id, Code::BadMessage, "that is not WebSocket as RFC 6455 has it");
    }

    /// A client has gone.
    pub fn disconnected(&mut self, id: ClientId) {
        let Some(client) = self.clients.remove(&id) else { return };
        if let Some(count) = self.sources.get_mut(&client.from) {
            *count -= 1;
            if *count == 0 {
                self.sources.remove(&client.from);
            }
        }
        let Some(name) = client.room else { return };
        let Some(room) = self.by_name.get_mut(&name) else { return };
        room.peers.retain(|&(peer, _)| peer != id);
        let left: Vec<_> = room.peers.iter().map(|&(peer, _)| peer).collect();
        if left.is_empty() {
            self.by_name.remove(&name);
        }
        for peer in left {
            self.tell(peer, &Message::PeerLeft);
        }
    }

    /// When [`Self::tick`] next has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let waiting = self.clients.values().filter(|c| c.room.is_none());
        let joins = waiting.map(|client| client.since + self.limits.join);
        joins.chain(self.by_name.values().map(|room| room.heard + self.limits.idle)).min()
    }

    /// Turns out those who have been silent for too long.
    pub fn tick(&mut self, now: Duration) {
        let late = |(id, client): (&ClientId, &Client)| {
            (client.room.is_none() && now >= client.since + self.limits.join).then_some(*id)
        };
        let mut late: Vec<ClientId> = self.clients.iter().filter_map(late).collect();
        let silent = |room: &&Room| now >= room.heard + self.limits.idle;
        let silent = self.by_name.values().filter(silent);
        late.extend(silent.flat_map(|room| room.peers.iter().map(|&(id, _)| id)));
        late.sort_unstable();
        for id in late {
            self.refuse(id, Code::Idle, "nothing was said for too long");
        }
    }

    /// What to do next.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn join(&mut self, now: Duration, id: ClientId, name: String, version: u32) {
        if version != VERSION {
            let why = format!("this server speaks version {VERSION}");
            return self.refuse(id, Code::Version, &why);
        }
        if !is_room_name(&name) {
            let why = "a room's name is 1 to 64 letters, digits, `.`, `_` or `-`";
            return self.refuse(id, Code::BadRoom, why);
        }
        let from = self.clients.get(&id).map(|client| client.from);
        if !from.is_some_and(|from| self.joins.allows(now, from)) {
            let Limit { burst, per_second } = self.limits.joins;
            let why = format!(
                "your address has asked for too many rooms: {burst} at once, {per_second} a second"
            );
            return self.refuse(id, Code::TooFast, &why);
        }
        if self.by_name.len() >= self.limits.rooms && !self.by_name.contains_key(&name) {
            return self.refuse(id, Code::TooManyRooms, "the server has no more rooms: try later");
        }
        let room = self.by_name.entry(name.clone());
        let room = room.or_insert_with(|| Room { peers: Vec::new(), heard: now });
        if room.peers.len() >= 2 {
            let why = "two peers are in this room already: choose another name, on both sides";
            return self.refuse(id, Code::RoomFull, why);
        }
        let other = room.peers.first().copied();
        // who stays keeps its role when a peer comes again
        let role = if other.is_some_and(|(_, role)| role == Role::Offer) {
            Role::Answer
        } else {
            Role::Offer
        };
        room.peers.push((id, role));
        room.heard = now;
        if let Some(client) = self.clients.get_mut(&id) {
            client.room = Some(name);
        }
        self.tell(id, &Message::Joined { role, peer: other.is_some() });
        if let Some((other, _)) = other {
            self.tell(other, &Message::PeerJoined);
        }
    }

    fn pass_on(&mut self, now: Duration, id: ClientId, name: &str, text: &str) {
        let Some(room) = self.by_name.get_mut(name) else { return };
        room.heard = now;
        let other = room.peers.iter().find(|&&(peer, _)| peer != id);
        match other {
            Some(&(other, _)) => self.outputs.push_back(Output::Send(other, text.to_owned())),
            None => {
                self.tell(id, &Message::error(Code::NoPeer, "there is nobody else in the room"));
            }
        }
    }

    fn tell(&mut self, id: ClientId, message: &Message) {
        self.outputs.push_back(Output::Send(id, message.to_json()));
    }

    /// Says why, and ends the connection.
    fn refuse(&mut self, id: ClientId, code: Code, why: &str) {
        self.tell(id, &Message::error(code, why));
        self.outputs.push_back(Output::Close(id));
        self.disconnected(id);
    }
}
