//! Which grader a row asks for: a name, or a table with `kind` and settings. Unknown names and settings are refused.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::{Map, Value};

use super::{
    All, Choice, Chrf, Contains, EmbeddingCosine, Exact, JsonFields, JsonSchema, Numeric, Pairwise, Pattern,
    RougeL, Rubric, Score, Scorer, TokenF1, ToolCalls,
};
use crate::evals::dataset::Sample;
use crate::evals::subject::Transcript;

/// A grader with its settings, as suites write it: a name, or a table with `kind`.
#[derive(Clone, Debug, PartialEq)]
pub enum ScorerSpec {
    /// See [`Exact`].
    Exact(Exact),
    /// See [`Choice`].
    Choice(Choice),
    /// See [`Contains`].
    Contains(Contains),
    /// See [`Pattern`].
    Regex(Pattern),
    /// See [`Numeric`].
    Numeric(Numeric),
    /// See [`JsonFields`].
    JsonFields(JsonFields),
    /// See [`JsonSchema`].
    JsonSchema(JsonSchema),
    /// See [`TokenF1`].
    TokenF1(TokenF1),
    /// See [`RougeL`].
    RougeL(RougeL),
    /// See [`Chrf`].
    Chrf(Chrf),
    /// See [`ToolCalls`].
    ToolCalls(ToolCalls),
    /// See [`EmbeddingCosine`].
    EmbeddingCosine(EmbeddingCosine),
    /// See [`Rubric`].
    Rubric(Rubric),
    /// See [`Pairwise`].
    Pairwise(Pairwise),
    /// See [`All`].
    All(All),
}

impl ScorerSpec {
    /// The names that suites write, in the order of the documentation.
    pub const KINDS: [&str; 15] = [
        "exact",
        "choice",
        "contains",
        "regex",
        "numeric",
        "json_fields",
        "json_schema",
        "token_f1",
        "rouge_l",
        "chrf",
        "tool_calls",
        "embedding_cosine",
        "rubric",
        "pairwise",
        "all",
    ];

    /// Its name, out of [`Self::KINDS`].
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Exact(_) => "exact",
            Self::Choice(_) => "choice",
            Self::Contains(_) => "contains",
            Self::Regex(_) => "regex",
            Self::Numeric(_) => "numeric",
            Self::JsonFields(_) => "json_fields",
            Self::JsonSchema(_) => "json_schema",
            Self::TokenF1(_) => "token_f1",
            Self::RougeL(_) => "rouge_l",
            Self::Chrf(_) => "chrf",
            Self::ToolCalls(_) => "tool_calls",
            Self::EmbeddingCosine(_) => "embedding_cosine",
            Self::Rubric(_) => "rubric",
            Self::Pairwise(_) => "pairwise",
            Self::All(_) => "all",
        }
    }

    /// Whether it asks a model: without one, nearly every answer stays unscored.
    pub fn asks_a_model(&self) -> bool {
        match self {
            Self::EmbeddingCosine(_) | Self::Rubric(_) | Self::Pairwise(_) => true,
            Self::All(all) => all.checks.iter().any(|check| check.scorer.asks_a_model()),
            _ => false,
        }
    }

    fn grader(&self) -> &dyn Scorer {
        match self {
            Self::Exact(it) => it,
            Self::Choice(it) => it,
            Self::Contains(it) => it,
            Self::Regex(it) => it,
            Self::Numeric(it) => it,
            Self::JsonFields(it) => it,
            Self::JsonSchema(it) => it,
            Self::TokenF1(it) => it,
            Self::RougeL(it) => it,
            Self::Chrf(it) => it,
            Self::ToolCalls(it) => it,
            Self::EmbeddingCosine(it) => it,
            Self::Rubric(it) => it,
            Self::Pairwise(it) => it,
            Self::All(it) => it,
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
            "regex" => settled(settings).map(Self::Regex),
            "numeric" => settled(settings).map(Self::Numeric),
            "json_fields" => settled(settings).map(Self::JsonFields),
            "json_schema" => settled(settings).map(Self::JsonSchema),
            "token_f1" => settled(settings).map(Self::TokenF1),
            "rouge_l" => settled(settings).map(Self::RougeL),
            "chrf" => settled(settings).map(Self::Chrf),
            "tool_calls" => settled(settings).map(Self::ToolCalls),
            "embedding_cosine" => settled(settings).map(Self::EmbeddingCosine),
            "rubric" => settled(settings).map(Self::Rubric),
            "pairwise" => settled(settings).map(Self::Pairwise),
            "all" => settled(settings).map(Self::All),
            other => Err(format!("`{other}` is none of {}", Self::KINDS.join(", "))),
        }
    }
}

impl<'de> Deserialize<'de> for ScorerSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (kind, settings) = match Value::deserialize(deserializer)? {
            Value::String(kind) => (kind, Value::Object(Map::new())),
            Value::Object(mut settings) => match settings.shift_remove("kind") {
                Some(Value::String(kind)) => (kind, Value::Object(settings)),
                _ => return Err(D::Error::custom("a scorer's table needs `kind`")),
            },
            _ => return Err(D::Error::custom("a scorer is a name, or a table with `kind`")),
        };
        Self::read(&kind, settings).map_err(|problem| D::Error::custom(format!("scorer `{kind}`: {problem}")))
    }
}

impl Scorer for ScorerSpec {
    fn check(&self, expected: &Value) -> Result<(), String> {
        self.grader().check(expected)
    }

    fn score(&self, sample: &Sample, answer: &Transcript) -> Score {
        self.grader().score(sample, answer)
    }

    fn gold(&self, expected: &Value) -> Option<Transcript> {
        self.grader().gold(expected)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
    fn every_kind_is_read_by_its_name() {
        let settings = json!({
            "choice": {"labels": ["a", "b"]},
            "regex": {"pattern": "a"},
            "json_schema": {"schema": {}},
            "rubric": {"rubric": "is polite"},
            "all": {"checks": [{"scorer": "exact", "expected": "a"}]},
        });
        for kind in ScorerSpec::KINDS {
            let mut table = settings[kind].as_object().cloned().unwrap_or_default();
            table.insert("kind".to_owned(), json!(kind));
            let spec: ScorerSpec = serde_json::from_value(Value::Object(table.clone())).unwrap();
            assert_eq!(spec.kind(), kind);
            table.insert("colour".to_owned(), json!("red"));
            let refused = serde_json::from_value::<ScorerSpec>(Value::Object(table)).unwrap_err().to_string();
            assert!(refused.contains("colour") && refused.contains(kind), "{refused}");
        }
    }
}
