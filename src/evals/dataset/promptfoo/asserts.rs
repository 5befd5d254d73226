//! promptfoo's asserts as our scorers. What is graded a little differently is noted; what runs code, asks a service or
//! measures something other than the answer is refused by name.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::Vars;
use super::files::Folder;
use super::template::render;
use crate::evals::dataset::import::{contains, from_yaml};

/// promptfoo's threshold where an assert does not say.
const DEFAULT_THRESHOLD: f64 = 0.75;
/// Points that a rubric asks for where the assert does not say.
const DEFAULT_POINTS: f64 = 7.0;

/// One assert as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Assert {
    r#type: String,
    value: Option<Value>,
    threshold: Option<f64>,
    weight: Option<f64>,
    // Who grades, and under which name: not what is right.
    #[serde(rename = "provider")]
    _provider: Option<IgnoredAny>,
    #[serde(rename = "metric")]
    _metric: Option<IgnoredAny>,
}

/// One assert as a check of our scorer `all`.
pub(super) struct Mapping {
    scorer: Value,
    expected: Value,
    not: bool,
    at_least: Option<f64>,
    weight: Option<f64>,
}

impl Mapping {
    fn of((scorer, expected): (Value, Value)) -> Self {
        Self { scorer, expected, not: false, at_least: None, weight: None }
    }

    fn check(self) -> Value {
        let mut check = json!({"scorer": self.scorer});
        if !self.expected.is_null() {
            check["expected"] = self.expected;
        }
        if self.not {
            check["not"] = true.into();
        }
        if let Some(least) = self.at_least {
            check["at_least"] = json!(least);
        }
        if let Some(weight) = self.weight {
            check["weight"] = json!(weight);
        }
        check
    }
}

/// One scorer for all asserts of a test; `None` where there are none.
pub(super) fn joined(mut checks: Vec<Mapping>, threshold: Option<f64>) -> Option<(Value, Value)> {
    let plain = |check: &Mapping| !check.not && check.at_least.is_none();
    match &mut checks[..] {
        [] => None,
        [one] if plain(one) && threshold.is_none() => Some((one.scorer.take(), one.expected.take())),
        _ => {
            let checks: Vec<Value> = checks.into_iter().map(Mapping::check).collect();
            let mut scorer = json!({"kind": "all", "checks": checks});
            if let Some(threshold) = threshold {
                scorer["threshold"] = json!(threshold);
            }
            Some((scorer, Value::Null))
        }
    }
}

impl Assert {
    /// The check that says the same, with the variables put in.
    ///
    /// # Errors
    /// What is not supported, by name, or what is wrong with the value.
    pub(super) fn check(
        &self,
        vars: &Vars,
        folder: &Folder,
        notes: &mut BTreeSet<String>,
    ) -> Result<Mapping, String> {
        let mut value = self.value.as_ref().map(|value| render(value, vars)).transpose()?;
        if let Some(Value::String(text)) = &mut value {
            *text = folder.text(text)?;
        }
        let (not, kind) = match self.r#type.strip_prefix("not-") {
            Some(kind) => (true, kind),
            None => (false, self.r#type.as_str()),
        };
        let mut mapping = self.map(kind, value.unwrap_or_default(), notes)?;
        mapping.not = not;
        mapping.weight = self.weight.filter(|weight| *weight != 1.0);
        if self.weight == Some(0.0) {
            return Err("`weight: 0` is not supported: leave the assert out".to_owned());
        }
        Ok(mapping)
    }

    fn map(&self, kind: &str, value: Value, notes: &mut BTreeSet<String>) -> Result<Mapping, String> {
        let mut note = |text: &str| {
            notes.insert(text.to_owned());
        };
        let text = || text_of(kind, &value);
        let list = || list_of(kind, &value);
        Ok(Mapping::of(match kind {
            "equals" => match &value {
                Value::Object(_) | Value::Array(_) => {
                    (json!({"kind": "json_schema", "schema": {"const": value}, "whole": true}), value)
                }
                _ => {
                    note(
                        "equals: outer space and closing punctuation are let pass, as the scorer exact does",
                    );
                    (json!({"kind": "exact", "case_sensitive": true}), json!(text()?))
                }
            },
            "contains" => contains(&[text()?], false, true),
            "icontains" => contains(&[text()?], false, false),
            "contains-all" => contains(&list()?, true, true),
            "icontains-all" => contains(&list()?, true, false),
            "contains-any" => contains(&list()?, false, true),
            "icontains-any" => contains(&list()?, false, false),
            "starts-with" => pattern(&format!(r"\A{}", regex::escape(&text()?))),
            "ends-with" => pattern(&format!(r"{}\z", regex::escape(&text()?))),
            "regex" => pattern(&text()?),
            "is-json" | "contains-json" => schema(kind, value)?,
            "rouge-n" => {
                note("rouge-n is graded by token_f1, the overlap of single words, with its threshold");
                return Ok(self.held((json!("token_f1"), json!(text()?))));
            }
            "rouge-l" => return Ok(self.held((json!("rouge_l"), json!(text()?)))),
            "similar" | "similar:cosine" => {
                note("similar asks the embedder that `eval run` is given, not its `provider`");
                let threshold = self.threshold.unwrap_or(DEFAULT_THRESHOLD);
                let expected = if value.is_array() { json!(list()?) } else { json!(text()?) };
                (json!({"kind": "embedding_cosine", "threshold": threshold}), expected)
            }
            "llm-rubric" => {
                note("llm-rubric asks the judge that `eval run` is given, for 1 to 10 points");
                let points = self
                    .threshold
                    .map_or(DEFAULT_POINTS, |threshold| ((threshold * 1e3).round() / 1e2).max(1.0));
                (json!({"kind": "rubric", "rubric": text()?, "threshold": points}), Value::Null)
            }
            other => return Err(refused(other)),
        }))
    }

    /// A measure that passes from its threshold on.
    fn held(&self, mapped: (Value, Value)) -> Mapping {
        Mapping { at_least: Some(self.threshold.unwrap_or(DEFAULT_THRESHOLD)), ..Mapping::of(mapped) }
    }
}

fn pattern(pattern: &str) -> (Value, Value) {
    (json!({"kind": "regex", "pattern": pattern}), Value::Null)
}

fn schema(kind: &str, value: Value) -> Result<(Value, Value), String> {
    let schema = match value {
        Value::Null => json!(true),
        Value::Object(_) | Value::Bool(_) => value,
        Value::String(text) => from_yaml(&text)
            .map_err(|_| format!("the value of `{kind}` is a text that holds no JSON schema"))?,
        _ => return Err(format!("the value of `{kind}` is no JSON schema")),
    };
    let whole = kind == "is-json";
    Ok((json!({"kind": "json_schema", "schema": schema, "whole": whole}), Value::Null))
}

fn text_of(kind: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        _ => Err(format!("the value of `{kind}` must be a text that is not empty")),
    }
}

/// A list of texts, or one text that parts them with commas.
fn list_of(kind: &str, value: &Value) -> Result<Vec<String>, String> {
    match value {
        Value::Array(items) if !items.is_empty() => items.iter().map(|item| text_of(kind, item)).collect(),
        Value::String(text) if text.contains('"') => {
            Err(format!("the value of `{kind}` is a text with quotes: write it as a list"))
        }
        Value::String(text) => text.split(',').map(|item| text_of(kind, &Value::from(item.trim()))).collect(),
        _ => Err(format!("the value of `{kind}` must be a list of texts")),
    }
}

fn refused(kind: &str) -> String {
    match kind {
        "javascript" | "python" | "ruby" | "webhook" => {
            format!("the assert `{kind}` runs code or calls a service, which no grader here ever does")
        }
        "cost" | "latency" | "perplexity" | "perplexity-score" | "finish-reason" => {
            format!("the assert `{kind}` does not grade the answer: reports and gates say this of every run")
        }
        _ => format!("the assert `{kind}` is not supported"),
    }
}
