//! Writes answers in OpenAI's form: stream chunks and whole completions of backends whose bytes are not relayed, and
//! the error envelope. A backend that speaks the dialect is relayed and never passes here.

mod calls;
mod logprobs;

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use self::calls::Calls;
use self::logprobs::Logprobs;
use crate::chat::{Chunk, Delta, Event, FinishReason, TokenLogprob, Usage};

/// What all chunks of one answer share.
#[derive(Clone, Debug, Serialize)]
pub struct Header {
    /// The completion's id.
    pub id: String,
    /// When it began, in seconds since 1970.
    pub created: i64,
    /// The model that answers.
    pub model: String,
    /// Whether calls are told in the older form, as `function_call`.
    pub older_calls: bool,
}

#[derive(Serialize)]
struct Frame<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: &'a [FrameChoice<'a>],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<Value>>,
}

#[derive(Serialize)]
struct FrameChoice<'a> {
    index: u32,
    delta: Value,
    logprobs: Option<Logprobs>,
    finish_reason: Option<&'a str>,
}

#[derive(Serialize)]
struct Whole<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: Vec<WholeChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Value>,
}

#[derive(Serialize)]
struct WholeChoice {
    index: u32,
    message: Value,
    logprobs: Option<Logprobs>,
    finish_reason: String,
}

/// The JSON of each stream chunk that the caller sees of `chunk`, in order.
///
/// Usage has a chunk of its own, without choices, when `include_usage`; every other chunk then says `usage: null`.
/// Log probabilities stand beside the text that they are of, or beside the finish where no text is left.
pub fn frames(header: &Header, chunk: &Chunk, include_usage: bool) -> Vec<Vec<u8>> {
    let is_text = |event: &&Event| matches!(event, Event::Delta { delta: Delta::Text(_), .. });
    let is_finish = |event: &&Event| matches!(event, Event::Finish { .. });
    let events = &chunk.events;
    let scored = events.iter().find(is_text).or_else(|| events.iter().find(is_finish));
    let frame = |event: &Event| {
        let tokens =
            if scored.is_some_and(|scored| std::ptr::eq(scored, event)) { &chunk.logprobs[..] } else { &[] };
        frame(header, event, tokens, include_usage)
    };
    events.iter().filter_map(frame).collect()
}

fn frame(header: &Header, event: &Event, tokens: &[TokenLogprob], include_usage: bool) -> Option<Vec<u8>> {
    let none = include_usage.then_some(None);
    let (mut choice, usage) = match event {
        Event::Role { index } => {
            (Some(choice(*index, json!({ "role": "assistant", "content": "" }), None)), none)
        }
        Event::Delta { index, delta } => (Some(choice(*index, delta_value(header, delta), None)), none),
        Event::Finish { index, reason } => {
            (Some(choice(*index, json!({}), Some(reason_name(header, reason)))), none)
        }
        Event::Usage(usage) if include_usage => (None, Some(Some(usage_value(usage)))),
        Event::Usage(_) => return None,
        Event::Whole { text } => {
            (Some(choice(0, json!({ "role": "assistant", "content": text }), Some("stop"))), none)
        }
    };
    if let Some(choice) = &mut choice {
        let mut logprobs = Logprobs::default();
        logprobs.push(tokens);
        choice.logprobs = logprobs.filled();
    }
    let frame = Frame {
        id: &header.id,
        object: "chat.completion.chunk",
        created: header.created,
        model: &header.model,
        choices: choice.as_slice(),
        usage,
    };
    serde_json::to_vec(&frame).ok()
}

fn choice(index: u32, delta: Value, finish_reason: Option<&str>) -> FrameChoice<'_> {
    FrameChoice { index, delta, logprobs: None, finish_reason }
}

fn reason_name<'r>(header: &Header, reason: &'r FinishReason) -> &'r str {
    match reason {
        FinishReason::ToolCalls if header.older_calls => "function_call",
        reason => reason.as_str(),
    }
}

fn delta_value(header: &Header, delta: &Delta) -> Value {
    match delta {
        Delta::Text(text) => json!({ "content": text }),
        Delta::Reasoning(text) => json!({ "reasoning_content": text }),
        Delta::ToolCalls(calls) if header.older_calls => {
            calls::older(calls).map_or_else(|| json!({}), |call| json!({ "function_call": call }))
        }
        Delta::ToolCalls(calls) => json!({ "tool_calls": calls }),
        Delta::Refusal(text) => json!({ "refusal": text }),
    }
}

/// Token counts in OpenAI's form.
pub fn usage_value(usage: &Usage) -> Value {
    json!({
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.total(),
        "prompt_tokens_details": { "cached_tokens": usage.cached_prompt },
        "completion_tokens_details": { "reasoning_tokens": usage.reasoning },
    })
}

/// One choice as far as it was told.
#[derive(Debug, Default)]
struct Choice {
    text: String,
    reasoning: String,
    logprobs: Logprobs,
    refusal: Option<String>,
    tool_calls: Calls,
    finish: Option<FinishReason>,
}

/// Folds the chunks of one answer into one completion.
#[derive(Debug, Default)]
pub struct Fold {
    raw: Option<Bytes>,
    choices: BTreeMap<u32, Choice>,
    usage: Option<Usage>,
}

impl Fold {
    /// Takes the next chunk.
    pub fn push(&mut self, chunk: Chunk) {
        self.push_logprobs(&chunk);
        for event in chunk.events {
            match event {
                Event::Role { index } => {
                    self.choices.entry(index).or_default();
                }
                Event::Delta { index, delta } => {
                    let choice = self.choices.entry(index).or_default();
                    match delta {
                        Delta::Text(text) => choice.text.push_str(&text),
                        Delta::Reasoning(text) => choice.reasoning.push_str(&text),
                        Delta::Refusal(text) => choice.refusal.get_or_insert_default().push_str(&text),
                        Delta::ToolCalls(calls) => choice.tool_calls.push(calls),
                    }
                }
                Event::Finish { index, reason } => {
                    self.choices.entry(index).or_default().finish = Some(reason);
                }
                Event::Usage(usage) => self.usage = Some(usage),
                Event::Whole { .. } => self.raw.clone_from(&chunk.raw),
            }
        }
    }

    fn push_logprobs(&mut self, chunk: &Chunk) {
        let index = chunk.events.iter().find_map(|event| match event {
            Event::Delta { index, .. } | Event::Finish { index, .. } => Some(*index),
            Event::Role { .. } | Event::Usage(_) | Event::Whole { .. } => None,
        });
        if let (Some(index), false) = (index, chunk.logprobs.is_empty()) {
            let choice = self.choices.entry(index).or_default();
            choice.logprobs.push(&chunk.logprobs);
        }
    }

    /// The completion's JSON: the backend's own bytes where it sent a whole answer, else one built from the chunks.
    pub fn finish(self, header: &Header) -> Bytes {
        if let Some(raw) = self.raw {
            return raw;
        }
        let choices = self.choices.into_iter().map(|(index, choice)| whole_choice(header, index, choice));
        let whole = Whole {
            id: &header.id,
            object: "chat.completion",
            created: header.created,
            model: &header.model,
            choices: choices.collect(),
            usage: self.usage.as_ref().map(usage_value),
        };
        // Strings and numbers always have a JSON form.
        serde_json::to_vec(&whole).unwrap_or_default().into()
    }
}

fn whole_choice(header: &Header, index: u32, choice: Choice) -> WholeChoice {
    let silent = choice.text.is_empty() && (choice.refusal.is_some() || !choice.tool_calls.is_empty());
    let content = (!silent).then_some(choice.text);
    let mut message = json!({ "role": "assistant", "content": content, "refusal": choice.refusal });
    if let (false, Some(object)) = (choice.reasoning.is_empty(), message.as_object_mut()) {
        object.insert("reasoning_content".to_owned(), choice.reasoning.into());
    }
    if let (false, Some(object)) = (choice.tool_calls.is_empty(), message.as_object_mut()) {
        if header.older_calls {
            object.insert("function_call".to_owned(), choice.tool_calls.into_older().unwrap_or_default());
        } else {
            object.insert("tool_calls".to_owned(), choice.tool_calls.into_value());
        }
    }
    let reason = choice.finish.unwrap_or(FinishReason::Stop);
    let finish_reason = reason_name(header, &reason).to_owned();
    WholeChoice { index, message, logprobs: choice.logprobs.filled(), finish_reason }
}

/// OpenAI's error envelope; all four keys are always there.
#[derive(Clone, Debug, Serialize)]
pub struct ErrorBody<'a> {
    /// What is wrong, for people.
    pub message: &'a str,
    /// The family (`invalid_request_error`, ...).
    pub r#type: &'a str,
    /// The field at fault.
    pub param: Option<&'a str>,
    /// The stable code.
    pub code: Option<&'a str>,
}

impl ErrorBody<'_> {
    /// `{"error": {...}}`.
    pub fn to_json(&self) -> Vec<u8> {
        json!({ "error": self }).to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests;
