//! JSON schemas as grammars: checked against JSON Schema's own rules, bounded in size, free of references outwards.
//! Promises: only places in a schema are named in errors. Follows no reference itself.

use std::sync::Arc;

use llguidance::JsonCompileOptions;
use llguidance::api::TopLevelGrammar;
use serde_json::{Value, json};

use super::ConstraintError;

/// Largest schema, in bytes of JSON.
const LARGEST: usize = 128 << 10;
/// Longest place of a fault that is told, in bytes.
const LONGEST_PLACE: usize = 200;
/// Space between tokens: one blank, or a new line and its indentation. Bounded, so that no answer is all space.
const SPACE: &str = r"[\x20\t]|\r?\n[\x20\t]{0,32}";
/// Keywords whose value is a reference.
const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];
/// Keywords whose value is data, in which nothing is a keyword.
const DATA: [&str; 4] = ["const", "default", "enum", "examples"];

/// The grammar of JSON that `schema` accepts. Unless `strict`, what cannot be enforced is left out: unknown keywords
/// and formats, and that only one option of a `oneOf` fits.
pub(in super::super) fn json_schema(schema: &Value, strict: bool) -> Result<Arc<str>, ConstraintError> {
    if is_too_large(schema) {
        return Err(ConstraintError::Unsupported("it is larger than 128 KiB"));
    }
    if let Err(error) = jsonschema::meta::validate(schema) {
        return Err(ConstraintError::Invalid { at: place(error.instance_path().as_str()) });
    }
    no_reference_outwards(schema, &mut String::new())?;
    Ok(grammar(schema, strict))
}

/// Whether a schema is larger than any that is compiled.
pub(in super::super) fn is_too_large(schema: &Value) -> bool {
    serde_json::to_string(schema).map_or(usize::MAX, |text| text.len()) > LARGEST
}

/// Any JSON object.
pub(super) fn any_object() -> Arc<str> {
    grammar(&json!({ "type": "object" }), true)
}

/// Any JSON.
pub(super) fn any_json() -> Arc<str> {
    grammar(&json!({}), true)
}

fn grammar(schema: &Value, strict: bool) -> Arc<str> {
    let grammar = TopLevelGrammar::from_json_schema(with_options(schema, strict));
    serde_json::to_string(&grammar).unwrap_or_default().into()
}

/// A schema that says how it is to be compiled.
pub(in super::super) fn with_options(schema: &Value, strict: bool) -> Value {
    let mut schema = schema.clone();
    if schema.is_object() {
        let options = JsonCompileOptions {
            whitespace_pattern: Some(SPACE.to_owned()),
            coerce_one_of: !strict,
            lenient: !strict,
            ..JsonCompileOptions::default()
        };
        // In place of options that the caller may have sent under the crate's own keyword.
        options.apply_to(&mut schema);
    }
    schema
}

fn no_reference_outwards(schema: &Value, at: &mut String) -> Result<(), ConstraintError> {
    let length = at.len();
    match schema {
        Value::Object(fields) => {
            for (key, value) in fields.iter().filter(|(key, _)| !DATA.contains(&key.as_str())) {
                at.push('/');
                at.push_str(&key.replace('~', "~0").replace('/', "~1"));
                let outwards = value.as_str().is_some_and(|target| !target.starts_with('#'));
                if outwards && REFERENCES.contains(&key.as_str()) {
                    return Err(ConstraintError::Reference { at: place(at) });
                }
                no_reference_outwards(value, at)?;
                at.truncate(length);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                at.push('/');
                at.push_str(&index.to_string());
                no_reference_outwards(item, at)?;
                at.truncate(length);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    Ok(())
}

/// A JSON pointer, cut where it is long; `/` for the root.
fn place(pointer: &str) -> String {
    let cut = pointer.floor_char_boundary(LONGEST_PLACE);
    match pointer {
        "" => "/".to_owned(),
        long if cut < long.len() => format!("{}...", &long[..cut]),
        short => short.to_owned(),
    }
}
