//! A calibration file: the threshold that `crossover calibrate` chose, what it promises, the head that it fitted, and
//! the hashes of everything that it is true of. Read strictly, written whole or not at all; every error names file and
//! key. Chooses nothing itself.

mod bound;
mod read;
mod standing;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::classifier::Head;
use crate::chat::SCORE_BINS;

pub use bound::{Bound, GoldenSet, Mismatch, Present, model_hash};
pub use standing::Standing;

/// The only form of the file that this version reads.
pub const SCHEMA: u32 = 1;
/// The remote tier's name where the expected answer stands for it: an upper bound, so true of any remote model.
pub const GOLD: &str = "gold-oracle";

/// A calibration file that cannot be used: which, what is wrong, and what mends it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}. Make it anew with `crossover calibrate`, or name another with classifier.calibration", file.display())]
pub struct CalibrationError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong, with the key.
    pub why: String,
}

/// What was asked of the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Goal {
    /// A promise: the share of requests that are answered worse than the remote tier would, by more than `epsilon`, is
    /// at most `alpha`, with confidence `1 - delta` over the drawing of the golden set.
    Promise {
        /// What the share is of.
        of: RiskOf,
        /// The most that the share may be.
        alpha: f64,
        /// How often the promise may fail, over golden sets drawn anew.
        delta: f64,
        /// How much worse does not count.
        epsilon: f64,
    },
    /// That so much is answered locally; promises nothing.
    LocalShare {
        /// The share of requests.
        share: f64,
    },
    /// That so much of the cost of sending everything out is spent; promises nothing.
    Spend {
        /// The share of that cost.
        share: f64,
    },
}

/// Which requests a promised share is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RiskOf {
    /// All that the threshold routes; one that is sent out is never worse.
    All,
    /// Those that it keeps local: the stricter promise.
    Local,
}

/// A figure measured on rows that played no part in any choice, with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// The estimate.
    pub mean: f64,
    /// Lower end.
    pub lo: f64,
    /// Upper end.
    pub hi: f64,
}

/// What the threshold did on the test part.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Measured {
    /// Mean score of the answers routed by the threshold.
    pub quality: Figure,
    /// Mean score of the local answers.
    pub quality_local: Figure,
    /// Mean score of the remote answers.
    pub quality_remote: Figure,
    /// Share answered locally.
    pub local_share: Figure,
    /// Share answered worse than the remote tier, of all.
    pub worse: Figure,
    /// The same, of those answered locally; `None` where none was.
    pub worse_of_local: Option<Figure>,
    /// What it cost, as a share of sending everything out; `None` where a price is not known.
    pub spend: Option<Figure>,
}

/// How many rows each part had. No row and no near-duplicate of it is in two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rows {
    /// Fitted the head and fixed the grid of thresholds.
    pub fit: usize,
    /// Chose the threshold.
    pub calibrate: usize,
    /// Measured what came of it.
    pub test: usize,
}

/// Which score the threshold is held against, and why that one. Figures are cross-validated on the fit part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HeadChoice {
    /// `shipped`, `platt` (the shipped score, recalibrated) or `head`.
    pub kept: String,
    /// Why, in a sentence.
    pub why: String,
    /// Log loss of the shipped score, recalibrated.
    pub platt_log_loss: Option<f64>,
    /// Area under the ROC curve of the shipped score.
    pub platt_auc: Option<f64>,
    /// Log loss of the fitted head.
    pub head_log_loss: Option<f64>,
    /// Area under the ROC curve of the fitted head.
    pub head_auc: Option<f64>,
}

/// One calibration.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Calibration {
    /// Version of the file's form; [`SCHEMA`].
    pub schema_version: u32,
    /// When it was made, in RFC 3339.
    pub made_at: String,
    /// Which version made it.
    pub made_by: String,
    /// What was asked for.
    pub goal: Goal,
    /// A request whose steering score is at least this stays local; `None`: nothing could be promised.
    pub threshold: Option<f32>,
    /// Why there is no threshold; `None` where there is one.
    pub why_none: Option<String>,
    /// Replaces the shipped score where it is there.
    pub head: Option<Head>,
    /// Which score steers, and why.
    pub head_choice: HeadChoice,
    /// What it is true of.
    pub bound: Bound,
    /// Steering scores of the rows that no head was fitted on, in [`SCORE_BINS`] equal bins on `[0, 1]`.
    pub score_histogram: Vec<u64>,
    /// Sizes of the parts.
    pub rows: Rows,
    /// Figures of the test part; `None` without a threshold.
    pub measured: Option<Measured>,
    /// The first 12 hex digits of the file's SHA-256; empty until it is written or read.
    #[serde(skip)]
    pub id: String,
}

impl Calibration {
    /// What is no longer as it was when this was made; empty: the threshold may steer.
    pub fn mismatches(&self, present: &Present) -> Vec<Mismatch> {
        self.bound.mismatches(present)
    }

    /// What is inconsistent in itself, with its key.
    fn flaw(&self) -> Option<String> {
        let share = |value: f64| (0.0..=1.0).contains(&value);
        let within = |value: f64| value > 0.0 && value < 1.0;
        let goal = match self.goal {
            Goal::Promise { alpha, delta, epsilon, .. } => within(alpha) && within(delta) && share(epsilon),
            Goal::LocalShare { share: wanted } | Goal::Spend { share: wanted } => share(wanted),
        };
        let head = self.head.as_ref();
        let numbers = |head: &Head| head.bias.is_finite() && head.weights.iter().all(|it| it.is_finite());
        Some(match () {
            () if self.schema_version != SCHEMA => {
                format!("schema-version: is {}, this version reads {SCHEMA}", self.schema_version)
            }
            () if !goal => "goal: a share or probability is not between 0 and 1".to_owned(),
            () if self.threshold.is_some_and(|it| !(0.0..=1.0).contains(&it)) => {
                "threshold: is not between 0 and 1".to_owned()
            }
            () if self.threshold.is_some() == self.why_none.is_some() => {
                "why-none: must be there exactly when there is no threshold".to_owned()
            }
            () if head.is_some_and(|head| head.weights.is_empty() || !numbers(head)) => {
                "head: is empty or holds a weight that is no number".to_owned()
            }
            () if self.score_histogram.len() != SCORE_BINS => {
                format!("score-histogram: has {} bins, not {SCORE_BINS}", self.score_histogram.len())
            }
            () if self.score_histogram.iter().all(|count| *count == 0) => {
                "score-histogram: is empty".to_owned()
            }
            () if self.measured.is_some_and(|measured| !measured.sound()) => {
                "measured: a figure is no number or lies outside its interval".to_owned()
            }
            () => return None,
        })
    }
}

impl Measured {
    fn sound(&self) -> bool {
        let sound = |it: &Figure| {
            [it.mean, it.lo, it.hi].iter().all(|value| value.is_finite())
                && it.lo <= it.mean
                && it.mean <= it.hi
        };
        let all = [&self.quality, &self.quality_local, &self.quality_remote, &self.local_share, &self.worse];
        all.into_iter().chain(&self.worse_of_local).chain(&self.spend).all(sound)
    }
}

#[cfg(test)]
pub(super) mod tests;
