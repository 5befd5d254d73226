//! Chooses the next token from logits, as the request asks and the job's grammar allows.
//! Promises: same seed, same logits, same token; greedy with nothing else asked for is one pass; what is told of a
//! token is the model's own distribution, before anything here bends it. Knows no text.

mod adjust;
mod draw;
mod tell;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use self::adjust::Adjuster;
use self::draw::Draw;
use super::constraint::{Constraint, ConstraintError, Grammars};
use super::queue::Job;
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
    /// Added to single tokens' logits; -100 bans.
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
    /// The job's grammar is complete: nothing can follow this token.
    pub(super) last: bool,
}

/// Natural logarithms of probabilities before temperature, penalties, biases, grammar and cuts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Logprobs {
    pub(super) chosen: f32,
    /// Token ids with theirs, likeliest first.
    pub(super) top: Vec<(u32, f32)>,
}

/// Why no token can be chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Stuck {
    /// The logits hold no number to choose by.
    #[error("the logits are not finite")]
    NotFinite,
    /// The job's grammar cannot go on.
    #[error(transparent)]
    Grammar(#[from] ConstraintError),
}

/// The sampling state of one sequence.
///
/// The order is that of vLLM's sampler: the grammar's mask, `logit_bias`, the repetition penalty, the frequency and
/// presence penalties; greedy ends here; else temperature, min-p, top-k, top-p and the draw.
pub(super) struct Sampler {
    choice: Choice,
    random: ChaCha8Rng,
    adjuster: Adjuster,
    draw: Draw,
    chosen: usize,
    constraint: Option<Result<Constraint, ConstraintError>>,
}

impl Sampler {
    /// `index` tells the `n` answers of one request apart, so that one seed gives `n` different texts. A grammar that
    /// cannot be used is told at the first token.
    pub(super) fn new(job: &Job, index: u32, grammars: &Grammars) -> Self {
        let choice = job.choice.clone();
        let constraint = job.grammar.as_ref().map(|grammar| grammars.start(grammar));
        let seed = choice.seed.map_or_else(rand::random, i64::cast_unsigned);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(u64::from(index));
        let adjuster = Adjuster::new(&choice, &job.prompt);
        Self { choice, random, adjuster, draw: Draw::default(), chosen: 0, constraint }
    }

    /// Chooses the next token, says of it what was asked, and counts it as part of the answer.
    pub(super) fn pick(&mut self, logits: &[f32]) -> Result<Token, Stuck> {
        let id = self.next(logits)?;
        self.adjuster.count(id);
        let last = match &mut self.constraint {
            Some(Ok(constraint)) => constraint.take(id)?,
            Some(Err(_)) | None => false,
        };
        let watched = self.chosen < self.choice.watched;
        let confidence = watched.then(|| tell::confidence(logits, id)).flatten();
        let logprobs = self.choice.logprobs.and_then(|top| tell::logprobs(logits, id, top as usize));
        self.chosen += 1;
        Ok(Token { id, confidence, logprobs, last })
    }

    fn next(&mut self, logits: &[f32]) -> Result<u32, Stuck> {
        let allowed = match &mut self.constraint {
            None => None,
            Some(Ok(constraint)) => Some(constraint.allowed()?),
            Some(Err(error)) => return Err(error.clone().into()),
        };
        let logits = self.adjuster.adjust(&self.choice, logits, allowed.as_ref());
        let (best, top) = greatest(logits).ok_or(Stuck::NotFinite)?;
        if self.choice.temperature <= 0.0 || self.choice.top_k == 1 {
            return Ok(best);
        }
        Ok(self.draw.one(&self.choice, logits, top, &mut self.random).unwrap_or(best))
    }
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

#[cfg(test)]
mod tests;
