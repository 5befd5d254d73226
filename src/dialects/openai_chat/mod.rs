//! OpenAI's chat completions.

pub mod upstream;
