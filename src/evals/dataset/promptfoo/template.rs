//! promptfoo's `{{name}}`: variables are put in, and nothing else is understood. Filters, conditions and loops are code
//! of its template language, so they are refused rather than half understood.

use serde_json::{Map, Value};

use super::Vars;

/// `value` with every `{{name}}` in its texts replaced. A text that is nothing but a variable stays a text.
///
/// # Errors
/// Names what is not supported, or the variable that is missing.
pub(super) fn render(value: &Value, vars: &Vars) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => Value::String(render_text(text, vars)?),
        Value::Array(items) => {
            Value::Array(items.iter().map(|it| render(it, vars)).collect::<Result<_, _>>()?)
        }
        Value::Object(object) => {
            let rendered = object.iter().map(|(key, value)| Ok((key.clone(), render(value, vars)?)));
            Value::Object(rendered.collect::<Result<Map<_, _>, String>>()?)
        }
        other => other.clone(),
    })
}

fn render_text(text: &str, vars: &Vars) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("{{") {
        out.push_str(plain(&rest[..at])?);
        let inner = &rest[at + 2..];
        let end = inner.find("}}").ok_or("a `{{` is not closed")?;
        let name = inner[..end].trim_matches('-').trim();
        if name.is_empty() || !name.chars().all(|it| it.is_alphanumeric() || it == '_') {
            return Err(format!("`{{{{{}}}}}` is not supported: only `{{{{name}}}}` is", &inner[..end]));
        }
        match vars.get(name) {
            None => return Err(format!("`{{{{{name}}}}}` has no value among `vars`")),
            Some(Value::String(value)) => out.push_str(value),
            Some(value) => out.push_str(&value.to_string()),
        }
        rest = &inner[end + 2..];
    }
    out.push_str(plain(rest)?);
    Ok(out)
}

fn plain(text: &str) -> Result<&str, String> {
    if text.contains("{%") || text.contains("{#") {
        return Err("`{%` and `{#` are not supported: only `{{name}}` is".to_owned());
    }
    Ok(text)
}
