//! `json_schema`: an answer is right where the JSON in it fits a schema, and on request field by field.
//! A schema is never fetched: a `$ref` that leads out of it is refused when the suite is read.

use std::fmt;
use std::sync::Arc;

use jsonschema::{PatternOptions, Validator};
use serde::Deserialize;
use serde_json::Value;

use super::json_fields::{first_json, share};
use super::{Score, Scorer, read_part};
use crate::evals::dataset::Sample;
use crate::evals::subject::Transcript;

/// Most bytes that one compiled `pattern` of a schema may take.
const LARGEST_PATTERN: usize = 1 << 20;

/// The first JSON object or list in the answer (with `whole`, the answer itself) fits `schema`; the draft is the one
/// that `$schema` names, else 2020-12. `expected` is an example that must fit too, or null. With `fields` the answer
/// must fit and is then worth the share of `expected`'s fields that are right, as `json_fields` counts them. `pattern`
/// has no look-around, `format` counts in every draft, and the first 100,000 bytes of the answer are read.
#[derive(Clone, Deserialize)]
#[serde(try_from = "Settings")]
pub struct JsonSchema {
    settings: Settings,
    validator: Arc<Validator>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    schema: Value,
    #[serde(default)]
    fields: bool,
    #[serde(default)]
    whole: bool,
}

impl TryFrom<Settings> for JsonSchema {
    type Error = String;

    fn try_from(settings: Settings) -> Result<Self, String> {
        let patterns = PatternOptions::regex().size_limit(LARGEST_PATTERN).dfa_size_limit(LARGEST_PATTERN);
        let validator = jsonschema::options()
            .offline()
            .should_validate_formats(true)
            .with_pattern_options(patterns)
            .build(&settings.schema)
            .map_err(|error| format!("`schema` is not usable: at `{}`: {error}", error.instance_path()))?;
        Ok(Self { settings, validator: Arc::new(validator) })
    }
}

impl fmt::Debug for JsonSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JsonSchema").field(&self.settings).finish()
    }
}

impl PartialEq for JsonSchema {
    fn eq(&self, other: &Self) -> bool {
        self.settings == other.settings
    }
}

impl JsonSchema {
    /// The JSON that is judged.
    fn found(&self, answer: &str) -> Option<Value> {
        let (text, _) = read_part(answer);
        if self.settings.whole {
            return serde_json::from_str(text).ok();
        }
        serde_json::from_str(text).ok().or_else(|| first_json(text, |it| it.is_object() || it.is_array()))
    }

    /// What does not fit, by the schema's own words: the answer's stay out.
    fn misfit(&self, value: &Value) -> Option<String> {
        let error = self.validator.validate(value).err()?;
        Some(format!("does not fit the schema: {}", error.schema_path()))
    }
}

impl Scorer for JsonSchema {
    fn check(&self, expected: &Value) -> Result<(), String> {
        if expected.is_null() {
            return if self.settings.fields {
                Err("`expected` must be an object, because `fields` is set".to_owned())
            } else {
                Ok(())
            };
        }
        if self.settings.fields && !expected.is_object() {
            return Err("`expected` must be an object, because `fields` is set".to_owned());
        }
        match self.misfit(expected) {
            None => Ok(()),
            Some(problem) => Err(format!("`expected` {problem}")),
        }
    }

    fn score(&self, sample: &Sample, answer: &Transcript) -> Score {
        let Some(value) = self.found(&answer.text) else {
            let missing = if self.settings.whole { "not JSON and nothing else" } else { "no JSON" };
            return Score::of(0.0, missing);
        };
        if let Some(problem) = self.misfit(&value) {
            return Score::of(0.0, problem);
        }
        match (&sample.expected, &value) {
            (Value::Object(expected), Value::Object(got)) if self.settings.fields => share(expected, got),
            _ if self.settings.fields => Score::of(0.0, "no JSON object"),
            _ => Score::flag(true, ""),
        }
    }

    fn gold(&self, expected: &Value) -> Option<Transcript> {
        (!expected.is_null()).then(|| Transcript::of(expected.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::evals::scorer::testing::{grade, refusal};

    fn person(extra: &Value) -> Value {
        let schema = json!({
            "type": "object",
            "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
            "required": ["name"],
            "additionalProperties": false,
        });
        let mut scorer = json!({"kind": "json_schema", "schema": schema});
        scorer.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        scorer
    }

    #[test]
    fn the_first_json_must_fit() {
        let scorer = person(&json!({}));
        let value = |answer| grade(&scorer, &Value::Null, answer);
        assert_eq!(value(r#"{"name": "Ana", "age": 3}"#), 1.0);
        assert_eq!(value("Here:\n```json\n{\"name\": \"Žoë\"}\n```"), 1.0);
        assert_eq!(value(r#"{"name": "Ana", "age": -1}"#), 0.0);
        assert_eq!(value(r#"{"name": "Ana", "colour": "red"}"#), 0.0);
        assert_eq!(value(""), 0.0);
        assert_eq!(value("[1]"), 0.0);
    }

    #[test]
    fn whole_means_nothing_around_it() {
        let scorer = person(&json!({"whole": true}));
        assert_eq!(grade(&scorer, &Value::Null, " {\"name\": \"Ana\"}\n"), 1.0);
        assert_eq!(grade(&scorer, &Value::Null, "Here: {\"name\": \"Ana\"}"), 0.0);
    }

    #[test]
    fn fields_are_counted_in_what_fits() {
        let scorer = person(&json!({"fields": true}));
        let expected = json!({"name": "Ana", "age": 3});
        assert_eq!(grade(&scorer, &expected, r#"{"name": " ana ", "age": 3}"#), 1.0);
        assert_eq!(grade(&scorer, &expected, r#"{"name": "Ana", "age": 4}"#), 0.5);
        assert_eq!(grade(&scorer, &expected, r#"{"age": 3}"#), 0.0, "does not fit at all");
    }

    #[test]
    fn schemas_and_examples_are_checked() {
        let schema = |schema: Value| json!({"kind": "json_schema", "schema": schema});
        assert!(refusal(&schema(json!({"type": "sausage"})), &Value::Null).contains("schema"));
        let pattern = json!({"properties": {"a": {"pattern": "(?=x)"}}});
        assert!(refusal(&schema(pattern), &Value::Null).contains("/properties/a/pattern"));
        assert!(refusal(&person(&json!({})), &json!({"age": 3})).contains("required"));
        assert!(refusal(&person(&json!({"fields": true})), &Value::Null).contains("object"));
    }

    #[test]
    fn e9_no_schema_is_ever_fetched() {
        for reference in ["http://127.0.0.1:1/s.json", "file:///etc/hostname", "other.json"] {
            let scorer = json!({"kind": "json_schema", "schema": {"$ref": reference}});
            assert!(refusal(&scorer, &Value::Null).contains("not usable"), "{reference}");
        }
        let inner = json!({"$defs": {"n": {"type": "integer"}}, "$ref": "#/$defs/n"});
        assert_eq!(grade(&json!({"kind": "json_schema", "schema": inner}), &Value::Null, "3"), 1.0);
    }

    #[test]
    fn e9_a_schema_that_means_nothing_but_itself_ends() {
        for schema in [
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#"}]}),
            json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"}),
        ] {
            let scorer = json!({"kind": "json_schema", "schema": schema});
            assert_eq!(grade(&scorer, &Value::Null, "{}"), 1.0, "nothing speaks against it");
        }
    }

    #[test]
    fn formats_count_in_every_draft() {
        for draft in
            ["http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2020-12/schema"]
        {
            let schema = json!({"$schema": draft, "format": "date"});
            let scorer = json!({"kind": "json_schema", "schema": schema, "whole": true});
            assert_eq!(grade(&scorer, &Value::Null, "\"2024-02-29\""), 1.0, "{draft}");
            assert_eq!(grade(&scorer, &Value::Null, "\"2023-02-29\""), 0.0, "{draft}");
        }
    }

    #[test]
    fn e9_a_schema_that_calls_itself_ends() {
        let tree = json!({"type": "object", "properties": {"left": {"$ref": "#"}}});
        let scorer = json!({"kind": "json_schema", "schema": tree});
        assert_eq!(grade(&scorer, &Value::Null, r#"{"left": {"left": {}}}"#), 1.0);
        assert_eq!(grade(&scorer, &Value::Null, &"{\"left\":".repeat(100_000)), 0.0);
    }
}
