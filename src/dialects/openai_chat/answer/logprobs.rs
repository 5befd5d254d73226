//! A choice's log probabilities in OpenAI's form. Promises: a token that waits for the end of a whole answer takes the room
//! of its text; as a tree of JSON values, with twenty alternatives, it would take many times as much.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use crate::chat::TokenLogprob;

/// What OpenAI writes for a token that is as good as impossible.
const LEAST_LOGPROB: f32 = -9999.0;

/// A choice's `logprobs`.
#[derive(Debug, Default, Serialize)]
pub(super) struct Logprobs {
    content: Vec<Box<RawValue>>,
    /// Always null: no refusal's tokens are told.
    refusal: (),
}

impl Logprobs {
    /// Takes more tokens.
    pub(super) fn push(&mut self, tokens: &[TokenLogprob]) {
        // Strings and numbers always have a JSON form.
        self.content.extend(tokens.iter().filter_map(|token| to_raw_value(&token_value(token)).ok()));
    }

    /// `None` where there are no tokens.
    pub(super) fn filled(self) -> Option<Self> {
        (!self.content.is_empty()).then_some(self)
    }
}

/// One entry of `logprobs.content`.
fn token_value(token: &TokenLogprob) -> Value {
    let mut value = text_value(&token.bytes, token.logprob);
    let top = token.top.iter().map(|(bytes, logprob)| text_value(bytes, *logprob)).collect();
    if let Some(object) = value.as_object_mut() {
        object.insert("top_logprobs".to_owned(), Value::Array(top));
    }
    value
}

fn text_value(bytes: &[u8], logprob: f32) -> Value {
    json!({ "token": token_text(bytes), "logprob": logprob.max(LEAST_LOGPROB), "bytes": bytes })
}

/// A token's text; bytes that are no whole character are written `\xe2`.
fn token_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_takes_the_room_of_its_text() {
        let mut logprobs = Logprobs::default();
        let top: Vec<_> = (10..30).map(|at| (format!("tok{at}").into_bytes(), -0.5)).collect();
        let token = TokenLogprob { bytes: b"tok10".to_vec(), logprob: -0.5, top };
        for _ in 0..1000 {
            logprobs.push(std::slice::from_ref(&token));
        }
        let alternative = r#"{"token":"tok10","logprob":-0.5,"bytes":[116,111,107,49,48]}"#.len();
        let texts: usize = logprobs.content.iter().map(|token| token.get().len()).sum();
        let places = logprobs.content.capacity() * size_of::<Box<RawValue>>();
        assert!(texts > 1000 * 20 * alternative, "{texts}");
        assert!(texts + places < 1000 * 22 * (alternative + 1), "{texts} and {places}");
    }
}
