//! The server's log: lines on stderr, written by a thread of its own. Whoever reads them slowly, or
//! not at all, must not hold up the server.

use crate::cli::exit::tell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

/// Lines that wait; more are counted instead of written.
const LINES: usize = 4096;
/// How long the last lines may take at the end.
const FAREWELL: Duration = Duration::from_millis(500);

enum Entry {
    Line(String),
    /// All before it has been written.
    Flush(SyncSender<()>),
}

/// Takes lines. It may be cloned.
#[derive(Clone)]
pub(super) struct Log {
    entries: Option<SyncSender<Entry>>,
    lost: Arc<AtomicUsize>,
}

impl Log {
    pub fn start() -> Self {
        let (entries, queue) = sync_channel(LINES);
        let lost = Arc::new(AtomicUsize::new(0));
        let missing = Arc::clone(&lost);
        let thread = std::thread::Builder::new().name("log".to_owned()).spawn(move || {
            for entry in queue {
                match entry {
                    Entry::Line(line) => tell(&line),
                    Entry::Flush(done) => drop(done.send(())),
                }
                let lost = missing.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    tell(&format!("{lost} lines of the log were lost: it is not read fast enough"));
                }
            }
        });
        // without a thread (a limit of the system's) lines are written where they arise
        Self { entries: thread.is_ok().then_some(entries), lost }
    }

    /// Writes a line, soon.
    pub fn tell(&self, line: String) {
        match &self.entries {
            None => tell(&line),
            Some(entries) if entries.try_send(Entry::Line(line)).is_err() => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
            Some(_) => {}
        }
    }

    /// Waits until what was told has been written, for a moment at most.
    pub fn flush(&self) {
        let Some(entries) = &self.entries else { return };
        let (done, is_done) = sync_channel(1);
        if entries.try_send(Entry::Flush(done)).is_ok() {
            let _ = is_done.recv_timeout(FAREWELL);
        }
    }
}
