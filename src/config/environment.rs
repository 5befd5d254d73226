//! The environment's layer: `CROSSOVER__SECTION__KEY`, with `_` for `-`. Promises: every key can be set, but for aliases
//! with a dot, a capital letter or a `_`; a name's digits stay where they are; the items of a list stand between commas,
//! and an empty value is an empty list; no value is quoted.

use std::ffi::OsString;

use ::config::builder::DefaultState;
use ::config::{ConfigBuilder, Environment, Map};
use serde_json::Value;

use super::Config;
use super::load::Problem;

/// What the names of our variables begin with, in lower case.
const PREFIX: &str = "crossover__";

/// Lays the variables over what the builder has.
///
/// # Errors
/// A value that is no Unicode text.
pub(super) fn lay(
    mut builder: ConfigBuilder<DefaultState>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<ConfigBuilder<DefaultState>, Problem> {
    let defaults = serde_json::to_value(Config::default()).unwrap_or_default();
    let mut single = Map::new();
    for (name, value) in variables {
        let Some(key) = name.to_str().and_then(key_of) else { continue };
        let value = value.into_string();
        let value =
            value.map_err(|_| Problem::key(&key, "is no Unicode text in the environment".to_owned()))?;
        if is_list(&defaults, &key) {
            // Past the merging crate, which would take an item that looks like a number for one.
            let items: Vec<&str> = value.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
            let laid = builder.set_override(&key, items);
            builder = laid.map_err(|error| Problem::key(&key, error.to_string()))?;
        } else {
            single.insert(key, value);
        }
    }
    Ok(builder.add_source(Environment::default().source(Some(single)).try_parsing(true)))
}

/// The dotted key that a variable stands for, if it is one of ours.
fn key_of(name: &str) -> Option<String> {
    let name = name.to_lowercase();
    Some(name.strip_prefix(PREFIX)?.replace("__", ".").replace('_', "-"))
}

/// Whether the settings have a list there.
fn is_list(defaults: &Value, key: &str) -> bool {
    key.split('.').try_fold(defaults, |at, part| at.get(part)).is_some_and(Value::is_array)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;
    use std::path::PathBuf;

    use super::super::LogFormat;
    use super::super::load::{ConfigError, read};
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
        let keys = all.as_object().unwrap().values().filter_map(Value::as_object).flatten();
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
    fn f22_a_value_that_is_no_text_is_never_quoted() {
        let value = OsString::from_vec(b"sk-canary\xff".to_vec());
        let error = read(None, [(OsString::from("CROSSOVER__POLICY"), value)]).unwrap_err().to_string();
        assert!(error.contains("policy: is no Unicode text") && !error.contains("canary"), "{error}");
    }
}
