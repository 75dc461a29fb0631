//! What the tests of the program share.
#![allow(dead_code)] // each program of tests or benches uses a part
#![allow(clippy::disallowed_types)] // free ports are found by sockets

pub mod certificate;
#[cfg(target_os = "linux")]
pub mod coturn;
pub mod faulty;
pub mod faulty_turn;
#[cfg(target_os = "linux")]
pub mod netns;
pub mod turn;
pub mod websocket;
#[cfg(target_os = "linux")]
pub mod world;

#[cfg(target_os = "linux")]
pub use natscope::lab::pass_on;
pub use natscope::lab::skip;

use natscope::net::serve;
use natscope::stun::responder::Sites;
use std::net::SocketAddr;
use std::process::Output;
use tokio::sync::oneshot;

/// The program, with no configuration of the user's.
pub fn natscope() -> assert_cmd::Command {
    let mut command = assert_cmd::Command::new(assert_cmd::cargo::cargo_bin!("natscope"));
    command.env("XDG_CONFIG_HOME", "/nonexistent").env_remove("NO_COLOR");
    command.timeout(std::time::Duration::from_secs(60));
    command
}

/// What it printed.
pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What it told.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A file, by its path from the top of the project.
pub fn read(path: &str) -> String {
    let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(top.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Whether the lab runs here; where it does not, the tests say so, and fail when it must.
pub fn lab() -> bool {
    let output = natscope().args(["lab", "doctor"]).output().unwrap();
    if output.status.success() {
        return true;
    }
    skip(format!("the lab does not run here: {}", stdout(&output)));
    false
}

/// A JSON document.
pub fn parse(text: &str) -> serde_json::Value {
    let document: serde_json::Value =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"));
    let name = document["schema"].as_str().and_then(|name| name.strip_prefix("natscope-"));
    if let Some(name) = name.and_then(|name| name.strip_suffix("/1")) {
        let schema = serde_json::from_str(&read(&format!("docs/{name}.schema.json"))).unwrap();
        if let Err(error) = jsonschema::validate(&schema, &document) {
            panic!("{error} at {} in {document:#}", error.instance_path());
        }
    }
    document
}

/// Our own RFC 5780 server on two loopback addresses, until it is dropped.
pub struct Server {
    primary: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    /// Starts it on ports that are free.
    pub fn start() -> Self {
        let (tell, told) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let (primary, server) = (0..50).find_map(|_| Self::bind()).expect("free ports");
                tell.send(primary).unwrap();
                server.run(async { drop(stopped.await) }).await.unwrap();
            });
        });
        let primary = told.recv().expect("the server starts");
        Self { primary, stop: Some(stop), thread: Some(thread) }
    }

    /// One try: ports that were free a moment ago on one address may be taken on the other.
    fn bind() -> Option<(SocketAddr, serve::Server)> {
        let free = |ip: &str| {
            let socket = std::net::UdpSocket::bind((ip, 0)).ok()?;
            socket.local_addr().ok()
        };
        let (primary, alternate) = (free("127.0.0.1")?, free("127.0.0.2")?);
        if primary.port() == alternate.port() {
            return None;
        }
        let sites = Sites::Two { primary, alternate };
        let server = serve::Server::bind(serve::Config::new(vec![sites])).ok()?;
        Some((primary, server))
    }

    /// Its URI.
    pub fn uri(&self) -> String {
        format!("stun:{}", self.primary)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let result = thread.join();
            assert!(result.is_ok() || std::thread::panicking(), "the server has panicked");
        }
    }
}
