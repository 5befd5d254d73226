//! Fits the early gate's judge on graded local answers: which beginnings led to answers that were good enough. Fit,
//! tuning and test rows are disjoint, and the test rows say plainly whether the judge beats the classifier alone.
//! Asks nobody and writes no file.

use sha2::{Digest, Sha256};

use super::calibrate::auc as area;
use super::logistic::{self, FitError};
use super::statistics::Discordant;
use crate::routing::{Confusion, EARLY_GATE_INPUTS, EarlyGate};

/// Fewest rows of each kind, good enough or not, that a judge is fitted on.
const FEWEST: usize = 10;
/// Keeps the five weights from running away where the classes are nearly apart.
const PENALTY: f64 = 1.0;
/// The classifier's score among the inputs.
const CLASSIFIER: usize = 0;

/// One local answer, seen by its beginning.
#[derive(Clone, Debug)]
pub struct EarlyRow {
    /// The sample's id; it alone decides which part the row belongs to.
    pub id: String,
    /// What the judge would have seen.
    pub inputs: [f64; EARLY_GATE_INPUTS.len()],
    /// Whether the whole answer was good enough.
    pub good: bool,
}

/// A judge, and how it did on rows that it never saw.
#[derive(Clone, Debug)]
pub struct EarlyFit {
    /// The judge; the hashes that bind it are the caller's to fill in.
    pub gate: EarlyGate,
    /// Rows of the fit, tuning and test part.
    pub parts: [usize; 3],
    /// Area under the ROC curve on the test part: the judge's, then the classifier's alone.
    pub auc: [f64; 2],
    /// Exact two-sided p-value of McNemar's test between the two on the test part.
    pub p_value: f64,
}

/// Why no judge was fitted.
#[derive(Debug, thiserror::Error)]
pub enum EarlyError {
    /// Too few rows of one kind.
    #[error(
        "the {part} part has {good} good and {bad} bad answers; it needs {FEWEST} of each: use a larger golden set, \
             or one that is neither too easy nor too hard for the local model"
    )]
    TooFew {
        /// Which part.
        part: &'static str,
        /// Good answers in it.
        good: usize,
        /// Bad ones.
        bad: usize,
    },
    /// The regression failed.
    #[error("the judge cannot be fitted: {0}")]
    Fit(#[from] FitError),
}

/// Fits a judge for answers of which `tokens` tokens are seen. Half of the rows fit the weights, a fifth chooses the
/// threshold (the greatest Youden index), the rest tests.
///
/// # Errors
/// Too few good or bad answers in a part, or a fit without a solution.
pub fn fit_early_gate(rows: &[EarlyRow], tokens: usize) -> Result<EarlyFit, EarlyError> {
    let mut parts: [Vec<&EarlyRow>; 3] = Default::default();
    for row in rows {
        parts[part_of(&row.id)].push(row);
    }
    for (part, name) in parts.iter().zip(["fit", "tuning", "test"]) {
        let good = part.iter().filter(|row| row.good).count();
        let bad = part.len() - good;
        if good < FEWEST || bad < FEWEST {
            return Err(EarlyError::TooFew { part: name, good, bad });
        }
    }
    let [fitting, tuning, testing] = &parts;
    let scale = Scale::of(fitting);
    let inputs: Vec<Vec<f64>> = fitting.iter().map(|row| scale.apply(&row.inputs).to_vec()).collect();
    let targets: Vec<f64> = fitting.iter().map(|row| f64::from(u8::from(row.good))).collect();
    let fit = logistic::fit(&inputs, &targets, PENALTY)?;
    let (weights, bias) = scale.fold(&fit);
    let score = |row: &EarlyRow| logistic::Fit { weights: weights.to_vec(), bias }.probability(&row.inputs);
    let mut gate = EarlyGate::new(tokens, weights, bias, best_threshold(tuning, score));
    let judged: Vec<bool> = testing.iter().map(|row| score(row) >= gate.threshold).collect();
    let alone = same_number_by_classifier(testing, judged.iter().filter(|through| **through).count());
    gate.confusion = confusion(testing, &judged);
    gate.classifier_alone = confusion(testing, &alone);
    Ok(EarlyFit {
        gate,
        parts: [fitting.len(), tuning.len(), testing.len()],
        auc: [auc(testing, score), auc(testing, |row| row.inputs[CLASSIFIER])],
        p_value: mcnemar(testing, &judged, &alone),
    })
}

/// 0 fit, 1 tuning, 2 test: by the id's hash, so that a longer set leaves its rows where they were.
fn part_of(id: &str) -> usize {
    match Sha256::digest(id.as_bytes())[0] % 10 {
        0..=4 => 0,
        5 | 6 => 1,
        _ => 2,
    }
}

/// Means and deviations of the inputs on the fit part.
struct Scale {
    mean: [f64; EARLY_GATE_INPUTS.len()],
    deviation: [f64; EARLY_GATE_INPUTS.len()],
}

impl Scale {
    fn of(rows: &[&EarlyRow]) -> Self {
        let count = rows.len() as f64;
        let mean = std::array::from_fn(|at| rows.iter().map(|row| row.inputs[at]).sum::<f64>() / count);
        let deviation = std::array::from_fn(|at| {
            let mean: f64 = mean[at];
            let variance = rows.iter().map(|row| (row.inputs[at] - mean).powi(2)).sum::<f64>() / count;
            // An input that never changes says nothing; any scale will do.
            if variance > 1e-12 { variance.sqrt() } else { 1.0 }
        });
        Self { mean, deviation }
    }

    fn apply(&self, inputs: &[f64; EARLY_GATE_INPUTS.len()]) -> [f64; EARLY_GATE_INPUTS.len()] {
        std::array::from_fn(|at| (inputs[at] - self.mean[at]) / self.deviation[at])
    }

    /// Weights and bias for inputs that are not scaled.
    fn fold(&self, fit: &logistic::Fit) -> ([f64; EARLY_GATE_INPUTS.len()], f64) {
        let weights: [f64; EARLY_GATE_INPUTS.len()] =
            std::array::from_fn(|at| fit.weights[at] / self.deviation[at]);
        let shift: f64 = weights.iter().zip(&self.mean).map(|(weight, mean)| weight * mean).sum();
        (weights, fit.bias - shift)
    }
}

/// The threshold with the greatest share of good answers let through less the share of bad ones.
fn best_threshold(rows: &[&EarlyRow], score: impl Fn(&EarlyRow) -> f64) -> f64 {
    let mut scored: Vec<(f64, bool)> = rows.iter().map(|row| (score(row), row.good)).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let good = scored.iter().filter(|(_, good)| *good).count() as f64;
    let bad = scored.len() as f64 - good;
    let (mut best, mut threshold, mut index) = (f64::NEG_INFINITY, 0.5, 0.0);
    for (score, is_good) in scored {
        index += if is_good { 1.0 / good } else { -1.0 / bad };
        if index > best {
            (best, threshold) = (index, score);
        }
    }
    threshold.clamp(0.0, 1.0)
}

/// The `count` rows of which the classifier thinks most.
fn same_number_by_classifier(rows: &[&EarlyRow], count: usize) -> Vec<bool> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by(|a, b| rows[*b].inputs[CLASSIFIER].total_cmp(&rows[*a].inputs[CLASSIFIER]).then(a.cmp(b)));
    let mut through = vec![false; rows.len()];
    order.into_iter().take(count).for_each(|at| through[at] = true);
    through
}

fn confusion(rows: &[&EarlyRow], through: &[bool]) -> Confusion {
    let count = |good: bool, let_through: bool| {
        rows.iter().zip(through).filter(|(row, through)| row.good == good && **through == let_through).count()
    };
    Confusion {
        caught: count(false, false),
        missed: count(false, true),
        needless: count(true, false),
        kept: count(true, true),
    }
}

/// Area under the ROC curve: the chance that a good answer scores above a bad one, ties half (Mann and Whitney 1947).
fn auc(rows: &[&EarlyRow], score: impl Fn(&EarlyRow) -> f64) -> f64 {
    let scores: Vec<f64> = rows.iter().map(|row| score(row)).collect();
    let good: Vec<f64> = rows.iter().map(|row| f64::from(u8::from(row.good))).collect();
    area(&scores, &good)
}

/// Exact two-sided p-value of the rows that only one of the two judged rightly (McNemar 1947).
fn mcnemar(rows: &[&EarlyRow], judged: &[bool], alone: &[bool]) -> f64 {
    let only = |a: &[bool], b: &[bool]| {
        rows.iter().zip(a.iter().zip(b)).filter(|(row, (a, b))| **a == row.good && **b != row.good).count()
    };
    Discordant { first: only(judged, alone), second: only(alone, judged) }.mcnemar_exact()
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// Answers that begin surely are good with the chance `told`; the classifier knows nothing.
    fn rows(count: usize, told: f64) -> Vec<EarlyRow> {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(5);
        let row = |at| {
            let sure = random.random_bool(0.5);
            let good = random.random_bool(if sure { told } else { 1.0 - told });
            let mean = if sure { -0.2 } else { -2.0 } - random.random::<f64>();
            EarlyRow {
                id: format!("row-{at}"),
                inputs: [random.random(), mean, mean, mean - 1.0, -mean],
                good,
            }
        };
        (0..count).map(row).collect()
    }

    #[test]
    fn a_judge_that_sees_more_beats_the_classifier_alone() {
        let fit = fit_early_gate(&rows(1_000, 0.9), 8).unwrap();
        assert_eq!(fit.parts.iter().sum::<usize>(), 1_000);
        assert!(fit.auc[0] > 0.8 && (fit.auc[1] - 0.5).abs() < 0.1, "{:?}", fit.auc);
        let (ours, alone) = (fit.gate.confusion, fit.gate.classifier_alone);
        assert_eq!(ours.caught + ours.missed + ours.needless + ours.kept, fit.parts[2]);
        assert_eq!(ours.missed + ours.kept, alone.missed + alone.kept, "the same number is let through");
        assert!(ours.caught + ours.kept > alone.caught + alone.kept && fit.p_value < 0.001, "{fit:?}");
    }

    #[test]
    fn a_beginning_that_tells_nothing_wins_nothing() {
        let fit = fit_early_gate(&rows(1_000, 0.5), 8).unwrap();
        assert!((fit.auc[0] - 0.5).abs() < 0.1, "{:?}", fit.auc);
        assert!(fit.p_value > 0.01, "{fit:?}");
    }

    #[test]
    fn too_few_answers_of_one_kind_are_refused_by_name() {
        let mut all_good = rows(300, 0.9);
        all_good.iter_mut().for_each(|row| row.good = true);
        let problem = fit_early_gate(&all_good, 8).unwrap_err().to_string();
        assert!(problem.contains("fit part") && problem.contains("0 bad"), "{problem}");
    }

    #[test]
    fn the_area_counts_ties_as_half() {
        let row = |score, good| EarlyRow { id: String::new(), inputs: [score; 5], good };
        let rows = [row(0.9, true), row(0.5, true), row(0.5, false), row(0.1, false)];
        assert_eq!(auc(&rows.iter().collect::<Vec<_>>(), |row| row.inputs[0]), 0.875);
    }
}
