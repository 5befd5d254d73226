//! What bends logits before temperature: a grammar's mask, `logit_bias` and the three penalties.
//! Promises: without any of them the logits are neither copied nor read; a grammar goes before a ban.

use std::collections::HashMap;

use llguidance::toktrie::SimpleVob;

use super::Choice;

/// At or below this, a bias bans its token.
const BAN: f32 = -100.0;

/// The tokens that penalties count, and a place for bent logits.
pub(super) struct Adjuster {
    /// How often the answer holds each token; 0 for tokens of the prompt alone.
    seen: HashMap<u32, u32>,
    counts: bool,
    bent: Vec<f32>,
}

impl Adjuster {
    /// The repetition penalty counts the prompt too, the other two only the answer.
    pub(super) fn new(choice: &Choice, prompt: &[u32]) -> Self {
        let repetition = choice.repetition_penalty != 1.0;
        let seen = if repetition { prompt.iter().map(|id| (*id, 0)).collect() } else { HashMap::new() };
        let counts = repetition || choice.frequency_penalty != 0.0 || choice.presence_penalty != 0.0;
        Self { seen, counts, bent: vec![] }
    }

    /// Takes a token of the answer.
    pub(super) fn count(&mut self, id: u32) {
        if self.counts {
            *self.seen.entry(id).or_default() += 1;
        }
    }

    /// The logits after mask, biases and penalties; those given where there is nothing to do.
    pub(super) fn adjust<'l>(
        &'l mut self,
        choice: &Choice,
        logits: &'l [f32],
        allowed: Option<&SimpleVob>,
    ) -> &'l [f32] {
        if allowed.is_none() && choice.logit_bias.is_empty() && !self.counts {
            return logits;
        }
        self.fill(logits, allowed);
        for (id, bias) in &choice.logit_bias {
            if let Some(logit) = self.bent.get_mut(*id as usize) {
                *logit = if *bias <= BAN { f32::NEG_INFINITY } else { *logit + bias };
            }
        }
        self.penalise(choice);
        if allowed.is_some() && !self.bent.iter().any(|logit| logit.is_finite()) {
            self.fill(logits, allowed);
        }
        &self.bent
    }

    fn fill(&mut self, logits: &[f32], allowed: Option<&SimpleVob>) {
        self.bent.clear();
        match allowed {
            None => self.bent.extend_from_slice(logits),
            Some(allowed) => {
                self.bent.resize(logits.len(), f32::NEG_INFINITY);
                allowed.iter_set_entries(|id| {
                    if let (Some(bent), Some(logit)) = (self.bent.get_mut(id), logits.get(id)) {
                        *bent = *logit;
                    }
                });
            }
        }
    }

    /// Repetition as in CTRL (Keskar et al. 2019) and `transformers`: a positive logit is divided, a negative one
    /// multiplied. Then, as OpenAI's API reference says: less `count * frequency + (count > 0) * presence`.
    fn penalise(&mut self, choice: &Choice) {
        let repetition = choice.repetition_penalty;
        for (id, count) in &self.seen {
            let Some(logit) = self.bent.get_mut(*id as usize) else { continue };
            *logit = if *logit > 0.0 { *logit / repetition } else { *logit * repetition };
            if *count > 0 {
                *logit -= *count as f32 * choice.frequency_penalty + choice.presence_penalty;
            }
        }
    }
}
