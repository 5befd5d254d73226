//! What the grammars let through, walked byte by byte through the real compiler.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::grammar::{Free, Rules};
use super::super::*;
use crate::backends::local::constraint::{ConstraintError, Grammars};
use crate::backends::local::detokenize::Vocabulary;
use crate::backends::local::reply::Thoughts;
use crate::chat::{ResponseFormat, ToolChoice, Tools};

const FORMS: [Form; 5] = [Form::Hermes, Form::MistralArgs, Form::MistralList, Form::Phi4, Form::Llama3];
const EOS: u32 = 255;

/// What may be special tokens.
fn marks() -> Vec<&'static str> {
    FORMS.iter().flat_map(|form| form.marks()).chain(Thoughts::MARKS).collect()
}

/// A token for each byte but one, which ends answers, and for each mark that may be special.
fn vocabulary() -> (Grammars, Vec<&'static str>) {
    let mut marks = marks();
    marks.dedup();
    let words: Vec<Vec<u8>> = (0..=254_u8).map(|byte| vec![byte]).collect();
    let mut words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    words.resize(256 + marks.len(), b"");
    (Grammars::new(Arc::new(Vocabulary::from_words(&words)), &[EOS]), marks)
}

fn functions() -> Vec<Value> {
    let schema = json!({ "type": "object", "required": ["town"], "properties": {
        "town": { "type": "string", "description": "// no comment # \" at all" }, "days": { "type": "integer" } } });
    vec![json!({ "name": "weather", "parameters": schema }), json!({ "name": "now" })]
}

/// A call as `form` writes it.
fn call(form: Form, name: &str, arguments: &str) -> String {
    match form {
        Form::Hermes => {
            format!("<tool_call>\n{{\"name\": \"{name}\", \"arguments\": {arguments}}}\n</tool_call>")
        }
        Form::MistralArgs => format!("[TOOL_CALLS]{name}[ARGS]{arguments}"),
        Form::MistralList => format!("[TOOL_CALLS] [{{\"name\": \"{name}\", \"arguments\": {arguments}}}]"),
        Form::Phi4 => {
            format!("<|tool_call|>[{{\"name\": \"{name}\", \"arguments\": {arguments}}}]<|/tool_call|>")
        }
        Form::Llama3 => format!("{{\"name\": \"{name}\", \"parameters\": {arguments}}}"),
    }
}

/// Whether the grammar takes `text` and then lets the answer end.
fn takes(grammars: &Grammars, grammar: &str, text: &str, special: &dyn Fn(&str) -> Option<u32>) -> bool {
    let grammar: Arc<str> = json!({ "grammars": [{ "lark_grammar": grammar }] }).to_string().into();
    let mut constraint = grammars.start(&grammar).unwrap_or_else(|error| panic!("{error}: {grammar}"));
    let marks = marks();
    let (mut at, mut over) = (0, false);
    while at < text.len() {
        let mark = marks.iter().find_map(|mark| {
            Some((text.as_bytes()[at..].starts_with(mark.as_bytes()).then(|| special(mark))??, mark.len()))
        });
        let (id, length) = mark.unwrap_or((text.as_bytes()[at].into(), 1));
        if over || !constraint.allowed().unwrap().is_allowed(id) {
            return false;
        }
        over = constraint.take(id).unwrap();
        at += length;
    }
    over || constraint.allowed().unwrap().is_allowed(EOS)
}

/// Runs `check` for every form, with marks as tokens and as text: what the grammar takes.
fn each(free: &Free, one: bool, check: impl Fn(Form, &dyn Fn(&str) -> bool)) {
    let (grammars, marks) = vocabulary();
    let special = |text: &str| (256_u32..).zip(&marks).find(|(_, mark)| **mark == text).map(|(id, _)| id);
    let none = |_: &str| None;
    let functions = functions();
    for special in [&special as &dyn Fn(&str) -> Option<u32>, &none] {
        for form in FORMS {
            let functions = functions.iter().collect();
            let rules = Rules { form, functions, free: free.clone(), one, special };
            let Some(grammar) = rules.grammar(false) else {
                assert!(form == Form::Llama3 && matches!(free, Free::Text));
                continue;
            };
            check(form, &|text| takes(&grammars, &grammar, text, special));
        }
    }
}

#[test]
fn required_calls_are_calls_of_offered_functions_with_their_arguments() {
    each(&Free::Nothing, false, |form, takes| {
        assert!(takes(&call(form, "weather", r#"{"town": "B", "days": 3}"#)), "{form:?}");
        assert!(takes(&call(form, "now", "{}")), "{form:?}");
        let twice = match form {
            Form::Hermes => format!("{}\n{}", call(form, "now", "{}"), call(form, "now", "{}")),
            Form::Llama3 => format!("{}; {}", call(form, "now", "{}"), call(form, "now", "{}")),
            Form::MistralArgs => call(form, "now", "{}").repeat(2),
            Form::MistralList => r#"[TOOL_CALLS][{"name": "now", "arguments": {}}, {"name": "now", "arguments": {}}]"#.into(),
            Form::Phi4 => r#"<|tool_call|>[{"name": "now", "arguments": {}}, {"name": "now", "arguments": {}}]<|/tool_call|>"#.into(),
        };
        assert!(takes(&twice), "{form:?}");
        for wrong in ["", "Hello.", "<tool_call>", "{"] {
            assert!(!takes(wrong), "{form:?} {wrong}");
        }
        for arguments in ["{}", r#"{"town": 3}"#, r#"{"town": "B", "more": 1}"#, "[]", r#""{}""#] {
            assert!(!takes(&call(form, "weather", arguments)), "{form:?} {arguments}");
        }
        assert!(!takes(&call(form, "rm", "{}")), "{form:?}");
        assert!(!takes(&format!("{} and more", call(form, "now", "{}"))), "{form:?}");
    });
}

#[test]
fn free_text_stays_free_until_it_opens_a_call() {
    each(&Free::Text, false, |form, takes| {
        for text in ["", "Hello <tool_calls, {\"a\": 1} [TOOL\n\n", "é🦀"] {
            assert!(takes(text), "{form:?} {text}");
        }
        assert!(takes(&format!("I look.\n{}", call(form, "weather", r#"{"town": "é"}"#))), "{form:?}");
        assert!(!takes(&format!("I look.\n{}", call(form, "weather", "{}"))), "{form:?}");
        assert!(!takes(&format!("It is {}.", form.openers()[0])), "{form:?}");
    });
}

#[test]
fn thoughts_may_come_before_text_and_calls_even_where_their_marks_are_special() {
    each(&Free::Text, false, |form, takes| {
        let call = call(form, "now", "{}");
        for thoughts in ["<think>\nWell.\n</think>\n\n", "opened by the prompt</think>", "<think></think>"] {
            assert!(takes(&format!("{thoughts}Hello.")), "{form:?} {thoughts}");
            assert!(takes(&format!("{thoughts}{call}")), "{form:?} {thoughts}");
        }
        assert!(!takes(&format!("{call}<think>")), "{form:?}");
    });
}

#[test]
fn arguments_are_an_object_whatever_else_their_schema_lets_be() {
    let (grammars, _) = vocabulary();
    let none = |_: &str| None;
    let object = json!({ "type": "object", "properties": { "a": { "type": "null" } } });
    for schema in [
        json!({ "anyOf": [object, { "type": "null" }] }),
        json!({ "oneOf": [{ "type": "string" }, object] }),
        json!({ "allOf": [{ "properties": { "a": { "type": "null" } } }] }),
        json!({ "$ref": "#/$defs/either", "$defs": { "either": { "anyOf": [{ "type": "integer" }, object] } } }),
        json!({ "type": ["object", "null"], "properties": { "a": { "type": "null" } } }),
    ] {
        let function = json!({ "name": "f", "parameters": schema });
        let (form, functions) = (Form::Hermes, vec![&function]);
        let rules = Rules { form, functions, free: Free::Nothing, one: true, special: &none };
        let grammar = rules.grammar(false).unwrap();
        let takes = |arguments: &str| takes(&grammars, &grammar, &call(form, "f", arguments), &none);
        assert!(takes(r#"{"a": null}"#) && takes("{}"), "{schema}");
        for other in ["null", "3", r#""a""#, r#"{"a": 1}"#] {
            assert!(!takes(other), "{schema} {other}");
        }
    }
}

#[test]
fn a_special_opener_spelled_in_ordinary_tokens_is_no_text() {
    let (grammars, _) = vocabulary();
    let functions = functions();
    for form in FORMS.into_iter().filter(|form| !form.is_bare()) {
        let special = |text: &str| (text == form.openers()[0]).then_some(256);
        let rules = Rules {
            form,
            functions: functions.iter().collect(),
            free: Free::Text,
            one: false,
            special: &special,
        };
        let grammar = rules.grammar(false).unwrap();
        let takes = |text: &str| takes(&grammars, &grammar, text, &|_| None);
        assert!(takes("I look. <tool_call [TOOL_CALLS <|tool_call"), "{form:?}");
        assert!(!takes(form.openers()[0]), "{form:?}");
        assert!(!takes(&format!("I look. {}", call(form, "now", "{}"))), "{form:?}");
    }
}

#[test]
fn a_strict_function_is_called_behind_the_usual_opener_alone() {
    let (grammars, _) = vocabulary();
    let none = |_: &str| None;
    let tag = |text: &str| (text == "<|tool_call|>").then_some(256);
    for special in [&none as &dyn Fn(&str) -> Option<u32>, &tag] {
        for strict in [true, false] {
            let mut functions = functions();
            functions[1]["strict"] = strict.into();
            let functions = functions.iter().collect();
            let rules = Rules { form: Form::Phi4, functions, free: Free::Text, one: false, special };
            let grammar = rules.grammar(false).unwrap();
            let takes = |text: &str| takes(&grammars, &grammar, text, &|_| None);
            let called = r#"functools[{"name": "now", "arguments": {"a": 1}}]"#;
            for text in [called, "functools [\n{", "functools{"] {
                assert_eq!(takes(text), !strict, "{text}");
            }
            assert!(takes("from functools import reduce; functools.reduce(f, [1]); functools[0]"));
        }
    }
    let mut functions = functions();
    functions[1]["strict"] = true.into();
    let functions = functions.iter().collect();
    let rules = Rules { form: Form::Phi4, functions, free: Free::Text, one: false, special: &none };
    let grammar = rules.grammar(false).unwrap();
    let takes = |text: &str| takes(&grammars, &grammar, text, &none);
    let called = call(Form::Phi4, "now", "{}");
    assert!(takes(&format!("I look. {called}")));
    assert!(!takes(&format!("functools[{{ {called}")), "nor before another call");
}

#[test]
fn one_call_at_a_time_ends_after_it() {
    each(&Free::Nothing, true, |form, takes| {
        assert!(takes(&call(form, "now", "{}")), "{form:?}");
        assert!(!takes(&format!("{}\n{}", call(form, "now", "{}"), call(form, "now", "{}"))), "{form:?}");
        assert!(!takes(&call(form, "now", "{}").repeat(2)), "{form:?}");
    });
}

#[test]
fn a_response_format_holds_beside_calls() {
    let schema = json!({ "type": "object", "required": ["a"], "properties": { "a": { "type": "integer" } } });
    each(&Free::Json(schema), false, |form, takes| {
        // Where only a bare object could begin a call, the format comes first.
        assert_eq!(takes(&call(form, "now", "{}")), form != Form::Llama3, "{form:?}");
        assert!(takes(r#"{"a": 1}"#), "{form:?}");
        assert!(!takes("Hello"), "{form:?}");
        assert!(!takes(r#"{"a": "x"}"#), "{form:?}");
    });
}

fn planned(form: Form, tools: Tools, format: ResponseFormat) -> Result<Plan, Unplanned> {
    let (grammars, _) = vocabulary();
    let mut request = crate::backends::local::tests::request(vec![]);
    (request.tools, request.response_format) = (tools, format);
    plan(form, false, &request, &|_| None, &grammars)
}

fn offered(function: &Value, choice: ToolChoice) -> Tools {
    let offered = [json!({ "type": "function", "function": function })].into();
    Tools { offered, choice, ..Tools::default() }
}

#[test]
fn schemas_that_cannot_be_compiled_are_refused_only_where_they_must_hold() {
    let remote =
        json!({ "type": "object", "properties": { "a": { "$ref": "https://schemas.invalid/x.json" } } });
    let lax = json!({ "name": "f", "parameters": remote });
    let strict = json!({ "name": "f", "parameters": remote, "strict": true });
    for choice in [ToolChoice::Auto, ToolChoice::Required] {
        let plan = planned(Form::Hermes, offered(&lax, choice.clone()), ResponseFormat::Text).unwrap();
        assert!(plan.reading.unwrap().vouched, "any object will do");
        let plan = planned(Form::Hermes, offered(&strict, choice), ResponseFormat::Text);
        assert!(matches!(plan.unwrap_err(), Unplanned::Schema(ConstraintError::Reference { .. })));
    }
    let sloppy = json!({ "name": "f", "parameters": { "type": "anything", "properties": 3 } });
    assert!(planned(Form::Hermes, offered(&sloppy, ToolChoice::Required), ResponseFormat::Text).is_ok());
    let format = ResponseFormat::JsonSchema { schema: Arc::new(remote), strict: true };
    let now = offered(&json!({ "name": "now" }), ToolChoice::Auto);
    assert!(matches!(planned(Form::Hermes, now, format).unwrap_err(), Unplanned::Format(_)));
}

/// What the answers to a plan's requests may be.
fn lark(plan: &Plan) -> String {
    let grammar: Value = serde_json::from_str(plan.grammar.as_ref().unwrap()).unwrap();
    grammar["grammars"][0]["lark_grammar"].as_str().unwrap().to_owned()
}

/// A function with one field, which it requires.
fn of_one(name: &str, field: &Value, strict: bool) -> Value {
    let parameters = json!({ "type": "object", "properties": { "a": field }, "required": ["a"] });
    json!({ "type": "function", "function": { "name": name, "parameters": parameters, "strict": strict } })
}

/// Whether a plan for these tools takes a call.
fn takes_call(tools: Vec<Value>, choice: ToolChoice) -> impl Fn(&str, &str) -> bool {
    let tools = Tools { offered: tools.into(), choice, ..Tools::default() };
    let lark = lark(&planned(Form::Hermes, tools, ResponseFormat::Text).unwrap());
    let (grammars, _) = vocabulary();
    move |name: &str, arguments: &str| {
        takes(&grammars, &lark, &call(Form::Hermes, name, arguments), &|_| None)
    }
}

#[test]
fn a_lax_function_that_cannot_be_compiled_costs_a_strict_one_nothing() {
    let strict = of_one("strict", &json!({ "type": "null" }), true);
    let lax = of_one("lax", &json!({ "type": "anything" }), false);
    for choice in [ToolChoice::Auto, ToolChoice::Required] {
        let takes = takes_call(vec![lax.clone(), strict.clone()], choice);
        assert!(takes("strict", r#"{"a": null}"#) && !takes("strict", r#"{"a": 1}"#));
        assert!(takes("lax", r#"{"b": [2]}"#) && !takes("lax", "[2]"));
    }
}

#[test]
fn a_pattern_that_cannot_be_compiled_takes_other_patterns_along_and_nothing_else() {
    let odd = of_one("odd", &json!({ "type": "string", "pattern": "^(?!x)." }), false);
    let code = |strict| of_one("code", &json!({ "type": "string", "pattern": "^[A-Z]$" }), strict);
    let takes = takes_call(vec![odd.clone(), code(false)], ToolChoice::Required);
    assert!(takes("odd", r#"{"a": "x"}"#) && !takes("odd", r#"{"a": 1}"#));
    assert!(takes("code", r#"{"a": "x"}"#) && !takes("code", r#"{"a": 1}"#));
    let takes = takes_call(vec![odd, code(true)], ToolChoice::Required);
    assert!(
        takes("code", r#"{"a": "X"}"#) && !takes("code", r#"{"a": "x"}"#),
        "what is strict keeps its own"
    );
}

#[test]
fn what_was_planned_once_is_planned_again_without_compiling() {
    let (grammars, _) = vocabulary();
    let mut request = crate::backends::local::tests::request(vec![]);
    let odd = [of_one("odd", &json!({ "type": "string", "pattern": "^(?!x)." }), false)];
    request.tools = Tools { offered: odd.into(), choice: ToolChoice::Required, ..Tools::default() };
    let plan = || plan(Form::Hermes, false, &request, &|_| None, &grammars).unwrap().grammar.unwrap();
    let first = plan();
    let compiles = grammars.compiles();
    assert!(Arc::ptr_eq(&first, &plan()), "it has one name");
    assert_eq!(grammars.compiles(), compiles);
}

#[test]
fn a_strict_function_goes_elsewhere_where_no_grammar_can_hold_it() {
    let strict = json!({ "name": "f", "parameters": { "type": "object" }, "strict": true });
    let plan = |choice| planned(Form::Llama3, offered(&strict, choice), ResponseFormat::Text);
    let refused = plan(ToolChoice::Auto).unwrap_err();
    assert!(matches!(refused, Unplanned::Schema(ConstraintError::Unsupported(_))), "{refused:?}");
    assert!(plan(ToolChoice::Required).unwrap().grammar.is_some());
}

#[test]
fn a_schema_that_is_too_large_gives_any_object_where_it_need_not_be_obeyed() {
    let names: Vec<String> = (0..20_000).map(|at| format!("name {at}")).collect();
    let large = json!({ "type": "object", "properties": { "a": { "enum": names } } });
    let small = json!({ "type": "object", "properties": { "a": { "type": "null" } } });
    let functions = [
        json!({ "name": "large", "parameters": large }),
        json!({ "name": "small", "parameters": small, "strict": true }),
    ];
    let offered = functions.map(|function| json!({ "type": "function", "function": function })).into();
    let tools = Tools { offered, choice: ToolChoice::Required, ..Tools::default() };
    let plan = planned(Form::Hermes, tools, ResponseFormat::Text).unwrap();
    let grammar = plan.grammar.unwrap();
    assert!(grammar.len() < 2000 && grammar.contains("null"), "{grammar}");
}

#[test]
fn e9_a_schema_that_would_take_too_long_loses_what_takes_it_where_it_need_not_be_obeyed() {
    let patterns: serde_json::Map<String, Value> =
        (0..100).map(|at| (format!("^b{at}$"), json!({ "type": "null" }))).collect();
    let parameters = json!({ "type": "object", "properties": { "a": { "type": "integer" } }, "required": ["a"],
        "patternProperties": patterns });
    let function = |strict: bool| json!({ "name": "f", "parameters": parameters, "strict": strict });
    let lax = json!({ "type": "function", "function": function(false) });
    let takes = takes_call(vec![lax], ToolChoice::Required);
    assert!(takes("f", r#"{"a": 1, "b7": 3}"#) && !takes("f", r#"{"a": "b"}"#));
    let refused = planned(Form::Hermes, offered(&function(true), ToolChoice::Required), ResponseFormat::Text);
    assert!(matches!(refused.unwrap_err(), Unplanned::Schema(ConstraintError::Unsupported(_))));
    let names: serde_json::Map<String, Value> = (0..1_000).map(|at| (format!("a{at}"), json!({}))).collect();
    let parameters = json!({ "type": "object", "properties": names, "minProperties": 1 });
    let bounded = json!({ "name": "f", "parameters": parameters, "strict": true });
    let refused = planned(Form::Hermes, offered(&bounded, ToolChoice::Required), ResponseFormat::Text);
    assert!(matches!(refused.unwrap_err(), Unplanned::Schema(ConstraintError::Unsupported(_))));
}

#[test]
fn a_template_that_takes_one_call_back_gets_one() {
    let (grammars, _) = vocabulary();
    let mut request = crate::backends::local::tests::request(vec![]);
    request.tools = offered(&json!({ "name": "now" }), ToolChoice::Required);
    let call = call(Form::Llama3, "now", "{}");
    for one_call in [false, true] {
        let plan = plan(Form::Llama3, one_call, &request, &|_| None, &grammars).unwrap();
        let lark = lark(&plan);
        assert_eq!(plan.reading.unwrap().one, one_call);
        let takes = |text: &str| takes(&grammars, &lark, text, &|_| None);
        assert!(takes(&call));
        assert_eq!(takes(&format!("{call}; {call}")), !one_call);
    }
}

#[test]
fn plans_say_what_may_be_called() {
    let two = [
        json!({ "type": "function", "function": { "name": "a" } }),
        json!({ "type": "function", "function": { "name": "b" } }),
    ];
    let tools = |choice| Tools { offered: two.clone().into(), choice, ..Tools::default() };
    let plan = |form, choice| planned(form, tools(choice), ResponseFormat::Text).unwrap();
    let auto = plan(Form::Hermes, ToolChoice::Auto);
    let reading = auto.reading.unwrap();
    assert_eq!((reading.names.len(), reading.one, auto.grammar.is_some()), (2, false, true));
    let reading = plan(Form::Hermes, ToolChoice::Function("b".into())).reading.unwrap();
    assert_eq!((&*reading.names, reading.one), (&["b".to_owned()][..], true));
    let llama = plan(Form::Llama3, ToolChoice::Auto);
    assert!(!llama.reading.unwrap().vouched && llama.grammar.is_none());
    let custom = [json!({ "type": "custom", "custom": { "name": "x" } })].into();
    let custom = Tools { offered: custom, ..Tools::default() };
    assert_eq!(planned(Form::Hermes, custom, ResponseFormat::Text).unwrap_err(), Unplanned::NoFunction);
}
