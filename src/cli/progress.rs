//! Facts on the terminal as they become certain: on stderr, and only when that is a terminal.

use crate::ground::fact::Grade;
use crate::probe::judge::judge;
use crate::probe::record::Record;
use crate::report::{Axis, Family, Status, escape_terminal};
use indicatif::ProgressBar;
use std::time::Duration;

/// A spinner, with the facts above it.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    shown: Vec<(Family, Axis, String)>,
}

impl Progress {
    /// Hidden where stderr is no terminal.
    #[must_use]
    pub fn new() -> Self {
        let bar = ProgressBar::new_spinner().with_message("measuring");
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Self { bar, shown: Vec::new() }
    }

    /// Says what is being done.
    pub fn doing(&self, what: &str) {
        self.bar.set_message(escape_terminal(what).into_owned());
    }

    /// Shows what is newly proven. Only that: a later packet may still overturn the rest.
    pub fn update(&mut self, family: Family, record: &Record) {
        if self.bar.is_hidden() {
            return;
        }
        let facts = judge(record).facts;
        for &axis in Axis::ALL {
            let fact = axis.of(&facts);
            let Status::Known(value, Grade::Proven) = &fact.status else { continue };
            let known = (family, axis, value.clone());
            if !self.shown.contains(&known) {
                let line = format!("{} {}: {}", family.title(), axis.title(), fact.answer());
                self.bar.println(line);
                self.shown.push(known);
            }
        }
    }

    /// A line for the user, above the spinner.
    pub fn note(&self, text: &str) {
        self.bar.suspend(|| super::exit::tell(text));
    }

    /// Takes the spinner away.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}
