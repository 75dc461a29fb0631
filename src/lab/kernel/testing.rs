//! A lab for a test, in any project and under the ordinary harness.
//!
//! Namespaces must be entered before a program has threads, and a harness has them. The test
//! program therefore starts itself again by way of `unshare` (util-linux), for the one test that
//! asked, and that test goes on in there. It ends with the test outside in whatever way that ends.

use super::experiment::{self, RELAY_PASSWORD, RELAY_URI, RELAY_USER, SECOND_URI, SERVER_URI};
use super::namespace::Namespace;
use super::supervisor::{self, fix_of_refusal, proc_is_partial};
use super::{Lab, LabError, LabSite, nft, wishes};
use crate::lab::catalogue::Catalogue;
use crate::lab::{pass_on, skip};
use crate::nat::NatSpec;
use crate::net::serve::RelayHandle;
use std::os::fd::AsFd as _;
use std::process::{Command, Output, Stdio};

/// Names, in the process inside, the test that it is for.
const INSIDE: &str = "NATSCOPE_LAB_TEST";

/// A running lab: an internet with our servers, and NATs with a host behind each.
#[derive(Debug)]
pub struct TestLab {
    lab: Lab,
    relay: RelayHandle,
}

impl TestLab {
    /// A STUN server with two addresses (RFC 5780).
    pub const STUN: &str = SERVER_URI;
    /// A plain STUN server.
    pub const PLAIN_STUN: &str = SECOND_URI;
    /// A TURN relay.
    pub const TURN: &str = RELAY_URI;
    /// The relay's user.
    pub const USER: &str = RELAY_USER;
    /// Their password.
    pub const PASSWORD: &str = RELAY_PASSWORD;

    /// The host behind the NAT that was named at this place, counted from 0.
    ///
    /// # Panics
    /// No NAT was named there.
    #[must_use]
    pub fn host(&self, at: usize) -> &Namespace {
        self.sites().get(at).and_then(|site| site.clients.first()).unwrap_or_else(|| {
            panic!("there is no NAT {at}: the lab has {}, from 0", self.sites().len())
        })
    }

    /// The NATs, in the order in which they were named.
    #[must_use]
    pub fn sites(&self) -> &[LabSite] {
        &self.lab.sites
    }

    /// The internet, where whatever a test starts is a server for all.
    #[must_use]
    pub fn internet(&self) -> &Namespace {
        &self.lab.internet
    }

    /// The relay's account of what it carried.
    #[must_use]
    pub fn relay(&self) -> &RelayHandle {
        &self.relay
    }
}

/// Builds a lab for this test and runs `body` in it: `nats` are names of the catalogue (`natscope
/// lab list`) or composed ones, with commas between. For `#[test]` and `#[tokio::test]` alike.
///
/// `body` runs in another process than the rest of the test, which runs in both. Where this machine
/// refuses namespaces, or has no `nft`, the test prints `SKIPPED: reason` and passes; with
/// `NATSCOPE_REQUIRE_LAB=1` it fails.
///
/// ```no_run
/// # use natscope::lab::{self, TestLab};
/// #[test]
/// fn a_symmetric_nat_hides_the_port() {
///     lab::test("symmetric", async |lab: TestLab| {
///         let port = lab.host(0).run(|| async {
///             let socket = tokio::net::UdpSocket::bind("0.0.0.0:0").await.unwrap();
///             // what your program does behind this NAT
///             socket.local_addr().unwrap().port()
///         });
///         assert_ne!(port.await.unwrap(), 0);
///     });
/// }
/// ```
///
/// # Panics
/// `body` panics, a name is of no NAT, or the lab cannot be built though namespaces are given.
pub fn test<F: AsyncFnOnce(TestLab) + Send>(nats: &str, body: F) {
    let name = own_name::<F>();
    if std::env::var(INSIDE).is_ok_and(|inside| inside == name) {
        // a thread that has no runtime yet, which that of a `tokio::test` has
        let ended = std::thread::scope(|scope| scope.spawn(|| inside(nats, body)).join());
        return ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    }
    match again(&name) {
        Ok(output) => report(&name, &output),
        Err(why) => skip(why),
    }
}

/// The test as the harness knows it. It names the thread so, but where it runs one test at a time,
/// in its main thread; then the test is where the closure was written.
fn own_name<F>() -> String {
    match std::thread::current().name() {
        Some(name) if name != "main" => name.to_owned(),
        _ => {
            let path = std::any::type_name::<F>().split("::{{closure}}").next().unwrap_or("");
            path.split_once("::").map_or(path, |(_crate, test)| test).to_owned()
        }
    }
}

/// Runs this program again in new namespaces, for one test.
fn again(name: &str) -> Result<Output, LabError> {
    nft::find()?;
    let mut flags = vec!["--mount", "--net", "--pid", "--fork", "--kill-child"];
    let root = nix::unistd::geteuid().is_root();
    if !(root && proc_is_partial()) {
        flags.extend(["--user", "--map-root-user"]);
    }
    let refused = |why: String| LabError::Refused {
        what: "namespaces are refused".into(),
        why,
        fix: fix_of_refusal(),
    };
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(&flags);
        command
    };
    let tried = unshare().arg("true").output().map_err(|e| refused(format!("unshare: {e}")))?;
    if !tried.status.success() {
        return Err(refused(String::from_utf8_lossy(&tried.stderr).trim().to_owned()));
    }
    let failed = |e: std::io::Error| LabError::Experiment(format!("this program again: {e}"));
    let this = std::env::current_exe().map_err(failed)?;
    let mut command = unshare();
    command.arg(this).args([name, "--exact", "--nocapture", "--include-ignored"]);
    // the pipe is a line of life: the test inside ends when nobody holds its other end
    command.env(INSIDE, name).stdin(Stdio::piped());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(failed)?;
    wait(child).map_err(failed)
}

/// Waits with the pipe open, which `Child::wait_with_output` would close.
fn wait(mut child: std::process::Child) -> std::io::Result<Output> {
    let line = child.stdin.take();
    let output = child.wait_with_output();
    drop(line);
    output
}

/// Says outside what the test inside came to.
fn report(name: &str, output: &Output) {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let told = String::from_utf8_lossy(&both);
    assert!(output.status.success(), "inside of the lab: {told}");
    assert!(told.contains("1 passed"), "there is no test called {name}: {told}");
    pass_on(&told);
    // to the harness, which shows it or keeps it back
    print!("{told}");
}

fn inside<F: AsyncFnOnce(TestLab)>(nats: &str, body: F) {
    match prepare() {
        Ok(()) => {}
        Err(refused @ LabError::Refused { .. }) => return skip(refused),
        Err(error) => panic!("{error}"),
    }
    let catalogue = Catalogue::embedded();
    let found = nats.split(',').map(|name| catalogue.find(name.trim()));
    let specs: Vec<NatSpec> = found.collect::<Result<_, _>>().unwrap_or_else(|e| panic!("{e}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let lab = match experiment::build(&specs, 0).await {
            Ok(lab) => lab,
            Err(refused @ LabError::Refused { .. }) => return skip(refused),
            Err(error) => panic!("{error}"),
        };
        let relay = experiment::serve(&lab.internet).await.unwrap_or_else(|e| panic!("{e}"));
        body(TestLab { lab, relay }).await;
    });
}

fn prepare() -> Result<(), LabError> {
    let refused = |e: std::io::Error| supervisor::refused("stdin", e);
    let line = std::io::stdin().as_fd().try_clone_to_owned().map_err(refused)?;
    drop(wishes::follow(line.into())?);
    supervisor::settle()
}
