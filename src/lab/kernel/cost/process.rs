//! A relay in a process of its own, so that its processor time and memory are measured alone.

use super::super::namespace::Namespace;
use super::super::{LabError, nft, supervisor};
use crate::lab::coturn;
use crate::lab::plan::SERVER;
use std::io::{BufRead as _, BufReader, Read};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The relays that are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `natscope serve --turn`.
    Natscope,
    /// coturn's `turnserver`.
    Coturn,
}

/// How long one may take to be ready: on a busy machine its ports take coturn seconds.
const READY: Duration = Duration::from_secs(15);
/// The user of both.
pub const USER: &str = "lab";
/// Their password.
pub const PASSWORD: &str = "lab";

impl Kind {
    /// Its name in the document.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Natscope => "natscope",
            Self::Coturn => "coturn",
        }
    }

    /// Where it listens.
    pub const fn address(self) -> SocketAddr {
        let port = match self {
            Self::Natscope => 3478,
            Self::Coturn => 3480,
        };
        SocketAddr::new(IpAddr::V4(SERVER), port)
    }

    /// Whether a line of its log says that it is ready.
    fn is_ready(self, line: &str) -> bool {
        match self {
            Self::Natscope => line.contains("answering on"),
            Self::Coturn => coturn::is_ready(line),
        }
    }

    fn command(self, version: Option<coturn::Version>, folder: &Path) -> Result<Command, LabError> {
        let at = self.address();
        let mut command;
        match self {
            Self::Natscope => {
                let password = folder.join("relay.password");
                std::fs::write(&password, PASSWORD).map_err(|e| failed(self, &e.to_string()))?;
                command = Command::new("/proc/self/exe");
                command.args(["serve", "--listen", &at.to_string(), "--limit", "0"]);
                command.args(["--turn", "--user", USER, "--quota", "0", "--password-file"]);
                command.arg(password).env_remove(supervisor::INSIDE);
            }
            Self::Coturn => {
                command = Command::new(coturn::program());
                // one that does not say its version is told nothing of what only some know
                let options = version.map_or_else(Vec::new, |version| version.options(false));
                command.args(options).args(["--no-tls", "--lt-cred-mech"]);
                command.args(["-L", &at.ip().to_string(), "-p", &at.port().to_string()]);
                command.args(["-u", &format!("{USER}:{PASSWORD}"), "-r", "natscope"]);
                // beside the other relay's ports; it shuffles all of them before it begins, which
                // takes 4.17 half a millisecond for each
                command.args(["--min-port", "20000", "--max-port", "24000"]);
                command.arg("--pidfile").arg(folder.join("relay.pid"));
                command.arg("--userdb").arg(folder.join("relay.db"));
            }
        }
        Ok(command)
    }
}

/// The version of the `turnserver` that would be started; `None` when there is none.
fn coturn_version() -> Option<String> {
    let output = Command::new(coturn::program()).arg("--version").output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Gives packets that leave this port with a TTL of 1 a usual one.
fn ttl(port: u16) -> String {
    format!(
        "table ip relay_ttl {{\nchain out {{\ntype filter hook output priority mangle;\n\
         udp sport {port} ip ttl 1 ip ttl set 64;\n}}\n}}\n"
    )
}

fn failed(kind: Kind, why: &str) -> LabError {
    LabError::Experiment(format!("{}: {why}", kind.name()))
}

/// A running relay; it ends with this.
#[derive(Debug)]
pub struct Relay {
    /// Which program it is.
    pub kind: Kind,
    /// Its version.
    pub version: Option<String>,
    child: Child,
}

impl Relay {
    /// Starts it in a namespace and waits until it is ready. `None` when it is not installed.
    ///
    /// # Errors
    /// It ends at once; with the last thing it said.
    pub async fn start(kind: Kind, internet: &Namespace) -> Result<Option<Self>, LabError> {
        let folder = supervisor::names().unwrap_or_else(|| PathBuf::from("/nonexistent"));
        let said = if kind == Kind::Coturn { coturn_version() } else { None };
        let coturn = said.as_deref().and_then(coturn::Version::of);
        let version = match kind {
            Kind::Natscope => Some(env!("CARGO_PKG_VERSION").to_owned()),
            Kind::Coturn => coturn.map(|version| version.to_string()),
        };
        let started = internet.run(move || async move {
            if coturn.is_some_and(coturn::Version::spends_its_ttl) {
                nft::find()?.apply("internet", &ttl(kind.address().port())).await?;
            }
            // a child of this thread lives in this thread's namespace
            kind.command(coturn, &folder).map(|mut command| {
                command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
            })
        });
        let mut child = match started.await?? {
            Ok(child) => child,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(failed(kind, &e.to_string())),
        };
        let (tell, told) = tokio::sync::oneshot::channel();
        let log: Option<Box<dyn Read + Send>> = match kind {
            Kind::Natscope => child.stderr.take().map(|log| Box::new(log) as _),
            Kind::Coturn => child.stdout.take().map(|log| Box::new(log) as _),
        };
        let relay = Self { kind, version, child };
        let Some(log) = log else { return Err(failed(kind, "it has no log")) };
        std::thread::Builder::new()
            .spawn(move || follow(log, kind, tell))
            .map_err(|e| failed(kind, &format!("no thread can be had for its log: {e}")))?;
        match tokio::time::timeout(READY, told).await {
            Ok(Ok(Ok(()))) => Ok(Some(relay)),
            Ok(Ok(Err(said))) => Err(failed(kind, &format!("it ended at once: {said}"))),
            _ => Err(failed(kind, &format!("it was not ready within {} s", READY.as_secs()))),
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Processor time used so far, by all its threads.
    pub fn cpu(&self) -> Option<Duration> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).ok()?;
        let mut sum = 0;
        for task in tasks {
            let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            sum += text.split_whitespace().next()?.parse::<u64>().ok()?;
        }
        Some(Duration::from_nanos(sum))
    }

    /// Resident memory, in KiB.
    pub fn resident_kib(&self) -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse().ok()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // it may have ended already
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a log to its end, so that nobody blocks on it, and says when it has a certain line.
fn follow(log: impl Read, kind: Kind, tell: tokio::sync::oneshot::Sender<Result<(), String>>) {
    let mut tell = Some(tell);
    let mut last = String::new();
    for line in BufReader::new(log).split(b'\n') {
        let Ok(line) = line else { break };
        last = crate::stun::text::safe(&line);
        if kind.is_ready(&last)
            && let Some(tell) = tell.take()
        {
            let _ = tell.send(Ok(()));
        }
    }
    if let Some(tell) = tell {
        let _ = tell.send(Err(last));
    }
}
