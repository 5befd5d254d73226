//! What a model may generate where tools are offered, as a grammar in `llguidance`'s Lark: calls in the model's own form,
//! with arguments that obey each function's schema. Promises: a name is always an offered one; with free text beside
//! calls, text that opens a call must go on as one, and a strict function is called behind the usual opener alone; a
//! model that thinks may do so first. Compiles nothing: `constraint` does.

use std::fmt::Write;

use llguidance::JsonCompileOptions;
use serde_json::{Map, Value, json};

use super::Form;
use crate::backends::local::constraint::{is_too_costly, is_too_large, simplify, without_patterns};
use crate::backends::local::reply::Thoughts;

/// Blanks between an opener and its call, as a regular expression.
const BLANKS: &str = r"[ \t\r\n\x0c]*";

/// What may be said in place of calls.
#[derive(Clone, Debug)]
pub(crate) enum Free {
    /// Nothing: there must be a call.
    Nothing,
    /// Any text.
    Text,
    /// JSON that this schema accepts; it says how it is to be compiled.
    Json(Value),
}

/// How a mark that is a special token is known to the grammar: by its id.
pub(crate) type SpecialId<'a> = &'a dyn Fn(&str) -> Option<u32>;

/// What the answers to one request may be.
pub(crate) struct Rules<'a> {
    pub(crate) form: Form,
    /// The functions that may be called; at least one.
    pub(crate) functions: Vec<&'a Value>,
    pub(crate) free: Free,
    /// Whether an answer may hold only one call.
    pub(crate) one: bool,
    pub(crate) special: SpecialId<'a>,
}

impl Rules<'_> {
    /// The grammar, or none where generation stays free: a bare object that a caller may want as content can be no sure
    /// sign of a call. Arguments of a function whose schema is too large or costly and need not be obeyed may be any object;
    /// with `simple`, for schemas that cannot be compiled, those of every function that is not strict.
    pub(crate) fn grammar(&self, simple: bool) -> Option<String> {
        if self.form.is_bare() && matches!(self.free, Free::Text) {
            return None;
        }
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.start(&mut text);
        let names: Vec<String> = (0..self.functions.len()).map(|at| format!("call_{at}")).collect();
        let _ = writeln!(text, "call: {}", names.join(" | "));
        for (at, function) in self.functions.iter().enumerate() {
            let name = function["name"].as_str().unwrap_or_default();
            let _ = writeln!(text, "call_{at}: {}", self.call(name, at));
            let _ = writeln!(text, "args_{at}: %json {}", enforced(function, simple));
        }
        Some(text)
    }

    fn start(&self, out: &mut String) -> std::fmt::Result {
        let opener = self.form.openers()[0];
        let calls = self.calls();
        match &self.free {
            Free::Nothing => writeln!(out, "start: {} {calls}", self.opener())?,
            Free::Json(schema) => {
                // A bare call and a JSON answer begin alike: only a token of its own can tell them apart.
                match ((self.special)(opener), self.form.is_bare()) {
                    (None, true) => writeln!(out, "start: plain")?,
                    _ => writeln!(out, "start: {} {calls} | plain", self.mark(opener))?,
                }
                writeln!(out, "plain: %json {schema}")?;
            }
            Free::Text => {
                // A special opener can be spelled in ordinary tokens too: then it opens nothing, and is forbidden.
                let mut opened = regex::escape(opener);
                // Behind another opener no schema is kept to.
                if self.functions.iter().any(|function| function["strict"] == true) {
                    for other in &self.form.openers()[1..] {
                        write!(opened, "|{}{BLANKS}\\[?{BLANKS}\\{{", regex::escape(other))?;
                    }
                }
                writeln!(out, "TEXT: /(.|\\n)*/ & ~/(.|\\n)*({opened})(.|\\n)*/")?;
                let thoughts = self.thoughts(out)?;
                if (self.special)(opener).is_some() {
                    writeln!(out, "start: {thoughts} TEXT | {thoughts} TEXT {} {calls}", self.mark(opener))?;
                } else {
                    writeln!(out, "start: {thoughts} TEXT | {thoughts} opened {calls}")?;
                    writeln!(out, "opened[lazy]: TEXT {}", self.mark(opener))?;
                }
            }
        }
        Ok(())
    }

    /// What begins and ends thoughts is no text where it is a special token: those may stand between texts. Nothing
    /// where there are none.
    fn thoughts(&self, out: &mut String) -> Result<&'static str, std::fmt::Error> {
        let marks = Thoughts::MARKS.into_iter().filter(|mark| (self.special)(mark).is_some());
        let marks: Vec<String> = marks.map(|mark| self.mark(mark)).collect();
        if marks.is_empty() {
            return Ok("");
        }
        writeln!(out, "thoughts: (TEXT ({}))*", marks.join(" | "))?;
        Ok("thoughts")
    }

    fn opener(&self) -> String {
        if self.form.is_bare() { String::new() } else { self.mark(self.form.openers()[0]) }
    }

    /// What follows the first opener.
    fn calls(&self) -> String {
        let opener = self.opener();
        let more = |again: &str| if self.one { String::new() } else { format!("({again})*") };
        match self.form {
            Form::Hermes => {
                let closer = self.mark("</tool_call>");
                format!(
                    r#""\n" call "\n" {closer} {}"#,
                    more(&format!(r#""\n" {opener} "\n" call "\n" {closer}"#))
                )
            }
            Form::MistralArgs => format!("call {}", more(&format!("{opener} call"))),
            Form::MistralList => format!(r#"/ ?/ "[" call {} "]""#, more(r#"", " call"#)),
            Form::Phi4 => {
                format!(r#""[" call {} "]" {}"#, more(r#"", " call"#), self.mark("<|/tool_call|>"))
            }
            Form::Llama3 => format!("call {}", more(r#""; " call"#)),
        }
    }

    fn call(&self, name: &str, at: usize) -> String {
        let key = if self.form == Form::Llama3 { "parameters" } else { "arguments" };
        match self.form {
            Form::MistralArgs => format!("{} {} args_{at}", Value::from(name), self.mark("[ARGS]")),
            _ => {
                let head = format!(r#"{{"name": "{name}", "{key}": "#);
                format!(r#"{} args_{at} "}}""#, Value::from(head))
            }
        }
    }

    /// A mark as a token where it is one, else as text.
    fn mark(&self, text: &str) -> String {
        (self.special)(text).map_or_else(|| Value::from(text).to_string(), |id| format!("<[{id}]>"))
    }
}

/// What a function's arguments have to obey.
fn enforced(function: &Value, simple: bool) -> Value {
    let strict = function["strict"] == true;
    let any = || with_layout(json!({ "type": "object" }), strict);
    if !strict && (simple || is_too_large(&function["parameters"])) {
        return any();
    }
    let schema = with_layout(arguments(function), strict);
    // A strict one was refused before, where it is too costly.
    if strict || !is_too_costly(&schema) {
        return schema;
    }
    Some(without_patterns(&schema)).filter(|schema| !is_too_costly(schema)).unwrap_or_else(any)
}

/// The schema of a function's arguments: always an object, whatever else the schema lets be, without fields that were not
/// named unless it allows them.
pub(super) fn arguments(function: &Value) -> Value {
    let schema = function.get("parameters").filter(|schema| !schema.is_null()).cloned();
    let mut schema = schema.unwrap_or_else(|| json!({ "type": "object", "properties": {} }));
    close(&mut schema);
    if let Some(fields) = schema.as_object_mut() {
        fields.insert("type".to_owned(), "object".into());
    }
    schema
}

/// Forbids fields that are not named, where nothing is said of them and no other part of the schema could name more.
fn close(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    let composed = ["additionalProperties", "patternProperties", "$ref", "allOf", "anyOf", "oneOf", "if"];
    if fields.get("properties").is_some_and(Value::is_object)
        && !composed.iter().any(|key| fields.contains_key(*key))
    {
        fields.insert("additionalProperties".to_owned(), false.into());
    }
    if let Some(named) = fields.get_mut("properties").and_then(Value::as_object_mut) {
        named.values_mut().for_each(close);
    }
    if let Some(items) = fields.get_mut("items") {
        close(items);
    }
}

/// One layout only, the one that templates write: no blanks to lose oneself in.
fn with_layout(schema: Value, strict: bool) -> Value {
    let mut schema = if schema.is_object() { schema } else { Value::Object(Map::new()) };
    simplify(&mut schema);
    let options = JsonCompileOptions {
        item_separator: ", ".to_owned(),
        key_separator: ": ".to_owned(),
        whitespace_flexible: false,
        lenient: !strict,
        ..JsonCompileOptions::default()
    };
    options.apply_to(&mut schema);
    schema
}
