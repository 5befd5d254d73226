//! Says whether a run is good enough for CI: against a floor, and against an earlier report of the same suite.
//! What cannot be judged is an error of its own and never a pass.

mod baseline;

use std::str::FromStr;

pub use self::baseline::{BASELINE_MARGIN, Baseline, Compared, Reached, SHARE_MARGIN};
use super::report::{Kind, Report};

/// A subject of which a larger share could not be judged is not judged at all.
const MOST_UNSCORED: f64 = 0.1;

/// The least quality of one subject, or of every judged one.
#[derive(Clone, Debug, PartialEq)]
pub struct MinQuality {
    /// The subject; `None`: every judged one.
    pub subject: Option<String>,
    /// The least mean score, 0 to 1.
    pub quality: f64,
}

/// Reads `0.8`, or `balanced=0.8`.
impl FromStr for MinQuality {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (subject, quality) = match text.rsplit_once('=') {
            None => (None, text),
            Some(("", _)) => return Err("no subject before `=`".to_owned()),
            Some((subject, quality)) => (Some(subject.to_owned()), quality),
        };
        match quality.parse::<f64>() {
            Ok(quality) if (0.0..=1.0).contains(&quality) => Ok(Self { subject, quality }),
            _ => Err(format!("`{quality}` is not a quality between 0 and 1")),
        }
    }
}

/// What a run must hold to.
#[derive(Clone, Debug, Default)]
pub struct Gates {
    /// Floors.
    pub floors: Vec<MinQuality>,
    /// An earlier report.
    pub baseline: Option<Baseline>,
}

/// One thing that a run did not hold to, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing(pub String);

/// Why a run cannot be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// The baseline cannot be read.
    #[error("baseline {file}: {problem}")]
    Baseline {
        /// The file.
        file: String,
        /// Why.
        problem: String,
    },
    /// The baseline is of other rows.
    #[error("the baseline is of another version of the suite: run it again with --out and keep that report")]
    OtherSuite,
    /// Another remote tier stands behind the policies.
    #[error(
        "the remote tier was `{then}` in the baseline and is `{now}` now: run with the same one (`crossover eval record \
         --tier remote` records `always-remote`), or make the baseline anew"
    )]
    OtherRemote {
        /// The baseline's.
        then: String,
        /// This run's.
        now: String,
    },
    /// A gate names a subject that was not run, or there is none to judge.
    #[error("nothing to judge: {0}")]
    NoSubject(String),
    /// Too much of a subject could not be judged.
    #[error(
        "{subject}: {unscored} of {of} rows could not be judged: record them with `crossover eval record`, or name a \
         judge"
    )]
    Unscored {
        /// The subject.
        subject: String,
        /// Rows that could not be judged.
        unscored: usize,
        /// Rows.
        of: usize,
    },
    /// The run was stopped.
    #[error("the run was stopped after {done} of {of} rows")]
    Stopped {
        /// Rows done.
        done: usize,
        /// Rows.
        of: usize,
    },
}

impl GateError {
    /// Whether what is missing is something to judge, and not a run or a file.
    pub fn is_no_data(&self) -> bool {
        match self {
            Self::OtherSuite | Self::OtherRemote { .. } | Self::NoSubject(_) | Self::Unscored { .. } => true,
            Self::Baseline { .. } | Self::Stopped { .. } => false,
        }
    }
}

impl Gates {
    /// Whether there is nothing to hold to.
    pub fn is_empty(&self) -> bool {
        self.floors.is_empty() && self.baseline.is_none()
    }

    /// Judges. An empty list is a pass.
    ///
    /// # Errors
    /// When the run cannot be judged.
    pub fn judge(&self, report: &Report) -> Result<Vec<Failing>, GateError> {
        if !self.is_empty() && report.done < report.of {
            return Err(GateError::Stopped { done: report.done, of: report.of });
        }
        let mut failing = vec![];
        for floor in &self.floors {
            failing.extend(below(floor, report)?);
        }
        if let Some(baseline) = &self.baseline {
            failing.extend(worse(baseline, report)?);
        }
        Ok(failing)
    }
}

fn below(floor: &MinQuality, report: &Report) -> Result<Vec<Failing>, GateError> {
    let mut failing = vec![];
    let mut found = false;
    for subject in &report.subjects {
        let named = match &floor.subject {
            Some(name) => *name == subject.name,
            None => subject.kind == Kind::Judged,
        };
        if !named {
            continue;
        }
        found = true;
        check_scored(report, &subject.name)?;
        let quality =
            subject.quality.ok_or_else(|| GateError::NoSubject(format!("{} has no scores", subject.name)))?;
        if quality < floor.quality {
            failing
                .push(Failing(format!("{} has quality {quality:.3}, below {}", subject.name, floor.quality)));
        }
    }
    match (&floor.subject, found) {
        (_, true) => Ok(failing),
        (Some(name), false) => Err(GateError::NoSubject(format!("no subject is called `{name}`"))),
        (None, false) => Err(GateError::NoSubject("no policy, model or recording was run".to_owned())),
    }
}

/// Every judged subject that the baseline has too.
fn worse(baseline: &Baseline, report: &Report) -> Result<Vec<Failing>, GateError> {
    let compared = baseline.compare(report, true)?;
    Ok(compared.iter().flat_map(|it| it.failing(false)).map(Failing).collect())
}

fn check_scored(report: &Report, name: &str) -> Result<(), GateError> {
    let rows = report.rows.iter().filter(|row| row.subject == name);
    let (mut of, mut unscored) = (0, 0);
    for row in rows {
        of += 1;
        unscored += usize::from(row.score.is_none());
    }
    if unscored as f64 > MOST_UNSCORED * of as f64 {
        return Err(GateError::Unscored { subject: name.to_owned(), unscored, of });
    }
    Ok(())
}

#[cfg(test)]
#[path = "gate/tests.rs"]
mod tests;
