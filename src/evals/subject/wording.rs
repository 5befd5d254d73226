//! How a question is put. Evals ask greedily and bound the answer; models that think before they speak take neither in the
//! usual words and say which parameter they refuse. They are asked again without it, and so from then on.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{SubjectError, Transcript};

/// How a question is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wording {
    /// Whether it asks for temperature 0; else for none.
    pub greedy: bool,
    /// Whether `max_completion_tokens` bounds the answer; else the older `max_tokens`.
    pub newer: bool,
}

impl Default for Wording {
    fn default() -> Self {
        Self { greedy: true, newer: false }
    }
}

impl Wording {
    /// The same without a parameter; `None` where it is without it already.
    fn without(self, parameter: Parameter) -> Option<Self> {
        match parameter {
            Parameter::Temperature => self.greedy.then_some(Self { greedy: false, ..self }),
            Parameter::MaxTokens => (!self.newer).then_some(Self { newer: true, ..self }),
        }
    }
}

/// A parameter of a question that not every model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// `temperature`.
    Temperature,
    /// `max_tokens`.
    MaxTokens,
}

impl Parameter {
    /// The one that a refusal names, where it says that the model does not take it.
    pub(super) fn refused(code: Option<&str>, param: Option<&str>) -> Option<Self> {
        let told = code.is_some_and(|code| code.starts_with("unsupported"));
        match param? {
            "temperature" if told || code.is_none() => Some(Self::Temperature),
            // Without a code it may be just too many of them.
            "max_tokens" if told => Some(Self::MaxTokens),
            _ => None,
        }
    }
}

/// What one subject has refused.
#[derive(Debug, Default)]
pub(super) struct Manner {
    /// Local answers come from it too, which are greedy only where that is asked: so it is, every time.
    mixed: bool,
    no_temperature: AtomicBool,
    no_max_tokens: AtomicBool,
}

impl Manner {
    /// Of a subject whose answers come from both tiers, where `mixed`.
    pub(super) fn new(mixed: bool) -> Self {
        Self { mixed, ..Self::default() }
    }

    /// Asks, and again without what is refused.
    pub(super) async fn ask<F>(&self, question: impl Fn(Wording) -> F) -> Result<Transcript, SubjectError>
    where
        F: Future<Output = Result<Transcript, SubjectError>>,
    {
        let mut wording = self.wording();
        loop {
            let answer = question(wording).await;
            let &Err(SubjectError::Unsupported(parameter, _)) = &answer else { return answer };
            let Some(next) = wording.without(parameter) else { return answer };
            self.remember(parameter);
            wording = next;
        }
    }

    fn wording(&self) -> Wording {
        Wording {
            greedy: self.mixed || !self.no_temperature.load(Ordering::Relaxed),
            newer: self.no_max_tokens.load(Ordering::Relaxed),
        }
    }

    fn remember(&self, parameter: Parameter) {
        let refused = match parameter {
            Parameter::Temperature => &self.no_temperature,
            Parameter::MaxTokens => &self.no_max_tokens,
        };
        refused.store(true, Ordering::Relaxed);
    }
}
