//! `tool_calls`: the tools that a model asks to call, and with what. Nothing is called.
//! Compares names and arguments, not ids, and not whatever text stands beside the calls.

use serde::Deserialize;
use serde_json::Value;

use super::{Score, Scorer, unreadable};
use crate::evals::dataset::Sample;
use crate::evals::subject::{ToolCall, Transcript};

/// Most calls that are compared.
const MOST_CALLS: usize = 100;

/// The share of calls that are right, of all that are expected or made: a call too many counts against the answer as
/// one too few does. Calls are matched in order, or with `any_order` in whatever order they come. Arguments are equal
/// as JSON values: numbers by value, objects in any order of keys, texts to the letter. `expected` is a list of
/// `{"name", "arguments"}`; an empty list is right where no tool is called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ToolCalls {
    /// Whether the order of the calls is free.
    pub any_order: bool,
}

fn calls(expected: &Value) -> Result<Vec<ToolCall>, String> {
    serde_json::from_value(expected.clone()).map_err(|error| error.to_string())
}

impl Scorer for ToolCalls {
    fn check(&self, expected: &Value) -> Result<(), String> {
        let calls = calls(expected).map_err(|problem| {
            format!("`expected` must be a list of {{\"name\": ..., \"arguments\": {{...}}}}: {problem}")
        })?;
        if calls.len() > MOST_CALLS {
            return Err(format!("`expected` has {} calls, at most {MOST_CALLS} are compared", calls.len()));
        }
        if calls.iter().any(|call| call.name.is_empty() || !call.arguments.is_object()) {
            return Err("a call in `expected` has no name, or arguments that are no object".to_owned());
        }
        Ok(())
    }

    fn score(&self, sample: &Sample, answer: &Transcript) -> Score {
        let Ok(expected) = calls(&sample.expected) else { return unreadable() };
        let all = expected.len().max(answer.tool_calls.len());
        if all == 0 {
            return Score::flag(true, "");
        }
        let got = &answer.tool_calls[..answer.tool_calls.len().min(MOST_CALLS)];
        let right = if self.any_order { matched(&expected, got) } else { in_order(&expected, got) };
        Score::of(right as f64 / all as f64, format!("{right} of {all} tool calls right"))
    }

    fn gold(&self, expected: &Value) -> Option<Transcript> {
        Some(Transcript { tool_calls: calls(expected).ok()?, ..Transcript::default() })
    }
}

/// Calls that find a partner, in whatever order.
fn matched(expected: &[ToolCall], got: &[ToolCall]) -> usize {
    let mut left: Vec<&ToolCall> = expected.iter().collect();
    for call in got {
        if let Some(at) = left.iter().position(|expected| same_call(expected, call)) {
            left.swap_remove(at);
        }
    }
    expected.len() - left.len()
}

/// Calls of the longest common subsequence.
fn in_order(expected: &[ToolCall], got: &[ToolCall]) -> usize {
    let mut row = vec![0_usize; got.len() + 1];
    for call in expected {
        let mut diagonal = 0;
        for (at, candidate) in got.iter().enumerate() {
            let above = row[at + 1];
            row[at + 1] = if same_call(call, candidate) { diagonal + 1 } else { above.max(row[at]) };
            diagonal = above;
        }
    }
    row.last().copied().unwrap_or_default()
}

fn same_call(one: &ToolCall, other: &ToolCall) -> bool {
    one.name == other.name && same(&one.arguments, &other.arguments)
}

/// Equal as JSON values: `1` is `1.0`.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, one)| other.get(key).is_some_and(|other| same(one, other)))
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::evals::scorer::testing::{grade_transcript, refusal};

    fn answer(calls: &[(&str, Value)]) -> Transcript {
        let calls = calls
            .iter()
            .map(|(name, arguments)| ToolCall { name: (*name).to_owned(), arguments: arguments.clone() });
        Transcript { tool_calls: calls.collect(), ..Transcript::of("some text") }
    }

    fn weather(city: &str) -> (&'static str, Value) {
        ("weather", json!({"city": city, "days": 2}))
    }

    #[test]
    fn names_and_arguments_must_agree_as_values() {
        let expected = json!([{"name": "weather", "arguments": {"city": "Oslo", "days": 2}}]);
        let value = |answer: &Transcript| grade_transcript(&json!("tool_calls"), &expected, answer);
        assert_eq!(value(&answer(&[("weather", json!({"days": 2.0, "city": "Oslo"}))])), 1.0);
        assert_eq!(value(&answer(&[("weather", json!({"days": "2", "city": "Oslo"}))])), 0.0);
        assert_eq!(value(&answer(&[("weather", json!({"city": "Oslo"}))])), 0.0);
        assert_eq!(value(&answer(&[("forecast", json!({"city": "Oslo", "days": 2}))])), 0.0);
        assert_eq!(value(&answer(&[weather("Oslo"), weather("Rome")])), 0.5);
        assert_eq!(value(&Transcript::of("Oslo is cold")), 0.0);
    }

    #[test]
    fn order_counts_unless_it_is_free() {
        let expected = json!([
            {"name": "weather", "arguments": {"city": "Oslo", "days": 2}},
            {"name": "weather", "arguments": {"city": "Rome", "days": 2}},
        ]);
        let swapped = answer(&[weather("Rome"), weather("Oslo")]);
        assert_eq!(grade_transcript(&json!("tool_calls"), &expected, &swapped), 0.5);
        let free = json!({"kind": "tool_calls", "any_order": true});
        assert_eq!(grade_transcript(&free, &expected, &swapped), 1.0);
        let twice = answer(&[weather("Rome"), weather("Rome")]);
        assert_eq!(grade_transcript(&free, &expected, &twice), 0.5, "one call answers for one");
    }

    #[test]
    fn calling_nothing_can_be_right() {
        assert_eq!(grade_transcript(&json!("tool_calls"), &json!([]), &Transcript::of("no need")), 1.0);
        assert_eq!(grade_transcript(&json!("tool_calls"), &json!([]), &answer(&[weather("Oslo")])), 0.0);
    }

    #[test]
    fn arguments_that_are_no_json_are_wrong() {
        let expected = json!([{"name": "weather"}]);
        let broken = answer(&[("weather", json!("{\"city\": "))]);
        assert_eq!(grade_transcript(&json!("tool_calls"), &expected, &broken), 0.0);
        assert_eq!(
            grade_transcript(&json!("tool_calls"), &expected, &answer(&[("weather", json!({}))])),
            1.0
        );
    }

    #[test]
    fn expected_is_checked() {
        for (expected, why) in [
            (json!("weather"), "list"),
            (json!([{"arguments": {}}]), "name"),
            (json!([{"name": "a", "arguments": "{}"}]), "no object"),
            (json!([{"name": "a", "colour": 1}]), "colour"),
        ] {
            assert!(refusal(&json!("tool_calls"), &expected).contains(why), "{expected}");
        }
    }
}
