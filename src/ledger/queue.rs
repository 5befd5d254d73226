//! The bounded queue between requests and the writer. A push is one short lock and wakes nobody until a batch is full:
//! the writer looks by itself every few hundred milliseconds. A full queue drops the new row and counts it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Outcome;
use crate::metrics::Metrics;

/// Rows that are written at once without waiting for the interval's end.
const BATCH: usize = 1_024;
/// Longest wait for a flush: beyond it the disk hangs, and the caller must not.
const LONGEST_FLUSH: Duration = Duration::from_secs(15);

/// Outcomes that wait to be written.
pub(crate) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    done: Condvar,
    capacity: usize,
    metrics: Arc<Metrics>,
}

#[derive(Default)]
#[expect(
    clippy::vec_box,
    reason = "rows are moved from hand to hand: a pointer each instead of half a kilobyte"
)]
struct State {
    rows: Vec<Box<Outcome>>,
    /// Rows that the writer holds because the file refused them.
    held: usize,
    /// Flushes asked for, and the newest that is done.
    asked: u64,
    answered: u64,
    stopped: bool,
}

/// What the writer is to do after it wrote.
pub(crate) struct Turn {
    pub(crate) stop: bool,
    asked: u64,
}

impl Queue {
    pub(crate) fn new(capacity: usize, metrics: Arc<Metrics>) -> Self {
        let (wake, done) = (Condvar::new(), Condvar::new());
        Self { state: Mutex::default(), wake, done, capacity, metrics }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a row, or drops and counts it when the queue is full or closed.
    pub(crate) fn push(&self, outcome: Box<Outcome>) {
        let mut state = self.lock();
        if state.stopped || state.rows.len() + state.held >= self.capacity {
            drop(state);
            return self.count("dropped", 1);
        }
        state.rows.push(outcome);
        let full = state.rows.len() == BATCH;
        drop(state);
        if full {
            self.wake.notify_one();
        }
    }

    /// Takes all rows.
    #[expect(clippy::vec_box, reason = "rows are moved from hand to hand")]
    pub(crate) fn take(&self) -> Vec<Box<Outcome>> {
        std::mem::take(&mut self.lock().rows)
    }

    /// The writer's wait: until `every` has passed, a batch is full, a flush is asked for, or the end. Rows go to `into`.
    #[expect(clippy::vec_box, reason = "rows are moved from hand to hand")]
    pub(crate) fn wait(&self, every: Duration, into: &mut Vec<Box<Outcome>>) -> Turn {
        let deadline = Instant::now() + every;
        let mut state = self.lock();
        while !state.stopped && state.asked == state.answered && state.rows.len() < BATCH {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        into.append(&mut state.rows);
        state.held = into.len();
        Turn { stop: state.stopped, asked: state.asked }
    }

    /// The writer's report: `written` rows are on disk, `held` are kept for another try.
    pub(crate) fn report(&self, turn: &Turn, written: usize, held: usize) {
        self.count("written", written);
        let mut state = self.lock();
        state.held = held;
        state.answered = turn.asked;
        drop(state);
        self.done.notify_all();
    }

    /// Counts rows that are given up.
    pub(crate) fn drop_rows(&self, rows: usize) {
        self.count("dropped", rows);
    }

    /// Waits until the writer has tried to write everything that is queued now.
    pub(crate) fn flush(&self) {
        let mut state = self.lock();
        if state.stopped {
            return;
        }
        state.asked += 1;
        let mine = state.asked;
        self.wake.notify_one();
        let deadline = Instant::now() + LONGEST_FLUSH;
        while state.answered < mine {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Closes the queue; the writer takes what is left.
    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.wake.notify_one();
    }

    /// The metrics that rows are counted in.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn count(&self, fate: &str, rows: usize) {
        self.metrics.ledger_rows_total.with_label_values(&[fate]).inc_by(rows as u64);
    }
}
