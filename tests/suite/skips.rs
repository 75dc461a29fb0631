//! A skipped test is seen and counted, and fails where the lab is required.
#![cfg(target_os = "linux")]

use crate::support::{skip, stderr, stdout};
use std::path::Path;
use std::process::{Command, Output};

#[test]
#[ignore = "skipped by the tests below, in a process of its own"]
fn one_that_is_skipped() {
    skip("there is\n no such thing");
}

#[test]
#[ignore = "skipped by a test below, in a process of its own"]
fn one_in_the_lab() {
    natscope::lab::test("symmetric", async |_| {});
}

/// Runs the test that is skipped, as the harness does, which keeps back what passing tests print.
fn run(list: &Path, required: &str) -> Output {
    Command::new(std::env::current_exe().expect("this program"))
        .args(["--ignored", "--exact", "skips::one_that_is_skipped"])
        .env("NATSCOPE_SKIPPED", list)
        .env("NATSCOPE_REQUIRE_LAB", required)
        .output()
        .expect("it runs")
}

/// What `make test` says at its end of this list.
fn summary(list: &Path) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/skipped.sh");
    let output = Command::new("sh").arg(script).arg(list).output().expect("a shell");
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

#[test]
fn a_skip_is_seen_and_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let list = folder.path().join("list");
    std::fs::write(&list, "").expect("written");
    assert_eq!(summary(&list), "no test was skipped\n");
    let output = run(&list, "0");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stderr(&output), "SKIPPED: there is no such thing\n");
    let line = "SKIPPED: skips::one_that_is_skipped: there is no such thing\n";
    assert_eq!(summary(&list), format!("{line}1 test skipped\n"));
    run(&list, "");
    assert_eq!(summary(&list), format!("{line}1 test skipped\n"), "one test, one reason");
    let more = std::fs::read_to_string(&list).expect("written") + "other\tnone\nother\tnothing\n";
    std::fs::write(&list, more).expect("written");
    assert!(summary(&list).ends_with("\n2 tests skipped\n"), "{}", summary(&list));
}

#[test]
fn nothing_is_skipped_where_the_lab_is_required() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = run(&folder.path().join("list"), "1");
    assert_eq!(output.status.code(), Some(101), "{}", stdout(&output));
    assert!(stderr(&output).contains("SKIPPED: there is no such thing"), "{}", stderr(&output));
}

#[test]
fn a_test_in_the_lab_is_skipped_where_namespaces_are_refused() {
    let run = |required| {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command
            .args(["--ignored", "--exact", "skips::one_in_the_lab"])
            .env_remove("NATSCOPE_SKIPPED");
        // without `unshare` nothing enters them
        command.env("PATH", "/nonexistent").env("NATSCOPE_REQUIRE_LAB", required);
        command.output().expect("it runs")
    };
    let output = run("0");
    assert!(output.status.success(), "{}", stdout(&output));
    let told = stderr(&output);
    assert!(told.starts_with("SKIPPED: namespaces are refused: unshare: "), "{told}");
    assert_eq!(run("1").status.code(), Some(101));
}
