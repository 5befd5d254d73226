//! From a conversation to prompt tokens: escapes what users typed, renders the template, encodes.
//! Promises: special tokens come from the template alone, never from user text; a text that cannot fit is refused by
//! its length before any of it is encoded. Runs on the caller's side, never on the engine's thread.

mod shield;

use serde_json::{Map, Value, json};
use tokenizers::Tokenizer;

use self::shield::{Shield, controls};
use super::LocalError;
use super::detokenize::Vocabulary;
use super::folder::Folder;
use super::template::{Scene, Template};
use super::tool_calls::Form;
use crate::chat::{ChatRequest, Message, Role, ToolChoice};

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
    /// For conversations that offer tools, where the model has another template for them.
    tool_template: Option<Template>,
    /// How the model writes tool calls, if its template offers tools.
    form: Option<Form>,
    /// Whether the template knows instructions under their newer name.
    knows_developer: bool,
    specials: Vec<Special>,
    /// Other added tokens that steer a conversation, such as `<|end|>` or `<tool_response>`.
    controls: Vec<String>,
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
    /// Reads the tokenizer's file: the slow part of [`Self::load`].
    pub(super) fn read_tokenizer(folder: &Folder) -> Result<Tokenizer, LocalError> {
        let file = &folder.tokenizer;
        let text = std::fs::read(file)
            .map_err(|error| LocalError::model(file, &format!("cannot be read: {error}")))?;
        Tokenizer::from_bytes(text)
            .map_err(|error| LocalError::model(file, &format!("the tokenizer cannot be used: {error}")))
    }

    /// Makes a prompter of tokenizer and template; also gives the table for the way back.
    pub(super) fn load(
        folder: &Folder,
        mut tokenizer: Tokenizer,
        vocabulary: usize,
    ) -> Result<(Self, Vocabulary), LocalError> {
        let file = &folder.tokenizer;
        let broken = |why: &str| LocalError::model(file, &format!("the tokenizer cannot be used: {why}"));
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
        let compile = |source: &str| {
            Template::new(source, folder.bos_token.clone(), folder.eos_token.clone()).map_err(|error| {
                LocalError::model(&folder.root.join("chat_template.jinja"), &error.to_string())
            })
        };
        let template = compile(&folder.template)?;
        let tool_template = folder.tool_template.as_deref().map(compile).transpose()?;
        let with_tools = tool_template.as_ref().unwrap_or(&template);
        let prompter = Self {
            form: Form::of(with_tools.source()),
            knows_developer: template.source().contains("developer"),
            controls: controls(&tokenizer, &[template.source(), with_tools.source()]),
            longest_token: table.longest(),
            context: folder.context,
            tokenizer,
            template,
            tool_template,
            specials,
        };
        Ok((prompter, table))
    }

    /// The form in which the model writes tool calls; none if it can call no tools.
    pub(super) fn form(&self) -> Option<Form> {
        self.form
    }

    /// The id of `text`, if it is a special token.
    pub(super) fn special(&self, text: &str) -> Option<u32> {
        self.specials.iter().find(|special| special.text == text).map(|special| special.id)
    }

    /// Fewest tokens that the conversation can take, from its length alone.
    fn at_least(&self, request: &ChatRequest) -> usize {
        let bytes = request.texts().map(str::len).sum();
        self.tokens_at_least(bytes).max(request.messages.len())
    }

    /// Fewest tokens of a text of so many bytes.
    fn tokens_at_least(&self, bytes: usize) -> usize {
        // Normalising may shorten a text; no tokenizer in use shortens one to less than a quarter.
        let shrink = if self.tokenizer.get_normalizer().is_some() { 4 } else { 1 };
        bytes / (self.longest_token * shrink)
    }

    /// Whether encoding is long enough work to leave the async thread.
    pub(super) fn is_long(request: &ChatRequest) -> bool {
        request.texts().map(str::len).sum::<usize>() > 4096
            || request.messages.len() > 32
            || !request.tools.offered.is_empty()
    }

    /// The prompt's tokens; always fewer than the context.
    pub(super) fn encode(&self, request: &ChatRequest) -> Result<Vec<u32>, PromptError> {
        let at_least = self.at_least(request);
        if at_least >= self.context {
            return Err(PromptError::TooLong(at_least));
        }
        let shield = Shield::new(&self.specials, &self.controls);
        let text = self.render(request, &shield)?;
        let at_least = self.tokens_at_least(text.len());
        if at_least >= self.context {
            // What is not the messages' own text: tools, calls, what the template adds.
            let at_least = self.tokens_at_least(shield.lift(&text).len());
            if at_least >= self.context {
                return Err(PromptError::TooLong(at_least));
            }
        }
        let mut ids = vec![];
        self.encode_rendered(&text, &shield, &mut ids)?;
        if ids.len() >= self.context {
            return Err(PromptError::TooLong(ids.len()));
        }
        Ok(ids)
    }

    /// The rendered conversation, marks and all. Instructions that a template has no place for are put before the first
    /// user's words.
    fn render(&self, request: &ChatRequest, shield: &Shield<'_>) -> Result<String, PromptError> {
        let mut scene = self.scene(request, shield);
        let template = match &self.tool_template {
            Some(template) if !scene.tools.is_empty() => template,
            _ => &self.template,
        };
        let rendered = template.render(&scene);
        if let Err(error) = &rendered
            && error.kind() == minijinja::ErrorKind::InvalidOperation
            && fold_instructions(&mut scene.messages)
        {
            return template.render(&scene).map_err(|_| PromptError::Template);
        }
        rendered.map_err(|_| PromptError::Template)
    }

    fn scene(&self, request: &ChatRequest, shield: &Shield<'_>) -> Scene {
        let tools = match (&request.tools.choice, self.form) {
            (ToolChoice::Never, _) | (_, None) => vec![],
            _ => request.tools.offered.iter().map(|tool| shield.raise_json(tool)).collect(),
        };
        let settings = request.template_settings.iter();
        Scene {
            messages: request.messages.iter().map(|message| self.turn(message, shield)).collect(),
            tools,
            settings: settings.map(|(name, value)| (name.clone(), shield.raise_json(value))).collect(),
            no_answer: false,
        }
    }

    /// One message as a template sees it.
    fn turn(&self, message: &Message, shield: &Shield<'_>) -> Value {
        let role = match message.role {
            Role::Developer if !self.knows_developer => Role::System,
            role => role,
        };
        let id = |id: &str| self.form.map_or_else(|| id.to_owned(), |form| form.known_id(id));
        let text: String = message.texts().collect();
        // What the model itself said holds its thoughts and calls in tokens of its own, which templates look for.
        let content =
            if role == Role::Assistant { shield.raise_specials(&text) } else { shield.raise(&text) };
        let mut turn = json!({ "role": role.as_str(), "content": content });
        if let Some(name) = &message.name {
            turn["name"] = shield.raise(name).into();
        }
        if let Some(answered) = &message.tool_call_id {
            turn["tool_call_id"] = shield.raise(&id(answered)).into();
        }
        if !message.tool_calls.is_empty() {
            let calls = message.tool_calls.iter().map(|call| shield.raise_json(&plain_call(call, id)));
            turn["tool_calls"] = calls.collect();
        }
        turn
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
        // Where a control token was broken up its parts are encoded apart, so that they stay text.
        for part in plain.split(shield.cut.as_str()).filter(|part| !part.is_empty()) {
            let encoding = self.tokenizer.encode_fast(part, false).map_err(|_| PromptError::Tokenizer)?;
            ids.extend_from_slice(encoding.get_ids());
        }
        Ok(())
    }
}

/// A tool call of an earlier turn as templates expect it: arguments as an object rather than its text.
fn plain_call(call: &Value, known_id: impl Fn(&str) -> String) -> Value {
    let mut call = call.clone();
    if let Some(id) = call.get("id").and_then(Value::as_str) {
        call["id"] = known_id(id).into();
    }
    if let Some(Value::String(text)) = call.pointer("/function/arguments")
        && let Ok(arguments) = serde_json::from_str::<Map<String, Value>>(text)
    {
        call["function"]["arguments"] = arguments.into();
    }
    call
}

/// Puts a leading system turn before the words of the first user; false where there are not both.
fn fold_instructions(messages: &mut Vec<Value>) -> bool {
    let is = |message: Option<&Value>, role: &str| message.is_some_and(|message| message["role"] == role);
    if !is(messages.first(), "system") || !is(messages.get(1), "user") {
        return false;
    }
    let system = messages.remove(0);
    let [before, words] = [&system, &messages[0]].map(|turn| turn["content"].as_str().unwrap_or_default());
    messages[0]["content"] = format!("{before}\n\n{words}").into();
    true
}

#[cfg(test)]
mod tests;
