//! Calibration: the threshold from which on a request stays local, chosen on a golden set that both tiers answered, and
//! what may be promised of it. Three disjoint parts: one fits the head and fixes the grid, one chooses, one measures.
//! Refuses to promise what the rows do not carry, and says why. Neither asks a model nor writes a file.

mod figures;
mod head;
mod promise;
mod rows;
mod split;
mod text;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::dataset::BadLine;
use super::statistics::apgr;
use crate::chat::SCORE_BINS;
use crate::routing::{Bound, Calibration, Goal, Rows, SCHEMA, score_bin};

pub use figures::{Point, Rival, Scored, TaskSlice};
pub(super) use head::auc;
pub use promise::{Chosen, Promise, Tested, Trial};
pub use rows::{Reader, Reading, rows, scorer_hash};
pub use split::CALIBRATE_SHARE;

use split::Part;

/// Fewer cannot be split into three.
const LEAST_ROWS: usize = 20;
/// Bad rows that an error lists; the others it counts.
const LISTED: usize = 20;

/// One golden row, answered by both tiers and read by the classifier.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its id.
    pub id: String,
    /// Its task.
    pub task: String,
    /// Its prompt, as near-duplicates have it in common: they stay in one part.
    pub prompt: String,
    /// Its prompt, as copies have it in common: they count once.
    pub exact: String,
    /// Characters of its prompt.
    pub chars: usize,
    /// What the local answer is worth, 0 to 1.
    pub local: f64,
    /// What the remote answer is worth, 0 to 1.
    pub remote: f64,
    /// What the local answer cost, in micro-dollars.
    pub local_cost: Option<f64>,
    /// What the remote answer cost, in micro-dollars.
    pub remote_cost: Option<f64>,
    /// The shipped score.
    pub shipped: f32,
    /// What a head is fitted on.
    pub inputs: Vec<f32>,
}

/// Why nothing can be calibrated. Nothing has been written.
#[derive(Debug, thiserror::Error)]
pub enum CalibrateError {
    /// One tier was not asked.
    #[error("the {0} tier's answers are missing")]
    NoTier(&'static str),
    /// Rows that lack something: all of them.
    #[error("{}", listed(.0))]
    Rows(Vec<BadLine>),
    /// Too few to split.
    #[error(
        "{0} rows are too few: {LEAST_ROWS} are the least that can be split into three parts, and a promise needs more"
    )]
    TooFew(usize),
    /// A part came out empty, because nearly all prompts are the same.
    #[error(
        "the rows cannot be split into three parts without near-duplicates in two of them: too many prompts are equal"
    )]
    OnePrompt,
}

fn listed(bad: &[BadLine]) -> String {
    let mut text = format!("{} row(s) cannot be calibrated on:", bad.len());
    for line in bad.iter().take(LISTED) {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  {line}");
    }
    if let Some(more @ 1..) = bad.len().checked_sub(LISTED) {
        let _ = write!(text, "\n  and {more} more");
    }
    text.push_str("\nrecord the missing answers with `crossover eval record`, or mend the rows");
    text
}

/// What is asked, and what the answer will be bound to.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The goal.
    pub goal: Goal,
    /// How much worse than the remote answer a local one may be and still count as good enough, where the goal does not
    /// say.
    pub epsilon: f64,
    /// What it is true of.
    pub bound: Bound,
    /// When, in RFC 3339.
    pub made_at: String,
}

impl Asked {
    fn epsilon(&self) -> f64 {
        match self.goal {
            Goal::Promise { epsilon, .. } => epsilon,
            Goal::LocalShare { .. } | Goal::Spend { .. } => self.epsilon,
        }
    }
}

/// A calibration, and everything that a person should see before using it.
#[derive(Clone, Debug)]
pub struct Calibrated {
    /// What goes into the file.
    pub calibration: Calibration,
    /// What the tests said; `None` for a goal without a promise.
    pub chosen: Option<Chosen>,
    /// The curve, on the rows that no head was fitted on.
    pub curve: Vec<Point>,
    /// How well the score ranks those rows; `None` where the remote tier is not better.
    pub apgr: Option<f64>,
    /// By task, on the test part.
    pub slices: Vec<TaskSlice>,
    /// On the test part.
    pub rivals: Vec<Rival>,
    /// Rows that are copies of another one, which counted in their place.
    pub copies: usize,
    /// What could not be promised or known, and why.
    pub notes: Vec<String>,
}

/// A goal's threshold, or why there is none.
type Picked = (Result<f32, String>, Option<Chosen>);

/// Chooses a threshold for `asked.goal` on these rows. The same rows and goal always give the same threshold.
///
/// # Errors
/// Too few rows, or too many equal ones, for three parts. That nothing can be promised is no error: it is what the
/// calibration then says.
pub fn calibrate(all: &[Row], asked: &Asked) -> Result<Calibrated, CalibrateError> {
    let Prepared { kept, fit, calibrate, test, threshold, chosen } = prepare(all, asked)?;
    let copies = all.len() - fit.len() - calibrate.len() - test.len();
    let unseen: Vec<Scored<'_>> = calibrate.iter().chain(&test).copied().collect();
    let mut histogram = vec![0; SCORE_BINS];
    unseen.iter().for_each(|row| histogram[score_bin(row.score)] += 1);
    let chosen_at = threshold.as_ref().ok().copied();
    let calibration = Calibration {
        schema_version: SCHEMA,
        made_at: asked.made_at.clone(),
        made_by: format!("crossover {}", env!("CARGO_PKG_VERSION")),
        goal: asked.goal,
        threshold: chosen_at,
        why_none: threshold.err(),
        head: kept.head,
        head_choice: kept.choice,
        bound: asked.bound.clone(),
        score_histogram: histogram,
        rows: Rows { fit: fit.len(), calibrate: calibrate.len(), test: test.len() },
        measured: chosen_at.and_then(|threshold| figures::measure(&test, threshold)),
        id: String::new(),
    };
    let of = |each: &dyn Fn(&Scored<'_>) -> f64| unseen.iter().map(each).collect::<Vec<f64>>();
    let ranks = of(&|row| f64::from(row.score));
    let mut calibrated = Calibrated {
        calibration,
        chosen,
        curve: figures::curve(&unseen),
        apgr: apgr(&of(&|row| row.row.local), &of(&|row| row.row.remote), &ranks),
        slices: chosen_at.map_or_else(Vec::new, |threshold| figures::slices(&test, threshold)),
        rivals: chosen_at.map_or_else(Vec::new, |threshold| figures::rivals(&test, threshold)),
        copies,
        notes: vec![],
    };
    calibrated.notes = text::notes(&calibrated);
    Ok(calibrated)
}

/// The choice, before anything is measured.
struct Prepared<'a> {
    kept: head::Kept,
    fit: Vec<Scored<'a>>,
    calibrate: Vec<Scored<'a>>,
    test: Vec<Scored<'a>>,
    threshold: Result<f32, String>,
    chosen: Option<Chosen>,
}

fn prepare<'a>(all: &'a [Row], asked: &Asked) -> Result<Prepared<'a>, CalibrateError> {
    if all.len() < LEAST_ROWS {
        return Err(CalibrateError::TooFew(all.len()));
    }
    let parts = split::split(all);
    // Copies of a prompt are no independent trials: each prompt counts once. What differs in a symbol may be another
    // question, and counts.
    let mut seen = BTreeSet::new();
    let distinct: Vec<(&Row, Part)> =
        all.iter().zip(parts).filter(|(row, _)| seen.insert(row.exact.as_str())).collect();
    let part = |of: Part| distinct.iter().filter(move |(_, part)| *part == of).map(|(row, _)| *row);
    // Scores are of many digits; what differs by less is equal.
    let worse = |row: &Row| row.local < row.remote - asked.epsilon() - 1e-9;
    let fit: Vec<&Row> = part(Part::Fit).collect();
    let good: Vec<f64> = fit.iter().map(|row| f64::from(u8::from(!worse(row)))).collect();
    let kept = head::choose(&fit, &good);
    let score = |row: &Row| {
        let fitted = kept.head.as_ref().and_then(|head| head.score(&row.inputs));
        fitted.unwrap_or(row.shipped)
    };
    let scored = |of: Part| -> Vec<Scored<'a>> {
        part(of).map(|row| Scored { row, score: score(row), worse: worse(row) }).collect()
    };
    let (fit, calibrate, test) = (scored(Part::Fit), scored(Part::Calibrate), scored(Part::Test));
    if fit.is_empty() || calibrate.is_empty() || test.is_empty() {
        return Err(CalibrateError::OnePrompt);
    }
    let (threshold, chosen) = pick(&asked.goal, &fit, &calibrate);
    Ok(Prepared { kept, fit, calibrate, test, threshold, chosen })
}

fn pick(goal: &Goal, fit: &[Scored<'_>], calibrate: &[Scored<'_>]) -> Picked {
    match *goal {
        Goal::Promise { of, alpha, delta, .. } => {
            let promise = Promise { of, alpha, delta };
            let trial = |row: &Scored<'_>| Trial { score: row.score, worse: row.worse };
            let fit: Vec<Trial> = fit.iter().map(trial).collect();
            let trials: Vec<Trial> = calibrate.iter().map(trial).collect();
            let chosen = promise.choose(&promise.grid(&fit, trials.len()), &trials);
            let threshold = match &chosen {
                Chosen::Holds { at, .. } => Ok(at.threshold),
                Chosen::Worthless { .. } | Chosen::Fails { .. } => {
                    Err(text::why_none(&promise, &chosen, trials.len()))
                }
            };
            (threshold, Some(chosen))
        }
        Goal::LocalShare { share } => (by_share(calibrate, share), None),
        Goal::Spend { share } => (by_spend(calibrate, share), None),
    }
}

/// The threshold that keeps nearest to `share` of these rows, and not fewer.
fn by_share(rows: &[Scored<'_>], share: f64) -> Result<f32, String> {
    let mut scores: Vec<f32> = rows.iter().map(|row| row.score).collect();
    scores.sort_by(|a, b| b.total_cmp(a));
    let count = (share * scores.len() as f64).round() as usize;
    let at = count.checked_sub(1).and_then(|at| scores.get(at).copied());
    at.ok_or_else(|| format!("{share} of {} rows is less than one", scores.len()))
}

/// The strictest threshold that spends no more than `share`: of those that spend enough less, the best quality.
fn by_spend(rows: &[Scored<'_>], share: f64) -> Result<f32, String> {
    let mut sorted: Vec<&Scored<'_>> = rows.iter().collect();
    sorted.sort_by(|a, b| b.score.total_cmp(&a.score));
    let prices = sorted.iter().map(|row| Some((row.row.local_cost?, row.row.remote_cost?)));
    let Some(prices) = prices.collect::<Option<Vec<(f64, f64)>>>() else {
        return Err("the price of an answer is not known: see `ledger.prices`".to_owned());
    };
    let all: f64 = prices.iter().map(|(_, out)| out).sum();
    if all <= 0.0 {
        return Err("sending everything out costs nothing, so there is nothing to save".to_owned());
    }
    let mut spent = all;
    for (at, (home, out)) in prices.iter().enumerate() {
        spent += home - out;
        let ends_a_tie = sorted.get(at + 1).is_none_or(|next| next.score < sorted[at].score);
        if ends_a_tie && spent <= share * all {
            return Ok(sorted[at].score);
        }
    }
    Err(format!("even answering everything locally spends {:.2} of sending everything out", spent / all))
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
