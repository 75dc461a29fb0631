//! Which of the servers given are one machine: what several names of one machine say counts once.

use super::view::from_here;
use crate::probe::record::Record;
use std::net::IpAddr;

/// For each server, by its index, the machine that it is.
pub(super) struct Machines(Vec<usize>);

impl Machines {
    /// Servers with an address in common, their own or an alternate's, are one machine.
    pub fn of(record: &Record) -> Self {
        let addresses = |about: usize| -> Vec<IpAddr> {
            let own = record.servers.get(about).map(|s| s.address.ip());
            let asked = record.transactions.iter().filter(|t| t.about == about && from_here(t));
            own.into_iter().chain(asked.map(|t| t.server.ip())).collect()
        };
        let of_server: Vec<Vec<IpAddr>> = (0..record.servers.len()).map(addresses).collect();
        let mut machines: Vec<usize> = (0..of_server.len()).collect();
        for (i, own) in of_server.iter().enumerate() {
            for (j, earlier) in of_server.iter().enumerate().take(i) {
                if own.iter().any(|ip| earlier.contains(ip)) {
                    join(&mut machines, i, j);
                }
            }
        }
        Self(machines)
    }

    /// The machine of this server; a number of its own for one that is not in the record.
    pub fn at(&self, about: usize) -> usize {
        self.0.get(about).copied().unwrap_or(about)
    }

    /// How many servers there are.
    pub const fn servers(&self) -> usize {
        self.0.len()
    }
}

fn join(machines: &mut [usize], i: usize, j: usize) {
    let (Some(&from), Some(&to)) = (machines.get(i), machines.get(j)) else { return };
    machines.iter_mut().filter(|m| **m == from).for_each(|m| *m = to);
}
