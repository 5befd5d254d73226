//! `gold-oracle`: answers with the expected answer. It stands where a frontier model would, and is an upper bound on
//! what any remote model could reach, not a measurement of one. Its cost is an estimate from the remote's prices.

use futures_util::future::{BoxFuture, FutureExt, ready};

use super::{Price, ServedBy, Subject, SubjectError, Transcript};
use crate::chat::Usage;
use crate::evals::dataset::Sample;
use crate::evals::scorer::Scorer;

/// The gold answer as a remote tier.
#[derive(Debug, Default)]
pub struct GoldOracle {
    price: Option<Price>,
}

impl GoldOracle {
    /// The name in reports.
    pub const NAME: &str = "gold-oracle";

    /// An oracle that costs what the remote model would for the same texts; without prices its cost is unknown.
    pub fn new(price: Option<Price>) -> Self {
        Self { price }
    }

    fn answer(&self, sample: &Sample) -> Result<Transcript, SubjectError> {
        let gold = sample.scorer.gold(&sample.expected).ok_or(SubjectError::NoGold)?;
        let calls: usize = gold.tool_calls.iter().map(|call| call.arguments.to_string().len()).sum();
        let usage = Usage {
            prompt: estimate_tokens(sample.prompt_chars()),
            completion: estimate_tokens(gold.text.chars().count() + calls),
            estimated: true,
            ..Usage::default()
        };
        let cost = self.price.as_ref().and_then(|price| price.of(&usage));
        Ok(Transcript { served_by: ServedBy::Remote, usage, cost, cost_if_remote: cost, ..gold })
    }
}

/// About four characters a token.
fn estimate_tokens(chars: usize) -> u64 {
    (chars as u64).div_ceil(4)
}

impl Subject for GoldOracle {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn ask<'a>(&'a self, sample: &'a Sample) -> BoxFuture<'a, Result<Transcript, SubjectError>> {
        ready(self.answer(sample)).boxed()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::chat::Micros;
    use crate::evals::scorer::testing::sample;

    #[test]
    fn gets_full_marks_from_every_scorer() {
        let cases = [
            (json!("exact"), json!(["UK", "United Kingdom"])),
            (json!({"kind": "choice", "labels": ["a b", "a"]}), json!("a b")),
            (json!("contains"), json!("12")),
            (json!({"kind": "contains", "all": false}), json!(["red", "blue"])),
            (json!({"kind": "contains", "all": true}), json!(["red", "blue"])),
            (json!({"kind": "regex", "pattern": "^a+$"}), json!("aa")),
            (json!({"kind": "json_schema", "schema": {"type": "array"}}), json!([1, 2])),
            (json!({"kind": "json_schema", "schema": {}, "fields": true}), json!({"a": 1})),
            (json!("rouge_l"), json!(["red fox", "dog"])),
            (json!("chrf"), json!("fox")),
            (json!("tool_calls"), json!([{"name": "weather", "arguments": {"city": "Oslo"}}])),
            (json!("rubric"), json!("a fox")),
            (json!("pairwise"), json!("a fox")),
            (json!("embedding_cosine"), json!(["a fox", "a dog"])),
            (json!({"kind": "all", "checks": [{"scorer": "exact", "expected": "a"}]}), json!("a")),
            (json!("numeric"), json!(-1234.5)),
            (json!("json_fields"), json!({"a": {"b": [1, "x"]}})),
            (json!("token_f1"), json!("the tower")),
        ];
        for (scorer, expected) in cases {
            let sample = sample(scorer, expected);
            let answer = GoldOracle::default().answer(&sample).unwrap();
            assert_eq!(sample.scorer.score(&sample, &answer).value(), Some(1.0), "{}", sample.expected);
        }
    }

    #[test]
    fn costs_what_the_remote_would_and_is_unknown_without_prices() {
        let sample = sample(json!("exact"), json!("12345678"));
        assert_eq!(GoldOracle::default().answer(&sample).unwrap().cost, None);
        let price =
            Price::new("m", |usage| Some(Micros((usage.prompt * 10 + usage.completion * 100) as i64)));
        let answer = GoldOracle::new(Some(price)).answer(&sample).unwrap();
        assert_eq!(answer.cost, Some(Micros(10 + 200)));
        assert!(answer.usage.estimated);
        assert_eq!(answer.total, None);
    }
    #[test]
    fn says_nothing_where_a_row_holds_no_answer() {
        let row = sample(json!({"kind": "regex", "pattern": "a"}), serde_json::Value::Null);
        assert_eq!(GoldOracle::default().answer(&row), Err(SubjectError::NoGold));
    }

    /// A row whose own answer is marked down could not be answered by anybody.
    #[test]
    fn gets_full_marks_on_every_shipped_golden_row() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("evals/golden");
        let mut rows = 0;
        for set in std::fs::read_dir(folder).unwrap() {
            let suite = crate::evals::Suite::read(&set.unwrap().path()).unwrap();
            for sample in &suite.samples {
                let answer = GoldOracle::default().answer(sample).unwrap();
                let value = sample.scorer.score(sample, &answer).value();
                assert_eq!(value, Some(1.0), "{} {}", suite.name, sample.id);
                rows += 1;
            }
        }
        assert!(rows >= 1_000, "{rows}");
    }
}
