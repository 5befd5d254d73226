//! JSON schemas as grammars: checked against JSON Schema's own rules, bounded in size, free of references outwards.
//! Promises: only places in a schema are named in errors. Follows no reference itself.

use std::sync::Arc;

use jsonschema::Draft;
use llguidance::JsonCompileOptions;
use llguidance::api::TopLevelGrammar;
use serde_json::{Map, Number, Value, json};

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
/// Keywords whose value holds schemas by name: no name is a keyword.
const NAMED: [&str; 6] =
    ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"];
/// Whole numbers below this have neighbours that floating point can tell from them.
const WHOLE: u64 = 1 << 53;

/// The grammar of JSON that `schema` accepts. Unless `strict`, what cannot be enforced is left out: unknown keywords
/// and formats, that only one option of a `oneOf` fits, and numbers that come out as others.
pub(in super::super) fn json_schema(schema: &Value, strict: bool) -> Result<Arc<str>, ConstraintError> {
    if is_too_large(schema) {
        return Err(ConstraintError::Unsupported("it is larger than 128 KiB"));
    }
    // A draft that nobody knows is nowhere to be asked: by the rules of the newest then.
    let checked = match Draft::default().detect(schema) {
        Draft::Unknown => jsonschema::draft202012::meta::validate(schema),
        _ => jsonschema::meta::validate(schema),
    };
    if let Err(error) = checked {
        return Err(ConstraintError::Invalid { at: place(error.instance_path().as_str()) });
    }
    no_reference_outwards(schema, &mut String::new())?;
    if strict && changed(schema, drop_inexact) != *schema {
        return Err(ConstraintError::Unsupported(INEXACT));
    }
    Ok(grammar(schema, strict))
}

const INEXACT: &str =
    "it has a number that cannot be enforced exactly: whole ones can up to 2^53, others up to 2^63";

/// Whether a schema is larger than any that is compiled.
pub(in super::super) fn is_too_large(schema: &Value) -> bool {
    serde_json::to_string(schema).map_or(usize::MAX, |text| text.len()) > LARGEST
}

/// Any JSON object.
pub(super) fn any_object() -> Arc<str> {
    grammar(&json!({ "type": "object" }), true)
}

/// All of a schema but its patterns, which may be written in ways that no grammar follows.
pub(in super::super) fn without_patterns(schema: &Value) -> Value {
    changed(schema, |schema| {
        without(schema, &|fields| {
            let named = fields.contains_key("patternProperties");
            // What is said of all other fields means nothing without them.
            let goes = |key: &str| match key {
                "pattern" => true,
                "patternProperties" | "additionalProperties" => named,
                _ => false,
            };
            fields.retain(|key, _| !goes(key));
        });
    })
}

/// What is left of a schema of which nothing else can be enforced: an object, or any JSON.
pub(super) fn outline(schema: &Value) -> Value {
    if schema["type"] == "object" { json!({ "type": "object" }) } else { json!({}) }
}

/// Takes out of a schema the keywords with numbers that a grammar would take for others.
pub(in super::super) fn drop_inexact(schema: &mut Value) {
    without(schema, &|fields| fields.retain(|key, value| is_exact(key, value)));
}

/// A schema, changed.
fn changed(schema: &Value, change: impl Fn(&mut Value)) -> Value {
    let mut schema = schema.clone();
    change(&mut schema);
    schema
}

/// Takes keywords out of a schema and of all that are in it.
fn without(schema: &mut Value, take: &dyn Fn(&mut Map<String, Value>)) {
    match schema {
        Value::Object(fields) => {
            take(fields);
            for (key, value) in fields.iter_mut().filter(|(key, _)| !DATA.contains(&key.as_str())) {
                match value {
                    Value::Object(named) if NAMED.contains(&key.as_str()) => {
                        named.values_mut().for_each(|schema| without(schema, take));
                    }
                    schema => without(schema, take),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| without(item, take)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether a keyword's numbers are to a grammar what they are to the schema.
fn is_exact(key: &str, value: &Value) -> bool {
    match key {
        "const" | "enum" => are_exact(value),
        "minimum" | "maximum" | "multipleOf" => value.as_number().is_none_or(passes),
        // One is added or taken away.
        "exclusiveMinimum" | "exclusiveMaximum" => value.as_number().is_none_or(|bound| {
            let whole = bound.as_i64().map_or_else(
                || bound.as_f64().filter(|bound| bound.fract() == 0.0).map(f64::abs),
                |whole| Some(whole.unsigned_abs() as f64),
            );
            whole.map_or_else(|| passes(bound), |whole| whole < WHOLE as f64)
        }),
        _ => true,
    }
}

/// The same of all numbers in data.
fn are_exact(data: &Value) -> bool {
    match data {
        Value::Number(number) => passes(number),
        Value::Array(items) => items.iter().all(are_exact),
        Value::Object(fields) => fields.values().all(are_exact),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

/// Whether a number comes through floating point as what it is, and then fits 64 bits.
fn passes(number: &Number) -> bool {
    match number.as_i64() {
        Some(whole) => whole > i64::MIN && whole as f64 as i64 == whole,
        None => number.as_f64().is_some_and(|number| number.abs() < i64::MAX as f64),
    }
}

fn grammar(schema: &Value, strict: bool) -> Arc<str> {
    let grammar = TopLevelGrammar::from_json_schema(with_options(schema, strict));
    serde_json::to_string(&grammar).unwrap_or_default().into()
}

/// A schema that says how it is to be compiled, without numbers that come out as others: a strict one has none.
pub(in super::super) fn with_options(schema: &Value, strict: bool) -> Value {
    let mut schema = changed(schema, drop_inexact);
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
