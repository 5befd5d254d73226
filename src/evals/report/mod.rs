//! What a run says: every subject's quality with its interval, cost, local share and latency, beside the rivals; the
//! same figures as JSON, as rows of `eval_runs` and as text. Holds scores and reasons, never an answer's text.

mod form;
mod slices;
mod text;

use std::collections::BTreeMap;

pub(super) use self::form::SCHEMA;
pub use self::form::{Hashes, Header, Kind, RemoteTier, Report, RowReport, SubjectReport, SuiteName, Versus};
pub use self::slices::Slice;
use self::slices::{Cell, Measured};
use super::dataset::Suite;
use super::rivals::{self, Mix, Pair};
use super::runner::{Finished, Part, SubjectRun};
use super::statistics::{Estimate, apgr, mean_estimate, paired_difference};
use super::subject::{GatewayFacts, GoldOracle};
use crate::chat::Micros;
use crate::ledger::EvalRun;

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

    /// The rows for the table `eval_runs`, one for every subject. A stopped run has none, because its figures hold for
    /// a part of the suite only.
    pub fn eval_runs(&self, at: jiff::Timestamp) -> Vec<EvalRun> {
        let whole = self.subjects.iter().filter(|_| self.done == self.of);
        whole
            .map(|subject| EvalRun {
                run_id: self.run_id.clone(),
                at_ms: at.as_millisecond(),
                suite: self.suite.name.clone(),
                version: self.suite.version.clone(),
                subject: subject.name.clone(),
                quality: subject.quality,
                ci_low: subject.ci.map(|[low, _]| low),
                ci_high: subject.ci.map(|[_, high]| high),
                local_share: subject.local_share,
                cost: subject.cost_micros.map(Micros),
                n: subject.n as u64,
                hashes: self.hashes.of_subject(&subject.name),
            })
            .collect()
    }
}

impl Hashes {
    /// Those that bear on one subject: a policy's own, or that of the policy a rival is held against.
    fn of_subject(&self, name: &str) -> BTreeMap<String, String> {
        let policy = self.policy.get(name.rsplit('@').next().unwrap_or(name));
        let suite = ("suite", Some(&self.suite));
        let all =
            [suite, ("classifier", self.classifier.as_ref()), ("local_model", self.local_model.as_ref())];
        (all.into_iter().chain([("policy", policy)]))
            .filter_map(|(key, hash)| Some((key.to_owned(), hash?.clone())))
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
