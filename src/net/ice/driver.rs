//! The task that a peer lives in: it carries packets between the sockets and the agent, and wakes
//! it when it wants to be woken.

use super::relay::{self, Said};
use super::{Options, Progress};
use crate::ground::icmp::IcmpKind;
use crate::ice::{Agent, Event, Output};
use crate::net::bind::Bind;
use crate::net::turn::Link;
use crate::net::udp::{self, Heard, IcmpError};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Packets that may wait for the agent; more are dropped by the kernel.
const QUEUE: usize = 1024;
/// No datagram is longer.
const LONGEST: usize = 65_536;
/// Payloads that may wait for the user.
const MOST_DATA: usize = 256;

/// What the peer's methods and its driver share.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    start: Instant,
    /// Tells the driver that the agent has something to do.
    wake: Notify,
    /// Tells the methods that something has changed.
    news: watch::Sender<u64>,
}

#[derive(Debug)]
pub(super) struct State {
    pub agent: Agent,
    pub progress: Vec<Progress>,
    pub pongs: HashMap<u64, Duration>,
    pub data: VecDeque<Vec<u8>>,
    /// A pair was selected, or all have failed.
    pub decided: bool,
    closing: bool,
    /// The driver has ended.
    pub ended: bool,
}

impl Shared {
    pub fn new(agent: Agent) -> Self {
        let state = State {
            agent,
            progress: Vec::new(),
            pongs: HashMap::new(),
            data: VecDeque::new(),
            decided: false,
            closing: false,
            ended: false,
        };
        Self {
            state: Mutex::new(state),
            start: Instant::now(),
            wake: Notify::new(),
            news: watch::Sender::new(0),
        }
    }

    /// A panic elsewhere does not make the state worse than it is.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls the agent, and lets the driver do what it then wants.
    pub fn agent<T>(&self, call: impl FnOnce(&mut Agent, Duration) -> T) -> T {
        let result = call(&mut self.lock().agent, self.start.elapsed());
        self.wake.notify_one();
        result
    }

    /// Waits until `look` sees what it looks for.
    pub async fn until<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        let mut news = self.news.subscribe();
        loop {
            if let Some(found) = look(&mut self.lock()) {
                return found;
            }
            // cannot fail: the sender is ours
            let _changed = news.changed().await;
        }
    }

    pub fn take_pongs(&self, numbers: &[u64]) -> Vec<Option<Duration>> {
        let mut state = self.lock();
        numbers.iter().map(|number| state.pongs.remove(number)).collect()
    }

    pub fn close(&self) {
        self.lock().closing = true;
        self.wake.notify_one();
    }

    fn changed(&self) {
        self.news.send_modify(|version| *version = version.wrapping_add(1));
    }
}

pub(super) struct Driver {
    shared: Arc<Shared>,
    sockets: Vec<(SocketAddr, Arc<UdpSocket>)>,
    /// To the TURN servers, as far as they stand.
    links: Vec<Option<Arc<Link>>>,
    inbox: mpsc::Receiver<(SocketAddr, Heard)>,
    relays: mpsc::Receiver<(usize, Said)>,
    /// The readers; they end with the driver.
    readers: JoinSet<()>,
}

impl Driver {
    pub fn new(
        shared: Arc<Shared>,
        sockets: Vec<(SocketAddr, UdpSocket)>,
        options: Options,
    ) -> Self {
        let (heard, inbox) = mpsc::channel(QUEUE);
        let (said, relays) = mpsc::channel(QUEUE);
        let mut readers = JoinSet::new();
        let sockets: Vec<_> =
            sockets.into_iter().map(|(local, socket)| (local, Arc::new(socket))).collect();
        for (local, socket) in &sockets {
            let local = *local;
            let event = move |heard| (local, heard);
            readers.spawn(udp::hear(Arc::clone(socket), LONGEST, heard.clone(), event));
        }
        let links = options.turn.iter().map(|_| None).collect();
        for (turn, server) in options.turn.into_iter().enumerate() {
            let fits = |bind: &Bind| bind.fits(server.address.is_ipv4());
            let bind = options.bind.clone().filter(fits);
            readers.spawn(relay::live(turn, server, bind, options.tls.clone(), said.clone()));
        }
        Self { shared, sockets, links, inbox, relays, readers }
    }

    pub async fn run(mut self) {
        loop {
            let (wait, closing) = self.perform();
            if closing {
                break;
            }
            let shared = Arc::clone(&self.shared);
            let due = shared.start.checked_add(wait);
            // The senders live in the readers, and those as long as this: no `None` but at the end.
            tokio::select! {
                Some(heard) = self.inbox.recv() => {
                    self.take(heard);
                    // What has arrived together is handled together.
                    while let Ok(heard) = self.inbox.try_recv() {
                        self.take(heard);
                    }
                }
                Some((turn, said)) = self.relays.recv() => {
                    self.listen(turn, said);
                    while let Ok((turn, said)) = self.relays.try_recv() {
                        self.listen(turn, said);
                    }
                }
                () = shared.wake.notified() => {}
                () = sleep(due) => {}
            }
        }
        self.readers.shutdown().await;
        for link in self.links.drain(..).flatten() {
            if let Some(link) = Arc::into_inner(link) {
                link.flush().await;
            }
        }
        self.shared.lock().ended = true;
        self.shared.changed();
    }

    /// Something about a TURN server.
    fn listen(&mut self, turn: usize, said: Said) {
        let now = self.shared.start.elapsed();
        let mut state = self.shared.lock();
        match said {
            Said::Open(link) => {
                state.agent.relay_opened(now, turn, link.local());
                if let Some(slot) = self.links.get_mut(turn) {
                    *slot = Some(link);
                }
            }
            Said::Bytes(bytes) => state.agent.relay_receive(now, turn, &bytes),
            Said::Broken(failure) => state.agent.relay_failed(turn, failure),
        }
    }

    fn relay(&self, turn: usize, bytes: &[u8]) {
        let Some(Some(link)) = self.links.get(turn) else { return };
        if let Err(failure) = link.send(bytes) {
            self.shared.lock().agent.relay_failed(turn, failure);
        }
    }

    /// Does all that the agent wants now; when to come again, and whether to end.
    fn perform(&self) -> (Duration, bool) {
        let closing = {
            let mut state = self.shared.lock();
            if state.closing {
                state.agent.close(self.shared.start.elapsed());
            }
            state.closing
        };
        let mut changed = false;
        let wait = loop {
            let output = self.shared.lock().agent.poll(self.shared.start.elapsed());
            match output {
                Output::Send { from, to, bytes } => self.send(from, to, &bytes),
                Output::Relay { turn, bytes } => self.relay(turn, &bytes),
                Output::Event(event) => {
                    changed = true;
                    note(&mut self.shared.lock(), event);
                }
                Output::Wait(until) => break until,
            }
        };
        if changed {
            self.shared.changed();
        }
        (wait, closing)
    }

    fn send(&self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let Some((_, socket)) = self.sockets.iter().find(|(local, _)| *local == from) else {
            return;
        };
        if let Err(error) = udp::send(socket, to, bytes) {
            let why = format!("this host cannot send there: {error}");
            self.shared.lock().agent.unreachable(from, to, &why);
        }
    }

    fn take(&self, (local, heard): (SocketAddr, Heard)) {
        let mut state = self.shared.lock();
        let now = self.shared.start.elapsed();
        match heard {
            Heard::Datagram { from, bytes } => {
                state.agent.receive(now, local, from, &bytes);
            }
            Heard::Icmp(error) => state.agent.unreachable(local, error.to, &why(&error)),
        }
    }
}

/// What an ICMP error says, and who says it.
fn why(error: &IcmpError) -> String {
    let what = match error.kind {
        IcmpKind::PortUnreachable => "nobody listens there",
        IcmpKind::Prohibited => "a firewall refuses it",
        _ => "it cannot be reached",
    };
    let by = error.offender.map_or_else(String::new, |ip| format!(", says {ip}"));
    format!("{what}{by}")
}

fn note(state: &mut State, event: Event) {
    match event {
        Event::FirstCheck => state.progress.push(Progress::FirstCheck),
        Event::Selected(pair) => {
            state.decided = true;
            state.progress.push(Progress::Selected(pair));
        }
        Event::Failed => state.decided = true,
        Event::RelayLost(server, failure) => {
            state.progress.push(Progress::RelayLost(server, failure));
        }
        Event::Lost(why) => state.progress.push(Progress::Lost(why)),
        Event::Data(data) => {
            if state.data.len() < MOST_DATA {
                state.data.push_back(data);
            }
        }
        Event::Pong { number, round_trip } => {
            state.pongs.insert(number, round_trip);
        }
        // The methods look at the agent for these.
        Event::Candidate(_) | Event::Gathered => {}
    }
}

/// Until a time that may be beyond what the clock can say.
async fn sleep(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
