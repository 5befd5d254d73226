//! Builds the chat request that a prompt or a list of messages stands for, as far as routing reads it.

use bytes::Bytes;
use serde_json::Value;

use crate::chat::{ChatRequest, Controls, Dialect, Message, Needs, Original, Part, Role, Sampling};

/// A request of one user message.
pub(super) fn of_prompt(prompt: &str) -> ChatRequest {
    of_messages(vec![Message::text(Role::User, prompt)])
}

/// A request of these messages.
pub(super) fn of_messages(messages: Vec<Message>) -> ChatRequest {
    let holds = |wanted: &[Part]| {
        messages.iter().flat_map(|message| &message.content).any(|part| wanted.contains(part))
    };
    let needs =
        Needs { vision: holds(&[Part::Image, Part::File]), audio: holds(&[Part::Audio]), ..Needs::default() };
    ChatRequest {
        model: "auto".to_owned(),
        sampling: Sampling { n: 1, ..Sampling::default() },
        needs,
        stream: false,
        include_usage: false,
        original: Original {
            dialect: Dialect::OpenAiChat,
            body: Bytes::new(),
            model: 0..0,
            stream_options: None,
        },
        controls: Controls::default(),
        messages,
    }
}

/// Reads OpenAI's messages.
///
/// # Errors
/// Says which message is wrong, and never what it holds.
pub(super) fn read_messages(value: &Value) -> Result<Vec<Message>, String> {
    let list = value.as_array().filter(|list| !list.is_empty());
    let list = list.ok_or("`messages` must be a list that is not empty")?;
    let numbered = list.iter().enumerate();
    numbered
        .map(|(place, one)| read_message(one).map_err(|why| format!("messages[{place}]: {why}")))
        .collect()
}

fn read_message(value: &Value) -> Result<Message, String> {
    let role = match value.get("role").and_then(Value::as_str) {
        Some("system") => Role::System,
        Some("developer") => Role::Developer,
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("tool" | "function") => Role::Tool,
        _ => return Err("`role` must be system, developer, user, assistant or tool".to_owned()),
    };
    let content = match value.get("content") {
        Some(Value::String(text)) => vec![Part::Text(text.clone())],
        Some(Value::Array(parts)) => parts.iter().map(read_part).collect::<Result<_, _>>()?,
        None | Some(Value::Null) if role == Role::Assistant => vec![],
        _ => return Err("`content` must be a text or a list of parts".to_owned()),
    };
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let calls = value.get("tool_calls").and_then(Value::as_array);
    Ok(Message {
        role,
        content,
        name: text("name"),
        tool_calls: calls.cloned().unwrap_or_default(),
        tool_call_id: text("tool_call_id"),
    })
}

fn read_part(value: &Value) -> Result<Part, String> {
    let text = |name: &str| {
        let text = value.get(name).and_then(Value::as_str).map(str::to_owned);
        text.ok_or_else(|| format!("a part has no text in `{name}`"))
    };
    match value.get("type").and_then(Value::as_str) {
        Some("text") => text("text").map(Part::Text),
        Some("refusal") => text("refusal").map(Part::Refusal),
        Some("image_url") => Ok(Part::Image),
        Some("input_audio") => Ok(Part::Audio),
        Some("file") => Ok(Part::File),
        _ => Err("a part's `type` must be text, refusal, image_url, input_audio or file".to_owned()),
    }
}
