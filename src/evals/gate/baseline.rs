//! A baseline: the scores that a golden set's subjects once reached, row by row, and how much worse counts as no worse.
//! An earlier report serves as one too, without margins. Holds scores and shares, never an answer.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{GateError, check_scored};
use crate::evals::report::{Kind, Report, SCHEMA};
use crate::evals::statistics::NonInferiority;

/// The only form of a baseline's file.
const FORM: u32 = 1;

/// How much worse counts as no worse, where a baseline is made without saying.
pub const BASELINE_MARGIN: f64 = 0.03;
/// By how much the share answered locally may fall, where a baseline is made without saying: a policy that sends
/// everything out is no worse, and yet no gain. Of a small share never more than half may go.
pub const SHARE_MARGIN: f64 = 0.05;

/// What a golden set's subjects once reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Version of this form; 1.
    pub baseline: u32,
    /// When the run ended that it was made from.
    pub at: String,
    /// The golden set's name.
    pub suite: String,
    /// Its folder, as it was named then.
    pub folder: String,
    /// SHA-256 of its rows.
    pub suite_hash: String,
    /// What stood for the remote tier.
    pub remote: Option<String>,
    /// Hash of the local model then; another one may be held against it.
    pub local_model: Option<String>,
    /// Hash of the classifier then.
    pub classifier: Option<String>,
    /// How much worse counts as no worse; `None`, of a report: only a clear loss counts.
    pub margin: Option<f64>,
    /// By how much the share answered locally may fall, or by half of it where that is less; `None`, of a report: by
    /// any.
    pub share_margin: Option<f64>,
    /// What each subject reached: judged ones and the local tier.
    pub subjects: BTreeMap<String, Reached>,
    /// Scores by row, then by subject. A row that could not be judged has none.
    pub rows: BTreeMap<String, BTreeMap<String, f64>>,
}

/// What one subject reached.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reached {
    /// Mean score.
    pub quality: Option<f64>,
    /// Share answered locally.
    pub local_share: Option<f64>,
}

/// One subject now and then.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// The subject.
    pub subject: String,
    /// Now less then, on the rows that both have, with its margin; 0 for reports.
    pub quality: NonInferiority,
    /// Share answered locally, then and now.
    pub local_share: (Option<f64>, Option<f64>),
    share_margin: Option<f64>,
    by_margin: bool,
}

impl Compared {
    /// What does not hold, in sentences. `strict`: that it is no worse must be shown, not only not refuted.
    pub fn failing(&self, strict: bool) -> Vec<String> {
        let it = &self.quality.difference;
        let loss = format!("{:.3} [{:.3}, {:.3}] on {} rows", 0.0 - it.mean, 0.0 - it.hi, 0.0 - it.lo, it.n);
        let mut failing = vec![];
        let worse = if self.by_margin { self.quality.worse() } else { it.hi < 0.0 };
        if worse {
            failing.push(format!("{} is worse than the baseline by {loss}", self.subject));
        } else if strict && !self.quality.shown() {
            let margin = self.quality.margin;
            failing.push(format!(
                "{} is not shown to be worse than the baseline by no more than {margin}: {loss}",
                self.subject
            ));
        }
        if let ((Some(then), Some(now)), Some(margin)) = (self.local_share, self.share_margin)
            && now < then - margin.min(then / 2.0)
        {
            let (then, now) = (then * 100.0, now * 100.0);
            failing.push(format!("{} answers {now:.1} % locally, {then:.1} % in the baseline", self.subject));
        }
        failing
    }
}

/// What is read of an earlier report.
#[derive(Deserialize)]
struct EarlierReport {
    schema: u32,
    at: Option<String>,
    hashes: EarlierHashes,
    rows: Vec<EarlierRow>,
}

#[derive(Deserialize)]
struct EarlierHashes {
    suite: String,
}

#[derive(Deserialize)]
struct EarlierRow {
    id: String,
    subject: String,
    score: Option<f64>,
}

impl Baseline {
    /// Reads a baseline, or an earlier report.
    ///
    /// # Errors
    /// When the file cannot be read or is neither.
    pub fn read(file: &Path) -> Result<Self, GateError> {
        let fault = |problem: String| GateError::Baseline { file: file.display().to_string(), problem };
        let bytes = std::fs::read(file).map_err(|error| fault(error.to_string()))?;
        let value: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|error| fault(error.to_string()))?;
        if value.get("baseline").is_none() {
            return Self::of_report(value).map_err(fault);
        }
        // Read from the text, so that a fault is named with its line.
        let baseline: Self = serde_json::from_slice(&bytes).map_err(|error| fault(error.to_string()))?;
        let scores = baseline.rows.values().flat_map(BTreeMap::values);
        match baseline.baseline {
            FORM if scores.into_iter().all(|score| (0.0..=1.0).contains(score)) => Ok(baseline),
            FORM => Err(fault("a score is not in 0 to 1".to_owned())),
            other => Err(fault(format!("is of form {other}, this version reads {FORM}"))),
        }
    }

    fn of_report(value: serde_json::Value) -> Result<Self, String> {
        let report: EarlierReport = serde_json::from_value(value).map_err(|error| error.to_string())?;
        if report.schema != SCHEMA {
            return Err(format!("is of form {}, this version reads {SCHEMA}", report.schema));
        }
        let mut subjects = BTreeMap::new();
        let mut rows: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
        for EarlierRow { id, subject, score } in report.rows {
            subjects.insert(subject.clone(), Reached { quality: None, local_share: None });
            if let Some(score) = score {
                rows.entry(id).or_default().insert(subject, score);
            }
        }
        Ok(Self {
            baseline: FORM,
            at: report.at.unwrap_or_default(),
            suite: String::new(),
            folder: String::new(),
            suite_hash: report.hashes.suite,
            remote: None,
            local_model: None,
            classifier: None,
            margin: None,
            share_margin: None,
            subjects,
            rows,
        })
    }

    /// The baseline that a whole report makes.
    ///
    /// # Errors
    /// When a subject has too many rows that could not be judged: later runs would be held against too few.
    pub fn of(report: &Report, folder: &str, margin: f64, share_margin: f64) -> Result<Self, GateError> {
        let remote = report.remote.as_ref().map(|remote| remote.name.as_str());
        let kept =
            |name: &str, kind: Kind| kind == Kind::Judged || kind == Kind::Tier && remote != Some(name);
        let subjects: BTreeMap<String, Reached> = (report.subjects.iter())
            .filter(|subject| kept(&subject.name, subject.kind))
            .map(|it| (it.name.clone(), Reached { quality: it.quality, local_share: it.local_share }))
            .collect();
        subjects.keys().try_for_each(|name| check_scored(report, name))?;
        let mut rows: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
        for row in report.rows.iter().filter(|row| subjects.contains_key(&row.subject)) {
            if let Some(score) = row.score {
                rows.entry(row.id.clone()).or_default().insert(row.subject.clone(), score);
            }
        }
        Ok(Self {
            baseline: FORM,
            at: report.at.clone(),
            suite: report.suite.name.clone(),
            folder: folder.to_owned(),
            suite_hash: report.hashes.suite.clone(),
            remote: report.remote.as_ref().map(|remote| remote.name.clone()),
            local_model: report.hashes.local_model.clone(),
            classifier: report.hashes.classifier.clone(),
            margin: Some(margin),
            share_margin: Some(share_margin),
            subjects,
            rows,
        })
    }

    /// One row a line, so that changes can be read.
    pub fn to_json(&self) -> String {
        let head = serde_json::to_value(self).unwrap_or_default();
        let mut text = String::from("{\n");
        for (key, value) in head.as_object().into_iter().flatten().filter(|(key, _)| *key != "rows") {
            text.push_str(&format!(" {}: {value},\n", serde_json::json!(key)));
        }
        let rows: Vec<String> = (self.rows.iter())
            .map(|(id, scores)| format!("  {}: {}", serde_json::json!(id), serde_json::json!(scores)))
            .collect();
        text.push_str(&format!(" \"rows\": {{\n{}\n }}\n}}\n", rows.join(",\n")));
        text
    }

    /// What makes it anew; a report was kept in no folder of baselines.
    fn mend(&self) -> String {
        match self.folder.as_str() {
            "" => "run the baseline again with --out and keep that report".to_owned(),
            folder => format!("make it anew with `crossover eval gate --update {folder}`"),
        }
    }

    /// Every subject of the baseline beside the same one of `report`. `judged_only`: tiers are left out, and so are
    /// subjects that were not run this time.
    ///
    /// # Errors
    /// When the report is of other rows or has another remote tier, lacks a subject, has too many rows that could not be
    /// judged, or shares no judged row of a subject with the baseline.
    pub fn compare(&self, report: &Report, judged_only: bool) -> Result<Vec<Compared>, GateError> {
        if self.suite_hash != report.hashes.suite {
            return Err(GateError::OtherSuite);
        }
        if let (Some(then), Some(now)) = (&self.remote, &report.remote)
            && *then != now.name
        {
            return Err(GateError::OtherRemote { then: then.clone(), now: now.name.clone() });
        }
        let mut compared = vec![];
        for (name, then) in &self.subjects {
            let found = report.subjects.iter().find(|it| it.name == *name && it.kind != Kind::Rival);
            let now = match found {
                Some(now) if now.kind == Kind::Judged || !judged_only => now,
                None if !judged_only => {
                    return Err(GateError::NoSubject(format!(
                        "`{name}` stands in the baseline and was not run"
                    )));
                }
                _ => continue,
            };
            check_scored(report, name)?;
            let rows = report.rows.iter().filter(|row| row.subject == *name);
            let (scores, before): (Vec<f64>, Vec<f64>) =
                rows.filter_map(|row| Some((row.score?, *self.rows.get(&row.id)?.get(name)?))).unzip();
            let margin = self.margin.unwrap_or_default();
            let quality = NonInferiority::test(&scores, &before, margin).ok_or_else(|| {
                let mend = self.mend();
                GateError::NoSubject(format!("`{name}` has no row judged in the baseline and now: {mend}"))
            })?;
            compared.push(Compared {
                subject: name.clone(),
                quality,
                local_share: (then.local_share, now.local_share),
                share_margin: self.share_margin,
                by_margin: self.margin.is_some(),
            });
        }
        match compared.is_empty() {
            true => Err(GateError::NoSubject("the baseline has no subject of this run".to_owned())),
            false => Ok(compared),
        }
    }
}
