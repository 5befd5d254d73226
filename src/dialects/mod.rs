//! Wire formats, both directions, pure: bytes in, our words out, and back. Lossless for fields we do not interpret.

pub mod openai_chat;
pub mod openai_embeddings;
pub mod sse;

/// The field that stands twice in a JSON object, if that is what serde complains of; known fields only, so nothing of the
/// text is quoted.
pub fn doubled(error: &serde_json::Error) -> Option<String> {
    let cause = error.to_string();
    let field = cause.strip_prefix("duplicate field `")?.split('`').next()?;
    Some(field.to_owned())
}
