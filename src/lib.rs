//! natscope: what NAT is in front of this machine, is STUN enough, or is TURN needed, and why?
//!
//! Data flows one way, each module using only those above it in this list:
//! [`ground`] (words) → [`nat`] (vocabulary) → [`stun`] (bytes) → [`probe`], [`turn`], [`ice`] over it,
//! [`sdp`], [`signal`] and [`peer`] over that, [`sim`] (sans-IO: time and randomness are parameters) → `net`
//! (tokio drivers) → [`lab`] (NATs rebuilt in namespaces) → [`report`] → `cli`.

pub mod cli;
pub mod ground;
pub mod ice;
pub mod lab;
pub mod nat;
pub mod net;
pub mod peer;
pub mod probe;
pub mod report;
pub mod sdp;
pub mod signal;
pub mod sim;
pub mod stun;
pub mod turn;
