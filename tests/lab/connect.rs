//! `natscope connect` between two hosts behind every pair of the classic NATs: by file with STUN
//! alone, by a pasted line and through a room with TURN besides. What connects, and how, is what
//! `nat::pair::forecast` says; both sides report the same; no password is in a report.

#![allow(clippy::disallowed_methods)] // how long it took is printed

use crate::harness::{Outcome, classic_pairs, runtime, text};
use natscope::lab::kernel::namespace::{Namespace, Submitted};
use natscope::lab::kernel::{experiment, supervisor};
use natscope::nat::NatSpec;
use natscope::nat::pair::{Verdict, forecast};
use natscope::net::signal;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;
use tokio::sync::oneshot;

/// With STUN alone a failure takes ten seconds, a few more on a busy machine.
const LONGEST: Duration = Duration::from_secs(120);
const SIGNAL_PORT: u16 = 3480;

/// How two peers meet in this test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    File,
    Line,
    Room,
}

pub fn run() -> Outcome {
    let pairs = classic_pairs()?;
    let folder = tempfile::tempdir().map_err(text)?;
    let runtime = runtime()?;
    runtime.block_on(async {
        let all = connect_all(&pairs, folder.path());
        tokio::time::timeout(LONGEST, all).await.map_err(|_| "it did not end")?
    })
}

/// All pairs side by side in one lab, one way after the other.
async fn connect_all(pairs: &[[NatSpec; 2]], folder: &Path) -> Outcome {
    let lab = experiment::build(pairs.as_flattened(), 0).await.map_err(text)?;
    let _relay = experiment::serve(&lab.internet).await.map_err(text)?;
    rooms(&lab.internet).await?;
    let mut wrong = Vec::new();
    for way in [Way::File, Way::Line, Way::Room] {
        let began = Instant::now();
        let mut running = Vec::new();
        for (number, sites) in lab.sites.chunks_exact(2).enumerate() {
            let hosts = [&sites[0].clients[0], &sites[1].clients[0]];
            running.push(meet(way, number, hosts, folder));
        }
        for (pair, [a, b]) in pairs.iter().zip(running) {
            let said = [a.wait().await.map_err(text)??, b.wait().await.map_err(text)??];
            let names = format!("{way:?}: {} × {}", pair[0].name, pair[1].name);
            match check(way, pair, &said) {
                Ok(how) => println!("{names}: {how}"),
                Err(error) => wrong.push(format!("{names}: {error}")),
            }
        }
        println!("{way:?}: {} pairs in {:.1} s", pairs.len(), began.elapsed().as_secs_f64());
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// The signalling server, in the lab's internet.
async fn rooms(internet: &Namespace) -> Outcome {
    let (tell, ready) = oneshot::channel();
    drop(internet.submit(move || async move {
        let listen = std::net::SocketAddr::new(experiment::server().ip(), SIGNAL_PORT);
        let config = signal::Config::new(listen);
        match signal::Server::bind(config) {
            Ok(server) => {
                let _ = tell.send(Ok(()));
                server.run(std::future::pending()).await;
            }
            Err(error) => {
                let _ = tell.send(Err(error.to_string()));
            }
        }
    }));
    ready.await.map_err(text)?
}

/// What one side printed.
struct Said {
    report: Value,
    text: String,
}

fn meet(
    way: Way,
    number: usize,
    hosts: [&Namespace; 2],
    folder: &Path,
) -> [Submitted<Outcome<Said>>; 2] {
    let path = |name: &str| folder.join(format!("{number}-{name}.sdp")).display().to_string();
    let server = experiment::server().ip();
    match way {
        Way::File => {
            let files = [path("offer"), "--answer".to_owned(), path("answer")];
            ["offer", "answer"].map(|side| {
                let host = hosts[usize::from(side == "answer")];
                // who answers cannot know that the other has failed, and waits for it so long
                let wait = ["--wait".to_owned(), "15s".to_owned()];
                let arguments = [&[side.to_owned()][..], &files, &wait].concat();
                start(host, arguments, false, None, None)
            })
        }
        Way::Line => {
            // what one prints is pasted into the other
            let (to_answer, for_answer) = oneshot::channel();
            let (to_offer, for_offer) = oneshot::channel();
            [
                start(hosts[0], vec!["offer".into()], true, Some(to_answer), Some(for_offer)),
                start(hosts[1], vec!["answer".into()], true, Some(to_offer), Some(for_answer)),
            ]
        }
        Way::Room => {
            let via = format!("ws://{server}:{SIGNAL_PORT}");
            let room = format!("pair-{number}");
            let arguments = ["--via", &via, "--room", &room].map(str::to_owned).to_vec();
            hosts.map(|host| start(host, arguments.clone(), true, None, None))
        }
    }
}

/// Runs one side in its namespace.
fn start(
    host: &Namespace,
    arguments: Vec<String>,
    turn: bool,
    tell: Option<oneshot::Sender<String>>,
    told: Option<oneshot::Receiver<String>>,
) -> Submitted<Outcome<Said>> {
    host.submit(move || async move {
        let bin: PathBuf = assert_cmd::cargo::cargo_bin!("natscope").to_owned();
        let mut command = Command::new(bin);
        command
            .arg("connect")
            .args(arguments)
            .args(["--format", "json", "--server", experiment::SERVER_URI])
            .args(["--server", experiment::SECOND_URI])
            .env_remove(supervisor::INSIDE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if turn {
            command
                .args(["--turn", experiment::RELAY_URI, "--user", experiment::RELAY_USER])
                .env("NATSCOPE_TURN_PASSWORD", experiment::RELAY_PASSWORD);
        }
        let mut child = command.spawn().map_err(text)?;
        let mut stdin = child.stdin.take().ok_or("no stdin")?;
        let mut stdout = child.stdout.take().ok_or("no stdout")?;
        let mut lines = BufReader::new(child.stderr.take().ok_or("no stderr")?).lines();
        let mut heard = String::new();
        let paste = async {
            if let Some(told) = told {
                let line = told.await.map_err(|_| "the other side printed no line")?;
                stdin.write_all(line.as_bytes()).await.map_err(text)?;
            }
            Ok::<_, String>(stdin)
        };
        let listen = async {
            let mut tell = tell;
            while let Some(line) = lines.next_line().await.map_err(text)? {
                if line.starts_with("natscope-") {
                    if let Some(tell) = tell.take() {
                        let _ = tell.send(format!("{line}\n"));
                    }
                } else {
                    heard += &line;
                    heard.push('\n');
                }
            }
            Ok::<_, String>(())
        };
        let mut document = String::new();
        let print = async { stdout.read_to_string(&mut document).await.map_err(text) };
        let (_stdin, (), _) = tokio::try_join!(paste, listen, print)?;
        let status = child.wait().await.map_err(text)?;
        if !status.success() {
            return Err(format!("{status}: {heard}"));
        }
        let report = serde_json::from_str(&document).map_err(|e| format!("{e}: {document}"))?;
        Ok(Said { report, text: document })
    })
}

/// How they connected, if that is as it should be.
fn check(way: Way, pair: &[NatSpec; 2], said: &[Said; 2]) -> Outcome<String> {
    let predicted = forecast(&pair[0], &pair[1]).verdict;
    let turn = way != Way::File;
    let expected: &[&str] = match (predicted, turn) {
        (Verdict::Stun, _) => &["direct-reflexive"],
        (_, true) => &["relay-one-side", "relay-both"],
        (_, false) => &["failed"],
    };
    let [a, b] = [&said[0].report, &said[1].report];
    for report in [a, b] {
        let connection = report["result"]["connection"].as_str().unwrap_or_default();
        if !expected.contains(&connection) {
            return Err(format!("expected {expected:?}: {report:#}"));
        }
        if report["result"]["because"].as_str().unwrap_or_default().is_empty() {
            return Err(format!("no reason: {report:#}"));
        }
    }
    for said in said {
        if said.text.contains("\"pwd\"") || said.text.contains("password\":") {
            return Err(format!("a password: {}", said.text));
        }
    }
    let connected = expected != ["failed"];
    if connected || way == Way::Room {
        same(a, b)?;
        if a["result"]["predicted"] != predicted.to_string() {
            return Err(format!("predicted otherwise than {predicted}: {a:#}"));
        }
    }
    if connected {
        for side in [&a["sides"][0], &a["sides"][1]] {
            if side["round_trips"]["median_ms"].as_f64().is_none() {
                return Err(format!("no round trip: {a:#}"));
            }
        }
    }
    if turn && predicted == Verdict::Stun && a["relayed"]["round_trips"]["median_ms"].is_null() {
        return Err(format!("no round trip through the relay: {a:#}"));
    }
    Ok(a["result"]["connection"].as_str().unwrap_or_default().to_owned())
}

/// Both report the same, but for when and by whom.
fn same(a: &Value, b: &Value) -> Outcome {
    let bare = |report: &Value| {
        let mut report = report.clone();
        if let Some(fields) = report.as_object_mut() {
            fields.retain(|name, _| !["started", "duration_ms", "written_by"].contains(&&**name));
        }
        report
    };
    if bare(a) == bare(b) { Ok(()) } else { Err(format!("two reports: {a:#}\n{b:#}")) }
}
