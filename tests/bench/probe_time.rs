//! The time that `natscope probe` takes, against coturn's `turnutils_natdiscovery -m -f` and
//! `stun` of stun-client: behind the same NATs, with the same server, in the same run.
//!
//! Prints one Markdown table, for `docs/performance.md`.

#[cfg(target_os = "linux")]
#[path = "../suite/support/mod.rs"]
mod support;

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("SKIPPED: this bench needs Linux");
}

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(target_os = "linux")]
mod linux {
    use super::support::world;
    /// Runs of each tool behind each NAT; the median is shown.
    const RUNS: usize = 3;

    const MASQUERADE: &str = "-t nat -A POSTROUTING -o wan -j MASQUERADE";
    const QUIET: &str = "-A INPUT -i wan -m conntrack --ctstate NEW -j DROP";

    /// The tools: a name for the files, a name to print, and the command.
    const TOOLS: [(&str, &str, &str); 3] = [
        (
            "natscope",
            "natscope probe",
            "\"$NATSCOPE\" probe --server stun:203.0.113.10 --format json",
        ),
        ("coturn", "natdiscovery -m -f", "turnutils_natdiscovery -m -f 203.0.113.10"),
        ("vovida", "stun", "stun 203.0.113.10"),
    ];

    pub fn main() {
        // `cargo test --benches` only wants to know that it starts
        if !std::env::args().any(|arg| arg == "--bench") {
            return;
        }
        if let Some(reason) = world::missing(&["turnutils_natdiscovery", "stun"]) {
            return super::support::skip(reason);
        }
        let nats: [(&str, &str, String); 5] = [
            ("eim-apdf", "", format!("{MASQUERADE}\n{QUIET}")),
            (
                "eim-eif",
                "",
                "-t nat -A POSTROUTING -o wan -j SNAT --to-source 198.51.7.2\n\
             -t nat -A PREROUTING -i wan -j DNAT --to-destination 192.168.7.2"
                    .to_owned(),
            ),
            ("apdm-apdf", "", format!("{MASQUERADE} --random\n{QUIET}")),
            ("leaky (eim-apdf)", "", MASQUERADE.to_owned()),
            ("open", "192.0.2", String::new()),
        ];
        println!(
            "Median seconds of {RUNS} runs; in brackets, how many times as long as natscope.\n"
        );
        println!("| NAT | {} |", TOOLS.map(|tool| tool.1).join(" | "));
        println!("|---|---|---|---|");
        for (name, lan, rules) in nats {
            let seconds = measure(lan, &rules);
            let ours = seconds[0];
            let cells = [0, 1, 2].map(|tool| match tool {
                0 => format!("{ours:.3}"),
                _ => format!("{:.3} ({:.1})", seconds[tool], seconds[tool] / ours),
            });
            println!("| {name} | {} |", cells.join(" | "));
        }
    }

    /// Median seconds of each tool behind one NAT.
    fn measure(lan: &str, rules: &str) -> [f64; 3] {
        let runs: Vec<String> = TOOLS
            .iter()
            .map(|(file, _, command)| {
                // `stun` gives its verdict as its exit code
                format!(
                    "for run in $(seq {RUNS}); do
                    begin=$(date +%s%N)
                    in_ns nat-in {command} >>\"$OUT/{file}.said\" 2>&1 || :
                    echo $(($(date +%s%N) - begin)) >>\"$OUT/{file}\"
                done\n"
                )
            })
            .collect();
        let body = format!(
            "router nat 7 {lan}\nrules nat <<'RULES'\n{rules}\nRULES\nserve\n{}",
            runs.concat()
        );
        world::run(&body, |out, _| {
            TOOLS.map(|(file, ..)| {
                let said =
                    std::fs::read_to_string(out.join(format!("{file}.said"))).expect("written");
                // a tool that got no answer has not measured anything
                let worked = match file {
                    "natscope" => said.contains("\"proven\""),
                    "coturn" => said.contains("Filtering!") || said.contains("UDP reflexive"),
                    _ => said.contains("Primary:") && !said.contains("Blocked"),
                };
                assert!(worked, "{file} did not work: {said}");
                median(&std::fs::read_to_string(out.join(file)).expect("written"))
            })
        })
    }

    fn median(nanoseconds: &str) -> f64 {
        let mut all: Vec<f64> =
            nanoseconds.lines().map(|line| line.parse().expect("nanoseconds")).collect();
        assert_eq!(all.len(), RUNS);
        all.sort_by(f64::total_cmp);
        all[RUNS / 2] / 1e9
    }
}
