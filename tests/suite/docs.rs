//! Every command in the README and in `docs/` runs, and every output shown there has the shape of
//! the real one: figures may differ, words may not.
//!
//! A `console` block is a session: lines that begin with `$ ` are typed (a trailing `&` starts a
//! program that is ended with the block), the others are what is printed. `...` stands for any
//! number of lines. Each block runs in a network namespace and a folder of its own.
#![allow(clippy::format_push_string)] // a script is put together
#![cfg(target_os = "linux")]

use crate::support;
use std::path::Path;
use std::process::Command;

/// A typed line and the lines shown below it.
struct Step {
    command: String,
    shown: Vec<String>,
}

/// The `console` blocks of a document.
fn sessions(document: &str) -> Vec<Vec<Step>> {
    let mut sessions: Vec<Vec<Step>> = Vec::new();
    let mut inside = false;
    for line in document.lines() {
        match line {
            "```console" => {
                inside = true;
                sessions.push(Vec::new());
            }
            "```" => inside = false,
            _ if !inside => {}
            _ => {
                let session = sessions.last_mut().expect("inside a block");
                if let Some(command) = line.strip_prefix("$ ") {
                    session.push(Step { command: command.to_owned(), shown: Vec::new() });
                } else if let Some(step) = session.last_mut() {
                    step.shown.push(line.to_owned());
                }
            }
        }
    }
    sessions
}

/// A line without its figures, and without the widths that follow from them.
fn shape(line: &str) -> String {
    let mut shape = String::new();
    for c in line.chars() {
        let c = if c.is_ascii_digit() { '0' } else { c };
        let again = shape.ends_with(c) && matches!(c, '0' | ' ' | '─');
        if !again {
            shape.push(c);
        }
    }
    shape.trim_end().to_owned()
}

/// The shapes of lines, a table as one line for each column: where its cells are wrapped depends on
/// the figures in them.
fn shapes_of<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut shapes = Vec::new();
    let mut table: Vec<String> = Vec::new();
    for line in lines {
        if line.starts_with('│') {
            let cells: Vec<&str> = line.trim_matches('│').split('│').map(str::trim).collect();
            table.resize(cells.len().max(table.len()), String::new());
            for (column, cell) in table.iter_mut().zip(cells).filter(|(_, cell)| !cell.is_empty()) {
                column.push(' ');
                column.push_str(cell);
            }
        } else {
            shapes.extend(table.drain(..).map(|column| shape(&column)));
            shapes.push(if line.starts_with(['╭', '├', '╰']) {
                "─".into()
            } else {
                shape(line)
            });
        }
    }
    shapes
}

/// Whether the lines are those shown, by shape.
fn alike(shown: &[String], now: &[String]) -> bool {
    match shown.split_first() {
        None => now.is_empty(),
        Some((dots, rest)) if dots == "..." => {
            (0..=now.len()).any(|skip| alike(rest, &now[skip..]))
        }
        Some((line, rest)) => {
            now.split_first().is_some_and(|(first, now)| line == first && alike(rest, now))
        }
    }
}

/// The script of a session: each step's output goes to a file of its own. A program in the
/// background has begun when it has said that it answers.
fn script(session: &[Step], folder: &Path) -> String {
    let mut script = "ip link set lo up\nset -e\n".to_owned();
    for (i, step) in session.iter().enumerate() {
        let out = folder.join(format!("{i}.out")).display().to_string();
        script += &match step.command.strip_suffix('&') {
            Some(command) => format!(
                "{command} >{out}.started 2>&1 &\njobs=\"$jobs $!\"\n: >{out}\n\
                 tries=0\nuntil grep -q answering {out}.started; do tries=$((tries + 1)); \
                 test $tries -lt 200; sleep 0.02; done\n"
            ),
            None => format!("{} >{out} 2>&1\n", step.command),
        };
    }
    script + "kill $jobs 2>/dev/null || true\nwait\n"
}

/// A shell in a network namespace of its own, with natscope on its path; `None` where none can be
/// made.
fn shell(folder: &Path, script: &str) -> Option<std::process::Output> {
    let user = if nix::unistd::geteuid().is_root() { "-n" } else { "-rn" };
    let works = Command::new("unshare").args([user, "true"]).status();
    if !works.is_ok_and(|status| status.success()) {
        support::skip("no network namespace can be made here");
        return None;
    }
    let bin = assert_cmd::cargo::cargo_bin!("natscope");
    let path = format!(
        "{}:{}:/usr/sbin:/sbin",
        bin.parent().unwrap().display(),
        std::env::var("PATH").unwrap_or_default()
    );
    std::os::unix::fs::symlink(concat!(env!("CARGO_MANIFEST_DIR"), "/lab"), folder.join("lab"))
        .unwrap();
    let output = Command::new("unshare")
        .args([user, "sh", "-c", script])
        .env("PATH", path)
        .env("XDG_CONFIG_HOME", folder)
        .current_dir(folder)
        .output();
    Some(output.unwrap())
}

/// `make` is not run within its own test: its targets must exist and be the ones shown.
fn is_make(session: &[Step]) -> bool {
    let is = |step: &Step| step.command.starts_with("make ");
    if !session.iter().any(is) {
        return false;
    }
    for step in session {
        let target = step.command.strip_prefix("make ").expect("make stands alone");
        let output = Command::new("make")
            .args(["--dry-run", target])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(output.status.success(), "make {target}: {}", support::stderr(&output));
    }
    true
}

fn check(document: &str) {
    let sessions = sessions(&support::read(document));
    assert!(sessions.iter().all(|s| !s.is_empty()), "{document}: an empty console block");
    for session in sessions {
        if is_make(&session) {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let Some(output) = shell(folder.path(), &script(&session, folder.path())) else {
            return;
        };
        let read = |name: String| std::fs::read_to_string(folder.path().join(name));
        let printed: Vec<String> =
            (0..session.len()).map(|i| read(format!("{i}.out")).unwrap_or_default()).collect();
        assert!(
            output.status.success(),
            "{document}: a command failed: {}\n{}",
            support::stderr(&output),
            printed.join("\n---\n")
        );
        for (step, printed) in session.iter().zip(&printed) {
            let shown = shapes_of(step.shown.iter().map(String::as_str));
            assert!(
                alike(&shown, &shapes_of(printed.lines())),
                "{document}: `{}` now prints:\n{printed}",
                step.command
            );
        }
    }
}

#[test]
fn the_readme_is_true() {
    check("README.md");
}

#[test]
fn the_documents_are_true() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if Path::new(&name).extension().is_some_and(|ending| ending == "md") {
            check(&format!("docs/{name}"));
        }
    }
}

#[test]
fn shapes() {
    assert_eq!(shape("took 12.5 ms   at 1"), shape("took 3.25 ms at 20"));
    assert_ne!(shape("yes (proven)"), shape("yes (probable)"));
    let shown = shapes_of("a 1\n...\nz".lines());
    assert!(alike(&shown, &shapes_of("a 77\nb\nc\nz".lines())));
    assert!(!alike(&shown, &shapes_of("a 77\nb".lines())));
    let narrow = "╭──╮\n│ at 1:2 │ x │\n│ now    │   │\n╰──╯";
    let wide = "╭───╮\n│ at 10:25 now │ x │\n╰───╯";
    assert_eq!(shapes_of(narrow.lines()), shapes_of(wide.lines()));
}

/// The documents for those who read and change the sources.
const OURS: [&str; 2] = ["ARCHITECTURE.md", "CONTRIBUTING.md"];

/// Every document but the list of changes.
fn documents() -> Vec<String> {
    let entries = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let docs = names
        .filter(|name| Path::new(name).extension() == Some("md".as_ref()))
        .map(|name| format!("docs/{name}"));
    OURS.into_iter().chain(["README.md"]).map(str::to_owned).chain(docs).collect()
}

#[test]
fn links_lead_somewhere() {
    for document in documents() {
        let text = support::read(&document);
        let folder = Path::new(&document).parent().unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains("://") {
                let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(file);
                assert!(path.exists(), "{document} links {link}");
            }
        }
    }
}

/// What a document has in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn files_and_modules_that_documents_name_are_there() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    for document in documents() {
        let text = support::read(&document);
        let files = quoted(&text).filter(|word| {
            let ours = ["src/", "tests/", "docs/", "examples/"].iter().any(|f| word.starts_with(f));
            ours && !word.contains([' ', '*', '<', ':'])
        });
        for file in files {
            assert!(top.join(file).exists(), "{document} names {file}");
        }
    }
    let floor =
        |word: &str| word.split("::").next().is_some_and(|f| top.join("src").join(f).is_dir());
    let of_a_module = |c: char| c.is_ascii_lowercase() || c == '_' || c == ':';
    for document in OURS {
        let text = support::read(document);
        for module in quoted(&text).filter(|w| w.chars().all(of_a_module) && floor(w)) {
            let path = top.join("src").join(module.replace("::", "/"));
            assert!(
                path.is_dir() || path.with_extension("rs").exists(),
                "{document} names {module}"
            );
        }
    }
}

#[test]
fn commands_for_contributors_exist() {
    let text = support::read("CONTRIBUTING.md");
    let typed: Vec<&str> = quoted(&text).filter(|word| word.contains(' ')).collect();
    let targets = typed.iter().filter_map(|command| command.strip_prefix("make "));
    for target in targets {
        let mut make = Command::new("make");
        make.args(["--dry-run", target]).current_dir(env!("CARGO_MANIFEST_DIR"));
        assert!(make.output().unwrap().status.success(), "make {target}");
    }
    let mut filters = 0;
    for filter in typed.iter().filter_map(|c| c.strip_prefix("cargo test --test suite ")) {
        let this = std::env::current_exe().unwrap();
        let listed = Command::new(this).args([filter, "--list"]).output().unwrap();
        assert!(support::stdout(&listed).contains(": test"), "no test is called {filter}");
        filters += 1;
    }
    assert!(filters > 0 && typed.iter().any(|command| command.starts_with("cargo run --example ")));
}
