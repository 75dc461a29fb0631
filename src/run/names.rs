//! Servers by their names: their addresses, and which of them can be reached.

use super::Ways;
use crate::ground::finding::{Finding, Id};
use crate::net::{Stop, resolve};
use crate::report::Family;
use crate::stun::uri::Uri;
use std::net::SocketAddr;
use std::time::Duration;

/// The addresses of each server, looked up side by side.
pub(super) async fn look_up(
    servers: &[Uri],
    patience: Duration,
    stop: Stop,
    findings: &mut Vec<Finding>,
) -> Vec<(String, Vec<SocketAddr>)> {
    let tasks: Vec<_> = servers
        .iter()
        .cloned()
        .map(|uri| {
            tokio::spawn(async move {
                resolve::resolve(&uri, resolve::Family::Any).await.map_err(|e| e.to_string())
            })
        })
        .collect();
    let deadline = tokio::time::Instant::now() + patience;
    let mut found = Vec::new();
    for (uri, task) in servers.iter().zip(tasks) {
        let answer = tokio::select! {
            answer = tokio::time::timeout_at(deadline, task) => match answer {
                Ok(Ok(answer)) => answer,
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err(format!("no answer from the name service in {patience:?}")),
            },
            () = stop.cancelled() => Err("interrupted".to_owned()),
        };
        match answer {
            Ok(addresses) => found.push((uri.to_string(), addresses)),
            Err(error) => {
                let text = format!("{uri} is left out: {error}");
                findings.push(Finding::new(Id::Unresolvable, text));
            }
        }
    }
    found
}

/// Servers of one family, each URI with its address there.
pub(super) type Group = (Family, Vec<(String, SocketAddr)>);

/// The servers of each family that is asked for and this host has a way to. One address is asked
/// once.
pub(super) fn group(
    ways: &Ways,
    servers: &[(String, Vec<SocketAddr>)],
    findings: &mut Vec<Finding>,
) -> Vec<Group> {
    let mut groups = Vec::new();
    for family in [Family::Ipv4, Family::Ipv6] {
        let fits = |address: &&SocketAddr| Family::of(address) == family && ways.wants(address);
        let mut all: Vec<(&String, SocketAddr)> = Vec::new();
        for (uri, addresses) in servers {
            let Some(&address) = addresses.iter().find(fits) else { continue };
            if let Some((same, _)) = all.iter().find(|(_, a)| *a == address) {
                let text = format!("{uri} is left out: it has the same address as {same}");
                findings.push(Finding::new(Id::SameAddress, text));
            } else {
                all.push((uri, address));
            }
        }
        let mut group = Vec::new();
        let mut unreached = Vec::new();
        for (uri, address) in all {
            match ways.route(address) {
                Ok(()) => group.push((uri.clone(), address)),
                Err(error) => {
                    let text = format!("no route to {address} over {}: {error}", family.title());
                    unreached.push(Finding::new(Id::NoRoute, text));
                }
            }
        }
        if group.is_empty() {
            // one stands for the family
            unreached.truncate(1);
        } else {
            groups.push((family, group));
        }
        findings.extend(unreached);
    }
    groups
}
