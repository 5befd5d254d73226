//! Reads and checks the settings. Reports every problem with its file and key; binds and opens nothing else.

use std::fmt;
use std::path::{Path, PathBuf};

use super::{Config, SCHEMA_VERSION, paths};

/// One thing that is wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file it stands in, where known.
    pub file: Option<PathBuf>,
    /// The key, dotted.
    pub key: Option<String>,
    /// What is wrong and what mends it; never a secret's value.
    pub message: String,
}

impl Problem {
    /// A problem of one key.
    pub fn key(key: &str, message: String) -> Self {
        Self { file: None, key: Some(key.to_owned()), message }
    }

    /// A problem of one file.
    pub fn file(file: &Path, message: String) -> Self {
        Self { file: Some(file.to_path_buf()), key: None, message }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}: ", file.display())?;
        }
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// The settings cannot be used; says everything that is wrong.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    /// At least one problem.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.problems.iter().map(|problem| format!("  {problem}")).collect();
        write!(f, "the configuration has {} problem(s):\n{}", self.problems.len(), lines.join("\n"))
    }
}

/// Loads `file` (else `./crossover.toml`, else the XDG one, else only defaults) under the environment's overrides.
///
/// # Errors
/// Every unreadable file, unknown key, wrong type and value out of range, together.
pub fn load(file: Option<&Path>) -> Result<Config, ConfigError> {
    let file = file.map(Path::to_path_buf).or_else(paths::default_config_file);
    let blame =
        |message: String| ConfigError { problems: vec![Problem { file: file.clone(), key: None, message }] };
    let mut builder = ::config::Config::builder();
    if let Some(path) = &file {
        let text =
            std::fs::read_to_string(path).map_err(|error| blame(format!("cannot be read: {error}")))?;
        builder = builder.add_source(::config::File::from_str(&text, ::config::FileFormat::Toml));
    }
    let environment = ::config::Environment::with_prefix("CROSSOVER")
        .prefix_separator("__")
        .separator("__")
        .convert_case(::config::Case::Kebab)
        .try_parsing(true);
    let merged = builder.add_source(environment).build().map_err(|error| blame(error.to_string()))?;
    let config: Config = merged.try_deserialize().map_err(|error| blame(error.to_string()))?;
    let mut problems = check(&config);
    if problems.is_empty() {
        return Ok(config);
    }
    for problem in &mut problems {
        problem.file.clone_from(&file);
    }
    Err(ConfigError { problems })
}

fn check(config: &Config) -> Vec<Problem> {
    let mut problems = vec![];
    if config.schema_version != SCHEMA_VERSION {
        problems.push(Problem::key(
            "schema-version",
            format!("is {}, this version reads {SCHEMA_VERSION}", config.schema_version),
        ));
    }
    config.server.check(&mut problems);
    config.local.check(&mut problems);
    config.remote.check(&mut problems);
    config.classifier.check(&mut problems);
    config.early_gate.check(&mut problems);
    config.embeddings.check(&mut problems);
    config.ledger.check(&mut problems);
    config.golden.check(&mut problems);
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_text(text: &str) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("crossover.toml");
        std::fs::write(&file, text).unwrap();
        load(Some(&file))
    }

    #[test]
    fn an_empty_file_is_the_default() {
        let config = load_text("schema-version = 1").unwrap();
        assert_eq!(config.policy, "balanced");
        assert_eq!(config.server.listen.port(), 4000);
    }

    #[test]
    fn unknown_keys_are_refused_by_name() {
        let error = load_text("[server]\nlisten = \"127.0.0.1:1\"\nlissten = 3").unwrap_err();
        assert!(error.to_string().contains("lissten"), "{error}");
        assert!(error.to_string().contains("crossover.toml"), "{error}");
    }

    #[test]
    fn every_problem_is_listed() {
        let error =
            load_text("[server]\nlisten = \"0.0.0.0:4000\"\nheartbeat-seconds = 99\n[local]\nwatts = -1.0")
                .unwrap_err();
        let keys: Vec<_> = error.problems.iter().filter_map(|problem| problem.key.as_deref()).collect();
        assert_eq!(keys, ["server.listen", "server.heartbeat-seconds", "local.watts"]);
    }
}
