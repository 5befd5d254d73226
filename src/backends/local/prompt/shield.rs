//! User text kept apart from the tokens that steer a conversation. Promises: no text of a caller becomes a special or
//! control token, alone or beside other texts, whatever a template does to it; every text arrives as it was typed.

use serde_json::Value;
use tokenizers::Tokenizer;

use super::Special;

/// Added tokens that are not special and steer a conversation all the same: those that a template writes, and those of
/// the form `<|name|>`. Tokenizers read them in any text.
pub(super) fn controls(tokenizer: &Tokenizer, templates: &[&str]) -> Vec<String> {
    let steers = |text: &str| {
        let written = || templates.iter().any(|template| template.contains(text));
        text.len() > 2
            && !text.chars().any(char::is_whitespace)
            && ((text.starts_with("<|") && text.ends_with("|>")) || written())
    };
    let added = tokenizer.get_added_tokens_decoder().into_values();
    added.filter(|token| !token.special && steers(&token.content)).map(|token| token.content).collect()
}

/// Breaks up special and control tokens in user text with marks that nobody can guess, and lifts them after rendering.
/// A text that ends in the beginning of one is broken up too, so that two texts cannot make one together.
pub(super) struct Shield<'s> {
    specials: &'s [Special],
    controls: &'s [String],
    /// In special tokens, which the tokenizer does not read by itself: lifted before encoding.
    mark: String,
    /// In control tokens, which it would read: there the text is encoded in parts.
    pub(super) cut: String,
}

impl<'s> Shield<'s> {
    pub(super) fn new(specials: &'s [Special], controls: &'s [String]) -> Self {
        let mark = |kind: char| format!("\u{F8FE}{kind}{:032x}\u{F8FF}", rand::random::<u128>());
        Self { specials, controls, mark: mark('m'), cut: mark('c') }
    }

    /// A mark goes behind the first character of each special or control token, whole or cut off at the end.
    pub(super) fn raise(&self, text: &str) -> String {
        self.raise_with(text, self.controls)
    }

    /// The same for special tokens alone.
    pub(super) fn raise_specials(&self, text: &str) -> String {
        self.raise_with(text, &[])
    }

    fn raise_with(&self, text: &str, controls: &[String]) -> String {
        let mut safe = String::with_capacity(text.len());
        for (at, letter) in text.char_indices() {
            safe.push(letter);
            let rest = &text[at..];
            let is = |token: &str| rest.starts_with(token) || token.starts_with(rest);
            if controls.iter().any(|token| is(token)) {
                safe.push_str(&self.cut);
            } else if self.specials.iter().any(|special| is(&special.text)) {
                safe.push_str(&self.mark);
            }
        }
        safe
    }

    pub(super) fn raise_json(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.raise(text)),
            Value::Array(items) => Value::Array(items.iter().map(|item| self.raise_json(item)).collect()),
            Value::Object(fields) => Value::Object(
                fields.iter().map(|(key, value)| (self.raise(key), self.raise_json(value))).collect(),
            ),
            other => other.clone(),
        }
    }

    /// Takes the marks of special tokens out; those of control tokens stay.
    pub(super) fn lift(&self, text: &str) -> String {
        // JSON may have written the marks' two outer letters as escapes.
        let escaped = |mark: &str| mark.replace('\u{F8FE}', "\\uf8fe").replace('\u{F8FF}', "\\uf8ff");
        let text = text.replace(&self.mark, "").replace(&escaped(&self.mark), "");
        if self.controls.is_empty() { text } else { text.replace(&escaped(&self.cut), &self.cut) }
    }
}
