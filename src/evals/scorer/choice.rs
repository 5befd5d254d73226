//! One label out of a closed list. Naming none, or more than one, is wrong: hedging earns nothing.
//! Does not understand negation: "not positive" names `positive`.

use serde::Deserialize;
use serde_json::Value;

use super::exact::{even, find_word};
use super::{Score, Scorer, unreadable};
use crate::evals::dataset::Sample;
use crate::evals::subject::Transcript;

/// The answer names exactly one label of `labels`, and it is the expected one. How a label is found:
///
/// 1. case, and whether words are joined by space, `_` or `-`, do not matter;
/// 2. an answer that is a label, quotes and closing punctuation aside, names that label;
/// 3. else every label that stands in the answer as whole words is named, the longest first: a word that belongs to
///    a longer label does not name a shorter one (`card payment fee` does not name `card payment`);
/// 4. a label of one letter counts in rule 3 only in its own case and not before a word in lower case (in `A dog`,
///    `A` is an article).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// Every label that may be chosen.
    pub labels: Vec<String>,
}

impl Choice {
    /// The labels that `answer` names, without repetition.
    fn named(&self, answer: &str) -> Vec<&str> {
        let whole = plain(answer);
        if let Some(label) = self.labels.iter().find(|label| plain(label) == whole) {
            return vec![label];
        }
        let mut text = joined(&answer.to_lowercase());
        let mut longest_first: Vec<&str> = self.labels.iter().map(String::as_str).collect();
        longest_first.sort_by_key(|label| std::cmp::Reverse(label.len()));
        longest_first.into_iter().filter(|label| take(&mut text, answer, label)).collect()
    }
}

/// Whether `label` is named; blanks it in `text` so that no shorter label is found in its words.
fn take(text: &mut String, answer: &str, label: &str) -> bool {
    if label.chars().count() == 1 {
        return stands_alone(&joined(answer), label);
    }
    let needle = joined(&label.to_lowercase());
    let mut found = false;
    while let Some(at) = find_word(text, &needle) {
        text.replace_range(at..at + needle.len(), "|");
        found = true;
    }
    found
}

/// Rule 4: the letter as a word of its own, not an article.
fn stands_alone(answer: &str, letter: &str) -> bool {
    let mut rest = answer;
    while let Some(at) = find_word(rest, letter) {
        let after = &rest[at + letter.len()..];
        let article = after.strip_prefix(' ').is_some_and(|next| next.starts_with(char::is_lowercase));
        if !article {
            return true;
        }
        rest = after;
    }
    false
}

/// Space, `_` and `-` all become one space.
fn joined(text: &str) -> String {
    let spaced = text.replace(['_', '-'], " ");
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Rule 2's form: joined, lower case, without quotes, emphasis and closing punctuation.
fn plain(text: &str) -> String {
    let text = even(&joined(text), false);
    even(text.trim_matches(['"', '\'', '`', '*', '(', ')', '[', ']', ' ']), false)
}

impl Scorer for Choice {
    fn check(&self, expected: &Value) -> Result<(), String> {
        let expected = expected.as_str().ok_or("`expected` must be one of the labels")?;
        let mut plains: Vec<String> = self.labels.iter().map(|label| plain(label)).collect();
        plains.sort();
        if plains.iter().any(String::is_empty) || plains.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(
                "`labels` must differ in more than case and punctuation, and none may be empty".to_owned()
            );
        }
        if !self.labels.iter().any(|label| label == expected) {
            return Err(format!("`expected` is `{expected}`, which is not among `labels`"));
        }
        Ok(())
    }

    fn score(&self, sample: &Sample, answer: &Transcript) -> Score {
        let Some(expected) = sample.expected.as_str() else { return unreadable() };
        match self.named(&answer.text)[..] {
            [] => Score::of(0.0, "names no label"),
            [label] => Score::flag(label == expected, "another label"),
            ref several => Score::of(0.0, format!("names {} labels", several.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::evals::scorer::testing::grade;

    fn choice(labels: &[&str]) -> Value {
        json!({"kind": "choice", "labels": labels})
    }

    #[test]
    fn a_label_is_found_in_a_sentence_whatever_joins_its_words() {
        let scorer = choice(&["card_arrival", "lost_card"]);
        let arrival = json!("card_arrival");
        for answer in ["card_arrival", "Card arrival.", "The label is **card-arrival**", "`card_arrival`"] {
            assert_eq!(grade(&scorer, &arrival, answer), 1.0, "{answer}");
        }
        assert_eq!(grade(&scorer, &arrival, "card"), 0.0);
        assert_eq!(grade(&scorer, &arrival, ""), 0.0);
    }

    #[test]
    fn naming_two_labels_is_wrong() {
        let scorer = choice(&["positive", "negative"]);
        assert_eq!(grade(&scorer, &json!("positive"), "positive, not negative"), 0.0);
        assert_eq!(grade(&scorer, &json!("positive"), "Positive. It is positive"), 1.0);
    }

    #[test]
    fn a_longer_label_does_not_name_the_shorter_one_in_it() {
        let scorer = choice(&["positive", "very positive", "card payment", "card payment fee"]);
        assert_eq!(grade(&scorer, &json!("very positive"), "I say very positive"), 1.0);
        assert_eq!(grade(&scorer, &json!("positive"), "I say very positive"), 0.0);
        assert_eq!(grade(&scorer, &json!("card payment"), "It is a card_payment thing"), 1.0);
        assert_eq!(grade(&scorer, &json!("positive"), "very positive or positive"), 0.0);
    }

    #[test]
    fn a_label_inside_another_word_is_not_named() {
        assert_eq!(grade(&choice(&["spam", "ham"]), &json!("ham"), "a hamster and a spammer"), 0.0);
    }

    #[test]
    fn single_letters_are_not_articles() {
        let scorer = choice(&["A", "B", "C"]);
        assert_eq!(grade(&scorer, &json!("B"), "b"), 1.0);
        assert_eq!(grade(&scorer, &json!("B"), "(B)"), 1.0);
        assert_eq!(grade(&scorer, &json!("B"), "A dog barks, so the answer is B."), 1.0);
        assert_eq!(grade(&scorer, &json!("A"), "The answer is A"), 1.0);
        assert_eq!(grade(&scorer, &json!("A"), "a dog"), 0.0);
        assert_eq!(grade(&scorer, &json!("A"), "A or B"), 0.0, "an article by rule 4, and B is wrong");
    }

    #[test]
    fn labels_and_expected_are_checked() {
        let same = Choice { labels: vec!["Yes".into(), "yes.".into()] };
        assert!(same.check(&json!("Yes")).is_err());
        let fine = Choice { labels: vec!["yes".into(), "no".into()] };
        assert!(fine.check(&json!("maybe")).unwrap_err().contains("maybe"));
        assert!(fine.check(&json!(["yes"])).is_err());
        assert!(fine.check(&json!("no")).is_ok());
    }
}
