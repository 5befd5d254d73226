//! Tool calls of the starter model under templates that offer tools. What it has learnt says nothing of tools: calls
//! come from the grammar, whatever the weights are.

use serde_json::{Value, json};

use super::*;
use crate::chat::ToolChoice;

/// A template of the reference fixtures.
fn template(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/templates");
    std::fs::read(folder.join(format!("{name}.jinja"))).unwrap()
}

/// The starter model under another template.
fn under(name: &str) -> Local {
    let (_models, folder) = damaged("chat_template.jinja", Some(&template(name)));
    let metrics = Arc::new(Metrics::new().unwrap());
    Local::open(&folder, &config(), metrics).unwrap_or_else(|error| panic!("{error}"))
}

fn qwen() -> &'static Local {
    static LOCAL: OnceLock<Local> = OnceLock::new();
    LOCAL.get_or_init(|| under("qwen25"))
}

fn function(name: &str, schema: &Value) -> Value {
    json!({ "type": "function", "function": { "name": name, "parameters": schema } })
}

fn with_tools(offered: Vec<Value>, choice: ToolChoice, sampling: Sampling) -> ChatRequest {
    let mut request = request(vec![Message::text(Role::User, "What now?")]);
    request.sampling = Sampling { n: sampling.n.max(1), ..sampling };
    request.tools = Tools { offered: offered.into(), choice, one_at_a_time: true, ..Tools::default() };
    request.needs.tools = true;
    request
}

/// An answer's text, its calls as name and arguments, and its end.
#[derive(Debug, Default, PartialEq)]
struct Called {
    text: String,
    calls: Vec<(String, String)>,
    end: Option<FinishReason>,
    prompt: u64,
}

async fn called(local: &Local, request: ChatRequest) -> Result<Called, BackendError> {
    let mut chunks = local.answer(Call::new(Arc::new(request), "starter", FIRST_CONTENT));
    let mut called = Called::default();
    while let Some(chunk) = chunks.next().await {
        for event in chunk?.events {
            match event {
                Event::Delta { delta: Delta::Text(text), .. } => called.text.push_str(&text),
                Event::Delta { delta: Delta::ToolCalls(pieces), .. } => {
                    for piece in pieces.as_array().unwrap() {
                        let function = &piece["function"];
                        if let Some(name) = function["name"].as_str() {
                            assert_eq!(piece["index"], called.calls.len());
                            called.calls.push((name.to_owned(), String::new()));
                        }
                        let arguments = function["arguments"].as_str().unwrap();
                        called.calls.last_mut().unwrap().1.push_str(arguments);
                    }
                }
                Event::Finish { reason, .. } => called.end = Some(reason),
                Event::Usage(usage) => called.prompt = usage.prompt,
                _ => {}
            }
        }
    }
    Ok(called)
}

/// Schemas that bound their own length, so that even random answers end.
fn schemas() -> Vec<Value> {
    let object = |properties: Value| {
        let required: Vec<String> = properties.as_object().unwrap().keys().cloned().collect();
        json!({ "type": "object", "properties": properties, "required": required })
    };
    vec![
        json!({ "type": "object", "properties": {} }),
        object(json!({ "mood": { "enum": ["glad", "sad", 3, null] } })),
        object(json!({ "on": { "type": "boolean" }, "off": { "type": "boolean" } })),
        object(json!({ "level": { "type": "integer", "minimum": 1, "maximum": 12 } })),
        object(json!({ "code": { "type": "string", "pattern": "^[A-Z]{2}[0-9]{3}$" } })),
        object(json!({ "name": { "type": "string", "maxLength": 12 } })),
        object(
            json!({ "tags": { "type": "array", "items": { "enum": ["a", "b"] }, "minItems": 1, "maxItems": 3 } }),
        ),
        object(
            json!({ "place": object(json!({ "x": { "type": "integer", "minimum": -9, "maximum": 9 }, "y": { "const": 7 } })) }),
        ),
        object(json!({ "one": { "anyOf": [{ "type": "boolean" }, { "type": "null" }] } })),
        object(json!({ "day": { "type": "string", "format": "date" } })),
        object(
            json!({ "ratio": { "type": "number", "minimum": 0, "maximum": 1 }, "why": { "type": "string", "maxLength": 8 } }),
        ),
        json!({ "$defs": { "unit": { "enum": ["C", "F"] } }, "type": "object", "properties": { "unit": { "$ref": "#/$defs/unit" } }, "required": ["unit"] }),
    ]
}

#[tokio::test]
async fn required_calls_are_valid_by_construction() {
    for (nth, schema) in schemas().into_iter().enumerate() {
        let tools = vec![
            function("first", &schema),
            function("other", &json!({ "type": "object", "properties": {} })),
        ];
        let request = with_tools(tools, ToolChoice::Function("first".into()), hot(nth as i64, 500));
        let called = called(qwen(), request).await.unwrap();
        assert_eq!(
            (called.text.as_str(), &called.end),
            ("", &Some(FinishReason::ToolCalls)),
            "{schema}: {called:?}"
        );
        let [(name, arguments)] = &called.calls[..] else { panic!("{called:?}") };
        assert_eq!(name, "first");
        let arguments: Value = serde_json::from_str(arguments).unwrap();
        assert!(jsonschema::is_valid(&schema, &arguments), "{schema}: {arguments}");
    }
}

#[tokio::test]
async fn every_form_calls_when_it_must() {
    let schema = &schemas()[1];
    for name in ["llama3", "mistral3", "mistral_args", "phi4", "phi4_tools", "qwen3"] {
        let local = under(name);
        assert!(local.profile().can.tools, "{name}");
        let request = with_tools(vec![function("only", schema)], ToolChoice::Required, hot(3, 200));
        let called = called(&local, request).await.unwrap();
        assert_eq!(
            (called.text.as_str(), &called.end),
            ("", &Some(FinishReason::ToolCalls)),
            "{name}: {called:?}"
        );
        let arguments: Value = serde_json::from_str(&called.calls[0].1).unwrap();
        assert!(
            called.calls[0].0 == "only" && jsonschema::is_valid(schema, &arguments),
            "{name}: {called:?}"
        );
    }
}

#[tokio::test]
async fn free_answers_are_text_or_valid_calls_and_the_same_seed_gives_the_same() {
    let tools = || vec![function("only", &schemas()[2])];
    let ask = |choice, seed| called(qwen(), with_tools(tools(), choice, hot(seed, 40)));
    for seed in 0..3 {
        let auto = ask(ToolChoice::Auto, seed).await.unwrap();
        assert!(!auto.text.is_empty() || !auto.calls.is_empty(), "{auto:?}");
        assert_eq!(auto, ask(ToolChoice::Auto, seed).await.unwrap());
    }
    let never = ask(ToolChoice::Never, 1).await.unwrap();
    assert!(never.calls.is_empty());
    assert!(never.prompt + 20 < ask(ToolChoice::Auto, 1).await.unwrap().prompt, "tools are not shown");
}

#[tokio::test]
async fn calls_and_results_of_earlier_turns_are_read() {
    let local = under("mistral3");
    let mut request =
        with_tools(vec![function("now", &json!({ "type": "object" }))], ToolChoice::Auto, at_most(2));
    let call = json!({ "id": "call_of_some_other_model", "type": "function", "function": { "name": "now", "arguments": "{\"a\": 1}" } });
    let mut turn = Message::text(Role::Assistant, "");
    turn.tool_calls = vec![call];
    request.messages.push(turn);
    let mut result = Message::text(Role::Tool, "noon");
    result.tool_call_id = Some("call_of_some_other_model".to_owned());
    request.messages.push(result);
    called(&local, request).await.unwrap();
}

#[tokio::test]
async fn older_calls_and_results_of_earlier_turns_are_read() {
    let body = json!({ "model": "starter", "max_tokens": 2, "functions": [{ "name": "now" }], "messages": [
        { "role": "user", "content": "What now?" },
        { "role": "assistant", "content": null, "function_call": { "name": "now", "arguments": "{}" } },
        { "role": "function", "name": "now", "content": "noon" },
    ] });
    let request = crate::dialects::openai_chat::parse_request(body.to_string().into()).unwrap();
    called(&under("mistral3"), request).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_called_is_refused_with_its_field() {
    let refused = async |tools: Vec<Value>, choice| {
        let error = called(qwen(), with_tools(tools, choice, at_most(9))).await.unwrap_err();
        assert_eq!((error.kind, error.fault), (Kind::Unsupported, Fault::Caller));
        (error.param.unwrap(), error.retry)
    };
    let custom = json!({ "type": "custom", "custom": { "name": "x" } });
    assert_eq!(refused(vec![custom], ToolChoice::Auto).await, ("tools".into(), Retry::Elsewhere));
    let mut strict = function("f", &json!({ "$ref": "https://schemas.invalid/schema.json" }));
    strict["function"]["strict"] = true.into();
    assert_eq!(refused(vec![strict], ToolChoice::Auto).await, ("tools".into(), Retry::Never));
    assert!(!shared().profile().can.tools, "the shipped template offers no tools");
}
