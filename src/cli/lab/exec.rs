//! `natscope lab exec` and `shell`: a command on a host behind a NAT.

use super::{Failure, find, inside};
use crate::lab::kernel::{LabError, experiment, supervisor};
use crate::nat::NatSpec;
use clap::Args;
use std::ffi::OsString;
use std::process::ExitCode;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

/// Arguments of `natscope lab exec`.
#[derive(Debug, Args)]
pub struct ExecArgs {
    /// A name, an alias, a composed name such as adm-apdf-random, or a TOML file
    nat: String,
    /// Of a hundred UDP packets, lose this many, each direction
    #[arg(long, value_name = "PERCENT", default_value_t = 0,
          value_parser = clap::value_parser!(u8).range(0..=90))]
    loss: u8,
    /// Start no STUN server
    #[arg(long)]
    no_server: bool,
    /// The command and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

pub(super) fn run(args: &ExecArgs) -> Result<ExitCode, Failure> {
    let spec = find(&args.nat)?;
    inside(|| perform(spec, args.loss, !args.no_server, args.command.clone()))
}

pub(super) fn shell(nat: &str) -> Result<ExitCode, Failure> {
    let spec = find(nat)?;
    let shell = std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
    inside(|| perform(spec, 0, true, vec![shell]))
}

async fn perform(
    spec: NatSpec,
    loss: u8,
    server: bool,
    command: Vec<OsString>,
) -> Result<ExitCode, Failure> {
    let lab = experiment::build(std::slice::from_ref(&spec), loss).await?;
    if server {
        experiment::serve(&lab.internet).await?;
    }
    let client = lab.first_client()?;
    // a terminal's Ctrl-C reaches the command by itself; this process goes on waiting for it
    let _interrupt = signal(SignalKind::interrupt()).map_err(|e| Failure::run(e.to_string()))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| Failure::run(e.to_string()))?;
    let running = client.submit(move || async move { status(&command).await });
    tokio::select! {
        code = running.wait() => Ok(ExitCode::from(code??)),
        // process 1 of the lab ends, and the kernel ends the command with it
        _ = terminate.recv() => Err(Failure::run("terminated")),
    }
}

/// Runs a command in the namespace of this thread: its exit code, or 128 + its signal.
async fn status(command: &[OsString]) -> Result<u8, LabError> {
    use std::os::unix::process::ExitStatusExt as _;
    let Some((program, arguments)) = command.split_first() else {
        return Err(LabError::Experiment("no command".into()));
    };
    let status = Command::new(program)
        .args(arguments)
        .env_remove(supervisor::INSIDE)
        .env("NATSCOPE_LAB_SERVER", experiment::server().to_string())
        .env("NATSCOPE_LAB_ALTERNATE", experiment::alternate().to_string())
        .env("NATSCOPE_LAB_NAMES", supervisor::names().unwrap_or_default())
        .status()
        .await
        .map_err(|e| LabError::Experiment(format!("{}: {e}", program.to_string_lossy())))?;
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    Ok(u8::try_from(code).unwrap_or(1))
}
