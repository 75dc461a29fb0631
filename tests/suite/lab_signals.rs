//! Signals, terminals and scarce systems: a lab ends when it is told to, from its first moment on,
//! and its command's exit code is its own.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)] // early moments are counted by the clock

use crate::support;
use crate::support::lab;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

fn program() -> std::path::PathBuf {
    assert_cmd::cargo::cargo_bin!("natscope").to_path_buf()
}

/// A program that does not outlive its test.
struct Running(Child);

impl std::ops::Deref for Running {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl std::ops::DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // it has ended, if all went well
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn piped(command: &mut Command) -> Running {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    Running(command.spawn().unwrap())
}

fn start(args: &[&str]) -> Running {
    piped(Command::new(program()).args(args).stdin(Stdio::null()))
}

fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
}

/// Waits for its end, which must come soon; all that it said.
fn end(mut child: Running) -> (ExitStatus, String) {
    let until = Instant::now() + Duration::from_secs(40);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > until {
            child.kill().unwrap();
            panic!("it did not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(!said.contains("panicked"), "{said}");
    (status, said)
}

/// The exit code, or what a shell makes of the signal.
fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// Runs a script on a host in the lab until it has said `ready`.
fn ready(script: &str) -> Running {
    let script = format!("{script}; echo ready; while :; do sleep 60 & wait; done");
    let mut child = start(&["lab", "exec", "--no-server", "eim-apdf", "--", "sh", "-c", &script]);
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    child.stdout = Some(out.into_inner());
    child
}

#[test]
fn signals_of_the_first_moments_were_lost() {
    if !lab() {
        return;
    }
    for ms in (0..40).step_by(4) {
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            let child = start(&["lab", "exec", "--no-server", "eim-apdf", "--", "sleep", "600"]);
            std::thread::sleep(Duration::from_millis(ms));
            send(&child, signal);
            let (status, said) = end(child);
            assert_eq!(code(status), 128 + signal as i32, "{signal} after {ms} ms: {said}");
        }
    }
}

#[test]
fn a_measurement_that_is_stopped_early_gives_a_document_or_its_signal() {
    if !lab() {
        return;
    }
    for ms in [0, 5, 10, 20, 40, 80, 160] {
        let child = start(&["lab", "certify", "--format", "json"]);
        std::thread::sleep(Duration::from_millis(ms));
        // as `timeout` does it
        send(&child, Signal::SIGTERM);
        send(&child, Signal::SIGTERM);
        let (status, said) = end(child);
        if status.signal() == Some(Signal::SIGTERM as i32) {
            continue; // before it was more than any program
        }
        assert_eq!(status.code(), Some(3), "after {ms} ms: {said}");
        assert_eq!(support::parse(&said)["complete"], false, "{said}");
    }
}

#[test]
fn an_interrupt_sent_to_the_lab_reaches_its_command() {
    if !lab() {
        return;
    }
    for (signal, name) in
        [(Signal::SIGINT, "INT"), (Signal::SIGTERM, "TERM"), (Signal::SIGHUP, "HUP")]
    {
        let child = ready(&format!("trap 'echo told; exit 7' {name}"));
        send(&child, signal);
        let (status, said) = end(child);
        assert_eq!((status.code(), said.as_str()), (Some(7), "told\n"), "{signal}");
        // what does not care ends with the lab, but for SIGINT, which it may survive
        let child = ready(&format!("trap '' {name}"));
        send(&child, signal);
        if signal == Signal::SIGINT {
            send(&child, Signal::SIGTERM);
            assert_eq!(code(end(child).0), 143);
        } else {
            assert_eq!(code(end(child).0), 128 + signal as i32);
        }
    }
}

#[test]
fn a_lab_started_where_interrupts_are_ignored_is_interrupted_all_the_same() {
    if !lab() {
        return;
    }
    // a job in the background of a script
    let script = format!(
        "'{}' lab exec --no-server eim-apdf -- sh -c 'echo ready; exec sleep 600' & \
         read -r _ignored <&3; kill -INT $!; wait $!; echo code $?",
        program().display()
    );
    let mut child =
        piped(Command::new("bash").args(["-c", &script.replace("<&3", "")]).stdin(Stdio::piped()));
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    writeln!(child.stdin.take().unwrap()).unwrap();
    line.clear();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "code 130\n");
    child.wait().unwrap();
}

/// A program on a terminal of its own, by `script` of util-linux; `None` where that is missing.
fn on_terminal(shell: &str, command: &str) -> Option<Running> {
    let there = |program: &str| {
        Command::new("which").arg(program).output().is_ok_and(|o| o.status.success())
    };
    if !there("script") || !there(shell) {
        support::skip(format!("script (util-linux) or {shell} is not installed"));
        return None;
    }
    let mut script = Command::new("script");
    script.args(["-qec", command, "/dev/null"]).env("SHELL", shell).stdin(Stdio::piped());
    Some(piped(&mut script))
}

#[test]
fn a_shell_on_a_terminal_gives_its_exit_code() {
    if !lab() {
        return;
    }
    for shell in ["/bin/dash", "/bin/bash", "/bin/sh"] {
        // script runs its command by $SHELL too
        let command = format!("'{}' lab shell eim-apdf", program().display());
        let Some(mut child) = on_terminal(shell, &command) else { return };
        child.stdin.as_mut().unwrap().write_all(b"sleep 0; exit 7\n").unwrap();
        let (status, said) = end(child);
        assert_eq!(status.code(), Some(7), "{shell}: {said}");
        assert!(!said.contains("process group"), "{shell}: {said}");
    }
}

#[test]
fn ctrl_c_reaches_the_command_once() {
    if !lab() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("counts.sh");
    let counts = "n=0; trap 'n=$((n+1))' INT; echo ready; while [ $n = 0 ]; do sleep 0.1; done\n\
                  sleep 0.3; sleep 0.3; exit $((10+n))\n";
    std::fs::write(&script, counts).unwrap();
    let (program, script) = (program(), script.display().to_string());
    let command =
        format!("exec '{}' lab exec --no-server eim-apdf -- sh '{script}'", program.display());
    let Some(mut child) = on_terminal("/bin/sh", &command) else { return };
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("ready") {
        line.clear();
        assert_ne!(out.read_line(&mut line).unwrap(), 0, "it ended");
    }
    child.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
    child.stdout = Some(out.into_inner());
    assert_eq!(end(child).0.code(), Some(11), "interrupted once, and its own exit code");
}

#[test]
fn scarce_memory_is_told_and_no_thread_panics() {
    if !lab() {
        return;
    }
    for kib in [100_000, 150_000, 200_000, 250_000, 300_000, 400_000, 800_000] {
        let script = format!("ulimit -v {kib}; exec '{}' lab certify", program().display());
        let child = piped(Command::new("sh").args(["-c", &script]).stdin(Stdio::null()));
        let (status, said) = end(child);
        assert!(matches!(status.code(), Some(0 | 1 | 4)), "{kib} KiB: {status} {said}");
        assert!(!said.contains("thread has ended"), "{kib} KiB: {said}");
        // what `malloc` reserved for every thread left none for their stacks
        assert!(kib < 150_000 || !said.contains("was killed"), "{kib} KiB: {said}");
    }
}

#[test]
fn a_partial_proc_is_named() {
    if !lab() {
        return;
    }
    let root = nix::unistd::geteuid().is_root();
    for cover in [
        "mount --bind /proc/sys /proc/sys; mount -o remount,ro,bind /proc/sys",
        "mount -t tmpfs tmpfs /proc/acpi 2>/dev/null || mount --bind /dev/null /proc/kcore",
        "mount --bind /proc /proc; mount -o remount,ro,bind /proc", // only this mount of it
    ] {
        let script = format!(
            "{cover}; exec '{}' lab exec --no-server eim-apdf -- true",
            program().display()
        );
        let child = piped(
            Command::new("unshare")
                .args([
                    if root { "-m" } else { "-Urm" },
                    "--propagation",
                    "private",
                    "sh",
                    "-c",
                    &script,
                ])
                .stdin(Stdio::null()),
        );
        let (status, said) = end(child);
        let told = said.contains("/proc") && said.contains("--privileged");
        assert!(status.success() || (status.code() == Some(1) && told), "{cover}: {said}");
        assert!(!said.contains("ENOENT") && !said.contains("No such file"), "{cover}: {said}");
    }
}
