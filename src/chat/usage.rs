//! Token counts of one answer, with OpenAI's subset meaning: cached is part of prompt, reasoning part of completion.

use serde::{Deserialize, Serialize};

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
}
