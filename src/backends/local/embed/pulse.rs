//! The run of the graph under way, as those see it who wait for it. Promises: one that passes its deadline is logged once
//! and asked to end, and whoever asks meanwhile is told at once; what a run larger than usual took of the runtime's memory is
//! given back. Native code that does not listen keeps its thread.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ort::session::RunOptions;

/// Has the runtime give memory back after a run, and whose: ONNX Runtime keeps for good what its largest run took.
const GIVE_BACK: (&str, &str) = ("memory.enable_memory_arena_shrinkage", "cpu:0");

/// Whether the model's thread works.
pub(super) struct Pulse {
    deadline: Duration,
    run: Mutex<Run>,
    /// End the run under way: a usual one, and one that is larger.
    brakes: [RunOptions; 2],
}

/// The run under way, if there is one.
#[derive(Default)]
struct Run {
    since: Option<Instant>,
    deadline: Duration,
    told: bool,
}

impl Pulse {
    /// A usual run that takes longer than `deadline` hangs.
    pub(super) fn new(deadline: Duration) -> ort::Result<Self> {
        let mut larger = RunOptions::new()?;
        larger.set(GIVE_BACK.0, GIVE_BACK.1)?;
        Ok(Self { deadline, run: Mutex::default(), brakes: [RunOptions::new()?, larger] })
    }

    /// Does `work`, a run of the graph that may take so many `times` as long as a usual one, with the options that it is
    /// given. It must not panic.
    pub(super) fn run<T>(&self, times: f64, work: impl FnOnce(&RunOptions) -> T) -> T {
        let [usual, larger] = &self.brakes;
        let brake = if times > 1.0 { larger } else { usual };
        {
            let mut run = self.lock();
            // The one before may have been asked to end.
            let _ = brake.unterminate();
            *run = Run { since: Some(Instant::now()), deadline: self.deadline.mul_f64(times), told: false };
        }
        let done = work(brake);
        *self.lock() = Run::default();
        done
    }

    /// Whether the run under way hangs. The first who sees it says so, and asks it to end.
    pub(super) fn hangs(&self) -> bool {
        let mut run = self.lock();
        let hangs = run.since.is_some_and(|since| since.elapsed() >= run.deadline);
        if hangs && !std::mem::replace(&mut run.told, true) {
            let seconds = run.deadline.as_secs_f64();
            tracing::error!(
                seconds,
                "the embedding model hangs: one run has taken too long. It is asked to end, and nothing can make it: restart \
                 the gateway if it does not come back"
            );
            // The other one runs nothing, and is made ready before it does.
            for brake in &self.brakes {
                let _ = brake.terminate();
            }
        }
        hangs
    }

    fn lock(&self) -> MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
