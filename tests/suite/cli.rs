//! `natscope probe` and `natscope report` as a user runs them: on loopback, against our own server
//! or a silent one.
#![cfg(unix)]
#![allow(clippy::disallowed_types)] // a silent server is a socket

use crate::support;
use crate::support::{Server, natscope, parse, stderr, stdout};
use assert_cmd::Command;
use std::io::Read as _;
use std::process::Stdio;

/// Fails with everything that the program said.
fn run(args: &[&str], code: i32) -> (String, String) {
    let output = natscope().args(args).output().unwrap();
    let (out, err) = (stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(code), "{args:?}\nstdout: {out}\nstderr: {err}");
    assert!(!err.contains("panicked"), "{err}");
    (out, err)
}

#[test]
fn usage_errors_are_2_and_say_what_to_write() {
    let (out, err) = run(&["probe", "--server", "stun.example.org"], 2);
    assert!(out.is_empty());
    assert!(err.contains("stun:stun.example.org"), "{err}");
    for (uri, hint) in [
        ("turn:relay.example.org", "write stun:"),
        ("stuns:stun.example.org", "write stun:"),
        ("stun:[::1", "stun:"),
        ("stun:host:99999", "99999"),
    ] {
        let (_, err) = run(&["probe", "--server", uri], 2);
        assert!(err.contains(hint), "{uri}: {err}");
    }
    let (_, err) = run(&["probe", "--expect", "maping=eim"], 2);
    assert!(err.contains("did you mean `mapping`?"), "{err}");
    let (_, err) = run(&["probe", "--expect", "classic=full-con"], 2);
    assert!(err.contains("did you mean `full-cone`?"), "{err}");
    let (_, err) = run(&["probe", "--output", "report.pdf"], 2);
    assert!(err.contains(".json, .md or .txt"), "{err}");
    let (_, err) = run(&["probe", "--budget", "soon"], 2);
    assert!(err.contains("5s"), "{err}");
    run(&["probe", "-4", "-6"], 2);
    run(&["prob"], 2);
}

#[test]
fn a_closed_port_could_not_tell_and_says_why() {
    let (out, err) = run(&["probe", "--server", "stun:127.0.0.1:9"], 3);
    assert!(err.contains("could not tell over IPv4"), "{err}");
    assert!(err.contains("nothing listens there"), "{err}");
    assert!(out.contains("cannot be reached"), "{out}");
}

#[test]
fn an_unresolvable_name_is_named() {
    let (out, err) = run(&["probe", "--server", "stun:nonexistent.invalid"], 1);
    assert!(out.is_empty());
    assert!(err.contains("nonexistent.invalid") && err.contains("cannot resolve"), "{err}");
}

#[test]
fn a_missing_interface_or_address_is_named() {
    let server = "stun:127.0.0.1:9";
    let (out, err) = run(&["probe", "--server", server, "--bind", "nosuchif0"], 1);
    assert!(out.is_empty());
    assert!(err.contains("nosuchif0") && err.contains("lo"), "{err}");
    let (_, err) = run(&["probe", "--server", server, "--bind", "192.0.2.77"], 1);
    assert!(err.contains("192.0.2.77"), "{err}");
    let (_, err) = run(&["probe", "--server", server, "--bind", "::1"], 1);
    assert!(err.contains("--bind"), "{err}");
}

#[test]
fn an_unwritable_output_fails_before_anything_is_sent() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let uri = format!("stun:{}", silent.local_addr().unwrap());
    let (out, err) = run(&["probe", "--server", &uri, "--output", "/nonexistent/x.json"], 1);
    assert!(out.is_empty());
    assert!(err.contains("/nonexistent/x.json"), "{err}");
    silent.set_nonblocking(true).unwrap();
    assert!(silent.recv(&mut [0; 64]).is_err(), "nothing was sent");
}

#[test]
fn no_network_at_all_is_said() {
    let user = if nix::unistd::geteuid().is_root() { "-n" } else { "-rn" };
    let works = std::process::Command::new("unshare").args([user, "true"]).status();
    if !works.is_ok_and(|status| status.success()) {
        return support::skip("no network namespace can be made here");
    }
    let bin = assert_cmd::cargo::cargo_bin!("natscope");
    for uri in ["stun:192.0.2.1", "stun:127.0.0.1:9", "stun:[2001:db8::1]"] {
        let output = Command::new("unshare")
            .arg(user)
            .arg(bin)
            .args(["probe", "--server", uri])
            .output()
            .unwrap();
        let err = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{uri}: {err}");
        assert!(err.contains("is the network up?"), "{uri}: {err}");
    }
}

#[test]
fn json_is_the_only_thing_on_stdout_and_keeps_to_the_schema() {
    let server = Server::start();
    let output =
        natscope().args(["probe", "--server", &server.uri(), "--format", "json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(output.stderr.is_empty(), "stderr is no terminal: {}", stderr(&output));
    let document = parse(&stdout(&output));
    assert_eq!(document["schema"], "natscope-report/1");
    let path = &document["paths"][0];
    assert_eq!(path["nat"]["value"], false, "{path:#}");
    assert_eq!(path["mapping"]["value"], "endpoint-independent", "{path:#}");
    assert_eq!(path["filtering"]["value"], "endpoint-independent", "{path:#}");
    assert_eq!(path["classic"]["value"], "open-internet", "{path:#}");
    assert_eq!(document["traversal"]["peers"][0]["verdict"], "stun");
}

#[test]
fn files_are_written_by_extension_and_a_saved_report_is_judged_again() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (json, md, txt) = (file("r.json"), file("r.md"), file("r.txt"));
    let uri = server.uri();
    let args = ["probe", "--server", &uri, "--output", &json, "--output", &md, "--output", &txt];
    let (out, _) = run(&args, 0);
    assert!(support::read(&md).starts_with("## NAT report"));
    assert_eq!(support::read(&txt), out, "a pipe has no colours");
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");

    let (again, _) = run(&["report", "show", "--format", "json", &json], 0);
    assert_eq!(parse(&again), parse(&support::read(&json)), "the same facts, judged again");
    let (again, _) = run(&["report", "show", &json], 0);
    assert_eq!(again, out);
    let (explained, _) = run(&["report", "explain", &json], 0);
    assert!(explained.contains("RFC 4787 section 5"), "{explained}");
    assert!(explained.contains("t1: at "), "{explained}");
}

#[test]
fn expectations_decide_the_exit_code() {
    let server = Server::start();
    let uri = server.uri();
    let probe = |expect: &str, code| run(&["probe", "--server", &uri, "--expect", expect], code).1;
    assert_eq!(probe("mapping=endpoint-independent", 0), "");
    assert_eq!(probe("filtering=eif", 0), "");
    let err = probe("classic=symmetric", 4);
    assert!(err.contains("expected classic=symmetric") && err.contains("open-internet"), "{err}");
    let closed = ["probe", "--server", "stun:127.0.0.1:9", "--expect", "nat=yes"];
    let (_, err) = run(&closed, 3);
    assert!(err.contains("expected nat=true"), "{err}");
}

#[test]
fn a_reader_that_goes_away_is_success() {
    let server = Server::start();
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("natscope"))
        .args(["probe", "--server", &server.uri()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{err}");
    assert_eq!(err, "");
}

#[test]
fn an_interrupted_run_writes_a_valid_report() {
    use nix::sys::signal::{Signal, kill};
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let uri = format!("stun:{}", silent.local_addr().unwrap());
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("natscope"))
        .args(["probe", "--server", &uri, "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    silent.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    silent.recv(&mut [0; 2048]).expect("the probe has begun");
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    kill(pid, Signal::SIGINT).unwrap();
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3), "{out}");
    let document = parse(&out);
    assert_eq!(document["paths"][0]["cut_short"], true, "{document:#}");
    assert_eq!(document["paths"][0]["mapping"]["status"], "not-tested", "{document:#}");
}

#[test]
fn servers_come_from_the_configuration_file() {
    let server = Server::start();
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("natscope");
    std::fs::create_dir(&folder).unwrap();
    let probe = |text: &str| {
        std::fs::write(folder.join("natscope.toml"), text).unwrap();
        let mut command = natscope();
        command.env("XDG_CONFIG_HOME", home.path()).args(["probe", "--format", "json"]);
        command.output().unwrap()
    };
    let output = probe(&format!("servers = [\"{}\"]", server.uri()));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(parse(&stdout(&output))["servers"][0]["uri"], server.uri());

    let output = probe("# mine\nserver = \"x\"\n");
    assert_eq!(output.status.code(), Some(1));
    let err = stderr(&output);
    assert!(err.contains("natscope.toml, line 2: unknown field `server`"), "{err}");
}

#[test]
fn what_is_no_report_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let show = |text: &str| {
        std::fs::write(&path, text).unwrap();
        run(&["report", "show", path.to_str().unwrap()], 1).1
    };
    assert!(show("{\"schema\": \"natscope-report/9\"}").contains("natscope-report/9"));
    assert!(show("hello").contains("not a natscope report"));
    let (_, err) = run(&["report", "show", "/nonexistent.json"], 1);
    assert!(err.contains("/nonexistent.json"), "{err}");
}

/// Each file of `tests/cmd` is a typed line and what it prints. To renew them:
/// `NATSCOPE_UPDATE_HELP=1 cargo test --test suite help_is_as_documented`.
#[test]
fn help_is_as_documented() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cmd");
    let mut different = Vec::new();
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let shown = std::fs::read_to_string(&path).unwrap();
        let typed = shown.lines().nth(1).and_then(|line| line.strip_prefix("$ natscope "));
        let typed = typed.unwrap_or_else(|| panic!("no command in {}", path.display()));
        let (out, _) = run(&typed.split_whitespace().collect::<Vec<_>>(), 0);
        let now = format!("```console\n$ natscope {typed}\n{out}\n```\n");
        files += 1;
        if now != shown && std::env::var_os("NATSCOPE_UPDATE_HELP").is_some() {
            std::fs::write(&path, now).unwrap();
        } else if now != shown {
            different.push(format!("{} is now:\n{now}", path.display()));
        }
    }
    assert!(different.is_empty(), "{}", different.concat());
    assert_eq!(files, 14, "each command has one");
}
