//! Reads and checks the settings. Reports every problem with its file and key; binds and opens nothing else.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::{Config, SCHEMA_VERSION, environment, paths};

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
    read(file.as_deref(), std::env::vars_os())
}

/// The defaults, under a file, under variables.
pub(super) fn read(
    file: Option<&Path>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Config, ConfigError> {
    let blame = |message: String| ConfigError {
        problems: vec![Problem { file: file.map(Path::to_path_buf), key: None, message }],
    };
    let mut builder = ::config::Config::builder();
    if let Some(path) = file {
        let text =
            std::fs::read_to_string(path).map_err(|error| blame(format!("cannot be read: {error}")))?;
        text.parse::<toml::Table>().map_err(|error| blame(malformed(&text, &error)))?;
        builder = builder.add_source(::config::File::from_str(&text, ::config::FileFormat::Toml));
    }
    let builder =
        environment::lay(builder, variables).map_err(|problem| ConfigError { problems: vec![problem] })?;
    let merged = builder.build().map_err(|error| blame(without_value(&error)))?;
    let config: Config = merged.try_deserialize().map_err(|error| blame(without_value(&error)))?;
    let mut problems = check(&config);
    if problems.is_empty() {
        return Ok(config);
    }
    for problem in &mut problems {
        problem.file = file.map(Path::to_path_buf);
    }
    Err(ConfigError { problems })
}

/// What keeps the file from being read, and where. Never its text: a key that lacks its quotes stands there too.
fn malformed(text: &str, error: &toml::de::Error) -> String {
    let why = error.message();
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else {
        return format!("is not valid TOML: {why}");
    };
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|letter| *letter != '\n').count() + 1;
    format!("is not valid TOML at line {line}, column {column}: {why}")
}

/// What the merging crate says, without the value that it quotes: it may be a key in the wrong place.
fn without_value(error: &::config::ConfigError) -> String {
    use ::config::ConfigError as Merging;
    let (what, key, origin) = match error {
        Merging::Type { expected, key, origin, .. } => {
            (format!("invalid type, expected {expected}"), key, origin)
        }
        Merging::At { error, key, origin } => (without_value(error), key, origin),
        Merging::Message(message) => return without_found(message).unwrap_or_else(|| message.clone()),
        other => return other.to_string(),
    };
    let key = key.as_ref().map(|key| format!(" for key `{key}`")).unwrap_or_default();
    let origin = origin.as_ref().map(|origin| format!(" in {origin}")).unwrap_or_default();
    format!("{what}{key}{origin}")
}

/// `invalid type: string "...", expected a map` without what was found; `None` where nothing was.
fn without_found(message: &str) -> Option<String> {
    if let Some((of_what, _)) = message.split_once(" does not have variant constructor ") {
        return Some(format!("{of_what} does not know the word that stands there"));
    }
    let (found, expected) = message.rsplit_once(", expected ")?;
    let (kind, _) = found.split_once(": ")?;
    Some(format!("{kind}, expected {expected}"))
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
    fn f22_a_malformed_file_is_never_quoted() {
        let error = load_text("schema-version = 1\n[remote]\napi-key-env = sk-live-canary\n").unwrap_err();
        let error = error.to_string();
        assert!(error.contains("crossover.toml: is not valid TOML at line 3, column 15: "), "{error}");
        assert!(error.contains("quoted") && !error.contains("canary"), "{error}");
        for text in
            ["= sk-canary", "a = \"sk-canary", "a = 1 sk-canary", "a = 1999-sk-canary", "a = [sk-canary"]
        {
            let error = load_text(text).unwrap_err().to_string();
            assert!(error.contains("is not valid TOML") && !error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn f22_a_value_of_the_wrong_type_is_never_quoted() {
        for (text, key) in [
            ("remote = \"sk-live-canary\"", "remote"),
            ("[remote]\nmax-retries = \"sk-live-canary\"", "remote.max-retries"),
            ("[remote]\nmodels = \"sk-live, expected canary\"", "remote.models"),
            ("[server]\nlisten = [\"sk-live-canary\"]", "server.listen"),
        ] {
            let error = load_text(text).unwrap_err().to_string();
            assert!(error.contains(&format!("for key `{key}`")), "{error}");
            assert!(error.contains(", expected ") && !error.contains("canary"), "{error}");
        }
        let error = load_text("[log]\nformat = \"sk-live-canary\"").unwrap_err().to_string();
        assert!(error.contains("does not know") && error.contains("log.format"), "{error}");
        assert!(!error.contains("canary"), "{error}");
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
