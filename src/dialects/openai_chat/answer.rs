//! Writes answers in OpenAI's form: stream chunks and whole completions of backends whose bytes are not relayed, and
//! the error envelope. A backend that speaks the dialect is relayed and never passes here.

mod calls;

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use self::calls::Calls;
use crate::chat::{Chunk, Delta, Event, FinishReason, Usage};

/// What all chunks of one answer share.
#[derive(Clone, Debug, Serialize)]
pub struct Header {
    /// The completion's id.
    pub id: String,
    /// When it began, in seconds since 1970.
    pub created: i64,
    /// The model that answers.
    pub model: String,
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
    logprobs: Option<()>,
    finish_reason: Option<&'a str>,
}

/// The JSON of one stream chunk for `event`, or `None` where the caller does not see it.
///
/// Usage has a chunk of its own, without choices, when `include_usage`; every other chunk then says `usage: null`.
pub fn frame(header: &Header, event: &Event, include_usage: bool) -> Option<Vec<u8>> {
    let none = include_usage.then_some(None);
    let (choice, usage) = match event {
        Event::Role { index } => {
            (Some(choice(*index, json!({ "role": "assistant", "content": "" }), None)), none)
        }
        Event::Delta { index, delta } => (Some(choice(*index, delta_value(delta), None)), none),
        Event::Finish { index, reason } => (Some(choice(*index, json!({}), Some(reason))), none),
        Event::Usage(usage) if include_usage => (None, Some(Some(usage_value(usage)))),
        Event::Usage(_) => return None,
        Event::Whole { text } => (
            Some(choice(0, json!({ "role": "assistant", "content": text }), Some(&FinishReason::Stop))),
            none,
        ),
    };
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

fn choice(index: u32, delta: Value, reason: Option<&FinishReason>) -> FrameChoice<'_> {
    FrameChoice { index, delta, logprobs: None, finish_reason: reason.map(FinishReason::as_str) }
}

fn delta_value(delta: &Delta) -> Value {
    match delta {
        Delta::Text(text) => json!({ "content": text }),
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
        for event in chunk.events {
            match event {
                Event::Role { index } => {
                    self.choices.entry(index).or_default();
                }
                Event::Delta { index, delta } => {
                    let choice = self.choices.entry(index).or_default();
                    match delta {
                        Delta::Text(text) => choice.text.push_str(&text),
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

    /// The completion's JSON: the backend's own bytes where it sent a whole answer, else one built from the chunks.
    pub fn finish(self, header: &Header) -> Bytes {
        if let Some(raw) = self.raw {
            return raw;
        }
        let choices: Vec<Value> =
            self.choices.into_iter().map(|(index, choice)| whole_choice(index, choice)).collect();
        let mut whole = json!({
            "id": header.id,
            "object": "chat.completion",
            "created": header.created,
            "model": header.model,
            "choices": choices,
        });
        if let (Some(usage), Some(object)) = (self.usage, whole.as_object_mut()) {
            object.insert("usage".to_owned(), usage_value(&usage));
        }
        whole.to_string().into()
    }
}

fn whole_choice(index: u32, choice: Choice) -> Value {
    let silent = choice.text.is_empty() && (choice.refusal.is_some() || !choice.tool_calls.is_empty());
    let content = (!silent).then_some(choice.text);
    let mut message = json!({ "role": "assistant", "content": content, "refusal": choice.refusal });
    if let (false, Some(object)) = (choice.tool_calls.is_empty(), message.as_object_mut()) {
        object.insert("tool_calls".to_owned(), choice.tool_calls.into_value());
    }
    let reason = choice.finish.unwrap_or(FinishReason::Stop);
    json!({ "index": index, "message": message, "logprobs": null, "finish_reason": reason.as_str() })
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
mod tests {
    use super::*;

    fn header() -> Header {
        Header { id: "chatcmpl-1".into(), created: 7, model: "starter".into() }
    }

    fn events() -> Vec<Event> {
        vec![
            Event::Role { index: 0 },
            Event::Delta { index: 0, delta: Delta::Text("Hé\"".into()) },
            Event::Finish { index: 0, reason: FinishReason::Length },
            Event::Usage(Usage { prompt: 3, completion: 1, ..Usage::default() }),
        ]
    }

    #[test]
    fn stream_chunks_have_openai_s_form() {
        let frames = |usage| -> Vec<Value> {
            let bytes =
                events().iter().filter_map(|event| frame(&header(), event, usage)).collect::<Vec<_>>();
            bytes.iter().map(|frame| serde_json::from_slice(frame).unwrap()).collect()
        };
        assert_eq!(frames(false).len(), 3);
        insta::assert_json_snapshot!(frames(true));
    }

    #[test]
    fn chunks_fold_into_one_completion() {
        let mut fold = Fold::default();
        events().into_iter().for_each(|event| fold.push(Chunk::of(event)));
        fold.push(Chunk::of(Event::Delta { index: 1, delta: Delta::Refusal("no".into()) }));
        let whole: Value = serde_json::from_slice(&fold.finish(&header())).unwrap();
        insta::assert_json_snapshot!(whole);
    }

    #[test]
    fn a_whole_answer_keeps_its_bytes() {
        let mut fold = Fold::default();
        let raw = Bytes::from_static(b"{\"choices\": [1 ],\"new\":2}");
        fold.push(Chunk {
            raw: Some(raw.clone()),
            events: vec![Event::Whole { text: "x".into() }],
            ..Chunk::default()
        });
        assert_eq!(fold.finish(&header()), raw);
    }

    #[test]
    fn the_envelope_has_all_four_keys() {
        let body = ErrorBody { message: "m", r#type: "t", param: None, code: None };
        assert_eq!(body.to_json(), br#"{"error":{"message":"m","type":"t","param":null,"code":null}}"#);
    }
}
