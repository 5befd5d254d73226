//! Graders: each compares an answer's text with the expected one and says how right it is, from 0 to 1, and why.
//! Unscored is not zero: it means that nothing could be judged. A grader reads text only and executes nothing.

mod all;
mod choice;
mod chrf;
mod exact;
mod graded;
mod json_fields;
mod json_schema;
mod numeric;
mod pattern;
mod rouge_l;
mod spec;
pub(super) mod token_f1;
mod tool_calls;

use serde_json::Value;

use super::dataset::Sample;
use super::subject::Transcript;

pub use all::{All, Check};
pub use choice::Choice;
pub use chrf::Chrf;
pub use exact::{Contains, Exact};
pub use graded::{EmbeddingCosine, Pairwise, Rubric};
pub use json_fields::JsonFields;
pub use json_schema::JsonSchema;
pub use numeric::Numeric;
pub use pattern::Pattern;
pub use rouge_l::RougeL;
pub use spec::ScorerSpec;
pub use token_f1::TokenF1;
pub use tool_calls::ToolCalls;

/// Most bytes of an answer that `regex`, `json_fields`, `json_schema`, `rouge_l`, `chrf` and the graders that ask a model read; the
/// rest is not compared. Keeps the time of a grading bounded whatever a model wrote.
pub(super) const LONGEST_READ: usize = 100_000;

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

    /// An answer that gets full marks, made of `expected`; `None` where `expected` does not hold one.
    fn gold(&self, expected: &Value) -> Option<Transcript> {
        (!expected.is_null()).then(|| Transcript::of(text_of(expected)))
    }
}

/// An expected answer as a model would write it: a text as it is, of several accepted ones the first, anything else
/// as JSON.
fn text_of(expected: &Value) -> String {
    match expected {
        Value::String(text) => text.clone(),
        Value::Array(texts) => texts.first().map(text_of).unwrap_or_default(),
        other => other.to_string(),
    }
}

/// What is read of `text`, and whether that is less than all.
fn read_part(text: &str) -> (&str, bool) {
    let end = text.floor_char_boundary(LONGEST_READ);
    (&text[..end], end < text.len())
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
            tools: vec![],
        }
    }

    /// The value that `answer` gets.
    pub(in crate::evals) fn grade(scorer: &Value, expected: &Value, answer: &str) -> f64 {
        grade_transcript(scorer, expected, &Transcript::of(answer))
    }

    /// The value that `answer`, which may hold tool calls, gets.
    pub(in crate::evals) fn grade_transcript(scorer: &Value, expected: &Value, answer: &Transcript) -> f64 {
        let sample = sample(scorer.clone(), expected.clone());
        sample.scorer.check(expected).unwrap();
        match sample.scorer.score(&sample, answer) {
            Score::Scored { value, .. } => value,
            Score::Unscored { why } => panic!("unscored: {why}"),
        }
    }

    /// Why the scorer's settings, or `expected`, are refused.
    pub(in crate::evals) fn refusal(scorer: &Value, expected: &Value) -> String {
        match serde_json::from_value::<ScorerSpec>(scorer.clone()) {
            Err(error) => error.to_string(),
            Ok(scorer) => scorer.check(expected).unwrap_err(),
        }
    }

    #[test]
    fn what_cannot_be_judged_is_unscored() {
        let sample = sample(json!("numeric"), json!({"not": "a number"}));
        assert_eq!(sample.scorer.score(&sample, &Transcript::of("4")).value(), None);
    }
}
