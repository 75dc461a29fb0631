//! When to stop early: Ctrl-C, SIGTERM, and a terminal that is closed.

use super::exit::Failure;
use crate::net::Stop;
use crate::net::process;
use std::time::{Duration, Instant};

/// Signals closer together than this are one: `timeout` sends its signal to the program and then to
/// its group, and nobody presses Ctrl-C twice so fast.
const ONE: Duration = Duration::from_millis(300);
/// The exit code where a second signal ends the program at once: of SIGINT, as shells have it.
pub const AT_ONCE: i32 = 130;

/// Cancelled by Ctrl-C, SIGTERM or SIGHUP; a second one ends the program at once. A SIGHUP that
/// the program was started to ignore (`nohup`) stays ignored.
pub fn on_signal() -> Result<Stop, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed = |error| Failure::run(format!("cannot listen for signals: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let hangup = (!process::ignores_hangup()).then(|| signal(SignalKind::hangup()));
    let mut hangup = hangup.transpose().map_err(failed)?;
    let stop = Stop::new();
    let tell = stop.clone();
    tokio::spawn(async move {
        let mut stopping = Stopping::default();
        loop {
            let hung_up = async {
                match &mut hangup {
                    Some(hangup) => hangup.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hung_up => {}
            }
            stopping.again();
            tell.cancel();
        }
    });
    Ok(stop)
}

/// Tells the first wish to stop from a second.
#[derive(Debug, Default)]
pub struct Stopping(Option<Instant>);

impl Stopping {
    /// Another signal: the second ends the program.
    pub fn again(&mut self) {
        let first = *self.0.get_or_insert_with(Instant::now);
        if first.elapsed() > ONE {
            std::process::exit(AT_ONCE);
        }
    }
}
