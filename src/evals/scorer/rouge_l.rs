//! `rouge_l`: the longest common subsequence of words (Lin, "ROUGE: A Package for Automatic Evaluation of Summaries",
//! 2004). Made for summaries in languages that part words by spaces; for others `chrf` says more.

use serde::Deserialize;
use serde_json::Value;

use super::{Score, Scorer, alternatives, check_alternatives, read_part, unreadable};
use crate::evals::dataset::Sample;
use crate::evals::subject::Transcript;

/// Most words that are compared of either text; the time is the product of both.
const MOST_WORDS: usize = 2_000;

/// The F-measure of recall and precision of the longest common subsequence; `beta` says how much more recall weighs
/// (1, as the usual implementations report; Lin's paper lets it grow). Words are runs of letters and digits in lower
/// case, without stemming. Of several expected texts the best one counts. The first 2,000 words are compared.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RougeL {
    /// How much more recall weighs than precision; above 0.
    pub beta: f64,
}

impl Default for RougeL {
    fn default() -> Self {
        Self { beta: 1.0 }
    }
}

impl RougeL {
    fn f(&self, expected: &[String], got: &[String]) -> f64 {
        let common = longest_common(expected, got) as f64;
        if common == 0.0 {
            return 0.0;
        }
        let (recall, precision) = (common / expected.len() as f64, common / got.len() as f64);
        let weight = self.beta * self.beta;
        (1.0 + weight) * recall * precision / (recall + weight * precision)
    }
}

impl Scorer for RougeL {
    fn check(&self, expected: &Value) -> Result<(), String> {
        if !(self.beta.is_finite() && self.beta > 0.0) {
            return Err("`beta` must be above 0".to_owned());
        }
        check_alternatives(expected)?;
        for text in alternatives(expected).unwrap_or_default() {
            match words(text).len() {
                0 => return Err("`expected` holds no words".to_owned()),
                n if n > MOST_WORDS => {
                    return Err(format!("`expected` has {n} words, at most {MOST_WORDS} are compared"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn score(&self, sample: &Sample, answer: &Transcript) -> Score {
        let Some(texts) = alternatives(&sample.expected) else { return unreadable() };
        let mut got = words(read_part(&answer.text).0);
        got.truncate(MOST_WORDS);
        let best = texts.iter().map(|text| self.f(&words(text), &got)).fold(0.0, f64::max);
        Score::of(best, format!("ROUGE-L {best:.2}"))
    }
}

/// Runs of letters and digits, in lower case; for ASCII the same words as the package `rouge-score` finds.
fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    lower.split(|it: char| !it.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Length of the longest common subsequence, in one row of memory.
fn longest_common(one: &[String], other: &[String]) -> usize {
    let mut row = vec![0_usize; other.len() + 1];
    for word in one {
        let mut diagonal = 0;
        for (at, candidate) in other.iter().enumerate() {
            let above = row[at + 1];
            row[at + 1] = if word == candidate { diagonal + 1 } else { above.max(row[at]) };
            diagonal = above;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::evals::scorer::testing::{grade, refusal};

    fn close(got: f64, expected: f64) {
        assert!((got - expected).abs() < 1e-12, "{got} is not {expected}");
    }

    /// Values of the package rouge-score 0.1.2, `rougeL`, without stemming.
    #[test]
    fn agrees_with_the_reference_implementation() {
        let cases = [
            (
                "The quick brown fox jumps over the lazy dog",
                "The fast brown fox leaped over a lazy dog",
                2.0 / 3.0,
            ),
            ("police killed the gunman", "police kill the gunman", 0.75),
            ("police killed the gunman", "the gunman kill police", 0.5),
            ("The cat sat on the mat.", "the CAT sat, on a mat, twice", 0.769_230_769_230_769_2),
            ("a b c d e", "e d c b a", 0.2),
            ("one", "one one one", 0.5),
            ("Invoice no. 42 is due on 2024-05-01", "Due on 2024-05-01: invoice 42", 0.625),
            ("yes", "", 0.0),
        ];
        for (expected, answer, value) in cases {
            close(grade(&json!("rouge_l"), &json!(expected), answer), value);
        }
    }

    #[test]
    fn beta_weighs_recall() {
        // Precision 1/3, recall 1: F2 = 5 * (1/3) / (1 + 4/3).
        let f2 = json!({"kind": "rouge_l", "beta": 2.0});
        close(grade(&f2, &json!("one"), "one one one"), 5.0 / 3.0 / (1.0 + 4.0 / 3.0));
        assert!(refusal(&json!({"kind": "rouge_l", "beta": 0}), &json!("a")).contains("beta"));
    }

    #[test]
    fn words_of_any_script_count_and_the_best_text_wins() {
        close(grade(&json!("rouge_l"), &json!("Große Straße"), "große STRASSE straße"), 0.8);
        close(grade(&json!("rouge_l"), &json!(["red fox", "blue dog"]), "a blue dog"), 0.8);
        assert!(refusal(&json!("rouge_l"), &json!("?!")).contains("no words"));
        assert!(refusal(&json!("rouge_l"), &json!("a ".repeat(2_001))).contains("2001 words"));
    }

    #[test]
    fn a_huge_answer_is_compared_in_part() {
        let answer = "b ".repeat(1_999) + &"a ".repeat(1_000_000);
        // The 2,000th word is the first `a`.
        close(grade(&json!("rouge_l"), &json!("a"), &answer), 2.0 / 2_001.0);
    }
}
