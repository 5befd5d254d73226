//! The chat template, rendered as Hugging Face's tokenizers do: Jinja with Python's methods, from the model folder only.
//! Promises: the reference renderer's characters; bounded steps (fuel), no file access, no user text as a template. Not
//! bounded: what a template doubles or nests in memory, so its folder is trusted not to want harm.
//! Knows no tokens. Unlike the reference: `~` writes true and none in small letters, a line end behind `raw` goes.

mod python;

use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior};
use regex::Regex;
use serde_json::Map;

/// Instructions that any template may take, and per kilobyte of conversation and tools.
const FUEL: u64 = 1_000_000;
const FUEL_PER_KILOBYTE: u64 = 20_000;
const NAME: &str = "chat";

/// The tags around what a model is trained on; they have no meaning for a prompt.
static GENERATION: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}").ok());

/// What a template renders.
#[derive(Debug, Default)]
pub(super) struct Scene {
    /// The turns, as objects of `role`, `content` and what else there is.
    pub(super) messages: Vec<serde_json::Value>,
    /// The tools in OpenAI's form; none where none may be called.
    pub(super) tools: Vec<serde_json::Value>,
    /// Further values by name.
    pub(super) settings: Map<String, serde_json::Value>,
    /// Ends the prompt in the middle of the conversation, without the words that begin an answer.
    pub(super) no_answer: bool,
}

/// A compiled chat template.
pub(super) struct Template {
    environment: Environment<'static>,
    source: String,
    bos_token: String,
    eos_token: String,
}

impl Template {
    /// Compiles `source`.
    pub(super) fn new(source: &str, bos_token: String, eos_token: String) -> Result<Self, Error> {
        let mut environment = Environment::new();
        environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
        // Debug information quotes variables: the conversation.
        environment.set_debug(false);
        environment.set_undefined_behavior(UndefinedBehavior::Lenient);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.set_formatter(|out: &mut Output, _: &mut State, value: &Value| {
            out.write_str(&python::text(value)).map_err(Error::from)
        });
        environment.add_function("raise_exception", |_why: Value| -> Result<Value, Error> {
            // The template's own words may quote the conversation, so they are not passed on.
            Err(Error::new(
                ErrorKind::InvalidOperation,
                "the chat template does not accept this conversation",
            ))
        });
        environment.add_filter("tojson", python::tojson);
        environment.add_filter("e", python::escape);
        environment.add_filter("escape", python::escape);
        environment.add_filter("string", |value: &Value| python::text(value));
        environment.add_template_owned(NAME, without_generation(source))?;
        Ok(Self { environment, source: source.to_owned(), bos_token, eos_token })
    }

    /// The text of the template itself.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// The prompt of a conversation, up to where the assistant begins to speak.
    pub(super) fn render(&self, scene: &Scene) -> Result<String, Error> {
        self.render_at(scene, jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC))
    }

    fn render_at(&self, scene: &Scene, now: jiff::Zoned) -> Result<String, Error> {
        let mut environment = self.environment.clone();
        environment.set_fuel(Some(FUEL + FUEL_PER_KILOBYTE * kilobytes(scene)));
        let template = environment.get_template(NAME)?;
        let own = minijinja::context! {
            messages => Serde(&scene.messages),
            add_generation_prompt => !scene.no_answer,
            bos_token => self.bos_token.as_str(),
            eos_token => self.eos_token.as_str(),
            tools => if scene.tools.is_empty() { Value::from(()) } else { Value::from(Serde(&scene.tools)) },
            documents => Value::from(()),
            strftime_now => Value::from_function(move |format: &str| python::strftime(format, &now)),
        };
        template.render(minijinja::context! { ..own, ..Value::from(Serde(&scene.settings)) })
    }
}

/// `value` as JSON, laid out as templates lay it out.
pub(super) fn json_text(value: &serde_json::Value) -> String {
    python::json(&Value::from(Serde(value))).unwrap_or_else(|_| value.to_string())
}

/// Size of what is rendered, roughly and never 0.
fn kilobytes(scene: &Scene) -> u64 {
    fn bytes(value: &serde_json::Value) -> usize {
        use serde_json::Value;
        8 + match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(bytes).sum(),
            Value::Object(fields) => fields.iter().map(|(key, value)| key.len() + bytes(value)).sum(),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
    }
    1 + (scene.messages.iter().chain(&scene.tools).map(bytes).sum::<usize>() / 1024 + scene.messages.len())
        as u64
}

/// The template with tags that do nothing, and trim the same, in place of those around generated text.
fn without_generation(source: &str) -> String {
    let Some(tags) = &*GENERATION else { return source.to_owned() };
    let stand_in = |found: &regex::Captures<'_>| {
        let (left, right) = (&found[1], &found[3]);
        if found.get(2).is_some() {
            format!("{{%{left} endif {right}%}}")
        } else {
            format!("{{%{left} if true {right}%}}")
        }
    };
    tags.replace_all(source, stand_in).into_owned()
}

#[cfg(test)]
mod tests;
