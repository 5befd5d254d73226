//! Wire formats, both directions, pure: bytes in, our words out, and back. Lossless for fields we do not interpret.

pub mod openai_chat;
pub mod openai_embeddings;
pub mod sse;
