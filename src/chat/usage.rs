//! Token counts of one answer, with OpenAI's subset meaning: cached is part of prompt, reasoning part of completion.

use serde::{Deserialize, Serialize};

/// Most tokens that a report is believed to tell of, in prompt or answer: more than any model takes, and no sum of such
/// reports overflows a counter.
const MOST: u64 = 100_000_000;

/// Tokens that one answer took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// All prompt tokens, cached ones included.
    pub prompt: u64,
    /// Prompt tokens read from a cache; at most `prompt`.
    pub cached_prompt: u64,
    /// All generated tokens, reasoning ones included.
    pub completion: u64,
    /// Generated tokens that were hidden reasoning; at most `completion`.
    pub reasoning: u64,
    /// True when we counted because the backend did not say.
    pub estimated: bool,
}

impl Usage {
    /// Prompt and completion together.
    pub fn total(&self) -> u64 {
        self.prompt.saturating_add(self.completion)
    }

    /// The same, with the generated tokens that an upstream counts in its `total` alone (0: it names none): xAI tells its
    /// reasoning beside the completion, others not at all. OpenAI's own form, reasoning within the completion, stays as
    /// it is. Parts never exceed their whole. `None` where prompt or completion are beyond belief: nothing was told then;
    /// a total beyond belief is none.
    #[must_use]
    pub fn with_total(self, total: u64) -> Option<Self> {
        if self.prompt.max(self.completion) > MOST {
            return None;
        }
        let total = if total > MOST { 0 } else { total };
        let told = self.total();
        let completion = match self.reasoning {
            0 if total > told => total - self.prompt,
            1.. if total == told.saturating_add(self.reasoning) => {
                self.completion.saturating_add(self.reasoning)
            }
            _ => self.completion,
        };
        let (cached_prompt, reasoning) =
            (self.cached_prompt.min(self.prompt), self.reasoning.min(completion));
        Some(Self { cached_prompt, completion, reasoning, ..self })
    }
}
