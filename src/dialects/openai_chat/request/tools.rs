//! What a request says of tools: which are offered, which may or must be called, and settings for the chat template.
//! Promises: the older `functions` and `function_call` mean the same as their successors, but that an answer calls one
//! at most. Of a function's JSON Schema it asks that arguments may be an object; who answers judges the rest.

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::bounds::{Field, check_values, values, wrong_kind};
use super::{Fields, RequestError};
use crate::chat::{ToolChoice, Tools};

/// Most tools of one request.
const MAX_TOOLS: usize = 1024;
/// Longest name of a function, as OpenAI allows.
const MAX_NAME: usize = 64;
/// Most settings for the chat template, and the longest text among them in bytes.
const MAX_SETTINGS: usize = 32;
const MAX_SETTING_BYTES: usize = 1024;

/// The tools of a request; what only a remote could call is kept as it came.
pub(super) fn read(fields: &Fields<'_>) -> Result<Tools, RequestError> {
    let mut offered = list(fields.tools, "tools", tool)?;
    let functions = list(fields.functions, "functions", |function, path| {
        check_function(function, path)?;
        Ok(json!({ "type": "function", "function": function }))
    })?;
    let older = offered.is_empty() && !functions.is_empty();
    offered.extend(functions);
    // The older form has place for one call.
    let one_at_a_time = fields.parallel_tool_calls.flag("parallel_tool_calls")? == Some(false) || older;
    let (name, given) = match fields.tool_choice.set() {
        Some(raw) => ("tool_choice", Some(raw)),
        None => ("function_call", fields.function_call.set()),
    };
    let choice = match given {
        Some(raw) => choice(name, raw, &mut offered)?,
        None => ToolChoice::Auto,
    };
    let must = matches!(choice, ToolChoice::Required | ToolChoice::Function(_));
    if must && offered.is_empty() {
        let message = format!("Invalid '{name}': it asks for a tool call, but no tools are offered.");
        return Err(RequestError::value(name, message));
    }
    Ok(Tools { offered: offered.into(), choice, one_at_a_time, older })
}

fn list(
    field: Field<'_>,
    name: &str,
    read: impl Fn(&Value, &str) -> Result<Value, RequestError>,
) -> Result<Vec<Value>, RequestError> {
    let items: Vec<Value> = field.items(name, MAX_TOOLS)?;
    items.iter().enumerate().map(|(index, item)| read(item, &format!("{name}[{index}]"))).collect()
}

fn tool(tool: &Value, path: &str) -> Result<Value, RequestError> {
    let Some(fields) = tool.as_object() else {
        return Err(wrong_kind(path, "an object"));
    };
    // Tools of other kinds are for a remote to judge.
    if text(fields.get("type"), &format!("{path}.type"))? == "function" {
        let path = format!("{path}.function");
        check_function(fields.get("function").ok_or_else(|| lacks(&path))?, &path)?;
    }
    Ok(tool.clone())
}

fn check_function(function: &Value, path: &str) -> Result<(), RequestError> {
    let Some(fields) = function.as_object() else {
        return Err(wrong_kind(path, "an object"));
    };
    let at = |field: &str| format!("{path}.{field}");
    let name = text(fields.get("name"), &at("name"))?;
    if !is_name(name) {
        let path = at("name");
        let message = format!(
            "Invalid '{path}': expected from 1 to {MAX_NAME} letters, digits, underscores and dashes."
        );
        return Err(RequestError::value(path, message));
    }
    let set = |field: &str| fields.get(field).filter(|value| !value.is_null());
    let wanted = [
        ("description", "a string", Value::is_string as fn(&Value) -> bool),
        ("parameters", "an object, a JSON Schema", Value::is_object),
        ("strict", "a boolean", Value::is_boolean),
    ];
    if let Some((field, kind, _)) =
        wanted.into_iter().find(|(field, _, is)| set(field).is_some_and(|value| !is(value)))
    {
        return Err(wrong_kind(&at(field), kind));
    }
    if set("parameters").is_some_and(|schema| !allows_objects(schema)) {
        let path = at("parameters.type");
        let message = format!("Invalid '{path}': expected 'object', which a call's arguments are.");
        return Err(RequestError::value(path, message));
    }
    Ok(())
}

/// Whether a schema's own `type`, if it says one, lets a value be an object.
fn allows_objects(schema: &Value) -> bool {
    match &schema["type"] {
        Value::Null => true,
        Value::Array(kinds) => kinds.iter().any(|kind| kind == "object"),
        kind => kind == "object",
    }
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// Reads `tool_choice` or `function_call`; a list of allowed tools leaves only those in `offered`.
fn choice(name: &str, raw: &RawValue, offered: &mut Vec<Value>) -> Result<ToolChoice, RequestError> {
    let known = || {
        let message = format!(
            "Invalid '{name}': expected 'none', 'auto', 'required', a function or a list of allowed tools."
        );
        RequestError::value(name, message)
    };
    check_values(values(raw), name)?;
    let value: Value = serde_json::from_str(raw.get()).map_err(|_| known())?;
    match &value {
        Value::String(word) => mode(word).ok_or_else(known),
        Value::Object(fields) => match fields.get("type").map(Value::as_str) {
            None => named(name, fields.get("name"), offered),
            Some(Some("function")) => named(name, value.pointer("/function/name"), offered),
            Some(Some("allowed_tools")) => allowed(name, &value, offered),
            Some(Some("custom")) => custom(name, value.pointer("/custom/name"), offered),
            Some(_) => Err(known()),
        },
        _ => Err(wrong_kind(name, "a string or an object")),
    }
}

fn mode(word: &str) -> Option<ToolChoice> {
    match word {
        "none" => Some(ToolChoice::Never),
        "auto" => Some(ToolChoice::Auto),
        "required" => Some(ToolChoice::Required),
        _ => None,
    }
}

fn named(field: &str, name: Option<&Value>, offered: &[Value]) -> Result<ToolChoice, RequestError> {
    let path = format!("{field}.{}", if field == "tool_choice" { "function.name" } else { "name" });
    let name = text(name, &path)?;
    if offered.iter().any(|tool| function_name(tool) == Some(name)) {
        return Ok(ToolChoice::Function(name.to_owned()));
    }
    let message = format!("Invalid '{path}': no function of this name is offered.");
    Err(RequestError::value(path, message))
}

/// A tool that is no function is the only one left: no other may be called in its place.
fn custom(field: &str, name: Option<&Value>, offered: &mut Vec<Value>) -> Result<ToolChoice, RequestError> {
    let path = format!("{field}.custom.name");
    let name = text(name, &path)?;
    offered.retain(|tool| tool["type"] == "custom" && tool_name(tool) == Some(name));
    if offered.is_empty() {
        let message = format!("Invalid '{path}': no custom tool of this name is offered.");
        return Err(RequestError::value(path, message));
    }
    Ok(ToolChoice::Required)
}

fn allowed(field: &str, value: &Value, offered: &mut Vec<Value>) -> Result<ToolChoice, RequestError> {
    // Some clients leave the inner object out.
    let inner = value.get("allowed_tools").unwrap_or(value);
    let path = format!("{field}.allowed_tools");
    let mode = inner.get("mode").and_then(Value::as_str).and_then(mode);
    let Some(mode @ (ToolChoice::Auto | ToolChoice::Required)) = mode else {
        let path = format!("{path}.mode");
        let message = format!("Invalid '{path}': expected 'auto' or 'required'.");
        return Err(RequestError::value(path, message));
    };
    let Some(tools) = inner.get("tools").and_then(Value::as_array) else {
        return Err(wrong_kind(&format!("{path}.tools"), "a list of tools"));
    };
    let names: Vec<&str> = tools.iter().filter_map(tool_name).collect();
    offered.retain(|tool| tool_name(tool).is_some_and(|name| names.contains(&name)));
    if offered.is_empty() {
        let path = format!("{path}.tools");
        let message = format!("Invalid '{path}': none of them is offered.");
        return Err(RequestError::value(path, message));
    }
    Ok(mode)
}

fn function_name(tool: &Value) -> Option<&str> {
    tool.pointer("/function/name").and_then(Value::as_str)
}

/// The name of a tool of any kind.
fn tool_name(tool: &Value) -> Option<&str> {
    function_name(tool).or_else(|| tool.pointer("/custom/name").or_else(|| tool.get("name"))?.as_str())
}

fn text<'v>(value: Option<&'v Value>, path: &str) -> Result<&'v str, RequestError> {
    match value {
        Some(Value::String(text)) => Ok(text),
        Some(value) if !value.is_null() => Err(wrong_kind(path, "a string")),
        _ => Err(lacks(path)),
    }
}

fn lacks(path: &str) -> RequestError {
    let message = format!("Missing required parameter: '{path}'.");
    RequestError::new(path, "missing_required_parameter", message)
}

/// `chat_template_kwargs`: settings that a local model's chat template may read (`enable_thinking`); plain values only.
pub(super) fn template_settings(field: Field<'_>) -> Result<Map<String, Value>, RequestError> {
    let name = "chat_template_kwargs";
    let settings: Map<String, Value> = field.read(name, "an object of plain values")?.unwrap_or_default();
    if settings.len() > MAX_SETTINGS {
        return Err(RequestError::value(name, format!("Invalid '{name}': at most {MAX_SETTINGS} settings.")));
    }
    for value in settings.values() {
        match value {
            Value::Array(_) | Value::Object(_) => return Err(wrong_kind(name, "an object of plain values")),
            Value::String(text) if text.len() > MAX_SETTING_BYTES => {
                let message = format!("Invalid '{name}': a text has at most {MAX_SETTING_BYTES} bytes.");
                return Err(RequestError::value(name, message));
            }
            _ => {}
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests;
