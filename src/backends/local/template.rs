//! The chat template, rendered as Hugging Face's tokenizers do: Jinja with Python's methods, from the model folder only.
//! Promises: bounded work (fuel), no file access, no user text as a template. Knows no tokens.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde, Value};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};
use serde::Serialize;

/// Instructions that any template may take, and per message.
const FUEL: u64 = 1_000_000;
const FUEL_PER_MESSAGE: u64 = 20_000;
const NAME: &str = "chat";

/// One turn as a template sees it.
#[derive(Debug, Serialize)]
pub(super) struct Turn {
    pub(super) role: &'static str,
    pub(super) content: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tool_calls: Vec<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_call_id: Option<String>,
}

/// A compiled chat template.
pub(super) struct Template {
    environment: Environment<'static>,
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
        environment.add_function("raise_exception", |_why: String| -> Result<Value, Error> {
            // The template's own words may quote the conversation, so they are not passed on.
            Err(Error::new(
                ErrorKind::InvalidOperation,
                "the chat template does not accept this conversation",
            ))
        });
        environment.add_function("strftime_now", strftime_now);
        environment.add_filter("tojson", tojson);
        environment.add_template_owned(NAME, source.to_owned())?;
        Ok(Self { environment, bos_token, eos_token })
    }

    /// The prompt of a conversation, up to where the assistant begins to speak.
    pub(super) fn render(&self, turns: &[Turn]) -> Result<String, Error> {
        let mut environment = self.environment.clone();
        environment.set_fuel(Some(FUEL + FUEL_PER_MESSAGE * turns.len() as u64));
        let template = environment.get_template(NAME)?;
        template.render(minijinja::context! {
            messages => Serde(turns),
            add_generation_prompt => true,
            bos_token => self.bos_token.as_str(),
            eos_token => self.eos_token.as_str(),
        })
    }
}

/// Today, in the form of Python's `strftime`; UTC.
fn strftime_now(format: &str) -> Result<String, Error> {
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    jiff::fmt::strtime::format(format, &now)
        .map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))
}

/// As Python's `json.dumps(value, ensure_ascii=False, indent=...)`: `, ` and `: ` between items, nothing escaped for HTML.
#[expect(clippy::needless_pass_by_value, reason = "the template engine passes keyword arguments by value")]
fn tojson(value: &Value, kwargs: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = kwargs.get("indent")?;
    let _ignored: Option<bool> = kwargs.get("ensure_ascii")?;
    kwargs.assert_all_used()?;
    let mut json = vec![];
    let written = match indent {
        Some(width) => {
            let spaces = " ".repeat(width.min(16));
            let pretty = serde_json::ser::PrettyFormatter::with_indent(spaces.as_bytes());
            value.serialize(&mut serde_json::Serializer::with_formatter(&mut json, pretty))
        }
        None => value.serialize(&mut serde_json::Serializer::with_formatter(&mut json, Spaced)),
    };
    written.map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
    let text = String::from_utf8(json)
        .map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
    Ok(Value::from_safe_string(text))
}

/// Python's default separators.
struct Spaced;

impl serde_json::ser::Formatter for Spaced {
    fn begin_array_value<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(role: &'static str, content: &str) -> Turn {
        Turn { role, content: content.to_owned(), name: None, tool_calls: vec![], tool_call_id: None }
    }

    fn render(source: &str, turns: &[Turn]) -> Result<String, Error> {
        Template::new(source, "<s>".to_owned(), "</s>".to_owned()).and_then(|template| template.render(turns))
    }

    #[test]
    fn blocks_are_trimmed_as_hugging_face_does() {
        let source = "{{ bos_token }}\n{% for m in messages %}\n    {% if true %}\n[{{ m['role'] }}] {{ m.content.strip() }}\n    {% endif %}\n{% endfor %}\n{% if add_generation_prompt %}>{% endif %}";
        assert_eq!(render(source, &[turn("user", " hi ")]).unwrap(), "<s>\n[user] hi\n>");
    }

    #[test]
    fn user_text_is_never_a_template() {
        let text = "{{ 7 * 7 }}{% for x in range(9) %}";
        assert_eq!(render("{{ messages[0].content }}", &[turn("user", text)]).unwrap(), text);
    }

    #[test]
    fn a_refusal_of_the_template_is_an_error_without_its_words() {
        let error = render("{{ raise_exception('no: ' + messages[0].content) }}", &[turn("user", "secret")]);
        assert!(!format!("{:?}", error.unwrap_err()).contains("secret"));
    }

    #[test]
    fn work_is_bounded() {
        let source = "{% for a in range(10000) %}{% for b in range(10000) %}{{ a }}{% endfor %}{% endfor %}";
        assert_eq!(render(source, &[turn("user", "x")]).unwrap_err().kind(), ErrorKind::OutOfFuel);
    }

    #[test]
    fn json_and_dates_look_like_pythons() {
        let source = "{{ {'a': [1, '<é>']} | tojson }} {{ strftime_now('%Y') | length }}";
        assert_eq!(render(source, &[]).unwrap(), "{\"a\": [1, \"<é>\"]} 4");
    }
}
