//! Whether the threshold may steer: there is a calibration, it promises something, and everything that it is bound to
//! is still as it was. In every other case the policy's `[uncalibrated]` rule steers and the score is only recorded.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Calibration, CalibrationError, Mismatch, Present};
use crate::config::{Config, Paths};
use crate::routing::classifier::Head;

/// How a house stands with its calibration.
#[derive(Clone, Debug, Default)]
pub enum Standing {
    /// There is none.
    #[default]
    Missing,
    /// It holds; its threshold steers.
    Valid(Arc<Calibration>),
    /// Something that it is bound to has changed.
    Mismatch(Arc<Calibration>, Vec<Mismatch>),
    /// It was made, and could promise nothing.
    NoPromise(Arc<Calibration>),
}

impl Standing {
    /// Every label, for metrics.
    pub const LABELS: [&str; 4] = ["valid", "missing", "mismatch", "no_promise"];

    /// Reads the calibration that the settings name, else the state folder's, else the shipped one, and compares it with
    /// the models. Nothing is read or hashed where there is none.
    ///
    /// # Errors
    /// A file that is named and missing, or that cannot be used.
    pub fn look(config: &Config, paths: &Paths) -> Result<Self, CalibrationError> {
        match find(config, paths) {
            None => Ok(Self::Missing),
            Some(file) => Ok(Self::of(Calibration::read(&file)?, &Present::look(config, paths))),
        }
    }

    /// How `calibration` stands in a house that has `present`.
    pub fn of(calibration: Calibration, present: &Present) -> Self {
        let calibration = Arc::new(calibration);
        let mismatches = calibration.mismatches(present);
        match (mismatches.is_empty(), calibration.threshold) {
            (false, _) => Self::Mismatch(calibration, mismatches),
            (true, None) => Self::NoPromise(calibration),
            (true, Some(_)) => Self::Valid(calibration),
        }
    }

    /// The same, with more to compare: what could not be seen when it was looked at first.
    #[must_use]
    pub fn compared(self, present: &Present) -> Self {
        let Some(calibration) = self.calibration().cloned() else { return self };
        let found = calibration.mismatches(present);
        match (self, found.is_empty()) {
            (standing, true) => standing,
            (Self::Mismatch(_, mut known), false) => {
                known.extend(found);
                Self::Mismatch(calibration, known)
            }
            (_, false) => Self::Mismatch(calibration, found),
        }
    }

    /// A name of a closed set: the label of the metric.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Valid(_) => "valid",
            Self::Mismatch(..) => "mismatch",
            Self::NoPromise(_) => "no_promise",
        }
    }

    /// The calibration, valid or not.
    pub fn calibration(&self) -> Option<&Arc<Calibration>> {
        match self {
            Self::Missing => None,
            Self::Valid(calibration) | Self::Mismatch(calibration, _) | Self::NoPromise(calibration) => {
                Some(calibration)
            }
        }
    }

    /// The threshold that steers, if one may.
    pub fn threshold(&self) -> Option<f32> {
        match self {
            Self::Valid(calibration) => calibration.threshold,
            Self::Missing | Self::Mismatch(..) | Self::NoPromise(_) => None,
        }
    }

    /// The fitted head that makes the steering score, by its name in records; `None`: the shipped score steers.
    pub fn head(&self) -> Option<Arc<str>> {
        match self {
            Self::Valid(calibration) => calibration.head.as_ref().map(Head::id),
            Self::Missing | Self::Mismatch(..) | Self::NoPromise(_) => None,
        }
    }

    /// In a sentence, with the command that mends it.
    pub fn words(&self) -> String {
        match self {
            Self::Missing => {
                "none: the learned score is recorded and does not steer; `crossover calibrate` makes one"
                    .to_owned()
            }
            Self::Valid(calibration) => {
                let threshold = calibration.threshold.unwrap_or_default();
                format!("{} of {}: threshold {threshold:.3}", calibration.id, calibration.made_at)
            }
            Self::Mismatch(calibration, found) => {
                let all: Vec<String> = found.iter().map(ToString::to_string).collect();
                let golden = calibration.bound.golden.path.display();
                format!(
                    "{} no longer holds: {}; the learned score does not steer. Run `crossover calibrate {golden}`",
                    calibration.id,
                    all.join("; ")
                )
            }
            Self::NoPromise(calibration) => {
                let why = calibration.why_none.as_deref().unwrap_or("no reason was given");
                format!("{} promises nothing: {why}; the learned score does not steer", calibration.id)
            }
        }
    }
}

/// The file in charge: the configured one whether or not it exists, else the first of both defaults that does.
pub(in crate::routing) fn find(config: &Config, paths: &Paths) -> Option<PathBuf> {
    let default = |folder: &Path| Some(folder.join("calibration.json")).filter(|file| file.is_file());
    let named = config.classifier.calibration.clone();
    named.or_else(|| default(&paths.state)).or_else(|| default(&paths.models))
}
