//! Golden sets of other tools, turned into ours: OpenAI evals' JSONL and promptfoo's YAML. What comes out is an ordinary
//! suite folder, so that every choice made here can be read and changed. What has no counterpart is refused by name,
//! with file and line; nothing in those files is ever run.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::line::read_line;
use super::{BadLine, DatasetError, Suite, openai_evals, promptfoo, read};

/// What the file does not say.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The suite's name; the file's, if not given.
    pub name: Option<String>,
    /// The task of every row; `imported`, if not given.
    pub task: Option<String>,
    /// The licence of the rows; `unstated`, if not given.
    pub licence: Option<String>,
    /// Most tokens of an answer, where the suite shall say so.
    pub max_tokens: Option<u32>,
    /// How OpenAI evals grades the rows: `Match`, `Includes`, `FuzzyMatch` or `JsonMatch`.
    pub class: Option<String>,
    /// An OpenAI evals registry file that says so.
    pub registry: Option<PathBuf>,
}

/// A golden set of another tool, read and mapped, not yet written.
#[derive(Clone, Debug)]
pub struct Import {
    name: String,
    about: String,
    licence: String,
    max_tokens: Option<u32>,
    rows: Vec<Value>,
    /// What is graded a little differently here, or was left out: for the user to read.
    pub notes: BTreeSet<String>,
}

/// What a format brings: rows with the line they come from, and notes.
#[derive(Debug, Default)]
pub(super) struct Mapped {
    pub(super) about: Option<String>,
    pub(super) rows: Vec<(usize, Value)>,
    pub(super) bad: Vec<(usize, String)>,
    pub(super) notes: BTreeSet<String>,
    pub(super) max_tokens: Option<u32>,
}

impl Import {
    /// Reads `file`: OpenAI evals where it ends in `.jsonl`, promptfoo where it ends in `.yaml` or `.yml`.
    ///
    /// # Errors
    /// An unreadable file; every row that has no counterpart, at once.
    pub fn read(file: &Path, options: &ImportOptions) -> Result<Self, DatasetError> {
        let bytes = read(file)?;
        let wrong =
            |problem: &str| DatasetError::About { file: file.to_owned(), problem: problem.to_owned() };
        let text = str::from_utf8(&bytes).map_err(|_| wrong("is not UTF-8"))?;
        let task = options.task.as_deref().unwrap_or("imported");
        let (kind, mut mapped) = match file.extension().and_then(|it| it.to_str()) {
            Some("jsonl") => ("OpenAI evals", openai_evals::map(file, text, task, options)?),
            Some("yaml" | "yml") => ("promptfoo", promptfoo::map(file, text, task)?),
            _ => return Err(wrong("is neither `.jsonl` (OpenAI evals) nor `.yaml` (promptfoo)")),
        };
        for (line, row) in &mapped.rows {
            if let Err(problem) = read_line(row.to_string().as_bytes(), None) {
                mapped.bad.push((*line, problem));
            }
        }
        if !mapped.bad.is_empty() {
            mapped.bad.sort();
            let at = |(line, problem)| BadLine { file: file.to_owned(), line, problem };
            return Err(DatasetError::BadLines(mapped.bad.into_iter().map(at).collect()));
        }
        if mapped.rows.is_empty() {
            return Err(DatasetError::Empty(file.to_owned()));
        }
        let stem = file.file_stem().and_then(|it| it.to_str()).unwrap_or("imported");
        let plain = |it: char| if it.is_ascii_alphanumeric() || it == '-' { it } else { '_' };
        Ok(Self {
            name: options.name.clone().unwrap_or_else(|| stem.chars().map(plain).collect()),
            about: mapped.about.unwrap_or_else(|| format!("Imported from {kind}")),
            licence: options.licence.clone().unwrap_or_else(|| "unstated".to_owned()),
            max_tokens: options.max_tokens.or(mapped.max_tokens),
            rows: mapped.rows.into_iter().map(|(_, row)| row).collect(),
            notes: mapped.notes,
        })
    }

    /// Writes the suite to `folder`, which must not exist yet or be empty, and reads it back. Whole or not at all.
    ///
    /// # Errors
    /// When the folder holds something, or cannot be written.
    pub fn write(&self, folder: &Path) -> Result<Suite, DatasetError> {
        let blame = |cause| DatasetError::Unwritable { file: folder.to_owned(), cause };
        if std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
            let full = std::io::Error::other("it holds files already: name a new folder");
            return Err(blame(full));
        }
        let mut half = folder.as_os_str().to_owned();
        half.push(".part");
        let half = PathBuf::from(half);
        std::fs::create_dir_all(&half).map_err(blame)?;
        let written = self.write_files(&half).map_err(blame).and_then(|()| Suite::read(&half));
        match written {
            Ok(suite) => std::fs::rename(&half, folder).map_err(blame).map(|()| suite),
            Err(error) => {
                // The error that matters is the first one.
                let _ = std::fs::remove_dir_all(&half);
                Err(error)
            }
        }
    }

    fn write_files(&self, folder: &Path) -> std::io::Result<()> {
        let mut about = toml::Table::new();
        let mut set = |key: &str, value: &str| {
            about.insert(key.to_owned(), toml::Value::String(value.to_owned()));
        };
        set("name", &self.name);
        set("version", "1.0.0");
        set("about", &self.about);
        set("licence", &self.licence);
        if let Some(max_tokens) = self.max_tokens {
            about.insert("max-tokens".to_owned(), toml::Value::Integer(max_tokens.into()));
        }
        std::fs::write(folder.join("suite.toml"), about.to_string())?;
        let lines: String = self.rows.iter().map(|row| format!("{row}\n")).collect();
        std::fs::write(folder.join("suite.jsonl"), lines)
    }
}

/// Reads YAML 1.2, in which `yes` is a text, within the parser's limits on size, depth and aliases.
pub(super) fn from_yaml<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, serde_saphyr::Error> {
    let options = serde_saphyr::options! { with_snippet: false, strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options)
}

/// A scorer for one text that must stand in the answer in some way.
pub(super) fn contains(texts: &[String], all: bool, case_sensitive: bool) -> (Value, Value) {
    let mut scorer = serde_json::json!({"kind": "contains", "anywhere": true});
    if all {
        scorer["all"] = true.into();
    }
    if case_sensitive {
        scorer["case_sensitive"] = true.into();
    }
    let expected = match texts {
        [one] => Value::String(one.clone()),
        _ => Value::from(texts.to_vec()),
    };
    (scorer, expected)
}

#[cfg(test)]
mod tests;
