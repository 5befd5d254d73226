//! The classifier's seam: a verdict on one request's signals, or why there is none.

use serde::{Deserialize, Serialize};

use super::signals::Signals;

/// What a classifier says of a request. Heads that a model does not have are `None`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Calibrated probability that a small model's answer is good enough, in `[0, 1]`.
    pub local_ok: f32,
    /// How much a strong model would add, in `[-1, 1]`.
    pub gain: Option<f32>,
    /// The kind of task.
    pub task: Option<String>,
    /// Expected length of the answer, in tokens.
    pub expected_output_tokens: Option<u32>,
}

/// Why there is no verdict.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClassifierError {
    /// It did not answer in time, or too many requests wait for it.
    #[error("the classifier was late")]
    Late,
    /// It failed or its answer makes no sense.
    #[error("the classifier is broken: {0}")]
    Broken(String),
}

/// Judges how hard a request is.
pub trait Classifier: Send + Sync {
    /// Judges; blocks for as long as the model takes, so it is called on the classifier's own thread.
    ///
    /// # Errors
    /// `Broken` when the model fails; `Late` is added by whoever waits.
    fn classify(&self, signals: &Signals) -> Result<Verdict, ClassifierError>;
}
