//! Graders that ask a model: `rubric`, `pairwise`, `embedding_cosine`. Here are their settings, what a row must hold,
//! and the gradings that need nobody: an answer that is the reference is right, no answer is wrong. The asking is
//! `evals::judge`'s.

use serde::Deserialize;
use serde_json::Value;

use super::{Score, Scorer, alternatives, check_alternatives, unreadable};
use crate::evals::dataset::Sample;
use crate::evals::subject::Transcript;

/// A judge gives the answer 1 to 10 points by `rubric`; at least `threshold` of them is right, less is wrong.
/// `expected` is a right answer that the judge is shown, or null where `rubric` says all.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rubric {
    /// What makes an answer good.
    pub rubric: Option<String>,
    /// Fewest points, 1 to 10, that are right.
    pub threshold: f64,
}

impl Default for Rubric {
    fn default() -> Self {
        Self { rubric: None, threshold: 7.0 }
    }
}

/// A judge compares the answer with `expected`, twice, with places swapped. Better both times is 1, worse both times
/// is 0, a tie both times is `tie`; verdicts that do not agree are unscored, because they follow the place and not
/// the answer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pairwise {
    /// What makes an answer better.
    pub rubric: Option<String>,
    /// What a tie is worth, 0 to 1: 1 asks whether the answer is as good as the expected one.
    pub tie: f64,
}

impl Default for Pairwise {
    fn default() -> Self {
        Self { rubric: None, tie: 1.0 }
    }
}

/// The cosine of the embeddings of answer and `expected`, not below 0; with `threshold`, right where it is reached.
/// Of several expected texts the closest counts. What a cosine means depends on the embedding model.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmbeddingCosine {
    /// Smallest cosine that is right, 0 to 1.
    pub threshold: Option<f64>,
}

/// Whether the answer is `reference`, but for outer space.
fn is_reference(reference: &str, answer: &Transcript) -> bool {
    answer.tool_calls.is_empty() && reference.trim() == answer.text.trim()
}

/// Right, wrong, or `None`: somebody must be asked.
fn without_asking(expected: &Value, answer: &Transcript) -> Option<Score> {
    let references = alternatives(expected).unwrap_or_default();
    if references.iter().any(|reference| is_reference(reference, answer)) {
        return Some(Score::of(1.0, "the reference itself"));
    }
    let empty = answer.text.trim().is_empty() && answer.tool_calls.is_empty();
    empty.then(|| Score::of(0.0, "an empty answer"))
}

fn nobody_to_ask(whom: &str, how: &str) -> Score {
    Score::Unscored { why: format!("there is no {whom} to ask: name one with {how}") }
}

impl Rubric {
    /// The grading that needs no judge, where there is one.
    pub(in crate::evals) fn settled(sample: &Sample, answer: &Transcript) -> Option<Score> {
        without_asking(&sample.expected, answer)
    }
}

impl Scorer for Rubric {
    fn check(&self, expected: &Value) -> Result<(), String> {
        if !(1.0..=10.0).contains(&self.threshold) {
            return Err("`threshold` must be 1 to 10 points".to_owned());
        }
        let rubric = self.rubric.as_ref().is_some_and(|rubric| !rubric.trim().is_empty());
        match expected {
            Value::Null if rubric => Ok(()),
            Value::String(text) if !text.trim().is_empty() => Ok(()),
            Value::Null => Err("`expected` is null, and the scorer has no `rubric` to judge by".to_owned()),
            _ => Err("`expected` must be a right answer, or null where `rubric` says all".to_owned()),
        }
    }

    fn score(&self, sample: &Sample, answer: &Transcript) -> Score {
        Self::settled(sample, answer).unwrap_or_else(|| nobody_to_ask("judge", "--judge-model"))
    }
}

impl Pairwise {
    /// The grading that needs no judge, where there is one.
    pub(in crate::evals) fn settled(&self, sample: &Sample, answer: &Transcript) -> Option<Score> {
        without_asking(&sample.expected, answer).map(|score| match score.value() {
            Some(1.0) => Score::of(self.tie, "a tie with itself"),
            _ => score,
        })
    }
}

impl Scorer for Pairwise {
    fn check(&self, expected: &Value) -> Result<(), String> {
        if !(0.0..=1.0).contains(&self.tie) {
            return Err("`tie` must be 0 to 1".to_owned());
        }
        match expected {
            Value::String(text) if !text.trim().is_empty() => Ok(()),
            _ => Err("`expected` must be the answer to compare with".to_owned()),
        }
    }

    fn score(&self, sample: &Sample, answer: &Transcript) -> Score {
        self.settled(sample, answer).unwrap_or_else(|| nobody_to_ask("judge", "--judge-model"))
    }
}

impl EmbeddingCosine {
    /// The grading that needs no embedder, where there is one.
    pub(in crate::evals) fn settled(sample: &Sample, answer: &Transcript) -> Option<Score> {
        without_asking(&sample.expected, answer)
    }

    /// What a cosine is worth.
    pub(in crate::evals) fn worth(&self, cosine: f64) -> Score {
        match self.threshold {
            None => Score::of(cosine, format!("cosine {cosine:.2}")),
            Some(threshold) => Score::flag(
                cosine >= threshold,
                &format!("cosine {cosine:.2}, below the threshold of {threshold}"),
            ),
        }
    }
}

impl Scorer for EmbeddingCosine {
    fn check(&self, expected: &Value) -> Result<(), String> {
        if self.threshold.is_some_and(|threshold| !(0.0..=1.0).contains(&threshold)) {
            return Err("`threshold` must be 0 to 1".to_owned());
        }
        check_alternatives(expected)
    }

    fn score(&self, sample: &Sample, answer: &Transcript) -> Score {
        if alternatives(&sample.expected).is_none() {
            return unreadable();
        }
        Self::settled(sample, answer)
            .unwrap_or_else(|| nobody_to_ask("embedder", "--embedder-base-url and --embedder-model"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::evals::scorer::testing::{refusal, sample};

    fn score(scorer: Value, expected: Value, answer: &str) -> Score {
        let sample = sample(scorer, expected);
        sample.scorer.check(&sample.expected).unwrap();
        sample.scorer.score(&sample, &Transcript::of(answer))
    }

    #[test]
    fn without_a_model_an_answer_is_unscored_and_says_what_to_pass() {
        for (kind, flag) in [
            ("rubric", "--judge-model"),
            ("pairwise", "--judge-model"),
            ("embedding_cosine", "--embedder-model"),
        ] {
            let got = score(json!(kind), json!("the reference"), "another answer");
            assert_eq!(got.value(), None);
            assert!(got.why().contains(flag), "{}", got.why());
        }
    }

    #[test]
    fn the_reference_is_right_and_nothing_is_wrong_without_asking() {
        for kind in ["rubric", "pairwise", "embedding_cosine"] {
            assert_eq!(score(json!(kind), json!("yes"), " yes\n").value(), Some(1.0), "{kind}");
            assert_eq!(score(json!(kind), json!("yes"), " \n").value(), Some(0.0), "{kind}");
        }
        let half = json!({"kind": "pairwise", "tie": 0.5});
        assert_eq!(score(half, json!("yes"), "yes").value(), Some(0.5));
    }

    #[test]
    fn settings_and_expected_are_checked() {
        assert!(refusal(&json!("rubric"), &Value::Null).contains("no `rubric`"));
        assert!(refusal(&json!({"kind": "rubric", "threshold": 11}), &json!("a")).contains("1 to 10"));
        assert!(refusal(&json!({"kind": "pairwise", "tie": 2}), &json!("a")).contains("tie"));
        assert!(refusal(&json!("pairwise"), &json!(["a", "b"])).contains("compare"));
        let cosine = json!({"kind": "embedding_cosine", "threshold": 1.5});
        assert!(refusal(&cosine, &json!("a")).contains("threshold"));
    }
}
