//! How far a run is: a bar where a person watches, else a line every few seconds.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::evals::Progress;

/// Between two lines where there is no terminal.
const EVERY: Duration = Duration::from_secs(5);

pub(super) enum Meter {
    Bar(ProgressBar),
    Lines { next: Instant },
}

impl Meter {
    pub(super) fn new(rows: usize) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines { next: Instant::now() + EVERY };
        }
        let bar = ProgressBar::new(rows as u64);
        if let Ok(style) =
            ProgressStyle::with_template("{bar:30} {pos}/{len} rows {msg} {elapsed} (eta {eta})")
        {
            bar.set_style(style);
        }
        Self::Bar(bar)
    }

    pub(super) fn tell(&mut self, progress: Progress) {
        let failed = match progress.failed {
            0 => String::new(),
            failed => format!("({failed} failed)"),
        };
        match self {
            Self::Bar(bar) => {
                bar.set_position(progress.done as u64);
                bar.set_message(failed);
            }
            Self::Lines { next } if Instant::now() >= *next => {
                *next = Instant::now() + EVERY;
                eprintln!("{} of {} rows {failed}", progress.done, progress.of);
            }
            Self::Lines { .. } => {}
        }
    }

    pub(super) fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
