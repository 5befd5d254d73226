//! Draws a token: temperature, min-p, top-k, top-p, and one random number.
//! Promises: ties are ordered by token id, so that nothing depends on a sort; at least one token is always kept.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::Choice;

/// Buffers of one sequence's draws.
#[derive(Default)]
pub(super) struct Draw {
    /// Unnormalised probabilities, relative to the likeliest, and token ids.
    candidates: Vec<(f32, u32)>,
}

impl Draw {
    /// One token of those that the cuts leave; `top` is the greatest of `logits`. `None` where none has a weight.
    pub(super) fn one(
        &mut self,
        choice: &Choice,
        logits: &[f32],
        top: f32,
        random: &mut ChaCha8Rng,
    ) -> Option<u32> {
        self.weigh(logits, top, choice);
        self.keep_top_k(choice.top_k);
        self.keep_nucleus(f64::from(choice.top_p));
        let mut left = random.random::<f64>() * self.total();
        let drawn = self.candidates.iter().find(|(weight, _)| {
            left -= f64::from(*weight);
            left < 0.0
        });
        drawn.or(self.candidates.last()).map(|(_, id)| *id)
    }

    /// Weighs after temperature, and drops what is below min-p's share of the likeliest, whose weight is 1.
    fn weigh(&mut self, logits: &[f32], top: f32, choice: &Choice) {
        let scale = 1.0 / choice.temperature;
        let least = choice.min_p;
        self.candidates.clear();
        self.candidates.extend(logits.iter().zip(0..).filter_map(|(logit, id)| {
            let weight = ((logit - top) * scale).exp();
            (weight > 0.0 && weight >= least).then_some((weight, id))
        }));
    }

    fn keep_top_k(&mut self, k: usize) {
        if k > 0 && k < self.candidates.len() {
            self.candidates.select_nth_unstable_by(k - 1, likelier);
            self.candidates.truncate(k);
            self.candidates.sort_unstable_by(likelier);
        }
    }

    fn keep_nucleus(&mut self, top_p: f64) {
        if top_p >= 1.0 || self.candidates.len() < 2 {
            return;
        }
        let total = self.total();
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

    fn total(&self) -> f64 {
        self.candidates.iter().map(|(weight, _)| f64::from(*weight)).sum()
    }
}

/// Likelier first; ties by id, so that the order never depends on the sort.
fn likelier(a: &(f32, u32), b: &(f32, u32)) -> std::cmp::Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}
