//! A conversation's messages, as far as routing and the local engine read them.

use serde_json::Value;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Instructions (`system`).
    System,
    /// Instructions, under the newer name (`developer`).
    Developer,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// A tool's result (`tool`, and the older `function`).
    Tool,
}

impl Role {
    /// The name on the wire and in chat templates.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Developer => "developer",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// One piece of a message's content. What we cannot read ourselves is kept only as its kind:
/// a remote gets the original bytes anyway.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Text, of a user, model or tool.
    Text(String),
    /// A refusal that the model gave earlier.
    Refusal(String),
    /// An image by URL or data; never fetched by us.
    Image,
    /// Audio data.
    Audio,
    /// An attached file.
    File,
    /// A piece of an earlier answer, of a type that only its author reads (Mistral's `thinking`): its JSON.
    Other(String),
}

/// One turn of the conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said; empty for an assistant turn of tool calls alone.
    pub content: Vec<Part>,
    /// The speaker's name, where given.
    pub name: Option<String>,
    /// Tool calls of an assistant turn, in OpenAI's form, for chat templates.
    pub tool_calls: Vec<Value>,
    /// The call that a tool turn answers.
    pub tool_call_id: Option<String>,
}

impl Message {
    /// A message of one text.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self {
            role,
            content: vec![Part::Text(text.into())],
            name: None,
            tool_calls: vec![],
            tool_call_id: None,
        }
    }

    /// All text and refusal parts, in order.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.content.iter().filter_map(|part| match part {
            Part::Text(text) | Part::Refusal(text) => Some(text.as_str()),
            Part::Image | Part::Audio | Part::File | Part::Other(_) => None,
        })
    }
}
