//! What the user wants of a running lab: the signals that reach the front, carried to process 1.
//!
//! Process 1 of a pid namespace is not told of signals that it has no handler for, so that one sent
//! before it is ready would be lost. The front therefore blocks them before anything else, reads
//! them in its own time, and writes each as a byte into the pipe that process 1 reads: there it
//! waits until somebody looks.

use super::LabError;
use super::supervisor::refused;
use crate::net::process;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use std::fs::File;
use std::io::Read as _;
use tokio::sync::mpsc;

/// A signal that reached the front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Ctrl-C: the terminal has sent SIGINT to every program in its foreground by itself.
    CtrlC,
    /// SIGINT, sent to the front.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP: the terminal is closed.
    Hangup,
}

impl Wish {
    const ALL: [Self; 4] = [Self::CtrlC, Self::Interrupt, Self::Terminate, Self::Hangup];

    /// The signal.
    #[must_use]
    pub const fn signal(self) -> Signal {
        match self {
            Self::CtrlC | Self::Interrupt => Signal::SIGINT,
            Self::Terminate => Signal::SIGTERM,
            Self::Hangup => Signal::SIGHUP,
        }
    }

    /// The exit code of what it ends.
    #[must_use]
    pub fn code(self) -> u8 {
        u8::try_from(128 + self.signal() as i32).unwrap_or(1)
    }

    /// On the pipe.
    pub(super) const fn byte(self) -> u8 {
        match self {
            Self::CtrlC => b'c',
            Self::Interrupt => b'i',
            Self::Terminate => b't',
            Self::Hangup => b'h',
        }
    }

    fn of(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|wish| wish.byte() == byte)
    }
}

/// The front's signals, none of which is lost once this is made.
#[derive(Debug)]
pub(super) struct Signals(SignalFd);

impl Signals {
    /// Keeps them from now on. A SIGHUP that was ignored from the start (`nohup`) stays so.
    pub fn hold() -> Result<Self, LabError> {
        let mut set = SigSet::empty();
        set.extend([Signal::SIGINT, Signal::SIGTERM, Signal::SIGCHLD]);
        if !process::ignores_hangup() {
            set.add(Signal::SIGHUP);
        }
        set.thread_block().map_err(|e| refused("signals cannot be held", e))?;
        let file = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC);
        file.map(Self).map_err(|e| refused("signalfd", e))
    }

    /// Lets them through again: process 1 has inherited that they are held, and would hand it on.
    pub fn release() -> Result<(), LabError> {
        let mut set = SigSet::empty();
        set.extend([Signal::SIGINT, Signal::SIGTERM, Signal::SIGCHLD, Signal::SIGHUP]);
        set.thread_unblock().map_err(|e| refused("signals cannot be let through", e))
    }

    /// Waits for the next one. (No thread does that for the front: after it has asked for a new
    /// pid namespace the kernel gives it none.)
    pub fn next(&self) -> Result<News, LabError> {
        loop {
            let info = self.0.read_signal().map_err(|e| refused("signalfd", e))?;
            if let Some(news) = info.and_then(|info| News::of(&info)) {
                return Ok(news);
            }
        }
    }
}

/// What the front waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// Process 1 may have ended.
    Child,
    /// The user wants something.
    Wish(Wish),
}

impl News {
    fn of(info: &siginfo) -> Option<Self> {
        let by_terminal = info.ssi_code == libc::SI_KERNEL;
        match Signal::try_from(i32::try_from(info.ssi_signo).ok()?).ok()? {
            Signal::SIGCHLD => Some(Self::Child),
            Signal::SIGINT if by_terminal => Some(Self::Wish(Wish::CtrlC)),
            Signal::SIGINT => Some(Self::Wish(Wish::Interrupt)),
            Signal::SIGTERM => Some(Self::Wish(Wish::Terminate)),
            Signal::SIGHUP => Some(Self::Wish(Wish::Hangup)),
            _ => None,
        }
    }
}

/// The lab's end of the pipe. While nobody holds it a wish ends the lab at once.
#[derive(Debug)]
pub struct Wishes(mpsc::UnboundedReceiver<Wish>);

impl Wishes {
    /// The next one. Cancel safe.
    pub async fn next(&mut self) -> Wish {
        match self.0.recv().await {
            Some(wish) => wish,
            // the thread that tells lives as long as the process
            None => std::future::pending().await,
        }
    }
}

/// Reads the front's pipe on a thread of its own: wishes, and at its end the front is gone, and
/// this process ends too.
pub(super) fn follow(mut pipe: File) -> Result<Wishes, LabError> {
    let (tell, wishes) = mpsc::unbounded_channel();
    let follow = move || {
        let mut byte = [0];
        while let Ok(1) = pipe.read(&mut byte) {
            let Some(wish) = Wish::of(byte[0]) else { continue };
            if tell.send(wish).is_err() {
                std::process::exit(i32::from(wish.code()));
            }
        }
        std::process::exit(1);
    };
    let thread = std::thread::Builder::new().name("front-watch".into()).stack_size(256 << 10);
    thread.spawn(follow).map_err(|e| refused("a thread", e))?;
    Ok(Wishes(wishes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_passes_the_pipe_as_it_is() {
        for wish in Wish::ALL {
            assert_eq!(Wish::of(wish.byte()), Some(wish));
        }
        assert_eq!(Wish::of(b'x'), None);
        assert_eq!(
            (Wish::Interrupt.code(), Wish::Terminate.code(), Wish::Hangup.code()),
            (130, 143, 129)
        );
    }
}
