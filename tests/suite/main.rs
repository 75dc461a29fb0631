//! The tests of the program and the library in one program, a module for each subject:
//! `cargo test --test suite relay::` runs those of one. `docs/testing.md` says what is where.

mod support;

mod bind;
mod cli;
mod connect;
mod connect_hostile;
mod docs;
mod examples;
mod faulty_servers;
mod files;
mod foreign_clients;
mod foreign_nats;
mod foreign_turn;
mod ice;
mod ice_hostile;
mod ice_relay;
mod lab;
mod lab_cost;
mod lab_matrix;
mod lab_signals;
mod loopback;
mod misdeployed;
mod odd_servers;
mod one_forecast;
mod pairs;
mod probe_turn;
mod relay;
mod relay_host;
mod rules;
mod sdp;
mod sdp_paste;
mod serve;
mod serve_external;
mod serve_log;
mod signal;
mod signal_limits;
mod skips;
mod turn_client;
mod turn_operators;
mod turn_tls;
mod worlds;
