//! The environment's layer: `CROSSOVER__SECTION__KEY`, with `_` for `-`. Promises: every key can be set, but for aliases
//! with a dot, a capital letter or a `_`; a name's digits stay where they are; a value is text where the setting takes
//! text, as it stands, else `true`, `false` or a number, else the items of a list between commas, of which an empty one
//! has none; what fits no setting is told with the variable's name; no value is quoted.

use std::collections::BTreeMap;
use std::ffi::OsString;

use toml::{Table, Value};

use super::load::Problem;
use super::strict::{fault, put};

/// What the names of our variables begin with, in lower case.
const PREFIX: &str = "crossover__";

/// What the variables say.
#[derive(Default)]
pub(super) struct Layer {
    /// The settings.
    pub(super) settings: Table,
    /// The variable that set each of them, by its dotted key.
    pub(super) names: BTreeMap<String, String>,
    /// What fits no setting.
    pub(super) problems: Vec<Problem>,
}

impl Layer {
    /// Reads those variables that are ours, in the order of their keys.
    pub(super) fn read(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let ours = variables.into_iter().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            Some((key_of(&name)?, name, value))
        });
        let mut ours: Vec<(String, String, OsString)> = ours.collect();
        ours.sort();
        let mut layer = Self::default();
        for (key, name, value) in ours {
            let path: Vec<&str> = key.split('.').collect();
            match value_of(&path, value) {
                Ok(value) => {
                    put(&mut layer.settings, &path, value);
                    layer.names.insert(key, name);
                }
                Err(problem) => layer.problems.push(problem.set_by(&name)),
            }
        }
        layer
    }
}

/// The dotted key that a variable stands for, if it is one of ours.
fn key_of(name: &str) -> Option<String> {
    let name = name.to_lowercase();
    Some(name.strip_prefix(PREFIX)?.replace("__", ".").replace('_', "-"))
}

/// The first reading of a variable's value that the setting takes.
fn value_of(path: &[&str], value: OsString) -> Result<Value, Problem> {
    let text = value
        .into_string()
        .map_err(|_| Problem::key(&path.join("."), "is no Unicode text in the environment".to_owned()))?;
    let others = [plain(&text), Some(list(&text))];
    let text = Value::String(text);
    let Some(problem) = fault(path, &text) else { return Ok(text) };
    others.into_iter().flatten().find(|value| fault(path, value).is_none()).ok_or(problem)
}

/// `true`, `false` or a number.
fn plain(text: &str) -> Option<Value> {
    let boolean = text.to_lowercase().parse::<bool>().ok().map(Value::Boolean);
    let integer = || text.parse::<i64>().ok().map(Value::Integer);
    let float = || text.parse::<f64>().ok().map(Value::Float);
    boolean.or_else(integer).or_else(float)
}

fn list(text: &str) -> Value {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;
    use std::path::PathBuf;

    use super::super::load::{ConfigError, read};
    use super::super::{Config, LogFormat};
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        read(None, variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))))
    }

    #[test]
    fn an_alias_keeps_its_digits() {
        let config = with(&[
            ("CROSSOVER__ALIASES__GPT_4O", "auto"),
            ("crossover__aliases__o3_mini", "local"),
            ("ALIASES__GPT_5", "remote"),
        ]);
        let aliases: Vec<_> = config.unwrap().aliases.into_iter().collect();
        let wanted = [("gpt-4o", "auto"), ("o3-mini", "local")];
        assert_eq!(aliases, wanted.map(|(name, to)| (name.to_owned(), to.to_owned())));
    }

    #[test]
    fn every_list_takes_items_between_commas() {
        let config = with(&[
            ("CROSSOVER__SERVER__ALLOWED_HOSTS", "gw.example, b.example"),
            ("CROSSOVER__LOCAL__MODELS", "tiny,7"),
            ("CROSSOVER__LOCAL__WARM", "7"),
            ("CROSSOVER__REMOTE__MODELS", "true,"),
            ("CROSSOVER__GOLDEN__SUITES", "sets/a,sets/b"),
            ("CROSSOVER__GOLDEN__TIERS", "local"),
        ])
        .unwrap();
        assert_eq!(config.server.allowed_hosts, ["gw.example", "b.example"]);
        assert_eq!(config.local.models, ["tiny", "7"]);
        assert_eq!(config.local.warm, ["7"]);
        assert_eq!(config.remote.models, ["true"]);
        assert_eq!(config.golden.suites, ["sets/a", "sets/b"].map(PathBuf::from));
        assert_eq!(config.golden.tiers, ["local"]);
        let all = serde_json::to_value(Config::default()).unwrap();
        let keys = all.as_object().unwrap().values().filter_map(serde_json::Value::as_object).flatten();
        assert_eq!(keys.filter(|(_, value)| value.is_array()).count(), 6, "a new list is set above, too");
    }

    #[test]
    fn an_empty_value_is_an_empty_list() {
        let error = with(&[("CROSSOVER__GOLDEN__TIERS", "")]).unwrap_err().to_string();
        assert!(error.contains("golden.tiers: is empty"), "{error}");
    }

    #[test]
    fn what_is_no_list_is_read_by_its_type() {
        let config = with(&[
            ("CROSSOVER__POLICY", "7"),
            ("CROSSOVER__LOCAL__ENABLED", "False"),
            ("CROSSOVER__LOCAL__WATTS", "3.5"),
            ("CROSSOVER__SERVER__MAX_IN_FLIGHT", "7"),
            ("CROSSOVER__LOG__FORMAT", "json"),
        ])
        .unwrap();
        assert_eq!((config.policy.as_str(), config.local.enabled, config.local.watts), ("7", false, 3.5));
        assert_eq!((config.server.max_in_flight, config.log.format), (7, LogFormat::Json));
    }

    #[test]
    fn text_stays_as_it_stands() {
        for value in ["0613", "1e3", "True", "a,b"] {
            let keys = ["CROSSOVER__REMOTE__MODEL", "CROSSOVER__ALIASES__O3", "CROSSOVER__LEDGER__PATH"];
            let config = with(&keys.map(|key| (key, value))).unwrap();
            assert_eq!((config.remote.model.as_str(), config.aliases["o3"].as_str()), (value, value));
            assert_eq!(config.ledger.path, Some(PathBuf::from(value)));
        }
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_variable() {
        let error = with(&[
            ("CROSSOVER__SERVER__MAX_IN_FLIGHT", "0.4"),
            ("CROSSOVER__REMOTE__MODELL", "canary"),
            ("CROSSOVER__LOG", "canary,json"),
            ("CROSSOVER__LOCAL__SPIN", "yes"),
            ("CROSSOVER__ALIASES__A__B", "auto"),
        ]);
        let error = error.unwrap_err();
        let keys: Vec<_> = error.problems.iter().filter_map(|problem| problem.key.as_deref()).collect();
        assert_eq!(keys, ["aliases.a.b", "local.spin", "log", "remote.modell", "server.max-in-flight"]);
        let told = error.to_string();
        assert!(told.contains("at least 0 (set by CROSSOVER__SERVER__MAX_IN_FLIGHT)"), "{told}");
        assert!(!told.contains("canary"), "{told}");
    }

    #[test]
    fn f22_a_value_that_is_no_text_is_never_quoted() {
        let value = OsString::from_vec(b"sk-canary\xff".to_vec());
        let error = read(None, [(OsString::from("CROSSOVER__POLICY"), value)]).unwrap_err().to_string();
        assert!(error.contains("policy: is no Unicode text") && !error.contains("canary"), "{error}");
    }
}
