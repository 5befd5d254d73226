//! What is told of a chosen token: how sure the model was, and log probabilities.
//! Promises: the softmax of the logits as the model gave them; each is one pass over the vocabulary.

use super::{Logprobs, greatest};
use crate::chat::Confidence;

/// How sure the model was of `id`; `None` where the logits hold no number.
pub(super) fn confidence(logits: &[f32], id: u32) -> Option<Confidence> {
    let (_, top) = greatest(logits)?;
    let (mut total, mut weighted) = (0.0_f64, 0.0_f64);
    for logit in logits {
        let below = logit - top;
        let weight = f64::from(below.exp());
        if weight > 0.0 {
            total += weight;
            weighted += weight * f64::from(below);
        }
    }
    let chosen = f64::from(logits.get(id as usize)? - top);
    let (logprob, entropy) = (chosen - total.ln(), total.ln() - weighted / total);
    let confidence = Confidence { logprob: logprob.min(0.0) as f32, entropy: entropy.max(0.0) as f32 };
    (confidence.logprob.is_finite() && confidence.entropy.is_finite()).then_some(confidence)
}

/// The log probabilities of `id` and of the `top` likeliest tokens (ties by id); `None` where the logits hold no
/// number.
pub(super) fn logprobs(logits: &[f32], id: u32, top: usize) -> Option<Logprobs> {
    let (_, greatest) = greatest(logits)?;
    let mut total = 0.0_f64;
    let mut likeliest: Vec<(f32, u32)> = Vec::with_capacity(top + 1);
    for (logit, id) in logits.iter().zip(0..) {
        let weight = f64::from((logit - greatest).exp());
        if weight > 0.0 {
            total += weight;
        }
        if logit.is_nan() {
            continue;
        }
        if likeliest.len() < top || likeliest.last().is_some_and(|(least, _)| logit > least) {
            let at = likeliest.partition_point(|(kept, _)| kept >= logit);
            likeliest.insert(at, (*logit, id));
            likeliest.truncate(top);
        }
    }
    let of = |logit: f32| (f64::from(logit - greatest) - total.ln()).min(0.0) as f32;
    let chosen = of(*logits.get(id as usize)?);
    Some(Logprobs { chosen, top: likeliest.into_iter().map(|(logit, id)| (id, of(logit))).collect() })
}
