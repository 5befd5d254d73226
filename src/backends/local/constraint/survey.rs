//! What a schema is made of, counted before it is compiled: the compiler asks for its limits too late, or not at all.
//! Promises: what passes takes the compiler seconds, and hundreds of MiB at most. Compiles nothing, changes nothing.

use std::collections::HashSet;

use serde_json::Value;

use super::keywords::{Fields, each, follow, list, named};

/// Names of properties of which each may be the one that `minProperties` or `maxProperties` is about: the compiler writes
/// every name once for each, and holds no more symbols than that.
pub(super) const MOST_COUNTED: usize = 128;
/// Properties of one schema that may be left out: after each its parser has to think of all the others at once.
const MOST_OPTIONAL: usize = 400;
/// Patterns of one schema's names: every two are compared.
const MOST_PATTERNS: usize = 64;
/// Patterns of names where schemas are merged: all are compared anew each time.
const MOST_MERGED_PATTERNS: usize = 4;
/// Options that are taken up anew, once for each member of an `allOf`.
const MOST_MERGED_OPTIONS: usize = 10_000_000;
/// Decimal places beyond which the compiler's 32 bits hold no power of ten.
const FINEST: u32 = 9;
/// Keywords that the compiler does not merge with those beside them.
const NOTES: [&str; 20] = [
    "$anchor",
    "$comment",
    "$defs",
    "$id",
    "$schema",
    "contentEncoding",
    "contentMediaType",
    "default",
    "definitions",
    "deprecated",
    "description",
    "discriminator",
    "example",
    "examples",
    "id",
    "nullable",
    "readOnly",
    "title",
    "writeOnly",
    "x-guidance",
];

/// What was counted.
#[derive(Default)]
pub(super) struct Survey<'s> {
    /// All names of properties.
    names: HashSet<&'s str>,
    /// The most names of one schema that bounds the number of its properties; none where no schema does.
    counted: Option<usize>,
    /// The most properties of one schema that may be left out.
    optional: usize,
    patterns: HashSet<&'s str>,
    /// Schemas with patterns of names.
    patterned: usize,
    /// Patterns that are compared with patterns.
    compared: usize,
    /// Whether schemas are merged by `allOf`, or by what stands beside `$ref`, `anyOf`, `oneOf` or objects as data.
    composed: bool,
    /// Whether a schema of a name may be merged with that of a pattern.
    matched: bool,
    /// Every `multipleOf`: its digits and decimal places.
    multiples: Vec<(u32, u32)>,
    /// The most options of one schema.
    options: usize,
    /// Members of all `allOf`.
    members: usize,
    /// Whether a reference leads to what is no schema: nothing there was counted.
    astray: bool,
}

impl<'s> Survey<'s> {
    pub(super) fn of(schema: &'s Value) -> Self {
        let mut survey = Self::default();
        each(schema, &mut |fields| survey.count(schema, fields));
        survey
    }

    fn count(&mut self, root: &Value, fields: &'s Fields) {
        let required = list(fields, "required").iter().filter_map(Value::as_str);
        let names: HashSet<&str> =
            named(fields, "properties").map(|(name, _)| name).chain(required).collect();
        // Those of an `allOf` become one object.
        let members = list(fields, "allOf").iter().filter_map(Value::as_object).map(left_out).sum::<usize>();
        self.optional = self.optional.max(left_out(fields) + members);
        if ["minProperties", "maxProperties"].iter().any(|key| fields.contains_key(*key)) {
            self.counted = self.counted.max(Some(names.len()));
        }
        self.names.extend(names);
        data(fields).for_each(|value| names_in(value, &mut self.names));
        let patterns = named(fields, "patternProperties").count();
        if patterns > 0 {
            self.patterns.extend(named(fields, "patternProperties").map(|(pattern, _)| pattern));
            self.patterned += 1;
            self.compared += patterns * patterns;
            self.matched |= fields.contains_key("properties");
        }
        self.composed |= composes(fields);
        self.multiples.extend(fields.get("multipleOf").and_then(decimal));
        let options = ["anyOf", "oneOf", "enum"].iter().map(|key| list(fields, key).len()).max();
        self.options = self.options.max(options.unwrap_or_default());
        self.members += list(fields, "allOf").len();
        let target = fields.get("$ref").and_then(Value::as_str).and_then(|target| follow(root, target));
        self.astray |= target.is_some_and(|(_, schema)| !schema);
    }

    /// Names that are written once for each other, where the number of properties is bounded.
    pub(super) fn counted(&self) -> usize {
        match self.counted {
            None => 0,
            Some(_) if self.composed || self.matched => self.names.len(),
            Some(names) => names,
        }
    }

    /// Whether several `multipleOf` may become one that the compiler miscounts: it multiplies in 32 bits.
    pub(super) fn multiples_overflow(&self) -> bool {
        let finest = self.multiples.iter().map(|(_, places)| *places).max();
        let Some(finest) = finest.filter(|_| self.composed || self.matched) else { return false };
        let scaled = |(digits, places): &(u32, u32)| {
            u128::from(*digits).saturating_mul(10_u128.saturating_pow(finest.saturating_sub(*places)))
        };
        let largest = self.multiples.iter().map(scaled).max().unwrap_or_default();
        let multiply = |common: u128, next: u128| (common / divisor(common, next)).saturating_mul(next);
        let common = self.multiples.iter().map(scaled).fold(1, multiply);
        common.saturating_mul(largest) > u128::from(u32::MAX) || !counts(common, finest)
    }

    /// Why it would take the compiler too long, or cannot be told.
    pub(super) fn too_costly(&self) -> Option<&'static str> {
        let merged = self.composed || (self.matched && self.patterned > 1);
        if self.astray {
            return Some("it has a reference to what is no schema");
        }
        if self.optional > MOST_OPTIONAL {
            return Some("it has an object of more than 400 properties that may be left out");
        }
        if self.compared > MOST_PATTERNS * MOST_PATTERNS
            || (merged && self.patterns.len() > MOST_MERGED_PATTERNS)
        {
            return Some(
                "it has too many `patternProperties`: 64 can be compiled, 4 where schemas are combined",
            );
        }
        (self.options.saturating_mul(self.members) > MOST_MERGED_OPTIONS)
            .then_some("it is too large or too complex")
    }
}

/// A `multipleOf` as the compiler has it: its digits and decimal places; none where it would miscount.
pub(super) fn decimal(number: &Value) -> Option<(u32, u32)> {
    let (mut number, mut places) = (number.as_f64()?.abs(), 0);
    while number.fract() != 0.0 {
        if places == FINEST {
            return None;
        }
        (number, places) = (number * 10.0, places + 1);
    }
    let digits = (number > 0.0 && number <= f64::from(u32::MAX)).then_some(number as u32)?;
    counts(digits.into(), places).then_some((digits, places))
}

/// Whether the compiler's 32 bits hold the remainders of this divisor: each is ten times the last, and a digit more.
fn counts(digits: u128, places: u32) -> bool {
    let digit = 10_u128.saturating_pow(places).saturating_mul(9);
    digits.saturating_mul(10).saturating_add(digit) <= u128::from(u32::MAX)
}

/// Whether the compiler merges these keywords with each other.
fn composes(fields: &Fields) -> bool {
    let several = fields.keys().filter(|key| !NOTES.contains(&key.as_str())).count() > 1;
    let applied = ["$ref", "allOf", "anyOf", "oneOf"].iter().any(|key| fields.contains_key(*key));
    let deep = data(fields).any(|value| value.is_object() || value.is_array());
    list(fields, "allOf").len() > 1 || (several && (applied || deep))
}

/// How many of a schema's own properties may be left out.
fn left_out(fields: &Fields) -> usize {
    let required: HashSet<&str> = list(fields, "required").iter().filter_map(Value::as_str).collect();
    named(fields, "properties").filter(|(name, _)| !required.contains(name)).count()
}

/// The values that a schema names.
fn data(fields: &Fields) -> impl Iterator<Item = &Value> {
    fields.get("const").into_iter().chain(list(fields, "enum"))
}

/// The names of all fields in data.
fn names_in<'s>(data: &'s Value, names: &mut HashSet<&'s str>) {
    match data {
        Value::Object(fields) => {
            names.extend(fields.keys().map(String::as_str));
            fields.values().for_each(|value| names_in(value, names));
        }
        Value::Array(items) => items.iter().for_each(|item| names_in(item, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The greatest common divisor.
fn divisor(one: u128, other: u128) -> u128 {
    if other == 0 { one } else { divisor(other, one % other) }
}
