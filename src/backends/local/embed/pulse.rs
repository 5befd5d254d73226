//! The run of the graph under way, as those see it who wait for it. Promises: one that passes its deadline is logged once
//! and asked to end, and whoever asks meanwhile is told at once. Native code that does not listen keeps its thread.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ort::session::RunOptions;

/// Whether the model's thread works.
pub(super) struct Pulse {
    deadline: Duration,
    run: Mutex<Run>,
    /// Ends the run under way.
    brake: RunOptions,
}

/// The run under way, if there is one.
#[derive(Default)]
struct Run {
    since: Option<Instant>,
    told: bool,
}

impl Pulse {
    /// A run that takes longer than `deadline` hangs.
    pub(super) fn new(deadline: Duration) -> ort::Result<Self> {
        Ok(Self { deadline, run: Mutex::default(), brake: RunOptions::new()? })
    }

    /// Does `work`, a run of the graph with the options that it is given. It must not panic.
    pub(super) fn run<T>(&self, work: impl FnOnce(&RunOptions) -> T) -> T {
        {
            let mut run = self.lock();
            // The one before may have been asked to end.
            let _ = self.brake.unterminate();
            run.since = Some(Instant::now());
        }
        let done = work(&self.brake);
        *self.lock() = Run::default();
        done
    }

    /// Whether the run under way hangs. The first who sees it says so, and asks it to end.
    pub(super) fn hangs(&self) -> bool {
        let mut run = self.lock();
        let hangs = run.since.is_some_and(|since| since.elapsed() >= self.deadline);
        if hangs && !std::mem::replace(&mut run.told, true) {
            let seconds = self.deadline.as_secs_f64();
            tracing::error!(
                seconds,
                "the embedding model hangs: one run has taken too long. It is asked to end, and nothing can make it: restart \
                 the gateway if it does not come back"
            );
            let _ = self.brake.terminate();
        }
        hangs
    }

    fn lock(&self) -> MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
