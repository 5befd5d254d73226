//! Where keywords stand in a JSON schema: which of its objects are schemas, which hold schemas by name, and which are data.
//! Promises: a reference leads where the compiler of grammars has it lead. Knows no keyword's meaning.

use serde_json::{Map, Value};

/// The keywords of one schema.
pub(super) type Fields = Map<String, Value>;

/// Keywords whose value is data, in which nothing is a keyword.
pub(super) const DATA: [&str; 4] = ["const", "default", "enum", "examples"];
/// Keywords whose value holds schemas by name: no name is a keyword.
const NAMED: [&str; 6] =
    ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"];

/// Changes the keywords of a schema, and then those of all that are in it.
pub(super) fn change(schema: &mut Value, how: &dyn Fn(&mut Fields)) {
    match schema {
        Value::Object(fields) => {
            how(fields);
            for (key, value) in fields.iter_mut().filter(|(key, _)| !DATA.contains(&key.as_str())) {
                match value {
                    Value::Object(named) if NAMED.contains(&key.as_str()) => {
                        named.values_mut().for_each(|schema| change(schema, how));
                    }
                    schema => change(schema, how),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| change(item, how)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Looks at the keywords of a schema and of all that are in it.
pub(super) fn each<'s>(schema: &'s Value, look: &mut dyn FnMut(&'s Fields)) {
    match schema {
        Value::Object(fields) => {
            look(fields);
            for (key, value) in fields.iter().filter(|(key, _)| !DATA.contains(&key.as_str())) {
                match value {
                    Value::Object(named) if NAMED.contains(&key.as_str()) => {
                        for schema in named.values() {
                            each(schema, look);
                        }
                    }
                    schema => each(schema, look),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                each(item, look);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A keyword's list; empty where it has none.
pub(super) fn list<'s>(fields: &'s Fields, key: &str) -> &'s [Value] {
    fields.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The names and schemas of a keyword that has some.
pub(super) fn named<'s>(fields: &'s Fields, key: &str) -> impl Iterator<Item = (&'s str, &'s Value)> {
    let found = fields.get(key).and_then(Value::as_object);
    found.into_iter().flatten().map(|(name, schema)| (name.as_str(), schema))
}

/// The values that a schema names: all that it accepts.
pub(super) fn values(fields: &Fields) -> Option<&[Value]> {
    let one = fields.get("const").map(std::slice::from_ref);
    one.or_else(|| fields.get("enum").and_then(Value::as_array).map(Vec::as_slice))
}

/// What a reference within `root` leads to, and whether a schema stands there. Its steps are taken as they are written.
pub(super) fn follow<'s>(root: &'s Value, reference: &str) -> Option<(&'s Value, bool)> {
    if matches!(reference, "#" | "#/") {
        return Some((root, true));
    }
    let (mut value, mut place) = (root, Place::Schema);
    for step in reference.strip_prefix("#/")?.split('/') {
        match value {
            Value::Array(items) => value = items.get(step.parse::<usize>().ok()?)?,
            Value::Object(fields) => {
                value = fields.get(step)?;
                place = place.below(step, value);
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
        }
    }
    Some((value, place == Place::Schema))
}

/// What stands at a place of a schema.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A schema, or a list of some.
    Schema,
    /// Schemas by name.
    Names,
    Data,
}

impl Place {
    /// What stands one step further.
    fn below(self, step: &str, value: &Value) -> Self {
        match self {
            Self::Data => Self::Data,
            Self::Names => Self::Schema,
            Self::Schema if DATA.contains(&step) => Self::Data,
            Self::Schema if NAMED.contains(&step) && value.is_object() => Self::Names,
            Self::Schema => Self::Schema,
        }
    }
}
