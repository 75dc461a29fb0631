//! `natscope serve --external`: a server in a cloud that translates its addresses one to one, seen from
//! outside by our prober and by coturn's client.
#![cfg(target_os = "linux")]

use crate::support::world::{missing, run};
use crate::support::{natscope, stderr};
use serde_json::Value;

/// Two addresses of a host in a cloud, known outside as two others; a client behind a home router; and
/// coturn's client and echoing peer in the internet.
const WORLD: &str = r#"
router cloud 7
in_ns cloud-in ip address add 192.168.7.3/24 dev eth0
in_ns cloud ip address add 198.51.7.3/24 dev wan
rules cloud <<'RULES'
-t nat -A PREROUTING -i wan -d 198.51.7.2 -j DNAT --to-destination 192.168.7.2
-t nat -A PREROUTING -i wan -d 198.51.7.3 -j DNAT --to-destination 192.168.7.3
-t nat -A POSTROUTING -o wan -s 192.168.7.2 -j SNAT --to-source 198.51.7.2
-t nat -A POSTROUTING -o wan -s 192.168.7.3 -j SNAT --to-source 198.51.7.3
RULES
router home 8
rules home <<'RULES'
-t nat -A POSTROUTING -o wan -j MASQUERADE
-A INPUT -i wan -m conntrack --ctstate NEW -j DROP
RULES
echo wonder >/run/password
mkfifo /run/serving
in_ns cloud-in "$NATSCOPE" serve --listen 192.168.7.2 --alternate 192.168.7.3 \
    --external 192.168.7.2=198.51.7.2 --external 192.168.7.3=198.51.7.3 \
    --turn --user alice --password-file /run/password 2>/run/serving &
exec 3</run/serving
opened=0
while [ "$opened" -lt 4 ]; do
    read -r line <&3 || { echo "the server ended" >&2; exit 1; }
    case $line in *"answering on"*) opened=$((opened + 1)); echo "$line" >>"$OUT/said" ;; *) echo "$line" >&2 ;; esac
done
cat <&3 >&2 &
in_ns home-in "$NATSCOPE" probe --server stun:198.51.7.2 --turn turn:198.51.7.2 --user alice \
    --password-file /run/password --format json >"$OUT/report.json" || true
in_ns inet turnutils_peer -L 203.0.113.10 -p 3480 >/dev/null 2>&1 &
# by a peer elsewhere, and with -y to another allocation of the same relay
for to in "-e 203.0.113.10 -r 3480" "-y"; do
    # shellcheck disable=SC2086 # words
    in_ns inet timeout 30 turnutils_uclient -u alice -w wonder -n 20 -m 2 $to 198.51.7.2 \
        >>"$OUT/client" 2>&1 || echo "ended with $?" >>"$OUT/client"
    echo ======== >>"$OUT/client"
done
"#;

#[test]
fn a_server_behind_a_one_to_one_translation_is_as_good_as_one_without() {
    if let Some(reason) = missing(&["turnutils_uclient"]) {
        return crate::support::skip(reason);
    }
    let (said, report, client) = run(WORLD, |out, log| {
        ["said", "report.json", "client"]
            .map(|name| {
                std::fs::read_to_string(out.join(name))
                    .unwrap_or_else(|e| panic!("{name}: {e}\n{log}"))
            })
            .into()
    });
    assert!(said.contains("answering on 192.168.7.2:3478, 198.51.7.2:3478 outside"), "{said}");
    let report: Value = serde_json::from_str(&report).expect("a report");
    let path = &report["paths"][0];
    for (axis, value) in [
        ("mapping", "endpoint-independent"),
        ("filtering", "address-and-port-dependent"),
        ("classic", "port-restricted-cone"),
    ] {
        assert_eq!(path[axis]["value"], value, "{report:#}");
        assert_eq!(path[axis]["grade"], "proven", "{report:#}");
    }
    let server = &report["servers"][0];
    assert_eq!(server["other_address"], "198.51.7.3:3479", "{server:#}");
    assert_eq!(server["findings"], Value::Array(Vec::new()), "{server:#}");
    let turn = &report["turn"][0];
    assert!(turn["relayed"].as_str().is_some_and(|at| at.starts_with("198.51.7.2:")), "{turn:#}");
    assert!(turn["through_ms"].is_f64(), "{turn:#}");
    let runs: Vec<&str> = client.split("========").collect();
    for run in &runs[..2] {
        let clean = "Total lost packets 0 (0.000000%), total send dropped 0";
        assert!(run.contains(clean) && !run.contains("error 4"), "{client}");
    }
}

#[test]
fn an_external_address_that_cannot_be_is_refused() {
    for (args, said) in [
        (&["--listen", "127.0.0.1", "--external", "nonsense"][..], "not an IP address"),
        (
            &["--listen", "127.0.0.1", "--external", "10.0.0.5=198.51.100.5"],
            "none of the addresses",
        ),
        (
            &["--listen", "127.0.0.1", "--external", "2001:db8::1"],
            "no --listen of its address family",
        ),
        (&["--listen", "127.0.0.1", "--external", "127.0.0.1=::1"], "different address families"),
        (&["--listen", "0.0.0.0", "--external", "198.51.100.5"], "name the address"),
        (
            &["--listen", "127.0.0.1", "--alternate", "127.0.0.2", "--external", "198.51.100.5"],
            "127.0.0.1=198.51.100.5 or 127.0.0.2=198.51.100.5",
        ),
    ] {
        let output = natscope().arg("serve").args(args).output().expect("it starts");
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(said), "{args:?}: {}", stderr(&output));
    }
}
