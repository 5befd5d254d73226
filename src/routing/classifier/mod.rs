//! The classifier's seam: a verdict on one request's signals, or why there is none; and the shipped ONNX classifier.
//! A classifier has one owner, the thread of its `Desk`; nobody else runs it.

mod desk;
mod features;
mod head;
mod ngrams;
mod onnx;
mod window;

use serde::{Deserialize, Serialize};

pub(super) use desk::Desk;
pub use head::Head;
pub use onnx::{LoadError, OnnxClassifier, Reading};

use super::signals::Signals;

/// What a classifier says of a request. Heads that a model does not have are `None`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Calibrated probability that a small model's answer is good enough, in `[0, 1]`.
    pub local_ok: f32,
    /// The same for the installed local model, by the head that calibration fitted; this, where it is there, is what
    /// the calibrated threshold is held against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibrated: Option<f32>,
    /// How much a strong model would add, in `[-1, 1]`.
    pub gain: Option<f32>,
    /// The kind of task.
    pub task: Option<String>,
    /// Expected length of the answer, in tokens.
    pub expected_output_tokens: Option<u32>,
}

impl Verdict {
    /// The score that the calibrated threshold is held against.
    pub fn steering(&self) -> f32 {
        self.calibrated.unwrap_or(self.local_ok)
    }

    /// The verdict itself, where every head lies in its range.
    ///
    /// # Errors
    /// `Broken` for a value that is no number or out of range: nothing may be decided by it.
    pub(super) fn checked(self) -> Result<Self, ClassifierError> {
        let broken = |head: &str, value: f32| Err(ClassifierError::Broken(format!("{head} is {value}")));
        match (self.local_ok, self.gain) {
            (score, _) if !(0.0..=1.0).contains(&score) => broken("local_ok", score),
            (_, _) if self.calibrated.is_some_and(|score| !(0.0..=1.0).contains(&score)) => {
                broken("calibrated", self.calibrated.unwrap_or(f32::NAN))
            }
            (_, Some(gain)) if !(-1.0..=1.0).contains(&gain) => broken("gain", gain),
            _ => Ok(self),
        }
    }
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

impl ClassifierError {
    /// The value of the metric label `outcome`.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Broken(_) => "broken",
        }
    }
}

/// Judges how hard a request is.
pub trait Classifier: Send {
    /// Judges; blocks for as long as the model takes, so it is called on the classifier's own thread.
    ///
    /// # Errors
    /// `Broken` when the model fails; `Late` is added by whoever waits.
    fn classify(&mut self, signals: &Signals) -> Result<Verdict, ClassifierError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_in_range_are_a_verdict() {
        let verdict = |local_ok, gain| Verdict { local_ok, gain, ..Verdict::default() }.checked();
        assert!(verdict(0.0, None).is_ok() && verdict(1.0, Some(-1.0)).is_ok());
        for (local_ok, gain) in [
            (f32::NAN, None),
            (-0.01, None),
            (1.01, None),
            (f32::INFINITY, None),
            (0.5, Some(f32::NAN)),
            (0.5, Some(1.5)),
        ] {
            let error = verdict(local_ok, gain).unwrap_err();
            assert_eq!(error.label(), "broken", "{local_ok} {gain:?}");
        }
    }
}
