//! What a threshold does to rows: quality, share, worse answers, spend, with 95 % intervals; the curve over thresholds,
//! slices by task, and the rivals at the same share. Measures; chooses nothing.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Row;
use crate::evals::statistics::{Estimate, mean_estimate, paired_difference, quantile, wilson};
use crate::routing::{Figure, Measured};

/// Resamples of the spend's interval, and their seed.
const RESAMPLES: usize = 1_000;
const SEED: u64 = 0x0ca1_1b8a;
/// Points of the printed curve.
const POINTS: usize = 10;

/// A row with its steering score.
#[derive(Clone, Copy, Debug)]
pub struct Scored<'a> {
    /// The row.
    pub row: &'a Row,
    /// What the threshold is held against.
    pub score: f32,
    /// Whether the local answer is worse by more than allowed.
    pub worse: bool,
}

impl Scored<'_> {
    fn routed(&self, threshold: f32) -> f64 {
        if self.score >= threshold { self.row.local } else { self.row.remote }
    }
}

/// One threshold of the curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The threshold.
    pub threshold: f32,
    /// Share answered locally.
    pub local_share: Figure,
    /// Mean score of the answers routed by it.
    pub quality: Figure,
    /// Share answered worse than the remote tier, of all.
    pub worse: Figure,
    /// Cost as a share of sending everything out; `None` where a price is not known.
    pub spend: Option<f64>,
}

/// One task at the chosen threshold. No promise holds for a task alone.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskSlice {
    /// The task.
    pub task: String,
    /// Its rows.
    pub n: usize,
    /// What the threshold does there.
    pub measured: Measured,
}

/// Another way to keep as many rows local.
#[derive(Clone, Debug, PartialEq)]
pub struct Rival {
    /// Its name, as in eval reports.
    pub name: &'static str,
    /// Its mean score.
    pub quality: f64,
    /// What the threshold gains over it, row by row, with its interval.
    pub gained: Option<Figure>,
}

fn figure(estimate: Estimate) -> Figure {
    // Wilson's ends lie off by rounding where all or none succeed.
    let Estimate { mean, lo, hi, .. } = estimate;
    Figure { mean, lo: lo.min(mean), hi: hi.max(mean) }
}

fn quality(values: &[f64]) -> Option<Figure> {
    mean_estimate(values).map(figure)
}

fn rate(count: usize, n: usize) -> Option<Figure> {
    wilson(count, n).map(figure)
}

/// What `threshold` does to these rows; `None` without rows.
pub(super) fn measure(rows: &[Scored<'_>], threshold: f32) -> Option<Measured> {
    let kept = rows.iter().filter(|row| row.score >= threshold).count();
    let worse = rows.iter().filter(|row| row.score >= threshold && row.worse).count();
    let values = |of: &dyn Fn(&Scored<'_>) -> f64| rows.iter().map(of).collect::<Vec<f64>>();
    Some(Measured {
        quality: quality(&values(&|row| row.routed(threshold)))?,
        quality_local: quality(&values(&|row| row.row.local))?,
        quality_remote: quality(&values(&|row| row.row.remote))?,
        local_share: rate(kept, rows.len())?,
        worse: rate(worse, rows.len())?,
        worse_of_local: rate(worse, kept),
        spend: spend(rows, threshold),
    })
}

/// Cost as a share of sending everything out, with the bootstrap's interval. `None` where a price is not known or
/// sending everything out costs nothing.
pub(super) fn spend(rows: &[Scored<'_>], threshold: f32) -> Option<Figure> {
    let costs = costs(rows, threshold)?;
    let mean = ratio(costs.iter().copied())?;
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let mut drawn: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| {
            let draws = (0..costs.len()).map(|_| costs[rng.random_range(0..costs.len())]);
            ratio(draws)
        })
        .collect();
    drawn.sort_by(f64::total_cmp);
    let (lo, hi) = (quantile(&drawn, 0.025)?, quantile(&drawn, 0.975)?);
    Some(Figure { mean, lo: lo.min(mean), hi: hi.max(mean) })
}

/// What every row cost as routed, and what it would have cost sent out.
fn costs(rows: &[Scored<'_>], threshold: f32) -> Option<Vec<(f64, f64)>> {
    let cost = |row: &Scored<'_>| {
        let out = row.row.remote_cost?;
        Some((if row.score >= threshold { row.row.local_cost? } else { out }, out))
    };
    rows.iter().map(cost).collect()
}

fn ratio(costs: impl Iterator<Item = (f64, f64)>) -> Option<f64> {
    let (spent, out) = costs.fold((0.0, 0.0), |sum, cost| (sum.0 + cost.0, sum.1 + cost.1));
    (out > 0.0).then_some(spent / out)
}

/// The cost-quality curve: thresholds that keep a tenth more each, from nothing to everything.
pub(super) fn curve(rows: &[Scored<'_>]) -> Vec<Point> {
    let mut scores: Vec<f32> = rows.iter().map(|row| row.score).collect();
    scores.sort_by(|a, b| b.total_cmp(a));
    let at = |step: usize| scores.get((step * scores.len() / POINTS).checked_sub(1)?).copied();
    // Just above every score: nothing is kept.
    let none = scores.first().map(|most| f32::from_bits(most.to_bits() + 1));
    let mut thresholds: Vec<f32> = none.into_iter().chain((1..=POINTS).filter_map(at)).collect();
    thresholds.dedup();
    let point = |threshold| {
        let kept = rows.iter().filter(|row| row.score >= threshold);
        let (kept, worse) =
            kept.fold((0, 0), |(kept, worse), row| (kept + 1, worse + usize::from(row.worse)));
        let values: Vec<f64> = rows.iter().map(|row| row.routed(threshold)).collect();
        Some(Point {
            threshold,
            local_share: rate(kept, rows.len())?,
            quality: quality(&values)?,
            worse: rate(worse, rows.len())?,
            spend: costs(rows, threshold).and_then(|costs| ratio(costs.into_iter())),
        })
    };
    thresholds.into_iter().filter_map(point).collect()
}

/// Every task of these rows, by name.
pub(super) fn slices(rows: &[Scored<'_>], threshold: f32) -> Vec<TaskSlice> {
    let mut tasks: BTreeMap<&str, Vec<Scored<'_>>> = BTreeMap::new();
    for row in rows {
        tasks.entry(row.row.task.as_str()).or_default().push(*row);
    }
    tasks
        .into_iter()
        .filter_map(|(task, rows)| {
            Some(TaskSlice { task: task.to_owned(), n: rows.len(), measured: measure(&rows, threshold)? })
        })
        .collect()
}

/// The rivals that keep as many rows local as the threshold does, and both tiers alone.
pub(super) fn rivals(rows: &[Scored<'_>], threshold: f32) -> Vec<Rival> {
    let routed: Vec<f64> = rows.iter().map(|row| row.routed(threshold)).collect();
    let kept = rows.iter().filter(|row| row.score >= threshold).count();
    let share = kept as f64 / rows.len().max(1) as f64;
    let mut shortest: Vec<usize> = (0..rows.len()).collect();
    shortest.sort_by_key(|at| (rows[*at].row.chars, &rows[*at].row.id));
    let mut by_length: Vec<f64> = rows.iter().map(|row| row.row.remote).collect();
    shortest.iter().take(kept).for_each(|at| by_length[*at] = rows[*at].row.local);
    let each = |of: &dyn Fn(&Row) -> f64| rows.iter().map(|row| of(row.row)).collect::<Vec<f64>>();
    [
        ("always-local", each(&|row| row.local)),
        ("always-remote", each(&|row| row.remote)),
        ("random, as many", each(&|row| share * row.local + (1.0 - share) * row.remote)),
        ("length rule, as many", by_length),
        ("oracle", each(&|row| row.local.max(row.remote))),
    ]
    .into_iter()
    .map(|(name, values)| Rival {
        name,
        quality: values.iter().sum::<f64>() / values.len().max(1) as f64,
        gained: paired_difference(&routed, &values).map(figure),
    })
    .collect()
}
