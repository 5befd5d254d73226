//! `oneOf` as `anyOf`: the compiler would compare every two options anew for each schema that it merges with them.
//! Promises: the options of a strict schema are compared once, here, by type, by value and by the fields that tell them
//! apart; comparisons are bounded. Options that are not told apart here may overlap.

use serde_json::{Value, json};

use super::keywords::{Fields, change, each, follow, list, values};

/// Comparisons for one schema; those that are left over find nothing.
const MOST_COMPARED: usize = 1_000_000;
/// Schemas that are read together as one.
const MOST_PARTS: usize = 32;
/// How far fields and options within options are looked into.
const DEEPEST: usize = 8;

/// Kinds of values, one bit each.
const OBJECT: u8 = 1 << 5;
const ANY: u8 = 2 * OBJECT - 1;

/// Writes every `oneOf` as one of a single option that may be any of its options, and references into it accordingly.
pub(super) fn as_any_of(schema: &mut Value) {
    change(schema, &|fields| {
        if let Some(Value::Array(options)) = fields.get_mut("oneOf") {
            let any = std::mem::take(options);
            *options = vec![json!({ "anyOf": any })];
        }
        if let Some(Value::String(reference)) = fields.get_mut("$ref") {
            *reference = redirected(reference);
        }
    });
}

/// A reference, by way of the single option where it leads into a `oneOf`.
fn redirected(reference: &str) -> String {
    let mut steps = vec![];
    for step in reference.split('/') {
        if steps.last() == Some(&"oneOf") && step.parse::<usize>().is_ok() {
            steps.push("0/anyOf");
        }
        steps.push(step);
    }
    steps.join("/")
}

/// Whether of every `oneOf` no two options accept the same value.
pub(super) fn are_exclusive(schema: &Value) -> bool {
    let mut judge = Judge { root: schema, left: MOST_COMPARED };
    let mut exclusive = true;
    each(schema, &mut |fields| exclusive = exclusive && judge.tells_options(fields));
    exclusive
}

/// What is compared: all schemas that a value has to obey.
struct Side<'s> {
    parts: Vec<&'s Fields>,
    /// How many of them, the first, are the option's own.
    own: usize,
    kinds: u8,
}

impl<'s> Side<'s> {
    fn new(mut parts: Vec<&'s Fields>, beside: &[&'s Fields]) -> Self {
        let own = parts.len();
        parts.extend_from_slice(beside);
        let kinds = parts.iter().fold(ANY, |both, part| both & kinds(part));
        Self { parts, own, kinds }
    }

    /// The values that it names: no others are accepted.
    fn values(&self) -> Option<&'s [Value]> {
        self.parts.iter().copied().find_map(values)
    }
}

struct Judge<'s> {
    root: &'s Value,
    /// Comparisons that are left.
    left: usize,
}

impl<'s> Judge<'s> {
    /// Whether a schema's options exclude each other, given what stands beside them.
    fn tells_options(&mut self, fields: &'s Fields) -> bool {
        let options = list(fields, "oneOf");
        if options.len() < 2 {
            return true;
        }
        let mut beside = vec![];
        self.gather(fields, &mut beside);
        let sides: Vec<Side<'s>> = options.iter().map(|option| self.side(option, &beside)).collect();
        let mut pairs = sides
            .iter()
            .enumerate()
            .flat_map(|(at, one)| sides.iter().skip(at + 1).map(move |other| (one, other)));
        pairs.all(|(one, other)| self.apart(one, other, 0))
    }

    /// Whether no value obeys both.
    fn apart(&mut self, one: &Side<'s>, other: &Side<'s>, depth: usize) -> bool {
        let parts = one.parts.len() + other.parts.len() + 1;
        if depth == DEEPEST || self.left < parts {
            return false;
        }
        self.left -= parts;
        let both = one.kinds & other.kinds;
        both == 0
            || self.differ(one, other)
            || (both == OBJECT && self.told_by_field(one, other, depth))
            || self.options_apart(one, other, depth)
            || self.options_apart(other, one, depth)
    }

    /// Whether both name their values, and none in common.
    fn differ(&mut self, one: &Side<'s>, other: &Side<'s>) -> bool {
        let (Some(these), Some(those)) = (one.values(), other.values()) else { return false };
        for this in these {
            for (compared, that) in (1..).zip(those) {
                if may_equal(this, that) || self.left < compared {
                    return false;
                }
            }
            self.left -= those.len();
        }
        true
    }

    /// Whether a field that one of two objects must have tells them apart.
    fn told_by_field(&mut self, one: &Side<'s>, other: &Side<'s>, depth: usize) -> bool {
        let parts = one.parts.iter().chain(&other.parts).copied();
        let mut names = parts.flat_map(|part| list(part, "required")).filter_map(Value::as_str);
        names.any(|name| {
            if forbids(one, name) || forbids(other, name) {
                return true;
            }
            let (this, that) = (self.field(one, name), self.field(other, name));
            self.apart(&this, &that, depth + 1)
        })
    }

    /// Whether none of the options that one has to choose from goes with the other.
    fn options_apart(&mut self, one: &Side<'s>, other: &Side<'s>, depth: usize) -> bool {
        let own = one.parts.iter().copied().take(one.own);
        let mut lists = own.flat_map(|part| [list(part, "anyOf"), list(part, "oneOf")]);
        lists.any(|options| {
            let apart = |option| {
                let side = self.side(option, &[]);
                self.apart(&side, other, depth + 1)
            };
            !options.is_empty() && options.iter().all(apart)
        })
    }

    /// What a schema, and what stands beside it, says of itself.
    fn side(&self, schema: &'s Value, beside: &[&'s Fields]) -> Side<'s> {
        let mut parts = vec![];
        if let Some(fields) = schema.as_object() {
            self.gather(fields, &mut parts);
        }
        Side::new(parts, beside)
    }

    /// What an object's schema says of a field.
    fn field(&self, object: &Side<'s>, name: &str) -> Side<'s> {
        let mut parts = vec![];
        for part in &object.parts {
            let field = part.get("properties").and_then(|fields| fields.get(name));
            if let Some(fields) = field.and_then(Value::as_object) {
                self.gather(fields, &mut parts);
            }
        }
        Side::new(parts, &[])
    }

    /// Adds a schema and all that it is merged with, up to a bound: less tells less apart.
    fn gather(&self, fields: &'s Fields, found: &mut Vec<&'s Fields>) {
        if found.len() == MOST_PARTS {
            return;
        }
        found.push(fields);
        let target = fields.get("$ref").and_then(Value::as_str).and_then(|target| follow(self.root, target));
        let target = target.filter(|(_, schema)| *schema).map(|(target, _)| target);
        for part in list(fields, "allOf").iter().chain(target).filter_map(Value::as_object) {
            if found.len() == MOST_PARTS {
                return;
            }
            self.gather(part, found);
        }
    }
}

/// The kinds of values that a schema accepts at most, by its types and by the values that it names.
fn kinds(part: &Fields) -> u8 {
    let types = match part.get("type") {
        Some(Value::String(name)) => of_type(name),
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).fold(0, |types, name| types | of_type(name))
        }
        _ => ANY,
    };
    let named = values(part).map_or(ANY, |values| values.iter().fold(0, |kinds, value| kinds | kind(value)));
    types & named
}

fn of_type(name: &str) -> u8 {
    match name {
        "null" => 1,
        "boolean" => 1 << 1,
        // Whole ones are both.
        "number" | "integer" => 1 << 2,
        "string" => 1 << 3,
        "array" => 1 << 4,
        "object" => OBJECT,
        _ => ANY,
    }
}

fn kind(value: &Value) -> u8 {
    match value {
        Value::Null => 1,
        Value::Bool(_) => 1 << 1,
        Value::Number(_) => 1 << 2,
        Value::String(_) => 1 << 3,
        Value::Array(_) => 1 << 4,
        Value::Object(_) => OBJECT,
    }
}

/// Whether a closed object has no room for a field.
fn forbids(object: &Side<'_>, name: &str) -> bool {
    object.parts.iter().any(|part| {
        let named = part.get("properties").is_some_and(|fields| fields.get(name).is_some());
        !named
            && part.get("additionalProperties") == Some(&Value::Bool(false))
            && !part.contains_key("patternProperties")
    })
}

/// Whether two values may be the same to a reader of JSON: 1 and 1.0 are.
fn may_equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(_), Value::Array(_)) | (Value::Object(_), Value::Object(_)) => true,
        _ => one == other,
    }
}
