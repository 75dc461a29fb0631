//! Runs tests one after the other, each in a process of its own, as the ordinary harness would say
//! it. A process is needed to enter the lab: it must be done before any thread is started.
#![allow(clippy::disallowed_methods)] // how long the tests took is printed

use natscope::lab::catalogue::Catalogue;
use natscope::lab::kernel::supervisor::{self, Role, Terminal};
use natscope::lab::{pass_on, skip_named};
use natscope::nat::NatSpec;
use std::panic::catch_unwind;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// What a test comes to; an error says why it failed.
pub type Outcome<T = ()> = Result<T, String>;

/// Names the test to run, in the process that is for it.
const TEST: &str = "NATSCOPE_TEST_ALONE";

/// Where a test runs.
#[derive(Clone, Copy)]
pub enum Place {
    /// In the lab's namespaces.
    Lab,
    /// There, when something else is there besides; an error says what is missing.
    LabWith(fn() -> Outcome),
    /// In an ordinary process.
    Here,
}

/// A test.
pub struct Test {
    /// What it is called.
    pub name: &'static str,
    /// Where it runs.
    pub place: Place,
    /// Runs it.
    pub run: fn() -> Outcome,
}

/// Runs the tests that the arguments choose, or the one that this process is for.
pub fn main(tests: &[Test]) -> ExitCode {
    match std::env::var(TEST) {
        Ok(name) => match tests.iter().find(|test| test.name == name) {
            Some(test) => test.here(),
            None => ExitCode::FAILURE,
        },
        Err(_) => Chosen::from_arguments().run(tests),
    }
}

impl Test {
    /// Runs it in this process, or in the lab that this process enters.
    fn here(&self) -> ExitCode {
        let need = match self.place {
            Place::LabWith(need) if std::env::var_os(supervisor::INSIDE).is_none() => need(),
            _ => Ok(()),
        };
        if let Err(reason) = need {
            return self.skipped(&reason);
        }
        if matches!(self.place, Place::Here) {
            return self.outcome();
        }
        match supervisor::enter(Terminal::Shared) {
            Ok(Role::Front(code)) => code,
            Ok(Role::Lab(wishes)) => {
                drop(wishes);
                self.outcome()
            }
            Err(error) => self.skipped(&error.to_string()),
        }
    }

    fn outcome(&self) -> ExitCode {
        match (self.run)() {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                eprintln!("{}: FAILED: {why}", self.name);
                ExitCode::FAILURE
            }
        }
    }

    fn skipped(&self, reason: &str) -> ExitCode {
        match catch_unwind(|| skip_named(self.name, reason)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        }
    }

    /// Runs it in a process of its own: whether it passed, and what it printed if that was kept.
    fn apart(&self, keep: bool) -> (bool, String) {
        let this = std::env::current_exe().expect("this program");
        let mut command = Command::new(this);
        command.env(TEST, self.name).stdin(Stdio::null());
        if !keep {
            return (command.status().expect("it starts").success(), String::new());
        }
        let output = command.output().expect("it starts");
        let told = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&told).into_owned())
    }
}

/// What the arguments ask for. Those of the ordinary harness that make no difference here are
/// taken and forgotten.
#[derive(Default)]
struct Chosen {
    names: Vec<String>,
    skipped: Vec<String>,
    exact: bool,
    list: bool,
    ignored: bool,
    show: bool,
}

impl Chosen {
    fn from_arguments() -> Self {
        let mut chosen = Self::default();
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--exact" => chosen.exact = true,
                "--list" => chosen.list = true,
                "--ignored" => chosen.ignored = true,
                "--nocapture" | "--no-capture" => chosen.show = true,
                "--skip" => chosen.skipped.extend(arguments.next()),
                "--test-threads" | "--color" | "--format" | "-Z" => drop(arguments.next()),
                option if option.starts_with('-') => {}
                _ => chosen.names.push(argument),
            }
        }
        chosen
    }

    fn has(&self, test: &Test) -> bool {
        let is =
            |name: &String| test.name == name || (!self.exact && test.name.contains(name.as_str()));
        // none is ignored
        !self.ignored
            && (self.names.is_empty() || self.names.iter().any(is))
            && !self.skipped.iter().any(is)
    }

    fn run(&self, tests: &[Test]) -> ExitCode {
        let chosen: Vec<&Test> = tests.iter().filter(|test| self.has(test)).collect();
        if self.list {
            for test in chosen {
                println!("{}: test", test.name);
            }
            return ExitCode::SUCCESS;
        }
        println!("\nrunning {} tests", chosen.len());
        let began = Instant::now();
        let mut failed = Vec::new();
        for test in &chosen {
            let (passed, told) = test.apart(!self.show);
            println!("test {} ... {}", test.name, if passed { "ok" } else { "FAILED" });
            if passed {
                pass_on(&told);
            } else {
                failed.push((test.name, told));
            }
        }
        for (name, told) in &failed {
            println!("\n---- {name} ----\n{told}");
        }
        println!(
            "\ntest result: {}. {} passed; {} failed; 0 ignored; 0 measured; {} filtered out; \
             finished in {:.2}s\n",
            if failed.is_empty() { "ok" } else { "FAILED" },
            chosen.len() - failed.len(),
            failed.len(),
            tests.len() - chosen.len(),
            began.elapsed().as_secs_f64()
        );
        if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(101) }
    }
}

/// An error as its text.
pub fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// A runtime of one thread.
pub fn runtime() -> Outcome<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(text)
}

/// Every pair of the four classic NATs, each once.
pub fn classic_pairs() -> Outcome<Vec<[NatSpec; 2]>> {
    let names = ["full-cone", "restricted-cone", "port-restricted-cone", "symmetric"];
    let all = Catalogue::embedded();
    let classic: Vec<NatSpec> =
        names.iter().map(|name| all.find(name)).collect::<Result<_, _>>().map_err(text)?;
    Ok((0..classic.len())
        .flat_map(|a| (a..classic.len()).map(move |b| (a, b)))
        .map(|(a, b)| [classic[a].clone(), classic[b].clone()])
        .collect())
}
