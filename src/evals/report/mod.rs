//! What a run says: every subject's quality with its interval, cost, local share and latency, beside the rivals; the
//! same figures as JSON, as rows of `eval_runs` and as text. Holds scores and reasons, never an answer's text.

mod field;
mod figures;
mod form;
mod html;
mod junit;
mod markdown;
mod slices;
mod text;
mod versus;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use self::field::Field;
pub use self::field::Frame;
use self::figures::latencies;
pub use self::figures::{BestRival, CurveReport, LatencyReport, Reliability, ReliabilityBin};
pub(super) use self::form::SCHEMA;
pub use self::form::{
    GradingReport, Hashes, Header, Kind, RemoteTier, Report, RowReport, SubjectReport, SuiteName,
};
pub use self::html::page;
pub use self::slices::Slice;
use self::versus::against;
pub use self::versus::{NonInferior, TaskVersus, Versus};
pub use self::words::{Finding, Tone};
use super::dataset::Suite;
use super::runner::{Finished, Part, SubjectRun};
use super::subject::{GatewayFacts, GoldOracle};
use crate::chat::Micros;
use crate::ledger::EvalRun;

/// How much worse than the remote tier counts as no worse, where nobody says otherwise.
pub const DEFAULT_MARGIN: f64 = 0.05;

impl Report {
    /// Works out everything from what a run of a golden set brought, with [`DEFAULT_MARGIN`].
    pub fn new(suite: &Suite, finished: &Finished, header: &Header) -> Self {
        Self::of(&Frame::from(suite), finished, header, DEFAULT_MARGIN)
    }

    /// Works out everything from graded rows, whatever they were read from. `margin` is the one of non-inferiority
    /// against the remote tier.
    pub fn of(frame: &Frame, finished: &Finished, header: &Header, margin: f64) -> Self {
        let field = Field::new(frame, finished);
        let judged = || finished.runs.iter().filter(|run| run.part == Part::Judged);
        let tiers = || finished.runs.iter().filter(|run| run.part != Part::Judged);
        let mut subjects: Vec<_> = judged().chain(tiers()).map(|run| field.measured(run)).collect();
        subjects.extend(field.best());
        let mut versus = vec![];
        for run in judged() {
            for tier in tiers().filter(|_| !field.both.is_empty()) {
                let (local, margin) = match tier.part {
                    Part::RemoteTier => (0.0, Some(margin)),
                    Part::LocalTier | Part::Judged => (1.0, None),
                };
                versus.extend(against(run, &field.alone(&tier.name, local), frame, margin));
            }
            for rival in field.rivals(run) {
                versus.extend(against(run, &rival, frame, None));
                subjects.push(field.mixed(&rival));
            }
        }
        let local = finished.tier(Part::LocalTier);
        let reliable = judged().filter_map(|run| Reliability::of(run, local?));
        let names: Vec<&str> = judged().map(|run| run.name.as_str()).collect();
        let mut report = Self {
            schema: SCHEMA,
            run_id: header.run_id.clone(),
            at: header.at.to_string(),
            suite: SuiteName { name: frame.name.clone(), version: frame.version.clone() },
            done: finished.done,
            of: finished.of,
            concurrency: header.concurrency,
            remote: finished.tier(Part::RemoteTier).map(|run| RemoteTier {
                name: run.name.clone(),
                upper_bound: run.name == GoldOracle::NAME,
                model: models(run),
                prices_of: header.facts.price.as_ref().map(|price| price.model.clone()),
            }),
            hashes: hashes(&frame.hash, &header.facts, &names),
            subjects,
            versus,
            grading: GradingReport::of(&finished.grading),
            findings: vec![],
            curves: field.curves(judged()),
            reliability: reliable.collect(),
            latency: latencies(&finished.runs),
            rows: finished.runs.iter().flat_map(|run| rows(frame, run)).collect(),
        };
        report.findings = words::findings(&report, header.facts.chosen_on.as_ref());
        report
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

fn hashes(suite: &str, facts: &GatewayFacts, judged: &[&str]) -> Hashes {
    let policies = facts.policies.iter().filter(|(name, _)| judged.contains(&name.as_str()));
    Hashes {
        suite: suite.to_owned(),
        classifier: facts.classifier.clone(),
        local_model: facts.local_model.clone(),
        policy: policies.map(|(name, hash)| (name.clone(), hash.clone())).collect(),
    }
}

fn rows<'a>(frame: &'a Frame, run: &'a SubjectRun) -> impl Iterator<Item = RowReport> + 'a {
    run.rows.iter().map(move |row| {
        let answer = row.answer.as_ref();
        let ms = |time: Option<std::time::Duration>| time.map(|time| time.as_secs_f64() * 1e3);
        RowReport {
            id: frame.ids[row.sample].clone(),
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

/// The models that gave a tier's answers, where they say.
fn models(run: &SubjectRun) -> Option<String> {
    let names: BTreeSet<&str> =
        run.rows.iter().filter_map(|row| row.answer.as_ref()?.model.as_deref()).collect();
    (!names.is_empty()).then(|| names.into_iter().collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
#[path = "tests.rs"]
pub(super) mod tests;
