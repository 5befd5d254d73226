//! `regex`: an answer is right where a regular expression finds a match. Expressions are those of the crate `regex`:
//! searching takes time linear in the text, so there is no look-around and no back-reference.

use serde::Deserialize;
use serde_json::Value;

use super::{Score, Scorer, read_part, unreadable};
use crate::evals::dataset::Sample;
use crate::evals::subject::Transcript;

/// Most bytes that a compiled expression may take.
const LARGEST: usize = 1 << 20;

/// The expression matches somewhere in the answer; `\A` and `\z` hold it to the ends, `(?i)` lets case go, `(?s)` lets
/// `.` match line ends. It is compiled once, to at most 1 MiB, and sees the first 100,000 bytes of the answer.
/// `expected` is an example of a right answer, which must match, or null.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Settings")]
pub struct Pattern(regex::Regex);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    pattern: String,
}

impl TryFrom<Settings> for Pattern {
    type Error = String;

    fn try_from(settings: Settings) -> Result<Self, String> {
        let compiled =
            regex::RegexBuilder::new(&settings.pattern).size_limit(LARGEST).dfa_size_limit(LARGEST).build();
        compiled.map(Self).map_err(|error| {
            // A syntax error draws the expression over several lines; what is wrong stands on the last.
            let text = error.to_string();
            let problem = text.lines().next_back().unwrap_or_default();
            format!("`pattern` is not usable: {}", problem.trim_start_matches("error: "))
        })
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Scorer for Pattern {
    fn check(&self, expected: &Value) -> Result<(), String> {
        match expected {
            Value::Null => Ok(()),
            Value::String(text) if self.0.is_match(text) => Ok(()),
            Value::String(_) => {
                Err("`expected` is no right answer: the pattern does not match it".to_owned())
            }
            _ => Err("`expected` must be an example of a right answer, or null".to_owned()),
        }
    }

    fn score(&self, sample: &Sample, answer: &Transcript) -> Score {
        if !matches!(sample.expected, Value::Null | Value::String(_)) {
            return unreadable();
        }
        let (text, cut) = read_part(&answer.text);
        Score::flag(self.0.is_match(text), if cut { "no match in its first part" } else { "no match" })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::evals::scorer::testing::{grade, refusal};

    fn regex(pattern: &str) -> Value {
        json!({"kind": "regex", "pattern": pattern})
    }

    #[test]
    fn matches_anywhere_unless_held() {
        let cases = [
            (r"\d{4}-\d\d", "on 2024-05, say", 1.0),
            (r"\A\d{4}-\d\d\z", "on 2024-05, say", 0.0),
            (r"(?i)paris", "PARIS", 1.0),
            ("paris", "PARIS", 0.0),
            (r"\bcafé\b", "le café.", 1.0),
            (r"\A\s*\z", "", 1.0),
            ("a", "", 0.0),
            (r"^two$", "one\ntwo", 0.0),
            (r"(?m)^two$", "one\ntwo", 1.0),
        ];
        for (pattern, answer, value) in cases {
            assert_eq!(grade(&regex(pattern), &Value::Null, answer), value, "{pattern} on {answer}");
        }
    }

    #[test]
    fn an_expression_that_cannot_be_used_says_why() {
        assert!(refusal(&regex("(unclosed"), &Value::Null).contains("unclosed group"));
        assert!(refusal(&regex(r"(?=look)ahead"), &Value::Null).contains("look-around"));
        assert!(refusal(&regex(r"\w{1000}{1000}"), &Value::Null).contains("size limit"));
        assert!(refusal(&json!("regex"), &Value::Null).contains("pattern"));
        assert!(refusal(&regex("a"), &json!("b")).contains("does not match"));
        assert!(refusal(&regex("a"), &json!(3)).contains("null"));
    }

    #[test]
    fn a_huge_answer_is_read_in_part() {
        let answer = format!("{}needle", "(a+)+".repeat(200_000));
        assert_eq!(grade(&regex("needle"), &Value::Null, &answer), 0.0);
        assert_eq!(grade(&regex(r"(a+)+b|\A\(a"), &Value::Null, &answer), 1.0);
    }
}
