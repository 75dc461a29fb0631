//! Arguments, progress, exit codes. Thin: everything it shows is made by the floors below.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // clocks and sockets are allowed here

mod config;
mod connect;
mod exit;
mod expect;
#[cfg(target_os = "linux")]
mod lab;
mod output;
mod probe;
mod progress;
mod report;
mod serve;
mod stop;
mod turn;

use clap::{Parser, Subcommand};
use exit::Failure;
use std::process::ExitCode;

/// What NAT is in front of this machine? Is STUN enough for a peer-to-peer connection, or is TURN
/// needed, and why?
#[derive(Debug, Parser)]
#[command(name = "natscope", version, max_term_width = 100, after_help = exit::HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure the NAT in front of this machine
    Probe(probe::Args),
    /// Connect two machines by ICE, and say what that took
    Connect(connect::Args),
    /// Answer as a STUN server (RFC 5780 with two addresses)
    Serve(serve::Args),
    /// Rebuild NATs in namespaces of this machine, and measure them
    #[cfg(target_os = "linux")]
    Lab(lab::LabArgs),
    /// Show or explain a saved report
    Report(report::Args),
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // help goes to stdout with success, mistakes to stderr with 2; a closed pipe is fine
            let _ = error.print();
            return if error.use_stderr() { exit::USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    let outcome = match cli.command {
        Command::Probe(args) => probe::run(&args),
        Command::Connect(args) => connect::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Report(args) => report::run(&args),
        #[cfg(target_os = "linux")]
        Command::Lab(args) => {
            // a command run in the lab gives its own exit code
            return lab::run(&args).unwrap_or_else(|failure| failure.tell());
        }
    };
    match outcome {
        Ok(outcome) => outcome.code().into(),
        Err(failure) => failure.tell(),
    }
}

/// A runtime for one thread: sockets belong to the namespace that the thread is in.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::run(format!("could not start: {error}")))
}
