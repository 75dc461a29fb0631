//! The files that a run reads and writes: nothing that was there is lost, nothing is left beside,
//! nothing without end is read to the end.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_types)] // a silent server is a socket

use crate::support::{Server, natscope, parse, skip, stderr, stdout};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::Read as _;
use std::net::UdpSocket;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Fails with everything that the program said.
fn run(folder: &Path, args: &[&str], code: i32) -> (String, String) {
    let output = natscope().current_dir(folder).args(args).output().unwrap();
    let (out, err) = (stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(code), "{args:?}\nstdout: {out}\nstderr: {err}");
    assert!(!err.contains("panicked"), "{err}");
    (out, err)
}

/// A folder with a small session description, for runs that need no network.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let sdp = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n\
               c=IN IP4 192.0.2.1\r\n";
    std::fs::write(folder.path().join("offer.sdp"), sdp).unwrap();
    folder
}

/// The names in a folder, hidden ones too.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A probe of a server that says nothing, which writes `report.json`; once it has asked.
fn asking(folder: &Path) -> (Child, UdpSocket) {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let uri = format!("stun:{}", silent.local_addr().unwrap());
    let probe = Command::new(assert_cmd::cargo::cargo_bin!("natscope"))
        .args(["probe", "--server", &uri, "--budget", "60s", "--output", "report.json"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    silent.recv_from(&mut [0; 1500]).unwrap();
    (probe, silent)
}

fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
}

#[test]
fn a_run_that_is_killed_leaves_the_old_report_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    std::fs::write(&report, "old").unwrap();
    let (mut probe, _silent) = asking(folder.path());
    probe.kill().unwrap();
    probe.wait().unwrap();
    assert_eq!(std::fs::read_to_string(&report).unwrap(), "old");
    assert_eq!(names(folder.path()), ["report.json"]);
}

#[test]
fn a_run_that_fails_leaves_the_old_report() {
    let folder = folder();
    let report = folder.path().join("old.json");
    std::fs::write(&report, "old").unwrap();
    // nobody listens there
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let via = format!("ws://{free}");
    let args = ["connect", "--via", &via, "--room", "a", "--no-probe", "--output", "old.json"];
    let (_, err) = run(folder.path(), &[&args[..], &["--server", "stun:127.0.0.1:9"]].concat(), 1);
    assert!(err.contains("cannot connect"), "{err}");
    assert_eq!(std::fs::read_to_string(&report).unwrap(), "old");
    assert_eq!(names(folder.path()), ["offer.sdp", "old.json"]);
}

#[test]
fn a_closed_terminal_still_gives_a_report() {
    for signals in [&[Signal::SIGHUP][..], &[Signal::SIGTERM; 2], &[Signal::SIGINT, Signal::SIGHUP]]
    {
        let folder = tempfile::tempdir().unwrap();
        let (mut probe, _silent) = asking(folder.path());
        // as `timeout` sends them: to the program and to its group
        for &signal in signals {
            send(&probe, signal);
        }
        assert_eq!(probe.wait().unwrap().code(), Some(3), "{signals:?}");
        let report = std::fs::read_to_string(folder.path().join("report.json")).unwrap();
        assert_eq!(parse(&report)["paths"][0]["cut_short"], true, "{signals:?}");
    }
}

#[test]
fn under_nohup_a_closed_terminal_is_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let script = format!(
        "trap '' HUP; exec '{}' probe --server stun:{} --budget 60s --output report.json",
        assert_cmd::cargo::cargo_bin!("natscope").display(),
        silent.local_addr().unwrap()
    );
    let mut probe = Command::new("sh")
        .args(["-c", &script])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    silent.recv_from(&mut [0; 1500]).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", probe.id())).unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    assert_eq!(u64::from_str_radix(mask.trim(), 16).unwrap() & 1, 1, "it is ignored still");
    send(&probe, Signal::SIGTERM);
    assert_eq!(probe.wait().unwrap().code(), Some(3));
}

#[test]
fn a_place_that_cannot_be_written_is_told_before_the_run() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("folder.json")).unwrap();
    symlink("circle.json", folder.path().join("circle.json")).unwrap();
    for (name, why) in [
        ("nowhere/x.json", "there is no folder nowhere"),
        ("folder.json", "it is a folder"),
        ("circle.json", "symbolic link"),
        ("offer.sdp/x.json", "Not a directory"),
    ] {
        // had it begun to measure, it would have said that nobody answers
        let args = ["probe", "--server", "stun:127.0.0.1:9", "--output", name];
        let (out, err) = run(folder.path(), &args, 1);
        assert!(out.is_empty() && err.contains(why) && err.contains("--output"), "{name}: {err}");
    }
    symlink("a.json", folder.path().join("b.json")).unwrap();
    let twice = ["report", "sdp", "offer.sdp", "--output", "a.json", "--output", "./b.json"];
    let (_, err) = run(folder.path(), &twice, 2);
    assert!(err.contains("lead to this one file"), "{err}");
    assert_eq!(names(folder.path()), ["b.json", "circle.json", "folder.json", "offer.sdp"]);
}

#[test]
fn links_and_permissions_stay() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("real")).unwrap();
    std::fs::write(at("real/a.json"), "old and much longer than what comes".repeat(1000)).unwrap();
    std::fs::set_permissions(at("real/a.json"), std::fs::Permissions::from_mode(0o640)).unwrap();
    symlink("real/a.json", at("link.json")).unwrap();
    symlink("real/new.json", at("dangling.json")).unwrap();
    let args = ["report", "sdp", "offer.sdp", "--output", "link.json", "--output", "dangling.json"];
    run(folder.path(), &args, 0);
    for name in ["link.json", "dangling.json"] {
        assert!(at(name).symlink_metadata().unwrap().is_symlink(), "{name}");
        parse(&std::fs::read_to_string(at(name)).unwrap());
    }
    assert_eq!(at("real/a.json").metadata().unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(names(&at("real")), ["a.json", "new.json"]);
    // a file that may not be written is not replaced either
    if !nix::unistd::geteuid().is_root() {
        std::fs::set_permissions(at("real/a.json"), std::fs::Permissions::from_mode(0o440))
            .unwrap();
        let (_, err) = run(folder.path(), &args, 1);
        assert!(err.contains("Permission denied"), "{err}");
    }
}

#[test]
fn pipes_and_devices_are_written_as_they_come() {
    let folder = folder();
    let pipe = folder.path().join("pipe.json");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let reader = std::thread::spawn(move || std::fs::read_to_string(pipe).unwrap());
    run(folder.path(), &["report", "sdp", "offer.sdp", "--output", "pipe.json"], 0);
    parse(&reader.join().unwrap());
    run(folder.path(), &["report", "sdp", "offer.sdp", "--output", "/dev/null"], 0);
    assert!(!Path::new("/dev/null").metadata().unwrap().is_file());

    // the device, in JSON, then the text on the same stream; a file there is not replaced
    let file = folder.path().join("both.txt");
    for stdout in [None, Some(std::fs::File::create(&file).unwrap())] {
        let is_file = stdout.is_some();
        let output = Command::new(assert_cmd::cargo::cargo_bin!("natscope"))
            .current_dir(folder.path())
            .args(["report", "sdp", "offer.sdp", "--output", "/dev/stdout"])
            .stdout(stdout.map_or_else(Stdio::piped, Stdio::from))
            .output()
            .unwrap();
        let said = if is_file {
            std::fs::read_to_string(&file).unwrap()
        } else {
            String::from_utf8(output.stdout).unwrap()
        };
        let (document, text) = said.split_once("\n}\n").expect("a document first");
        parse(&format!("{document}\n}}"));
        assert!(text.contains("offer.sdp"), "{said}");
    }
    assert_eq!(names(folder.path()), ["both.txt", "offer.sdp", "pipe.json"]);
}

#[test]
fn a_shell_without_stdout_or_a_reader_that_is_gone_is_no_crash() {
    let folder = folder();
    let natscope = assert_cmd::cargo::cargo_bin!("natscope");
    let shell = |script: &str| {
        let output = Command::new("sh")
            .args(["-c", &script.replace("natscope", &natscope.display().to_string())])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!err.contains("panicked"), "{script}: {err}");
        (output.status.code(), err)
    };
    for script in [
        "natscope report sdp offer.sdp --output a.json >&-",
        "natscope report sdp offer.sdp --output a.json >&- 2>&-",
        "natscope report sdp offer.sdp --output a.json >&- 2>&- <&-",
        "TERM= natscope report sdp offer.sdp --output a.json >/dev/null",
        "TERM=nonsense natscope report sdp offer.sdp --output a.json | true",
        "natscope report sdp offer.sdp --output a.json 2>&1 | head -c 1",
    ] {
        assert_eq!(shell(script).0, Some(0), "{script}");
        let written = std::fs::read_to_string(folder.path().join("a.json"));
        parse(&written.unwrap_or_else(|error| panic!("{script}: {error}")));
        std::fs::remove_file(folder.path().join("a.json")).unwrap();
    }
    // a full stdout is told, and costs nothing of the file
    let (code, err) = shell("natscope report sdp offer.sdp --output a.json >/dev/full");
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("cannot write to stdout: No space left"), "{err}");
    parse(&std::fs::read_to_string(folder.path().join("a.json")).unwrap());
}

/// Runs a script in a mount namespace of its own; says so where there is none.
fn in_mounts(folder: &Path, script: &str) -> Option<(Option<i32>, String)> {
    let flags = if nix::unistd::geteuid().is_root() { "-m" } else { "-Urm" };
    let refused = Command::new("unshare").args([flags, "true"]).output();
    if !refused.is_ok_and(|output| output.status.success()) {
        skip("no mount namespace can be made here");
        return None;
    }
    let natscope = assert_cmd::cargo::cargo_bin!("natscope").display().to_string();
    let output = Command::new("unshare")
        .args([flags, "sh", "-ec", &script.replace("natscope", &natscope)])
        .current_dir(folder)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.code(), String::from_utf8_lossy(&said).into_owned()))
}

#[test]
fn a_full_disk_leaves_the_old_file_and_the_report_is_printed() {
    let folder = folder();
    let script = "mkdir full; mount -t tmpfs -o size=16k tmpfs full; echo old > full/a.json; \
                  head -c 1M /dev/zero > full/rest 2>/dev/null || true; \
                  natscope report sdp offer.sdp --output full/a.json || echo code $?; \
                  cat full/a.json; ls -A full";
    let Some((code, said)) = in_mounts(folder.path(), script) else { return };
    assert_eq!(code, Some(0), "{said}");
    for part in ["Candidates", "No space left", "what was there is unchanged", "code 1"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(said.contains("\nold\na.json\nrest\n"), "{said}");
}

#[test]
fn a_read_only_folder_fails_early_and_a_mounted_file_is_written_in_place() {
    let folder = folder();
    let script = "mkdir ro; echo old > ro/a.json; echo old > file.json; \
                  echo 'a much longer old text, of which nothing may stay' > ro/b.json; \
                  touch mounted.json; mount --bind ro/b.json mounted.json; \
                  natscope report sdp offer.sdp --output mounted.json; cat ro/b.json > seen.json; \
                  umount mounted.json; mount --bind ro ro; mount -o remount,ro,bind ro; \
                  natscope probe --server stun:127.0.0.1:9 --output ro/a.json || echo code $?; \
                  natscope probe --server stun:127.0.0.1:9 --output ro/new.json || echo code $?; \
                  cat ro/a.json";
    let Some((code, said)) = in_mounts(folder.path(), script) else { return };
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said.matches("Read-only file system").count(), 2, "{said}");
    assert!(said.matches("code 1").count() == 2 && said.contains("\nold\n"), "{said}");
    parse(&std::fs::read_to_string(folder.path().join("seen.json")).unwrap());
}

#[test]
fn what_never_ends_fills_no_memory() {
    let folder = folder();
    symlink("/dev/zero", folder.path().join("zero.toml")).unwrap();
    for args in [
        &["report", "show", "/dev/zero"][..],
        &["report", "explain", "/dev/zero"],
        &["report", "sdp", "/dev/zero"],
        &[
            "probe",
            "--server",
            "stun:127.0.0.1:9",
            "--turn",
            "turns:127.0.0.1",
            "--user",
            "u",
            "--password",
            "p",
            "--ca",
            "/dev/zero",
        ],
        &["probe", "--turn", "turn:127.0.0.1", "--user", "u", "--password-file", "/dev/zero"],
        &["lab", "show", "zero.toml"],
    ] {
        let (_, err) = run(folder.path(), args, 1);
        assert!(err.contains("longer than"), "{args:?}: {err}");
    }
}

#[test]
fn files_that_are_no_reports_are_told_apart() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let server = Server::start();
    let args = ["probe", "--server", &server.uri(), "--output", "good.json", "--format", "json"];
    run(folder.path(), &args, 0);
    let good = std::fs::read_to_string(at("good.json")).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(at(name), bytes).unwrap();
    write("empty", b"");
    write("cut", &good.as_bytes()[..good.len() / 2]);
    write("nul", &[0; 4096]);
    write("latin1", b"{\"schema\": \"caf\xe9\"}");
    write("utf16", b"\xff\xfe{\0}\0");
    write("list", b"[1, 2]");
    write("deep", "[".repeat(1 << 20).as_bytes());
    write("hostile", "{\"schema\": \"natscope-report/1\", \"tool\": \"\u{9b}2J\u{202e}".as_bytes());
    write("other", b"{\"schema\": \"natscope-sdp/1\"}");
    std::fs::create_dir(at("folder")).unwrap();
    for (name, why) in [
        ("missing", "there is no such file"),
        ("folder", "it is a folder"),
        ("empty", "it is empty"),
        ("cut", "was it cut off?"),
        ("nul", "it is not JSON"),
        ("latin1", "not UTF-8 text (byte 16)"),
        ("utf16", "save it as UTF-8"),
        ("list", "not a natscope report"),
        ("deep", "not a natscope report"),
        ("hostile", "was it cut off?"),
        ("other", "its schema is `natscope-sdp/1`"),
    ] {
        for verb in ["show", "explain"] {
            let (out, err) = run(folder.path(), &["report", verb, name], 1);
            assert!(out.is_empty() && err.contains(why), "{name}: {err}");
            assert!(!err.contains(['\u{9b}', '\u{202e}']), "{name}: {err:?}");
        }
    }
    // what was read is replaced only when the new one is whole
    run(folder.path(), &["report", "show", "good.json", "--output", "good.json"], 0);
    write("marked", &[b"\xef\xbb\xbf", good.as_bytes()].concat());
    run(folder.path(), &["report", "show", "marked"], 0);
}

#[test]
fn a_pipe_is_read_to_its_end() {
    let folder = folder();
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let text = std::fs::read(folder.path().join("offer.sdp")).unwrap();
    let writer = std::thread::spawn(move || std::fs::write(pipe, text).unwrap());
    let mut shown = String::new();
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("natscope"))
        .args(["report", "sdp", "pipe"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdout.take().unwrap().read_to_string(&mut shown).unwrap();
    assert!(child.wait().unwrap().success(), "{shown}");
    writer.join().unwrap();
}
