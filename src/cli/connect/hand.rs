//! Descriptions that people carry: pasted lines and files.

use crate::cli::exit::{Failure, tell};
use crate::cli::output;
use crate::net::connect::Hand;
use crate::sdp::{self, Message};
use crate::signal::Role;
use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;

/// How often a file is looked for.
const LOOK: Duration = Duration::from_millis(50);
/// How far a file system's clock may be behind ours: some count in steps of two seconds.
const CLOCKS: Duration = Duration::from_secs(2);
/// A file that has not changed for so long is all there.
const SETTLED: Duration = Duration::from_millis(500);

/// Where ours goes, and where the peer's comes from; stdout and stdin where none is named.
#[derive(Debug)]
pub struct Hands {
    role: Role,
    to: Option<PathBuf>,
    from: Source,
    to_stdout: bool,
    began: SystemTime,
}

#[derive(Debug)]
enum Source {
    File(PathBuf),
    /// What has been typed, once reading has begun.
    Stdin {
        lines: Option<mpsc::Receiver<String>>,
        text: String,
    },
}

impl Hands {
    /// `offer` writes the offer's file and reads the answer's, `answer` the other way round.
    ///
    /// # Errors
    /// The two are the same file.
    pub fn new(
        role: Role,
        offer: Option<PathBuf>,
        answer: Option<PathBuf>,
        to_stdout: bool,
    ) -> Result<Self, Failure> {
        let named = |file: Option<PathBuf>| file.filter(|file| file != Path::new("-"));
        let (offer, answer) = (named(offer), named(answer));
        if offer.is_some() && offer == answer {
            return Err(Failure::usage("the offer and the answer need files of their own"));
        }
        let (to, from) = if role == Role::Offer { (offer, answer) } else { (answer, offer) };
        let stdin = Source::Stdin { lines: None, text: String::new() };
        let from = from.map_or(stdin, Source::File);
        Ok(Self { role, to, from, to_stdout, began: SystemTime::now() })
    }

    const fn mine(&self) -> &'static str {
        self.role.as_str()
    }

    const fn theirs(&self) -> &'static str {
        self.role.other().as_str()
    }
}

impl Hand for Hands {
    fn role(&self) -> Role {
        self.role
    }

    fn give(&mut self, ours: &Message) -> Result<(), String> {
        let mine = self.mine();
        if let Some(file) = &self.to {
            write(file, &ours.to_sdp())?;
            tell(&format!("the {mine} is in {}", file.display()));
            return Ok(());
        }
        let then = if self.role == Role::Offer { ", then paste its answer here" } else { "" };
        tell(&format!("give this line to the other side{then}:"));
        let line = ours.to_line() + "\n";
        if self.to_stdout {
            // it must be seen at once, and the report follows it later
            return output::print(&line).map_err(|_| "cannot write to stdout".to_owned());
        }
        let mut stderr = std::io::stderr();
        stderr.write_all(line.as_bytes()).map_err(|_| "cannot write to stderr".to_owned())
    }

    fn take(&mut self) -> Pin<Box<dyn Future<Output = Result<Message, String>> + Send + '_>> {
        let theirs = self.theirs();
        // an offer may have been waiting for long; an answer from before is one to another offer
        let since = (self.role == Role::Offer).then(|| self.began - CLOCKS);
        Box::pin(async move {
            match &mut self.from {
                Source::File(file) => {
                    tell(&format!("waiting for the {theirs} in {}", file.display()));
                    from_file(file, since).await
                }
                Source::Stdin { lines, text } => {
                    if std::io::stdin().is_terminal() && theirs == "offer" {
                        tell("paste the other side's offer here:");
                    }
                    from_stdin(lines.get_or_insert_with(read_stdin), text, theirs).await
                }
            }
        })
    }
}

/// Writes a file at once and whole: the other side may be waiting for it.
fn write(file: &Path, text: &str) -> Result<(), String> {
    output::replace(file, text).map_err(|error| format!("cannot write {}: {error}", file.display()))
}

/// Waits for a file to be there and whole.
async fn from_file(file: &Path, since: Option<SystemTime>) -> Result<Message, String> {
    loop {
        let changed = std::fs::metadata(file).and_then(|meta| meta.modified()).ok();
        let changed = changed.filter(|changed| since.is_none_or(|since| *changed >= since));
        if let Some(changed) = changed {
            match load(file) {
                Ok(message) => return Ok(message),
                // it may be half written
                Err(error) => {
                    let age = changed.elapsed().unwrap_or(SETTLED);
                    if age >= SETTLED {
                        return Err(error);
                    }
                }
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn load(file: &Path) -> Result<Message, String> {
    let name = file.display();
    let most = u64::try_from(sdp::LONGEST).unwrap_or(u64::MAX);
    let bytes = crate::net::file::read(file, most)
        .map_err(|error| format!("cannot read {name}: {error}"))?;
    Message::read(&String::from_utf8_lossy(&bytes)).map_err(|error| error.of(name))
}

/// Lines from stdin, by a thread of their own: reading them cannot be interrupted.
fn read_stdin() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(64);
    let read = move || {
        let mut left = sdp::LONGEST;
        let mut stdin = std::io::stdin().lock();
        loop {
            let mut line = Vec::new();
            let most = u64::try_from(left).unwrap_or(0);
            let read = stdin.by_ref().take(most).read_until(b'\n', &mut line);
            let Ok(1..) = read else { return };
            left = left.saturating_sub(line.len());
            let line = String::from_utf8_lossy(&line).into_owned();
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().spawn(read) {
        tell(&format!("stdin cannot be read: no thread can be had: {error}"));
    }
    receiver
}

/// Waits until what was pasted is a whole description.
async fn from_stdin(
    lines: &mut mpsc::Receiver<String>,
    text: &mut String,
    theirs: &str,
) -> Result<Message, String> {
    while let Some(line) = lines.recv().await {
        text.push_str(&line);
        match Message::read(text) {
            Ok(message) if is_whole(text) => return Ok(message),
            // the rest of a wrapped line, or more lines of SDP, may be on their way
            Ok(_) => {}
            Err(error) if error.partial => {
                if lines.is_empty() {
                    tell(&format!("{}; or is there more?", error.what));
                }
            }
            Err(error) if text.contains("natscope-") => {
                tell(&format!("{}; paste it again", error.what));
                text.clear();
            }
            Err(_) => {}
        }
    }
    if text.trim().is_empty() {
        return Err(format!("stdin ended before the {theirs} was pasted"));
    }
    Message::read(text).map_err(|error| error.of("stdin"))
}

/// SDP has no end of its own: a blank line, or what our own ends with. Everything else that can be
/// read is whole.
fn is_whole(text: &str) -> bool {
    let text_form = !text.contains("natscope-offer-") && !text.contains("natscope-answer-");
    let plain = text_form && !text.trim_start().starts_with(['{', '[', '"']);
    !plain
        || text.ends_with("\n\n")
        || text.ends_with("\n\r\n")
        || text.contains("end-of-candidates")
}
