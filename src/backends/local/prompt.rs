//! From a conversation to prompt tokens: escapes what users typed, renders the template, encodes.
//! Promises: special tokens come from the template alone, never from user text; a text that cannot fit is refused by
//! its length before any of it is encoded. Runs on the caller's side, never on the engine's thread.

use tokenizers::Tokenizer;

use super::LocalError;
use super::detokenize::Vocabulary;
use super::folder::Folder;
use super::template::{Template, Turn};
use crate::chat::{ChatRequest, Message};

/// A token that a template may write as text and a user may not.
struct Special {
    text: String,
    id: u32,
    eats_left: bool,
    eats_right: bool,
}

/// Everything that turns conversations into tokens.
pub(super) struct Prompter {
    tokenizer: Tokenizer,
    template: Template,
    specials: Vec<Special>,
    context: usize,
    longest_token: usize,
}

/// Why there is no prompt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PromptError {
    /// It takes at least this many tokens.
    TooLong(usize),
    /// The template does not accept the conversation.
    Template,
    /// The tokenizer failed.
    Tokenizer,
}

impl Prompter {
    /// Loads tokenizer and template; also gives the table for the way back.
    pub(super) fn load(folder: &Folder, vocabulary: usize) -> Result<(Self, Vocabulary), LocalError> {
        let file = &folder.tokenizer;
        let broken = |why: &str| LocalError::model(file, &format!("the tokenizer cannot be used: {why}"));
        let text = std::fs::read(file)
            .map_err(|error| LocalError::model(file, &format!("cannot be read: {error}")))?;
        let mut tokenizer = Tokenizer::from_bytes(text).map_err(|error| broken(&error.to_string()))?;
        tokenizer.set_encode_special_tokens(true);
        tokenizer.with_truncation(None).map_err(|error| broken(&error.to_string()))?;
        tokenizer.with_padding(None);
        let table = Vocabulary::of(&tokenizer, vocabulary).map_err(|why| broken(&why))?;
        let mut specials: Vec<Special> = tokenizer
            .get_added_tokens_decoder()
            .into_iter()
            .filter(|(_, token)| token.special && !token.content.is_empty())
            .map(|(id, token)| Special {
                text: token.content,
                id,
                eats_left: token.lstrip,
                eats_right: token.rstrip,
            })
            .collect();
        // The longest match wins where one special token begins with another.
        specials.sort_unstable_by(|a, b| b.text.len().cmp(&a.text.len()).then(a.id.cmp(&b.id)));
        let template = Template::new(&folder.template, folder.bos_token.clone(), folder.eos_token.clone())
            .map_err(|error| {
                LocalError::model(&folder.root.join("chat_template.jinja"), &error.to_string())
            })?;
        let longest_token = table.longest();
        Ok((Self { tokenizer, template, specials, context: folder.context, longest_token }, table))
    }

    /// Fewest tokens that the conversation can take, from its length alone.
    fn at_least(&self, request: &ChatRequest) -> usize {
        let bytes: usize = request.texts().map(str::len).sum();
        // Normalising may shorten a text; no tokenizer in use shortens one to less than a quarter.
        let shrink = if self.tokenizer.get_normalizer().is_some() { 4 } else { 1 };
        (bytes / (self.longest_token * shrink)).max(request.messages.len())
    }

    /// Whether encoding is long enough work to leave the async thread.
    pub(super) fn is_long(request: &ChatRequest) -> bool {
        request.texts().map(str::len).sum::<usize>() > 4096 || request.messages.len() > 32
    }

    /// The prompt's tokens; always fewer than the context.
    pub(super) fn encode(&self, request: &ChatRequest) -> Result<Vec<u32>, PromptError> {
        let at_least = self.at_least(request);
        if at_least >= self.context {
            return Err(PromptError::TooLong(at_least));
        }
        let shield = Shield::new(&self.specials);
        let turns: Vec<Turn> = request.messages.iter().map(|message| shield.turn(message)).collect();
        let text = self.template.render(&turns).map_err(|_| PromptError::Template)?;
        let mut ids = vec![];
        self.encode_rendered(&text, &shield, &mut ids)?;
        if ids.len() >= self.context {
            return Err(PromptError::TooLong(ids.len()));
        }
        Ok(ids)
    }

    /// Splits at the template's special tokens; everything between is plain text.
    fn encode_rendered(&self, text: &str, shield: &Shield, ids: &mut Vec<u32>) -> Result<(), PromptError> {
        let (mut from, mut at) = (0, 0);
        while at < text.len() {
            let found = self.specials.iter().find(|special| text[at..].starts_with(special.text.as_str()));
            let Some(special) = found else {
                at += text[at..].chars().next().map_or(1, char::len_utf8);
                continue;
            };
            let before = &text[from..at];
            self.encode_plain(if special.eats_left { before.trim_end() } else { before }, shield, ids)?;
            ids.push(special.id);
            at += special.text.len();
            if special.eats_right {
                at = text.len() - text[at..].trim_start().len();
            }
            from = at;
        }
        self.encode_plain(&text[from..], shield, ids)
    }

    fn encode_plain(&self, text: &str, shield: &Shield, ids: &mut Vec<u32>) -> Result<(), PromptError> {
        if text.is_empty() {
            return Ok(());
        }
        let plain = shield.lift(text);
        let encoding =
            self.tokenizer.encode_fast(plain.as_str(), false).map_err(|_| PromptError::Tokenizer)?;
        ids.extend_from_slice(encoding.get_ids());
        Ok(())
    }
}

/// Breaks up special tokens in user text with a mark that nobody can guess, and lifts the mark after rendering.
/// A text that ends in the beginning of one is broken up too, so that two texts cannot make one together.
struct Shield<'s> {
    specials: &'s [Special],
    mark: String,
}

impl<'s> Shield<'s> {
    fn new(specials: &'s [Special]) -> Self {
        Self { specials, mark: format!("\u{F8FE}{:032x}\u{F8FF}", rand::random::<u128>()) }
    }

    fn turn(&self, message: &Message) -> Turn {
        Turn {
            role: message.role.as_str(),
            content: self.raise(&message.texts().collect::<String>()),
            name: message.name.as_deref().map(|name| self.raise(name)),
            tool_calls: message.tool_calls.iter().map(|call| self.raise_json(call)).collect(),
            tool_call_id: message.tool_call_id.as_deref().map(|id| self.raise(id)),
        }
    }

    /// The mark goes behind the first character of each special token, whole or cut off at the end.
    fn raise(&self, text: &str) -> String {
        let mut safe = String::with_capacity(text.len());
        for (at, letter) in text.char_indices() {
            safe.push(letter);
            let rest = &text[at..];
            let special = self
                .specials
                .iter()
                .any(|special| rest.starts_with(special.text.as_str()) || special.text.starts_with(rest));
            if special {
                safe.push_str(&self.mark);
            }
        }
        safe
    }

    fn raise_json(&self, value: &serde_json::Value) -> serde_json::Value {
        use serde_json::Value;
        match value {
            Value::String(text) => Value::String(self.raise(text)),
            Value::Array(items) => Value::Array(items.iter().map(|item| self.raise_json(item)).collect()),
            Value::Object(fields) => Value::Object(
                fields.iter().map(|(key, value)| (self.raise(key), self.raise_json(value))).collect(),
            ),
            other => other.clone(),
        }
    }

    fn lift(&self, text: &str) -> String {
        text.replace(&self.mark, "")
    }
}

#[cfg(test)]
mod tests;
