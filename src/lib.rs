//! natscope: what NAT is in front of this machine, is STUN enough, or is TURN needed, and why?
//!
//! # What NAT is in front of this machine?
//!
//! ```no_run
//! use natscope::net::Stop;
//! use natscope::run::probe::{Config, probe};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let servers = vec!["stun:stun.example.org".parse()?];
//! let report = probe(&Config::new(servers), Stop::new(), &mut |_| {}).await?;
//! for path in &report.paths {
//!     println!("{}: {:?}", path.family.title(), path.facts.mapping);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # The prober without sockets
//!
//! Five calls: [`Prober::new`](probe::Prober::new), `poll` and `handle`, then `record` and the
//! [`judge`](probe::judge::judge). Time is a parameter, and randomness a seed. Here no server answers:
//!
//! ```
//! use natscope::probe::judge::judge;
//! use natscope::probe::{Config, Input, Output, Prober};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), std::net::AddrParseError> {
//! let servers = vec![("stun:203.0.113.1".to_owned(), "203.0.113.1:3478".parse()?)];
//! let budget = Duration::from_secs(10);
//! let mut prober = Prober::new(Config { servers, budget, fixed: false, relays: Vec::new() }, [7; 32]);
//! let mut now = Duration::ZERO;
//! loop {
//!     match prober.poll(now) {
//!         Output::Open { socket, .. } => {
//!             let local = "192.168.1.100:40000".parse()?;
//!             prober.handle(now, Input::Opened { socket, local });
//!         }
//!         // what comes back would go in by `Input::Datagram`
//!         Output::Send { .. } | Output::Progress => {}
//!         // nothing is asked of a relay where none is given
//!         Output::Relay { .. } => {}
//!         Output::Tcp { tcp, .. } => prober.handle(now, Input::Tcp { tcp, bytes: None }),
//!         Output::Wait(until) => {
//!             now = until;
//!             prober.handle(now, Input::Tick);
//!         }
//!         Output::Done => break,
//!     }
//! }
//! let judged = judge(prober.record());
//! assert_eq!(judged.facts.mapping.known(), None, "nothing was shown, so nothing is said");
//! # Ok(())
//! # }
//! ```
//!
//! # Two ICE peers
//!
//! [`net::ice`] gives them sockets; an [`ice::Agent`] alone has none:
//!
//! ```
//! use natscope::ice::{Agent, Config, Event, Output, Pace, Policy, Role};
//! use std::net::SocketAddr;
//! use std::time::Duration;
//!
//! let addresses: [SocketAddr; 2] = [([192, 0, 2, 1], 4000).into(), ([192, 0, 2, 2], 4000).into()];
//! let peer = |role, seed: u8| {
//!     let (pace, policy) = (Pace::internet(), Policy::All);
//!     let config = Config { role, pace, policy, stun: Vec::new(), turn: Vec::new() };
//!     let mut agent = Agent::new(config, [seed; 32]);
//!     agent.add_host(addresses[usize::from(seed)]);
//!     agent.end_hosts();
//!     agent
//! };
//! let mut peers = [peer(Role::Controlling, 0), peer(Role::Controlled, 1)];
//! // signalling: each is told the other's description
//! let [a, b] = peers.each_ref().map(Agent::description);
//! peers[0].set_remote(&b);
//! peers[1].set_remote(&a);
//! let mut now = Duration::ZERO;
//! peers.iter_mut().for_each(|peer| peer.start(now));
//! let mut selected = [false; 2];
//! while selected != [true; 2] {
//!     let mut next = Duration::MAX;
//!     for at in [0, 1] {
//!         loop {
//!             match peers[at].poll(now) {
//!                 Output::Send { from, to, bytes } => peers[1 - at].receive(now, to, from, &bytes),
//!                 Output::Event(Event::Selected(_)) => selected[at] = true,
//!                 Output::Event(_) | Output::Relay { .. } => {}
//!                 Output::Wait(until) => break next = next.min(until),
//!             }
//!         }
//!     }
//!     now = next;
//! }
//! assert!(now < Duration::from_secs(1));
//! ```
//!
//! # A NAT in a test of your own
//!
//! `lab::test` builds the lab for one test of any project, under the ordinary harness; see there, and
//! `examples/lab_in_a_test.rs`.
//!
//! # Floors
//!
//! Data flows one way, each module using only those above it in this list:
//! [`ground`] (words) → [`nat`] (vocabulary) → [`stun`] (bytes) → [`probe`], [`turn`], [`ice`] over it,
//! [`sdp`], [`signal`] and [`peer`] over that, `sim` (for tests, by the feature of that name; sans-IO: time
//! and randomness are parameters) →
//! [`net`] (tokio drivers) → [`lab`] (NATs rebuilt in namespaces) → [`report`] → [`run`] (what the
//! commands do) → the program.

mod cli;
pub mod ground;
pub mod ice;
pub mod lab;
pub mod nat;
pub mod net;
pub mod peer;
pub mod probe;
pub mod report;
pub mod run;
pub mod sdp;
pub mod signal;
#[cfg(feature = "sim")]
pub mod sim;
pub mod stun;
pub mod turn;

// The program's own, not for others.
#[doc(hidden)]
pub use cli::main;
