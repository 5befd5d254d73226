//! Overlap of words between answer and expected text, as SQuAD's evaluation script measures it (Rajpurkar et al.,
//! "SQuAD: 100,000+ Questions for Machine Comprehension of Text", 2016): made for English.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Score, Scorer, alternatives, check_alternatives, unreadable};
use crate::evals::dataset::Sample;
use crate::evals::subject::Transcript;

/// F1 of the words, after SQuAD's normalisation: lower case, ASCII punctuation removed, `a`, `an` and `the` removed,
/// split at space. With several expected texts the best one counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenF1 {}

impl Scorer for TokenF1 {
    fn check(&self, expected: &Value) -> Result<(), String> {
        check_alternatives(expected)
    }

    fn score(&self, sample: &Sample, answer: &Transcript) -> Score {
        let Some(texts) = alternatives(&sample.expected) else { return unreadable() };
        let best = texts.iter().map(|text| f1(text, &answer.text)).fold(0.0, f64::max);
        Score::of(best, format!("word F1 {best:.2}"))
    }
}

fn words(text: &str) -> Vec<String> {
    let bare: String = text.to_lowercase().chars().filter(|it| !it.is_ascii_punctuation()).collect();
    let kept = bare.split_whitespace().filter(|word| !matches!(*word, "a" | "an" | "the"));
    kept.map(str::to_owned).collect()
}

pub(in crate::evals) fn f1(expected: &str, got: &str) -> f64 {
    let (expected, got) = (words(expected), words(got));
    if expected.is_empty() || got.is_empty() {
        return f64::from(u8::from(expected == got));
    }
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    for word in &expected {
        *left.entry(word).or_default() += 1;
    }
    let mut common = 0_usize;
    for word in &got {
        if let Some(count) = left.get_mut(word.as_str()).filter(|count| **count > 0) {
            *count -= 1;
            common += 1;
        }
    }
    2.0 * common as f64 / (expected.len() + got.len()) as f64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::evals::scorer::testing::grade;

    fn close(got: f64, expected: f64) {
        assert!((got - expected).abs() < 1e-12, "{got} is not {expected}");
    }

    #[test]
    fn agrees_with_hand_computed_values() {
        let f1 = |expected, answer| grade(&json!("token_f1"), &json!(expected), answer);
        close(f1("The Eiffel Tower", "eiffel tower!"), 1.0);
        // Precision 2/4, recall 2/2.
        close(f1("the Eiffel Tower", "It is the Eiffel Tower"), 2.0 * 0.5 / 1.5);
        // Repeated words count once each: precision 1/3, recall 1/1.
        close(f1("yes", "yes yes yes"), 2.0 * (1.0 / 3.0) / (4.0 / 3.0));
        close(f1("red", "blue"), 0.0);
        close(f1("the", "a"), 1.0);
        close(f1("red", "the"), 0.0);
    }

    #[test]
    fn the_best_alternative_counts() {
        close(grade(&json!("token_f1"), &json!(["nineteen", "19 years"]), "19 years"), 1.0);
    }
}
