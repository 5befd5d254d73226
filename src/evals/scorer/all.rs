//! `all`: several checks of one answer, weighed. A check may be turned round, or held to a smallest value.
//! Does not nest, and never guesses: where one check cannot be judged, neither can the answer.

use serde::Deserialize;
use serde_json::Value;

use super::{Score, Scorer, ScorerSpec};
use crate::evals::dataset::Sample;
use crate::evals::subject::Transcript;

/// The weighted mean of its checks; with `threshold`, right where the mean reaches it, else wrong. `expected` is an
/// example of an answer that gets full marks, or null.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct All {
    /// What is checked; each holds its own expected answer.
    pub checks: Vec<Check>,
    /// Smallest mean, 0 to 1, that is right.
    pub threshold: Option<f64>,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// How it is graded; not by another `all`.
    pub scorer: Box<ScorerSpec>,
    /// What the scorer compares with.
    #[serde(default)]
    pub expected: Value,
    /// How much it weighs; above 0.
    #[serde(default = "one")]
    pub weight: f64,
    /// Whether it is turned round: 1 becomes 0.
    #[serde(default)]
    pub not: bool,
    /// Smallest value that passes: the check is then worth 1 or 0.
    #[serde(default)]
    pub at_least: Option<f64>,
}

fn one() -> f64 {
    1.0
}

impl Check {
    fn check(&self) -> Result<(), String> {
        if matches!(*self.scorer, ScorerSpec::All(_)) {
            return Err("`all` does not stand in `all`".to_owned());
        }
        if !(self.weight.is_finite() && self.weight > 0.0) {
            return Err("`weight` must be above 0".to_owned());
        }
        if self.at_least.is_some_and(|least| !(0.0..=1.0).contains(&least)) {
            return Err("`at_least` must be 0 to 1".to_owned());
        }
        self.scorer.check(&self.expected)
    }

    /// What the check makes of its scorer's value.
    fn worth(&self, value: f64) -> f64 {
        let value = self.at_least.map_or(value, |least| f64::from(u8::from(value >= least)));
        if self.not { 1.0 - value } else { value }
    }

    /// The sample as this check's scorer sees it.
    pub(in crate::evals) fn sample(&self, sample: &Sample) -> Sample {
        Sample { expected: self.expected.clone(), scorer: (*self.scorer).clone(), ..sample.clone() }
    }
}

impl All {
    /// Joins the checks' scores, given in their order.
    pub(in crate::evals) fn joined(&self, scores: &[Score]) -> Score {
        let (mut sum, mut weights, mut passed, mut first) = (0.0, 0.0, 0, None);
        for (check, score) in self.checks.iter().zip(scores) {
            let kind = check.scorer.kind();
            let Some(value) = score.value() else {
                return Score::Unscored { why: format!("{kind}: {}", score.why()) };
            };
            let worth = check.worth(value);
            sum += worth * check.weight;
            weights += check.weight;
            if worth >= 1.0 {
                passed += 1;
            } else if first.is_none() {
                let not = if check.not { "not " } else { "" };
                first = Some(format!("; {not}{kind}: {}", score.why()));
            }
        }
        let mean = if weights > 0.0 { sum / weights } else { 0.0 };
        let why = format!("{passed} of {} checks passed{}", self.checks.len(), first.unwrap_or_default());
        match self.threshold {
            None => Score::of(mean, why),
            Some(threshold) => Score::of(f64::from(u8::from(mean >= threshold)), why),
        }
    }

    fn graded(&self, sample: &Sample, answer: &Transcript) -> Score {
        let scores: Vec<Score> =
            self.checks.iter().map(|check| check.scorer.score(&check.sample(sample), answer)).collect();
        self.joined(&scores)
    }
}

impl Scorer for All {
    fn check(&self, expected: &Value) -> Result<(), String> {
        if self.checks.is_empty() {
            return Err("`checks` is empty".to_owned());
        }
        if self.threshold.is_some_and(|threshold| !(0.0..=1.0).contains(&threshold)) {
            return Err("`threshold` must be 0 to 1".to_owned());
        }
        for (at, check) in self.checks.iter().enumerate() {
            check.check().map_err(|problem| format!("`checks[{at}]`: {problem}"))?;
        }
        match expected {
            Value::Null | Value::String(_) => Ok(()),
            _ => Err("`expected` must be an example of a right answer, or null".to_owned()),
        }
    }

    fn score(&self, sample: &Sample, answer: &Transcript) -> Score {
        self.graded(sample, answer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::evals::scorer::testing::{grade, refusal, sample};

    fn all(checks: &Value) -> Value {
        json!({"kind": "all", "checks": checks})
    }

    #[test]
    fn checks_are_weighed_and_turned_round() {
        let scorer = all(&json!([
            {"scorer": "contains", "expected": "red", "weight": 3},
            {"scorer": "contains", "expected": "sorry", "not": true},
        ]));
        let value = |answer| grade(&scorer, &Value::Null, answer);
        assert_eq!(value("red"), 1.0);
        assert_eq!(value("red, sorry"), 0.75);
        assert_eq!(value("blue"), 0.25);
        assert_eq!(value(""), 0.25);
        assert_eq!(value("sorry"), 0.0);
    }

    #[test]
    fn thresholds_make_right_or_wrong() {
        let check = json!({"scorer": "token_f1", "expected": "red fox", "at_least": 0.5});
        let value = |answer| grade(&all(&json!([check])), &Value::Null, answer);
        assert_eq!((value("red dog"), value("dog")), (1.0, 0.0));
        let mut scorer = all(&json!([
            {"scorer": "contains", "expected": "red"},
            {"scorer": "contains", "expected": "blue"},
        ]));
        scorer["threshold"] = json!(0.5);
        assert_eq!(grade(&scorer, &Value::Null, "red"), 1.0);
        scorer["threshold"] = json!(0.51);
        assert_eq!(grade(&scorer, &Value::Null, "red"), 0.0);
    }

    #[test]
    fn one_check_that_cannot_be_judged_leaves_all_unscored() {
        let checks = json!([
            {"scorer": "contains", "expected": "red"},
            {"scorer": {"kind": "rubric", "rubric": "polite"}},
        ]);
        let sample = sample(all(&checks), Value::Null);
        sample.scorer.check(&sample.expected).unwrap();
        let score = sample.scorer.score(&sample, &Transcript::of("red"));
        assert_eq!(score.value(), None);
        assert!(score.why().starts_with("rubric: "), "{}", score.why());
    }

    #[test]
    fn the_place_of_a_bad_check_is_named() {
        let nested = all(&json!([{"scorer": "exact", "expected": "a"}, {"scorer": all(&json!([]))}]));
        assert!(refusal(&nested, &Value::Null).contains("checks[1]"));
        assert!(refusal(&all(&json!([])), &Value::Null).contains("empty"));
        let weight = json!([{"scorer": "exact", "expected": "a", "weight": 0}]);
        assert!(refusal(&all(&weight), &Value::Null).contains("weight"));
        let unlabelled = json!([{"scorer": "exact"}]);
        assert!(refusal(&all(&unlabelled), &Value::Null).contains("expected"));
        let unknown = json!([{"scorer": "exact", "expected": "a", "colour": 1}]);
        assert!(refusal(&all(&unknown), &Value::Null).contains("colour"));
    }
}
