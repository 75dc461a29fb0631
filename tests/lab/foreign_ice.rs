//! A foreign ICE agent (aioice) behind every pair of the classic NATs, with STUN alone: it connects
//! exactly where `nat::pair::forecast` says that STUN is enough. So the lab, the prediction and an
//! implementation of ICE that knows neither agree.

use crate::harness::{Outcome, classic_pairs, runtime, text};
use natscope::lab::kernel::namespace::{Namespace, Submitted};
use natscope::lab::kernel::{experiment, supervisor};
use natscope::nat::NatSpec;
use natscope::nat::pair::{Verdict, forecast};
use serde_json::Value;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc;

const PEER: &str = include_str!("../suite/support/aioice_peer.py");
/// An attempt that fails takes about four seconds, a few more on a busy machine.
const LONGEST: Duration = Duration::from_secs(60);

/// Whether the agent is here.
pub fn need() -> Outcome {
    let have = std::process::Command::new("python3").args(["-c", "import aioice"]).output();
    if have.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    Err("python3 has no module `aioice`".into())
}

pub fn run() -> Outcome {
    let pairs = classic_pairs()?;
    let runtime = runtime()?;
    runtime.block_on(async {
        tokio::time::timeout(LONGEST, connect_all(&pairs)).await.map_err(|_| "it did not end")?
    })
}

/// All pairs side by side, each with two NATs of its own.
async fn connect_all(pairs: &[[NatSpec; 2]]) -> Outcome {
    let lab = experiment::build(pairs.as_flattened(), 0).await.map_err(text)?;
    experiment::serve(&lab.internet).await.map_err(text)?;
    let running: Vec<_> = lab
        .sites
        .chunks_exact(2)
        .map(|sites| {
            let (to_a, for_a) = mpsc::unbounded_channel();
            let (to_b, for_b) = mpsc::unbounded_channel();
            [
                peer(&sites[0].clients[0], "controlling", to_b, for_a),
                peer(&sites[1].clients[0], "controlled", to_a, for_b),
            ]
        })
        .collect();
    let mut wrong = Vec::new();
    for (pair, [a, b]) in pairs.iter().zip(running) {
        let said = [a.wait().await.map_err(text)??, b.wait().await.map_err(text)??];
        let connected = [said[0]["connected"] == true, said[1]["connected"] == true];
        let predicted = forecast(&pair[0], &pair[1]).verdict;
        let line = format!(
            "{} × {}: predicted {predicted}, aioice: {} / {}",
            pair[0].name, pair[1].name, said[0], said[1]
        );
        println!("{line}");
        if connected != [predicted == Verdict::Stun; 2] {
            wrong.push(line);
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// Runs one peer in a namespace; what it prints is told to the other. Its last line is the result.
fn peer(
    host: &Namespace,
    role: &'static str,
    tell: mpsc::UnboundedSender<String>,
    mut told: mpsc::UnboundedReceiver<String>,
) -> Submitted<Outcome<Value>> {
    host.submit(move || async move {
        let server = experiment::server();
        let mut child = Command::new("python3")
            .args(["-c", PEER, role, &server.ip().to_string(), &server.port().to_string()])
            .env_remove(supervisor::INSIDE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(text)?;
        let mut stdin = child.stdin.take().ok_or("no stdin")?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no stdout")?).lines();
        let mut last = None;
        loop {
            tokio::select! {
                line = lines.next_line() => match line.map_err(text)? {
                    Some(line) => {
                        // the other may be done
                        let _ = tell.send(format!("{line}\n"));
                        last = Some(line);
                    }
                    None => break,
                },
                Some(line) = told.recv() => {
                    // when it has ended its exit says why
                    let _ = stdin.write_all(line.as_bytes()).await;
                }
            }
        }
        let status = child.wait().await.map_err(text)?;
        if !status.success() {
            return Err(format!("a peer ended with {status}"));
        }
        serde_json::from_str(&last.ok_or("a peer said nothing")?).map_err(text)
    })
}
