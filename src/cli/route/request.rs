//! The chat request that a prompt or a list of messages stands for: a body as a client would send it, read as ever.

use serde_json::{Value, json};

use crate::chat::ChatRequest;
use crate::dialects::openai_chat;

/// A request of one user message.
///
/// # Errors
/// Says what is wrong, and quotes nothing of the prompt.
pub(super) fn of_prompt(prompt: &str) -> Result<ChatRequest, String> {
    of_messages(&json!([{"role": "user", "content": prompt}]))
}

/// A request of OpenAI's messages.
///
/// # Errors
/// Says which message is wrong, and quotes nothing of it.
pub(super) fn of_messages(messages: &Value) -> Result<ChatRequest, String> {
    let body = json!({"model": "auto", "messages": messages}).to_string();
    openai_chat::parse_request(body.into()).map_err(|error| error.message)
}
