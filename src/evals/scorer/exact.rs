//! Text equality and containment, after evening out what does not matter: case, space, closing punctuation.
//! No stemming, no synonyms: a suite lists the texts that it accepts.

use serde::Deserialize;
use serde_json::Value;

use super::{Score, Scorer, alternatives, check_alternatives, unreadable};
use crate::evals::dataset::Sample;
use crate::evals::subject::Transcript;

/// The whole answer equals one of the expected texts, leaving aside outer space, runs of space, closing `. ! ? , ; :`
/// and, unless told otherwise, case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Exact {
    /// Whether case matters.
    pub case_sensitive: bool,
}

impl Scorer for Exact {
    fn check(&self, expected: &Value) -> Result<(), String> {
        check_alternatives(expected)
    }

    fn score(&self, sample: &Sample, answer: &Transcript) -> Score {
        let Some(texts) = alternatives(&sample.expected) else { return unreadable() };
        let answer = even(&answer.text, self.case_sensitive);
        Score::flag(texts.iter().any(|text| even(text, self.case_sensitive) == answer), "not the same text")
    }
}

/// One of the expected texts (with `all`, each of them) stands in the answer as whole words: `12` is not in `112`
/// nor in `12.5`. With `anywhere` it may also stand inside other words, and space is compared as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Contains {
    /// Whether case matters.
    pub case_sensitive: bool,
    /// Whether every expected text must be there.
    pub all: bool,
    /// Whether a part of a word is enough.
    pub anywhere: bool,
}

impl Contains {
    fn finds(&self, answer: &str, text: &str) -> bool {
        match (self.anywhere, self.case_sensitive) {
            (false, _) => find_word(answer, &fold(text.trim(), self.case_sensitive)).is_some(),
            (true, true) => answer.contains(text),
            (true, false) => answer.contains(&text.to_lowercase()),
        }
    }
}

impl Scorer for Contains {
    fn check(&self, expected: &Value) -> Result<(), String> {
        check_alternatives(expected)
    }

    fn score(&self, sample: &Sample, answer: &Transcript) -> Score {
        let Some(texts) = alternatives(&sample.expected) else { return unreadable() };
        let answer = match (self.anywhere, self.case_sensitive) {
            (false, case_sensitive) => fold(&answer.text, case_sensitive),
            (true, true) => answer.text.clone(),
            (true, false) => answer.text.to_lowercase(),
        };
        let mut found = texts.iter().map(|text| self.finds(&answer, text));
        let right = if self.all { found.all(|it| it) } else { found.any(|it| it) };
        Score::flag(right, "does not contain it")
    }

    fn gold(&self, expected: &Value) -> Option<Transcript> {
        let texts = alternatives(expected)?;
        Some(Transcript::of(if self.all { texts.join(" ") } else { texts.first()?.to_string() }))
    }
}

/// Space evened out and case folded; closing punctuation dropped, unless nothing else is there.
pub(super) fn even(text: &str, case_sensitive: bool) -> String {
    let text = fold(text, case_sensitive);
    let bare = text.trim_end_matches(['.', '!', '?', ',', ';', ':', ' ']);
    if bare.is_empty() { text } else { bare.to_owned() }
}

/// Runs of space become one space, outer space goes, case is folded.
pub(super) fn fold(text: &str, case_sensitive: bool) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if case_sensitive { text } else { text.to_lowercase() }
}

/// Where `needle` first stands in `text` as whole words; a point or comma between digits is part of a word.
pub(super) fn find_word(text: &str, needle: &str) -> Option<usize> {
    if needle.is_empty() {
        return None;
    }
    text.match_indices(needle).map(|(at, _)| at).find(|at| {
        let before = text[..*at].chars().rev();
        let after = text[at + needle.len()..].chars();
        !joins(needle.chars().next(), before) && !joins(needle.chars().next_back(), after)
    })
}

/// Whether the word that ends with `edge` goes on in `outside`, read away from it.
fn joins(edge: Option<char>, mut outside: impl Iterator<Item = char>) -> bool {
    let Some(edge) = edge.filter(|edge| edge.is_alphanumeric()) else { return false };
    match outside.next() {
        Some('.' | ',') => edge.is_ascii_digit() && outside.next().is_some_and(|next| next.is_ascii_digit()),
        Some(next) => next.is_alphanumeric(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::evals::scorer::testing::grade;

    #[test]
    fn exact_evens_out_what_does_not_matter() {
        let exact = |answer| grade(&json!("exact"), &json!("New York"), answer);
        assert_eq!(exact(" new  york.\n"), 1.0);
        assert_eq!(exact("NEW YORK!!"), 1.0);
        assert_eq!(exact("New York City"), 0.0);
        assert_eq!(exact("It is New York"), 0.0);
        assert_eq!(exact(""), 0.0);
    }

    #[test]
    fn exact_takes_alternatives_and_case_on_request() {
        assert_eq!(grade(&json!("exact"), &json!(["UK", "United Kingdom"]), "united kingdom"), 1.0);
        let strict = json!({"kind": "exact", "case_sensitive": true});
        assert_eq!(grade(&strict, &json!("pH"), "PH"), 0.0);
        assert_eq!(grade(&strict, &json!("pH"), "pH."), 1.0);
    }

    #[test]
    fn punctuation_alone_is_compared_as_it_is() {
        assert_eq!(grade(&json!("exact"), &json!("?"), "?"), 1.0);
        assert_eq!(grade(&json!("exact"), &json!("?"), "!"), 0.0);
        assert_eq!(grade(&json!("exact"), &json!("?"), ""), 0.0);
    }

    #[test]
    fn contains_goes_by_whole_words() {
        let contains = |expected, answer| grade(&json!("contains"), &json!(expected), answer);
        assert_eq!(contains("12", "It makes 12."), 1.0);
        assert_eq!(contains("12", "It makes 112"), 0.0);
        assert_eq!(contains("12", "It makes 12.5"), 0.0);
        assert_eq!(contains("5", "It makes 12.5"), 0.0);
        assert_eq!(contains("12", "112, no, 12, sorry"), 1.0);
        assert_eq!(contains("cat", "concatenate"), 0.0);
        assert_eq!(contains("café", "Le CAFÉ, bien sûr"), 1.0);
        assert_eq!(contains("C++", "in C++, say"), 1.0);
    }

    #[test]
    fn contains_asks_for_any_or_for_all() {
        let both = json!(["red", "blue"]);
        assert_eq!(grade(&json!("contains"), &both, "blue only"), 1.0);
        assert_eq!(grade(&json!({"kind": "contains", "all": true}), &both, "blue only"), 0.0);
        assert_eq!(grade(&json!({"kind": "contains", "all": true}), &both, "Blue and red"), 1.0);
    }

    #[test]
    fn contains_finds_parts_of_words_on_request() {
        let anywhere = json!({"kind": "contains", "anywhere": true});
        assert_eq!(grade(&anywhere, &json!("CAT"), "concatenate"), 1.0);
        assert_eq!(grade(&anywhere, &json!("cat"), "dog"), 0.0);
        let strict = json!({"kind": "contains", "anywhere": true, "case_sensitive": true});
        assert_eq!(grade(&strict, &json!("Cat"), "concatenate"), 0.0);
        assert_eq!(grade(&strict, &json!("e C"), "the Cat"), 1.0);
    }
}
