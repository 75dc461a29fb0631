//! `natscope lab` as a user runs it, as root and as an ordinary user; and that nothing is left
//! behind when any of its processes is killed.

#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)] // random moments, and a clock to give up by

use crate::support;
use crate::support::{lab, natscope, parse, stderr, stdout};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn run(args: &[&str], code: i32) -> (String, String) {
    let output = natscope().args(args).output().unwrap();
    let (out, err) = (stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(code), "{args:?}\nstdout: {out}\nstderr: {err}");
    assert!(!err.contains("panicked"), "{err}");
    (out, err)
}

#[test]
fn list_and_show_need_no_kernel() {
    let (out, _) = run(&["lab", "list"], 0);
    assert!(out.contains("port-restricted-cone"), "{out}");
    let (out, _) = run(&["lab", "list", "--format", "json"], 0);
    assert_eq!(parse(&out)["schema"], "natscope-nats/1");
    let (out, _) = run(&["lab", "show", "symmetric"], 0);
    assert!(out.contains("mapping = \"address-and-port-dependent\""), "{out}");
    assert!(out.contains("table ip natscope {"), "{out}");
    let (_, err) = run(&["lab", "show", "symetric"], 1);
    assert!(err.contains("did you mean `symmetric`?"), "{err}");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mine.toml");
    std::fs::write(&file, "name = \"mine\"\nmapping = \"both\"\n").unwrap();
    let (_, err) = run(&["lab", "show", &file.display().to_string()], 1);
    assert!(err.contains("mine.toml:2: field `mapping`: "), "{err}");
}

#[test]
fn the_whole_catalogue_is_certified() {
    if !lab() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (json, md) = (dir.path().join("c.json"), dir.path().join("c.md"));
    let (json, md) = (json.display().to_string(), md.display().to_string());
    let (out, err) =
        run(&["lab", "certify", "--format", "json", "--output", &json, "--output", &md], 0);
    assert!(err.is_empty(), "{err}");
    let document = parse(&out);
    assert_eq!(document["schema"], "natscope-certify/1");
    let rows = document["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 15);
    assert!(rows.iter().all(|row| row["agrees"] == true), "{out}");
    assert_eq!(parse(&std::fs::read_to_string(json).unwrap()), document);
    assert!(std::fs::read_to_string(md).unwrap().contains("15 of 15 NATs measured as labelled"));
}

/// The program and its folder may be closed to others: a copy is given to the ordinary user.
#[test]
fn an_ordinary_user_can_certify() {
    // who is not root is an ordinary user in all the other tests
    if !lab() || !nix::unistd::geteuid().is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("natscope");
    std::fs::copy(assert_cmd::cargo::cargo_bin!("natscope"), &copy).unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&copy)
        .args(["lab", "certify", "eim-apdf", "symmetric"])
        .current_dir("/")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{} {}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("2 of 2 NATs measured as labelled"));
}

#[test]
fn the_symmetric_scenario_says_what_it_means() {
    if !lab() {
        return;
    }
    let (out, _) = run(&["lab", "run", "lab/scenarios/symmetric.toml"], 0);
    assert!(out.contains("Measured as expected"), "{out}");
    assert!(out.contains("need a TURN server"), "{out}");
    assert!(out.contains("a behind symmetric and b behind symmetric"), "{out}");
    assert!(out.contains("STUN alone, a first: failed"), "{out}");
    assert!(out.contains("through a TURN\nrelay they do."), "{out}");
    let (out, _) = run(&["lab", "run", "symmetric", "--format", "json"], 0);
    let document = parse(&out);
    assert_eq!(document["schema"], "natscope-scenario/1");
    assert_eq!(document["peers"][3]["verdict"], "turn");
    let runs = document["connection"]["runs"].as_array().unwrap();
    let outcomes: Vec<_> = runs.iter().map(|run| run["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["failed", "failed", "relay", "relay"]);
}

#[test]
fn a_wrong_label_is_shown_and_is_4() {
    if !lab() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("liar.toml");
    let text = "name = \"liar\"\nnat = \"eim-eif\"\n[expect]\nmapping = \"address-dependent\"\n";
    std::fs::write(&file, text).unwrap();
    let (out, _) = run(&["lab", "run", &file.display().to_string()], 4);
    assert!(out.contains("NOT as expected"), "{out}");
}

#[test]
fn a_command_runs_behind_the_nat() {
    if !lab() {
        return;
    }
    let program = assert_cmd::cargo::cargo_bin!("natscope").display().to_string();
    let probe = "stun:203.0.113.1:3478";
    let arguments = ["lab", "exec", "full-cone", "--", &program, "probe", "--server", probe];
    let (out, _) = run(&[&arguments[..], &["--format", "json"]].concat(), 0);
    assert_eq!(parse(&out)["paths"][0]["classic"]["value"], "full-cone");
    run(&["lab", "exec", "open", "--", "sh", "-c", "exit 7"], 7);
    let (_, err) = run(&["lab", "exec", "open", "--", "/nonexistent/program"], 1);
    assert!(err.contains("/nonexistent/program"), "{err}");
}

#[test]
fn an_interrupt_leaves_a_valid_partial_document() {
    if !lab() {
        return;
    }
    // a probe behind udp-blocked takes seconds; the other is done by then or is left out
    let child = Command::new(assert_cmd::cargo::cargo_bin!("natscope"))
        .args(["lab", "certify", "eim-eif", "udp-blocked", "--format", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let front = child.id();
    wait_for("the lab's process", || children(front).into_iter().any(|p| threads(p) > 6));
    let pid = nix::unistd::Pid::from_raw(i32::try_from(front).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    if output.status.code() == Some(3) {
        let document = parse(&stdout(&output));
        assert_eq!(document["complete"], false);
    } else {
        // it came before the lab listened for it
        assert!(output.stdout.is_empty(), "{}", stdout(&output));
    }
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}: never");
        std::thread::yield_now();
    }
}

fn children(pid: u32) -> Vec<u32> {
    std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|p| p.parse().ok())
        .collect()
}

fn threads(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

/// Processes that bear this mark in their environment, in order.
fn marked(mark: &str) -> Vec<u32> {
    let mut found = processes();
    found.retain(|pid| {
        let bytes = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        bytes.windows(mark.len()).any(|w| w == mark.as_bytes())
    });
    found
}

fn processes() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let mut all: Vec<u32> =
        entries.filter_map(|e| e.file_name().to_str().and_then(|n| n.parse().ok())).collect();
    all.sort_unstable();
    all
}

/// The network, mount, pid and user namespaces of a process and its threads.
fn namespaces(pid: u32) -> BTreeSet<String> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks
        .flat_map(|task| {
            ["net", "mnt", "pid", "user"].map(|kind| task.path().join("ns").join(kind))
        })
        .filter_map(|link| std::fs::read_link(link).ok())
        .map(|target| target.display().to_string())
        .collect()
}

fn names(folder: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(Path::new(folder)).into_iter().flatten().flatten();
    entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn twenty_kills_at_random_moments_leave_nothing() {
    if !lab() {
        return;
    }
    let own = namespaces(std::process::id());
    let links = std::fs::read_to_string("/proc/self/net/dev").unwrap().lines().count();
    let named = names("/run/netns");
    for round in 0..20u64 {
        let mark = format!("NATSCOPE_TEST_MARK={}-{round}", std::process::id());
        let (key, value) = mark.split_once('=').unwrap();
        let temporary = tempfile::tempdir().unwrap();
        let mut front = Command::new(assert_cmd::cargo::cargo_bin!("natscope"))
            .args(["lab", "certify"])
            .env(key, value)
            .env("TMPDIR", temporary.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // moments from before the lab's process is there to the middle of the probes
        std::thread::sleep(Duration::from_micros(rand::random_range(0..400_000)));
        let alive = marked(&mark);
        let mut theirs: BTreeSet<String> = alive.iter().flat_map(|&p| namespaces(p)).collect();
        theirs = theirs.difference(&own).cloned().collect();
        let victim = alive[rand::random_range(0..alive.len())];
        let pid = nix::unistd::Pid::from_raw(i32::try_from(victim).unwrap());
        // it may have ended by itself (nft)
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        front.wait().unwrap();
        wait_for("the end of all its processes", || marked(&mark).is_empty());
        // what begins from now on cannot be theirs, but may be given the same number
        let now = ticks_now();
        wait_for("the end of its namespaces", || {
            let of_then = processes().into_iter().filter(|&p| began(p).is_some_and(|t| t <= now));
            !of_then.into_iter().any(|p| !namespaces(p).is_disjoint(&theirs))
        });
        assert!(names(&temporary.path().display().to_string()).is_empty());
    }
    assert_eq!(std::fs::read_to_string("/proc/self/net/dev").unwrap().lines().count(), links);
    assert_eq!(names("/run/netns"), named);
}

/// When a process began, in clock ticks since the machine did.
fn began(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // the name in brackets may hold anything
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// The present, likewise.
fn ticks_now() -> u64 {
    let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    let now = began(child.id()).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    now
}

/// Every command of docs/lab.md, as it stands there.
#[test]
fn the_commands_of_the_page_work() {
    if !lab() {
        return;
    }
    let page = support::read("docs/lab.md");
    let commands: Vec<&str> = page.lines().filter_map(|l| l.strip_prefix("$ natscope ")).collect();
    assert!(commands.len() >= 6);
    for command in commands {
        run(&command.split_whitespace().collect::<Vec<_>>(), 0);
    }
}
