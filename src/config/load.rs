//! Reads and checks the settings. Reports every problem with its file and key; binds and opens nothing else.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::Table;

use super::environment::Layer;
use super::{Config, SCHEMA_VERSION, paths, strict};

/// One thing that is wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file it stands in, where known.
    pub file: Option<PathBuf>,
    /// The key, dotted, or the variable that stands for it.
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

    /// The same, with the variable that set the key.
    pub(super) fn set_by(self, variable: &str) -> Self {
        Self { message: format!("{} (set by {variable})", self.message), ..self }
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
    let in_file = |problem: Problem| Problem { file: file.map(Path::to_path_buf), ..problem };
    let as_whole = |message: String| in_file(Problem { file: None, key: None, message });
    let Layer { settings: over, names, mut problems } = Layer::read(variables);
    let mut settings = match merged(file, &over) {
        Ok(settings) => settings,
        Err(message) => {
            problems.push(as_whole(message));
            return Err(ConfigError { problems });
        }
    };
    problems.extend(strict::faults(&settings).into_iter().map(in_file));
    // A section with a fault is left out: its other values would be held against a default that nobody chose.
    for section in problems.iter().filter_map(|problem| problem.key.as_deref()?.split('.').next()) {
        settings.remove(section);
    }
    match strict::typed(settings) {
        Ok(config) => {
            let named = |problem: Problem| match problem.key.as_ref().and_then(|key| names.get(key)) {
                Some(variable) => problem.set_by(variable),
                None => in_file(problem),
            };
            problems.extend(check(&config).into_iter().map(named));
            if problems.is_empty() {
                return Ok(config);
            }
        }
        Err(message) => problems.push(as_whole(message)),
    }
    Err(ConfigError { problems })
}

/// The file's settings under those of the environment, of whatever type.
fn merged(file: Option<&Path>, over: &Table) -> Result<Table, String> {
    let mut builder = ::config::Config::builder();
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
        text.parse::<Table>().map_err(|error| malformed(&text, &error))?;
        builder = builder.add_source(::config::File::from_str(&text, ::config::FileFormat::Toml));
    }
    for (key, value) in over {
        let value = value.clone().try_into::<::config::Value>();
        let value = value.map_err(|error| error.message().to_owned())?;
        builder = builder.set_override(key, value).map_err(|error| error.to_string())?;
    }
    let settings = builder.build().and_then(|settings| settings.try_deserialize::<Table>());
    settings.map_err(|error| error.to_string())
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
            assert!(error.contains(&format!("crossover.toml: {key}: invalid type")), "{error}");
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
        let text = "typo = 1\nserver.lissten = 3\nserver.queue = 3\nlog.format = 3\nlocal.watts = -1.0";
        let error = load_text(text).unwrap_err();
        let keys: Vec<_> = error.problems.iter().filter_map(|problem| problem.key.as_deref()).collect();
        assert_eq!(keys, ["log.format", "server.lissten", "server.queue", "typo", "local.watts"]);
    }

    #[test]
    fn a_problem_is_told_with_the_file_or_the_variable_that_it_stands_in() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("crossover.toml");
        std::fs::write(&file, "server.heartbeat-seconds = 99\nlocal.watts = 3.0").unwrap();
        let error = read(Some(&file), [("CROSSOVER__LOCAL__WATTS".into(), "-1".into())]).unwrap_err();
        let [heartbeat, watts]: [Problem; 2] = error.problems.try_into().unwrap();
        assert_eq!(heartbeat.file, Some(file));
        assert_eq!(watts.file, None);
        assert!(watts.to_string().ends_with(" (set by CROSSOVER__LOCAL__WATTS)"), "{watts}");
    }
}
