//! `natscope lab`: NATs rebuilt in namespaces of this machine.

mod certify;
mod cost;
mod doctor;
mod exec;
mod matrix;
mod scenario;
mod show;

use super::exit::{Failure, Outcome};
use super::output::{Format, print};
use super::stop;
use crate::lab::catalogue::Catalogue;
use crate::lab::kernel::LabError;
use crate::lab::kernel::supervisor::{self, Role, Terminal};
use crate::lab::kernel::wishes::Wishes;
use crate::nat::NatSpec;
use crate::net::Stop;
use clap::{Args, Subcommand};
use std::future::Future;
use std::pin::pin;
use std::process::ExitCode;

/// Arguments of `natscope lab`.
#[derive(Debug, Args)]
pub struct LabArgs {
    #[command(subcommand)]
    verb: Verb,
}

/// A NAT: its name, an alias, a composed name such as adm-apdf-random, or a TOML file.
#[derive(Debug, Subcommand)]
enum Verb {
    /// List the NATs that the program knows
    List {
        /// How to print it
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Show the description of a NAT and its nftables rules
    Show {
        /// A name, an alias, a composed name such as adm-apdf-random, or a TOML file
        nat: String,
        /// How to print it
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Say what this kernel and user may do, and how to allow the rest
    Doctor {
        /// How to print it
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Build NATs, measure each from inside, and hold label and measurement side by side
    Certify(certify::CertifyArgs),
    /// Try every pair of NATs with a real connection, with STUN alone and with TURN
    Matrix(matrix::MatrixArgs),
    /// Measure what a relay costs, beside STUN and a direct connection
    Cost(cost::CostArgs),
    /// Run a scenario: what was expected, what was measured, what it means
    Run(scenario::RunArgs),
    /// Run a command on a host behind a NAT, with a STUN server to talk to
    Exec(exec::ExecArgs),
    /// Open a shell on a host behind a NAT
    Shell {
        /// A name, an alias, a composed name such as adm-apdf-random, or a TOML file
        nat: String,
    },
}

/// Runs it.
///
/// # Errors
/// When a NAT is unknown or malformed, or this kernel or user may not build it.
pub fn run(args: &LabArgs) -> Result<ExitCode, Failure> {
    match &args.verb {
        Verb::List { format } => show::list(*format),
        Verb::Show { nat, format } => show::show(nat, *format),
        Verb::Doctor { format } => doctor::run(*format),
        Verb::Certify(args) => certify::run(args),
        Verb::Matrix(args) => matrix::run(args),
        Verb::Cost(args) => cost::run(args),
        Verb::Run(args) => scenario::run(args),
        Verb::Exec(args) => exec::run(args),
        Verb::Shell { nat } => exec::shell(nat),
    }
}

impl From<LabError> for Failure {
    fn from(error: LabError) -> Self {
        Self::run(error.to_string())
    }
}

fn find(name: &str) -> Result<NatSpec, Failure> {
    Catalogue::embedded().find(name).map_err(|e| Failure::run(e.to_string()))
}

/// The NATs named, or the whole catalogue.
fn find_all(names: &[String]) -> Result<Vec<NatSpec>, Failure> {
    if names.is_empty() {
        return Ok(Catalogue::embedded().nats().to_vec());
    }
    names.iter().map(|name| find(name)).collect()
}

/// Enters the lab's namespaces and does the work there. The front's code is the lab's.
fn inside<F: Future<Output = Result<ExitCode, Failure>>>(
    work: impl FnOnce(Wishes) -> F,
) -> Result<ExitCode, Failure> {
    enter(Terminal::Shared, work)
}

fn enter<F: Future<Output = Result<ExitCode, Failure>>>(
    terminal: Terminal,
    work: impl FnOnce(Wishes) -> F,
) -> Result<ExitCode, Failure> {
    match supervisor::enter(terminal)? {
        Role::Front(code) => Ok(code),
        Role::Lab(wishes) => super::runtime()?.block_on(work(wishes)),
    }
}

/// Cancelled when the user wants an end (Ctrl-C, SIGTERM, SIGHUP); a second wish ends the lab at
/// once.
fn stop_signal(mut wishes: Wishes) -> Stop {
    // `next` is cancel safe
    stop::by(move |context| pin!(wishes.next()).poll(context).map(drop))
}

fn code(outcome: Outcome) -> ExitCode {
    outcome.code().into()
}
