//! `gold-oracle`: answers with the expected answer. It stands where a frontier model would, and is an upper bound on
//! what any remote model could reach, not a measurement of one. Its cost is an estimate from the remote's prices.

use futures_util::future::{BoxFuture, FutureExt, ready};
use serde_json::Value;

use super::{Price, ServedBy, Subject, SubjectError, Transcript};
use crate::chat::Usage;
use crate::evals::dataset::Sample;

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

    fn answer(&self, sample: &Sample) -> Transcript {
        let text = text_of(&sample.expected);
        let usage = Usage {
            prompt: estimate_tokens(sample.prompt_chars()),
            completion: estimate_tokens(text.chars().count()),
            estimated: true,
            ..Usage::default()
        };
        let cost = self.price.as_ref().and_then(|price| price.of(&usage));
        Transcript {
            text,
            served_by: ServedBy::Remote,
            usage,
            cost,
            cost_if_remote: cost,
            ..Transcript::default()
        }
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

/// About four characters a token.
fn estimate_tokens(chars: usize) -> u64 {
    (chars as u64).div_ceil(4)
}

impl Subject for GoldOracle {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn ask<'a>(&'a self, sample: &'a Sample) -> BoxFuture<'a, Result<Transcript, SubjectError>> {
        ready(Ok(self.answer(sample))).boxed()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::chat::Micros;
    use crate::evals::scorer::{Scorer, testing::sample};

    #[test]
    fn gets_full_marks_from_every_scorer() {
        let cases = [
            (json!("exact"), json!(["UK", "United Kingdom"])),
            (json!({"kind": "choice", "labels": ["a b", "a"]}), json!("a b")),
            (json!("contains"), json!("12")),
            (json!({"kind": "contains", "all": false}), json!(["red", "blue"])),
            (json!("numeric"), json!(-1234.5)),
            (json!("json_fields"), json!({"a": {"b": [1, "x"]}})),
            (json!("token_f1"), json!("the tower")),
        ];
        for (scorer, expected) in cases {
            let sample = sample(scorer, expected);
            let answer = GoldOracle::default().answer(&sample);
            assert_eq!(sample.scorer.score(&sample, &answer).value(), Some(1.0), "{}", sample.expected);
        }
    }

    #[test]
    fn costs_what_the_remote_would_and_is_unknown_without_prices() {
        let sample = sample(json!("exact"), json!("12345678"));
        assert_eq!(GoldOracle::default().answer(&sample).cost, None);
        let price =
            Price::new("m", |usage| Some(Micros((usage.prompt * 10 + usage.completion * 100) as i64)));
        let answer = GoldOracle::new(Some(price)).answer(&sample);
        assert_eq!(answer.cost, Some(Micros(10 + 200)));
        assert!(answer.usage.estimated);
        assert_eq!(answer.total, None);
    }
}
