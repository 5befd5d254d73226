//! Rows as calibration needs them: what both tiers' answers to a golden row are worth and cost, and what the classifier
//! says of it. A row that lacks anything is an error with its file and line; none is guessed or left out silently.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::split::{exact, normalised};
use super::{CalibrateError, Row};
use crate::evals::dataset::{BadLine, Sample, Suite};
use crate::evals::runner::{Finished, Part, SubjectRun};
use crate::evals::scorer::Score;
use crate::evals::subject::GoldOracle;

/// What the classifier says of one text.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The shipped score.
    pub local_ok: f32,
    /// What a head is fitted on: the embedding's numbers, the shipped score's logit, the gain. Empty where the
    /// classifier gives none.
    pub inputs: Vec<f32>,
}

/// Asks the classifier as routing would, row by row.
pub trait Reader {
    /// Reads one golden row.
    ///
    /// # Errors
    /// Why it has no verdict on this row; without its text.
    fn read(&mut self, sample: &Sample) -> Result<Reading, String>;
}

/// Joins both tiers' graded answers with the classifier's readings. `suite_file` is where the rows stand, for messages.
///
/// # Errors
/// `NoTier` where a tier is missing; `Rows` names every row without an answer, a score or a reading that is a number.
pub fn rows(
    suite: &Suite,
    suite_file: &Path,
    finished: &Finished,
    reader: &mut dyn Reader,
) -> Result<Vec<Row>, CalibrateError> {
    let tier = |part, name| finished.tier(part).ok_or(CalibrateError::NoTier(name));
    let (local, remote) = (tier(Part::LocalTier, "local")?, tier(Part::RemoteTier, "remote")?);
    let (mut found, mut bad) = (vec![], vec![]);
    for (at, sample) in suite.samples.iter().enumerate() {
        match one(at, sample, local, remote, reader) {
            Ok(row) => found.push(row),
            Err(problem) => bad.push((at, problem)),
        }
    }
    let width = |row: &Row| row.inputs.len();
    if let (true, Some(first)) = (bad.is_empty(), found.first().map(width)) {
        let odd = found.iter().enumerate().filter(|(_, row)| width(row) != first);
        bad.extend(odd.map(|(at, row)| (at, format!("has {} classifier inputs, not {first}", width(row)))));
    }
    if bad.is_empty() {
        return Ok(found);
    }
    let lines = lines(suite_file);
    let blame = |(at, problem): (usize, String)| {
        let id = &suite.samples[at].id;
        let line = lines.get(id).copied().unwrap_or(at + 1);
        BadLine { file: suite_file.to_owned(), line, problem: format!("row `{id}` {problem}") }
    };
    Err(CalibrateError::Rows(bad.into_iter().map(blame).collect()))
}

fn one(
    at: usize,
    sample: &Sample,
    local: &SubjectRun,
    remote: &SubjectRun,
    reader: &mut dyn Reader,
) -> Result<Row, String> {
    let side = |run: &SubjectRun| {
        let row = run.rows.iter().find(|row| row.sample == at);
        let row = row.ok_or_else(|| format!("was not answered by {}", run.name))?;
        let cost = row.answer.as_ref().and_then(|answer| answer.cost).map(|cost| cost.0 as f64);
        match &row.score {
            Score::Scored { value, .. } if (0.0..=1.0).contains(value) => Ok((*value, cost)),
            Score::Scored { value, .. } => Err(format!("has the score {value} for {}", run.name)),
            Score::Unscored { why } => Err(format!("has no score for {}: {why}", run.name)),
        }
    };
    let (local, local_cost) = side(local)?;
    let (remote, remote_cost) = match remote.name == GoldOracle::NAME {
        // The expected answer is right by definition, also where a scorer cannot read it as an answer.
        true => {
            let row = remote.rows.iter().find(|row| row.sample == at);
            let cost = row.and_then(|row| row.answer.as_ref()?.cost);
            (1.0, cost.map(|cost| cost.0 as f64))
        }
        false => side(remote)?,
    };
    let reading = reader.read(sample).map_err(|why| format!("has no classifier score: {why}"))?;
    if !(0.0..=1.0).contains(&reading.local_ok) || !reading.inputs.iter().all(|input| input.is_finite()) {
        return Err(format!("has the classifier score {}, or an input that is no number", reading.local_ok));
    }
    Ok(Row {
        id: sample.id.clone(),
        task: sample.task.clone(),
        prompt: normalised(&sample.messages),
        exact: exact(&sample.messages),
        chars: sample.prompt_chars(),
        local,
        remote,
        local_cost,
        remote_cost,
        shipped: reading.local_ok,
        inputs: reading.inputs,
    })
}

/// The line of every id, counted from 1; empty where the file has another form.
fn lines(file: &Path) -> BTreeMap<String, usize> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let id = |line: &str| serde_json::from_str::<Value>(line).ok()?["id"].as_str().map(str::to_owned);
    text.lines().enumerate().filter_map(|(at, line)| Some((id(line)?, at + 1))).collect()
}

/// One hash of how a set is graded: the scorers of all rows with their settings, in the rows' order.
pub fn scorer_hash(suite: &Suite) -> String {
    let mut all = Sha256::new();
    for sample in &suite.samples {
        all.update(format!("{} {:?}\n", sample.id, sample.scorer));
    }
    all.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
