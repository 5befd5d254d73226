//! `chrf`: shared character n-grams (Popović, "chrF: character n-gram F-score for automatic MT evaluation", 2015).
//! Made for translation and rewriting in any script. Counts as sacreBLEU does, without smoothing.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Score, Scorer, alternatives, check_alternatives, unreadable};
use crate::evals::dataset::Sample;
use crate::evals::subject::Transcript;

/// Most characters, space left out, that are compared of either text.
const MOST_CHARACTERS: usize = 20_000;
/// Longest n-grams that may be asked for.
const LONGEST_ORDER: usize = 10;

/// chrF on a scale of 0 to 1: recall and precision of character n-grams, averaged over the lengths 1 to `order` that
/// both texts have, joined to an F-measure in which recall weighs `beta` times as much. Space is left out, case
/// counts. Of several expected texts the best one counts. The first 20,000 characters are compared.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Chrf {
    /// How much more recall weighs than precision; above 0.
    pub beta: f64,
    /// Longest n-gram, 1 to 10.
    pub order: usize,
}

impl Default for Chrf {
    fn default() -> Self {
        Self { beta: 2.0, order: 6 }
    }
}

impl Chrf {
    fn f(&self, expected: &[char], got: &[char]) -> f64 {
        let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0.0);
        for n in 1..=self.order.min(expected.len()).min(got.len()) {
            let common = common_ngrams(expected, got, n) as f64;
            precision += common / (got.len() - n + 1) as f64;
            recall += common / (expected.len() - n + 1) as f64;
            orders += 1.0;
        }
        if precision + recall == 0.0 {
            return 0.0;
        }
        let (precision, recall, weight) = (precision / orders, recall / orders, self.beta * self.beta);
        (1.0 + weight) * precision * recall / (weight * precision + recall)
    }
}

impl Scorer for Chrf {
    fn check(&self, expected: &Value) -> Result<(), String> {
        if !(self.beta.is_finite() && self.beta > 0.0) {
            return Err("`beta` must be above 0".to_owned());
        }
        if !(1..=LONGEST_ORDER).contains(&self.order) {
            return Err(format!("`order` must be 1 to {LONGEST_ORDER}"));
        }
        check_alternatives(expected)?;
        let longest = alternatives(expected).unwrap_or_default().into_iter().map(|it| characters(it).count());
        match longest.max() {
            Some(n) if n > MOST_CHARACTERS => {
                Err(format!("`expected` has {n} characters, at most {MOST_CHARACTERS} are compared"))
            }
            _ => Ok(()),
        }
    }

    fn score(&self, sample: &Sample, answer: &Transcript) -> Score {
        let Some(texts) = alternatives(&sample.expected) else { return unreadable() };
        let got: Vec<char> = characters(&answer.text).take(MOST_CHARACTERS).collect();
        let f = |text: &&str| self.f(&characters(text).collect::<Vec<_>>(), &got);
        let best = texts.iter().map(f).fold(0.0, f64::max);
        Score::of(best, format!("chrF {best:.2}"))
    }
}

fn characters(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|it| !it.is_whitespace())
}

/// How many n-grams both have, each as often as the rarer one has it.
fn common_ngrams(expected: &[char], got: &[char], n: usize) -> usize {
    let mut left: HashMap<&[char], usize> = HashMap::new();
    for ngram in expected.windows(n) {
        *left.entry(ngram).or_default() += 1;
    }
    let mut common = 0;
    for ngram in got.windows(n) {
        if let Some(count) = left.get_mut(ngram).filter(|count| **count > 0) {
            *count -= 1;
            common += 1;
        }
    }
    common
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::evals::scorer::testing::{grade, refusal};

    fn close(got: f64, expected: f64) {
        assert!((got - expected).abs() < 1e-12, "{got} is not {expected}");
    }

    /// Values of sacreBLEU 2.6.0: chrF2 with its defaults, and chrF1 over n-grams of up to 3.
    #[test]
    fn agrees_with_the_reference_implementation() {
        let cases = [
            (
                "The quick brown fox jumps over the lazy dog",
                "The fast brown fox leaped over a lazy dog",
                0.405_123_950_066_486_4,
                0.582_553_795_868_063_1,
            ),
            (
                "police killed the gunman",
                "police kill the gunman",
                0.762_403_764_978_001_7,
                0.892_694_638_732_317_2,
            ),
            (
                "The cat sat on the mat.",
                "the CAT sat, on a mat, twice",
                0.237_151_569_108_167_84,
                0.445_035_989_614_246_5,
            ),
            ("one", "one one one", 0.614_919_354_838_709_6, 0.389_776_357_827_475_9),
            (
                "Der Hund läuft schnell nach Hause",
                "Der Hund rennt schnell heim",
                0.418_895_416_902_288_4,
                0.568_199_891_798_907_3,
            ),
            (
                "東京は日本の首都です",
                "日本の首都は東京です",
                0.415_674_603_174_603_1,
                0.680_555_555_555_555_5,
            ),
            ("abc", "abc", 1.0, 1.0),
            ("ab", "abc", 0.874_999_999_999_999_9, 0.736_842_105_263_157_9),
            ("a", "ab", 0.833_333_333_333_333_5, 0.666_666_666_666_666_5),
            ("abcdefgh", "xyz", 0.0, 0.0),
            (
                "👩\u{200d}🚀 liftoff",
                "liftoff 👩\u{200d}🚀",
                0.685_052_910_052_910_1,
                0.879_629_629_629_629_7,
            ),
            ("yes", "", 0.0, 0.0),
        ];
        let chrf1 = json!({"kind": "chrf", "beta": 1.0, "order": 3});
        for (expected, answer, two, one) in cases {
            close(grade(&json!("chrf"), &json!(expected), answer), two);
            close(grade(&chrf1, &json!(expected), answer), one);
        }
    }

    #[test]
    fn settings_and_lengths_are_checked_and_the_best_text_wins() {
        assert!(refusal(&json!({"kind": "chrf", "order": 0}), &json!("a")).contains("order"));
        assert!(refusal(&json!({"kind": "chrf", "beta": -1}), &json!("a")).contains("beta"));
        assert!(refusal(&json!("chrf"), &json!("a".repeat(20_001))).contains("20001 characters"));
        close(grade(&json!("chrf"), &json!(["abc", "xyz"]), "xyz"), 1.0);
    }

    #[test]
    fn a_huge_answer_is_compared_in_part() {
        let answer = "b".repeat(20_000) + &"a".repeat(1_000_000);
        close(grade(&json!("chrf"), &json!("aaaa"), &answer), 0.0);
    }
}
