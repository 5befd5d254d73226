//! One number, within a tolerance. The last number of the answer counts, which for a short answer is the only one.
//! Reads digits only: no number words, no fractions, no arithmetic, and a decimal comma is not a decimal point.

use serde::Deserialize;
use serde_json::Value;

use super::{Score, Scorer, unreadable};
use crate::evals::dataset::Sample;
use crate::evals::subject::Transcript;

/// The answer's last number is the expected one. Understood: a sign, `$ € £ ¥` before or after it, commas between
/// groups of three digits, a decimal point, an exponent, a unit or `%` behind it. Digits behind a letter (`H2`, `Q3`)
/// are no number.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Numeric {
    /// How far off is still right, absolute; not negative.
    pub tolerance: f64,
}

impl Default for Numeric {
    fn default() -> Self {
        Self { tolerance: 1e-9 }
    }
}

/// The expected number: a JSON number, or a text that holds exactly one.
fn number(expected: &Value) -> Option<f64> {
    match expected {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match numbers(text)[..] {
            [number] => Some(number),
            _ => None,
        },
        _ => None,
    }
}

/// Every number of `text`, in order.
fn numbers(text: &str) -> Vec<f64> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = vec![];
    let mut at = 0;
    while at < chars.len() {
        let starts = chars[at].is_ascii_digit()
            || chars[at] == '.' && chars.get(at + 1).is_some_and(char::is_ascii_digit);
        if !starts {
            at += 1;
            continue;
        }
        let (digits, end) = digits(&chars, at);
        if !in_word(&chars[..at]) {
            let sign = if negative(&chars[..at]) { -1.0 } else { 1.0 };
            found.extend(digits.parse::<f64>().ok().filter(|number| number.is_finite()).map(|it| sign * it));
        }
        at = end;
    }
    found
}

/// The number that starts at `at`, without its commas, and where it ends.
fn digits(chars: &[char], at: usize) -> (String, usize) {
    let digit = |at: usize| chars.get(at).is_some_and(char::is_ascii_digit);
    let group = |at: usize| (1..=3).all(|step| digit(at + step)) && !digit(at + 4);
    let (mut text, mut end, mut fraction) = (String::new(), at, false);
    while let Some(&next) = chars.get(end) {
        match next {
            '0'..='9' => text.push(next),
            ',' if !fraction && group(end) && end > at => {}
            '.' if !fraction && digit(end + 1) => {
                fraction = true;
                text.push(next);
            }
            _ => break,
        }
        end += 1;
    }
    let sign = usize::from(matches!(chars.get(end + 1), Some('+' | '-')));
    if matches!(chars.get(end), Some('e' | 'E')) && digit(end + 1 + sign) {
        let exponent = chars[end + 1 + sign..].iter().take_while(|next| next.is_ascii_digit()).count();
        text.extend(&chars[end..end + 1 + sign + exponent]);
        end += 1 + sign + exponent;
    }
    (text, end)
}

/// Whether digits after `before` are part of a word such as `H2`.
fn in_word(before: &[char]) -> bool {
    before.last().is_some_and(|last| last.is_alphabetic() || *last == '_')
}

/// Whether a minus stands before the number (and perhaps its currency) that is not a dash or a subtraction.
fn negative(before: &[char]) -> bool {
    let bare = match before {
        [rest @ .., '$' | '€' | '£' | '¥'] => rest,
        rest => rest,
    };
    match bare {
        [rest @ .., '-' | '−'] => !rest.last().is_some_and(|last| last.is_alphanumeric() || *last == ')'),
        _ => false,
    }
}

impl Scorer for Numeric {
    fn check(&self, expected: &Value) -> Result<(), String> {
        if !(self.tolerance >= 0.0 && self.tolerance.is_finite()) {
            return Err("`tolerance` must be a number, 0 or more".to_owned());
        }
        number(expected).map(drop).ok_or_else(|| "`expected` must be one number".to_owned())
    }

    fn score(&self, sample: &Sample, answer: &Transcript) -> Score {
        let Some(expected) = number(&sample.expected) else { return unreadable() };
        match numbers(&answer.text).last() {
            None => Score::of(0.0, "no number"),
            // A hair more than the tolerance, so that 0.3 is within 0.1 of 0.2 in binary too.
            Some(got) => {
                let slack = self.tolerance + 1e-12 * expected.abs().max(1.0);
                Score::flag((got - expected).abs() <= slack, "another number")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::evals::scorer::testing::grade;

    #[test]
    fn finds_numbers_in_all_their_dress() {
        let cases: [(&str, &[f64]); 16] = [
            ("42", &[42.0]),
            ("It is $1,234.50.", &[1234.5]),
            ("12,345,678", &[12_345_678.0]),
            ("3, 4, 5", &[3.0, 4.0, 5.0]),
            ("1,23", &[1.0, 23.0]),
            ("1,2345", &[1.0, 2345.0]),
            ("-5 and −7", &[-5.0, -7.0]),
            ("-$5, $-5", &[-5.0, -5.0]),
            ("10-5", &[10.0, 5.0]),
            ("pages 3 - 4", &[3.0, 4.0]),
            ("1.5e3 or 2E-2", &[1500.0, 0.02]),
            ("20% of 5km", &[20.0, 5.0]),
            ("H2O in Q3", &[]),
            (".5 and 0.5.", &[0.5, 0.5]),
            ("\\boxed{17}", &[17.0]),
            ("1.2.3", &[1.2, 0.3]),
        ];
        for (text, expected) in cases {
            assert_eq!(numbers(text), expected, "{text}");
        }
    }

    #[test]
    fn the_last_number_counts() {
        let numeric = |answer| grade(&json!("numeric"), &json!(7), answer);
        assert_eq!(numeric("3 + 4 = 7"), 1.0);
        assert_eq!(numeric("7, because 3 + 4"), 0.0);
        assert_eq!(numeric("seven"), 0.0);
        assert_eq!(numeric("7 apples."), 1.0);
        assert_eq!(numeric(""), 0.0);
    }

    #[test]
    fn tolerance_is_absolute_and_inclusive() {
        let scorer = json!({"kind": "numeric", "tolerance": 0.1});
        assert_eq!(grade(&scorer, &json!(0.2), "0.3"), 1.0);
        assert_eq!(grade(&scorer, &json!(0.2), "0.31"), 0.0);
        assert_eq!(grade(&scorer, &json!("1,000"), "1000.05"), 1.0);
        assert_eq!(grade(&json!("numeric"), &json!(0.3), "0.30000000000000004"), 1.0);
    }

    #[test]
    fn huge_digits_are_no_number_and_no_crash() {
        assert_eq!(numbers(&format!("1e999 and {}", "9".repeat(400))), [] as [f64; 0]);
    }

    #[test]
    fn expected_must_be_one_number() {
        assert!(Numeric::default().check(&json!("3 or 4")).is_err());
        assert!(Numeric::default().check(&json!([3])).is_err());
        assert!(Numeric { tolerance: -1.0 }.check(&json!(3)).is_err());
    }
}
