//! A network namespace of one's own for a test or a bench, and a `natscope serve` in it.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};

/// Set in the process inside; says that it is inside.
const INSIDE: &str = "NATSCOPE_TEST_INSIDE";

/// Whether this process is the one inside.
pub fn inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// A command that runs its arguments in a new network namespace, as root or as anybody.
///
/// # Errors
/// Why this system gives none.
pub fn unshare() -> Result<Command, String> {
    let flags = if nix::unistd::geteuid().is_root() { "-n" } else { "-Urn" };
    let tried = Command::new("unshare").args([flags, "true"]).output();
    let output = tried.map_err(|error| format!("unshare: {error}"))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(format!("no network namespace: {why}"));
    }
    let mut command = Command::new("unshare");
    command.arg(flags).env(INSIDE, "1");
    Ok(command)
}

/// Runs `body` in a namespace with these addresses: this test program starts itself again in there,
/// for `test` only, which is named with its modules. It is skipped where there is no namespace, or
/// `need` is not met.
pub fn in_namespace_with(
    test: &str,
    need: impl FnOnce() -> Result<(), String>,
    on_loopback: &[&str],
    body: impl FnOnce(),
) {
    if inside() {
        addresses(on_loopback);
        return body();
    }
    let mut command = match unshare().and_then(|command| need().map(|()| command)) {
        Ok(command) => command,
        Err(reason) => {
            return super::skip(reason);
        }
    };
    let this = std::env::current_exe().expect("this test binary");
    // the harness knows no name of the program
    let (_, test) = test.split_once("::").expect("named with its modules");
    let output = command.arg(this).args([test, "--exact", "--nocapture"]).output().expect("runs");
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let told = String::from_utf8_lossy(&both);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("1 passed"), "no test of this name: {told}");
    super::pass_on(&told);
}

/// Brings the loopback interface up with these addresses.
pub fn addresses(addresses: &[&str]) {
    ip(&["link", "set", "lo", "up"]);
    for address in addresses {
        if address.contains(':') {
            ip(&["address", "add", &format!("{address}/128"), "dev", "lo", "nodad"]);
        } else {
            ip(&["address", "add", &format!("{address}/32"), "dev", "lo"]);
        }
    }
}

/// Runs `ip` in the namespace of this process.
pub fn ip(arguments: &[&str]) {
    let status = Command::new("ip").args(arguments).status().expect("iproute2 is installed");
    assert!(status.success(), "ip {arguments:?}");
}

/// A running `natscope serve`.
pub struct Serve {
    child: Child,
    stderr: BufReader<ChildStderr>,
    /// What it has said.
    pub said: String,
}

impl Serve {
    /// Starts it by `command` and waits until it answers on `sockets` sockets.
    pub fn start(command: &mut Command, sockets: usize) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("it starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
        let mut said = String::new();
        while said.matches("answering on").count() < sockets {
            let read = stderr.read_line(&mut said).expect("text");
            assert_ne!(read, 0, "it ended: {said}");
        }
        Self { child, stderr, said }
    }

    /// Waits until it has said this since it was asked last; the line.
    pub fn wait_for(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.stderr.read_line(&mut line).expect("text");
            assert_ne!(read, 0, "it ended without `{text}`: {}", self.said);
            self.said += &line;
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Sends it SIGHUP.
    pub fn hang_up(&self) {
        let process = nix::unistd::Pid::from_raw(self.child.id().try_into().expect("a pid"));
        nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGHUP).expect("it runs");
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM; returns the exit code (`None`: killed by the signal) and all that it said.
    pub fn terminate(mut self) -> (Option<i32>, String) {
        let process = nix::unistd::Pid::from_raw(self.child.id().try_into().expect("a pid"));
        nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGTERM).expect("it runs");
        let status = self.child.wait().expect("a child");
        let mut said = std::mem::take(&mut self.said);
        self.stderr.read_to_string(&mut said).expect("text");
        (status.code(), said)
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        // already gone after `terminate`
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
