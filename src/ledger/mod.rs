//! What every request cost and how it went: one `Outcome` each, priced, counted, logged, and stored off the hot path.
//! Metrics, log line, cost report and evals all read this one struct. Holds facts, never prompts or answers.

mod cost;
mod count;
mod estimate;
mod eval_runs;
mod logged;
mod machine;
mod notes;
mod outcome;
mod prices;
mod queue;
mod recorder;
mod report;
mod schema;
mod scores;
mod shadow;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

pub use estimate::{Estimate, estimate};
pub use eval_runs::{EvalRun, export_evals, insert_eval_runs, insert_golden_runs, latest_eval_runs};
pub use logged::{Answered, Logged, logged};
pub use notes::{NoteError, Noted};
pub use outcome::{Attempt, End, IfRemote, Origin, Outcome};
pub use prices::{Price, Prices};
pub use recorder::Recorder;
pub use report::{By, Line, Query, Summary, summarize};
pub use scores::recent_scores;
pub use shadow::{Place, Sample, Samples, Shadows};

use crate::config::{LedgerConfig, LocalConfig, Problem};
use crate::metrics::Metrics;
use cost::Pricer;
use machine::{Machine, Rate};
use notes::Notes;
use queue::Queue;
use writer::Writer;

/// What keeps a ledger from opening or from being read. Each message names the file and the key that mends it.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The price table is wrong; at least one problem.
    #[error("the price table cannot be used:\n{}", lines(.0))]
    Prices(Vec<Problem>),
    /// The SQLite file cannot be opened, read or written.
    #[error("{}: ledger.path: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        message: String,
    },
    /// The SQLite file is of an older form. Whoever writes it brings it forward, a reader never does.
    #[error("{}: ledger.path: {message}", path.display())]
    Older {
        /// The file.
        path: PathBuf,
        /// What to do.
        message: String,
    },
}

impl LedgerError {
    fn file(path: &Path, message: impl std::fmt::Display) -> Self {
        Self::File { path: path.to_path_buf(), message: message.to_string() }
    }

    /// Each problem, with its own file and key.
    pub fn problems(self) -> Vec<Problem> {
        match self {
            Self::Prices(problems) => problems,
            Self::File { path, message } | Self::Older { path, message } => {
                vec![Problem { file: Some(path), key: Some("ledger.path".to_owned()), message }]
            }
        }
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("  {problem}")).collect::<Vec<_>>().join("\n")
}

/// Where the ledger lies: the configured path, else `ledger.sqlite` in the state folder.
pub fn file(config: &LedgerConfig, state: &Path) -> PathBuf {
    config.path.clone().unwrap_or_else(|| state.join("ledger.sqlite"))
}

/// Takes finished outcomes: prices them, counts them in the metrics, logs one line, and queues them for the store.
pub struct Ledger {
    metrics: Arc<Metrics>,
    pricer: Pricer,
    queue: Arc<Queue>,
    writer: Option<Writer>,
    notes: Option<Notes>,
}

impl Ledger {
    /// Opens the SQLite file at `path`, creating it and its folder where there is none, and starts its writer.
    ///
    /// # Errors
    /// When the price table is wrong, or the file cannot be used.
    pub fn open(
        config: &LedgerConfig,
        local: &LocalConfig,
        remote_model: &str,
        path: &Path,
        metrics: Arc<Metrics>,
    ) -> Result<Self, LedgerError> {
        let prices = Prices::load(config.prices.as_deref()).map_err(LedgerError::Prices)?;
        if !prices.knows(remote_model) {
            tracing::warn!(
                model = remote_model,
                "the remote model has no price: its requests are counted as unpriced; \
                 name its price in the file of ledger.prices"
            );
        }
        let mut ledger = Self::in_memory(prices, local, remote_model, metrics);
        ledger.queue = Arc::new(Queue::new(config.queue, Arc::clone(&ledger.metrics)));
        let every = Duration::from_millis(config.flush_ms);
        ledger.writer = Some(Writer::start(path, every, Arc::clone(&ledger.queue))?);
        ledger.notes = Some(Notes::new(path));
        Ok(ledger)
    }

    /// A ledger without a store, for evals and tests: closed outcomes wait in memory for [`Ledger::take`].
    pub fn in_memory(prices: Prices, local: &LocalConfig, remote_model: &str, metrics: Arc<Metrics>) -> Self {
        let pricer = Pricer {
            prices,
            rate: Rate::of(local),
            machine: Machine::default(),
            remote_model: remote_model.to_owned(),
        };
        let queue = Arc::new(Queue::new(LedgerConfig::default().queue, Arc::clone(&metrics)));
        Self { metrics, pricer, queue, writer: None, notes: None }
    }

    /// The metrics that outcomes are counted in.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// What models cost, for estimates before a call.
    pub fn prices(&self) -> &Prices {
        &self.pricer.prices
    }

    /// Takes the outcomes that wait in a ledger without a store; with one, those that its writer has not fetched yet.
    pub fn take(&self) -> Vec<Outcome> {
        self.queue.take().into_iter().map(|outcome| *outcome).collect()
    }

    /// Keeps a user's verdict on an answered request of a client, in `[-1, 1]`; a later one takes its place. Blocks.
    ///
    /// # Errors
    /// When no such request is known, or there is no file to keep it in, or it cannot be written.
    pub fn feedback(&self, request_id: &str, score: f64) -> Result<Noted, NoteError> {
        let notes = self.notes.as_ref().ok_or(NoteError::NoFile)?;
        match notes.feedback(request_id, score) {
            // Its row may still wait to be written.
            Err(NoteError::Unknown) => {
                self.flush();
                notes.feedback(request_id, score)
            }
            noted => noted,
        }
    }

    /// Keeps a grade of a live request's answers: a number, and the name of what it measures. Blocks.
    ///
    /// # Errors
    /// When there is no file to keep it in, or it cannot be written.
    pub fn grade(&self, request_id: &str, kind: &'static str, value: f64) -> Result<(), NoteError> {
        self.notes.as_ref().ok_or(NoteError::NoFile)?.grade(request_id, kind, value)
    }

    /// Returns when everything closed so far is written, or could not be. Blocks for as long as the disk takes.
    pub fn flush(&self) {
        if self.writer.is_some() {
            self.queue.flush();
        }
    }

    /// Writes everything that waits and ends the writer. Outcomes closed later are dropped and counted.
    pub fn shutdown(&self) {
        if let Some(writer) = &self.writer {
            writer.stop(&self.queue);
        }
    }

    /// Splits this machine's time among local answers.
    pub(crate) fn machine(&self) -> &Machine {
        &self.pricer.machine
    }

    /// Prices, counts, logs and queues one finished outcome. Called once per request, by the recorder; never waits for
    /// the disk.
    pub(crate) fn close(&self, mut outcome: Box<Outcome>, copy: Option<oneshot::Sender<Outcome>>) {
        self.pricer.price(&mut outcome);
        if let Some(copy) = copy {
            // Whoever asked may have left.
            let _ = copy.send((*outcome).clone());
        }
        count::count(&self.metrics, &outcome);
        count::log(&outcome);
        self.queue.push(outcome);
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.shutdown();
    }
}

#[cfg(test)]
mod tests;
