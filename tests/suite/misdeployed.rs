//! Servers that are misdeployed, refuse, redirect, answer late or not at all, in virtual time: what
//! the report says of each, and that no fact rests on them.

use natscope::ground::finding::Finding;
use natscope::nat::{Allocation, Filtering, Mapping, NatSpec, Translation};
use natscope::probe::judge::{Judgement, Standing, judge};
use natscope::probe::record::Record;
use natscope::sim::World;
use natscope::sim::link::Link;
use natscope::sim::server::{Fault, ServerSpec, Sight};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Where the simulated internet has a plain STUN server of somebody else's.
const STRANGER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(203, 0, 113, 200)), 3478);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn server(index: u8, faults: &[Fault]) -> ServerSpec {
    let at = |host, port| (Ipv4Addr::new(203, 0, 113, 10 * index + host), port).into();
    let way = Link::clean(ms(10));
    ServerSpec {
        primary: at(1, 3478),
        alternate: at(2, 3479),
        up: way,
        down: way,
        detour: Duration::ZERO,
        faults: faults.to_vec(),
    }
}

fn world(translated: bool, servers: Vec<ServerSpec>) -> World {
    let (mapping, filtering) = (Mapping::EndpointIndependent, Filtering::AddressAndPortDependent);
    let mut nat = NatSpec::new(mapping, filtering, Allocation::Preserving);
    if !translated {
        nat.translation = Translation::None;
    }
    World {
        seed: 7,
        nat,
        lan: [Link::clean(ms(1)); 2],
        alg: false,
        refuses: false,
        servers,
        relay: None,
        budget: Duration::from_secs(10),
    }
}

struct Run {
    record: Record,
    judged: Judgement,
    took: Duration,
}

fn run(world: &World) -> Run {
    let outcome = world.run().unwrap_or_else(|failure| panic!("{failure}\n{world:#?}"));
    let judged = judge(&outcome.record);
    Run { judged, record: outcome.record, took: outcome.took }
}

impl Run {
    /// The finding of this id about the n-th server.
    fn finding(&self, server: usize, id: &str) -> &Finding {
        let findings = &self.judged.servers[server].findings;
        let found = findings.iter().find(|finding| finding.id.as_str() == id);
        found.unwrap_or_else(|| panic!("no {id}: {findings:#?}"))
    }

    fn assert_untold(&self, what: &str) {
        let facts = &self.judged.facts;
        assert_eq!(facts.nat.value(), None, "{what}");
        assert_eq!(facts.mapping.value(), None, "{what}");
        assert_eq!(facts.filtering.value(), None, "{what}");
        assert_eq!(facts.classic.value(), None, "{what}");
        assert_eq!(facts.port_preservation.value(), None, "{what}");
        assert_eq!(facts.allocation.value(), None, "{what}");
        assert_eq!(facts.mapped_address_rewriting.value(), None, "{what}");
        assert_eq!(self.judged.seen, None, "{what}");
        let because = facts.nat.because();
        assert!(because.contains("no server gave an answer that counts"), "{what}: {because}");
    }
}

#[test]
fn what_a_misdeployed_server_sees_is_no_fact() {
    for (sight, id) in [
        (Sight::Balancer, "proxy-before-server"),
        (Sight::Loopback, "proxy-before-server"),
        (Sight::OtherFamily, "proxy-before-server"),
        (Sight::Unspecified, "impossible-mapped-address"),
        (Sight::Multicast, "impossible-mapped-address"),
        (Sight::PortZero, "impossible-mapped-address"),
        (Sight::Itself, "server-sees-itself"),
    ] {
        for translated in [true, false] {
            let what = format!("{sight:?}, translated: {translated}");
            let run = run(&world(translated, vec![server(0, &[Fault::Sees(sight)])]));
            run.assert_untold(&what);
            assert_eq!(run.judged.servers[0].standing, Standing::Unusable, "{what}");
            assert!(run.finding(0, id).text.contains("not used"), "{what}");
        }
    }
    // the address of this host, not XORed
    let run = run(&world(false, vec![server(0, &[Fault::Sees(Sight::NoXor)])]));
    run.assert_untold("not XORed");
    run.finding(0, "mangled-mapped-address");
}

#[test]
fn beside_an_honest_server_a_misdeployed_one_is_left_out() {
    for sight in [Sight::Balancer, Sight::Unspecified, Sight::Itself, Sight::NoXor] {
        let servers =
            vec![server(0, &[Fault::Sees(sight)]), server(1, &[]), server(2, &[Fault::Plain])];
        let run = run(&world(true, servers));
        let facts = &run.judged.facts;
        assert_eq!(facts.nat.value(), Some(&true), "{sight:?}");
        assert_eq!(facts.mapping.value(), Some(&Mapping::EndpointIndependent), "{sight:?}");
        assert_eq!(facts.filtering.value(), Some(&Filtering::AddressAndPortDependent));
        assert_eq!(run.judged.servers[0].standing, Standing::Unusable, "{sight:?}");
    }
}

#[test]
fn the_right_address_in_odd_clothes_is_the_right_address() {
    for fault in [
        Fault::Sees(Sight::Mapped6),
        Fault::Unpadded,
        Fault::Trailing(3),
        Fault::Trailing(8),
        Fault::NoCookie,
    ] {
        for (translated, servers) in [(true, 2), (false, 1)] {
            let servers = (0..servers).map(|n| server(n, &[fault])).collect();
            let run = run(&world(translated, servers));
            let facts = &run.judged.facts;
            assert_eq!(facts.nat.value(), Some(&translated), "{fault:?}");
            assert_eq!(facts.mapping.value(), Some(&Mapping::EndpointIndependent), "{fault:?}");
            assert_eq!(run.judged.servers[0].standing, Standing::Answers, "{fault:?}");
            if fault != Fault::Sees(Sight::Mapped6) {
                run.finding(0, "malformed-attribute");
            }
        }
    }
}

#[test]
fn each_refusal_has_its_own_name() {
    for (code, id, standing) in [
        (400, "refuses-request", Standing::Error),
        (401, "wants-credentials", Standing::WantsCredentials),
        (403, "forbidden", Standing::Error),
        (420, "unknown-attribute", Standing::Error),
        (438, "wants-credentials", Standing::WantsCredentials),
        (486, "refuses-request", Standing::Error),
        (503, "server-error", Standing::Error),
        (600, "answers-with-error", Standing::Error),
    ] {
        let run = run(&world(true, vec![server(0, &[Fault::Refuses(code)])]));
        run.assert_untold(&code.to_string());
        assert_eq!(run.judged.servers[0].standing, standing, "{code}");
        let text = &run.finding(0, id).text;
        assert!(text.contains(&code.to_string()), "{text}");
        assert!(text.contains("not here"), "the server's words are missing: {text}");
        assert!(run.took < ms(500), "{code}: {:?}", run.took);
    }
}

#[test]
fn a_redirection_is_followed_once_and_the_answer_is_the_other_servers() {
    let run = run(&world(true, vec![server(0, &[Fault::Redirects(STRANGER)])]));
    assert_eq!(run.record.servers.len(), 2);
    assert_eq!(run.record.servers[1].address, STRANGER);
    assert_eq!(run.record.servers[1].sent_by, Some(run.record.servers[0].address));
    assert_eq!(run.judged.servers[0].standing, Standing::Redirects);
    assert_eq!(run.judged.servers[1].standing, Standing::Answers);
    assert!(run.finding(0, "redirects").text.contains("203.0.113.200:3478"));
    run.finding(1, "alternate-server");
    assert_eq!(run.judged.facts.nat.value(), Some(&true));
    assert!(run.took < ms(500), "{:?}", run.took);
}

#[test]
fn two_redirections_are_one_too_many() {
    let faults = [Fault::Redirects(server(0, &[]).alternate), Fault::Redirects(STRANGER)];
    let run = run(&world(true, vec![server(0, &faults)]));
    assert_eq!(run.record.servers.len(), 2, "{:#?}", run.record.servers);
    let text = &run.finding(1, "redirects").text;
    assert!(text.contains("one redirection is followed, not two"), "{text}");
    run.assert_untold("two redirections");
}

#[test]
fn no_redirection_leads_into_a_private_network() {
    for to in ["10.0.0.9:3478", "127.0.0.1:3478", "169.254.169.254:80", "[2001:db8::1]:3478"] {
        let to: SocketAddr = to.parse().expect("literal");
        let run = run(&world(true, vec![server(0, &[Fault::Redirects(to)])]));
        assert_eq!(run.record.servers.len(), 1, "{to}");
        assert!(run.record.transactions.iter().all(|t| t.server != to), "{to}");
        let text = &run.finding(0, "redirects").text;
        assert!(text.contains(&to.to_string()) && text.contains("was not asked"), "{text}");
    }
}

#[test]
fn two_servers_that_name_each_other_do_not_go_round() {
    let (one, two) = (server(0, &[]).primary, server(1, &[]).primary);
    let servers = vec![server(0, &[Fault::Redirects(two)]), server(1, &[Fault::Redirects(one)])];
    let run = run(&world(true, servers));
    assert_eq!(run.record.servers.len(), 2);
    run.assert_untold("a circle");
    assert!(run.finding(0, "redirects").text.contains("was asked too"));
}

fn late(least: u64) -> Fault {
    Fault::Late { least: ms(least), most: ms(least) }
}

#[test]
fn a_first_answer_that_is_late_is_waited_for() {
    for after in [2500, 3500, 6000] {
        let servers = vec![
            server(0, &[Fault::Plain, Fault::NoTcp, late(after)]),
            server(1, &[Fault::Plain, Fault::NoTcp, late(after)]),
        ];
        let mut world = world(true, servers);
        world.budget = Duration::from_secs(30);
        let run = run(&world);
        assert_eq!(run.judged.facts.nat.value(), Some(&true), "{after} ms");
        let mapping = run.judged.facts.mapping.value();
        assert_eq!(mapping, Some(&Mapping::EndpointIndependent), "{after} ms");
    }
}

#[test]
fn a_dead_server_beside_a_good_one_does_not_hold_up_the_run() {
    let dead = [Fault::WhollyDead { icmp: false }, Fault::NoTcp];
    let run = run(&world(true, vec![server(0, &[]), server(1, &dead)]));
    assert!(run.took < ms(3500), "{:?}", run.took);
    assert_eq!(run.judged.servers[1].standing, Standing::Silent);
    assert!(run.finding(1, "silent").text.contains("nor over TCP"));
    assert_eq!(run.judged.facts.nat.value(), Some(&true));
}

#[test]
fn only_who_was_asked_and_said_nothing_is_silent() {
    let dead = |icmp| vec![server(0, &[Fault::WhollyDead { icmp }, Fault::NoTcp])];
    let silent = run(&world(true, dead(false)));
    assert_eq!(silent.judged.servers[0].standing, Standing::Silent);
    assert!(silent.took <= Duration::from_secs(10) && !silent.record.cut_short);
    let refused = run(&world(true, dead(true)));
    assert_eq!(refused.judged.servers[0].standing, Standing::Refused);
    refused.finding(0, "refused");
    for fault in [Fault::Garbage(1.0), Fault::WrongId(1.0)] {
        let run = run(&world(true, vec![server(0, &[fault])]));
        let (standing, id) = match fault {
            Fault::WrongId(_) => (Standing::WrongId, "wrong-id"),
            _ => (Standing::Malformed, "malformed-answer"),
        };
        assert_eq!(run.judged.servers[0].standing, standing, "{fault:?}");
        run.finding(0, id);
        run.assert_untold(id);
    }
}
