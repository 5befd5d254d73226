//! One chat request: the few fields that routing and the local engine read, beside the untouched original.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::message::Message;

/// Longest name of a tag or a session.
const MAX_NAME: usize = 64;

/// The wire format that a request came in or a backend speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI's `/v1/chat/completions`.
    OpenAiChat,
}

/// The body as it came, with the places that a relay rewrites.
#[derive(Clone, Debug)]
pub struct Original {
    /// Which wire format `body` is in.
    pub dialect: Dialect,
    /// The JSON object as received.
    pub body: Bytes,
    /// Where the value of `model` stands in `body`, quotes included.
    pub model: Range<usize>,
    /// Where the value of `stream_options` stands, if present.
    pub stream_options: Option<Range<usize>>,
}

/// How to choose the next token, and when to stop.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sampling {
    /// 0 to 2; 0 is greedy. `None`: the backend's default. A local model's folder declares it; where that is greedy,
    /// several answers are drawn with 1.
    pub temperature: Option<f32>,
    /// Nucleus, in `(0, 1]`.
    pub top_p: Option<f32>,
    /// Keep the k likeliest; an extension of ours and of most local servers.
    pub top_k: Option<u32>,
    /// Drop tokens less likely than this share of the likeliest, in `[0, 1]`; an extension as `top_k`.
    pub min_p: Option<f32>,
    /// Divides the positive and multiplies the negative logits of tokens seen in prompt or answer; above 0, 1 is off;
    /// an extension as `top_k`.
    pub repetition_penalty: Option<f32>,
    /// -2 to 2; taken off a token's logit for each time that the answer holds it.
    pub frequency_penalty: f32,
    /// -2 to 2; taken off a token's logit once when the answer holds it.
    pub presence_penalty: f32,
    /// Added to the logits of single tokens, -100 (never) to 100 each; by token id, in rising order.
    pub logit_bias: Vec<(u32, f32)>,
    /// Tell each token's log probability, and those of so many likeliest tokens beside it (0 to 20).
    pub logprobs: Option<u32>,
    /// Same seed, same text, from the same model.
    pub seed: Option<i64>,
    /// Most tokens to generate (`max_completion_tokens`, else `max_tokens`).
    pub max_tokens: Option<u32>,
    /// Up to four texts that end the answer; they are not part of it.
    pub stop: Vec<String>,
    /// How many answers; at least 1.
    pub n: u32,
}

/// The form that an answer's text must have.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ResponseFormat {
    /// Any text.
    #[default]
    Text,
    /// One JSON object.
    JsonObject,
    /// JSON that a schema accepts.
    JsonSchema {
        /// JSON Schema, as sent.
        schema: Arc<Value>,
        /// Whether the answer must obey it; otherwise it is advice.
        strict: bool,
    },
}

/// Which of the offered tools the model may or must call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model decides.
    #[default]
    Auto,
    /// No tool.
    Never,
    /// At least one tool.
    Required,
    /// This function.
    Function(String),
}

/// The tools of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tools {
    /// The offered tools in OpenAI's form (`{"type": "function", "function": {...}}`), for chat templates.
    pub offered: Arc<[Value]>,
    /// Which of them may or must be called.
    pub choice: ToolChoice,
    /// Whether one answer may hold only a single call.
    pub one_at_a_time: bool,
    /// Whether the caller offers them as `functions`, the older form, and reads a call as `function_call`.
    pub older: bool,
}

/// What a backend must be able to do to answer at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Needs {
    /// The conversation holds images, files, or parts of an earlier answer that nobody here reads.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub vision: bool,
    /// Audio goes in or out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub audio: bool,
    /// Tools are offered.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub tools: bool,
    /// Log probabilities are asked for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub logprobs: bool,
    /// `response_format` asks for JSON.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub structured: bool,
    /// A sampling field that simple engines lack: penalties or `logit_bias`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub other_sampling: bool,
    /// A service that a provider runs beside the model: `web_search_options` or `moderation`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub hosted: bool,
}

impl Needs {
    /// Everything: what an API of the frontier can do.
    pub const ALL: Self = Self {
        vision: true,
        audio: true,
        tools: true,
        logprobs: true,
        structured: true,
        other_sampling: true,
        hosted: true,
    };
}

/// Where the caller asks the request to go (`x-crossover-route`, or the model names `local` and `remote`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Control {
    /// The policy decides.
    #[default]
    Auto,
    /// Local first, the policy's other targets after it.
    PreferLocal,
    /// Within the boundary or not at all.
    OnlyLocal,
    /// Remote first, local after it.
    PreferRemote,
    /// Remote or not at all.
    OnlyRemote,
}

/// What the request's headers say beside the body.
#[derive(Clone, Debug, Default)]
pub struct Controls {
    /// Where to send it.
    pub route: Control,
    /// Free tags that policies may read (`private`).
    pub tags: Vec<String>,
    /// Groups requests of one conversation.
    pub session: Option<String>,
    /// Adds the decision's details to the response headers.
    pub debug: bool,
    /// Name of the API key that asks; `None` where no keys are configured (`anonymous`).
    pub key: Option<Arc<str>>,
}

impl Controls {
    /// Whether a tag or a session may be called so: 1 to 64 ASCII letters, digits, `-`, `_`, `.` or `:`.
    pub fn is_name(text: &str) -> bool {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
        (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(allowed)
    }
}

/// One chat request, parsed and checked.
#[derive(Clone, Debug)]
pub struct ChatRequest {
    /// `model` as sent, after the body's check and before aliases.
    pub model: String,
    /// The conversation; never empty.
    pub messages: Vec<Message>,
    /// How to sample.
    pub sampling: Sampling,
    /// The tools offered.
    pub tools: Tools,
    /// Plain values that a local model's chat template may read, by name (`enable_thinking`).
    pub template_settings: Map<String, Value>,
    /// The form that the answer's text must have.
    pub response_format: ResponseFormat,
    /// Within one API key, whose prompts may share cached work: made of `prompt_cache_key`, `user` and
    /// `safety_identifier`.
    pub cache_salt: Option<Arc<str>>,
    /// What the answerer must be able to do.
    pub needs: Needs,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// Whether the caller wants the usage chunk at a stream's end.
    pub include_usage: bool,
    /// The body as it came.
    pub original: Original,
    /// What the headers say.
    pub controls: Controls,
}

impl ChatRequest {
    /// Every text of the conversation, in order.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.messages.iter().flat_map(Message::texts)
    }
}
