//! Which score steers: the shipped one, the same recalibrated (Platt), or a head fitted for the installed local model.
//! Decided by cross-validation on the fit part alone; more numbers must earn their place by more than one standard error
//! (the rule of Breiman, Friedman, Olshen and Stone, "Classification and Regression Trees", 1984, section 3.4.3).

use super::Row;
use super::split::fold;
use crate::evals::logistic::{Fit, FitError, cross_entropy, fit};
use crate::routing::{Head, HeadChoice};

/// Parts of the cross-validation that judges.
const FOLDS: usize = 5;
/// Parts of the one inside it that chooses the penalty.
const INNER: usize = 4;
/// Penalties to choose from, on standardised columns.
const PENALTIES: [f64; 5] = [1.0, 10.0, 100.0, 1_000.0, 10_000.0];
/// Of the two-number fit: it only keeps separable rows from running away.
const PLATT_PENALTY: f64 = 1e-2;
/// Log odds of scores of exactly 0 and 1.
const MOST_LOG_ODDS: f64 = 13.8;

/// The head to use, if any, and why.
pub(super) struct Kept {
    /// `None`: the shipped score.
    pub(super) head: Option<Head>,
    /// The figures behind it.
    pub(super) choice: HeadChoice,
}

/// Where the shipped score's logit stands among a row's inputs: before the last, which is `gain`. Without inputs only
/// the shipped score itself can steer.
fn logit_at(row: &Row) -> Option<usize> {
    row.inputs.len().checked_sub(2)
}

/// Chooses. `good` says of every row whether its local answer is good enough.
pub(super) fn choose(rows: &[&Row], good: &[f64]) -> Kept {
    let shipped = |why: &str| Kept {
        head: None,
        choice: HeadChoice {
            kept: "shipped".to_owned(),
            why: why.to_owned(),
            platt_log_loss: None,
            platt_auc: None,
            head_log_loss: None,
            head_auc: None,
        },
    };
    let inputs = rows.first().map_or(0, |row| row.inputs.len());
    let Some(logit) = rows.first().and_then(|row| logit_at(row)) else {
        return shipped("the classifier gives no inputs that a head could be fitted on");
    };
    let both = |value: f64| good.iter().filter(|it| **it == value).count() >= 2 * FOLDS;
    if !both(0.0) || !both(1.0) {
        return shipped("fewer than ten rows of the fit part are good locally, or fewer than ten are not");
    }
    let all = Columns::all(rows);
    let alone = Columns::one(rows, logit);
    let raw: Vec<f64> = rows.iter().map(|row| log_odds(row.shipped)).collect();
    let platt = validated(rows, good, |part| alone.fit(part, good, PLATT_PENALTY), &alone);
    let fitted = validated(rows, good, |part| all.fit(part, good, all.penalty(rows, part, good)), &all);
    let (Ok(platt), Ok(fitted)) = (platt, fitted) else {
        return shipped("no head could be fitted on these rows");
    };
    let everything: Vec<usize> = (0..rows.len()).collect();
    let losses = |odds: &[f64]| good.iter().zip(odds).map(|(t, z)| cross_entropy(*t, *z)).collect::<Vec<_>>();
    let (raw_loss, platt_loss, head_loss) = (losses(&raw), losses(&platt), losses(&fitted));
    let (raw_auc, head_auc) = (auc(&raw, good), auc(&fitted, good));
    let head_wins = clearly_less(&head_loss, &platt_loss) && head_auc > raw_auc;
    let (mut kept, mut head) = ("shipped", None);
    if head_wins {
        let penalty = all.penalty(rows, &everything, good);
        head = all.fit(&everything, good, penalty).ok().map(|fit| all.head(&fit, inputs));
        kept = "head";
    } else if clearly_less(&platt_loss, &raw_loss) {
        // A falling line would turn the ranking round: the classifier is wrong about this model, not miscalibrated.
        let fit = alone.fit(&everything, good, PLATT_PENALTY).ok().filter(|fit| fit.weights[0] > 0.0);
        head = fit.map(|fit| alone.head(&fit, inputs));
        kept = "platt";
    }
    if head.is_none() {
        kept = "shipped";
    }
    let why = why(kept, mean(&raw_loss), mean(&platt_loss), mean(&head_loss), (raw_auc, head_auc));
    let choice = HeadChoice {
        kept: kept.to_owned(),
        why,
        platt_log_loss: Some(mean(&platt_loss)),
        platt_auc: Some(raw_auc),
        head_log_loss: Some(mean(&head_loss)),
        head_auc: Some(head_auc),
    };
    Kept { head, choice }
}

fn why(kept: &str, raw: f64, platt: f64, head: f64, (raw_auc, head_auc): (f64, f64)) -> String {
    let fitted = format!("head: log loss {head:.4}, AUC {head_auc:.3}");
    let shipped = format!("shipped score: {raw:.4} as it is, {platt:.4} recalibrated, AUC {raw_auc:.3}");
    match kept {
        "head" => format!("the fitted head is better on both counts ({fitted}; {shipped})"),
        "platt" => format!("recalibrating helps, a head does not clearly ({shipped}; {fitted})"),
        _ => format!("neither a head nor recalibrating is clearly better ({shipped}; {fitted})"),
    }
}

/// Log odds of every row by a model that was fitted without its fold.
fn validated(
    rows: &[&Row],
    good: &[f64],
    fit: impl Fn(&[usize]) -> Result<Fit, FitError>,
    columns: &Columns,
) -> Result<Vec<f64>, FitError> {
    let mut odds = vec![0.0; good.len()];
    for out in 0..FOLDS {
        let (inside, outside): (Vec<usize>, Vec<usize>) =
            (0..rows.len()).partition(|at| fold(rows[*at], FOLDS, "outer") != out);
        let fit = fit(&inside)?;
        outside.iter().for_each(|at| odds[*at] = fit.log_odds(&columns.rows[*at]));
    }
    Ok(odds)
}

/// Some of the inputs, standardised over all rows of the fit part.
struct Columns {
    which: Vec<usize>,
    centre: Vec<f64>,
    scale: Vec<f64>,
    rows: Vec<Vec<f64>>,
}

impl Columns {
    fn all(rows: &[&Row]) -> Self {
        Self::of(rows, (0..rows.first().map_or(0, |row| row.inputs.len())).collect())
    }

    fn one(rows: &[&Row], column: usize) -> Self {
        Self::of(rows, vec![column])
    }

    fn of(rows: &[&Row], which: Vec<usize>) -> Self {
        let n = rows.len().max(1) as f64;
        let value = |row: &&Row, column: usize| f64::from(row.inputs[column]);
        let centre: Vec<f64> =
            which.iter().map(|column| rows.iter().map(|row| value(row, *column)).sum::<f64>() / n).collect();
        let scale: Vec<f64> = which
            .iter()
            .zip(&centre)
            .map(|(column, centre)| {
                let spread: f64 = rows.iter().map(|row| (value(row, *column) - centre).powi(2)).sum();
                (spread / n).sqrt()
            })
            .collect();
        let standard = |row: &&Row| {
            let columns = which.iter().zip(centre.iter().zip(&scale));
            // A column that never moves says nothing.
            columns
                .map(
                    |(at, (centre, scale))| {
                        if *scale > 1e-9 { (value(row, *at) - centre) / scale } else { 0.0 }
                    },
                )
                .collect()
        };
        let rows = rows.iter().map(standard).collect();
        Self { which, centre, scale, rows }
    }

    fn fit(&self, part: &[usize], good: &[f64], penalty: f64) -> Result<Fit, FitError> {
        let rows: Vec<Vec<f64>> = part.iter().map(|at| self.rows[*at].clone()).collect();
        let targets: Vec<f64> = part.iter().map(|at| good[*at]).collect();
        fit(&rows, &targets, penalty)
    }

    /// The penalty with the least cross-validated log loss inside `part`; one that cannot be fitted loses.
    fn penalty(&self, rows: &[&Row], part: &[usize], good: &[f64]) -> f64 {
        let loss = |penalty: f64| -> f64 {
            let mut sum = 0.0;
            for out in 0..INNER {
                let (inside, outside): (Vec<usize>, Vec<usize>) =
                    part.iter().partition(|at| fold(rows[**at], INNER, "inner") != out);
                let Ok(fit) = self.fit(&inside, good, penalty) else { return f64::INFINITY };
                sum += outside
                    .iter()
                    .map(|at| cross_entropy(good[*at], fit.log_odds(&self.rows[*at])))
                    .sum::<f64>();
            }
            sum
        };
        let losses = PENALTIES.map(|penalty| (penalty, loss(penalty)));
        losses.into_iter().min_by(|a, b| a.1.total_cmp(&b.1)).map_or(PENALTIES[0], |(penalty, _)| penalty)
    }

    /// The fit on inputs as they are, as the classifier applies it: weights of 0 for inputs that it does not use.
    fn head(&self, fit: &Fit, inputs: usize) -> Head {
        let mut weights = vec![0.0; inputs];
        let mut bias = fit.bias;
        for (column, at) in self.which.iter().enumerate() {
            if self.scale[column] > 1e-9 {
                let weight = fit.weights[column] / self.scale[column];
                weights[*at] = weight as f32;
                bias -= weight * self.centre[column];
            }
        }
        Head { weights, bias: bias as f32 }
    }
}

/// The log odds of a probability, held to what a 32-bit score can tell apart.
fn log_odds(probability: f32) -> f64 {
    let p = f64::from(probability);
    (p / (1.0 - p)).ln().clamp(-MOST_LOG_ODDS, MOST_LOG_ODDS)
}

/// Whether `a` is less than `b` on average, by more than the standard error of the paired difference.
fn clearly_less(a: &[f64], b: &[f64]) -> bool {
    let differences: Vec<f64> = b.iter().zip(a).map(|(b, a)| b - a).collect();
    let (n, gain) = (differences.len() as f64, mean(&differences));
    let spread = differences.iter().map(|it| (it - gain).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    gain > (spread / n).sqrt()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Area under the ROC curve: how often a good row scores above one that is not, ties counting half (Hanley and McNeil,
/// Radiology 1982). Half where there is only one kind.
pub(in crate::evals) fn auc(scores: &[f64], good: &[f64]) -> f64 {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let (mut below, mut pairs, mut wins) = (0.0, 0.0, 0.0);
    for tie in order.chunk_by(|a, b| scores[*a] == scores[*b]) {
        let ones = tie.iter().map(|at| good[*at]).sum::<f64>();
        let zeros = tie.len() as f64 - ones;
        wins += ones * (below + zeros / 2.0);
        (below, pairs) = (below + zeros, pairs + ones);
    }
    if below * pairs > 0.0 { wins / (below * pairs) } else { 0.5 }
}

#[cfg(test)]
#[path = "head/tests.rs"]
mod tests;
