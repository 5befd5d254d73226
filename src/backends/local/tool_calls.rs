//! How models write tool calls: which form a model speaks, found in its chat template, and the way back from text.
//! Promises: a call comes out only for an offered function and with arguments that are a JSON object; all else stays
//! text. Constrains nothing: `grammar` says what may be generated.

mod deltas;
mod grammar;
mod head;
mod parse;
mod plan;

use sha2::{Digest, Sha256};

use self::parse::{Parser, Piece};
pub(super) use self::{
    deltas::{Reader, Reading, Said},
    plan::{Plan, Unplanned, plan},
};

/// Letters of ids.
const LETTERS: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// The form in which a model writes tool calls.
///
/// | form | found by | a call | more calls |
/// |---|---|---|---|
/// | Hermes (Qwen 2.5, Qwen 3) | `<tool_call>` | `<tool_call>{"name": n, "arguments": {}}</tool_call>` | the same again |
/// | Mistral, new | `[TOOL_CALLS]` and `[ARGS]` | `[TOOL_CALLS]n[ARGS]{}` | the same again |
/// | Mistral, old | `[TOOL_CALLS]` | `[TOOL_CALLS][{"name": n, "arguments": {}}]` | in the list |
/// | Phi-4 | `<\|tool\|>`, `<\|tool_call\|>` | `<\|tool_call\|>[{"name": n, "arguments": {}}]<\|/tool_call\|>` | in the list |
/// | Llama 3 | `<\|python_tag\|>`, `ipython` | `{"name": n, "parameters": {}}`, perhaps behind `<\|python_tag\|>` | after `;` |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Hermes,
    MistralArgs,
    MistralList,
    Phi4,
    Llama3,
}

impl Form {
    /// The form whose marks stand in a chat template; none where it speaks of no tools, or writes calls in another way.
    /// Whether it shows the tools that are offered is for a probe to tell.
    pub(super) fn of(template: &str) -> Option<Self> {
        let has = |text: &str| template.contains(text);
        if !has("tools") || has("<function=") {
            None
        } else if has("[TOOL_CALLS]") {
            Some(if has("[ARGS]") { Self::MistralArgs } else { Self::MistralList })
        } else if has("<tool_call>") {
            Some(Self::Hermes)
        } else if has("<|tool_call|>") || has("<|tool|>") {
            Some(Self::Phi4)
        } else if has("<|python_tag|>") || has("ipython") {
            Some(Self::Llama3)
        } else {
            None
        }
    }

    /// What begins calls, the usual one first.
    fn openers(self) -> &'static [&'static str] {
        match self {
            Self::Hermes => &["<tool_call>"],
            Self::MistralArgs | Self::MistralList => &["[TOOL_CALLS]"],
            // Some checkpoints write this word in place of the token.
            Self::Phi4 => &["<|tool_call|>", "functools"],
            Self::Llama3 => &["<|python_tag|>"],
        }
    }

    /// What ends calls.
    fn closers(self) -> &'static [&'static str] {
        match self {
            Self::Hermes => &["</tool_call>"],
            Self::Phi4 => &["<|/tool_call|>"],
            Self::MistralArgs | Self::MistralList | Self::Llama3 => &[],
        }
    }

    /// Texts that must be seen even where they are special tokens.
    pub(super) fn marks(self) -> impl Iterator<Item = &'static str> {
        let inner: &[&str] = if self == Self::MistralArgs { &["[ARGS]", "[CALL_ID]"] } else { &[] };
        self.openers().iter().chain(self.closers()).chain(inner).copied()
    }

    /// Whether an answer that begins with `{` may be a call.
    fn is_bare(self) -> bool {
        self == Self::Llama3
    }

    /// A fresh id for a call.
    pub(super) fn fresh_id(self) -> String {
        match self {
            Self::MistralArgs | Self::MistralList => letters(rand::random(), 9),
            Self::Hermes | Self::Phi4 | Self::Llama3 => format!("call_{}", letters(rand::random(), 24)),
        }
    }

    /// An id as the model's template accepts it: Mistral's knows only nine letters and digits. The same id always
    /// gives the same.
    pub(super) fn known_id(self, id: &str) -> String {
        let fits = id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        match self {
            Self::MistralArgs | Self::MistralList if !fits => letters(Sha256::digest(id).into(), 9),
            _ => id.to_owned(),
        }
    }
}

fn letters(bytes: [u8; 32], count: usize) -> String {
    bytes.iter().take(count).map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect()
}

#[cfg(test)]
mod tests;
