//! The house rules, held by reading the sources: which floor may use which, and what has one place
//! only. Exceptions stand in lists with their reasons, and one that is no longer needed fails too,
//! so that the lists only shrink.

use natscope::ground::finding::Id;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The floors, the lowest first; a floor uses those below it. What stands side by side does so in
/// this order too.
const FLOORS: [&str; 15] = [
    "ground", "nat", "stun", "turn", "probe", "ice", "sdp", "signal", "peer", "sim", "net", "lab",
    "report", "run", "cli",
];

/// What only one folder may name.
struct Rule {
    name: &'static str,
    /// What is looked for in a line of code.
    words: &'static [&'static str],
    /// Whether the rule holds for this file.
    holds: fn(&str) -> bool,
    /// Files that break it, and why.
    exceptions: &'static [(&'static str, &'static str)],
}

const RULES: &[Rule] = &[
    Rule {
        name: "STUN crates are named under src/stun only",
        words: &[
            "stun_types",
            "stun_rs",
            "stun_proto",
            "rice_stun_types",
            "turn_types",
            "turn_client_proto::{",
            "turn_client_proto::stun",
            "turn_client_proto::types",
            "rice_proto::{",
            "rice_proto::stun",
        ],
        holds: |file| file.starts_with("src/") && !file.starts_with("src/stun/"),
        exceptions: &[("src/turn/client/mod.rs", "times and transports of the client's crate")],
    },
    Rule {
        name: "arguments are parsed and text is printed in src/cli only",
        words: &["clap::", "println!(", "print!(", "eprintln!(", "eprint!(", "dbg!("],
        holds: |file| {
            let outside = !file.starts_with("src/cli/") && file != "src/main.rs";
            file.starts_with("src/") && outside
        },
        exceptions: &[(
            "src/lab/kernel/testing.rs",
            "handed to the harness of tests, which shows it or keeps it back",
        )],
    },
    Rule {
        name: "below net there are no sockets, clocks or randomness of the system",
        words: &[
            "tokio::",
            "UdpSocket",
            "TcpStream",
            "TcpListener",
            "socket2::",
            "Instant::now",
            "SystemTime::now",
            "Timestamp::now",
            "rand::rng(",
            "rand::random",
            "SysRng",
        ],
        holds: |file| floor(file).is_some_and(|floor| floor < floor_named("net")),
        exceptions: &[],
    },
    Rule {
        name: "tests wait for an event, they do not sleep",
        words: &["sleep("],
        holds: |file| file.starts_with("tests/") && !file.starts_with("tests/fuzz/"),
        exceptions: &[
            ("tests/lab/soak.rs", "lets a relay work for a while"),
            ("tests/suite/lab.rs", "looks again for the end of a process that is no child"),
            ("tests/suite/lab_cost.rs", "interrupts a measurement in its middle"),
            ("tests/suite/lab_signals.rs", "looks again for the end of a child; a shell's loop"),
            ("tests/suite/support/faulty.rs", "a server that answers late"),
        ],
    },
    Rule {
        name: "tests take any free port",
        words: &["bind(\"127.0.0.1:1", "bind(\"127.0.0.1:2", "bind(\"127.0.0.1:3"],
        holds: |file| file.starts_with("tests/"),
        exceptions: &[("tests/suite/relay.rs", "takes a port of the range that its relay has")],
    },
];

fn floor_named(name: &str) -> usize {
    FLOORS.iter().position(|floor| *floor == name).expect("a floor of the list")
}

/// The floor that a file of the library is on.
fn floor(file: &str) -> Option<usize> {
    let name = file.strip_prefix("src/")?.split_once('/')?.0;
    Some(floor_named(name))
}

/// Lines of code with their numbers; comments are left out.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate();
    lines.map(|(at, line)| (at + 1, line)).filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// The floors above its own that a file uses.
fn upward(file: &str, text: &str) -> Vec<String> {
    let Some(own) = floor(file) else { return Vec::new() };
    let above = |name: &&str| FLOORS.iter().position(|floor| floor == name) > Some(own);
    let mut found = Vec::new();
    for (at, line) in code(text) {
        for (column, _) in line.match_indices("crate::") {
            // a group may go on in the lines below
            let below = text.lines().skip(at).flat_map(|line| ["\n", line]);
            let used: String = [&line[column + 7..]].into_iter().chain(below).collect();
            let names = heads(&used).into_iter().filter(above);
            found.extend(names.map(|name| format!("{file}:{at}: {} uses {name}", FLOORS[own])));
        }
    }
    found
}

/// The first names of what follows `crate::`: one, or those of a group.
fn heads(used: &str) -> Vec<&str> {
    let Some(group) = used.strip_prefix('{') else { return vec![head(used)] };
    let (mut names, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(head(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
        if c == '}' && start == at + 1 {
            break;
        }
    }
    names
}

fn head(path: &str) -> &str {
    let path = path.trim_start();
    &path[..path.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(path.len())]
}

/// Where a file breaks a rule.
fn broken(rule: &Rule, file: &str, text: &str) -> Vec<String> {
    if !(rule.holds)(file) {
        return Vec::new();
    }
    let names = |line: &str| {
        rule.words.iter().any(|word| {
            line.match_indices(word).any(|(at, _)| {
                let before = line[..at].chars().next_back();
                !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
            })
        })
    };
    let lines = code(text).filter(|(_, line)| names(line));
    lines.map(|(at, line)| format!("{file}:{at}: {}", line.trim())).collect()
}

/// All sources by their path from the root of the project. Tests that stand in the library are
/// left out: they may use what they like.
fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in [
        "src",
        "examples",
        "tests/foreign_crate",
        "tests/suite",
        "tests/lab",
        "tests/bench",
        "tests/fuzz/targets",
    ] {
        walk(&root.join(folder), &mut files);
    }
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("UTF-8");
        (path.strip_prefix(root).expect("in the project").display().to_string(), text)
    };
    let rules = |(file, _): &(String, String)| file != "tests/suite/rules.rs";
    files.into_iter().map(read).filter(rules).collect()
}

fn is_test(file: &str) -> bool {
    file.starts_with("src/") && (file.contains("/tests/") || file.ends_with("tests.rs"))
}

#[test]
fn a_floor_uses_only_those_below_it() {
    let upward: Vec<String> = sources()
        .iter()
        .filter(|(file, _)| !is_test(file))
        .flat_map(|(file, text)| {
            upward(file, text.split("#[cfg(test)]\nmod tests {").next().unwrap())
        })
        .collect();
    assert!(upward.is_empty(), "{}", upward.join("\n"));
    let sample = "/// Not crate::cli.\nuse crate::nat::NatSpec;\nlet x = crate::report::text();\n\
                  use crate::{nat::{net, sim}, turn, lab};\n\
                  use crate::{\n    net::{cli, Bind},\n    stun,\n    sim,\n};\nlet (cli, peer);\n";
    let found = ["3: ice uses report", "4: ice uses lab", "5: ice uses net", "5: ice uses sim"];
    assert_eq!(
        super::rules::upward("src/ice/agent.rs", sample),
        found.map(|found| format!("src/ice/agent.rs:{found}"))
    );
}

#[test]
fn what_has_one_place_is_named_nowhere_else() {
    let sources = sources();
    for rule in RULES {
        let mut files = BTreeSet::new();
        let mut broken = Vec::new();
        for (file, text) in sources.iter().filter(|(file, _)| !is_test(file)) {
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let lines = super::rules::broken(rule, file, text);
            if !lines.is_empty() {
                files.insert(file.as_str());
            }
            if !rule.exceptions.iter().any(|(exception, _)| exception == file) {
                broken.extend(lines);
            }
        }
        assert!(broken.is_empty(), "{}:\n{}", rule.name, broken.join("\n"));
        for (file, why) in rule.exceptions {
            assert!(files.contains(file), "{}: {file} ({why}) keeps the rule now", rule.name);
        }
    }
}

#[test]
fn each_rule_finds_what_breaks_it() {
    let samples = [
        ("src/turn/policy.rs", "use turn_client_proto::stun::agent::Transmit;"),
        ("src/report/text.rs", "    println!(\"{line}\");"),
        ("src/probe/prober.rs", "let now = std::time::Instant::now();"),
        ("tests/suite/serve.rs", "std::thread::sleep(second);"),
        ("tests/suite/serve.rs", "UdpSocket::bind(\"127.0.0.1:3478\")"),
    ];
    for (rule, (file, line)) in RULES.iter().zip(samples) {
        assert_eq!(
            broken(rule, file, line),
            [format!("{file}:1: {}", line.trim())],
            "{}",
            rule.name
        );
        assert!(broken(rule, file, &format!("// {line}")).is_empty(), "{}", rule.name);
    }
}

#[test]
fn no_file_is_longer_than_500_lines() {
    let long: BTreeSet<String> = sources()
        .into_iter()
        .filter(|(_, text)| text.lines().count() > 500)
        .map(|(file, _)| file)
        .collect();
    assert!(long.is_empty(), "split by meaning: {long:?}");
}

/// The ids of findings are the names by which scripts and people look them up.
#[test]
fn every_finding_is_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let documented = ["docs/report.md", "docs/method.md"]
        .map(|file| fs::read_to_string(root.join(file)).expect("a document"))
        .concat();
    let missing: Vec<&Id> =
        Id::ALL.iter().filter(|id| !documented.contains(&format!("`{id}`"))).collect();
    assert!(missing.is_empty(), "not in docs/report.md: {missing:?}");
}

/// The names, sorted, of what is in a folder.
fn names(folder: &str) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(root).expect("a folder").map(|entry| entry.expect("an entry"));
    let stem = |path: PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    entries.filter_map(|entry| stem(entry.path())).collect()
}

#[test]
fn the_catalogue_is_the_folder_and_what_the_fuzzer_starts_from() {
    let catalogue = natscope::lab::catalogue::Catalogue::embedded();
    let shipped: BTreeSet<String> = catalogue.nats().iter().map(|nat| nat.name.clone()).collect();
    assert_eq!(shipped, names("lab/nats"), "each file of lab/nats is a NAT of that name");
    let seeds = names("tests/fuzz/corpus/spec");
    let missing: Vec<_> = shipped.difference(&seeds).collect();
    assert!(missing.is_empty(), "copy lab/nats to tests/fuzz/corpus/spec: {missing:?}");
    assert_eq!(names("tests/fuzz/targets"), names("tests/fuzz/corpus"), "a target, its seeds");
}
