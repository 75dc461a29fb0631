//! The rules measured with bare UDP sockets, without the prober: every combination of mapping,
//! filtering and allocation, the faults, hairpinning, two hosts that want one port, stacked boxes.
//!
//! A packet that must not arrive is shown absent by a later one that does, not by waiting.

#![allow(clippy::disallowed_types, clippy::disallowed_methods)] // sockets are what it tests with

use crate::harness::{Outcome, runtime};
use natscope::lab::catalogue::Catalogue;
use natscope::lab::kernel::{Lab, LabSite, namespace::Namespace};
use natscope::lab::plan::{self, ALTERNATE, SERVER};
use natscope::nat::{Allocation, Bug, Filtering, Mapping, NatSpec, Scope, Timeouts, Translation};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

pub fn run() -> Outcome {
    let runtime = runtime()?;
    let specs = specs();
    let plan = plan::plan(&specs, 2, 0).map_err(|e| e.to_string())?;
    let began = Instant::now();
    let lab = runtime.block_on(Lab::build(&plan)).map_err(|e| e.to_string())?;
    let built = began.elapsed();
    println!(
        "built {} NATs with two hosts each in {:.0} ms, {:.1} ms each",
        specs.len(),
        built.as_secs_f64() * 1e3,
        built.as_secs_f64() * 1e3 / specs.len() as f64
    );
    let servers = Servers::open(&runtime, &lab.internet)?;
    let mut failed = Vec::new();
    for (spec, site) in specs.iter().zip(&lab.sites) {
        let bench = Bench { runtime: &runtime, servers: &servers, site, spec };
        match bench.all() {
            Ok(()) => println!("{:<42} ok", spec.name),
            Err(e) => failed.push(format!("{}: {e}", spec.name)),
        }
    }
    println!("measured in {:.0} ms", began.elapsed().saturating_sub(built).as_secs_f64() * 1e3);
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

/// The catalogue, all 27 combinations with hairpinning, shared permissions, and stacks.
fn specs() -> Vec<NatSpec> {
    let mut specs = Catalogue::embedded().nats().to_vec();
    for &mapping in Mapping::ALL {
        for &filtering in Filtering::ALL {
            for &allocation in Allocation::ALL {
                let mut spec = NatSpec::new(mapping, filtering, allocation);
                spec.hairpin = true;
                spec.name += "-hairpin";
                specs.push(spec);
            }
        }
    }
    let eim =
        |filtering| NatSpec::new(Mapping::EndpointIndependent, filtering, Allocation::Preserving);
    let mut shared = eim(Filtering::AddressDependent);
    shared.scope = Scope::Endpoint;
    shared.name = "shared-permissions".into();
    let mut firewall = eim(Filtering::AddressDependent);
    firewall.translation = Translation::None;
    firewall.name = "address-firewall".into();
    let double = NatSpec {
        name: "double".into(),
        layers: vec![NatSpec::new(
            Mapping::AddressDependent,
            Filtering::AddressDependent,
            Allocation::Random,
        )],
        ..eim(Filtering::EndpointIndependent)
    };
    let walled = NatSpec {
        name: "nat-behind-firewall-behind-nat".into(),
        layers: vec![firewall.clone(), eim(Filtering::EndpointIndependent)],
        timeouts: Timeouts { udp: 20, udp_stream: 60 },
        ..eim(Filtering::EndpointIndependent)
    };
    specs.extend([shared, firewall, double, walled]);
    specs
}

/// The four sockets of the server: two addresses × two ports.
struct Servers([UdpSocket; 4]);

const MAIN: usize = 0;
const OTHER_PORT: usize = 1;
const OTHER_ADDRESS: usize = 2;
const OTHER_BOTH: usize = 3;

impl Servers {
    fn open(runtime: &tokio::runtime::Runtime, internet: &Namespace) -> Outcome<Self> {
        let open = |address: Ipv4Addr, port: u16| bind(runtime, internet, (address, port).into());
        Ok(Self([
            open(SERVER, 3478)?,
            open(SERVER, 3479)?,
            open(ALTERNATE, 3478)?,
            open(ALTERNATE, 3479)?,
        ]))
    }

    fn address(&self, which: usize) -> Outcome<SocketAddr> {
        self.0[which].local_addr().map_err(|e| e.to_string())
    }

    /// The endpoint that the packet with this text was seen from.
    fn seen(&self, which: usize, text: &str) -> Outcome<SocketAddr> {
        loop {
            let (got, from) = receive(&self.0[which])?.ok_or(format!("`{text}` never arrived"))?;
            if got == text {
                return Ok(from);
            }
        }
    }
}

fn bind(
    runtime: &tokio::runtime::Runtime,
    namespace: &Namespace,
    address: SocketAddr,
) -> Outcome<UdpSocket> {
    let socket = runtime
        .block_on(namespace.run(move || async move { UdpSocket::bind(address) }))
        .map_err(|e| e.to_string())?
        .map_err(|e| format!("{address}: {e}"))?;
    socket.set_read_timeout(Some(Duration::from_secs(2))).map_err(|e| e.to_string())?;
    Ok(socket)
}

fn receive(socket: &UdpSocket) -> Outcome<Option<(String, SocketAddr)>> {
    let mut buffer = [0; 64];
    match socket.recv_from(&mut buffer) {
        Ok((length, from)) => {
            Ok(Some((String::from_utf8_lossy(&buffer[..length]).into_owned(), from)))
        }
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(None),
        Err(e) => Err(e.to_string()),
    }
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, got: &T, want: &T) -> Outcome {
    if got == want { Ok(()) } else { Err(format!("{what}: got {got:?}, expected {want:?}")) }
}

struct Bench<'a> {
    runtime: &'a tokio::runtime::Runtime,
    servers: &'a Servers,
    site: &'a LabSite,
    spec: &'a NatSpec,
}

impl Bench<'_> {
    fn all(&self) -> Outcome {
        if self.spec.truth().udp_blocked {
            return self.blocked();
        }
        self.mapping().map_err(|e| format!("mapping: {e}"))?;
        if self.spec.scope == Scope::Mapping {
            // else what other sockets sent shows
            self.filtering().map_err(|e| format!("filtering: {e}"))?;
        }
        if self.spec.translation == Translation::Nat && self.spec.layers.is_empty() {
            self.allocation().map_err(|e| format!("allocation: {e}"))?;
            self.two_hosts().map_err(|e| format!("two hosts: {e}"))?;
        }
        if self.spec.translation == Translation::Nat && self.spec.layers.is_empty() {
            self.permissions().map_err(|e| format!("permissions: {e}"))?;
        }
        if self.spec.hairpin {
            self.hairpin().map_err(|e| format!("hairpin: {e}"))?;
        }
        Ok(())
    }

    fn socket(&self, host: usize, port: u16) -> Outcome<UdpSocket> {
        bind(self.runtime, &self.site.clients[host], (self.site.plan.clients[host], port).into())
    }

    /// Sends to a server's socket; the endpoint that it came from.
    fn mapped(&self, socket: &UdpSocket, which: usize) -> Outcome<SocketAddr> {
        let text = format!("{}-{:?}", self.spec.name, socket.local_addr());
        let text = &text[..text.len().min(60)];
        socket.send_to(text.as_bytes(), self.servers.address(which)?).map_err(|e| e.to_string())?;
        self.servers.seen(which, text)
    }

    fn blocked(&self) -> Outcome {
        let socket = self.socket(0, 0)?;
        socket.send_to(b"through?", self.servers.address(MAIN)?).map_err(|e| e.to_string())?;
        socket.set_read_timeout(Some(Duration::from_millis(50))).map_err(|e| e.to_string())?;
        let server = &self.servers.0[MAIN];
        server.set_read_timeout(Some(Duration::from_millis(50))).map_err(|e| e.to_string())?;
        let got = receive(server)?;
        server.set_read_timeout(Some(Duration::from_secs(2))).map_err(|e| e.to_string())?;
        equal("a packet through a NAT that blocks UDP", &got, &None)
    }

    fn mapping(&self) -> Outcome {
        let socket = self.socket(0, 0)?;
        let first = self.mapped(&socket, MAIN)?;
        let same = [OTHER_PORT, OTHER_ADDRESS, OTHER_BOTH]
            .map(|which| self.mapped(&socket, which).map(|seen| seen == first));
        let same = [same[0].clone()?, same[1].clone()?, same[2].clone()?];
        let want = match self.spec.truth().mapping {
            Mapping::EndpointIndependent => [true, true, true],
            Mapping::AddressDependent => [true, false, false],
            Mapping::AddressAndPortDependent => [false, false, false],
        };
        equal("same endpoint as towards the first", &same, &want)?;
        equal("again towards the first", &self.mapped(&socket, MAIN)?, &first)?;
        let translated = socket.local_addr().map_err(|e| e.to_string())? != first;
        equal("translated", &translated, &self.spec.truth().nat)
    }

    /// Which of the server's sockets get a packet to `endpoint` in; the last one must.
    fn get_in(
        &self,
        socket: &UdpSocket,
        endpoint: SocketAddr,
        from: &[usize],
    ) -> Outcome<Vec<usize>> {
        for &which in from.iter().chain([&MAIN]) {
            let text = format!("from {which}");
            self.servers.0[which].send_to(text.as_bytes(), endpoint).map_err(|e| e.to_string())?;
        }
        let mut seen = Vec::new();
        loop {
            let (text, source) = receive(socket)?.ok_or("not even the answer came in")?;
            let which = from.iter().chain([&MAIN]).find(|w| text == format!("from {w}"));
            let which = *which.ok_or(format!("`{text}` came in"))?;
            equal("the source of an inbound packet", &source, &self.servers.address(which)?)?;
            if which == MAIN {
                return Ok(seen);
            }
            seen.push(which);
        }
    }

    fn filtering(&self) -> Outcome {
        let socket = self.socket(0, 0)?;
        let endpoint = self.mapped(&socket, MAIN)?;
        let got = self.get_in(&socket, endpoint, &[OTHER_BOTH, OTHER_ADDRESS, OTHER_PORT])?;
        let want: &[usize] = match self.spec.truth().filtering {
            Filtering::EndpointIndependent => &[OTHER_BOTH, OTHER_ADDRESS, OTHER_PORT],
            Filtering::AddressDependent => &[OTHER_PORT],
            Filtering::AddressAndPortDependent => &[],
        };
        equal("unasked packets let in", &got, &want.to_vec())?;
        if self.spec.truth().mapping == Mapping::EndpointIndependent {
            // a packet that came too early must not spoil our own flow to its sender
            let later = self.mapped(&socket, OTHER_BOTH)?;
            equal("poisoned", &(later != endpoint), &self.spec.has(Bug::EarlyPacket))?;
        }
        Ok(())
    }

    fn allocation(&self) -> Outcome {
        let mut ports = Vec::new();
        for port in 41_001..41_006 {
            let socket = self.socket(0, port)?;
            ports.push((port, self.mapped(&socket, MAIN)?.port()));
        }
        let kept = ports.iter().all(|(inside, outside)| inside == outside);
        let next = ports.windows(2).all(|w| w[1].1 == w[0].1 + 1);
        let want = match self.spec.allocation {
            Allocation::Preserving => (true, true),
            Allocation::Sequential => (false, true),
            Allocation::Random => (false, false),
        };
        equal(&format!("kept and next, of {ports:?}"), &(kept, next), &want)
    }

    /// Two inside hosts with the same port keep apart.
    fn two_hosts(&self) -> Outcome {
        let (one, two) = (self.socket(0, 42_000)?, self.socket(1, 42_000)?);
        let (first, second) = (self.mapped(&one, MAIN)?, self.mapped(&two, MAIN)?);
        equal("two hosts share an endpoint", &(first == second), &false)?;
        if self.spec.has(Bug::EarlyPacket) {
            return Ok(());
        }
        for (socket, endpoint) in [(&one, first), (&two, second)] {
            equal("stays", &self.mapped(socket, MAIN)?, &endpoint)?;
            self.get_in(socket, endpoint, &[])?;
        }
        if self.spec.mapping == Mapping::EndpointIndependent {
            equal("second host elsewhere", &self.mapped(&two, OTHER_BOTH)?, &second)?;
        }
        Ok(())
    }

    /// What one host sent opens nothing for another, unless permissions are shared.
    fn permissions(&self) -> Outcome {
        if self.spec.filtering != Filtering::AddressDependent {
            return Ok(());
        }
        let (one, two) = (self.socket(0, 0)?, self.socket(1, 0)?);
        let endpoint = self.mapped(&one, MAIN)?;
        self.mapped(&two, OTHER_ADDRESS)?;
        let got = self.get_in(&one, endpoint, &[OTHER_BOTH])?;
        equal("opened for all", &got.len(), &usize::from(self.spec.scope == Scope::Endpoint))
    }

    /// RFC 4787 REQ-9: an inside host is reached by its external endpoint, and sees the sender's.
    fn hairpin(&self) -> Outcome {
        let (one, two) = (self.socket(0, 0)?, self.socket(1, 0)?);
        let (first, second) = (self.mapped(&one, MAIN)?, self.mapped(&two, MAIN)?);
        let eim = self.spec.mapping == Mapping::EndpointIndependent;
        let send = |from: &UdpSocket, to: SocketAddr, text: &[u8]| {
            from.send_to(text, to).map(drop).map_err(|e| e.to_string())
        };
        send(&two, first, b"early")?;
        // our own first, so that the filter is open towards the other
        send(&one, second, b"opening")?;
        send(&two, first, b"hello")?;
        self.servers.0[MAIN].send_to(b"end", first).map_err(|e| e.to_string())?;
        let mut got = Vec::new();
        while let Some((text, from)) = receive(&one)? {
            if text == "end" {
                break;
            }
            let wan = IpAddr::V4(self.site.plan.boxes[0].wiring.wan);
            equal("the address that a hairpinned packet shows", &from.ip(), &wan)?;
            if eim {
                equal("its endpoint", &from, &second)?;
            }
            got.push(text);
        }
        let want: &[&str] = match (self.spec.filtering, eim) {
            (Filtering::EndpointIndependent, _) => &["early", "hello"],
            (_, true) => &["hello"],
            // each side sends by another mapping than it told: nothing gets in
            (Filtering::AddressAndPortDependent, false) => &[],
            // by address alone the own packet opens the mapping that it left by, not the told one
            (Filtering::AddressDependent, false) => &[],
        };
        equal("hairpinned", &got, &want.iter().map(ToString::to_string).collect())
    }
}
