//! Which servers are one machine.

use super::*;
use crate::probe::judge::machines::Machines;

#[test]
fn servers_with_an_address_in_common_are_one_machine() {
    let table: [(&str, Run, &[usize]); 4] = [
        ("addresses of their own", plain(&[(A, X), (B, X), (C, X)]), &[0, 1, 2]),
        ("two ports of one", plain(&[(A, X), (B, X), (A_PORT, X)]), &[0, 1, 0]),
        (
            "one is the other's alternate",
            plain(&[(B, X), (A_ADDRESS, X)]).server(&[(A, Some(X)), (A_BOTH, None)]),
            &[0, 1, 1],
        ),
        (
            "a third joins two",
            plain(&[(A, X), (B, X)]).named(C).ask(2, "m", A, None).ask(2, "m", B, None),
            &[0, 0, 0],
        ),
    ];
    for (name, run, alike) in table {
        let machines = Machines::of(&run.0);
        assert_eq!(machines.servers(), alike.len(), "{name}");
        for (i, j) in (0..alike.len()).flat_map(|i| (0..i).map(move |j| (i, j))) {
            assert_eq!(machines.at(i) == machines.at(j), alike[i] == alike[j], "{name}: {i}, {j}");
        }
        assert_eq!(machines.at(7), 7, "{name}: not in the record");
    }
}
