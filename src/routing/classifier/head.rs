//! A small head fitted for the installed local model: logistic regression on what the graph puts out. `calibrate`
//! fits it, a calibration file carries it, the classifier applies it. Knows neither policies nor thresholds.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Logistic regression over the graph's embedding followed by its head outputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// One weight for each input: the embedding's numbers in order, then the logit of `local_ok`, then `gain`.
    pub weights: Vec<f32>,
    /// Added to the weighted sum.
    pub bias: f32,
}

impl Head {
    /// The probability that the installed local model's answer is good enough; `None` when the number of inputs is not
    /// the number of weights, or the result is no number.
    pub fn score(&self, inputs: &[f32]) -> Option<f32> {
        if inputs.len() != self.weights.len() {
            return None;
        }
        let sum: f32 = self.weights.iter().zip(inputs).map(|(weight, input)| weight * input).sum();
        let score = 1.0 / (1.0 + (-(sum + self.bias)).exp());
        score.is_finite().then_some(score)
    }

    /// Its name in records: the first 12 hex digits of the SHA-256 of its numbers.
    pub fn id(&self) -> Arc<str> {
        let mut digest = Sha256::new();
        for number in self.weights.iter().chain([&self.bias]) {
            digest.update(number.to_le_bytes());
        }
        digest.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect::<String>().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_by_the_logistic_of_the_weighted_sum() {
        let head = Head { weights: vec![2.0, -1.0], bias: 0.5 };
        let score = head.score(&[1.0, 0.5]).unwrap();
        assert!((score - 0.880_797).abs() < 1e-6, "{score}");
        assert_eq!(head.score(&[1.0]), None);
        assert_eq!(head.score(&[f32::NAN, 0.0]), None);
    }
}
