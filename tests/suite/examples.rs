//! The examples run and say what they promise. (`lab_in_a_test` is a test itself.)

use crate::support::{self, Server};
use std::path::PathBuf;
use std::process::Command;

/// What an example prints, run with these arguments; `None` where it was not built, which `cargo
/// test` for this program alone does not do.
fn printed(name: &str, arguments: &[&str]) -> Option<String> {
    let this = std::env::current_exe().expect("this program");
    let built = this.parent().and_then(|folder| folder.parent()).expect("the folder of a profile");
    let example: PathBuf = built.join("examples").join(name);
    if !example.exists() {
        support::skip(format!("examples/{name}.rs is not built: `cargo test` builds it"));
        return None;
    }
    let output = Command::new(example).args(arguments).output().expect("it runs");
    assert!(output.status.success(), "{}", support::stderr(&output));
    Some(support::stdout(&output))
}

#[test]
fn probe_prints_a_report() {
    let server = Server::start();
    if let Some(told) = printed("probe", &[&server.uri()]) {
        assert!(told.contains("open-internet"), "{told}");
        assert!(told.contains("endpoint-independent"), "{told}");
    }
}

#[test]
fn ice_pair_connects() {
    if let Some(told) = printed("ice_pair", &[]) {
        assert!(told.starts_with("selected: Host 127.0.0.1:"), "{told}");
        assert!(told.contains("round trips: "), "{told}");
    }
}
