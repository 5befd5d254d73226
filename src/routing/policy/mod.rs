//! Policies: ordered rules read from TOML, compiled and checked as a whole, evaluated as a pure function.
//! Evaluating reads no clock, no file and no network; the same facts always give the same ruling. A policy carries its
//! own test cases. Which words a policy may use stands in `condition.rs`, why it decided so in `reason.rs`.

mod cases;
mod clauses;
mod compile;
mod condition;
mod evaluate;
mod fields;
mod plan;
mod reason;
mod sampling;

use std::path::{Path, PathBuf};

pub use evaluate::{Dropped, Facts, Ruling};
pub use sampling::{Grade, Shadow};

use self::condition::{Clause, Condition};
use super::decision::PolicyVersion;
use crate::chat::{BackendId, Control};
use crate::config::Problem;

/// The only schema this version reads.
const SCHEMA_VERSION: u32 = 1;

/// Names of `[uncalibrated]` and `when-unknown` where the name of a rule is wanted.
const UNCALIBRATED: &str = "uncalibrated";
const WHEN_UNKNOWN: &str = "when-unknown";

/// One compiled policy.
#[derive(Debug)]
pub struct Policy {
    version: PolicyVersion,
    about: String,
    file: PathBuf,
    /// Controls that callers may use; `only-local` always is.
    permits: Vec<Control>,
    when_unknown: Vec<BackendId>,
    uncalibrated: Option<Rule>,
    /// Rules with a condition, in order.
    rules: Vec<Rule>,
    /// The last rule, without a condition.
    otherwise: Otherwise,
    shadow: Option<Shadow>,
    explore: f64,
    cases: Vec<cases::Case>,
}

/// A rule with a condition.
#[derive(Debug)]
struct Rule {
    name: String,
    condition: Condition,
    targets: Vec<BackendId>,
}

/// The rule without a condition.
#[derive(Debug)]
struct Otherwise {
    name: String,
    targets: Vec<BackendId>,
}

impl Policy {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.version.name
    }

    /// What it says of itself, in one sentence.
    pub fn about(&self) -> &str {
        &self.about
    }

    /// Its name and the hash of its text.
    pub fn version(&self) -> &PolicyVersion {
        &self.version
    }

    /// `[shadow]`: which requests are answered by the other target too.
    pub fn shadow(&self) -> Option<&Shadow> {
        self.shadow.as_ref()
    }

    /// `[explore]`: the share of requests that go to the second target first; 0 without it.
    pub fn explore(&self) -> f64 {
        self.explore
    }

    /// Every tag that its rules name, in small letters.
    pub fn tags(&self) -> impl Iterator<Item = String> {
        let conditions = self.rules.iter().chain(&self.uncalibrated).map(|rule| &rule.condition);
        let named = conditions.flat_map(Condition::clauses).filter_map(|clause| match clause {
            Clause::AnyTag(tags) => Some(tags),
            _ => None,
        });
        named.flatten().map(|tag| tag.to_ascii_lowercase())
    }

    /// Compiles a policy's text. `file` is only named in problems.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its key.
    pub fn parse(text: &str, file: &Path) -> Result<Self, Vec<Problem>> {
        compile::compile(text, file)
    }

    /// Compiles every `*.toml` of a folder, sorted by file name.
    ///
    /// # Errors
    /// Every problem of every file, two policies of one name, and a folder without policies.
    pub fn load_folder(folder: &Path) -> Result<Vec<Self>, Vec<Problem>> {
        let unreadable = |error: std::io::Error| {
            vec![Problem::file(
                folder,
                format!(
                    "the policies folder cannot be read: {error}. Set policies-dir to the folder that holds them"
                ),
            )]
        };
        let entries = std::fs::read_dir(folder).map_err(unreadable)?;
        let paths: Result<Vec<PathBuf>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
        let mut files = paths.map_err(unreadable)?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
        files.sort();
        let (mut policies, mut problems) = (Vec::<Self>::new(), vec![]);
        for file in files {
            let read = std::fs::read_to_string(&file)
                .map_err(|error| vec![Problem::file(&file, format!("cannot be read: {error}"))]);
            match read.and_then(|text| Self::parse(&text, &file)) {
                Ok(policy) => policies.push(policy),
                Err(found) => problems.extend(found),
            }
        }
        problems.extend(same_names(&policies));
        if policies.is_empty() && problems.is_empty() {
            problems.push(Problem::file(folder, "holds no policy (*.toml)".to_owned()));
        }
        if problems.is_empty() { Ok(policies) } else { Err(problems) }
    }
}

fn same_names(policies: &[Policy]) -> Vec<Problem> {
    let twins = policies.iter().enumerate().filter_map(|(place, policy)| {
        let first = policies[..place].iter().find(|other| other.name() == policy.name())?;
        Some((policy, first))
    });
    twins
        .map(|(policy, first)| Problem {
            file: Some(policy.file.clone()),
            key: Some("name".to_owned()),
            message: format!("`{}` is also the name of {}", policy.name(), first.file.display()),
        })
        .collect()
}

#[cfg(test)]
mod tests;
