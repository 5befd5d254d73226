//! What a run says: every subject's quality with its interval, cost, local share and latency, beside the rivals; the
//! same figures as JSON, as rows of `eval_runs` and as text. Holds scores and reasons, never an answer's text.

mod slices;
mod text;

use std::collections::BTreeMap;

use serde::Serialize;

pub use self::slices::Slice;
use self::slices::{Cell, Measured};
use super::dataset::Suite;
use super::rivals::{self, Mix, Pair};
use super::runner::{Finished, Part, SubjectRun};
use super::statistics::{Estimate, apgr, mean_estimate, paired_difference};
use super::subject::{GatewayFacts, GoldOracle, ServedBy};
use crate::chat::Micros;

/// The only form of the JSON report.
pub(super) const SCHEMA: u32 = 1;

/// What the figures hold for; with other hashes they hold no longer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Hashes {
    /// SHA-256 of the suite's rows.
    pub suite: String,
    /// Hash of the classifier.
    pub classifier: Option<String>,
    /// Hash of the local model.
    pub local_model: Option<String>,
    /// Hash of every judged policy, by name.
    pub policy: BTreeMap<String, String>,
}

/// What a report states beside its figures.
#[derive(Clone, Debug)]
pub struct Header {
    /// Names the run in `eval_runs`.
    pub run_id: String,
    /// When it ended.
    pub at: jiff::Timestamp,
    /// The gateway's hashes and prices; the default where there was none.
    pub facts: GatewayFacts,
    /// Rows that were under way at once.
    pub concurrency: usize,
}

/// Which suite was run.
#[derive(Clone, Debug, Serialize)]
pub struct SuiteName {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What stood for the remote tier.
#[derive(Clone, Debug, Serialize)]
pub struct RemoteTier {
    /// Its name.
    pub name: String,
    /// True for the gold answer: what any remote model could reach at most, measured on none.
    pub upper_bound: bool,
    /// The model whose prices were used, if any were known.
    pub prices_of: Option<String>,
}

/// What a subject is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A policy, a model or recorded answers.
    Judged,
    /// One tier alone.
    Tier,
    /// A trivial rival, made from both tiers.
    Rival,
}

/// One subject's figures.
#[derive(Clone, Debug, Serialize)]
pub struct SubjectReport {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Mean score of what could be judged.
    pub quality: Option<f64>,
    /// Its 95 % interval.
    pub ci: Option<[f64; 2]>,
    /// Rows judged.
    pub n: usize,
    /// Rows that could not be judged; they count neither for nor against.
    pub unscored: usize,
    /// Share of answers that were given locally.
    pub local_share: Option<f64>,
    /// Cost of all answers; `None` when a price is not known.
    pub cost_micros: Option<i64>,
    /// Answers without a known price.
    pub unpriced: usize,
    /// Average performance gap recovered by its ranking; `None` without scores or without a gap.
    pub apgr: Option<f64>,
    /// Median time to the first content, in milliseconds, of measured answers.
    pub ttft_ms_p50: Option<f64>,
    /// Median time to the end.
    pub total_ms_p50: Option<f64>,
    /// Time to the end that 95 % stay below.
    pub total_ms_p95: Option<f64>,
    /// What differs from the rule in how it was made.
    pub note: Option<&'static str>,
    /// By the backend that answered.
    pub by_backend: Vec<Slice>,
    /// By task.
    pub by_task: Vec<Slice>,
}

/// How much better a judged subject is than a rival on the rows that both have.
#[derive(Clone, Debug, Serialize)]
pub struct Versus {
    /// The judged subject.
    pub subject: String,
    /// The rival.
    pub rival: String,
    /// Mean difference of the scores; above 0 the subject is better.
    pub difference: f64,
    /// Its 95 % interval.
    pub ci: [f64; 2],
    /// Rows compared.
    pub n: usize,
}

/// One subject's graded row.
#[derive(Clone, Debug, Serialize)]
pub struct RowReport {
    /// The row.
    pub id: String,
    /// The subject.
    pub subject: String,
    /// What the answer is worth; `None`: it could not be judged.
    pub score: Option<f64>,
    /// Why.
    pub why: String,
    /// Who answered.
    pub served_by: ServedBy,
    /// Why it went there.
    pub reason: Option<String>,
    /// Tokens.
    pub usage: Option<crate::chat::Usage>,
    /// Cost; `None` when the price is not known.
    pub cost_micros: Option<Micros>,
    /// Time to the first content.
    pub ttft_ms: Option<f64>,
    /// Time to the end.
    pub total_ms: Option<f64>,
    /// The classifier's score.
    pub local_ok: Option<f32>,
}

/// A run's figures.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Version of this form; 1.
    pub schema: u32,
    /// Names the run in `eval_runs`.
    pub run_id: String,
    /// When it ended.
    pub at: String,
    /// The suite.
    pub suite: SuiteName,
    /// Rows that every subject did.
    pub done: usize,
    /// Rows there were; more than `done` when the run was stopped.
    pub of: usize,
    /// Rows that were under way at once.
    pub concurrency: usize,
    /// What stood for the remote tier.
    pub remote: Option<RemoteTier>,
    /// What the figures hold for.
    pub hashes: Hashes,
    /// Every subject: judged, tiers, rivals.
    pub subjects: Vec<SubjectReport>,
    /// Judged subjects against rivals.
    pub versus: Vec<Versus>,
    /// Every graded row.
    pub rows: Vec<RowReport>,
}

/// One row of the table `eval_runs`: one subject of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct EvalRun {
    /// The run.
    pub run_id: String,
    /// When it ended, in milliseconds since 1970.
    pub at_ms: i64,
    /// The suite's name.
    pub suite: String,
    /// The suite's version.
    pub version: String,
    /// The subject.
    pub subject: String,
    /// Mean score.
    pub quality: f64,
    /// Lower end of its interval.
    pub ci_low: f64,
    /// Upper end of its interval.
    pub ci_high: f64,
    /// Share answered locally.
    pub local_share: Option<f64>,
    /// Cost; `None` when a price is not known.
    pub cost_micros: Option<i64>,
    /// Rows judged.
    pub n: usize,
    /// [`Hashes`] as JSON.
    pub hashes: String,
}

impl Report {
    /// Works out everything from what a run brought.
    pub fn new(suite: &Suite, finished: &Finished, header: &Header) -> Self {
        let lengths: Vec<usize> = suite.samples.iter().map(super::dataset::Sample::prompt_chars).collect();
        let both = match (finished.tier(Part::LocalTier), finished.tier(Part::RemoteTier)) {
            (Some(local), Some(remote)) => rivals::pairs(local, remote),
            _ => vec![],
        };
        let field = Field { suite, lengths, both };
        let judged = || finished.runs.iter().filter(|run| run.part == Part::Judged);
        let tiers = finished.runs.iter().filter(|run| run.part != Part::Judged);
        let mut subjects: Vec<_> = judged().chain(tiers).map(|run| field.measured(run)).collect();
        subjects.extend(field.best());
        let mut versus = vec![];
        for run in judged() {
            for (name, mix, note) in field.rivals(run) {
                versus.extend(against(run, &name, &mix));
                subjects.push(field.mixed(name, &mix, note));
            }
        }
        let judged: Vec<&str> = judged().map(|run| run.name.as_str()).collect();
        Self {
            schema: SCHEMA,
            run_id: header.run_id.clone(),
            at: header.at.to_string(),
            suite: SuiteName { name: suite.name.clone(), version: suite.version.clone() },
            done: finished.done,
            of: finished.of,
            concurrency: header.concurrency,
            remote: finished.tier(Part::RemoteTier).map(|run| RemoteTier {
                name: run.name.clone(),
                upper_bound: run.name == GoldOracle::NAME,
                prices_of: header.facts.price.as_ref().map(|price| price.model.clone()),
            }),
            hashes: hashes(suite, &header.facts, &judged),
            subjects,
            versus,
            rows: finished.runs.iter().flat_map(|run| rows(suite, run)).collect(),
        }
    }

    /// The rows for the table `eval_runs`: one for every subject of which anything could be judged. A stopped run has
    /// none, because its figures hold for a part of the suite only.
    pub fn eval_runs(&self, at: jiff::Timestamp) -> Vec<EvalRun> {
        let hashes = serde_json::to_string(&self.hashes).unwrap_or_default();
        let whole = self.subjects.iter().filter(|_| self.done == self.of);
        whole
            .filter_map(|subject| {
                let [ci_low, ci_high] = subject.ci?;
                Some(EvalRun {
                    run_id: self.run_id.clone(),
                    at_ms: at.as_millisecond(),
                    suite: self.suite.name.clone(),
                    version: self.suite.version.clone(),
                    subject: subject.name.clone(),
                    quality: subject.quality?,
                    ci_low,
                    ci_high,
                    local_share: subject.local_share,
                    cost_micros: subject.cost_micros,
                    n: subject.n,
                    hashes: hashes.clone(),
                })
            })
            .collect()
    }
}

fn hashes(suite: &Suite, facts: &GatewayFacts, judged: &[&str]) -> Hashes {
    let policies = facts.policies.iter().filter(|(name, _)| judged.contains(&name.as_str()));
    Hashes {
        suite: suite.hash.clone(),
        classifier: facts.classifier.clone(),
        local_model: facts.local_model.clone(),
        policy: policies.map(|(name, hash)| (name.clone(), hash.clone())).collect(),
    }
}

fn rows<'a>(suite: &'a Suite, run: &'a SubjectRun) -> impl Iterator<Item = RowReport> + 'a {
    run.rows.iter().map(move |row| {
        let answer = row.answer.as_ref();
        let ms = |time: Option<std::time::Duration>| time.map(|time| time.as_secs_f64() * 1e3);
        RowReport {
            id: suite.samples[row.sample].id.clone(),
            subject: run.name.clone(),
            score: row.score.value(),
            why: row.score.why().to_owned(),
            served_by: answer.map(|answer| answer.served_by).unwrap_or_default(),
            reason: answer.and_then(|answer| answer.reason.clone()),
            usage: answer.map(|answer| answer.usage),
            cost_micros: answer.and_then(|answer| answer.cost),
            ttft_ms: ms(answer.and_then(|answer| answer.ttft)),
            total_ms: ms(answer.and_then(|answer| answer.total)),
            local_ok: answer.and_then(|answer| answer.local_ok),
        }
    })
}

/// The judged subject against a rival, on the rival's rows.
fn against(run: &SubjectRun, rival: &str, mix: &Mix<'_>) -> Option<Versus> {
    let scores: BTreeMap<usize, f64> =
        run.rows.iter().filter_map(|row| Some((row.sample, row.score.value()?))).collect();
    let own: Vec<f64> = mix.pairs.iter().filter_map(|pair| scores.get(&pair.sample).copied()).collect();
    let Estimate { mean, lo, hi, n } = paired_difference(&own, &mix.values())?;
    Some(Versus { subject: run.name.clone(), rival: rival.to_owned(), difference: mean, ci: [lo, hi], n })
}

/// What all subjects of a report are measured on.
struct Field<'a> {
    suite: &'a Suite,
    lengths: Vec<usize>,
    both: Vec<Pair<'a>>,
}

impl<'a> Field<'a> {
    /// A subject that was asked.
    fn measured(&self, run: &SubjectRun) -> SubjectReport {
        let cells = run.rows.iter().map(|row| Cell::of_row(row, self.suite));
        let measured = Measured::new(cells.collect());
        let values: Vec<f64> = run.rows.iter().filter_map(|row| row.score.value()).collect();
        let kind = if run.part == Part::Judged { Kind::Judged } else { Kind::Tier };
        SubjectReport {
            apgr: (run.part == Part::Judged).then(|| self.apgr_of(run)).flatten(),
            ..measured.report(run.name.clone(), kind, mean_estimate(&values))
        }
    }

    /// A rival, from its mix of both tiers.
    fn mixed(&self, name: String, mix: &Mix<'_>, note: Option<&'static str>) -> SubjectReport {
        let measured = Measured::new(Cell::of_mix(mix, self.suite));
        SubjectReport {
            local_share: mix.local_share(),
            cost_micros: mix.cost().map(|cost| cost.round() as i64),
            note,
            apgr: self.apgr_of_rival(&name, mix),
            ..measured.report(name, Kind::Rival, mix.quality())
        }
    }

    fn best(&self) -> Option<SubjectReport> {
        let mix = rivals::oracle(&self.both);
        (!mix.pairs.is_empty()).then(|| self.mixed("oracle".to_owned(), &mix, Some("knows the scores")))
    }

    /// The rivals that share a judged subject's local share or spend.
    fn rivals(&self, run: &SubjectRun) -> Vec<(String, Mix<'a>, Option<&'static str>)> {
        let Some(router) = rivals::choices(run, &self.both) else { return vec![] };
        let (random, by_cost) = rivals::random(&router);
        let note = (!by_cost).then_some("at equal local share: costs are unknown or alike");
        let length = rivals::length_rule(&router, &self.lengths);
        vec![
            (format!("{LENGTH}@{}", run.name), length, None),
            (format!("{RANDOM}@{}", run.name), random, note),
        ]
    }

    /// APGR of the classifier's scores over the rows that both tiers have; `None` where one has no score.
    fn apgr_of(&self, run: &SubjectRun) -> Option<f64> {
        let scores: BTreeMap<usize, f64> = run
            .rows
            .iter()
            .filter_map(|row| Some((row.sample, f64::from(row.answer.as_ref()?.local_ok?))))
            .collect();
        let ranks = self.both.iter().map(|pair| scores.get(&pair.sample).copied());
        ranked(&self.both, &ranks.collect::<Option<Vec<f64>>>()?)
    }

    /// APGR of a rival's ranking: short prompts stay, any row stays alike, or what loses least stays.
    fn apgr_of_rival(&self, name: &str, mix: &Mix<'_>) -> Option<f64> {
        let ranks: Vec<f64> = match name.split('@').next() {
            Some(LENGTH) => mix.pairs.iter().map(|pair| -(self.lengths[pair.sample] as f64)).collect(),
            Some(RANDOM) => vec![0.0; mix.pairs.len()],
            _ => mix.pairs.iter().map(|pair| pair.local.score - pair.remote.score).collect(),
        };
        ranked(&mix.pairs, &ranks)
    }
}

const LENGTH: &str = "length-rule";
const RANDOM: &str = "random";

fn ranked(pairs: &[Pair<'_>], ranks: &[f64]) -> Option<f64> {
    let local: Vec<f64> = pairs.iter().map(|pair| pair.local.score).collect();
    let remote: Vec<f64> = pairs.iter().map(|pair| pair.remote.score).collect();
    apgr(&local, &remote, ranks)
}

#[cfg(test)]
#[path = "tests.rs"]
pub(super) mod tests;
