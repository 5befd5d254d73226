//! `[ledger]`: where outcomes are kept and what models cost.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::load::Problem;

/// `[ledger]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LedgerConfig {
    /// The SQLite file; unset: `ledger.sqlite` in the state folder.
    pub path: Option<PathBuf>,
    /// Your own prices, laid over the table that ships inside the binary.
    pub prices: Option<PathBuf>,
    /// Outcomes that may wait to be written; more are dropped and counted.
    pub queue: usize,
    /// Longest wait of an outcome before it is written, in milliseconds; at most 1000.
    pub flush_ms: u64,
}

impl Default for LedgerConfig {
    fn default() -> Self {
        Self { path: None, prices: None, queue: 16_384, flush_ms: 500 }
    }
}

impl LedgerConfig {
    pub(super) fn check(&self, problems: &mut Vec<Problem>) {
        if self.queue == 0 {
            problems.push(Problem::key("ledger.queue", "must be at least 1".to_owned()));
        }
        if !(1..=1_000).contains(&self.flush_ms) {
            problems.push(Problem::key("ledger.flush-ms", "must lie between 1 and 1000".to_owned()));
        }
    }
}
