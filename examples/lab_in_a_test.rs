//! A test of your own behind a NAT of your choice: `cargo test --example lab_in_a_test`.
//!
//! Run as a program it says how: what matters is the test below.

fn main() {
    println!("cargo test --example lab_in_a_test");
}

#[test]
#[cfg(target_os = "linux")]
fn behind_a_symmetric_nat_the_port_changes_with_the_destination() {
    use natscope::lab::{self, TestLab};
    use natscope::nat::Mapping;
    use natscope::net::{Stop, probe};
    use natscope::probe::{Config, judge};
    use std::time::Duration;

    lab::test("symmetric", async |lab: TestLab| {
        let record = lab.host(0).run(|| async {
            let servers = [TestLab::STUN, TestLab::PLAIN_STUN].map(|uri| {
                let address = uri.trim_start_matches("stun:").parse().expect("an address");
                (uri.to_owned(), address)
            });
            let budget = Duration::from_secs(10);
            let config =
                Config { servers: servers.to_vec(), budget, fixed: false, relays: Vec::new() };
            probe::run(config, &probe::Options::default(), Stop::new(), &mut |_| {}).await
        });
        let record = record.await.expect("the host runs it").expect("the prober runs");
        let facts = judge::judge(&record).facts;
        assert_eq!(facts.mapping.value(), Some(&Mapping::AddressAndPortDependent));
    });
}
