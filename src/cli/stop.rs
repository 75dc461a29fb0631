//! When to stop early: Ctrl-C, SIGTERM, and a terminal that is closed. What else a signal may mean
//! (SIGHUP to a server: read your files again) is listened for here too.

use super::exit::Failure;
use crate::net::{Stop, process};
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Signals closer together than this are one: `timeout` sends its signal to the program and then to
/// its group, and nobody presses Ctrl-C twice so fast.
const ONE: Duration = Duration::from_millis(300);
/// The exit code where a second signal ends the program at once: of SIGINT, as shells have it.
pub const AT_ONCE: i32 = 130;

/// Cancelled by Ctrl-C, SIGTERM or SIGHUP; a second one ends the program at once. A SIGHUP that
/// the program was started to ignore (`nohup`) stays ignored.
pub fn on_signal() -> Result<Stop, Failure> {
    let mut signals = listen(system::ends)?;
    if !process::ignores_hangup() {
        signals.0.extend(listen(system::hangup)?.0);
    }
    Ok(by(move |context| signals.poll(context)))
}

/// The same, where SIGHUP means something else.
pub fn on_signal_but_hangup() -> Result<Stop, Failure> {
    let mut signals = listen(system::ends)?;
    Ok(by(move |context| signals.poll(context)))
}

/// SIGHUP; never, where there is no such signal.
pub fn hangups() -> Result<Signals, Failure> {
    listen(system::hangup)
}

/// Cancelled when this is ready for the first time; the second time the program ends at once.
pub fn by(mut wish: impl FnMut(&mut Context<'_>) -> Poll<()> + Send + 'static) -> Stop {
    let stop = Stop::new();
    let tell = stop.clone();
    tokio::spawn(async move {
        poll_fn(&mut wish).await;
        tell.cancel();
        let first = Instant::now();
        loop {
            poll_fn(&mut wish).await;
            if first.elapsed() > ONE {
                std::process::exit(AT_ONCE);
            }
        }
    });
    stop
}

fn listen(signals: fn() -> io::Result<Vec<Signal>>) -> Result<Signals, Failure> {
    signals()
        .map(Signals)
        .map_err(|error| Failure::run(format!("cannot listen for signals: {error}")))
}

/// Ready at each signal of its kind.
type Signal = Box<dyn FnMut(&mut Context<'_>) -> Poll<Option<()>> + Send>;

/// Any of several signals.
pub struct Signals(Vec<Signal>);

impl Signals {
    /// Waits for the next one. Cancel safe.
    pub async fn next(&mut self) {
        poll_fn(|context| self.poll(context)).await;
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // all are asked, so that all know whom to wake
        let ready = self.0.iter_mut().filter_map(|signal| signal(context).is_ready().then_some(()));
        if ready.count() > 0 { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[cfg(unix)]
mod system {
    use super::Signal;
    use std::io;
    use tokio::signal::unix::{SignalKind, signal};

    fn source(kind: SignalKind) -> io::Result<Signal> {
        let mut signal = signal(kind)?;
        Ok(Box::new(move |context| signal.poll_recv(context)))
    }

    pub fn ends() -> io::Result<Vec<Signal>> {
        [SignalKind::interrupt(), SignalKind::terminate()].into_iter().map(source).collect()
    }

    pub fn hangup() -> io::Result<Vec<Signal>> {
        Ok(vec![source(SignalKind::hangup())?])
    }
}

#[cfg(windows)]
mod system {
    use super::Signal;
    use std::io;
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown};

    /// Ctrl-C, Ctrl-Break, the window that is closed, and the end of the system.
    pub fn ends() -> io::Result<Vec<Signal>> {
        let (mut c, mut brk) = (ctrl_c()?, ctrl_break()?);
        let (mut close, mut shutdown) = (ctrl_close()?, ctrl_shutdown()?);
        Ok(vec![
            Box::new(move |context| c.poll_recv(context)),
            Box::new(move |context| brk.poll_recv(context)),
            Box::new(move |context| close.poll_recv(context)),
            Box::new(move |context| shutdown.poll_recv(context)),
        ])
    }

    #[allow(clippy::unnecessary_wraps)] // the shape of the other one
    pub fn hangup() -> io::Result<Vec<Signal>> {
        Ok(Vec::new())
    }
}
