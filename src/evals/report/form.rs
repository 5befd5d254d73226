//! The report's form: what stands in the JSON file and in the table `eval_runs`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Slice;
use super::figures::{CurveReport, LatencyReport, Reliability};
use super::versus::Versus;
use super::words::Finding;
use crate::chat::{Micros, Usage};
use crate::evals::judge::Grading;
use crate::evals::statistics::{Curve, Point};
use crate::evals::subject::{GatewayFacts, ServedBy};

/// The only form of the JSON report.
pub(in crate::evals) const SCHEMA: u32 = 1;

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

impl Hashes {
    /// Every hash with its name.
    pub fn named(&self) -> impl Iterator<Item = (String, &str)> {
        let fixed = [
            ("golden set", Some(&self.suite)),
            ("classifier", self.classifier.as_ref()),
            ("local model", self.local_model.as_ref()),
        ];
        let fixed = fixed.into_iter().filter_map(|(name, hash)| Some((name.to_owned(), hash?.as_str())));
        fixed.chain(self.policy.iter().map(|(name, hash)| (format!("policy {name}"), hash.as_str())))
    }
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
    /// The model that answered, where that is known.
    pub model: Option<String>,
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
    /// Share of remote calls by which its ranking recovers half of the gap.
    pub cpt50: Option<f64>,
    /// The same for four fifths of the gap.
    pub cpt80: Option<f64>,
    /// Area under its cost-quality curve: mean quality over all spends.
    pub area: Option<f64>,
    /// Its place between always-local and always-remote, on the rows that both tiers have.
    pub point: Option<Point>,
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

impl SubjectReport {
    /// With what its ranking's curve says, where it ranks.
    pub(super) fn ranked(self, curve: Option<&Curve>) -> Self {
        Self {
            apgr: curve.and_then(Curve::apgr),
            cpt50: curve.and_then(|curve| curve.cpt(0.5)),
            cpt80: curve.and_then(|curve| curve.cpt(0.8)),
            area: curve.map(Curve::area),
            ..self
        }
    }
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
    pub usage: Option<Usage>,
    /// Cost; `None` when the price is not known.
    pub cost_micros: Option<Micros>,
    /// Time to the first content.
    pub ttft_ms: Option<f64>,
    /// Time to the end.
    pub total_ms: Option<f64>,
    /// The classifier's score.
    pub local_ok: Option<f32>,
}

/// What judges and embedders took, beside what the answers took.
#[derive(Clone, Debug, Serialize)]
pub struct GradingReport {
    /// Questions to them.
    pub asked: u64,
    /// Of them, those that brought no answer.
    pub failed: u64,
    /// Tokens, prompt and answer.
    pub tokens: u64,
    /// What they cost; `None` when a price is not known.
    pub cost_micros: Option<Micros>,
    /// Time spent waiting for them, in milliseconds, added up.
    pub total_ms: f64,
}

impl GradingReport {
    pub(super) fn of(grading: &Grading) -> Option<Self> {
        (grading.asked > 0).then_some(Self {
            asked: grading.asked,
            failed: grading.failed,
            tokens: grading.tokens,
            cost_micros: grading.cost,
            total_ms: grading.time.as_secs_f64() * 1e3,
        })
    }
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
    /// Judged subjects against tiers and rivals.
    pub versus: Vec<Versus>,
    /// What judges and embedders took; `None` where nobody was asked.
    pub grading: Option<GradingReport>,
    /// What the tests say, in sentences.
    pub findings: Vec<Finding>,
    /// What every ranking is worth.
    pub curves: Vec<CurveReport>,
    /// Whether the local answers are as good as the score says.
    pub reliability: Vec<Reliability>,
    /// How long answers took.
    pub latency: Vec<LatencyReport>,
    /// Every graded row.
    pub rows: Vec<RowReport>,
}
