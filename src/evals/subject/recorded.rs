//! Answers read from a JSONL file, so that graders, statistics and gates run again without asking anyone.
//! One line is one answer of one subject; every bad line is reported at once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, ready};
use serde::{Deserialize, Serialize};

use super::{ALWAYS_LOCAL, ALWAYS_REMOTE, ServedBy, Subject, SubjectError, ToolCall, Transcript};
use crate::chat::{Micros, Usage};
use crate::evals::dataset::{BadLine, Sample};

/// More bad lines than these are counted and not listed.
const LISTED: usize = 20;
const OTHER_SUITE: &str = "was recorded for another version of the suite: record it again";

/// One line of a file of recorded answers. Times are in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedLine {
    /// The suite's hash when it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suite: Option<String>,
    /// The row's id.
    pub id: String,
    /// Whose answer it is.
    pub subject: String,
    /// The answer.
    pub text: String,
    /// The tools that it asks to call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Which tier gave it.
    #[serde(default)]
    pub served_by: ServedBy,
    /// The model that gave it, by its real name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// SHA-256 of that model's graph, for a model in this process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_hash: Option<String>,
    /// Why it went there.
    #[serde(default)]
    pub reason: Option<String>,
    /// Tokens it took.
    #[serde(default)]
    pub usage: Usage,
    /// What it cost.
    #[serde(default)]
    pub cost_micros: Option<Micros>,
    /// What the remote model would have cost.
    #[serde(default)]
    pub cost_if_remote_micros: Option<Micros>,
    /// Time to the first content.
    #[serde(default)]
    pub ttft_ms: Option<f64>,
    /// Time to the end.
    #[serde(default)]
    pub total_ms: Option<f64>,
    /// The classifier's score.
    #[serde(default)]
    pub local_ok: Option<f32>,
    /// The prompt's length in tokens.
    #[serde(default)]
    pub prompt_tokens: Option<u32>,
}

impl RecordedLine {
    /// The line that keeps `answer`.
    pub fn of(suite: &str, id: &str, subject: &str, answer: &Transcript) -> Self {
        let ms = |time: Option<Duration>| time.map(|time| time.as_secs_f64() * 1e3);
        Self {
            suite: Some(suite.to_owned()),
            id: id.to_owned(),
            subject: subject.to_owned(),
            text: answer.text.clone(),
            tool_calls: answer.tool_calls.clone(),
            served_by: answer.served_by,
            model: answer.model.clone(),
            model_hash: None,
            reason: answer.reason.clone(),
            usage: answer.usage,
            cost_micros: answer.cost,
            cost_if_remote_micros: answer.cost_if_remote,
            ttft_ms: ms(answer.ttft),
            total_ms: ms(answer.total),
            local_ok: answer.local_ok,
            prompt_tokens: answer.prompt_tokens,
        }
    }

    /// Reads one line of a file of answers to the suite of this hash.
    ///
    /// # Errors
    /// What is wrong with the line.
    pub(in crate::evals) fn parse(line: &[u8], suite: &str) -> Result<Self, String> {
        let line: Self = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        if line.suite.as_ref().is_some_and(|recorded| recorded != suite) {
            return Err(OTHER_SUITE.to_owned());
        }
        match line.id.is_empty() || line.subject.is_empty() {
            true => Err("`id` or `subject` is empty".to_owned()),
            false => Ok(line),
        }
    }

    fn transcript(self) -> Result<Transcript, String> {
        let time = |ms: Option<f64>| match ms {
            None => Ok(None),
            Some(ms) => Duration::try_from_secs_f64(ms / 1e3).map(Some).map_err(|error| error.to_string()),
        };
        if self.local_ok.is_some_and(|score| !(0.0..=1.0).contains(&score)) {
            return Err("`local_ok` is not in 0 to 1".to_owned());
        }
        Ok(Transcript {
            text: self.text,
            tool_calls: self.tool_calls,
            served_by: self.served_by,
            model: self.model,
            reason: self.reason,
            usage: self.usage,
            cost: self.cost_micros,
            cost_if_remote: self.cost_if_remote_micros,
            ttft: time(self.ttft_ms)?,
            total: time(self.total_ms)?,
            local_ok: self.local_ok,
            prompt_tokens: self.prompt_tokens,
            ..Transcript::default()
        })
    }
}

/// Why recorded answers cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordedError {
    /// The file cannot be read.
    #[error("cannot read {}: {cause}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// Lines that are no recorded answers: all of them.
    #[error("{}", listed(.0))]
    BadLines(Vec<BadLine>),
    /// All of it was recorded for another version of the suite.
    #[error("{}: {OTHER_SUITE}", .0.display())]
    OtherSuite(PathBuf),
    /// There is nothing in it.
    #[error("{} holds no answers", .0.display())]
    Empty(PathBuf),
}

fn listed(bad: &[BadLine]) -> String {
    let mut text = format!("{} bad line(s):", bad.len());
    for line in bad.iter().take(LISTED) {
        let _ = write!(text, "\n  {line}");
    }
    if bad.len() > LISTED {
        let _ = write!(text, "\n  and {} more", bad.len() - LISTED);
    }
    text
}

/// One subject whose answers were recorded.
#[derive(Debug)]
pub struct Recorded {
    name: String,
    model: Option<String>,
    model_hash: Option<String>,
    answers: BTreeMap<String, Transcript>,
}

impl Recorded {
    /// Reads every subject of `file`, sorted by name. `suite` is the hash of the suite that will be run: a line that
    /// names another one is refused, and so is a subject whose answers come from several models.
    ///
    /// # Errors
    /// An unreadable or empty file; every bad line at once.
    pub fn read(file: &Path, suite: &str) -> Result<Vec<Self>, RecordedError> {
        let bytes = std::fs::read(file)
            .map_err(|cause| RecordedError::Unreadable { file: file.to_owned(), cause })?;
        let mut subjects: BTreeMap<String, Self> = BTreeMap::new();
        let mut bad = vec![];
        for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            if line.trim_ascii().is_empty() {
                continue;
            }
            if let Err(problem) = read_line(line, suite, &mut subjects) {
                bad.push(BadLine { file: file.to_owned(), line: index + 1, problem });
            }
        }
        if !bad.is_empty() {
            let stale = subjects.is_empty() && bad.iter().all(|bad| bad.problem == OTHER_SUITE);
            return Err(match stale {
                true => RecordedError::OtherSuite(file.to_owned()),
                false => RecordedError::BadLines(bad),
            });
        }
        if subjects.is_empty() {
            return Err(RecordedError::Empty(file.to_owned()));
        }
        Ok(subjects.into_values().collect())
    }

    /// The model whose answers these are, where the file says.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// The hash of that model, where the file says.
    pub fn model_hash(&self) -> Option<&str> {
        self.model_hash.as_deref()
    }
}

fn read_line(line: &[u8], suite: &str, subjects: &mut BTreeMap<String, Recorded>) -> Result<(), String> {
    let line = RecordedLine::parse(line, suite)?;
    let (id, model, model_hash) = (line.id.clone(), line.model.clone(), line.model_hash.clone());
    let subject = subjects.entry(line.subject.clone()).or_insert_with(|| Recorded {
        name: line.subject.clone(),
        model: None,
        model_hash: None,
        answers: BTreeMap::new(),
    });
    // A policy's answers come from both tiers; a tier's come from one model.
    let answer = line.transcript()?;
    if subject.name == ALWAYS_LOCAL || subject.name == ALWAYS_REMOTE {
        one(&mut subject.model, model)?;
        one(&mut subject.model_hash, model_hash)?;
    }
    match subject.answers.insert(id, answer) {
        None => Ok(()),
        Some(_) => Err("this subject has already answered this row".to_owned()),
    }
}

/// Keeps what every line so far says.
fn one(known: &mut Option<String>, said: Option<String>) -> Result<(), String> {
    match (&known, said) {
        (_, None) => Ok(()),
        (Some(known), Some(said)) if *known == said => Ok(()),
        (Some(known), Some(said)) => Err(format!(
            "is an answer of {said}, the lines before are of {known}: one file, one model a tier"
        )),
        (None, said) => {
            *known = said;
            Ok(())
        }
    }
}

impl Subject for Recorded {
    fn name(&self) -> &str {
        &self.name
    }

    fn ask<'a>(&'a self, sample: &'a Sample) -> BoxFuture<'a, Result<Transcript, SubjectError>> {
        ready(self.answers.get(&sample.id).cloned().ok_or(SubjectError::Missing)).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Recorded>, RecordedError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("answers.jsonl");
        std::fs::write(&file, text).unwrap();
        Recorded::read(&file, "abc")
    }

    #[test]
    fn what_is_written_can_be_read() {
        let answer = Transcript {
            text: "four".into(),
            tool_calls: vec![ToolCall { name: "add".into(), arguments: serde_json::json!({"a": 2}) }],
            served_by: ServedBy::Local,
            cost: Some(Micros(3)),
            total: Some(Duration::from_millis(12)),
            local_ok: Some(0.5),
            ..Transcript::default()
        };
        let line = serde_json::to_string(&RecordedLine::of("abc", "a", "always-local", &answer)).unwrap();
        let subjects = read(&line).unwrap();
        assert_eq!(subjects[0].name(), "always-local");
        assert_eq!(subjects[0].answers["a"], answer);
    }

    #[test]
    fn a_tier_is_one_model_and_keeps_its_name() {
        let line = |id: &str, subject: &str, model: &str| {
            format!(r#"{{"id":"{id}","subject":"{subject}","text":"x","model":"{model}"}}"#)
        };
        let one = [line("a", "always-remote", "m1"), line("b", "always-remote", "m1")].join("\n");
        assert_eq!(read(&one).unwrap()[0].model(), Some("m1"));
        let mixed = [line("a", "always-remote", "m1"), line("b", "always-remote", "m2")].join("\n");
        let error = read(&mixed).unwrap_err().to_string();
        assert!(error.contains("answers.jsonl:2: is an answer of m2, the lines before are of m1"), "{error}");
        let policy = [line("a", "balanced", "m1"), line("b", "balanced", "m2")].join("\n");
        assert_eq!(read(&policy).unwrap()[0].model(), None);
    }

    #[test]
    fn every_bad_line_is_reported() {
        let good = r#"{"id":"a","subject":"s","text":"x"}"#;
        let other = r#"{"id":"b","subject":"s","text":"x","suite":"old"}"#;
        let late = r#"{"id":"c","subject":"s","text":"x","ttft_ms":-1}"#;
        let odd = r#"{"id":"d","subject":"s","text":"x","local_ok":1.5}"#;
        let Err(RecordedError::BadLines(bad)) = read(&[good, good, other, late, odd, "{"].join("\n")) else {
            panic!("accepted")
        };
        assert_eq!(bad.iter().map(|bad| bad.line).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
        assert!(matches!(read(""), Err(RecordedError::Empty(_))));
        assert!(matches!(read(&[other, other].join("\n")), Err(RecordedError::OtherSuite(_))));
        let many = read(&vec!["{"; 30].join("\n")).unwrap_err().to_string();
        assert!(many.starts_with("30 bad line(s)") && many.ends_with("and 10 more"), "{many}");
    }
}
