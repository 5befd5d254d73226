//! Plain facts read off a request in microseconds: what rules may ask about, and the text that the classifier reads.
//! Reads only; knows no policy, no model and no clock. What it guesses (`tokens`, `task`, `code`, `language`,
//! `fresh`) is marked as a guess.

mod code;
mod fresh;
mod language;
mod pii;
mod task;
mod text;
mod tokens;

use serde::Serialize;

pub use language::Language;
pub use pii::Pii;
pub use task::Task;

use crate::chat::{ChatRequest, Needs};

/// Plain facts of one request.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// The text that the classifier reads: instructions, then the last user turn. Never logged, never serialised.
    pub text: String,
    /// Upper estimate of the prompt's length, in tokens.
    pub prompt_tokens: u32,
    /// The longest answer that the caller allows, in tokens.
    pub max_tokens: Option<u32>,
    /// The caller's tags.
    pub tags: Vec<String>,
    /// What a backend must be able to do.
    pub needs: Needs,
    /// Whether more than one answer is asked for.
    pub several: bool,
    /// Whether the conversation holds code.
    pub code: bool,
    /// Whether it holds personal data.
    pub pii: Pii,
    /// The task, guessed by keywords.
    pub task: Option<Task>,
    /// The language of the last user turn, guessed.
    pub language: Language,
    /// Whether a good answer needs to know what is going on now, guessed by phrases.
    pub needs_fresh_knowledge: bool,
    /// Whether the request belongs to a session.
    pub session: bool,
}

impl Signals {
    /// Reads every signal off a request.
    pub fn read(request: &ChatRequest) -> Self {
        let text = text::classifier_text(&request.messages);
        let asked = text::asked(&request.messages);
        let code = request.texts().any(code::holds_code);
        Self {
            prompt_tokens: tokens::prompt_tokens(request),
            max_tokens: request.sampling.max_tokens,
            tags: request.controls.tags.clone(),
            needs: request.needs,
            several: request.sampling.n > 1,
            code,
            pii: pii::scan_request(request),
            task: if code { None } else { task::guess(&text, &asked) },
            language: language::detect(&asked),
            needs_fresh_knowledge: fresh::needs_fresh_knowledge(&asked),
            session: request.controls.session.is_some(),
            text,
        }
    }

    /// The same facts without the text, for explanations.
    pub fn report(&self) -> SignalsReport {
        SignalsReport {
            prompt_tokens: self.prompt_tokens,
            max_tokens: self.max_tokens,
            tags: self.tags.clone(),
            needs: self.need_names(),
            code: self.code,
            pii: self.pii,
            task: self.task,
            language: self.language,
            needs_fresh_knowledge: self.needs_fresh_knowledge,
            session: self.session,
        }
    }

    /// The names of everything that is needed, as `needs-any` writes them.
    pub fn need_names(&self) -> Vec<&'static str> {
        let needs = &self.needs;
        [
            (needs.vision, "vision"),
            (needs.audio, "audio"),
            (needs.tools, "tools"),
            (needs.logprobs, "logprobs"),
            (self.several, "n"),
            (needs.structured, "structured"),
            (needs.other_sampling, "other-sampling"),
            (needs.hosted, "hosted"),
        ]
        .into_iter()
        .filter_map(|(needed, name)| needed.then_some(name))
        .collect()
    }
}

/// Signals as an explanation shows them.
#[derive(Clone, Debug, Serialize)]
pub struct SignalsReport {
    /// Upper estimate of the prompt's length, in tokens.
    pub prompt_tokens: u32,
    /// The longest answer that the caller allows, in tokens.
    pub max_tokens: Option<u32>,
    /// The caller's tags.
    pub tags: Vec<String>,
    /// What a backend must be able to do, by the names of `needs-any`.
    pub needs: Vec<&'static str>,
    /// Whether the conversation holds code.
    pub code: bool,
    /// Whether it holds personal data.
    pub pii: Pii,
    /// The task, guessed by keywords.
    pub task: Option<Task>,
    /// ISO 639-1 code of the last user turn's language, guessed, or `unknown`.
    pub language: Language,
    /// Whether a good answer needs to know what is going on now, guessed by phrases.
    pub needs_fresh_knowledge: bool,
    /// Whether the request belongs to a session.
    pub session: bool,
}
