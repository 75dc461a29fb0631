//! `natscope lab exec` and `shell`: a command on a host behind a NAT.

use super::{Failure, enter, find, inside};
use crate::lab::kernel::supervisor::{self, Terminal};
use crate::lab::kernel::wishes::{Wish, Wishes};
use crate::lab::kernel::{LabError, experiment};
use crate::nat::NatSpec;
use clap::Args;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

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

/// How long a command may take to end when the lab was told to.
const GRACE: Duration = Duration::from_secs(2);

pub(super) fn run(args: &ExecArgs) -> Result<ExitCode, Failure> {
    let spec = find(&args.nat)?;
    inside(|wishes| perform(spec, args.loss, !args.no_server, args.command.clone(), wishes))
}

pub(super) fn shell(nat: &str) -> Result<ExitCode, Failure> {
    let spec = find(nat)?;
    let shell = std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
    enter(Terminal::Lent, |wishes| perform(spec, 0, true, vec![shell], wishes))
}

async fn perform(
    spec: NatSpec,
    loss: u8,
    server: bool,
    command: Vec<OsString>,
    mut wishes: Wishes,
) -> Result<ExitCode, Failure> {
    let build = async {
        let lab = experiment::build(std::slice::from_ref(&spec), loss).await?;
        if server {
            experiment::serve(&lab.internet).await?;
        }
        Ok::<_, Failure>(lab)
    };
    let lab = tokio::select! {
        lab = build => lab?,
        wish = wishes.next() => return Ok(ExitCode::from(wish.code())),
    };
    let client = lab.first_client()?;
    // Caught here, it is as usual in the command, even where this program was started to ignore it.
    let _interrupt = signal(SignalKind::interrupt()).map_err(|e| Failure::run(e.to_string()))?;
    let (tell, started) = oneshot::channel();
    let running = client.submit(move || async move { status(&command, tell).await }).wait();
    Ok(ExitCode::from(attend(running, started.await.ok(), wishes).await?))
}

/// Waits for the command, and hands on what the user wants of it. Gives its exit code, or that of
/// the signal when it does not end in time: process 1 then ends, and the kernel ends the command.
async fn attend(
    running: impl Future<Output = Result<Result<u8, LabError>, LabError>>,
    command: Option<Pid>,
    mut wishes: Wishes,
) -> Result<u8, LabError> {
    tokio::pin!(running);
    let mut until: Option<(tokio::time::Instant, u8)> = None;
    loop {
        let late = async {
            match until {
                Some((at, code)) => {
                    tokio::time::sleep_until(at).await;
                    code
                }
                None => std::future::pending().await,
            }
        };
        let wish = tokio::select! {
            code = &mut running => return code?,
            code = late => return Ok(code),
            wish = wishes.next() => wish,
        };
        // the terminal has told the command already
        if wish != Wish::CtrlC
            && let Some(command) = command
        {
            // it may just have ended
            let _ = kill(command, wish.signal());
        }
        if matches!(wish, Wish::Terminate | Wish::Hangup) && until.is_none() {
            until = Some((tokio::time::Instant::now() + GRACE, wish.code()));
        }
    }
}

/// Runs a command in the namespace of this thread: its exit code, or 128 + its signal.
async fn status(command: &[OsString], started: oneshot::Sender<Pid>) -> Result<u8, LabError> {
    use std::os::unix::process::ExitStatusExt as _;
    let Some((program, arguments)) = command.split_first() else {
        return Err(LabError::Experiment("no command".into()));
    };
    let fail =
        |e: std::io::Error| LabError::Experiment(format!("{}: {e}", program.to_string_lossy()));
    let mut child = Command::new(program)
        .args(arguments)
        .env_remove(supervisor::INSIDE)
        .env("NATSCOPE_LAB_SERVER", experiment::server().to_string())
        .env("NATSCOPE_LAB_ALTERNATE", experiment::alternate().to_string())
        .env("NATSCOPE_LAB_NAMES", supervisor::names().unwrap_or_default())
        .spawn()
        .map_err(fail)?;
    if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()) {
        let _ = started.send(Pid::from_raw(pid));
    }
    let status = child.wait().await.map_err(fail)?;
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    Ok(u8::try_from(code).unwrap_or(1))
}
