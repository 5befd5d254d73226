//! Extraction to JSON, graded field by field. The first JSON object in the answer counts, whatever stands around it.
//! Compares values, not types that merely look alike: the text `"5"` is not the number `5`.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Score, Scorer, read_part, unreadable};
use crate::evals::dataset::Sample;
use crate::evals::subject::Transcript;

/// The share of fields that are right, of all fields that are expected or given: a field too many counts against the
/// answer as one too few does. Texts are compared trimmed and without case, numbers by value, lists in order, objects
/// key by key; `null` is the same as an absent field. The first 100,000 bytes of the answer are read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JsonFields {}

impl Scorer for JsonFields {
    fn check(&self, expected: &Value) -> Result<(), String> {
        match expected {
            Value::Object(_) => Ok(()),
            _ => Err("`expected` must be an object".to_owned()),
        }
    }

    fn score(&self, sample: &Sample, answer: &Transcript) -> Score {
        let Value::Object(expected) = &sample.expected else { return unreadable() };
        let Some(got) = first_object(read_part(&answer.text).0) else {
            return Score::of(0.0, "no JSON object");
        };
        share(expected, &got)
    }
}

/// The share of right fields, of all that are expected or given.
pub(super) fn share(expected: &Map<String, Value>, got: &Map<String, Value>) -> Score {
    let (mut right, mut all) = (0_u32, 0_u32);
    for (key, value) in present(expected) {
        all += 1;
        right += u32::from(got.get(key).is_some_and(|got| same(value, got)));
    }
    all += present(got).filter(|(key, _)| absent(expected.get(*key))).count() as u32;
    let share = if all == 0 { 1.0 } else { f64::from(right) / f64::from(all) };
    Score::of(share, format!("{right} of {all} fields right"))
}

fn absent(value: Option<&Value>) -> bool {
    value.is_none_or(Value::is_null)
}

fn present(object: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    object.iter().filter(|(_, value)| !value.is_null())
}

fn first_object(text: &str) -> Option<Map<String, Value>> {
    match first_json(text, Value::is_object) {
        Some(Value::Object(object)) => Some(object),
        _ => None,
    }
}

/// The first object or list that can be read whole from some place in `text` on and that `wanted` accepts. Gives up
/// after 1,000 places, so that a flood of brackets costs no more time than any other text.
pub(in crate::evals) fn first_json(text: &str, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
    const MOST_PLACES: usize = 1_000;
    text.match_indices(['{', '[']).take(MOST_PLACES).find_map(|(at, _)| {
        let mut values = serde_json::Deserializer::from_str(&text[at..]).into_iter::<Value>();
        values.next()?.ok().filter(&wanted)
    })
}

fn same(expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::String(expected), Value::String(got)) => {
            expected.trim().to_lowercase() == got.trim().to_lowercase()
        }
        (Value::Number(expected), Value::Number(got)) => match (expected.as_f64(), got.as_f64()) {
            (Some(expected), Some(got)) => {
                (expected - got).abs() <= 1e-9 * expected.abs().max(got.abs()).max(1.0)
            }
            _ => expected == got,
        },
        (Value::Array(expected), Value::Array(got)) => {
            expected.len() == got.len() && expected.iter().zip(got).all(|(expected, got)| same(expected, got))
        }
        (Value::Object(expected), Value::Object(got)) => {
            present(expected).all(|(key, value)| got.get(key).is_some_and(|got| same(value, got)))
                && present(got).all(|(key, _)| !absent(expected.get(key)))
        }
        _ => expected == got,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::evals::scorer::testing::grade;

    fn fields(expected: &Value, answer: &str) -> f64 {
        grade(&json!("json_fields"), expected, answer)
    }

    #[test]
    fn counts_right_missing_wrong_and_extra_fields() {
        let expected = json!({"city": "Paris", "guests": 2});
        assert_eq!(fields(&expected, r#"{"city": " paris ", "guests": 2.0}"#), 1.0);
        assert_eq!(fields(&expected, r#"{"city": "Paris"}"#), 0.5);
        assert_eq!(fields(&expected, r#"{"city": "Rome", "guests": 2}"#), 0.5);
        assert_eq!(fields(&expected, r#"{"city": "Paris", "guests": 2, "day": "Monday"}"#), 2.0 / 3.0);
        assert_eq!(fields(&expected, r#"{"city": "Paris", "guests": "2"}"#), 0.5);
        assert_eq!(fields(&expected, "Paris, 2 guests"), 0.0);
    }

    #[test]
    fn reads_the_first_whole_object_whatever_is_around_it() {
        let expected = json!({"a": 1});
        assert_eq!(fields(&expected, "Sure {ok}:\n```json\n{\"a\": 1}\n```\n{\"a\": 2}"), 1.0);
        assert_eq!(fields(&expected, "{\"a\": 1"), 0.0);
        assert_eq!(fields(&expected, "[{\"a\": 1}]"), 1.0);
    }

    #[test]
    fn null_is_absent() {
        assert_eq!(fields(&json!({"a": 1}), r#"{"a": 1, "b": null}"#), 1.0);
        assert_eq!(fields(&json!({"a": 1, "b": null}), r#"{"a": 1}"#), 1.0);
        assert_eq!(fields(&json!({"a": 1, "b": null}), r#"{"a": 1, "b": 2}"#), 0.5);
        assert_eq!(fields(&json!({}), "{}"), 1.0);
        assert_eq!(fields(&json!({}), r#"{"a": 1}"#), 0.0);
    }

    #[test]
    fn compares_nested_values() {
        let expected = json!({"when": {"day": "Mon", "hour": 7}, "tags": ["a", "B"]});
        assert_eq!(fields(&expected, r#"{"when": {"hour": 7, "day": "mon"}, "tags": ["A", "b"]}"#), 1.0);
        assert_eq!(
            fields(&expected, r#"{"when": {"hour": 7, "day": "mon", "x": 1}, "tags": ["b", "a"]}"#),
            0.0
        );
    }

    #[test]
    fn deep_nesting_ends() {
        assert_eq!(fields(&json!({"a": 1}), &"{\"a\":".repeat(500_000)), 0.0);
    }
}
