//! `recorded-scores`: real outcomes of many models on the same rows, with the classifier's score of each, judged out of
//! fold. Any of the models, or a mean over some, stands for a tier; the report is the same as for a golden set.
//! Figures come out of it, rows never do. Nobody is asked, and what a model wrote is not in the file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::dataset::BadLine;
use super::judge::Grading;
use super::report::{Frame, Header, Report};
use super::runner::{Finished, Part, Row, SubjectRun};
use super::scorer::Score;
use super::statistics::quantile;
use super::subject::{RecordedError, ServedBy, Transcript};

/// What the remote tier is, in reports.
pub const RECORDED_SCORES: &str = "recorded-scores";
/// The report over all sources together.
const POOLED: &str = "all sources";

/// One row: what every model's answer was worth, and what the classifier said.
#[derive(Clone, Debug, Deserialize)]
struct ScoredRow {
    id: String,
    source: String,
    task: String,
    /// The prompt's length.
    chars: usize,
    /// The probability that a small model's answer is good enough, by a classifier that never saw the row.
    score: f64,
    #[serde(default)]
    split: Option<String>,
    outcomes: BTreeMap<String, f64>,
}

impl ScoredRow {
    fn check(&self) -> Result<(), String> {
        let share = |value: f64| (0.0..=1.0).contains(&value);
        if self.id.is_empty() || self.source.is_empty() {
            return Err("`id` or `source` is empty".to_owned());
        }
        if !share(self.score) {
            return Err("`score` is not in 0 to 1".to_owned());
        }
        match self.outcomes.iter().find(|(_, worth)| !share(**worth)) {
            Some((model, _)) => Err(format!("the outcome of `{model}` is not in 0 to 1")),
            None => Ok(()),
        }
    }
}

/// Which models stand for a tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TierModels {
    /// One model.
    One(String),
    /// The mean over those of these that a row has.
    Mean(Vec<String>),
    /// The mean over all models of a group that a table of models names: `small`, `large`.
    Group(String),
}

/// Reads `MODEL`, `mean:A,B,C` or `mean:GROUP`.
impl FromStr for TierModels {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(list) = text.strip_prefix("mean:") else {
            return if text.is_empty() {
                Err("names no model".to_owned())
            } else {
                Ok(Self::One(text.to_owned()))
            };
        };
        let names: Vec<String> = list.split(',').map(|name| name.trim().to_owned()).collect();
        match names.as_slice() {
            _ if names.iter().any(String::is_empty) => Err(format!("`{text}` names no model between commas")),
            [group] => Ok(Self::Group(group.clone())),
            _ => Ok(Self::Mean(names)),
        }
    }
}

impl TierModels {
    /// The name in reports.
    fn label(&self) -> String {
        match self {
            Self::One(model) => model.clone(),
            Self::Mean(models) => format!("mean of {}", models.join(", ")),
            Self::Group(group) => format!("mean of {group} models"),
        }
    }

    /// What the tier makes of a row; `None` where it has none of the models.
    fn worth(&self, row: &ScoredRow, groups: &BTreeMap<String, String>) -> Option<f64> {
        let of = |name: &String| row.outcomes.get(name).copied();
        let values: Vec<f64> = match self {
            Self::One(model) => return of(model),
            Self::Mean(models) => models.iter().filter_map(of).collect(),
            Self::Group(group) => (row.outcomes.iter())
                .filter(|(model, _)| groups.get(*model) == Some(group))
                .map(|(_, worth)| *worth)
                .collect(),
        };
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    }
}

/// A file of recorded scores.
#[derive(Clone, Debug)]
pub struct RecordedScores {
    file: PathBuf,
    hash: String,
    rows: Vec<ScoredRow>,
    /// The group of every model.
    groups: BTreeMap<String, String>,
}

/// Who stands for the tiers, and how much stays local.
#[derive(Clone, Debug)]
pub struct ScoresQuery {
    /// The local tier.
    pub local: TierModels,
    /// The remote tier.
    pub remote: TierModels,
    /// The share of rows that the classifier keeps, by its score, within every source.
    pub local_share: f64,
    /// How much worse than the remote tier counts as no worse.
    pub margin: f64,
    /// Only rows of this split.
    pub split: Option<String>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ScoresError {
    /// The file cannot be read, or lines of it are bad.
    #[error(transparent)]
    File(#[from] RecordedError),
    /// The table of models cannot be read.
    #[error("{}: {problem}", file.display())]
    Models {
        /// The file.
        file: PathBuf,
        /// Why.
        problem: String,
    },
    /// No row has both tiers.
    #[error("{}: no row has an outcome of both {local} and {remote}{hint}", file.display())]
    NoRows {
        /// The file.
        file: PathBuf,
        /// The local tier.
        local: String,
        /// The remote tier.
        remote: String,
        /// What may be wrong.
        hint: String,
    },
}

impl RecordedScores {
    /// Reads a file of rows `{"id", "source", "task", "chars", "score", "split", "outcomes": {model: 0..1}}`, one a line;
    /// `models`, a table with the columns `model` and `tier`, tab-separated, says which group a model is of.
    ///
    /// # Errors
    /// An unreadable or empty file; every bad line at once.
    pub fn read(file: &Path, models: Option<&Path>) -> Result<Self, ScoresError> {
        let bytes = std::fs::read(file)
            .map_err(|cause| RecordedError::Unreadable { file: file.to_owned(), cause })?;
        let (mut rows, mut bad, mut seen) = (vec![], vec![], BTreeSet::new());
        for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            if line.trim_ascii().is_empty() {
                continue;
            }
            let read = serde_json::from_slice::<ScoredRow>(line).map_err(|error| error.to_string());
            let checked = read.and_then(|row| row.check().map(|()| row));
            match checked {
                Ok(row) if seen.insert((row.source.clone(), row.id.clone())) => rows.push(row),
                Ok(row) => {
                    let problem = format!("`{}` stands in {} already", row.id, row.source);
                    bad.push(BadLine { file: file.to_owned(), line: index + 1, problem });
                }
                Err(problem) => bad.push(BadLine { file: file.to_owned(), line: index + 1, problem }),
            }
        }
        if !bad.is_empty() {
            return Err(RecordedError::BadLines(bad).into());
        }
        if rows.is_empty() {
            return Err(RecordedError::Empty(file.to_owned()).into());
        }
        let groups = models.map_or(Ok(BTreeMap::new()), groups)?;
        let hash = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { file: file.to_owned(), hash, rows, groups })
    }

    /// One report a source, and one over all of them where there are several.
    ///
    /// # Errors
    /// When no row has both tiers.
    pub fn reports(&self, query: &ScoresQuery, header: &Header) -> Result<Vec<Report>, ScoresError> {
        let wanted = |row: &&ScoredRow| query.split.is_none() || row.split == query.split;
        let both = |row: &&ScoredRow| {
            let worth = |tier: &TierModels| tier.worth(row, &self.groups);
            worth(&query.local).is_some() && worth(&query.remote).is_some()
        };
        let rows: Vec<&ScoredRow> = self.rows.iter().filter(wanted).filter(both).collect();
        if rows.is_empty() {
            return Err(self.no_rows(query));
        }
        let sources: BTreeSet<&str> = rows.iter().map(|row| row.source.as_str()).collect();
        let of = |source: &str| -> Vec<&ScoredRow> {
            rows.iter().copied().filter(|row| row.source == source).collect()
        };
        let mut reports: Vec<Report> =
            sources.iter().map(|source| self.report(source, &of(source), query, header)).collect();
        if sources.len() > 1 {
            reports.push(self.report(POOLED, &rows, query, header));
        }
        Ok(reports)
    }

    fn report(&self, name: &str, rows: &[&ScoredRow], query: &ScoresQuery, header: &Header) -> Report {
        let task = |row: &ScoredRow| match name {
            POOLED => format!("{}: {}", row.source, row.task),
            _ => row.task.clone(),
        };
        let frame = Frame {
            name: name.to_owned(),
            version: RECORDED_SCORES.to_owned(),
            hash: self.hash.clone(),
            ids: rows.iter().map(|row| row.id.clone()).collect(),
            tasks: rows.iter().map(|row| task(row)).collect(),
            lengths: rows.iter().map(|row| row.chars).collect(),
        };
        let stays = kept(rows, query.local_share);
        let run = |name: String, part: Part, local: &dyn Fn(usize) -> bool| {
            let row = |(at, row): (usize, &&ScoredRow)| {
                let (tier, served_by) = match local(at) {
                    true => (&query.local, ServedBy::Local),
                    false => (&query.remote, ServedBy::Remote),
                };
                let worth = tier.worth(row, &self.groups).unwrap_or_default();
                let local_ok = (part == Part::Judged).then_some(row.score as f32);
                let model = Some(RECORDED_SCORES.to_owned());
                let answer = Transcript { served_by, local_ok, model, ..Transcript::default() };
                Row { sample: at, score: Score::of(worth, "recorded"), answer: Some(answer) }
            };
            SubjectRun { name, part, rows: rows.iter().enumerate().map(row).collect() }
        };
        let judged = format!("classifier at {:.0} % local", query.local_share * 100.0);
        let runs = vec![
            run(query.local.label(), Part::LocalTier, &|_| true),
            run(query.remote.label(), Part::RemoteTier, &|_| false),
            run(judged, Part::Judged, &|at| stays[at]),
        ];
        let (grading, of) = (Grading::default(), rows.len());
        let finished = Finished { runs, done: of, of, grading };
        let report = Report::of(&frame, &finished, header, query.margin);
        Report { rows: vec![], ..report }
    }

    fn no_rows(&self, query: &ScoresQuery) -> ScoresError {
        let models: BTreeSet<&str> =
            self.rows.iter().flat_map(|row| row.outcomes.keys().map(String::as_str)).collect();
        let grouped = [&query.local, &query.remote].iter().any(|tier| matches!(tier, TierModels::Group(_)));
        let hint = match (grouped && self.groups.is_empty(), &query.split) {
            (true, _) => "; a group needs --models, the table that says which models are of it".to_owned(),
            (false, Some(split)) => format!(" in the split `{split}`"),
            (false, None) => format!("; it has {}", models.into_iter().collect::<Vec<_>>().join(", ")),
        };
        let (local, remote) = (query.local.label(), query.remote.label());
        ScoresError::NoRows { file: self.file.clone(), local, remote, hint }
    }
}

/// Whether each row stays: the rows with the highest scores of every source.
fn kept(rows: &[&ScoredRow], share: f64) -> Vec<bool> {
    let mut scores: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for row in rows {
        scores.entry(&row.source).or_default().push(row.score);
    }
    let thresholds: BTreeMap<&str, f64> = (scores.into_iter())
        .map(|(source, mut scores)| {
            scores.sort_by(f64::total_cmp);
            let threshold = match share {
                none if none <= 0.0 => f64::INFINITY,
                share => quantile(&scores, 1.0 - share).unwrap_or_default(),
            };
            (source, threshold)
        })
        .collect();
    rows.iter().map(|row| row.score >= thresholds[row.source.as_str()]).collect()
}

fn groups(file: &Path) -> Result<BTreeMap<String, String>, ScoresError> {
    let fault = |problem: String| ScoresError::Models { file: file.to_owned(), problem };
    let text = std::fs::read_to_string(file).map_err(|error| fault(error.to_string()))?;
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
    let column = |name: &str| head.iter().position(|column| *column == name);
    let (Some(model), Some(tier)) = (column("model"), column("tier")) else {
        return Err(fault("line 1 must name the columns `model` and `tier`, tab-separated".to_owned()));
    };
    let read = |line: &str| {
        let cells: Vec<&str> = line.split('\t').collect();
        Some(((*cells.get(model)?).to_owned(), (*cells.get(tier)?).trim().to_owned()))
    };
    Ok(lines.filter_map(read).collect())
}

#[cfg(test)]
#[path = "recorded_scores/tests.rs"]
mod tests;
