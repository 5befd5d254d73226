//! How far a run is: a bar where a person watches, else a line every few seconds.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::evals::Progress;

/// Between two lines where there is no terminal.
const EVERY: Duration = Duration::from_secs(5);

pub(in crate::cli) enum Meter {
    Bar(ProgressBar),
    Lines { next: Instant, unit: &'static str },
}

impl Meter {
    pub(in crate::cli) fn new(of: usize, unit: &'static str) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines { next: Instant::now() + EVERY, unit };
        }
        let bar = ProgressBar::new(of as u64);
        let template = format!("{{bar:30}} {{pos}}/{{len}} {unit} {{msg}} {{elapsed}} (eta {{eta}})");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        Self::Bar(bar)
    }

    pub(in crate::cli) fn tell(&mut self, progress: Progress) {
        let failed = match progress.failed {
            0 => String::new(),
            failed => format!("({failed} failed)"),
        };
        match self {
            Self::Bar(bar) => {
                bar.set_position(progress.done as u64);
                bar.set_message(failed);
            }
            Self::Lines { next, unit } if Instant::now() >= *next => {
                *next = Instant::now() + EVERY;
                eprintln!("{} of {} {unit} {failed}", progress.done, progress.of);
            }
            Self::Lines { .. } => {}
        }
    }

    pub(in crate::cli) fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
