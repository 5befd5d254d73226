//! JSON schemas as grammars: checked against JSON Schema's own rules, bounded in size, free of references outwards.
//! Promises: only places in a schema are named in errors. Follows no reference itself.

use std::sync::Arc;

use jsonschema::Draft;
use llguidance::JsonCompileOptions;
use llguidance::api::TopLevelGrammar;
use serde_json::{Value, json};

use super::ConstraintError;
use super::exact::{drop_inexact, inexact};
use super::keywords::{DATA, change};
use super::one_of::{are_exclusive, as_any_of};
use super::survey::Survey;

/// Largest schema, in bytes of JSON.
const LARGEST: usize = 128 << 10;
/// Longest place of a fault that is told, in bytes.
const LONGEST_PLACE: usize = 200;
/// Space between tokens: one blank, or a new line and its indentation. Bounded, so that no answer is all space.
const SPACE: &str = r"[\x20\t]|\r?\n[\x20\t]{0,32}";
/// The compiler's own keyword, under which nothing that a caller sent is left.
const OPTIONS: &str = "x-guidance";
/// Keywords whose value is a reference.
const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];

/// The grammar of JSON that `schema` accepts. Unless `strict`, what cannot be enforced is left out: unknown keywords
/// and formats, that only one option of a `oneOf` fits, and what [`drop_inexact`] takes.
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
    let enforced = with_options(schema, strict);
    let refused = Survey::of(&enforced).too_costly();
    match refused.or_else(|| strict.then(|| unenforceable(schema)).flatten()) {
        Some(why) => Err(ConstraintError::Unsupported(why)),
        None => Ok(grammar(enforced)),
    }
}

/// Why a schema that must be obeyed is refused, before anything is compiled.
pub(super) fn unenforceable(schema: &Value) -> Option<&'static str> {
    let overlap = "it has a `oneOf` whose options may overlap: use `anyOf`";
    inexact(schema).or_else(|| (!are_exclusive(schema)).then_some(overlap))
}

/// Whether a schema is larger than any that is compiled.
pub(in super::super) fn is_too_large(schema: &Value) -> bool {
    serde_json::to_string(schema).map_or(usize::MAX, |text| text.len()) > LARGEST
}

/// Whether it would take the compiler too long. For what is compiled without [`json_schema`].
pub(in super::super) fn is_too_costly(schema: &Value) -> bool {
    Survey::of(schema).too_costly().is_some()
}

/// Any JSON object.
pub(super) fn any_object() -> Arc<str> {
    grammar(with_options(&json!({ "type": "object" }), true))
}

/// All of a schema but its patterns, which may be written in ways that no grammar follows.
pub(in super::super) fn without_patterns(schema: &Value) -> Value {
    changed(schema, |schema| {
        change(schema, &|fields| {
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

/// Writes a schema so that the compiler takes it for what it is, or leaves out what it would not.
pub(in super::super) fn simplify(schema: &mut Value) {
    drop_inexact(schema);
    as_any_of(schema);
    change(schema, &|fields| fields.retain(|key, _| key != OPTIONS));
}

/// A schema, changed.
fn changed(schema: &Value, change: impl Fn(&mut Value)) -> Value {
    let mut schema = schema.clone();
    change(&mut schema);
    schema
}

fn grammar(schema: Value) -> Arc<str> {
    let grammar = TopLevelGrammar::from_json_schema(schema);
    serde_json::to_string(&grammar).unwrap_or_default().into()
}

/// A schema that says how it is to be compiled, simplified: a strict one that is not refused accepts the same then.
pub(in super::super) fn with_options(schema: &Value, strict: bool) -> Value {
    let mut schema = changed(schema, simplify);
    if schema.is_object() {
        let options = JsonCompileOptions {
            whitespace_pattern: Some(SPACE.to_owned()),
            lenient: !strict,
            ..JsonCompileOptions::default()
        };
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
