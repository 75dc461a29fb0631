//! The lab on a Linux kernel: supervisor, namespaces, links, workers.
//!
//! [`supervisor::enter`] puts the process into namespaces of its own; [`Lab::build`] makes one
//! network namespace per box and host of a [`Plan`], each with a thread that lives in it
//! ([`namespace::Namespace`]); [`experiment`] runs the prober there.

// The floor that drives the kernel: sockets, clocks and randomness are its business.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod cost;
pub mod doctor;
pub mod experiment;
mod links;
pub mod matrix;
pub mod namespace;
pub mod nft;
pub mod supervisor;
pub(super) mod testing;
pub mod wishes;

use super::plan::{ALTERNATE, BoxPlan, INTERNET_GATEWAY, Plan, SECOND, SERVER, Site};
use super::rules;
use crate::nat::{Timeouts, Translation};
use links::{Link, Links};
use namespace::Namespace;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What stopped a lab.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// This kernel or user may not.
    #[error("{what}: {why}\n  {fix}")]
    Refused {
        /// What was tried.
        what: String,
        /// The system's words.
        why: String,
        /// What to do.
        fix: String,
    },
    /// A namespace could not be made or has died.
    #[error("namespace {name}: {why}")]
    Namespace {
        /// Its name.
        name: String,
        /// The system's words.
        why: String,
    },
    /// A link, address or route could not be made.
    #[error("{name}: {what}: {why}")]
    Link {
        /// The namespace.
        name: String,
        /// What was tried.
        what: String,
        /// The kernel's words.
        why: String,
    },
    /// nft refused the rules.
    #[error("{name}: nft: {why}")]
    Rules {
        /// The namespace.
        name: String,
        /// The words of nft.
        why: String,
    },
    /// The server or a probe failed.
    #[error("{0}")]
    Experiment(String),
}

/// One namespace at a time sets up its links. The kernel has one lock for links, and a write below
/// /proc/sys/net does not sleep for it but tries again and again: a hundred threads at once keep
/// two cores busy with that for ten seconds, in turn it takes a fraction of one.
static SETTING_UP: Semaphore = Semaphore::const_new(1);

/// A built lab. Dropping it ends its threads, and with them its namespaces.
#[derive(Debug)]
pub struct Lab {
    /// The namespace of the internet: a router that holds the server's addresses.
    pub internet: Namespace,
    /// One per NAT, in the plan's order.
    pub sites: Vec<LabSite>,
}

/// One NAT with its boxes and hosts.
#[derive(Debug)]
pub struct LabSite {
    /// What was asked for.
    pub plan: Site,
    /// Its boxes, innermost first.
    pub boxes: Vec<Namespace>,
    /// The hosts behind it.
    pub clients: Vec<Namespace>,
}

impl LabSite {
    /// The first host behind it.
    ///
    /// # Errors
    /// There is none.
    pub fn host(&self) -> Result<&Namespace, LabError> {
        let none = || LabError::Experiment(format!("{} has no host", self.plan.name));
        self.clients.first().ok_or_else(none)
    }

    /// The address by which the internet knows its hosts: the outermost box's, or the host's own
    /// where nothing hides it.
    #[must_use]
    pub fn public(&self) -> Ipv4Addr {
        let nats = |b: &&BoxPlan| b.spec.translation == Translation::Nat;
        let hidden = self.plan.boxes.iter().rev().find(nats).map(|b| b.wiring.wan);
        hidden.or(self.plan.clients.first().copied()).unwrap_or(Ipv4Addr::UNSPECIFIED)
    }
}

/// The index of every namespace's own uplink.
const UPLINK: u32 = 2;
/// The index of the first link downwards.
const FIRST_DOWN: u32 = 10;

impl Lab {
    /// The host behind the first NAT, for a lab of one.
    ///
    /// # Errors
    /// The lab has no host.
    pub fn first_client(&self) -> Result<&Namespace, LabError> {
        let site = self.sites.first();
        site.ok_or_else(|| LabError::Experiment("the lab has no NAT".into()))?.host()
    }

    /// Builds a lab: every namespace at once, then every uplink and rule set at once, then the
    /// lower ends of the links.
    ///
    /// # Errors
    /// The kernel refuses a namespace, link or rule, or nft is missing.
    pub async fn build(plan: &Plan) -> Result<Self, LabError> {
        let nft = Arc::new(nft::find()?);
        // alone, because it prepares the directory of the names
        let internet = Namespace::create("internet").await?;
        let mut names = Names::default();
        let mut pending = Vec::new();
        for site in &plan.sites {
            let name = names.unique(&site.name);
            let boxes: Vec<_> = (0..site.boxes.len())
                .map(|at| Namespace::start(&format!("{name}.box{at}")))
                .collect();
            let clients: Vec<_> = (0..site.clients.len())
                .map(|at| {
                    Namespace::start(&if at == 0 { name.clone() } else { format!("{name}.{at}") })
                })
                .collect();
            pending.push((site, boxes, clients));
        }
        let mut sites = Vec::new();
        for (site, boxes, clients) in pending {
            let mut ready = LabSite { plan: site.clone(), boxes: vec![], clients: vec![] };
            for namespace in boxes {
                ready.boxes.push(namespace.ready().await?);
            }
            for namespace in clients {
                ready.clients.push(namespace.ready().await?);
            }
            sites.push(ready);
        }
        let lab = Self { internet, sites };
        lab.uplinks(&nft).await?;
        lab.downlinks().await?;
        lab.carriers().await?;
        Ok(lab)
    }

    async fn uplinks(&self, nft: &Arc<nft::Nft>) -> Result<(), LabError> {
        let mut jobs = Vec::new();
        for (number, site) in (0u32..).zip(&self.sites) {
            for (at, (namespace, plan)) in site.boxes.iter().zip(&site.plan.boxes).enumerate() {
                let (above, peer) = match site.boxes.get(at + 1) {
                    Some(outer) => (outer, ("lan0".to_owned(), FIRST_DOWN)),
                    None => (&self.internet, (format!("nat{number}"), FIRST_DOWN + number)),
                };
                let up = Uplink {
                    forwards: true,
                    name: rules::WAN,
                    address: plan.wiring.wan,
                    router: plan.upstream,
                    peer,
                    above: above.file(),
                };
                let (nft, plan) = (Arc::clone(nft), plan.clone());
                let name = namespace.name().to_owned();
                jobs.push(namespace.submit(move || async move {
                    up.make(&name).await?;
                    nft.apply(&name, &rules::nftables(&plan.spec, &plan.wiring)).await?;
                    lifetimes(&name, plan.spec.timeouts)
                }));
            }
            for (at, (namespace, &address)) in
                (0u32..).zip(site.clients.iter().zip(&site.plan.clients))
            {
                let (Some(above), Some(plan)) = (site.boxes.first(), site.plan.boxes.first())
                else {
                    continue;
                };
                let up = Uplink {
                    forwards: false,
                    name: "eth0",
                    address,
                    router: plan.gateway,
                    peer: (format!("lan{at}"), FIRST_DOWN + at),
                    above: above.file(),
                };
                let name = namespace.name().to_owned();
                jobs.push(namespace.submit(move || async move { up.make(&name).await }));
            }
        }
        for job in jobs {
            job.wait().await??;
        }
        Ok(())
    }

    async fn downlinks(&self) -> Result<(), LabError> {
        let mut jobs = Vec::new();
        for site in &self.sites {
            for (at, (namespace, plan)) in site.boxes.iter().zip(&site.plan.boxes).enumerate() {
                let below: Vec<Below> = match at.checked_sub(1).map(|i| &site.plan.boxes[i]) {
                    Some(inner) => vec![Below::new(FIRST_DOWN, inner)],
                    None => (FIRST_DOWN..)
                        .zip(&site.plan.clients)
                        .map(|(index, &host)| Below { index, host, behind: vec![] })
                        .collect(),
                };
                let own = (plan.gateway != plan.wiring.wan).then_some(plan.gateway);
                let name = namespace.name().to_owned();
                jobs.push(namespace.submit(move || async move { serve(&name, own, below).await }));
            }
        }
        let below: Vec<Below> = (FIRST_DOWN..)
            .zip(&self.sites)
            .filter_map(|(index, site)| Some(Below::new(index, site.plan.boxes.last()?)))
            .collect();
        let internet = self.internet.submit(move || async move {
            namespace::forward("internet")?;
            let links = Links::open("internet")?;
            links.up(1).await?;
            for address in [SERVER, ALTERNATE, SECOND, INTERNET_GATEWAY] {
                links.address(1, address).await?;
            }
            drop(links);
            serve("internet", None, below).await
        });
        jobs.push(internet);
        for job in jobs {
            job.wait().await??;
        }
        Ok(())
    }
}

impl Lab {
    /// Waits until every link carries packets.
    async fn carriers(&self) -> Result<(), LabError> {
        let jobs: Vec<_> = self
            .sites
            .iter()
            .flat_map(|site| site.boxes.iter().chain(&site.clients))
            .map(|namespace| {
                let name = namespace.name().to_owned();
                namespace.submit(move || async move { Links::carrier(&name, UPLINK).await })
            })
            .collect();
        for job in jobs {
            job.wait().await??;
        }
        Ok(())
    }
}

/// Names of namespaces: a NAT may stand in a lab twice.
#[derive(Default)]
struct Names(std::collections::BTreeMap<String, u32>);

impl Names {
    fn unique(&mut self, name: &str) -> String {
        // it becomes a file's name
        let safe: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' })
            .take(64)
            .collect();
        let seen = self.0.entry(safe.clone()).or_default();
        *seen += 1;
        if *seen == 1 { safe } else { format!("{safe}~{seen}") }
    }
}

/// A link towards the internet.
struct Uplink {
    forwards: bool,
    name: &'static str,
    address: Ipv4Addr,
    router: Ipv4Addr,
    peer: (String, u32),
    above: Arc<std::fs::File>,
}

impl Uplink {
    async fn make(self, namespace: &str) -> Result<(), LabError> {
        let _turn = SETTING_UP.acquire().await;
        namespace::quieten();
        if self.forwards {
            namespace::forward(namespace)?;
        }
        let links = Links::open(namespace)?;
        links.up(1).await?;
        links
            .veth(
                &Link {
                    name: self.name,
                    index: UPLINK,
                    peer: &self.peer.0,
                    peer_index: self.peer.1,
                },
                &self.above,
            )
            .await?;
        links.address(UPLINK, self.address).await?;
        links.default_route(UPLINK, self.router).await
    }
}

/// What hangs below a link downwards.
struct Below {
    index: u32,
    host: Ipv4Addr,
    behind: Vec<Ipv4Addr>,
}

impl Below {
    fn new(index: u32, plan: &BoxPlan) -> Self {
        Self { index, host: plan.wiring.wan, behind: plan.behind.clone() }
    }
}

/// Serves the links downwards of a router: its own address there, and routes to what is below.
async fn serve(name: &str, own: Option<Ipv4Addr>, below: Vec<Below>) -> Result<(), LabError> {
    let _turn = SETTING_UP.acquire().await;
    let links = Links::open(name)?;
    for down in below {
        links.up(down.index).await?;
        if let Some(address) = own {
            links.address(down.index, address).await?;
        }
        links.host_route(down.index, down.host, None).await?;
        for host in down.behind {
            links.host_route(down.index, host, Some(down.host)).await?;
        }
    }
    Ok(())
}

/// Sets how long conntrack remembers, to what the description says.
fn lifetimes(name: &str, timeouts: Timeouts) -> Result<(), LabError> {
    if timeouts == Timeouts::default() {
        return Ok(());
    }
    for (key, seconds) in
        [("udp_timeout", timeouts.udp), ("udp_timeout_stream", timeouts.udp_stream)]
    {
        let path = format!("/proc/sys/net/netfilter/nf_conntrack_{key}");
        std::fs::write(&path, seconds.to_string())
            .map_err(|e| LabError::Namespace { name: name.into(), why: format!("{path}: {e}") })?;
    }
    Ok(())
}
