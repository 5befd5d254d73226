//! From a conversation to prompt tokens: escapes what users typed, renders the template, encodes.
//! Promises: special tokens come from the template alone, never from user text; a text that cannot fit is refused by
//! its length before any of it is encoded. Runs on the caller's side, never on the engine's thread.

mod first_space;
mod probe;
mod shield;
mod turns;

use serde_json::{Value, json};
use tokenizers::models::bpe::BPE;
use tokenizers::{
    DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, Tokenizer, TokenizerImpl,
};

use self::probe::Measured;
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
    template: Measured,
    /// For conversations that offer tools, where the model has another template for them.
    tool_template: Option<Measured>,
    /// Whether the template knows instructions under their newer name.
    knows_developer: bool,
    specials: Vec<Special>,
    /// Other added tokens that steer a conversation, such as `<|end|>` or `<tool_response>`.
    controls: Vec<String>,
    /// What a tokenizer that puts a space before a text's first word alone writes for it.
    first_space: Option<char>,
    context: usize,
    longest_token: usize,
}

/// Why there is no prompt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PromptError {
    /// It takes at least this many tokens.
    TooLong(usize),
    /// The template does not accept the conversation, or makes nothing of it.
    Template,
    /// The tokenizer failed.
    Tokenizer,
}

impl Prompter {
    /// Makes a prompter of the folder's tokenizer and template; also gives the table for the way back.
    pub(super) fn load(folder: &Folder) -> Result<(Self, Vocabulary), LocalError> {
        let file = &folder.tokenizer;
        let broken = |why: &str| LocalError::model(file, &format!("the tokenizer cannot be used: {why}"));
        let text = std::fs::read(file)
            .map_err(|error| LocalError::model(file, &format!("cannot be read: {error}")))?;
        let mut tokenizer = read_tokenizer(&text).map_err(|error| broken(&error.to_string()))?;
        tokenizer.set_encode_special_tokens(true);
        tokenizer.with_truncation(None).map_err(|error| broken(&error.to_string()))?;
        tokenizer.with_padding(None);
        let first_space = first_space::take(&mut tokenizer);
        let table = Vocabulary::of(&tokenizer).map_err(|why| broken(&why))?;
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
        let template = Self::compile(folder, &folder.template)?;
        let tool_template = folder.tool_template.as_deref();
        let tool_template = tool_template.map(|source| Self::compile(folder, source)).transpose()?;
        let sources = [&template, tool_template.as_ref().unwrap_or(&template)];
        let sources = sources.map(|measured| measured.template.source());
        let prompter = Self {
            knows_developer: sources[0].contains("developer"),
            controls: controls(&tokenizer, &sources),
            longest_token: table.longest(),
            first_space,
            context: folder.context,
            tokenizer,
            template,
            tool_template,
            specials,
        };
        Ok((prompter, table))
    }

    /// Refuses prompts that a context of so many tokens does not hold, and lets the table go as far as a graph's logits.
    pub(super) fn fit(
        &mut self,
        table: &mut Vocabulary,
        (context, logits): (usize, usize),
    ) -> Result<(), String> {
        table.reach(&self.tokenizer, logits)?;
        self.longest_token = table.longest();
        self.context = context;
        Ok(())
    }

    fn compile(folder: &Folder, source: &str) -> Result<Measured, LocalError> {
        let for_tools = folder.root.join("additional_chat_templates/tool_use.jinja");
        let is_own = folder.tool_template.as_deref() == Some(source) && for_tools.is_file();
        let file = if is_own { for_tools } else { folder.root.join("chat_template.jinja") };
        let template = Template::new(source, folder.bos_token.clone(), folder.eos_token.clone());
        template.map(Measured::new).map_err(|error| LocalError::model(&file, &error.to_string()))
    }

    /// Whether a folder's model can call tools, from its template alone; one that cannot be used offers none.
    pub(super) fn calls_tools(folder: &Folder) -> bool {
        let source = folder.tool_template.as_ref().unwrap_or(&folder.template);
        Self::compile(folder, source).is_ok_and(|measured| measured.form.is_some())
    }

    fn with_tools(&self) -> &Measured {
        self.tool_template.as_ref().unwrap_or(&self.template)
    }

    /// The form in which the model writes tool calls; none if it can call no tools.
    pub(super) fn form(&self) -> Option<Form> {
        self.with_tools().form
    }

    /// Whether the template knows no more than one call a turn.
    pub(super) fn one_call(&self) -> bool {
        self.with_tools().one_call
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

    /// Whether encoding is long enough work to leave the async thread. A body is at least as long as what it says, be it in
    /// texts, names or earlier calls.
    pub(super) fn is_long(request: &ChatRequest) -> bool {
        request.original.body.len() > 4096 || request.messages.len() > 32 || !request.tools.offered.is_empty()
    }

    /// The prompt's tokens; at least one, and always fewer than the context.
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
        match ids.len() {
            0 => Err(PromptError::Template),
            tokens if tokens >= self.context => Err(PromptError::TooLong(tokens)),
            _ => Ok(ids),
        }
    }

    /// The rendered conversation, marks and all. What the template drops is put where it shows it, or there is none.
    fn render(&self, request: &ChatRequest, shield: &Shield<'_>) -> Result<String, PromptError> {
        let mut tools: Vec<Value> = match (&request.tools.choice, self.form()) {
            (ToolChoice::Never, _) | (_, None) => vec![],
            _ => request.tools.offered.iter().map(|tool| shield.raise_json(tool)).collect(),
        };
        let measured = if tools.is_empty() { &self.template } else { self.with_tools() };
        if !measured.results && request.messages.iter().any(|message| message.role == Role::Tool) {
            return Err(PromptError::Template);
        }
        let turn = |message| self.turn(message, measured.in_turns, shield);
        let mut messages: Vec<Value> = request.messages.iter().map(turn).collect();
        if !measured.instructions && !turns::fold_instructions(&mut messages) {
            return Err(PromptError::Template);
        }
        if measured.one_call {
            messages = turns::split_calls(messages);
        }
        if measured.in_turns && !tools.is_empty() {
            turns::offer(&mut messages, &std::mem::take(&mut tools));
        }
        let settings = request.template_settings.iter();
        let settings = settings.map(|(name, value)| (name.clone(), shield.raise_json(value))).collect();
        let scene = Scene { messages, tools, settings, no_answer: false };
        measured.template.render(&scene).map_err(|_| PromptError::Template)
    }

    /// One message as a template sees it; with `in_turns`, calls are part of what the assistant said.
    fn turn(&self, message: &Message, in_turns: bool, shield: &Shield<'_>) -> Value {
        let role = match message.role {
            Role::Developer if !self.knows_developer => Role::System.as_str(),
            Role::Tool => turns::result_role(in_turns),
            role => role.as_str(),
        };
        let id = |id: &str| self.form().map_or_else(|| id.to_owned(), |form| form.known_id(id));
        let text: String = message.texts().collect();
        // What the model itself said holds its thoughts and calls in tokens of its own, which templates look for.
        let mut content =
            if message.role == Role::Assistant { shield.raise_specials(&text) } else { shield.raise(&text) };
        let call = |call| shield.raise_json(&turns::plain_call(call, id));
        let calls: Vec<Value> = message.tool_calls.iter().map(call).collect();
        if in_turns && !calls.is_empty() {
            content.push_str(&turns::written(&calls));
        }
        let mut turn = json!({ "role": role, "content": content });
        if let Some(name) = &message.name {
            turn["name"] = shield.raise(name).into();
        }
        if let Some(answered) = &message.tool_call_id {
            turn["tool_call_id"] = shield.raise(&id(answered)).into();
        }
        if !in_turns && !calls.is_empty() {
            turn["tool_calls"] = calls.into();
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
            let before = if special.eats_left { before.trim_end() } else { before };
            self.encode_plain(before, from == 0, shield, ids)?;
            ids.push(special.id);
            at += special.text.len();
            if special.eats_right {
                at = text.len() - text[at..].trim_start().len();
            }
            from = at;
        }
        self.encode_plain(&text[from..], from == 0, shield, ids)
    }

    /// Encodes a piece without special tokens; `first` where the rendered text begins with it.
    fn encode_plain(
        &self,
        text: &str,
        first: bool,
        shield: &Shield,
        ids: &mut Vec<u32>,
    ) -> Result<(), PromptError> {
        if text.is_empty() {
            return Ok(());
        }
        let mut plain = shield.lift(text);
        if first && let Some(space) = self.first_space {
            first_space::put(space, &mut plain, &self.controls);
        }
        // Where a control token was broken up its parts are encoded apart, so that they stay text.
        for part in plain.split(shield.cut.as_str()).filter(|part| !part.is_empty()) {
            let encoding = self.tokenizer.encode_fast(part, false).map_err(|_| PromptError::Tokenizer)?;
            ids.extend_from_slice(encoding.get_ids());
        }
        Ok(())
    }
}

/// Reads a tokenizer. The library copies a model of any kind twice before it knows which; merges, which nearly all language models
/// have, it can be told to read at once.
fn read_tokenizer(text: &[u8]) -> tokenizers::Result<Tokenizer> {
    type Merges =
        TokenizerImpl<BPE, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>;
    serde_json::from_slice::<Merges>(text)
        .map_or_else(|_| Tokenizer::from_bytes(text), |read| Ok(read.into()))
}

#[cfg(test)]
mod tests;
