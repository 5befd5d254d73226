//! What all subjects of a report are measured on: the rows' names, tasks and lengths, and the rows that both tiers have.

use std::collections::BTreeMap;

use super::figures::{BestRival, CurveReport};
use super::form::{Kind, SubjectReport};
use super::slices::{Cell, Measured};
use crate::evals::dataset::{Sample, Suite};
use crate::evals::rivals::{self, Mix, Pair};
use crate::evals::runner::{Finished, Part, SubjectRun};
use crate::evals::statistics::{Curve, Ranking, Tiers, mean_estimate};

/// The rival that keeps the shortest prompts.
pub(super) const LENGTH: &str = "length-rule";
/// The rival that keeps the tasks that the local tier does well.
pub(super) const TASK_MEAN: &str = "task-mean";
/// The rival that draws lots.
pub(super) const RANDOM: &str = "random";
/// The rival that knows the scores.
pub(super) const ORACLE: &str = "oracle";

/// The rows of a report, whatever they were read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// What the set is called.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its rows.
    pub hash: String,
    /// Every row's id.
    pub ids: Vec<String>,
    /// Every row's task.
    pub tasks: Vec<String>,
    /// Every prompt's length, in characters.
    pub lengths: Vec<usize>,
}

impl From<&Suite> for Frame {
    fn from(suite: &Suite) -> Self {
        Self {
            name: suite.name.clone(),
            version: suite.version.clone(),
            hash: suite.hash.clone(),
            ids: suite.samples.iter().map(|sample| sample.id.clone()).collect(),
            tasks: suite.samples.iter().map(|sample| sample.task.clone()).collect(),
            lengths: suite.samples.iter().map(Sample::prompt_chars).collect(),
        }
    }
}

/// A rival held against one judged subject.
pub(super) struct Rival<'a> {
    pub(super) name: String,
    pub(super) mix: Mix<'a>,
    pub(super) note: Option<&'static str>,
}

/// A ranking by a score, on the rows that have one.
struct Ranked<'a> {
    field: Field<'a>,
    ranking: Ranking,
    /// Rows that both tiers have and the score has not.
    without: usize,
}

impl Ranked<'_> {
    fn is_like(&self, other: &Self) -> bool {
        let rows = |of: &Self| -> Vec<usize> { of.field.both.iter().map(|pair| pair.sample).collect() };
        self.ranking == other.ranking && rows(self) == rows(other)
    }
}

pub(super) struct Field<'a> {
    frame: &'a Frame,
    pub(super) both: Vec<Pair<'a>>,
    tiers: Tiers,
    rivals: [(&'static str, Ranking, Option<Curve>); 4],
}

impl<'a> Field<'a> {
    pub(super) fn new(frame: &'a Frame, finished: &'a Finished) -> Self {
        let both = match (finished.tier(Part::LocalTier), finished.tier(Part::RemoteTier)) {
            (Some(local), Some(remote)) => rivals::pairs(local, remote),
            _ => vec![],
        };
        Self::over(frame, both)
    }

    fn over(frame: &'a Frame, both: Vec<Pair<'a>>) -> Self {
        let tiers = rivals::tiers(&both);
        let rivals = [
            (LENGTH, rivals::by_length(&both, &frame.lengths)),
            (TASK_MEAN, rivals::by_task(&both, &frame.tasks)),
            (RANDOM, Ranking::random(both.len())),
            (ORACLE, rivals::by_gain(&both)),
        ]
        .map(|(name, ranking)| {
            let curve = Curve::new(&ranking, &tiers);
            (name, ranking, curve)
        });
        Self { frame, both, tiers, rivals }
    }

    /// A subject that was asked.
    pub(super) fn measured(&self, run: &SubjectRun) -> SubjectReport {
        let cells = run.rows.iter().map(|row| Cell::of_row(row, &self.frame.tasks));
        let measured = Measured::new(cells.collect());
        let values: Vec<f64> = run.rows.iter().filter_map(|row| row.score.value()).collect();
        let kind = if run.part == Part::Judged { Kind::Judged } else { Kind::Tier };
        let report = measured.report(run.name.clone(), kind, mean_estimate(&values));
        let curve = if kind == Kind::Judged { self.curve_of(run) } else { None };
        let point = rivals::choices(run, &self.both).and_then(|mix| mix.point(report.quality?));
        SubjectReport { point, ..report.ranked(curve.as_ref()) }
    }

    /// A rival, from its mix of both tiers.
    pub(super) fn mixed(&self, rival: &Rival<'a>) -> SubjectReport {
        let Rival { name, mix, note } = rival;
        let measured = Measured::new(Cell::of_mix(mix, &self.frame.tasks));
        let kind = name.split('@').next().unwrap_or_default();
        let curve = self.rivals.iter().find(|(of, ..)| *of == kind).and_then(|(.., curve)| curve.as_ref());
        let report = measured.report(name.clone(), Kind::Rival, mix.quality());
        SubjectReport {
            local_share: mix.local_share(),
            cost_micros: mix.cost().map(|cost| cost.round() as i64),
            note: *note,
            point: report.quality.and_then(|quality| mix.point(quality)),
            ..report.ranked(curve)
        }
    }

    pub(super) fn best(&self) -> Option<SubjectReport> {
        let mix = rivals::oracle(&self.both);
        let (name, note) = (ORACLE.to_owned(), Some("knows the scores"));
        (!mix.pairs.is_empty()).then(|| self.mixed(&Rival { name, mix, note }))
    }

    /// The rivals that share a judged subject's local share or spend.
    pub(super) fn rivals(&self, run: &SubjectRun) -> Vec<Rival<'a>> {
        let Some(router) = rivals::choices(run, &self.both) else { return vec![] };
        let (random, by_cost) = rivals::random(&router);
        let note = (!by_cost).then_some("at equal local share: costs are unknown or alike");
        let length = rivals::ranked(&router, &rivals::by_length(&router.pairs, &self.frame.lengths));
        let task = rivals::ranked(&router, &rivals::by_task(&router.pairs, &self.frame.tasks));
        let rival = |kind: &str, mix, note| Rival { name: format!("{kind}@{}", run.name), mix, note };
        vec![rival(LENGTH, length, None), rival(TASK_MEAN, task, None), rival(RANDOM, random, note)]
    }

    /// The tier that always stays, and the one that always leaves, as rivals on the rows that both have.
    pub(super) fn alone(&self, name: &str, local: f64) -> Rival<'a> {
        let mix = Mix { pairs: self.both.clone(), local: vec![local; self.both.len()] };
        Rival { name: name.to_owned(), mix, note: None }
    }

    /// The ranking by the classifier's scores over the rows that both tiers have and that have one; `None` without any. A
    /// verdict may have been late, and a row refused.
    fn ranking_of(&self, run: &SubjectRun) -> Option<Ranked<'a>> {
        let scores: BTreeMap<usize, f64> = run
            .rows
            .iter()
            .filter_map(|row| Some((row.sample, f64::from(row.answer.as_ref()?.local_ok?))))
            .collect();
        let scored = self.both.iter().filter_map(|pair| Some((*pair, *scores.get(&pair.sample)?)));
        let (both, ranks): (Vec<Pair<'a>>, Vec<f64>) = scored.unzip();
        let ranking = Ranking::by(&ranks).filter(|_| !both.is_empty())?;
        let without = self.both.len() - both.len();
        Some(Ranked { field: Self::over(self.frame, both), ranking, without })
    }

    fn curve_of(&self, run: &SubjectRun) -> Option<Curve> {
        let ranked = self.ranking_of(run)?;
        Curve::new(&ranked.ranking, &ranked.field.tiers)
    }

    /// The trivial rival that ranks best, and a ranking's lead over it.
    fn best_rival(&self, ranking: &Ranking) -> Option<BestRival> {
        let trivial = self.rivals.iter().filter(|(name, ..)| *name != ORACLE);
        let (name, other, apgr) = trivial
            .filter_map(|(name, other, curve)| Some((name, other, curve.as_ref()?.apgr()?)))
            .max_by(|a, b| a.2.total_cmp(&b.2))?;
        let lead = ranking.lead(other, &self.tiers)?;
        Some(BestRival { name: (*name).to_owned(), apgr, lead: lead.mean, ci: [lead.lo, lead.hi] })
    }

    /// Every curve to draw: the judged subjects' scores, policies that read the same ones together, then the rivals.
    pub(super) fn curves<'r>(&self, judged: impl Iterator<Item = &'r SubjectRun>) -> Vec<CurveReport> {
        let mut own: Vec<(String, Ranked<'a>)> = vec![];
        for run in judged {
            let Some(ranked) = self.ranking_of(run) else { continue };
            match own.iter_mut().find(|(_, known)| known.is_like(&ranked)) {
                Some((names, _)) => *names = format!("{names}, {}", run.name),
                None => own.push((run.name.clone(), ranked)),
            }
        }
        let own = own.iter().filter_map(|(name, Ranked { field, ranking, without })| {
            let curve = Curve::new(ranking, &field.tiers)?;
            let best_rival = field.best_rival(ranking);
            Some(CurveReport { best_rival, without: *without, ..CurveReport::of(name, true, &curve) })
        });
        let rivals = self.rivals.iter().filter_map(|(name, _, curve)| Some((name, curve.as_ref()?)));
        own.chain(rivals.map(|(name, curve)| CurveReport::of(name, false, curve))).collect()
    }
}
