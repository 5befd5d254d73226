//! An OpenAI-compatible API.
