//! `[classifier]`: the request classifier and how long a request waits for it.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::load::Problem;

/// `[classifier]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ClassifierConfig {
    /// Whether a classifier is asked at all; without one every verdict is unknown.
    pub enabled: bool,
    /// A folder below the models folder, or a path.
    pub model: String,
    /// How long a request waits for the verdict, in milliseconds; a later one is unknown.
    pub deadline_ms: u64,
    /// The calibration file, whose threshold lets the learned score steer [default: `calibration.json` in the state
    /// folder, else the shipped one in the models folder, else none].
    pub calibration: Option<PathBuf>,
}

impl Default for ClassifierConfig {
    fn default() -> Self {
        Self { enabled: true, model: "classifier".to_owned(), deadline_ms: 20, calibration: None }
    }
}

impl ClassifierConfig {
    pub(super) fn check(&self, problems: &mut Vec<Problem>) {
        if !(1..=1_000).contains(&self.deadline_ms) {
            problems.push(Problem::key("classifier.deadline-ms", "must lie between 1 and 1000".to_owned()));
        }
    }

    /// How long a request waits for the verdict.
    pub fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }
}
