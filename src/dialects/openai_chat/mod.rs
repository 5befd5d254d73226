//! OpenAI's chat completions: requests in, answers and errors out, and the same towards an upstream.

mod answer;
mod request;
pub mod upstream;

pub use answer::{ErrorBody, Fold, Header, frames, usage_value};
pub use request::{RequestError, parse_request};
