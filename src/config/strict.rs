//! What the settings take, and nothing that is bent until it fits: every value of a table is held against its key's type
//! by itself. Promises: every fault is found, with its key, in the keys' order; no value is quoted, for it may be a key
//! in the wrong place.

use toml::{Table, Value};

use super::Config;
use super::load::Problem;

/// The settings that a table holds, over the defaults.
///
/// # Errors
/// What the first value that does not fit should have been.
pub(super) fn typed(table: Table) -> Result<Config, String> {
    table.try_into().map_err(|error: toml::de::Error| words(error.message()))
}

/// Every key of a table that does not exist, and every value that does not fit.
pub(super) fn faults(table: &Table) -> Vec<Problem> {
    let mut found = vec![];
    for (key, value) in sorted(table) {
        match value {
            Value::Table(section) if is_section(&[key]) => {
                let inside = sorted(section).into_iter();
                found.extend(inside.filter_map(|(name, value)| fault(&[key, name], value)));
            }
            _ => found.extend(fault(&[key], value)),
        }
    }
    found
}

/// Why the settings have no place for this value under this key; `None` where they have.
pub(super) fn fault(path: &[&str], value: &Value) -> Option<Problem> {
    let key = path.join(".");
    // A list would be taken for the section's values, in their order.
    if !value.is_table() && is_section(path) {
        return Some(Problem::key(&key, "invalid type, expected a section with keys of its own".to_owned()));
    }
    let why = typed(alone(path, value.clone())).err()?;
    Some(Problem::key(&key, why))
}

/// Puts a value under its key, with the tables around it.
pub(super) fn put(table: &mut Table, path: &[&str], value: Value) {
    match path {
        [] => {}
        [key] => {
            table.insert((*key).to_owned(), value);
        }
        [key, rest @ ..] => {
            let inner = table.entry(*key).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// A table with nothing but this value.
fn alone(path: &[&str], value: Value) -> Table {
    let mut table = Table::new();
    put(&mut table, path, value);
    table
}

/// Whether more keys stand under this one.
fn is_section(path: &[&str]) -> bool {
    typed(alone(path, Value::Table(Table::new()))).is_ok()
}

fn sorted(table: &Table) -> Vec<(&str, &Value)> {
    let mut entries: Vec<_> = table.iter().map(|(key, value)| (key.as_str(), value)).collect();
    entries.sort_by_key(|(key, _)| *key);
    entries
}

/// What serde says, in the words of the file and without the value that it quotes.
fn words(message: &str) -> String {
    let Some((found, expected)) = message.rsplit_once(", expected ") else { return message.to_owned() };
    let expected = match expected {
        "a boolean" => "`true` or `false`",
        "a sequence" => "a list",
        "f64" => "a number",
        "u32" => "an integer from 0 to 4294967295",
        "u64" | "usize" => "an integer of at least 0",
        "string only" => "a word in quotes",
        other => other,
    };
    let kind = found.split(['`', '"']).next().unwrap_or_default().trim_end();
    match kind {
        "unknown field" => format!("is no key of the settings, expected {expected}"),
        "unknown variant" => format!("does not know the word that stands there, expected {expected}"),
        "invalid type: unit variant" => format!("invalid type, expected {expected}"),
        kind => format!("{kind}, expected {expected}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let table: Table = text.parse().unwrap();
        faults(&table).iter().map(ToString::to_string).collect()
    }

    fn only(text: &str) -> String {
        let found = found(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        found.concat()
    }

    #[test]
    fn no_value_is_bent_until_it_fits() {
        for (text, wanted) in [
            ("server.max-in-flight = 0.4", "type: floating point, expected an integer of at least 0"),
            ("server.max-in-flight = 7.0", "type: floating point, expected an integer of at least 0"),
            ("server.max-in-flight = nan", "type: floating point, expected an integer of at least 0"),
            ("ledger.flush-ms = -4.0", "type: floating point, expected an integer of at least 0"),
            ("ledger.flush-ms = -4", "value: integer, expected an integer of at least 0"),
            ("ledger.flush-ms = true", "type: boolean, expected an integer of at least 0"),
            ("ledger.flush-ms = \"7\"", "type: string, expected an integer of at least 0"),
            ("remote.max-retries = 4294967296", "value: integer, expected an integer from 0 to 4294967295"),
            ("local.enabled = 2", "type: integer, expected `true` or `false`"),
            ("local.enabled = \"yes\"", "type: string, expected `true` or `false`"),
            ("local.watts = true", "type: boolean, expected a number"),
            ("local.models = \"tiny\"", "type: string, expected a list"),
            ("policy = 7", "type: integer, expected a string"),
            ("models-dir = 7", "type: integer, expected path string"),
        ] {
            let (key, _) = text.split_once(" = ").unwrap();
            assert_eq!(only(text), format!("{key}: invalid {wanted}"));
        }
        assert_eq!(only("log.format = 3"), "log.format: invalid type, expected a word in quotes");
        assert!(only("aliases.\"gpt-4.1\" = 4.1").starts_with("aliases.gpt-4.1: invalid type"));
        let fitting = ["policy = \"7\"", "local.watts = 45", "aliases.\"gpt-4.1\" = \"auto\"", "[server]"];
        assert!(found(&fitting.join("\n")).is_empty());
    }

    #[test]
    fn a_section_is_a_table_of_known_keys() {
        for text in ["log = [\"debug\"]", "log = \"debug\"", "remote = []", "aliases = []"] {
            let said = only(text);
            assert!(said.ends_with(": invalid type, expected a section with keys of its own"), "{said}");
        }
        let unknown = only("[sevrer]\na = 1\nb = 2");
        assert!(unknown.starts_with("sevrer: is no key of the settings, expected one of `"), "{unknown}");
        assert_eq!(only("[policy]\na = 1"), "policy: invalid type: map, expected a string");
    }

    #[test]
    fn f22_what_is_said_holds_no_value() {
        for value in ["\"sk-canary\"", "[\"sk-canary\"]", "{ canary = 1 }", "\"a, expected `canary`\""] {
            for key in ["server.listen", "ledger.queue", "local.enabled", "log.format", "local.watts"] {
                let said = only(&format!("{key} = {value}"));
                assert!(said.starts_with(key) && !said.contains("canary"), "{said}");
            }
        }
    }
}
