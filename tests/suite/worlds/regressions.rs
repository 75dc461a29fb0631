//! Worlds that went wrong once, each by the name of what went wrong.

use super::draw::{millis, server};
use super::{cone, plain_world};
use natscope::nat::{Bug, Filtering, NatSpec, Scope};
use natscope::sim::World;
use natscope::sim::link::Link;
use natscope::sim::server::Fault;

/// Each is run with many seeds.
pub fn all(seed: u64) -> Vec<(&'static str, World)> {
    let plain = |nat| plain_world(seed, nat, millis(40.0), 0.0);
    let strict = || plain(cone(Filtering::AddressAndPortDependent));
    let way = Link::clean(millis(20.0));
    // Two servers, the first with TCP only, the second as given.
    let half_dead = |fault| {
        let mut world = strict();
        world.servers.push(server(1, way, way));
        world.servers[0].faults = vec![Fault::WhollyDead { icmp: false }];
        world.servers[1].faults = vec![fault];
        world
    };
    let late = Fault::Late { least: millis(1400.0), most: millis(1400.0) };

    let mut twins = plain(NatSpec {
        scope: Scope::Endpoint,
        bugs: vec![Bug::EarlyPacket],
        ..cone(Filtering::AddressAndPortDependent)
    });
    let mut twin = twins.servers[0].clone();
    (twin.primary, twin.alternate) = (twin.alternate, twin.primary);
    twins.servers.push(twin);

    let mut doubled = strict();
    doubled.servers[0].down = Link { duplicate: 0.2, jitter: millis(15.0), ..way };

    vec![
        ("a packet that a shared permission let in proved that early ones do no harm", twins),
        ("a run cut short before a late server answered was called blocked", {
            World { budget: millis(930.0), ..half_dead(late) }
        }),
        ("garbage that came in over UDP was no sign that UDP passes", {
            half_dead(Fault::Garbage(1.0))
        }),
        ("duplicated answers were counted as lost ones", doubled),
    ]
}
