//! What a backend answers with: a stream of chunks, each perhaps carrying the upstream's own bytes.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::usage::Usage;

/// Why an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// The model ended, or a stop sequence was met.
    Stop,
    /// The token limit was met.
    Length,
    /// The model calls tools.
    ToolCalls,
    /// A filter ended it.
    ContentFilter,
    /// Anything an upstream says that we do not know; passed on as it is.
    Other(String),
}

impl FinishReason {
    /// The name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::Other(name) => name,
        }
    }

    /// Reads the name on the wire.
    pub fn parse(name: &str) -> Self {
        match name {
            "stop" => Self::Stop,
            "length" => Self::Length,
            "tool_calls" => Self::ToolCalls,
            "content_filter" => Self::ContentFilter,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// New content of one choice.
#[derive(Clone, Debug, PartialEq)]
pub enum Delta {
    /// Text.
    Text(String),
    /// What a model thinks before its text; no part of it.
    Reasoning(String),
    /// A piece of tool calls, in OpenAI's form.
    ToolCalls(Value),
    /// A refusal.
    Refusal(String),
}

/// One thing that happened in an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The answer's role was announced: no content yet, so it does not commit a reply.
    Role {
        /// Which of the `n` answers.
        index: u32,
    },
    /// New content.
    Delta {
        /// Which of the `n` answers.
        index: u32,
        /// The content.
        delta: Delta,
    },
    /// One of the `n` answers ended.
    Finish {
        /// Which of the `n` answers.
        index: u32,
        /// Why.
        reason: FinishReason,
    },
    /// What it took; the last one counts.
    Usage(Usage),
    /// A whole, unstreamed answer of a backend of the request's own dialect: its body is the chunk's `raw`.
    Whole {
        /// The text of the first choice, for estimates and evals.
        text: String,
    },
}

/// How sure a model was of one token, before any sampling setting bent its distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Confidence {
    /// Natural logarithm of the chosen token's probability; at most 0.
    pub logprob: f32,
    /// Entropy of the distribution it was chosen from, in nats; at least 0.
    pub entropy: f32,
}

/// What the model thought of one token of an answer, before any sampling setting bent its distribution.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenLogprob {
    /// The token's text; may begin or end within a character.
    pub bytes: Vec<u8>,
    /// Natural logarithm of its probability; at most 0.
    pub logprob: f32,
    /// The likeliest tokens at its place with theirs, likeliest first; as many as were asked for.
    pub top: Vec<(Vec<u8>, f32)>,
}

/// One step of an answer: a frame as the upstream sent it, and what it means.
#[derive(Clone, Debug, Default)]
pub struct Chunk {
    /// The upstream's own JSON, when it speaks the request's dialect; relayed instead of a rebuilt frame.
    pub raw: Option<Bytes>,
    /// True when `raw` is only the usage report that we asked for and the caller did not: not relayed.
    pub hidden: bool,
    /// What the frame says, in order; may be empty.
    pub events: Vec<Event>,
    /// How sure the model was of the tokens up to here; only from a local model that is watched, and only of its first
    /// tokens.
    pub confidence: Vec<Confidence>,
    /// What the model thought of the tokens of this chunk's text, where the caller asked; all of one answer.
    pub logprobs: Vec<TokenLogprob>,
    /// Bytes of generated text that only `raw` holds and no event does, for estimates; it commits nothing.
    pub unread: usize,
    /// Whether `raw` has of the first choice what is neither text nor a thought: calls, audio, content in parts.
    pub opaque: bool,
}

impl Chunk {
    /// A chunk of our own making.
    pub fn of(event: Event) -> Self {
        Self { events: vec![event], ..Self::default() }
    }

    /// Whether the first choice says something here that is neither text nor a thought.
    pub fn beside_text(&self) -> bool {
        let is_call = |event: &Event| matches!(event, Event::Delta { index: 0, delta: Delta::ToolCalls(_) });
        self.opaque || self.events.iter().any(is_call)
    }

    /// Whether this chunk commits the reply: content, thoughts that were read, a tool call, a refusal, a finish or a
    /// whole answer.
    pub fn commits(&self) -> bool {
        self.events.iter().any(|event| match event {
            Event::Delta { .. } | Event::Finish { .. } | Event::Whole { .. } => true,
            Event::Role { .. } | Event::Usage(_) => false,
        })
    }
}
