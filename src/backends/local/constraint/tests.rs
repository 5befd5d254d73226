//! Grammars over a small vocabulary, driven by chance: whatever is chosen among the allowed tokens must come out valid.

mod bounds;

use futures_util::FutureExt;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::*;

/// Every byte, a few longer tokens, and an end token that has no text.
const LONGER: [&str; 9] = ["{\"", "\":", "\": ", "\",", "\"}", "true", "null", "  ", "ab\""];
const END: u32 = 256 + LONGER.len() as u32;

fn grammars() -> Grammars {
    let bytes: Vec<[u8; 1]> = (0..=255).map(|byte| [byte]).collect();
    let longer = LONGER.iter().map(|text| text.as_bytes());
    let words: Vec<&[u8]> = bytes.iter().map(|byte| &byte[..]).chain(longer).chain([&b""[..]]).collect();
    Grammars::new(Arc::new(Vocabulary::from_words(&words)), &[END])
}

/// An answer of tokens drawn evenly from the allowed ones; `None` where it gets too long.
fn walk(grammars: &Grammars, grammar: &Arc<str>, seed: u64) -> Option<String> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut constraint = grammars.start(grammar).unwrap();
    let mut text = vec![];
    for _ in 0..3000 {
        let mut allowed: Vec<u32> = vec![];
        constraint.allowed().unwrap().iter_set_entries(|id| allowed.push(id as u32));
        // Texts that may end do so soon enough.
        let id = if allowed.contains(&34) && random.random_bool(0.2) {
            34
        } else {
            allowed[random.random_range(0..allowed.len())]
        };
        if id == END {
            return Some(String::from_utf8(text).unwrap());
        }
        text.extend_from_slice(grammars.vocabulary.bytes(id));
        if constraint.take(id).unwrap() {
            return Some(String::from_utf8(text).unwrap());
        }
    }
    None
}

/// Whether a grammar takes a text, byte by byte, and then lets the answer end.
fn takes(grammars: &Grammars, grammar: &Arc<str>, text: &str) -> bool {
    let mut constraint = grammars.start(grammar).unwrap();
    let mut over = false;
    for byte in text.bytes() {
        if over || !constraint.allowed().unwrap().is_allowed(byte.into()) {
            return false;
        }
        over = constraint.take(byte.into()).unwrap();
    }
    over || constraint.allowed().unwrap().is_allowed(END)
}

fn closed(properties: &Value) -> Value {
    let required: Vec<&String> = properties.as_object().unwrap().keys().collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

/// Schemas that applications send, and odd ones; answers to all of them end.
pub(in super::super) fn schemas() -> Vec<Value> {
    let word = json!({ "type": "string", "maxLength": 6 });
    vec![
        json!({ "type": "object", "maxProperties": 2, "additionalProperties": { "type": "boolean" } }),
        closed(&json!({ "label": { "enum": ["billing", "shipping", "other"] } })),
        closed(&json!({ "name": word, "age": { "type": "integer", "minimum": 0, "maximum": 130 } })),
        closed(&json!({ "ok": { "type": "boolean" }, "why": { "anyOf": [word, { "type": "null" }] } })),
        closed(&json!({ "x": { "type": ["number", "null"] } })),
        closed(&json!({ "x": { "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1 } })),
        closed(&json!({ "n": { "type": "integer", "multipleOf": 5, "minimum": 5, "maximum": 50 } })),
        closed(&json!({ "tags": { "type": "array", "items": word, "minItems": 1, "maxItems": 3 } })),
        closed(
            &json!({ "pair": { "type": "array", "prefixItems": [word, { "type": "boolean" }], "items": false, "minItems": 2 } }),
        ),
        closed(&json!({ "a": closed(&json!({ "b": closed(&json!({ "c": { "const": 7 } })) })) })),
        json!({ "type": "object", "properties": { "a": word, "b": { "type": "null" } }, "additionalProperties": false }),
        json!({ "type": "object", "properties": { "a": { "type": "null" }, "b": word }, "required": ["b"], "additionalProperties": false }),
        json!({ "type": "array", "items": { "enum": [1, "two", null, true, [3], { "four": 4 }] }, "maxItems": 3 }),
        json!({ "enum": ["yes", "no"] }),
        json!({ "const": { "exactly": ["this", 1.5, null] } }),
        json!({ "type": "string", "pattern": "^[A-Z]{2}-[0-9]{3}$" }),
        json!({ "type": "string", "pattern": "[0-9]", "maxLength": 4 }),
        json!({ "type": "string", "format": "date" }),
        json!({ "type": "string", "format": "date-time" }),
        json!({ "type": "string", "format": "uuid" }),
        json!({ "type": "string", "format": "ipv4" }),
        json!({ "type": "string", "minLength": 3, "maxLength": 5 }),
        json!({ "type": "integer" }),
        json!({ "type": "number", "minimum": -2.5, "maximum": 2.5 }),
        json!({ "type": "boolean" }),
        json!({ "type": "null" }),
        json!({ "anyOf": [closed(&json!({ "kind": { "const": "a" }, "n": { "type": "integer", "maximum": 9, "minimum": 0 } })),
                          closed(&json!({ "kind": { "const": "b" }, "s": word }))] }),
        json!({ "oneOf": [{ "type": "boolean" }, { "type": "null" }] }),
        json!({ "allOf": [{ "type": "integer", "minimum": 3 }, { "maximum": 12 }] }),
        json!({ "$defs": { "list": closed(&json!({ "v": { "type": "boolean" }, "next": { "anyOf": [{ "type": "null" }, { "$ref": "#/$defs/list" }] } })) },
                "$ref": "#/$defs/list" }),
        json!({ "type": "object", "properties": { "self": { "$ref": "#" } }, "additionalProperties": false }),
        json!({ "$schema": "http://json-schema.org/draft-07/schema#", "definitions": { "s": word },
                "type": "array", "items": [{ "$ref": "#/definitions/s" }], "additionalItems": false }),
        json!({ "type": "object", "patternProperties": { "^x-[a-c]$": { "type": "null" } }, "additionalProperties": false, "maxProperties": 2 }),
        closed(&json!({ "wörter \"mit\" \\ 漢字": word, "": { "type": "null" } })),
        json!({ "type": "object", "properties": { "a": { "type": "null" } }, "required": ["a", "b"],
                "additionalProperties": { "type": "boolean" }, "maxProperties": 2 }),
        json!({ "type": "array", "items": { "type": "array", "items": { "type": "integer", "minimum": 0, "maximum": 9 }, "minItems": 2, "maxItems": 2 }, "minItems": 2, "maxItems": 2 }),
    ]
}

/// Whether a text is JSON that a schema accepts, formats included.
pub(in super::super) fn is_valid(schema: &Value, text: &str) -> bool {
    let options = jsonschema::options().offline().should_validate_formats(true);
    match serde_json::from_str(text) {
        Ok(value) => options.build(schema).unwrap().is_valid(&value),
        // Such as 1e999: JSON bounds no number, its readers do.
        Err(error) => error.to_string().starts_with("number out of range"),
    }
}

#[test]
fn whatever_is_chosen_fits_the_schema() {
    let grammars = grammars();
    assert!(schemas().len() >= 30);
    for (index, schema) in schemas().iter().enumerate() {
        let grammar = json_schema(schema, true).unwrap();
        grammars.prepare(&grammar).unwrap_or_else(|error| panic!("{index}: {error}: {schema}"));
        let mut ended = 0;
        for seed in 0..6 {
            if let Some(text) = walk(&grammars, &grammar, seed) {
                assert!(is_valid(schema, &text), "{index}: {text} for {schema}");
                ended += 1;
            }
        }
        assert!(ended >= 3, "{index}: only {ended} answers ended for {schema}");
    }
}

#[test]
fn a_format_without_a_schema_is_an_object_or_free() {
    let grammars = grammars();
    assert_eq!(grammars.of_format(&ResponseFormat::Text), Ok(None));
    let any = grammars.of_format(&ResponseFormat::JsonObject).unwrap().unwrap();
    let mut first = vec![];
    grammars.start(&any).unwrap().allowed().unwrap().iter_set_entries(|id| first.push(id));
    assert_eq!(first, [b'{'.into(), 256], "an object begins at once, and ends by itself");
}

fn strict(schema: Value) -> Result<Option<Arc<str>>, ConstraintError> {
    grammars().of_format(&ResponseFormat::JsonSchema { schema: Arc::new(schema), strict: true })
}

fn lenient(schema: Value) -> Result<Option<Arc<str>>, ConstraintError> {
    grammars().of_format(&ResponseFormat::JsonSchema { schema: Arc::new(schema), strict: false })
}

#[test]
fn what_is_no_schema_is_refused_with_its_place() {
    let refused = |schema: Value| match (strict(schema.clone()), lenient(schema)) {
        (Err(ConstraintError::Invalid { at }), Err(ConstraintError::Invalid { at: same })) if at == same => {
            at
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(json!({ "type": "strin" })), "/type");
    assert_eq!(refused(json!({ "properties": { "a": { "minLength": -1 } } })), "/properties/a/minLength");
    assert_eq!(refused(json!({ "required": "a" })), "/required");
    let long = "k".repeat(500);
    assert!(refused(json!({ "properties": { long: { "type": 3 } } })).len() < 210);
}

#[test]
fn e9_references_outwards_are_refused_and_never_followed() {
    for target in ["http://127.0.0.1:1/schema.json", "file:///etc/passwd", "other.json", "//host/x", ""] {
        let schema = json!({ "properties": { "a/b": { "$ref": target } } });
        let at = "/properties/a~1b/$ref".to_owned();
        assert_eq!(strict(schema.clone()), Err(ConstraintError::Reference { at: at.clone() }), "{target}");
        assert_eq!(lenient(schema), Err(ConstraintError::Reference { at }), "{target}");
    }
    let data = json!({ "const": { "$ref": "http://example.com" } });
    assert!(strict(data).is_ok(), "data is no reference");
}

#[test]
fn what_cannot_be_enforced_is_refused_where_strict_and_advice_where_not() {
    for schema in [
        json!({ "type": "array", "items": {}, "uniqueItems": true }),
        json!({ "type": "string", "format": "shoe-size" }),
        json!({ "oneOf": [{ "type": "integer" }, { "type": "number" }] }),
        json!({ "not": { "type": "null" } }),
        json!({ "type": "integer", "minimum": 5, "maximum": 4 }),
        json!({ "$ref": "#/$defs/none" }),
        json!({ "type": "string", "pattern": "(?=a)b" }),
    ] {
        let error = strict(schema.clone()).unwrap_err();
        assert!(matches!(error, ConstraintError::Unsupported(_)), "{schema}: {error:?}");
        assert!(lenient(schema).unwrap().is_some());
    }
    assert!(strict(json!(false)).is_err());
}

/// What is enforced of a schema that need not be obeyed.
fn advice(grammars: &Grammars, schema: Value) -> Arc<str> {
    let format = ResponseFormat::JsonSchema { schema: Arc::new(schema), strict: false };
    grammars.of_format(&format).unwrap().unwrap()
}

#[test]
fn a_pattern_that_no_grammar_follows_takes_nothing_else_of_advice_with_it() {
    let grammars = grammars();
    let takes = |schema: Value, text: &str| takes(&grammars, &advice(&grammars, schema), text);
    let email = json!({ "type": "object", "required": ["email", "age"], "properties": {
        "email": { "type": "string", "pattern": "^(?!\\.).." }, "age": { "type": "integer" } } });
    for (text, fits) in [
        (r#"{"email":"a","age":1}"#, true),
        (r#"{"email":"a","age":"b"}"#, false),
        (r#"{"email":1}"#, false),
        ("3", false),
    ] {
        assert_eq!(takes(email.clone(), text), fits, "{text}");
    }
    let property = json!({ "type": "object", "required": ["pattern"], "properties": {
        "pattern": { "type": "null" }, "x": { "type": "string", "pattern": "(?=a)b" } } });
    assert!(takes(property.clone(), r#"{"pattern":null}"#));
    assert!(!takes(property, r#"{"pattern":1}"#), "the name of a property is no keyword");
    let names = json!({ "type": "object", "patternProperties": { "(?=a)b": { "type": "null" } },
        "additionalProperties": { "type": "integer" } });
    assert!(takes(names, r#"{"b":"c"}"#), "it may be a name that the pattern fits");
    let nothing = json!({ "type": "object", "required": ["a"], "properties": { "a": false } });
    assert!(takes(nothing.clone(), "{}") && !takes(nothing, "3"), "an object at least");
}

#[test]
fn what_was_refused_is_remembered() {
    let grammars = grammars();
    let advice = || advice(&grammars, json!({ "type": "string", "pattern": "(?=a)b" }));
    let first = advice();
    assert_eq!(grammars.compiles(), 2, "all of it, and all but the pattern");
    assert!(Arc::ptr_eq(&first, &advice()), "it has one name");
    assert_eq!(grammars.compiles(), 2);
}

#[test]
fn a_schema_that_is_too_large_is_advice_where_it_need_not_be_obeyed() {
    let words: Vec<String> = (0..40_000).map(|at| format!("v{at}")).collect();
    assert!(lenient(json!({ "enum": words })).unwrap().is_some());
    let grammars = grammars();
    let object = advice(&grammars, json!({ "type": "object", "properties": { "a": { "enum": words } } }));
    assert!(takes(&grammars, &object, "{}") && !takes(&grammars, &object, "3"));
}

#[test]
fn numbers_that_come_out_as_others_are_refused_where_strict_and_left_out_where_not() {
    let grammars = grammars();
    let beyond = 9_007_199_254_740_993_i64;
    for schema in [
        json!({ "const": beyond }),
        json!({ "enum": [1, { "a": [beyond] }] }),
        json!({ "type": "integer", "minimum": beyond }),
        json!({ "type": "integer", "exclusiveMinimum": beyond - 1 }),
        json!({ "type": "integer", "maximum": u64::MAX, "minimum": i64::MIN }),
    ] {
        let refused =
            "it has a number that cannot be enforced exactly: whole ones can up to 2^53, others up to 2^63";
        assert_eq!(strict(schema.clone()), Err(ConstraintError::Unsupported(refused)), "{schema}");
        let free = advice(&grammars, schema.clone());
        assert!(takes(&grammars, &free, "9007199254740993"), "{schema}");
    }
    let exact = json!({ "const": beyond - 1 });
    let grammar = grammars.prepare(&json_schema(&exact, true).unwrap()).unwrap();
    for (text, fits) in [("9007199254740992", true), ("9007199254740993", false)] {
        assert_eq!(takes(&grammars, &grammar, text), fits);
    }
    let property = json!({ "properties": { "minimum": { "type": "null", "default": beyond } } });
    assert!(strict(property).is_ok(), "neither a name nor a default is a bound");
}

#[test]
fn a_draft_that_nobody_knows_is_judged_by_the_newest() {
    let schema = |kind: &str| json!({ "$schema": "https://schemas.invalid/x", "type": kind });
    assert!(strict(schema("null")).is_ok() && lenient(schema("null")).is_ok());
    assert_eq!(strict(schema("strin")), Err(ConstraintError::Invalid { at: "/type".into() }));
}

#[test]
fn e9_bombs_end_in_a_grammar_or_a_refusal() {
    let chain: serde_json::Map<String, Value> =
        (0..3000).map(|at| (format!("d{at}"), json!({ "$ref": format!("#/$defs/d{}", at + 1) }))).collect();
    let mut wide = json!({ "type": "null" });
    for _ in 0..9 {
        wide = json!({ "anyOf": [{ "allOf": [wide, wide] }, { "type": "string" }] });
    }
    for (name, schema) in [
        ("a chain of references", json!({ "$defs": chain, "$ref": "#/$defs/d0" })),
        ("a reference to itself", json!({ "$ref": "#" })),
        (
            "a circle",
            json!({ "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" } }, "$ref": "#/$defs/a" }),
        ),
        (
            "a circle of conjunctions",
            json!({ "allOf": [{ "$ref": "#" }, { "properties": { "a": { "$ref": "#" } } }] }),
        ),
        ("a huge enum", json!({ "enum": (0..12_000).map(|at| format!("v{at}")).collect::<Vec<_>>() })),
        ("a doubling", wide),
        ("nested repetitions", json!({ "type": "string", "pattern": "^(((a{1,100}){1,100}){1,100})$" })),
        (
            "a regular expression that backtracks",
            json!({ "type": "string", "pattern": "^(([a-z])+.)+[A-Z]([a-z])+$" }),
        ),
        ("a wide counted repetition", json!({ "type": "string", "pattern": "(.*a){40}(.|b){40}$" })),
        ("many items", json!({ "type": "array", "items": {}, "minItems": 1_000_000 })),
        ("a long text", json!({ "type": "string", "minLength": 1_000_000_000 })),
        ("many properties", json!({ "type": "object", "minProperties": 100_000 })),
    ] {
        let grammars = grammars();
        let format = ResponseFormat::JsonSchema { schema: Arc::new(schema), strict: true };
        let begun = std::time::Instant::now();
        match grammars.of_format(&format) {
            Ok(grammar) => assert!(grammars.start(&grammar.unwrap()).unwrap().allowed().is_ok(), "{name}"),
            Err(error) => assert!(matches!(error, ConstraintError::Unsupported(_)), "{name}: {error:?}"),
        }
        // No measure, but a bound that a grammar without limits would miss by far.
        assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{name}");
    }
    let huge = json!({ "enum": (0..40_000).map(|at| format!("v{at}")).collect::<Vec<_>>() });
    assert_eq!(strict(huge), Err(ConstraintError::Unsupported("it is larger than 128 KiB")));
}

#[test]
fn e9_no_more_than_two_grammars_have_a_place_and_who_waits_may_leave() {
    let grammars = grammars();
    let held: Vec<_> = (0..AT_ONCE).map(|_| grammars.place().now_or_never().expect("a place")).collect();
    assert!(held.iter().all(Option::is_some));
    let mut waits = Box::pin(grammars.place());
    assert!((&mut waits).now_or_never().is_none());
    let mut next = Box::pin(grammars.place());
    assert!((&mut next).now_or_never().is_none());
    drop(waits);
    drop(held);
    assert!(next.now_or_never().is_some());
}

#[test]
fn options_of_the_crate_cannot_be_sent_by_a_caller() {
    let grammars = grammars();
    let schema = json!({ "type": "null", "x-guidance": { "whitespace_pattern": "[a-z]", "lenient": true } });
    let grammar = json_schema(&schema, true).unwrap();
    assert_eq!(walk(&grammars, &grammar, 1).as_deref(), Some("null"));
    let unknown = json!({ "type": "string", "format": "shoe-size", "x-guidance": { "lenient": true } });
    assert!(grammars.prepare(&json_schema(&unknown, true).unwrap()).is_err());
}

#[test]
fn a_vocabulary_that_cannot_go_on_is_an_error_of_the_answer() {
    let words: [&[u8]; 2] = [b"n", b"u"];
    let grammars = Grammars::new(Arc::new(Vocabulary::from_words(&words)), &[]);
    let grammar = json_schema(&json!({ "type": "null" }), true).unwrap();
    let mut constraint = grammars.start(&grammar).unwrap();
    assert_eq!((constraint.take(0), constraint.take(1)), (Ok(false), Ok(false)));
    assert_eq!(constraint.allowed().err(), Some(ConstraintError::Step), "there is no l");
    assert_eq!(
        grammars.start(&grammar).unwrap().take(1),
        Err(ConstraintError::Step),
        "u is not allowed first"
    );
}

#[test]
fn grammars_in_use_are_kept_and_each_once() {
    let grammars = grammars();
    let one = |index: usize| json_schema(&json!({ "const": index }), true).unwrap();
    for index in 0..2 * KEPT {
        grammars.prepare(&one(index)).unwrap();
        grammars.prepare(&one(0)).unwrap();
    }
    let compiled = grammars.compile(&one(0)).unwrap();
    let kept = grammars.keep(&one(0), compiled);
    assert_eq!(kept.len(), KEPT);
    assert_eq!(kept.iter().filter(|(known, _)| *known == one(0)).count(), 1);
}

#[test]
fn a_grammar_that_a_request_waits_with_is_not_forgotten() {
    let grammars = grammars();
    let one = |index: usize| json_schema(&json!({ "const": index }), true).unwrap();
    // Another request has it compiled before.
    grammars.prepare(&one(0)).unwrap();
    let waits = grammars.prepare(&one(0)).unwrap();
    for index in 1..2 * KEPT {
        grammars.prepare(&one(index)).unwrap();
    }
    let compiles = grammars.compiles();
    assert!(grammars.start(&waits).is_ok());
    assert_eq!(grammars.compiles(), compiles, "the engine compiles nothing");
    drop(waits);
    for index in 1..=KEPT {
        grammars.prepare(&one(index)).unwrap();
    }
    assert!(!grammars.knows(&one(0)), "nobody waits with it any more");
}

#[test]
fn tokens_that_end_answers_are_no_text_even_where_they_have_one() {
    let bytes: Vec<[u8; 1]> = (0..=255).map(|byte| [byte]).collect();
    let words: Vec<&[u8]> = bytes.iter().map(|byte| &byte[..]).chain([&b"</s>"[..]]).collect();
    let grammars = Grammars::new(Arc::new(Vocabulary::from_words(&words)), &[256]);
    let grammar = json_schema(&json!({ "type": "string" }), true).unwrap();
    let mut constraint = grammars.start(&grammar).unwrap();
    constraint.take(b'"'.into()).unwrap();
    let allowed = constraint.allowed().unwrap();
    assert_eq!((allowed.is_allowed(b'<'.into()), allowed.is_allowed(256)), (true, false));
    assert!(constraint.take(b'"'.into()).unwrap() || constraint.allowed().unwrap().is_allowed(256));
}

#[test]
fn answers_under_one_grammar_do_not_touch_each_other() {
    let grammars = grammars();
    let grammar = json_schema(&schemas()[2], true).unwrap();
    let alone: Vec<_> = (0..4).map(|seed| walk(&grammars, &grammar, seed)).collect();
    let fresh: Vec<_> = (0..4).map(|seed| walk(&self::grammars(), &grammar, seed)).collect();
    assert_eq!(alone, fresh);
    for index in 0..2 * KEPT {
        let schema = json!({ "const": index });
        grammars.prepare(&json_schema(&schema, true).unwrap()).unwrap();
    }
    assert_eq!(grammars.compiled.lock().unwrap().len(), KEPT);
    assert_eq!(walk(&grammars, &grammar, 0), alone[0]);
}

#[test]
fn what_somebody_is_about_to_ask_is_not_forgotten_for_others() {
    let grammars = grammars();
    let of = |index: usize| json_schema(&json!({ "const": index }), true).unwrap();
    let _waiting: Vec<_> = (0..=KEPT).map(|index| grammars.prepare(&of(index)).unwrap()).collect();
    drop(grammars.prepare(&of(1_000)).unwrap());
    // Another had it compiled meanwhile, and asks under a name of its own.
    let compiled = grammars.compile(&of(1_000)).unwrap();
    assert_eq!(grammars.keep(&of(1_000), compiled).front().unwrap().0, of(1_000));
}

#[test]
fn e9_no_more_compile_at_once_than_may_wherever_they_come_from() {
    let grammars = grammars();
    let held: Vec<_> = (0..AT_ONCE).map(|_| Turn::wait(&grammars.compiling)).collect();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| grammars.prepare(&json_schema(&json!({}), true).unwrap()).is_ok());
        std::thread::park_timeout(std::time::Duration::from_millis(50));
        assert_eq!(grammars.compiles(), 0);
        drop(held);
        assert!(waits.join().unwrap());
    });
    assert_eq!(grammars.compiles(), 1);
}

#[test]
fn e9_what_was_planned_lately_takes_no_place() {
    let grammars = grammars();
    assert!(!grammars.is_planned(7));
    grammars.note(7);
    for other in 100..100 + PLANNED as u64 - 1 {
        grammars.note(other);
        assert!(grammars.is_planned(7), "asked for again and again");
    }
    for other in 1_000..1_000 + PLANNED as u64 {
        grammars.note(other);
    }
    assert!(!grammars.is_planned(7), "forgotten before its grammar is");
}
