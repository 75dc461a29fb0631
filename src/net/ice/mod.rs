//! Drives an ICE agent with real sockets: a peer of a connection.
//!
//! ```text
//! let mut peer = ice::gather(options, Role::Controlling).await?;
//! send(peer.description());
//! peer.remote().set(&received);
//! let outcome = peer.connect(&mut |_| {}).await;
//! let round_trips = peer.echo(10, Duration::from_millis(20)).await;
//! ```
//!
//! With trickle, [`open`] returns before the servers have answered; [`Peer::local`] then gives
//! candidates as they come, and [`Peer::remote`] takes the peer's at any time.

mod driver;
mod relay;

use super::NetError;
use super::bind::{self, Bind};
use super::tls::Tls;
use crate::ice::{Agent, Candidate, Config, Description, Outcome, Pace, Pair, Policy, Role};
use crate::turn;
use driver::{Driver, Shared};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How to take part.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// By which address or interface; all of this host's where `None` (loopback and link-local
    /// addresses only when named).
    pub bind: Option<Bind>,
    /// From which port of each address; the system's choice where `None`. Relays are asked from
    /// sockets of their own, on random ports.
    pub port: Option<u16>,
    /// Of which address families.
    pub family: super::resolve::Family,
    /// STUN servers: as the user gave them, and their addresses.
    pub stun: Vec<(String, SocketAddr)>,
    /// TURN servers.
    pub turn: Vec<turn::Server>,
    /// Whom to trust, for those over TLS.
    pub tls: Tls,
    /// How patiently it asks and checks.
    pub pace: Pace,
    /// Which candidates are used.
    pub policy: Policy,
}

/// What is worth telling while a connection is made.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Progress {
    /// The first check has left this host.
    FirstCheck,
    /// A pair is selected.
    Selected(Pair),
    /// A TURN server gave no relay, or was lost; its URI and why.
    RelayLost(String, turn::Failure),
    /// The connection was lost; why.
    Lost(String),
}

/// One of two peers: it answers the other for as long as it lives, whether or not one of its
/// methods is being awaited.
#[derive(Debug)]
pub struct Peer {
    shared: Arc<Shared>,
    pace: Pace,
    driver: Option<JoinHandle<()>>,
}

/// Takes what the other peer says. Clones are the same.
#[derive(Debug, Clone)]
pub struct Remote(Arc<Shared>);

/// This peer's candidates, as they come.
#[derive(Debug)]
pub struct Local {
    shared: Arc<Shared>,
    next: usize,
}

/// Hosts have few addresses; more than this are not used.
const MOST_ADDRESSES: usize = 8;

/// Opens the sockets and begins to gather. The description has the host candidates already. To be
/// called on a tokio runtime; the peer then lives on it.
///
/// # Errors
/// No address to use, no socket, or no randomness.
#[allow(clippy::unused_async)] // it must be called on a runtime, and this is how that is said
pub async fn open(options: Options, role: Role) -> Result<Peer, NetError> {
    if let Some(bind) = &options.bind {
        bind.check()?;
    }
    let pace = options.pace;
    let config = Config {
        role,
        pace,
        policy: options.policy,
        stun: options.stun.clone(),
        turn: options.turn.clone(),
    };
    let mut agent = Agent::new(config, super::seed()?);
    let mut sockets = Vec::new();
    let wanted = |ip: &IpAddr| options.family.wants(&SocketAddr::new(*ip, 0));
    let addresses = bind::addresses(options.bind.as_ref()).into_iter().filter(wanted);
    for ip in addresses.take(MOST_ADDRESSES) {
        let at = SocketAddr::new(ip, options.port.unwrap_or(0));
        let socket = super::udp::on(at, options.bind.as_ref());
        let bound = socket.and_then(|socket| Ok((socket.local_addr()?, socket)));
        match bound {
            Ok((local, socket)) => {
                agent.add_host(local);
                sockets.push((local, socket));
            }
            // an address that has gone meanwhile, or is not usable yet: there may be others
            Err(why) if options.bind.is_some() => {
                return Err(NetError::Open { at, why });
            }
            Err(_) => {}
        }
    }
    if sockets.is_empty() {
        return Err(NetError::NoAddress);
    }
    agent.end_hosts();
    let shared = Arc::new(Shared::new(agent));
    let driver = Driver::new(Arc::clone(&shared), sockets, options);
    let driver = Some(tokio::spawn(driver.run()));
    Ok(Peer { shared, pace, driver })
}

/// Opens the sockets and waits until all servers have answered or were given up.
///
/// # Errors
/// As [`open`].
pub async fn gather(options: Options, role: Role) -> Result<Peer, NetError> {
    let mut peer = open(options, role).await?;
    peer.gathered().await;
    Ok(peer)
}

impl Peer {
    /// What to tell the other peer, as gathered so far.
    #[must_use]
    pub fn description(&self) -> Description {
        self.shared.agent(|agent, _| agent.description())
    }

    /// Waits until no more candidates will come.
    pub async fn gathered(&mut self) {
        self.shared.until(|state| state.agent.description().complete.then_some(())).await;
    }

    /// A handle that takes what the other peer says, also while [`Self::connect`] runs.
    #[must_use]
    pub fn remote(&self) -> Remote {
        Remote(Arc::clone(&self.shared))
    }

    /// This peer's candidates from the first on, also while [`Self::connect`] runs.
    #[must_use]
    pub fn local(&self) -> Local {
        Local { shared: Arc::clone(&self.shared), next: 0 }
    }

    /// Checks, until a pair is selected or all have failed. Until it is called nothing is sent to
    /// the peer, and what comes from it waits. Cancel safe: the checks go on.
    pub async fn connect(&mut self, on_progress: &mut dyn FnMut(Progress)) -> Outcome {
        self.shared.agent(Agent::start);
        loop {
            let (news, ended) = self
                .shared
                .until(|state| {
                    let news = std::mem::take(&mut state.progress);
                    let ended = state.decided || state.ended;
                    (ended || !news.is_empty()).then_some((news, ended))
                })
                .await;
            news.into_iter().for_each(&mut *on_progress);
            if ended {
                return self.outcome();
            }
        }
    }

    /// Round-trip times over the selected pair, one ping every `every`; `None` for one that was
    /// lost. The other peer answers for as long as it lives.
    pub async fn echo(&mut self, count: u32, every: Duration) -> Vec<Option<Duration>> {
        self.pings(count, every, |agent, now| Some(agent.ping(now))).await
    }

    /// The same by way of a relay, while the connection is direct; nothing when neither side has a
    /// relay, or the connection goes through one anyway. Any ICE agent answers.
    pub async fn echo_relayed(&mut self, count: u32, every: Duration) -> Vec<Option<Duration>> {
        // The first ones open the way: permissions at the relay, holes in the NATs.
        let until = tokio::time::Instant::now() + self.pace.check.total();
        while tokio::time::Instant::now() < until {
            let Some(number) = self.shared.agent(Agent::ping_relayed) else { return Vec::new() };
            let back = self.shared.until(|state| {
                let over = state.ended || state.agent.lost().is_some();
                (over || state.pongs.remove(&number).is_some()).then_some(())
            });
            if tokio::time::timeout(self.pace.check.first, back).await.is_ok() {
                break;
            }
        }
        self.pings(count, every, Agent::ping_relayed).await
    }

    async fn pings(
        &mut self,
        count: u32,
        every: Duration,
        ping: impl Fn(&mut Agent, Duration) -> Option<u64>,
    ) -> Vec<Option<Duration>> {
        let mut numbers = Vec::new();
        let mut tick = tokio::time::interval(every.max(Duration::from_micros(1)));
        for _ in 0..count {
            tick.tick().await;
            let Some(number) = self.shared.agent(&ping) else { break };
            numbers.push(number);
        }
        let last = self.pace.check.most + self.pace.check.last;
        let all = self.shared.until(|state| {
            let back = numbers.iter().all(|number| state.pongs.contains_key(number));
            (back || state.ended || state.agent.lost().is_some()).then_some(())
        });
        // what has not come by then is lost
        let _late = tokio::time::timeout(last, all).await;
        self.shared.take_pongs(&numbers)
    }

    /// Sends a payload over the selected pair; dropped without one. Its first byte is 4 or more,
    /// or the other side takes it for STUN.
    pub fn send(&self, payload: &[u8]) {
        self.shared.agent(|agent, now| agent.send(now, payload));
    }

    /// The next payload that the peer sent; `None` when the connection is lost. At most 256 wait,
    /// what comes then is dropped.
    pub async fn receive(&mut self) -> Option<Vec<u8>> {
        self.shared
            .until(|state| match state.data.pop_front() {
                Some(data) => Some(Some(data)),
                None if state.ended || state.agent.lost().is_some() => Some(None),
                None => None,
            })
            .await
    }

    /// Waits until the connection is lost, and says why.
    pub async fn lost(&mut self) -> String {
        self.shared
            .until(|state| {
                let ended = state.ended.then_some("this side has ended");
                state.agent.lost().or(ended).map(str::to_owned)
            })
            .await
    }

    /// What is known now.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.shared.agent(|agent, _| agent.outcome())
    }

    /// Gives the relays back and ends.
    pub async fn close(mut self) {
        self.shared.close();
        if let Some(driver) = self.driver.take() {
            // a link that takes no more bytes must not hold us
            let _slow = tokio::time::timeout(Duration::from_millis(500), driver).await;
        }
    }
}

impl Drop for Peer {
    /// The driver ends by itself.
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Remote {
    /// The other's description: credentials and the candidates so far.
    pub fn set(&self, description: &Description) {
        self.0.agent(|agent, _| agent.set_remote(description));
    }

    /// The peer's description, which nothing follows.
    pub fn set_whole(&self, description: &Description) {
        self.set(description);
        self.end();
    }

    /// One more candidate.
    pub fn add(&self, candidate: Candidate) {
        self.0.agent(|agent, _| agent.add_remote(candidate));
    }

    /// No more will come.
    pub fn end(&self) {
        self.0.agent(|agent, _| agent.end_remote());
    }
}

impl Local {
    /// The next candidate; `None` when there are no more.
    pub async fn next(&mut self) -> Option<Candidate> {
        let at = self.next;
        let next = self.shared.until(|state| {
            let description = state.agent.description();
            match description.candidates.get(at) {
                Some(candidate) => Some(Some(candidate.clone())),
                None if description.complete || state.ended => Some(None),
                None => None,
            }
        });
        let next = next.await;
        self.next += usize::from(next.is_some());
        next
    }
}
