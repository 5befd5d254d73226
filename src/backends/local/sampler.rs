//! Chooses the next token from logits: greedy, or temperature, top-k and top-p with a seeded generator.
//! Promises: same seed, same logits, same token; greedy is one pass. Has no penalties and no biases.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::chat::Confidence;

/// How to choose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Choice {
    /// 0 is greedy.
    pub(super) temperature: f32,
    /// Nucleus, in `(0, 1]`.
    pub(super) top_p: f32,
    /// 0 is off.
    pub(super) top_k: usize,
    /// Drop tokens less likely than this share of the likeliest; 0 is off.
    pub(super) min_p: f32,
    /// As [`crate::chat::Sampling`] says; 1 is off.
    pub(super) repetition_penalty: f32,
    /// As [`crate::chat::Sampling`] says; 0 is off.
    pub(super) frequency_penalty: f32,
    /// As [`crate::chat::Sampling`] says; 0 is off.
    pub(super) presence_penalty: f32,
    /// Added to single tokens' logits.
    pub(super) logit_bias: Vec<(u32, f32)>,
    /// Tell each token's log probability, and those of so many alternatives.
    pub(super) logprobs: Option<u32>,
    /// First tokens of the answer whose confidence is told.
    pub(super) watched: usize,
    /// Where the generator starts; `None` starts anywhere.
    pub(super) seed: Option<i64>,
}

/// A chosen token, and what was asked to be told of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Token {
    pub(super) id: u32,
    /// How sure the model was of it, where that is watched.
    pub(super) confidence: Option<Confidence>,
    /// Its log probability and the likeliest tokens', where asked for.
    pub(super) logprobs: Option<Logprobs>,
}

/// Natural logarithms of probabilities before temperature and cuts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Logprobs {
    pub(super) chosen: f32,
    /// Token ids with theirs, likeliest first.
    pub(super) top: Vec<(u32, f32)>,
}

/// Logits that hold no number to choose by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotFinite;

/// The sampling state of one sequence.
pub(super) struct Sampler {
    choice: Choice,
    random: ChaCha8Rng,
    candidates: Vec<(f32, u32)>,
    chosen: usize,
}

impl Sampler {
    /// `index` tells the `n` answers of one request apart, so that one seed gives `n` different texts.
    pub(super) fn new(choice: Choice, index: u32) -> Self {
        let seed = choice.seed.map_or_else(rand::random, i64::cast_unsigned);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(u64::from(index));
        Self { choice, random, candidates: vec![], chosen: 0 }
    }

    /// Chooses the next token and says of it what was asked.
    pub(super) fn pick(&mut self, logits: &[f32]) -> Result<Token, NotFinite> {
        let id = self.next(logits)?;
        let confidence = (self.chosen < self.choice.watched).then(|| confidence(logits, id)).flatten();
        self.chosen += 1;
        Ok(Token { id, confidence, logprobs: None })
    }

    /// The next token.
    fn next(&mut self, logits: &[f32]) -> Result<u32, NotFinite> {
        let (best, top) = greatest(logits).ok_or(NotFinite)?;
        if self.choice.temperature <= 0.0 || self.choice.top_k == 1 {
            return Ok(best);
        }
        self.weigh(logits, top);
        self.keep_top_k();
        self.keep_nucleus();
        let total: f64 = self.candidates.iter().map(|(weight, _)| f64::from(*weight)).sum();
        let mut left = self.random.random::<f64>() * total;
        for (weight, id) in &self.candidates {
            left -= f64::from(*weight);
            if left < 0.0 {
                return Ok(*id);
            }
        }
        Ok(self.candidates.last().map_or(best, |(_, id)| *id))
    }

    /// Unnormalised probabilities of all tokens that have one, relative to the likeliest.
    fn weigh(&mut self, logits: &[f32], top: f32) {
        let scale = 1.0 / self.choice.temperature;
        self.candidates.clear();
        self.candidates.extend(logits.iter().zip(0..).filter_map(|(logit, id)| {
            let weight = ((logit - top) * scale).exp();
            (weight > 0.0).then_some((weight, id))
        }));
    }

    fn keep_top_k(&mut self) {
        let k = self.choice.top_k;
        if k > 0 && k < self.candidates.len() {
            self.candidates.select_nth_unstable_by(k - 1, likelier);
            self.candidates.truncate(k);
            self.candidates.sort_unstable_by(likelier);
        }
    }

    fn keep_nucleus(&mut self) {
        let top_p = f64::from(self.choice.top_p);
        if top_p >= 1.0 || self.candidates.len() < 2 {
            return;
        }
        let total: f64 = self.candidates.iter().map(|(weight, _)| f64::from(*weight)).sum();
        // A token below this share cannot be in the nucleus: all such tokens together weigh less than 1 - p.
        let floor = (1.0 - top_p) * total / (self.candidates.len() - 1) as f64;
        self.candidates.retain(|(weight, _)| f64::from(*weight) >= floor);
        self.candidates.sort_unstable_by(likelier);
        let mut sum = 0.0;
        let kept = self.candidates.iter().position(|(weight, _)| {
            sum += f64::from(*weight);
            sum >= top_p * total
        });
        if let Some(last) = kept {
            self.candidates.truncate(last + 1);
        }
    }
}

/// Likelier first; ties by id, so that the order never depends on the sort.
fn likelier(a: &(f32, u32), b: &(f32, u32)) -> std::cmp::Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

/// The first of the greatest logits, or `None` where nothing is finite. Sixteen lanes, so that it compiles to vector
/// instructions: a large vocabulary is read once per token.
fn greatest(logits: &[f32]) -> Option<(u32, f32)> {
    let mut lanes = [f32::NEG_INFINITY; 16];
    let larger = |most: &mut f32, logit: f32| *most = if logit > *most { logit } else { *most };
    let (blocks, rest) = logits.as_chunks::<16>();
    for block in blocks {
        lanes.iter_mut().zip(block).for_each(|(most, logit)| larger(most, *logit));
    }
    lanes.iter_mut().zip(rest).for_each(|(most, logit)| larger(most, *logit));
    let mut top = f32::NEG_INFINITY;
    lanes.iter().for_each(|lane| larger(&mut top, *lane));
    let at = logits.iter().position(|logit| *logit == top)?;
    top.is_finite().then_some((u32::try_from(at).ok()?, top))
}

/// How sure the model was of `id`; `None` where the logits hold no number. One pass over the vocabulary.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confidence_is_the_log_probability_and_the_entropy() {
        // Probabilities 3/4 and 1/4.
        let logits = [0.0, 3.0_f32.ln(), f32::NEG_INFINITY];
        let sure = confidence(&logits, 1).unwrap();
        assert!((sure.logprob - 0.75_f32.ln()).abs() < 1e-6, "{sure:?}");
        assert!((sure.entropy - 0.562_335).abs() < 1e-5, "{sure:?}");
        assert_eq!(confidence(&logits, 2), None, "a token that cannot be chosen");
        assert_eq!(confidence(&[f32::NAN], 0), None);
    }

    const FREE: Choice = Choice {
        temperature: 1.0,
        top_p: 1.0,
        top_k: 0,
        min_p: 0.0,
        repetition_penalty: 1.0,
        frequency_penalty: 0.0,
        presence_penalty: 0.0,
        logit_bias: vec![],
        logprobs: None,
        watched: 0,
        seed: Some(7),
    };

    fn draw(choice: Choice, logits: &[f32], times: usize) -> Vec<u32> {
        let mut sampler = Sampler::new(choice, 0);
        (0..times).map(|_| sampler.next(logits).unwrap()).collect()
    }

    #[test]
    fn greedy_takes_the_first_of_the_greatest() {
        let greedy = Choice { temperature: 0.0, ..FREE };
        assert_eq!(draw(greedy, &[0.0, 3.0, -1.0, 3.0], 3), [1, 1, 1]);
    }

    #[test]
    fn the_greatest_is_found_wherever_it_stands() {
        for length in [1, 15, 16, 17, 100] {
            for at in 0..length {
                let mut logits = vec![-1.0_f32; length];
                logits[at] = 2.5;
                logits[length - 1] = 2.5;
                if at > 0 {
                    logits[0] = f32::NAN;
                }
                assert_eq!(greatest(&logits), Some((u32::try_from(at).unwrap(), 2.5)));
            }
        }
    }

    #[test]
    fn the_same_seed_draws_the_same_tokens_and_another_index_others() {
        let logits = [0.0_f32; 64];
        assert_eq!(draw(FREE, &logits, 50), draw(FREE, &logits, 50));
        let mut other = Sampler::new(FREE, 1);
        let second: Vec<u32> = (0..50).map(|_| other.next(&logits).unwrap()).collect();
        assert_ne!(draw(FREE, &logits, 50), second);
    }

    #[test]
    fn draws_follow_the_probabilities() {
        let logits = [0.0_f32, 3.0_f32.ln()];
        let ones = draw(FREE, &logits, 4000).iter().filter(|id| **id == 1).count();
        assert!((2880..3120).contains(&ones), "three quarters of 4000, got {ones}");
    }

    #[test]
    fn top_k_and_top_p_cut_the_tail() {
        let logits = [1.0, 4.0, 3.0, 2.0];
        let top_two = Choice { top_k: 2, ..FREE };
        assert!(draw(top_two, &logits, 300).iter().all(|id| [1, 2].contains(id)));
        // Shares are 0.64, 0.24, 0.09, 0.03: the nucleus of 0.8 is the first two.
        let nucleus = Choice { top_p: 0.8, ..FREE };
        let drawn = draw(nucleus, &logits, 300);
        assert!(drawn.iter().all(|id| [1, 2].contains(id)) && drawn.contains(&2));
        let tiny = Choice { top_p: 0.01, ..FREE };
        assert!(draw(tiny, &logits, 50).iter().all(|id| *id == 1));
    }

    #[test]
    fn logits_without_a_number_are_an_error() {
        assert_eq!(Sampler::new(FREE, 0).next(&[f32::NAN, f32::NEG_INFINITY]), Err(NotFinite));
    }
}
