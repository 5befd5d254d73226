//! Golden sets: `suite.toml` says what a set is, `suite.jsonl` holds its rows `{id, messages, expected, scorer, task,
//! tags, difficulty}`. Unknown keys are refused and every bad line is reported at once, with file and line.
//! Reads data only: no answer is asked for here.

mod import;
mod line;
mod openai_evals;
mod promptfoo;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::evals::scorer::ScorerSpec;

pub use self::import::{Import, ImportOptions};
use self::line::read_line;

/// Most tokens that an answer may take where the suite does not say.
const DEFAULT_MAX_TOKENS: u32 = 256;

/// One golden set, wholly checked.
#[derive(Clone, Debug)]
pub struct Suite {
    /// Its name, as reports, metrics and file names show it.
    pub name: String,
    /// Its version; changes whenever a row does.
    pub version: String,
    /// What it measures.
    pub about: String,
    /// The licence of its rows.
    pub licence: String,
    /// Most tokens that an answer may take.
    pub max_tokens: u32,
    /// SHA-256 of `suite.jsonl`, in hex.
    pub hash: String,
    /// The rows, in the file's order.
    pub samples: Vec<Sample>,
}

/// One row: a question, and what a right answer looks like.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Unique in its suite.
    pub id: String,
    /// The conversation, in OpenAI's form, sent as it is.
    pub messages: Vec<Value>,
    /// The right answer, in the form that the scorer reads.
    pub expected: Value,
    /// How an answer is graded.
    pub scorer: ScorerSpec,
    /// The kind of task, for slices of the report.
    pub task: String,
    /// Free tags.
    pub tags: Vec<String>,
    /// How hard it is, in the suite's own words.
    pub difficulty: Option<String>,
    /// The tools that may be called, in OpenAI's form, sent as they are; empty for none.
    pub tools: Vec<Value>,
}

impl Sample {
    /// Characters of all texts of the conversation: the length that the length rule goes by.
    pub fn prompt_chars(&self) -> usize {
        self.messages.iter().flat_map(texts).map(|text| text.chars().count()).sum()
    }
}

/// The texts of one message in OpenAI's form.
fn texts(message: &Value) -> Vec<&str> {
    match &message["content"] {
        Value::String(text) => vec![text],
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => vec![],
    }
}

/// `suite.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct About {
    name: String,
    version: String,
    about: String,
    #[serde(alias = "license")]
    licence: String,
    scorer: Option<ScorerSpec>,
    max_tokens: Option<u32>,
}

/// One line that is not a golden row, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// The file.
    pub file: PathBuf,
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.problem)
    }
}

/// Why a golden set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// A file cannot be read.
    #[error("cannot read {}: {cause}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {cause}", file.display())]
    Unwritable {
        /// The file or folder.
        file: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A file as a whole is not what it should be.
    #[error("{}: {problem}", file.display())]
    About {
        /// The file.
        file: PathBuf,
        /// What is wrong, with line and key.
        problem: String,
    },
    /// Lines that are not golden rows: all of them.
    #[error("{} bad line(s):\n{}", .0.len(), .0.iter().map(|bad| format!("  {bad}")).collect::<Vec<_>>().join("\n"))]
    BadLines(Vec<BadLine>),
    /// There is nothing in it.
    #[error("{} holds no rows", .0.display())]
    Empty(PathBuf),
    /// There is too little in it.
    #[error("the golden set {name} has {rows} rows, and this needs {least}: add rows to its suite.jsonl")]
    TooSmall {
        /// The set's name.
        name: String,
        /// Rows that it has.
        rows: usize,
        /// Rows that it needs.
        least: usize,
    },
}

impl Suite {
    /// Reads `suite.toml` and `suite.jsonl` in `folder`.
    ///
    /// # Errors
    /// An unreadable or wrong file; every bad line at once.
    pub fn read(folder: &Path) -> Result<Self, DatasetError> {
        let about = read_about(&folder.join("suite.toml"))?;
        let file = folder.join("suite.jsonl");
        let bytes = read(&file)?;
        let samples = read_lines(&file, &bytes, about.scorer.as_ref())?;
        if samples.is_empty() {
            return Err(DatasetError::Empty(file));
        }
        let hash = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self {
            name: about.name,
            version: about.version,
            about: about.about,
            licence: about.licence,
            max_tokens: about.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS),
            hash,
            samples,
        })
    }

    /// Refuses a set that is too small for what is to be done with it.
    ///
    /// # Errors
    /// When there are fewer than `least` rows.
    pub fn at_least(&self, least: usize) -> Result<(), DatasetError> {
        let rows = self.samples.len();
        if rows < least {
            return Err(DatasetError::TooSmall { name: self.name.clone(), rows, least });
        }
        Ok(())
    }

    /// Keeps `limit` rows, spread evenly over the file because suites are often sorted by task or difficulty.
    pub fn limit(&mut self, limit: usize) {
        let len = self.samples.len();
        if limit < len {
            let mut kept = (0..limit).map(|step| step * len / limit).peekable();
            let mut index = 0;
            self.samples.retain(|_| {
                let keep = kept.next_if_eq(&index).is_some();
                index += 1;
                keep
            });
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>, DatasetError> {
    std::fs::read(file).map_err(|cause| DatasetError::Unreadable { file: file.to_owned(), cause })
}

fn read_about(file: &Path) -> Result<About, DatasetError> {
    let wrong = |problem: String| DatasetError::About { file: file.to_owned(), problem };
    let bytes = read(file)?;
    let text = str::from_utf8(&bytes).map_err(|error| wrong(error.to_string()))?;
    let about: About = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let plain = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == '-';
    if about.name.is_empty() || !about.name.chars().all(plain) {
        return Err(wrong("`name` must be made of letters, digits, `_` and `-`".to_owned()));
    }
    if about.version.is_empty() {
        return Err(wrong("`version` is empty".to_owned()));
    }
    match about.max_tokens {
        Some(0) => Err(wrong("`max-tokens` is 0".to_owned())),
        _ => Ok(about),
    }
}

fn read_lines(file: &Path, bytes: &[u8], default: Option<&ScorerSpec>) -> Result<Vec<Sample>, DatasetError> {
    let mut samples = vec![];
    let mut bad = vec![];
    let mut first_seen = BTreeMap::new();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let number = index + 1;
        match read_line(line, default) {
            Ok(sample) => match first_seen.insert(sample.id.clone(), number) {
                None => samples.push(sample),
                Some(first) => bad.push((number, format!("id `{}` is already on line {first}", sample.id))),
            },
            Err(problem) => bad.push((number, problem)),
        }
    }
    if bad.is_empty() {
        return Ok(samples);
    }
    let at = |(line, problem)| BadLine { file: file.to_owned(), line, problem };
    Err(DatasetError::BadLines(bad.into_iter().map(at).collect()))
}

#[cfg(test)]
mod tests;
