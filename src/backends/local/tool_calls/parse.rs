//! From generated text to content and tool calls, as the text comes.
//! Promises: the same pieces wherever the text is split; text that may begin a call is held back, and becomes content
//! if it is none. Where the grammar guarantees the arguments they are told as they come, elsewhere when they are whole;
//! there a call that is cut off in its beginning is no content either.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::head::{self, Head, Miss, Scan};
use super::{Form, Reading};

/// Longest beginning of a call, up to its arguments, in bytes.
const LONGEST_HEAD: usize = 512;

/// What came out of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Content.
    Text(String),
    /// A call begins; its arguments follow.
    Call { name: String },
    /// More of the arguments of the last call, as JSON text.
    Arguments(String),
}

/// Reads one answer.
#[derive(Debug)]
pub(crate) struct Parser {
    form: Form,
    names: Arc<[String]>,
    /// The grammar vouches for what follows the first opener.
    vouched: bool,
    /// The grammar vouches for JSON where no call comes first.
    beside_json: bool,
    one: bool,
    /// What is read now follows an opener that the grammar vouches for.
    sure: bool,
    held: String,
    state: State,
    /// Content was told, so that a bare object is content too.
    spoken: bool,
    /// Stood before the opener of the first call, or of what may become it.
    blanks: String,
    calls: usize,
    pieces: Vec<Piece>,
}

#[derive(Debug)]
enum State {
    /// Content; an opener may come.
    Text,
    /// Behind an opener of so many bytes, with the blanks before it, or blanks before a bare object; what is held begins
    /// with it.
    Head { opener: usize },
    /// `held[from..]` is the call's own object (or its arguments, for a name known already) and is scanned to `scanned`.
    Whole { scan: Scan, from: usize, scanned: usize, name: Option<String> },
    /// In arguments that are told as they come.
    Arguments(Scan),
    /// Behind the arguments, before the end of the call's object.
    Tail(Scan),
    /// Behind a call: closers, separators, another call.
    After,
    /// No more calls are wanted.
    Done,
}

impl Parser {
    /// Begins an answer.
    pub(crate) fn new(reading: &Reading) -> Self {
        Self {
            form: reading.form,
            names: Arc::clone(&reading.names),
            vouched: reading.vouched,
            beside_json: reading.beside_json,
            one: reading.one,
            sure: false,
            held: String::new(),
            state: State::Text,
            spoken: false,
            blanks: String::new(),
            calls: 0,
            pieces: vec![],
        }
    }

    /// Whether a call came out.
    pub(crate) fn has_called(&self) -> bool {
        self.calls > 0
    }

    /// The blanks before the first call, once it came out; they are no content.
    pub(crate) fn take_blanks(&mut self) -> String {
        std::mem::take(&mut self.blanks)
    }

    /// Whether nothing more is wanted.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Takes new text.
    pub(crate) fn push(&mut self, text: &str) -> Vec<Piece> {
        self.held.push_str(text);
        while self.advance() {}
        std::mem::take(&mut self.pieces)
    }

    /// The answer ends: what was held and is no call is content. Where it was `cut` off, what the grammar lets be nothing
    /// but a call is one that has not begun.
    pub(crate) fn finish(&mut self, cut: bool) -> Vec<Piece> {
        let rest = std::mem::take(&mut self.held);
        match std::mem::replace(&mut self.state, State::Done) {
            State::Head { .. } | State::Whole { .. } if cut && self.sure => {}
            State::Text | State::Head { .. } | State::Whole { .. } if self.calls == 0 => self.say(&rest),
            State::Text | State::Head { .. } | State::Whole { .. } => self.say(rest.trim_end()),
            State::Arguments(_) | State::Tail(_) | State::After | State::Done => {}
        }
        std::mem::take(&mut self.pieces)
    }

    /// One step; false when more text is needed.
    fn advance(&mut self) -> bool {
        match std::mem::replace(&mut self.state, State::Text) {
            State::Text => self.text(),
            State::Head { opener } => self.head(opener),
            State::Whole { scan, from, scanned, name } => self.whole(scan, from, scanned, name),
            State::Arguments(scan) => self.arguments(scan),
            State::Tail(scan) => self.tail(scan),
            State::After => self.after(),
            State::Done => {
                self.held.clear();
                self.state = State::Done;
                false
            }
        }
    }

    fn say(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.spoken = true;
        match self.pieces.last_mut() {
            Some(Piece::Text(before)) => before.push_str(text),
            _ => self.pieces.push(Piece::Text(text.to_owned())),
        }
    }

    fn text(&mut self) -> bool {
        let openers = self.form.openers();
        // A call comes first or not at all: the JSON may hold texts that look like one.
        if self.beside_json && (self.spoken || !openers[0].starts_with(first(&self.held, openers[0].len()))) {
            let told = std::mem::take(&mut self.held);
            self.say(&told);
            return false;
        }
        if self.form.is_bare() && !self.spoken && self.held.trim_start().starts_with('{') {
            self.sure = self.vouched;
            let opener = self.held.len() - self.held.trim_start().len();
            self.note_blanks(0, opener);
            self.state = State::Head { opener };
            return true;
        }
        let found = openers.iter().filter_map(|opener| Some((self.held.find(opener)?, opener.len()))).min();
        if let Some((at, opener)) = found {
            self.sure = self.vouched && self.held[at..].starts_with(openers[0]);
            let told = self.held[..at].trim_end().len();
            self.note_blanks(told, at);
            self.state = State::Head { opener: at - told + opener };
            let told = self.held.drain(..told).collect::<String>();
            self.say(&told);
            return true;
        }
        // What may begin an opener waits, and blanks before it, which mean nothing before a call.
        let may_begin = (0..self.held.len()).filter(|at| self.held.is_char_boundary(*at));
        let safe = may_begin
            .into_iter()
            .find(|at| openers.iter().any(|opener| opener.starts_with(&self.held[*at..])))
            .unwrap_or(self.held.len());
        let safe = self.held[..safe].trim_end().len();
        let told = self.held.drain(..safe).collect::<String>();
        self.say(&told);
        false
    }

    /// Before the first call; later ones have blanks between them.
    fn note_blanks(&mut self, from: usize, to: usize) {
        if self.calls == 0 {
            self.blanks = self.held[from..to].to_owned();
        }
    }

    /// What follows the opener is no call: it is content, opener and all.
    fn no_call(&mut self, opener: usize) -> bool {
        let first = self.held.chars().next().map_or(0, char::len_utf8);
        let told = self.held.drain(..opener.max(first)).collect::<String>();
        self.say(&told);
        self.state = State::Text;
        true
    }

    fn head(&mut self, opener: usize) -> bool {
        let read = match self.form {
            Form::MistralArgs => self.named_head(opener),
            Form::Hermes | Form::MistralList | Form::Phi4 | Form::Llama3 => head::read(&self.held[opener..]),
        };
        match read {
            Err(Miss::More) if self.held.len() < opener + LONGEST_HEAD => {
                self.state = State::Head { opener };
                false
            }
            Err(_) => self.no_call(opener),
            Ok(Head::Named { name, .. }) if !self.names.contains(&name) => self.no_call(opener),
            Ok(Head::Named { name, at }) if self.sure => {
                self.held.drain(..opener + at);
                self.begin(name);
                self.state = State::Arguments(Scan::default());
                true
            }
            Ok(Head::Named { name, at }) if self.form == Form::MistralArgs => {
                let from = opener + at;
                self.state = State::Whole { scan: Scan::default(), from, scanned: from, name: Some(name) };
                true
            }
            Ok(Head::Named { .. }) => {
                let from = opener + self.held[opener..].find('{').unwrap_or_default();
                self.state = State::Whole { scan: Scan::default(), from, scanned: from, name: None };
                true
            }
            Ok(Head::Whole { at }) => {
                let from = opener + at;
                self.state = State::Whole { scan: Scan::default(), from, scanned: from, name: None };
                true
            }
        }
    }

    /// `name[ARGS]{` or `name[CALL_ID]id[ARGS]{`.
    fn named_head(&self, opener: usize) -> Result<Head, Miss> {
        let text = &self.held[opener..];
        let args = text.find("[ARGS]").ok_or(Miss::More)?;
        let name = text[..args].split("[CALL_ID]").next().unwrap_or_default().trim();
        let at = args + "[ARGS]".len();
        let value = text[at..].trim_start();
        match value.bytes().next() {
            None => Err(Miss::More),
            Some(b'{') => Ok(Head::Named { name: name.to_owned(), at: text.len() - value.len() }),
            Some(_) => Err(Miss::No),
        }
    }

    fn begin(&mut self, name: String) {
        self.calls += 1;
        self.pieces.push(Piece::Call { name });
    }

    fn whole(&mut self, mut scan: Scan, from: usize, scanned: usize, name: Option<String>) -> bool {
        let Some(end) = scan.push(&self.held[scanned..]) else {
            self.state = State::Whole { scan, from, scanned: self.held.len(), name };
            return false;
        };
        let end = scanned + end;
        let object = &self.held[from..end];
        let read = match name {
            Some(name) => {
                serde_json::from_str::<Map<String, Value>>(object).ok().map(|_| (name, object.to_owned()))
            }
            None => read_call(object),
        };
        match read.filter(|(name, _)| self.names.contains(name)) {
            Some((name, arguments)) => {
                self.held.drain(..end);
                self.begin(name);
                self.pieces.push(Piece::Arguments(arguments));
                self.state = State::After;
            }
            None => {
                let told = self.held.drain(..end).collect::<String>();
                self.say(&told);
                self.state = State::Text;
            }
        }
        true
    }

    fn arguments(&mut self, mut scan: Scan) -> bool {
        let end = scan.push(&self.held);
        let told = self.held.drain(..end.unwrap_or(self.held.len())).collect::<String>();
        if !told.is_empty() {
            self.pieces.push(Piece::Arguments(told));
        }
        self.state = match end {
            None => State::Arguments(scan),
            Some(_) if self.form == Form::MistralArgs => State::After,
            Some(_) => State::Tail(Scan::inside()),
        };
        end.is_some()
    }

    fn tail(&mut self, mut scan: Scan) -> bool {
        let end = scan.push(&self.held);
        self.held.drain(..end.unwrap_or(self.held.len()));
        self.state = if end.is_some() { State::After } else { State::Tail(scan) };
        end.is_some()
    }

    fn after(&mut self) -> bool {
        if self.one {
            self.state = State::Done;
            return true;
        }
        let rest =
            self.held.trim_start_matches(|letter: char| letter.is_whitespace() || ",;]".contains(letter));
        self.held.drain(..self.held.len() - rest.len());
        if let Some(closer) = self.form.closers().iter().find(|closer| self.held.starts_with(**closer)) {
            self.held.drain(..closer.len());
            self.state = State::After;
            return true;
        }
        if self.held.starts_with('{') && self.form != Form::MistralArgs {
            self.state = State::Head { opener: 0 };
            return true;
        }
        let opener = self.form.openers().iter().find(|opener| self.held.starts_with(**opener));
        if let Some(opener) = opener {
            self.state = State::Head { opener: opener.len() };
            return true;
        }
        let may_go_on = self.form.marks().any(|mark| mark.starts_with(self.held.as_str()));
        self.state = if may_go_on { State::After } else { State::Text };
        !may_go_on
    }
}

/// The first `most` bytes of a text, or all; less where they would end in mid-character.
fn first(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// A whole call's name and arguments; no arguments are an empty object, and a text of JSON counts as what it says.
fn read_call(object: &str) -> Option<(String, String)> {
    let call: Map<String, Value> = serde_json::from_str(object).ok()?;
    let inner = call.get("function").and_then(Value::as_object).unwrap_or(&call);
    let name = inner.get("name").or_else(|| call.get("function"))?.as_str()?;
    let arguments = match inner.get("arguments").or_else(|| inner.get("parameters")) {
        None | Some(Value::Null) => "{}".to_owned(),
        Some(Value::Object(_)) => {
            let raw: Raw<'_> = serde_json::from_str(object).ok()?;
            raw.text().map_or_else(|| inner_text(inner), str::to_owned)
        }
        Some(Value::String(text)) => {
            serde_json::from_str::<Map<String, Value>>(text).ok()?;
            text.clone()
        }
        Some(_) => return None,
    };
    Some((name.to_owned(), arguments))
}

fn inner_text(call: &Map<String, Value>) -> String {
    let arguments = call.get("arguments").or_else(|| call.get("parameters"));
    arguments.map_or_else(|| "{}".to_owned(), Value::to_string)
}

/// The arguments' own text, with the blanks that the model wrote.
#[derive(serde::Deserialize)]
struct Raw<'t> {
    #[serde(borrow)]
    arguments: Option<&'t serde_json::value::RawValue>,
    #[serde(borrow)]
    parameters: Option<&'t serde_json::value::RawValue>,
}

impl<'t> Raw<'t> {
    fn text(&self) -> Option<&'t str> {
        self.arguments.or(self.parameters).map(serde_json::value::RawValue::get)
    }
}
