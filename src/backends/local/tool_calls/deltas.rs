//! Tool calls on their way out: ids, indices and pieces in OpenAI's form.
//! Promises: each call is announced once, with id and name, before any of its arguments.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Form, Parser, Piece};

/// What one request's answers are read with.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(crate) form: Form,
    /// The offered functions.
    pub(crate) names: Arc<[String]>,
    /// Whether a grammar guarantees calls.
    pub(crate) vouched: bool,
    /// Whether a grammar guarantees JSON in place of calls.
    pub(crate) beside_json: bool,
    /// Whether an answer may hold only one call.
    pub(crate) one: bool,
    /// Special tokens that the parser has to see, with their text.
    pub(crate) marks: Arc<[(u32, &'static str)]>,
}

impl Reading {
    /// What opens a call, where a grammar lets it open nothing else.
    pub(crate) fn sure_opener(&self) -> Option<&'static str> {
        self.form.openers().first().filter(|_| self.vouched && !self.form.is_bare()).copied()
    }
}

/// A piece of an answer.
#[derive(Debug, PartialEq)]
pub(crate) enum Said {
    /// Content.
    Text(String),
    /// A piece of tool calls, in OpenAI's form.
    Calls(Value),
}

/// Reads one answer's text.
#[derive(Debug)]
pub(crate) struct Reader {
    reading: Reading,
    parser: Parser,
    calls: u32,
}

impl Reader {
    /// Begins an answer.
    pub(crate) fn new(reading: &Reading) -> Self {
        Self { reading: reading.clone(), parser: Parser::new(reading), calls: 0 }
    }

    /// The text of a special token that belongs to calls.
    pub(crate) fn mark(&self, id: u32) -> Option<&'static str> {
        self.reading.marks.iter().find(|(mark, _)| *mark == id).map(|(_, text)| *text)
    }

    /// Takes new text.
    pub(crate) fn push(&mut self, text: &str) -> Vec<Said> {
        let pieces = self.parser.push(text);
        self.say(pieces)
    }

    /// The answer ends, perhaps `cut` off.
    pub(crate) fn finish(&mut self, cut: bool) -> Vec<Said> {
        let pieces = self.parser.finish(cut);
        self.say(pieces)
    }

    /// The blanks before the first call, once it came out; they are no content.
    pub(crate) fn take_blanks(&mut self) -> String {
        self.parser.take_blanks()
    }

    /// Whether the answer calls tools.
    pub(crate) fn has_called(&self) -> bool {
        self.parser.has_called()
    }

    /// Whether nothing more is wanted of the answer.
    pub(crate) fn is_over(&self) -> bool {
        self.parser.is_over()
    }

    fn say(&mut self, pieces: Vec<Piece>) -> Vec<Said> {
        let say = |piece| match piece {
            Piece::Text(text) => Said::Text(text),
            Piece::Call { name } => {
                let (index, id) = (self.calls, self.reading.form.fresh_id());
                self.calls += 1;
                let function = json!({ "name": name, "arguments": "" });
                Said::Calls(json!([{ "index": index, "id": id, "type": "function", "function": function }]))
            }
            Piece::Arguments(text) => {
                let index = self.calls.saturating_sub(1);
                Said::Calls(json!([{ "index": index, "function": { "arguments": text } }]))
            }
        };
        pieces.into_iter().map(say).collect()
    }
}
