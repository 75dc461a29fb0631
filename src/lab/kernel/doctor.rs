//! What this kernel and user may do, and how to allow the rest.

use super::{LabError, experiment, namespace::Namespace, nft, supervisor};
use crate::lab::catalogue::Catalogue;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// What was tried.
    pub name: String,
    /// The lab needs it; else only some work does.
    pub needed: bool,
    /// It can be had.
    pub ok: bool,
    /// How it is, in a sentence.
    pub text: String,
    /// The command or step that allows it; empty when it is allowed.
    pub fix: String,
}

impl Check {
    fn good(name: &str, needed: bool, text: impl Into<String>) -> Self {
        Self { name: name.into(), needed, ok: true, text: text.into(), fix: String::new() }
    }
    fn bad(name: &str, needed: bool, text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name: name.into(), needed, ok: false, text: text.into(), fix: fix.into() }
    }
    fn of(name: &str, result: Result<String, LabError>) -> Self {
        match result {
            Ok(text) => Self::good(name, true, text),
            Err(LabError::Refused { what, why, fix }) => {
                Self::bad(name, true, format!("{what}: {why}"), fix)
            }
            Err(e) => Self::bad(name, true, e.to_string(), "see the message"),
        }
    }
}

/// The check for a refusal to enter the lab at all.
#[must_use]
pub fn refused(error: LabError) -> Vec<Check> {
    vec![Check::of("namespaces", Err(error)), installed()]
}

fn installed() -> Check {
    Check::of("nft", nft::find().map(|nft| format!("{} is there", nft.path().display())))
}

/// Checks everything; call it inside of the lab.
pub async fn examine() -> Vec<Check> {
    let mut checks = vec![
        Check::good("namespaces", true, "user, mount, pid and network namespaces can be had"),
        restriction(),
        installed(),
    ];
    let built = nat().await;
    let works = built.is_ok();
    checks.push(Check::of("a NAT", built));
    if works {
        checks.push(conntrack().await);
    }
    checks.push(tun());
    checks.push(netem().await);
    checks
}

/// Ubuntu allows user namespaces and then denies everything inside of them.
fn restriction() -> Check {
    let path = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";
    match std::fs::read_to_string(path) {
        Ok(value) if value.trim() == "1" => Check::bad(
            "AppArmor",
            false,
            "user namespaces of ordinary users are restricted",
            supervisor::fix_of_refusal(),
        ),
        _ => Check::good("AppArmor", false, "does not restrict user namespaces"),
    }
}

async fn nat() -> Result<String, LabError> {
    let spec =
        Catalogue::embedded().find("symmetric").map_err(|e| LabError::Experiment(e.to_string()))?;
    let lab = experiment::build(&[spec], 0).await?;
    drop(lab);
    Ok("links, routes and nftables rules of a symmetric NAT are accepted".into())
}

async fn conntrack() -> Check {
    let path = "/proc/sys/net/netfilter/nf_conntrack_udp_timeout";
    let name = "conntrack";
    let written = match Namespace::create("doctor").await {
        Ok(namespace) => namespace.run(move || async move { std::fs::write(path, "31") }).await,
        Err(e) => Err(e),
    };
    match written {
        Ok(Ok(())) => Check::good(name, true, "lifetimes of mappings can be set"),
        Ok(Err(e)) => Check::bad(name, true, format!("{path}: {e}"), "modprobe nf_conntrack"),
        Err(e) => Check::bad(name, true, e.to_string(), "modprobe nf_conntrack"),
    }
}

fn tun() -> Check {
    match std::fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun") {
        Ok(_) => Check::good("TUN", false, "/dev/net/tun can be opened (delay and jitter)"),
        Err(e) => Check::bad("TUN", false, format!("/dev/net/tun: {e}"), "modprobe tun"),
    }
}

/// Not needed: losses are nftables rules.
async fn netem() -> Check {
    let tried = match Namespace::create("doctor-netem").await {
        Ok(namespace) => {
            namespace
                .run(|| async {
                    tokio::process::Command::new("tc")
                        .args(["qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"])
                        .output()
                        .await
                })
                .await
        }
        Err(e) => Err(e),
    };
    let fix = "modprobe sch_netem, where the kernel has it; nothing here needs it";
    match tried {
        Ok(Ok(output)) if output.status.success() => {
            Check::good("netem", false, "the kernel can delay packets")
        }
        Ok(Ok(output)) => {
            let why = String::from_utf8_lossy(&output.stderr).trim().replace('\n', " ");
            Check::bad("netem", false, why, fix)
        }
        Ok(Err(e)) => {
            Check::bad("netem", false, format!("not tried: tc: {e}"), "apt-get install iproute2")
        }
        Err(e) => Check::bad("netem", false, e.to_string(), fix),
    }
}
