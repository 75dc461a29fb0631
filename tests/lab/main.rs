//! Tests that run one at a time, because they are large labs or measure memory: each in a process
//! of its own, with the output and the arguments of the ordinary harness.
//!
//! `cargo test --test lab` runs all, `cargo test --test lab rules` one; `--nocapture` shows their
//! figures.

#[cfg(target_os = "linux")]
mod connect;
#[cfg(target_os = "linux")]
mod foreign_ice;
#[cfg(target_os = "linux")]
mod harness;
#[cfg(target_os = "linux")]
mod loss;
#[cfg(target_os = "linux")]
mod nine;
#[cfg(target_os = "linux")]
mod plain;
#[cfg(target_os = "linux")]
mod rules;
#[cfg(target_os = "linux")]
mod soak;
#[cfg(target_os = "linux")]
mod vantage;

#[cfg(target_os = "linux")]
#[path = "../suite/support/mod.rs"]
mod support;

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("SKIPPED: labs are built of Linux's namespaces");
}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use harness::{Place, Test};
    let test = |name, place, run: fn() -> harness::Outcome| Test { name, place, run };
    harness::main(&[
        test("connect", Place::Lab, connect::run),
        test("foreign_ice", Place::LabWith(foreign_ice::need), foreign_ice::run),
        test("loss", Place::Lab, loss::run),
        test("plain", Place::Lab, plain::run),
        test("rules", Place::Lab, rules::run),
        test("soak", Place::Here, soak::run),
        test("vantage", Place::LabWith(vantage::need), vantage::run),
    ])
}
