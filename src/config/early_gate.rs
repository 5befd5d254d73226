//! `[early-gate]`: holding back the first tokens of a local answer until they look sure. Experimental, off by default.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::load::Problem;

/// `[early-gate]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct EarlyGateConfig {
    /// Whether local answers are held back until their first tokens were judged. Experimental.
    pub enabled: bool,
    /// The judge that `crossover eval early-gate` wrote [default: early-gate.json in the state folder].
    pub file: Option<PathBuf>,
    /// Longest that a first piece of an answer is held back, in milliseconds; then what is there is judged.
    pub max_wait_ms: u64,
}

impl Default for EarlyGateConfig {
    fn default() -> Self {
        Self { enabled: false, file: None, max_wait_ms: 300 }
    }
}

impl EarlyGateConfig {
    pub(super) fn check(&self, problems: &mut Vec<Problem>) {
        if !(1..=10_000).contains(&self.max_wait_ms) {
            problems.push(Problem::key("early-gate.max-wait-ms", "must lie between 1 and 10000".to_owned()));
        }
    }

    /// Longest that a first piece of an answer is held back.
    pub fn max_wait(&self) -> Duration {
        Duration::from_millis(self.max_wait_ms)
    }
}
