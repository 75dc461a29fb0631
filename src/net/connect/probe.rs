//! The prober, beside everything else.

use super::Config;
use crate::ground::finding::{Finding, Id};
use crate::net::Stop;
use crate::net::probe;
use crate::peer::NatFacts;
use crate::probe::judge::{Judgement, judge};
use crate::probe::record::Record;
use std::time::Duration;
use tokio::task::JoinHandle;

/// The longest that probing goes on.
const BUDGET: Duration = Duration::from_secs(8);

/// Probers under way, one for each address family.
pub(super) struct Probing {
    tasks: Vec<JoinHandle<Result<Record, crate::net::NetError>>>,
    stop: Stop,
}

/// Starts them.
pub(super) fn start(config: &Config, stop: &Stop) -> Probing {
    let stop = stop.child_token();
    let start = |servers: &Vec<(String, std::net::SocketAddr)>| {
        let budget = BUDGET.min(config.budget);
        let wanted = crate::probe::Config {
            servers: servers.clone(),
            budget,
            fixed: false,
            relays: Vec::new(),
        };
        // the connection itself has the port that the user may have named
        let options = probe::Options { bind: config.ice.bind.clone(), ..probe::Options::default() };
        let stopping = stop.clone();
        tokio::spawn(async move { probe::run(wanted, &options, stopping, &mut |_| {}).await })
    };
    let tasks = config.probe.iter().map(start).collect();
    Probing { tasks, stop }
}

impl Probing {
    /// What they found; those that are not done after this time are stopped and give what they
    /// have.
    pub async fn end(self, patience: Duration) -> (Vec<NatFacts>, Vec<Finding>) {
        let stop = self.stop;
        let mut nats = Vec::new();
        let mut findings = Vec::new();
        let deadline = tokio::time::Instant::now() + patience.min(BUDGET);
        for mut task in self.tasks {
            let in_time = tokio::time::timeout_at(deadline, &mut task).await;
            let done = if let Ok(done) = in_time {
                done
            } else {
                stop.cancel();
                task.await
            };
            match done {
                Ok(Ok(record)) => {
                    let mut judged = judge(&record);
                    findings.append(&mut judged.findings);
                    nats.push(facts(&record, judged));
                }
                Ok(Err(error)) => {
                    let text = format!("the NAT was not measured: {error}");
                    findings.push(Finding::new(Id::NotProbed, text));
                }
                Err(_) => {}
            }
        }
        (nats, findings)
    }
}

fn facts(record: &Record, judged: Judgement) -> NatFacts {
    let local = judged.seen.map(|(local, _)| local).or(record.sockets.first().map(|s| s.local));
    NatFacts { local, mapped: judged.seen.map(|(_, mapped)| mapped), facts: judged.facts }
}
