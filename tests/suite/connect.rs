//! `natscope connect` as a program, on this host alone: its errors, what it does when the signalling
//! server goes, and when it is interrupted.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)] // mute peers; a clock to give up by
#![allow(clippy::large_futures)] // one run of each

use crate::support;
use crate::support::{natscope, parse, stderr};
use natscope::ice::{Candidate, Description, Kind, Policy, Transport};
use natscope::net::Stop;
use natscope::net::bind::Bind;
use natscope::net::connect::{self, Attempt, Config, Meeting, Progress, Room};
use natscope::net::ice::Options;
use natscope::net::serve;
use natscope::net::signal::{self, Server};
use natscope::net::tls::Tls;
use natscope::sdp::Message;
use natscope::stun::responder::Sites;
use natscope::turn::relay::{self, Credentials};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

const LOCAL: [&str; 7] =
    ["--bind", "127.0.0.1", "--no-probe", "--quick", "--server", "stun:127.0.0.1:9", "--format"];

fn description(ufrag: &str) -> Description {
    let candidate = Candidate {
        foundation: "1".to_owned(),
        component: 1,
        transport: Transport::Udp,
        priority: 2_130_706_431,
        address: "127.3.4.5:40009".parse().unwrap(), // nobody
        kind: Kind::Host,
        related: None,
    };
    Description {
        ufrag: ufrag.to_owned(),
        pwd: "SecretSecretSecretSecret".to_owned(),
        candidates: vec![candidate],
        complete: true,
        trickle: true,
    }
}

/// A `natscope serve` and what it says that it answers on.
struct Serving {
    child: Child,
    addresses: Vec<String>,
}

impl Serving {
    fn start(arguments: &[&str], answers: usize) -> Self {
        let mut child = Command::new(assert_cmd::cargo::cargo_bin!("natscope"))
            .arg("serve")
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut addresses = Vec::new();
        for line in BufReader::new(child.stderr.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some((_, address)) = line.split_once("answering on ") {
                addresses.push(address.to_owned());
            }
            if addresses.len() == answers {
                break;
            }
        }
        assert_eq!(addresses.len(), answers, "the server ended: {addresses:?}");
        Self { child, addresses }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait_for(file: &Path) {
    let began = Instant::now();
    while !file.exists() {
        assert!(began.elapsed() < Duration::from_secs(20), "{} does not come", file.display());
        std::thread::yield_now();
    }
}

#[test]
fn half_of_an_offer_is_called_half() {
    let line = Message::offer(description("aaaa")).to_line();
    let output = natscope()
        .args(["connect", "answer"])
        .args(LOCAL)
        .arg("text")
        .write_stdin(&line[..line.len() / 2])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(told.contains("only a part of this offer was pasted"), "{told}");
    assert!(told.contains("copy the whole line again"), "{told}");
}

#[test]
fn nothing_pasted_and_the_wrong_thing_pasted_are_told() {
    let answer = Message::answer(description("bbbb"), &description("aaaa")).to_line();
    for (pasted, told) in [
        (String::new(), "stdin ended before the offer was pasted"),
        ("v=0\no=- 1 1 IN IP4\n".to_owned(), "stdin, line 2, column"),
        (answer + "\n", "this is an answer, but an offer is expected"),
    ] {
        let output = natscope()
            .args(["connect", "answer"])
            .args(LOCAL)
            .arg("text")
            .write_stdin(pasted)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(stderr(&output).contains(told), "{told}: {}", stderr(&output));
    }
}

#[cfg(target_os = "linux")]
fn press_ctrl_c(child: &std::process::Child) {
    use nix::{sys::signal, unistd::Pid};
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    signal::kill(pid, signal::Signal::SIGINT).unwrap();
}

#[cfg(not(target_os = "linux"))]
fn press_ctrl_c(_: &std::process::Child) {
    panic!("signals are sent by nix, which only tests on Linux have");
}

/// Starts `connect offer` with files, and lets the answer be made from the offer.
fn offer_by_file(answer: impl FnOnce(&Message) -> String) -> std::process::Output {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (folder.path().join("offer.sdp"), folder.path().join("answer.sdp"));
    let child = Command::new(assert_cmd::cargo::cargo_bin!("natscope"))
        .args(["connect", "offer"])
        .arg(&ours)
        .arg("--answer")
        .arg(&theirs)
        .args(LOCAL)
        .arg("json")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for(&ours);
    let offer = natscope::sdp::read(&std::fs::read_to_string(&ours).unwrap()).unwrap();
    let answer = answer(&offer.message().unwrap().0);
    if answer.is_empty() {
        press_ctrl_c(&child);
    } else {
        std::fs::write(&theirs, answer).unwrap();
    }
    child.wait_with_output().unwrap()
}

#[test]
fn an_answer_to_another_offer_is_refused() {
    let output =
        offer_by_file(|_| Message::answer(description("bbbb"), &description("another")).to_sdp());
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("this answers another offer (`another`;"),
        "{}",
        stderr(&output)
    );
    let output = offer_by_file(Message::to_sdp);
    assert!(stderr(&output).contains("this is our own offer"), "{}", stderr(&output));
}

#[test]
fn a_failed_connection_is_a_result() {
    let output =
        offer_by_file(|offer| Message::answer(description("bbbb"), &offer.description).to_line());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report = parse(&support::stdout(&output));
    assert_eq!(report["schema"], "natscope-connect/1");
    assert_eq!(report["result"]["connection"], "failed", "{report:#}");
    assert!(!report["result"]["because"].as_str().unwrap().is_empty());
    assert!(!report.to_string().contains("Secret"), "the password is in the report");
}

#[test]
#[cfg(target_os = "linux")]
fn ctrl_c_leaves_a_valid_report() {
    let output = offer_by_file(|_| String::new());
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let report = parse(&support::stdout(&output));
    assert_eq!(report["cut_short"], "it was interrupted");
    assert_eq!(report["result"]["connection"], serde_json::Value::Null);
    assert_eq!(report["sides"][0]["role"], "offer");
    assert_eq!(report["sides"][0]["outcome"]["local"][0]["kind"], "host", "{report:#}");
}

#[test]
fn a_full_room_is_a_clear_refusal() {
    let server = Serving::start(&["--signal", "127.0.0.1:0"], 1);
    let via = server.addresses[0].as_str();
    let waiting: Vec<_> =
        (0..2).map(|_| std::net::TcpStream::connect(via.trim_start_matches("ws://"))).collect();
    drop(waiting);
    let (held, stop) = hold(via, 2);
    let output = natscope()
        .args(["connect", "--via", via, "--room", "a"])
        .args(LOCAL)
        .arg("text")
        .output()
        .unwrap();
    drop(stop);
    held.join().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(told.contains("room a: two peers are in this room already"), "{told}");
}

/// Keeps so many clients in room `a` until the sender is dropped.
fn hold(via: &str, count: usize) -> (std::thread::JoinHandle<()>, oneshot::Sender<()>) {
    let uri: signal::Uri = via.parse().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let (ready, is_ready) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let mut clients = Vec::new();
            let patience = Duration::from_secs(10);
            for _ in 0..count {
                let tls = Tls::default();
                let mut client = signal::connect(&uri, "a", &tls, patience).await.unwrap();
                client.joined(patience).await.unwrap();
                clients.push(client);
            }
            ready.send(()).unwrap();
            let _ = stopped.await;
        });
    });
    is_ready.recv().unwrap();
    (thread, stop)
}

#[test]
fn no_signalling_server_is_told_with_what_to_do() {
    let output = natscope()
        .args(["connect", "--via", "ws://127.0.0.1:9", "--room", "a"])
        .args(LOCAL)
        .arg("text")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cannot connect to ws://127.0.0.1:9"), "{}", stderr(&output));
}

/// One side through a relay that refuses it: what its report says of the server.
fn refused(server: &[&str], user: &str, password: &str) -> String {
    let serving = Serving::start(&[&["--listen", "127.0.0.1:0"], server].concat(), 1);
    let at = &serving.addresses[0];
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (folder.path().join("offer.sdp"), folder.path().join("answer.sdp"));
    let child = Command::new(assert_cmd::cargo::cargo_bin!("natscope"))
        .args(["connect", "offer"])
        .arg(&ours)
        .arg("--answer")
        .arg(&theirs)
        .args(LOCAL)
        .args(["json", "--turn", &format!("turn:{at}"), "--user", user])
        .env("NATSCOPE_TURN_PASSWORD", password)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for(&ours);
    let offer = natscope::sdp::read(&std::fs::read_to_string(&ours).unwrap()).unwrap();
    let offer = offer.message().unwrap().0.description;
    std::fs::write(&theirs, Message::answer(description("bbbb"), &offer).to_sdp()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let document = support::stdout(&output);
    assert!(!document.contains(password) && !document.contains(&offer.pwd), "{document}");
    let report = parse(&document);
    report["sides"][0]["findings"][0]["text"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_wrong_password_and_expired_credentials_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let good = file("password", "right-password\n");
    let users = ["--turn", "--user", "alice", "--password-file", &good];
    let told = refused(&users, "alice", "wrong-password");
    assert!(
        told.contains("401") && told.contains("check the user name and the password"),
        "{told}"
    );
    let secret = file("secret", "shared-secret\n");
    let told =
        refused(&["--turn", "--secret-file", &secret], "1000000000:alice", "b2xkIGFuZCBnb25l");
    assert!(told.contains("401") && told.contains("the credentials have expired"), "{told}");
}

fn config(policy: Policy) -> Config {
    let ice = Options {
        bind: Some(Bind::Address("127.0.0.1".parse().unwrap())),
        pace: natscope::ice::Pace::lab(),
        policy,
        ..Options::default()
    };
    let seconds = Duration::from_secs;
    Config { ice, probe: Vec::new(), budget: seconds(10), wait: seconds(20) }
}

/// Two peers in a room whose server is gone as soon as the peers know of each other.
async fn without_server(policy: Policy) -> [Attempt; 2] {
    let listen = "127.0.0.1:0".parse().unwrap();
    let server = Server::bind(signal::Config::new(listen));
    let server = server.unwrap();
    let uri: signal::Uri = server.uri().parse().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.run(async { drop(stopped.await) }));
    let ctrl_c = Stop::new();
    let room = || Meeting::Room(Room { uri: uri.clone(), name: "a".into(), tls: Tls::default() });
    let mut stop = Some(stop);
    let mut first = |news: Progress| {
        if news == Progress::Doing("telling each other") {
            // the server is killed in the middle of the run
            drop(stop.take());
            serving.abort();
        }
    };
    let mut second = |_| {};
    let (a, b) = tokio::join!(
        connect::run(config(policy), room(), ctrl_c.clone(), &mut first),
        connect::run(config(policy), room(), ctrl_c.clone(), &mut second),
    );
    [a.unwrap(), b.unwrap()]
}

#[tokio::test]
async fn peers_that_are_connected_go_on_without_the_signalling_server() {
    for attempt in without_server(Policy::All).await {
        let there = attempt.there.expect("the other's side came over the pair");
        assert!(there.outcome.unwrap().selected.is_some());
        assert!(attempt.here.unwrap().round_trips.is_some());
        assert_eq!(attempt.cut_short, None);
    }
}

#[tokio::test]
async fn peers_that_are_not_connected_end_in_bounded_time_without_the_server() {
    let began = Instant::now();
    // relayed candidates only, and no relay: nothing can connect
    for attempt in without_server(Policy::RelayOnly).await {
        let outcome = attempt.here.unwrap().outcome.unwrap();
        assert_eq!(outcome.connection, natscope::ice::Connection::Failed);
    }
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_server_that_goes_before_the_peers_meet_ends_the_run() {
    let listen = "127.0.0.1:0".parse().unwrap();
    let server = Server::bind(signal::Config::new(listen));
    let server = server.unwrap();
    let uri: signal::Uri = server.uri().parse().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let _serving = tokio::spawn(server.run(async { drop(stopped.await) }));
    let ctrl_c = Stop::new();
    let room = Meeting::Room(Room { uri, name: "a".into(), tls: Tls::default() });
    let mut stop = Some(stop);
    let mut told = |news: Progress| {
        if news == Progress::Doing("waiting for the peer") {
            drop(stop.take());
        }
    };
    let error = connect::run(config(Policy::All), room, ctrl_c, &mut told).await.unwrap_err();
    assert!(error.to_string().contains("before the peers knew each other"), "{error}");
}

/// Peers on one host connect in a moment; the allocation takes longer.
#[tokio::test]
async fn a_relay_that_answers_after_the_peers_have_connected_is_not_forgotten() {
    let users = vec![("alice".to_owned(), "wonder".to_owned())];
    let turn = relay::Config::new(Credentials { users, secrets: vec![] });
    let sites = vec![Sites::One("127.0.0.1:0".parse().unwrap())];
    let relay =
        serve::Server::bind(serve::Config { turn: Some(turn), ..serve::Config::new(sites) });
    let relay = relay.unwrap();
    let address = relay.sites()[0].all()[0].1;
    tokio::spawn(relay.run(std::future::pending()));
    let listen = "127.0.0.1:0".parse().unwrap();
    let rooms = Server::bind(signal::Config::new(listen));
    let rooms = rooms.unwrap();
    let uri: signal::Uri = rooms.uri().parse().unwrap();
    tokio::spawn(rooms.run(std::future::pending()));

    let room = || Meeting::Room(Room { uri: uri.clone(), name: "a".into(), tls: Tls::default() });
    let ctrl_c = Stop::new();
    let mut with_relay = config(Policy::All);
    with_relay.ice.turn = vec![natscope::turn::Server {
        uri: format!("turn:{address}"),
        name: "127.0.0.1".into(),
        address,
        over: natscope::turn::Over::Udp,
        user: "alice".into(),
        password: "wonder".into(),
    }];
    let (mut quiet, mut silent) = (|_| {}, |_| {});
    let (a, b) = tokio::join!(
        connect::run(with_relay, room(), ctrl_c.clone(), &mut quiet),
        connect::run(config(Policy::All), room(), ctrl_c.clone(), &mut silent),
    );
    let (a, b) = (a.unwrap(), b.unwrap());
    let outcome = a.here.unwrap().outcome.unwrap();
    assert!(outcome.connection.direct(), "{outcome:#?}");
    assert!(outcome.turn[0].relayed.is_some(), "{outcome:#?}");
    // this relay may not send to this host's own addresses; both say what came of it
    for attempt in [a.relayed, b.relayed] {
        let second = attempt.expect("the second connection was tried");
        assert!(second.relay.is_none() && second.because.is_some(), "{second:?}");
    }
}
