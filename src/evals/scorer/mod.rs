//! Graders: each compares an answer's text with the expected one and says how right it is, from 0 to 1, and why.
//! Unscored is not zero: it means that nothing could be judged. A grader reads text only and executes nothing.

mod choice;
mod exact;
mod json_fields;
mod numeric;
pub(super) mod token_f1;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::Value;

use super::dataset::Sample;
use super::subject::Transcript;

pub use choice::Choice;
pub use exact::{Contains, Exact};
pub use json_fields::JsonFields;
pub use numeric::Numeric;
pub use token_f1::TokenF1;

/// What an answer is worth.
#[derive(Clone, Debug, PartialEq)]
pub enum Score {
    /// It was judged.
    Scored {
        /// From 0 (wrong) to 1 (right).
        value: f64,
        /// In a few words, without the answer's text.
        why: String,
    },
    /// It could not be judged; counts neither for nor against.
    Unscored {
        /// In a few words.
        why: String,
    },
}

impl Score {
    /// A judged answer; `value` is held to `[0, 1]`.
    pub fn of(value: f64, why: impl Into<String>) -> Self {
        Self::Scored { value: value.clamp(0.0, 1.0), why: why.into() }
    }

    /// Right or wrong.
    pub fn flag(right: bool, wrong: &str) -> Self {
        if right { Self::of(1.0, "right") } else { Self::of(0.0, wrong) }
    }

    /// The value, where it was judged.
    pub fn value(&self) -> Option<f64> {
        match self {
            Self::Scored { value, .. } => Some(*value),
            Self::Unscored { .. } => None,
        }
    }

    /// Why.
    pub fn why(&self) -> &str {
        match self {
            Self::Scored { why, .. } | Self::Unscored { why } => why,
        }
    }
}

/// Grades one answer to one sample.
pub trait Scorer: Send + Sync {
    /// Whether `expected` is something that this grader can compare with; says what is wrong if not.
    ///
    /// # Errors
    /// What is wrong with `expected`, for the line's report.
    fn check(&self, expected: &Value) -> Result<(), String>;

    /// Grades. Never fails: what cannot be judged is [`Score::Unscored`].
    fn score(&self, sample: &Sample, answer: &Transcript) -> Score;
}

/// A grader with its settings, as suites write it: a name, or a table with `kind`.
#[derive(Clone, Debug, PartialEq)]
pub enum ScorerSpec {
    /// See [`Exact`].
    Exact(Exact),
    /// See [`Choice`].
    Choice(Choice),
    /// See [`Contains`].
    Contains(Contains),
    /// See [`Numeric`].
    Numeric(Numeric),
    /// See [`JsonFields`].
    JsonFields(JsonFields),
    /// See [`TokenF1`].
    TokenF1(TokenF1),
}

impl ScorerSpec {
    fn grader(&self) -> &dyn Scorer {
        match self {
            Self::Exact(it) => it,
            Self::Choice(it) => it,
            Self::Contains(it) => it,
            Self::Numeric(it) => it,
            Self::JsonFields(it) => it,
            Self::TokenF1(it) => it,
        }
    }

    fn read(kind: &str, settings: Value) -> Result<Self, String> {
        fn settled<T: serde::de::DeserializeOwned>(settings: Value) -> Result<T, String> {
            serde_json::from_value(settings).map_err(|error| error.to_string())
        }
        match kind {
            "exact" => settled(settings).map(Self::Exact),
            "choice" => settled(settings).map(Self::Choice),
            "contains" => settled(settings).map(Self::Contains),
            "numeric" => settled(settings).map(Self::Numeric),
            "json_fields" => settled(settings).map(Self::JsonFields),
            "token_f1" => settled(settings).map(Self::TokenF1),
            other => Err(format!(
                "unknown scorer `{other}`: use exact, choice, contains, numeric, json_fields or token_f1"
            )),
        }
    }
}

impl<'de> Deserialize<'de> for ScorerSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (kind, settings) = match Value::deserialize(deserializer)? {
            Value::String(kind) => (kind, Value::Object(serde_json::Map::new())),
            Value::Object(mut settings) => match settings.shift_remove("kind") {
                Some(Value::String(kind)) => (kind, Value::Object(settings)),
                _ => return Err(D::Error::custom("a scorer's table needs `kind`")),
            },
            _ => return Err(D::Error::custom("a scorer is a name, or a table with `kind`")),
        };
        Self::read(&kind, settings).map_err(|problem| D::Error::custom(format!("scorer: {problem}")))
    }
}

impl Scorer for ScorerSpec {
    fn check(&self, expected: &Value) -> Result<(), String> {
        self.grader().check(expected)
    }

    fn score(&self, sample: &Sample, answer: &Transcript) -> Score {
        self.grader().score(sample, answer)
    }
}

/// The accepted texts of `expected`: one, or a list of alternatives.
fn alternatives(expected: &Value) -> Option<Vec<&str>> {
    match expected {
        Value::String(text) => Some(vec![text]),
        Value::Array(texts) if !texts.is_empty() => texts.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

fn check_alternatives(expected: &Value) -> Result<(), String> {
    match alternatives(expected) {
        Some(texts) if texts.iter().all(|text| !text.trim().is_empty()) => Ok(()),
        _ => Err("`expected` must be a text or a list of accepted texts, none of them empty".to_owned()),
    }
}

/// For gradings that meet an `expected` which [`Scorer::check`] would have refused.
fn unreadable() -> Score {
    Score::Unscored { why: "the expected answer is not in the scorer's form".to_owned() }
}

#[cfg(test)]
pub(super) mod testing {
    use serde_json::{Value, json};

    use super::{Score, Scorer, ScorerSpec};
    use crate::evals::dataset::Sample;
    use crate::evals::subject::Transcript;

    pub(in crate::evals) fn sample(scorer: Value, expected: Value) -> Sample {
        Sample {
            id: "row".to_owned(),
            messages: vec![json!({"role": "user", "content": "?"})],
            expected,
            scorer: serde_json::from_value(scorer).unwrap(),
            task: "test".to_owned(),
            tags: vec![],
            difficulty: None,
        }
    }

    /// The value that `answer` gets.
    pub(in crate::evals) fn grade(scorer: &Value, expected: &Value, answer: &str) -> f64 {
        let sample = sample(scorer.clone(), expected.clone());
        sample.scorer.check(expected).unwrap();
        match sample.scorer.score(&sample, &Transcript::of(answer)) {
            Score::Scored { value, .. } => value,
            Score::Unscored { why } => panic!("unscored: {why}"),
        }
    }

    #[test]
    fn a_scorer_is_a_name_or_a_table_and_unknown_settings_are_refused() {
        let read = |text: &str| serde_json::from_str::<ScorerSpec>(text).map_err(|error| error.to_string());
        assert_eq!(read("\"exact\""), read(r#"{"kind": "exact"}"#));
        assert!(read(r#"{"kind": "exact", "colour": 1}"#).unwrap_err().contains("colour"));
        assert!(read(r#"{"labels": ["a"]}"#).unwrap_err().contains("kind"));
        assert!(read("\"choice\"").unwrap_err().contains("labels"));
        assert!(read("3").unwrap_err().contains("name"));
    }

    #[test]
    fn what_cannot_be_judged_is_unscored() {
        let sample = sample(json!("numeric"), json!({"not": "a number"}));
        assert_eq!(sample.scorer.score(&sample, &Transcript::of("4")).value(), None);
    }
}
