//! A judged subject held against tiers and rivals, row by row: over all rows, and task by task with Holm's correction.

use std::collections::BTreeMap;

use serde::Serialize;

use super::field::{Frame, Rival};
use crate::evals::runner::SubjectRun;
use crate::evals::statistics::{Discordant, Estimate, NonInferiority, holm, paired_difference, paired_p};

/// Fewer rows of a task say nothing.
const FEWEST: usize = 5;

/// How much better a judged subject is than a tier or a rival on the rows that both have.
#[derive(Clone, Debug, Serialize)]
pub struct Versus {
    /// The judged subject.
    pub subject: String,
    /// The tier or rival.
    pub rival: String,
    /// Mean difference of the scores; above 0 the subject is better.
    pub difference: f64,
    /// Its 95 % interval.
    pub ci: [f64; 2],
    /// Rows compared.
    pub n: usize,
    /// Two-sided p-value: McNemar's exact test where all scores are 0 or 1, else sign flips.
    pub p: Option<f64>,
    /// Rows on which only one of the two is right, where all scores are 0 or 1.
    pub discordant: Option<Discordant>,
    /// Against the remote tier: whether the subject is worse by no more than a margin.
    pub non_inferior: Option<NonInferior>,
    /// Task by task, where there is more than one.
    pub tasks: Vec<TaskVersus>,
}

/// A non-inferiority test's outcome.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NonInferior {
    /// How much worse is still good enough.
    pub margin: f64,
    /// The difference's 95 % interval; Tango's where all scores are 0 or 1.
    pub ci: [f64; 2],
    /// Whether all of it lies above the margin.
    pub shown: bool,
}

/// The same within one task.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TaskVersus {
    /// The task.
    pub task: String,
    /// Mean difference.
    pub difference: f64,
    /// Rows.
    pub n: usize,
    /// P-value, as above.
    pub p: f64,
    /// The same, corrected for as many tasks by Holm's rule.
    pub p_holm: f64,
}

/// `None` where no row can be compared. A margin makes it a test of non-inferiority too.
pub(super) fn against(
    run: &SubjectRun,
    rival: &Rival<'_>,
    frame: &Frame,
    margin: Option<f64>,
) -> Option<Versus> {
    let own: BTreeMap<usize, f64> =
        run.rows.iter().filter_map(|row| Some((row.sample, row.score.value()?))).collect();
    let theirs = rival.mix.pairs.iter().zip(rival.mix.values());
    let rows: Vec<(usize, f64, f64)> =
        theirs.filter_map(|(pair, theirs)| Some((pair.sample, *own.get(&pair.sample)?, theirs))).collect();
    let own: Vec<f64> = rows.iter().map(|row| row.1).collect();
    let theirs: Vec<f64> = rows.iter().map(|row| row.2).collect();
    let Estimate { mean, lo, hi, n } = paired_difference(&own, &theirs)?;
    let non_inferior = margin.and_then(|margin| {
        let test = NonInferiority::test(&own, &theirs, margin)?;
        // Rows that all agree may be few or many: only the score interval knows how much that proves.
        let interval = Discordant::count(&own, &theirs).and_then(|it| it.tango(own.len()));
        Some(NonInferiority { difference: interval.unwrap_or(test.difference), ..test })
    });
    Some(Versus {
        subject: run.name.clone(),
        rival: rival.name.clone(),
        difference: mean,
        ci: [lo, hi],
        n,
        p: paired_p(&own, &theirs),
        discordant: Discordant::count(&own, &theirs),
        non_inferior: non_inferior.map(|it| NonInferior {
            margin: it.margin,
            ci: [it.difference.lo, it.difference.hi],
            shown: it.shown(),
        }),
        tasks: by_task(&rows, frame),
    })
}

fn by_task(rows: &[(usize, f64, f64)], frame: &Frame) -> Vec<TaskVersus> {
    let mut groups: BTreeMap<&str, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
    for (sample, own, theirs) in rows {
        let group = groups.entry(&frame.tasks[*sample]).or_default();
        group.0.push(*own);
        group.1.push(*theirs);
    }
    groups.retain(|_, (own, _)| own.len() >= FEWEST);
    if groups.len() < 2 {
        return vec![];
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let mut tasks: Vec<TaskVersus> = groups
        .into_iter()
        .filter_map(|(task, (own, theirs))| {
            let p = paired_p(&own, &theirs)?;
            let difference = mean(&own) - mean(&theirs);
            Some(TaskVersus { task: task.to_owned(), difference, n: own.len(), p, p_holm: p })
        })
        .collect();
    let adjusted = holm(&tasks.iter().map(|task| task.p).collect::<Vec<_>>());
    tasks.iter_mut().zip(adjusted).for_each(|(task, p)| task.p_holm = p);
    tasks
}
