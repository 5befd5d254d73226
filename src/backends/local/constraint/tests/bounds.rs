//! What is counted before a schema is compiled: what would take too long, and what would be enforced as something else.

use serde_json::Map;

use super::super::schema::unenforceable;
use super::*;

const COSTLY: &str = "it is too large or too complex";
const COUNTED: &str = "it bounds how many properties there are, and names more than 128";
const MULTIPLE: &str =
    "it has a `multipleOf` that cannot be enforced exactly: it is too large, too fine, or meets another one";
const OVERLAP: &str = "it has a `oneOf` whose options may overlap: use `anyOf`";
const PATTERNS: &str =
    "it has too many `patternProperties`: 64 can be compiled, 4 where schemas are combined";
const REPEATED: &str =
    "it has a `minProperties` that cannot be enforced: no more than one beyond those in `required` can";

fn refused(schema: &Value, why: &'static str) {
    let begins: String = schema.to_string().chars().take(200).collect();
    assert_eq!(strict(schema.clone()), Err(ConstraintError::Unsupported(why)), "{begins}");
    assert!(lenient(schema.clone()).unwrap().is_some(), "{begins}");
}

/// A schema by so many names.
fn by_name(count: usize, name: impl Fn(usize) -> String, schema: &Value) -> Value {
    Value::Object((0..count).map(|at| (name(at), schema.clone())).collect::<Map<_, _>>())
}

/// One of so many properties, none of which is required.
fn one_of_many(count: usize) -> Value {
    let properties = by_name(count, |at| format!("a{at}"), &json!({}));
    json!({ "type": "object", "minProperties": 1, "additionalProperties": false, "properties": properties })
}

/// Names by patterns.
fn by_pattern(count: usize, schema: &Value) -> Value {
    let patterns = by_name(count, |at| format!("^a{at}$"), schema);
    json!({ "type": "object", "patternProperties": patterns, "additionalProperties": false })
}

/// An object that is told by its kind.
fn kind(name: &str) -> Value {
    closed(&json!({ "kind": { "const": name }, "n": { "type": "integer" } }))
}

#[test]
fn e9_one_of_many_properties_is_refused_before_it_takes_the_memory() {
    assert!(strict(one_of_many(8)).is_ok());
    refused(&one_of_many(300), COUNTED);
    let merged = json!({ "allOf": [one_of_many(70), { "properties": by_name(70, |at| format!("b{at}"), &json!({})) }] });
    refused(&merged, COUNTED);
    let grammars = grammars();
    let advice = advice(&grammars, one_of_many(150));
    assert!(takes(&grammars, &advice, "{}"), "no number is bounded");
    assert!(takes(&grammars, &advice, r#"{"a7":1,"a8":2}"#) && !takes(&grammars, &advice, r#"{"b":1}"#));
    let many = by_name(300, |at| format!("a{at}"), &json!({ "type": "null" }));
    assert!(strict(closed(&many)).is_ok(), "without bounds there may be many");
}

#[test]
fn e9_more_properties_that_may_be_left_out_than_can_be_thought_of_are_refused() {
    let open = |count: usize| {
        let mut schema = one_of_many(count);
        schema.as_object_mut().unwrap().remove("minProperties");
        schema
    };
    let grammars = grammars();
    let grammar = grammars.prepare(&json_schema(&open(400), true).unwrap()).unwrap();
    assert!(takes(&grammars, &grammar, r#"{"a7":1,"a399":2}"#) && !takes(&grammars, &grammar, r#"{"b":1}"#));
    refused(&open(401), "it has an object of more than 400 properties that may be left out");
    assert!(takes(&grammars, &advice(&grammars, open(3_000)), r#"{"a7":1}"#), "any object will do");
}

#[test]
fn e9_patterns_of_names_are_refused_before_they_are_compared() {
    let nothing = json!({ "type": "null" });
    assert!(strict(by_pattern(36, &nothing)).is_ok());
    let mut elsewhere = by_pattern(36, &json!({ "$ref": "#/$defs/x" }));
    elsewhere["$defs"] =
        json!({ "x": { "anyOf": [nothing, { "type": "string" }], "description": "a note" } });
    assert_eq!(strict(elsewhere).err(), None, "nothing is merged with them");
    refused(&by_pattern(1_000, &nothing), PATTERNS);
    assert!(strict(json!({ "allOf": [by_pattern(3, &nothing), { "type": "object" }] })).is_ok());
    let merges: Vec<_> = std::iter::once(by_pattern(64, &nothing))
        .chain(std::iter::repeat_n(json!({ "type": "object" }), 1_000))
        .collect();
    refused(&json!({ "allOf": merges }), PATTERNS);
}

#[test]
fn e9_options_are_refused_before_they_are_merged_again_and_again() {
    let mut options: Vec<_> = (0..4_000).map(|at| json!({ "const": format!("a{at}") })).collect();
    options.extend([json!({ "const": "z" }), json!({ "const": "z" })]);
    let mut members = vec![json!({ "oneOf": options })];
    members.resize(3_000, json!({}));
    refused(&json!({ "allOf": members }), COSTLY);
    let options: Vec<_> = (0..100).map(|at| kind(&format!("k{at}"))).collect();
    let schema = json!({ "allOf": [{ "oneOf": options }, { "type": "object" }, {}] });
    let grammars = grammars();
    let grammar = grammars.prepare(&json_schema(&schema, true).unwrap()).unwrap();
    for (text, fits) in [(r#"{"kind":"k7","n":1}"#, true), (r#"{"kind":"k100","n":1}"#, false)] {
        assert_eq!(takes(&grammars, &grammar, text), fits, "{text}");
    }
}

#[test]
fn e9_a_reference_to_what_was_not_counted_is_refused() {
    let nothing = json!({ "type": "null" });
    let hidden = by_pattern(1_000, &nothing)["patternProperties"].clone();
    for schema in [
        json!({ "$ref": "#/default", "default": { "patternProperties": hidden } }),
        json!({ "$ref": "#/properties", "properties": { "patternProperties": hidden } }),
    ] {
        refused(&schema, "it has a reference to what is no schema");
    }
    // An unknown keyword may hold some.
    assert_eq!(strict(json!({ "$ref": "#/more/x", "more": { "x": nothing } })).err(), None);
}

#[test]
fn options_that_are_told_apart_may_be_strict() {
    let empty = |name: &str| closed(&json!({ name: { "type": "null" } }));
    let kinds = json!({ "cat": kind("cat"), "dog": kind("dog"), "cow": kind("cow"),
        "pet": { "oneOf": [{ "$ref": "#/$defs/cat" }, { "$ref": "#/$defs/dog" }] } });
    let told = |name: &str| json!({ "properties": { "kind": { "const": name } } });
    for schema in [
        json!({ "oneOf": [{ "type": "string" }, { "type": ["null", "integer"] }, { "const": true }] }),
        json!({ "oneOf": [{ "enum": ["a", "b"] }, { "const": "c" }] }),
        json!({ "oneOf": [empty("a"), empty("b")] }),
        json!({ "type": "object", "required": ["kind"], "oneOf": [told("a"), told("b")] }),
        json!({ "$defs": kinds, "oneOf": [{ "$ref": "#/$defs/pet" }, { "$ref": "#/$defs/cow" }] }),
    ] {
        assert!(strict(schema.clone()).is_ok(), "{schema}");
    }
    for schema in [
        json!({ "oneOf": [{ "const": 1 }, { "const": 1.0 }] }),
        json!({ "oneOf": [{ "enum": ["a", "b"] }, { "enum": ["b", "c"] }] }),
        json!({ "type": "object", "oneOf": [told("a"), told("b")] }),
        json!({ "$defs": kinds, "oneOf": [{ "$ref": "#/$defs/pet" }, { "$ref": "#/$defs/dog" }] }),
        json!({ "$defs": { "x": { "anyOf": [{ "$ref": "#/$defs/x" }] } }, "oneOf": [{ "$ref": "#/$defs/x" }, true] }),
    ] {
        assert_eq!(strict(schema.clone()), Err(ConstraintError::Unsupported(OVERLAP)), "{schema}");
    }
}

#[test]
fn a_reference_into_options_still_leads_to_its_option() {
    let grammars = grammars();
    let list = json!({ "type": "array", "items": { "$ref": "#/oneOf/0" }, "maxItems": 2 });
    let schema = json!({ "oneOf": [{ "type": "null" }, list] });
    let exact = grammars.prepare(&json_schema(&schema, true).unwrap()).unwrap();
    for grammar in [exact, advice(&grammars, schema)] {
        assert!(takes(&grammars, &grammar, "[null]") && !takes(&grammars, &grammar, "[[null]]"));
    }
}

#[test]
fn multiples_that_the_compiler_would_miscount_are_refused_where_strict_and_left_out_where_not() {
    let grammars = grammars();
    for schema in [
        json!({ "type": "integer", "allOf": [{ "multipleOf": 65_536 }, { "multipleOf": 65_537 }] }),
        json!({ "$defs": { "x": { "multipleOf": 100_000 } }, "type": "integer", "multipleOf": 100_000, "$ref": "#/$defs/x" }),
        json!({ "type": "integer", "multipleOf": 1_000_000_000 }),
        json!({ "type": "integer", "multipleOf": 1e-10 }),
    ] {
        refused(&schema, MULTIPLE);
        assert!(takes(&grammars, &advice(&grammars, schema.clone()), "7"), "{schema}");
    }
    let apart = json!({ "a": { "type": "integer", "multipleOf": 65_536 }, "b": { "type": "integer", "multipleOf": 65_537 } });
    assert!(strict(closed(&apart)).is_ok(), "these never meet");
    let both = json!({ "type": "integer", "allOf": [{ "multipleOf": 4 }, { "multipleOf": 6 }] });
    let grammar = grammars.prepare(&json_schema(&both, true).unwrap()).unwrap();
    assert!(takes(&grammars, &grammar, "12") && !takes(&grammars, &grammar, "8"));
}

#[test]
fn a_number_of_properties_that_a_repeated_name_reaches_is_refused_where_strict_and_left_out_where_not() {
    let grammars = grammars();
    let schema = |least: u64| json!({ "type": "object", "required": ["a"], "additionalProperties": { "type": "integer" }, "minProperties": least });
    refused(&schema(3), REPEATED);
    assert!(takes(&grammars, &advice(&grammars, schema(3)), r#"{"a":1}"#));
    let grammar = grammars.prepare(&json_schema(&schema(2), true).unwrap()).unwrap();
    assert!(takes(&grammars, &grammar, r#"{"a":1,"b":2}"#) && !takes(&grammars, &grammar, r#"{"a":1}"#));
    assert!(!takes(&grammars, &grammar, r#"{"a":1,"a":2}"#));
}

#[test]
fn what_is_kept_is_bounded_by_what_it_holds_too() {
    let grammars = grammars();
    let one = |index: usize| json_schema(&json!({ "const": index }), true).unwrap();
    let compiled = |grammar: &Arc<str>| grammars.compile(grammar).unwrap().unwrap();
    for index in 0..8 {
        let held = Held { bytes: HEAVIEST / 4, ..compiled(&one(index)) };
        drop(grammars.keep(&one(index), Ok(held)));
    }
    assert_eq!(grammars.compiled.lock().unwrap().len(), 3, "their names count, too");
    assert!(grammars.knows(&one(7)) && !grammars.knows(&one(4)));
    let words: Vec<_> = (0..2_000).map(|at| format!("word {at}")).collect();
    let many = json_schema(&json!({ "enum": words }), true).unwrap();
    let wide = closed(&by_name(200, |at| format!("a{at}"), &json!({})));
    let small = compiled(&one(1)).bytes;
    assert!(compiled(&many).bytes > small && compiled(&json_schema(&wide, true).unwrap()).bytes > small);
}

#[test]
fn e9_unions_are_told_apart_at_a_bounded_price() {
    // Names that tell nothing, each with options of its own, before the one that tells.
    let names: Vec<_> = (0..300).map(|at| format!("a{at}")).chain(["z".to_owned()]).collect();
    let fields = by_name(300, |at| format!("a{at}"), &json!({ "$ref": "#/$defs/m" }));
    let kinds: Vec<_> =
        (0..500).map(|at| json!({ "$ref": "#/$defs/b", "properties": { "z": { "const": at } } })).collect();
    let base = json!({ "type": "object", "required": names, "properties": fields });
    let many = json!({ "anyOf": vec![json!({}); 20_000] });
    let started = std::time::Instant::now();
    let schema = json!({ "$defs": { "m": many, "b": base }, "oneOf": kinds });
    assert_eq!(unenforceable(&schema), Some(OVERLAP));
    assert!(started.elapsed() < std::time::Duration::from_secs(20));
}

#[test]
fn a_large_list_that_all_options_share_does_not_hide_what_tells_them_apart() {
    let currencies: Vec<_> = (0..250).map(|at| format!("C{at}")).collect();
    let event =
        |at| closed(&json!({ "currency": { "$ref": "#/$defs/c" }, "kind": { "const": format!("k{at}") } }));
    let events: Vec<_> = (0..20).map(event).collect();
    let schema = json!({ "$defs": { "c": { "enum": currencies } }, "oneOf": events,
        "discriminator": { "propertyName": "kind" } });
    assert_eq!(unenforceable(&schema), None);
}
