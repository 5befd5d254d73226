//! A subject's rows added up: over all, by backend and by task. A rival's row is two cells, weighted by its chances.
//! Latency counts measured answers only: a gold answer takes no time and would flatter whoever uses it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Kind, SubjectReport};
use crate::evals::rivals::Mix;
use crate::evals::runner::Row;
use crate::evals::statistics::{Estimate, mean_estimate};
use crate::evals::subject::{ServedBy, Transcript};

/// One group of a subject's rows.
#[derive(Clone, Debug, Serialize)]
pub struct Slice {
    /// The backend, or the task.
    pub name: String,
    /// Mean score.
    pub quality: f64,
    /// Its 95 % interval; `None` where rows are weighted by chance.
    pub ci: Option<[f64; 2]>,
    /// Rows judged; for a rival the expected number.
    pub n: f64,
    /// Median time to the end, in milliseconds, of measured answers.
    pub total_ms_p50: Option<f64>,
    /// Cost; `None` when a price is not known.
    pub cost_micros: Option<i64>,
}

/// An answer with the chance that it is given.
pub(super) struct Cell<'a> {
    weight: f64,
    task: &'a str,
    score: Option<f64>,
    answer: Option<&'a Transcript>,
}

impl<'a> Cell<'a> {
    pub(super) fn of_row(row: &'a Row, tasks: &'a [String]) -> Self {
        Self { weight: 1.0, task: &tasks[row.sample], score: row.score.value(), answer: row.answer.as_ref() }
    }

    pub(super) fn of_mix(mix: &Mix<'a>, tasks: &'a [String]) -> Vec<Self> {
        let rows = mix.pairs.iter().zip(&mix.local);
        rows.flat_map(|(pair, chance)| {
            let task = tasks[pair.sample].as_str();
            [(pair.local, *chance), (pair.remote, 1.0 - chance)].map(|(side, weight)| Self {
                weight,
                task,
                score: Some(side.score),
                answer: Some(side.answer),
            })
        })
        .filter(|cell| cell.weight > 0.0)
        .collect()
    }

    fn backend(&self) -> Option<ServedBy> {
        self.answer.map(|answer| answer.served_by)
    }
}

/// All cells of a subject.
pub(super) struct Measured<'a> {
    cells: Vec<Cell<'a>>,
}

impl<'a> Measured<'a> {
    pub(super) fn new(cells: Vec<Cell<'a>>) -> Self {
        Self { cells }
    }

    /// The subject's figures, but for what only its maker knows.
    pub(super) fn report(&self, name: String, kind: Kind, quality: Option<Estimate>) -> SubjectReport {
        let cells: Vec<&Cell<'a>> = self.cells.iter().collect();
        SubjectReport {
            name,
            kind,
            quality: quality.map(|it| it.mean),
            ci: quality.map(|it| [it.lo, it.hi]),
            n: quality.map_or(0, |it| it.n),
            unscored: cells.iter().filter(|cell| cell.score.is_none()).count(),
            local_share: local_share(&cells),
            cost_micros: cost(&cells),
            unpriced: cells.iter().filter(|it| it.answer.is_some_and(|it| it.cost.is_none())).count(),
            apgr: None,
            cpt50: None,
            cpt80: None,
            area: None,
            point: None,
            ttft_ms_p50: time(&cells, 0.5, |answer| answer.ttft),
            total_ms_p50: time(&cells, 0.5, |answer| answer.total),
            total_ms_p95: time(&cells, 0.95, |answer| answer.total),
            note: None,
            by_backend: self.slices(|cell| Some(cell.backend()?.label())),
            by_task: self.slices(|cell| Some(cell.task)),
        }
    }

    fn slices(&self, by: impl Fn(&Cell<'a>) -> Option<&'a str>) -> Vec<Slice> {
        let mut groups: BTreeMap<&str, Vec<&Cell<'a>>> = BTreeMap::new();
        for cell in &self.cells {
            if let Some(name) = by(cell) {
                groups.entry(name).or_default().push(cell);
            }
        }
        groups.into_iter().filter_map(|(name, cells)| slice(name, &cells)).collect()
    }
}

fn slice(name: &str, cells: &[&Cell<'_>]) -> Option<Slice> {
    let scored: Vec<(f64, f64)> = cells.iter().filter_map(|cell| Some((cell.weight, cell.score?))).collect();
    let n: f64 = scored.iter().map(|(weight, _)| weight).sum();
    let whole = scored.iter().all(|(weight, _)| *weight == 1.0);
    let values: Vec<f64> = scored.iter().map(|(_, score)| *score).collect();
    (n > 0.0).then(|| Slice {
        name: name.to_owned(),
        quality: scored.iter().map(|(weight, score)| weight * score).sum::<f64>() / n,
        ci: if whole { mean_estimate(&values).map(|it| [it.lo, it.hi]) } else { None },
        n,
        total_ms_p50: time(cells, 0.5, |answer| answer.total),
        cost_micros: cost(cells),
    })
}

/// Of answers that say who gave them.
fn local_share(cells: &[&Cell<'_>]) -> Option<f64> {
    let known = |by: fn(ServedBy) -> bool| -> f64 {
        cells.iter().filter(|cell| cell.backend().is_some_and(by)).map(|cell| cell.weight).sum()
    };
    let all = known(|by| by != ServedBy::None);
    // An empty sum is -0.0, which would print as such.
    (all > 0.0).then(|| (known(|by| by == ServedBy::Local) + 0.0) / all)
}

fn cost(cells: &[&Cell<'_>]) -> Option<i64> {
    let answered = cells.iter().filter_map(|cell| Some((cell.weight, cell.answer?)));
    let costs: Vec<f64> =
        answered.map(|(weight, answer)| Some(weight * answer.cost?.0 as f64)).collect::<Option<_>>()?;
    (!costs.is_empty()).then(|| costs.iter().sum::<f64>().round() as i64)
}

/// A weighted quantile in milliseconds: the least time that at least the share `q` of measured answers stay within.
fn time(cells: &[&Cell<'_>], q: f64, of: impl Fn(&Transcript) -> Option<std::time::Duration>) -> Option<f64> {
    let mut times: Vec<(f64, f64)> =
        cells.iter().filter_map(|cell| Some((of(cell.answer?)?.as_secs_f64() * 1e3, cell.weight))).collect();
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut left = q * times.iter().map(|(_, weight)| weight).sum::<f64>();
    times.iter().find_map(|(time, weight)| {
        left -= weight;
        (left <= 1e-9).then_some(*time)
    })
}
