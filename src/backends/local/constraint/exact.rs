//! What a grammar holds as the schema has it: numbers that come through floating point and 32 bits as what they are, and
//! counts of properties that no repeated name reaches. Promises: what is left after `drop_inexact` is held exactly.
//! Does not judge `oneOf`, patterns or formats.

use serde_json::{Number, Value};

use super::keywords::{change, each, list};
use super::survey::{MOST_COUNTED, Survey, decimal};

/// Whole numbers below this have neighbours that floating point can tell from them.
const WHOLE: u64 = 1 << 53;

const NUMBER: &str =
    "it has a number that cannot be enforced exactly: whole ones can up to 2^53, others up to 2^63";
const MULTIPLE: &str =
    "it has a `multipleOf` that cannot be enforced exactly: it is too large, too fine, or meets another one";
const REPEATED: &str =
    "it has a `minProperties` that cannot be enforced: no more than one beyond those in `required` can";
const COUNTED: &str = "it bounds how many properties there are, and names more than 128";

/// Why a schema cannot be enforced exactly.
pub(super) fn inexact(schema: &Value) -> Option<&'static str> {
    let together = Together::of(schema);
    let mut found = None;
    each(schema, &mut |fields| {
        let required = list(fields, "required").len();
        let mut faults = fields.iter().filter_map(|(key, value)| together.fault(key, value, required));
        found = found.or_else(|| faults.next());
    });
    found
}

/// Takes out of a schema the keywords that a grammar would take for others.
pub(super) fn drop_inexact(schema: &mut Value) {
    let together = Together::of(schema);
    change(schema, &|fields| {
        let required = list(fields, "required").len();
        fields.retain(|key, value| together.fault(key, value, required).is_none());
    });
}

/// What no keyword tells alone.
#[derive(Clone, Copy)]
struct Together {
    /// Whether the number of too many names is bounded.
    counted: bool,
    /// Whether several `multipleOf` meet.
    multiples: bool,
}

impl Together {
    fn of(schema: &Value) -> Self {
        let survey = Survey::of(schema);
        Self { counted: survey.counted() > MOST_COUNTED, multiples: survey.multiples_overflow() }
    }

    /// Why a grammar takes a keyword for another, where its schema requires so many names.
    fn fault(self, key: &str, value: &Value, required: usize) -> Option<&'static str> {
        match key {
            "minProperties" | "maxProperties" if self.counted => Some(COUNTED),
            // The same name may come again: only the first of the names that are not required is sure to count.
            "minProperties" => value.as_u64().filter(|least| *least > required as u64 + 1).map(|_| REPEATED),
            "multipleOf" => {
                (value.is_number() && (self.multiples || decimal(value).is_none())).then_some(MULTIPLE)
            }
            _ => (!is_exact(key, value)).then_some(NUMBER),
        }
    }
}

/// Whether a keyword's numbers are to a grammar what they are to the schema.
fn is_exact(key: &str, value: &Value) -> bool {
    match key {
        "const" | "enum" => are_exact(value),
        "minimum" | "maximum" => value.as_number().is_none_or(passes),
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
