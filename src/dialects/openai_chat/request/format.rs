//! Reads `response_format`: its shape, not the schema in it, which only a backend that enforces it can judge.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::RequestError;
use super::bounds::Field;
use crate::chat::ResponseFormat;

/// Longest name of a schema, as OpenAI allows.
const LONGEST_NAME: usize = 64;

#[derive(Deserialize)]
struct Format {
    r#type: Value,
    #[serde(default)]
    json_schema: Value,
}

/// The form that the answer must have. A `json_schema` without a schema asks for any JSON object.
pub(super) fn read(field: Field<'_>) -> Result<ResponseFormat, RequestError> {
    let Some(format) = field.object::<Format>("response_format", "an object with a 'type'")? else {
        return Ok(ResponseFormat::Text);
    };
    match format.r#type.as_str() {
        Some("text") => Ok(ResponseFormat::Text),
        Some("json_object") => Ok(ResponseFormat::JsonObject),
        Some("json_schema") => json_schema(format.json_schema),
        _ => Err(RequestError::value(
            "response_format.type",
            "Invalid 'response_format.type': expected 'text', 'json_object' or 'json_schema'.",
        )),
    }
}

fn json_schema(mut asked: Value) -> Result<ResponseFormat, RequestError> {
    let at = "response_format.json_schema";
    let wrong = |field: &str, wanted: &str| {
        Err(RequestError::kind(field, format!("Invalid type for '{field}': expected {wanted}.")))
    };
    if asked.is_null() {
        return Err(super::missing(at));
    }
    if !asked.is_object() {
        return wrong(at, "an object");
    }
    let name = format!("{at}.name");
    match &asked["name"] {
        Value::Null => return Err(super::missing(&name)),
        Value::String(text) if is_name(text) => {}
        Value::String(_) => {
            let message =
                format!("Invalid '{name}': expected 1 to {LONGEST_NAME} letters, digits, '_' or '-'.");
            return Err(RequestError::value(name, message));
        }
        _ => return wrong(&name, "a string"),
    }
    let strict = match &asked["strict"] {
        Value::Null => false,
        Value::Bool(strict) => *strict,
        _ => return wrong(&format!("{at}.strict"), "a boolean"),
    };
    match asked["schema"].take() {
        Value::Null => Ok(ResponseFormat::JsonObject),
        schema @ Value::Object(_) => Ok(ResponseFormat::JsonSchema { schema: Arc::new(schema), strict }),
        _ => wrong(&format!("{at}.schema"), "an object"),
    }
}

fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}
