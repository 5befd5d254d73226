//! The early gate's judge: from the classifier's score and the confidence of a local answer's first tokens, whether the
//! answer may go on. A pure function of its file, which `crossover eval early-gate` writes for one local model.
//! Experimental: its file says how it compares with the classifier alone. Holds nothing back itself.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::calibration::{Present, Standing};
use super::classifier::Verdict;
use crate::chat::Confidence;
use crate::config::Problem;

/// The only form of the file that this version reads.
const SCHEMA_VERSION: u32 = 1;
/// Most tokens that may be held back.
const MOST_TOKENS: usize = 256;

/// What the judge goes by, in the order of its weights.
pub const INPUTS: [&str; 5] = [
    "logit of the classifier's score",
    "log-probability of the first token",
    "mean log-probability",
    "lowest log-probability",
    "mean entropy",
];

/// How often the judge was right on rows that it was not fitted on; a positive is an answer that was not good enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Confusion {
    /// Not good enough, and escalated.
    pub caught: usize,
    /// Not good enough, and let through.
    pub missed: usize,
    /// Good enough, and escalated.
    pub needless: usize,
    /// Good enough, and let through.
    pub kept: usize,
}

/// The judge, as its file holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EarlyGate {
    /// Version of the file's form; 1.
    pub schema_version: u32,
    /// SHA-256 of the local model whose answers it was fitted on.
    pub local_model: String,
    /// SHA-256 of the classifier whose score it reads.
    pub classifier: String,
    /// The calibration's head that made that score, by its name in records; `None`: the shipped score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// Tokens to judge by.
    pub tokens: usize,
    /// Weights of [`INPUTS`].
    pub weights: [f64; INPUTS.len()],
    /// Added to the weighted sum.
    pub bias: f64,
    /// An answer goes on when its probability of being good enough is at least this.
    pub threshold: f64,
    /// How it did on its test rows.
    pub confusion: Confusion,
    /// How the classifier's score alone did there, at the same number of answers let through.
    pub classifier_alone: Confusion,
}

impl EarlyGate {
    /// Reads a judge's file.
    ///
    /// # Errors
    /// An unreadable or wrong file: which, and what mends it.
    pub fn read(file: &Path) -> Result<Self, Problem> {
        let wrong = |why: String| {
            let message =
                format!("{why}. Make it with `crossover eval early-gate`, or set early-gate.enabled = false");
            Problem { file: Some(file.to_path_buf()), key: Some("early-gate.file".to_owned()), message }
        };
        let text = std::fs::read(file).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        let gate: Self = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        if gate.schema_version != SCHEMA_VERSION {
            let version = gate.schema_version;
            return Err(wrong(format!("has schema {version}, this version reads {SCHEMA_VERSION}")));
        }
        if !(1..=MOST_TOKENS).contains(&gate.tokens) || !(0.0..=1.0).contains(&gate.threshold) {
            return Err(wrong(format!("`tokens` must lie in 1 to {MOST_TOKENS}, `threshold` in 0 to 1")));
        }
        Ok(gate)
    }

    /// Whether the judge was fitted on the models that are installed.
    ///
    /// # Errors
    /// Which model is another one now, and what mends it. What cannot be seen from here is not compared.
    pub fn check(&self, present: &Present) -> Result<(), String> {
        let pairs = [
            ("local model", &self.local_model, &present.local_model),
            ("classifier", &self.classifier, &present.classifier),
        ];
        match pairs.iter().find(|(_, was, is)| is.as_ref().is_some_and(|is| is != *was)) {
            None => Ok(()),
            Some((what, ..)) => Err(misfit(&format!("was fitted with another {what} than is installed"))),
        }
    }

    /// Whether the judge was fitted on the score that steers: that of the calibration's head, or without one the shipped
    /// score.
    ///
    /// # Errors
    /// Which score it was fitted on and which one steers, and what mends it: first a calibration that no longer holds.
    pub fn check_head(&self, standing: &Standing) -> Result<(), String> {
        let head = standing.head();
        if self.head.as_deref() == head.as_deref() {
            return Ok(());
        }
        let score = |head: Option<&str>| match head {
            None => "the shipped score".to_owned(),
            Some(id) => format!("the score of the calibration's head {id}"),
        };
        let was = score(self.head.as_deref());
        // A judge made now would be of the shipped score, and refused once there is a head again.
        if matches!(standing, Standing::Mismatch(..)) {
            let why = format!("was fitted on {was}, and calibration {}", standing.words());
            return Err(format!("{why}, or set early-gate.enabled = false"));
        }
        let is = score(head.as_deref());
        Err(misfit(&format!("was fitted on {was}, and {is} steers now")))
    }

    /// A judge of this version's form.
    pub fn new(tokens: usize, weights: [f64; INPUTS.len()], bias: f64, threshold: f64) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            local_model: String::new(),
            classifier: String::new(),
            head: None,
            tokens,
            weights,
            bias,
            threshold,
            confusion: Confusion::default(),
            classifier_alone: Confusion::default(),
        }
    }

    /// The probability that the answer which began so is good enough. Without any token it is 0: an answer that ends
    /// before it began is none.
    pub fn score(&self, verdict: Option<&Verdict>, begun: &[Confidence]) -> f64 {
        let Some(inputs) = inputs(verdict, begun) else { return 0.0 };
        let sum: f64 = self.weights.iter().zip(inputs).map(|(weight, input)| weight * input).sum();
        1.0 / (1.0 + (-(sum + self.bias)).exp())
    }

    /// Whether the answer which began so may go on.
    pub fn lets_through(&self, verdict: Option<&Verdict>, begun: &[Confidence]) -> bool {
        self.score(verdict, begun) >= self.threshold
    }
}

/// Why a judge does not fit, with what mends it.
fn misfit(why: &str) -> String {
    format!("{why}. Make it anew with `crossover eval early-gate`, or set early-gate.enabled = false")
}

/// The judge's inputs, in the order of [`INPUTS`]; `None` without any token.
pub fn inputs(verdict: Option<&Verdict>, begun: &[Confidence]) -> Option<[f64; INPUTS.len()]> {
    let first = f64::from(begun.first()?.logprob);
    let count = begun.len() as f64;
    let score = verdict.map_or(0.5, |verdict| f64::from(verdict.steering())).clamp(1e-4, 1.0 - 1e-4);
    let mean = begun.iter().map(|token| f64::from(token.logprob)).sum::<f64>() / count;
    let lowest = begun.iter().map(|token| f64::from(token.logprob)).fold(0.0, f64::min);
    let entropy = begun.iter().map(|token| f64::from(token.entropy)).sum::<f64>() / count;
    Some([(score / (1.0 - score)).ln(), first, mean, lowest, entropy])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::routing::calibration::tests::sample;
    use crate::routing::{Calibration, Head};

    #[test]
    fn a_judge_of_other_models_is_refused() {
        let mut gate = EarlyGate::new(4, [0.0; 5], 0.0, 0.5);
        (gate.local_model, gate.classifier) = ("a".to_owned(), "b".to_owned());
        let present = |local: &str, classifier: Option<&str>| Present {
            local_model: Some(local.to_owned()),
            classifier: classifier.map(str::to_owned),
            ..Present::default()
        };
        assert!(gate.check(&present("a", Some("b"))).is_ok() && gate.check(&present("a", None)).is_ok());
        assert!(gate.check(&present("x", Some("b"))).unwrap_err().contains("local model"));
        assert!(gate.check(&present("a", Some("x"))).unwrap_err().contains("classifier"));
    }

    #[test]
    fn a_judge_of_another_head_s_score_is_refused() {
        let calibration = |bias| Calibration { head: Some(Head { weights: vec![0.5], bias }), ..sample() };
        let headed = |bias| Standing::Valid(Arc::new(calibration(bias)));
        let id = headed(0.25).head().unwrap();
        let mut gate = EarlyGate::new(4, [0.0; 5], 0.0, 0.5);
        assert!(gate.check_head(&Standing::Missing).is_ok());
        let problem = gate.check_head(&headed(0.25)).unwrap_err();
        let named = problem.contains(&format!("head {id} steers now. Make it anew"));
        assert!(problem.contains("on the shipped score, and") && named, "{problem}");
        gate.head = Some(id.to_string());
        assert!(gate.check_head(&headed(0.25)).is_ok());
        assert!(gate.check_head(&headed(0.75)).is_err() && gate.check_head(&Standing::Missing).is_err());

        let stale = Standing::Mismatch(Arc::new(calibration(0.25)), vec![]);
        let problem = gate.check_head(&stale).unwrap_err();
        assert!(problem.contains("Run `crossover calibrate evals/golden/mixed`, or set"), "{problem}");
        assert!(!problem.contains("eval early-gate"), "a judge made now would be refused: {problem}");
    }

    fn token(logprob: f32, entropy: f32) -> Confidence {
        Confidence { logprob, entropy }
    }

    #[test]
    fn inputs_follow_the_verdict_and_the_tokens() {
        let verdict = Verdict { local_ok: 0.75, ..Verdict::default() };
        let inputs = inputs(Some(&verdict), &[token(-1.0, 0.5), token(-3.0, 1.5)]).unwrap();
        let expected = [3.0_f64.ln(), -1.0, -2.0, -3.0, 1.0];
        assert!(inputs.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{inputs:?}");
        assert_eq!(super::inputs(None, &[token(0.0, 0.0)]).unwrap()[0], 0.0);
    }

    #[test]
    fn a_sure_beginning_goes_on_and_none_does_not() {
        let gate = EarlyGate::new(4, [0.0, 0.0, 2.0, 0.0, 0.0], 2.0, 0.5);
        assert!(gate.lets_through(None, &[token(-0.1, 0.1)]));
        assert!(!gate.lets_through(None, &[token(-3.0, 2.0)]));
        assert!(!gate.lets_through(None, &[]));
    }

    #[test]
    fn a_wrong_file_is_named_with_what_mends_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("early-gate.json");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            EarlyGate::read(&file).map_err(|problem| problem.to_string())
        };
        let good = EarlyGate::new(4, [0.0; 5], 0.0, 0.5);
        let text = serde_json::to_string(&good).unwrap();
        assert_eq!(read(&text).unwrap(), good);
        for wrong in [
            text.replace("\"tokens\":4", "\"tokens\":0"),
            text.replace("\"schema-version\":1", "\"schema-version\":2"),
            text.replace("\"bias\"", "\"colour\""),
            "{".to_owned(),
        ] {
            let problem = read(&wrong).unwrap_err();
            assert!(
                problem.contains("early-gate.json") && problem.contains("crossover eval early-gate"),
                "{problem}"
            );
        }
        assert!(EarlyGate::read(&folder.path().join("none.json")).is_err());
    }
}
