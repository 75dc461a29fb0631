//! What a judgement must not say of a world.

use natscope::ground::fact::{Fact, Grade, Values};
use natscope::nat::Facts;
use natscope::nat::{Allocation, Bug, Classic, Filtering, Mapping, NatSpec, Translation};
use natscope::probe::judge::Judgement;
use natscope::probe::record::Record;
use natscope::sim::link::Link;
use natscope::sim::server::{Fault, ServerSpec};
use natscope::sim::{Outcome, World};
use std::fmt::Debug;
use std::time::Duration;

/// Everything that is wrong with this run.
pub fn faults(world: &World, outcome: &Outcome, judgement: &Judgement) -> Vec<String> {
    let mut faults = lies(world, &judgement.facts);
    faults.extend(hurry(&outcome.record));
    faults.extend(super::shown::left_open(world, &judgement.facts));
    if honest(world) {
        faults.extend(unsure(world, &judgement.facts));
    }
    faults
}

/// Whether every server is as RFC 5780 wants it, nothing is lost, and there is time.
fn honest(world: &World) -> bool {
    let servers = &world.servers;
    let links = || world.lan.iter().chain(servers.iter().flat_map(|s| [&s.up, &s.down]));
    world.budget.as_secs() >= 20
        && links().all(|link| link.loss == 0.0)
        && servers.iter().all(|s| s.faults.is_empty() && punctual(world, s))
        // One machine by two names spoils the filter test: its alternate is touched at once.
        && servers.iter().all(|a| {
            let ip = a.primary.ip();
            let same = |b: &&ServerSpec| b.primary.ip() == ip || b.alternate.ip() == ip;
            servers.iter().filter(same).count() == 1
        })
}

/// Whether no answer takes more than twice the least round trip and 30 ms: later ones count as
/// lost.
fn punctual(world: &World, server: &ServerSpec) -> bool {
    let links = [&world.lan[0], &world.lan[1], &server.up, &server.down];
    let least: Duration = links.iter().map(|link| link.delay).sum();
    let most = |link: &&Link| {
        let held = if link.reorder > 0.0 {
            link.jitter * 2 + Duration::from_millis(10)
        } else {
            Duration::ZERO
        };
        link.delay + link.jitter + held
    };
    let most: Duration = links.iter().map(most).sum();
    most + server.detour * 2 <= least * 2 + Duration::from_millis(30)
}

/// Whether nothing that this server sends over UDP comes from where it was asked, or perhaps only
/// after seconds, through its own fault: to the host that is the same as UDP being blocked.
fn mute(server: &ServerSpec) -> bool {
    server.faults.iter().any(|fault| match fault {
        Fault::WhollyDead { icmp } => !icmp,
        Fault::AnswersFrom(_) | Fault::AnswersFromStranger => true,
        Fault::Late { most, .. } => most.as_secs() >= 2,
        _ => false,
    })
}

/// Definite verdicts that are not the truth.
pub fn lies(world: &World, facts: &Facts) -> Vec<String> {
    let truth = world.nat.truth();
    let mut lies = Vec::new();
    if truth.udp_blocked {
        check(&mut lies, "nat", &facts.nat, &[]);
        check(&mut lies, "mapping", &facts.mapping, &[]);
        check(&mut lies, "filtering", &facts.filtering, &[]);
        check(&mut lies, "classic", &facts.classic, &[Classic::UdpBlocked]);
        return lies;
    }
    check(&mut lies, "nat", &facts.nat, &[truth.nat]);
    check(&mut lies, "mapping", &facts.mapping, &[truth.mapping]);
    check(&mut lies, "filtering", &facts.filtering, &[truth.filtering]);
    let unseen = world.servers.iter().all(mute).then_some((&Classic::UdpBlocked, Grade::Probable));
    if unseen.is_none() || facts.classic.known() != unseen {
        check(&mut lies, "classic", &facts.classic, &[truth.classic]);
    }
    check(&mut lies, "allocation", &facts.allocation, &allocations(&world.nat));
    let preserved = allocations(&world.nat) == [Allocation::Preserving];
    check(&mut lies, "port preservation", &facts.port_preservation, &[preserved]);
    let rewritten = world.alg && truth.nat;
    // The simulated ALG finds no attribute in a message whose padding is missing.
    let unread = world.servers.iter().any(|s| s.faults.contains(&Fault::Unpadded));
    let rewriting = [rewritten, rewritten && !unread];
    check(&mut lies, "rewriting", &facts.mapped_address_rewriting, &rewriting);
    check(&mut lies, "poisoning", &facts.early_packet_poisoning, &poisonings(&world.nat));
    lies
}

/// A definite value must be the truth, and what is left of several must hold it.
fn check<T: Values + Debug>(lies: &mut Vec<String>, axis: &str, fact: &Fact<T>, true_: &[T]) {
    let left = fact.possible();
    let holds = match fact.known() {
        Some((value, _)) => true_.contains(value),
        None if true_.is_empty() => !fact.excludes_some(),
        None => true_.iter().any(|v| left.contains(v)),
    };
    if !holds {
        lies.push(format!("{axis}: {fact:?}, truth {true_:?}"));
    }
}

/// What could not be told though everything was there to tell it.
fn unsure(world: &World, facts: &Facts) -> Vec<String> {
    let truth = world.nat.truth();
    let mut open = Vec::new();
    let mut check = |axis: &str, known: bool, because: &str| {
        if !known {
            open.push(format!("{axis} is open with honest servers and no loss: {because}"));
        }
    };
    if truth.udp_blocked {
        // One server alone does not tell a blocked path from a dead service.
        if world.refuses || world.servers.len() > 1 {
            check("classic", facts.classic.value().is_some(), facts.classic.because());
        }
        return open;
    }
    check("nat", facts.nat.value().is_some(), facts.nat.because());
    check("mapping", facts.mapping.value().is_some(), facts.mapping.because());
    check("filtering", facts.filtering.value().is_some(), facts.filtering.because());
    check("classic", facts.classic.value().is_some(), facts.classic.because());
    open
}

/// More than ten new transactions in a second (RFC 5780 section 4), per server.
fn hurry(record: &Record) -> Option<String> {
    (0..record.servers.len()).find_map(|about| {
        let mut begun: Vec<f64> = record
            .transactions
            .iter()
            .filter(|t| t.about == about)
            .filter_map(|t| t.sent.first().copied())
            .collect();
        begun.sort_by(f64::total_cmp);
        let crowd = begun.windows(11).find(|w| w[10] - w[0] < 1000.0)?;
        Some(format!("eleven transactions with server {about} within a second: {crowd:?}"))
    })
}

fn translating(nat: &NatSpec) -> Vec<&NatSpec> {
    nat.stack().filter(|s| s.translation == Translation::Nat).collect()
}

/// What an observer outside may call the allocation: the outermost box that does not preserve.
fn allocations(nat: &NatSpec) -> Vec<Allocation> {
    let stack = translating(nat);
    let outside_in = || stack.iter().rev();
    let seen = outside_in().map(|s| s.allocation).find(|&a| a != Allocation::Preserving);
    let chosen_at = outside_in().position(|s| s.allocation != Allocation::Preserving);
    // A preserving box outside with a dependent mapping gives further flows random ports.
    let mixed = outside_in()
        .take(chosen_at.unwrap_or(0))
        .any(|s| s.mapping != Mapping::EndpointIndependent);
    match seen {
        Some(Allocation::Sequential) if mixed => vec![Allocation::Sequential, Allocation::Random],
        Some(seen) => vec![seen],
        None => vec![Allocation::Preserving],
    }
}

/// Whether an early packet spoils a mapping; both where it depends on who sends it.
fn poisonings(nat: &NatSpec) -> Vec<bool> {
    let stack: Vec<&NatSpec> = nat.stack().collect();
    // A stranger's packet at the box gets through all boxes outside it, and is refused by it.
    let spoils = |stricter_than: Filtering| {
        stack.iter().enumerate().any(|(i, s)| {
            s.translation == Translation::Nat
                && s.has(Bug::EarlyPacket)
                && s.filtering > stricter_than
                && stack[i + 1..].iter().all(|outer| outer.filtering <= stricter_than)
        })
    };
    let other_address = spoils(Filtering::EndpointIndependent);
    let other_port = spoils(Filtering::AddressDependent);
    let dependent = nat.truth().mapping != Mapping::EndpointIndependent;
    match (other_address, other_port) {
        (false, false) => vec![false],
        _ if dependent => vec![false, true],
        (true, true) => vec![true],
        // With address-dependent filters only strangers from another address do harm.
        _ => vec![false, true],
    }
}
