//! What a scripted upstream answers to each model's name.

use std::time::Duration;

use serde_json::{Value, json};

/// The text of every good answer, streamed word by word.
pub(crate) const TEXT: &str = "Grüße from the 🦀 upstream, in seven words.";

/// What a request asks for.
pub(super) struct Ask {
    pub(super) model: String,
    pub(super) stream: bool,
    pub(super) usage: bool,
    /// `stream_options` stand there.
    options: bool,
    pub(super) n: u64,
    /// A parameter that models that think refuse, with the code that they do it with.
    unsupported: Option<(&'static str, &'static str)>,
}

impl Ask {
    pub(super) fn read(body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let refused = [("max_tokens", "unsupported_parameter"), ("temperature", "unsupported_value")];
        Self {
            unsupported: refused.into_iter().find(|(param, _)| body.get(param).is_some()),
            model: body["model"].as_str().unwrap_or_default().to_owned(),
            stream: body["stream"] == true,
            usage: body["stream_options"]["include_usage"] == true,
            options: body.get("stream_options").is_some(),
            n: body["n"].as_u64().unwrap_or(1),
        }
    }
}

pub(super) enum Step {
    Send(String),
    Wait(Duration),
    Hang,
}

pub(super) struct Script {
    pub(super) status: u16,
    pub(super) kind: &'static str,
    pub(super) retry_after: Option<&'static str>,
    pub(super) steps: Vec<Step>,
}

impl Script {
    fn new(status: u16, kind: &'static str, text: impl Into<String>) -> Self {
        Self { status, kind, retry_after: None, steps: vec![Step::Send(text.into())] }
    }

    fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    fn events(steps: Vec<Step>) -> Self {
        Self { status: 200, kind: "text/event-stream; charset=utf-8", retry_after: None, steps }
    }
}

const HTML: &str = "<!DOCTYPE html><html><body>canary-html</body></html>";

pub(super) fn script(ask: &Ask, call: usize) -> Script {
    if let Some((param, code)) = ask.unsupported.filter(|_| ask.model == "reasoner") {
        return Script::json(
            400,
            &json!({ "error": { "message": format!("canary: no {param}"), "type": "invalid_request_error",
                "param": param, "code": code } }),
        );
    }
    if ask.options && ask.model == "strict" {
        let detail = json!([{ "type": "extra_forbidden", "loc": ["body", "stream_options"],
            "msg": "Extra inputs are not permitted", "input": { "include_usage": true } }]);
        return Script::json(
            422,
            &json!({ "object": "error", "message": { "detail": detail }, "type": "invalid_request_error",
                "param": null, "code": null }),
        );
    }
    let Some(fault) = ask.model.strip_prefix("fault:") else { return good(ask) };
    let (fault, times) = fault.split_once(':').unwrap_or((fault, ""));
    if times.parse().is_ok_and(|times: usize| call > times) {
        return good(ask);
    }
    if let Ok(status) = fault.parse() {
        let mut script = Script::json(
            status,
            &json!({ "error": { "message": format!("scripted {status}"), "type": "scripted_error",
                "param": "model", "code": "scripted", "host": "canary-private" } }),
        );
        script.retry_after = (status == 429).then_some("1");
        return script;
    }
    match fault {
        "quota" => Script::json(
            429,
            &json!({ "error": { "message": "q", "code": "insufficient_quota", "type": "x" } }),
        ),
        "garbage" => Script::new(502, "text/html", HTML),
        "html" => Script::new(200, "text/html", HTML),
        "err200" => Script::json(200, &json!({ "error": { "message": "inside", "code": 503 } })),
        "nochoices" => Script::json(200, &json!({ "id": "x", "choices": [] })),
        broken if ask.stream => Script::events(broken_stream(broken)),
        _ => good(ask),
    }
}

fn broken_stream(fault: &str) -> Vec<Step> {
    let mut steps = vec![piece(0, &json!({ "role": "assistant", "content": "" }), None)];
    if fault != "slow" && fault != "empty" {
        steps.push(piece(0, &json!({ "content": "Two " }), None));
        steps.push(piece(0, &json!({ "content": "words" }), None));
    }
    match fault {
        "slow" | "stall" => steps.push(Step::Hang),
        "nodone" => steps.push(piece(0, &json!({}), Some("stop"))),
        "errmid" => {
            steps.push(data(&json!({ "error": { "message": "canary-errmid", "code": "server_error" } })));
        }
        "empty" => steps = vec![Step::Send("data: [DONE]\n\n".into())],
        _ => {}
    }
    steps
}

fn good(ask: &Ask) -> Script {
    let tools = json!([{ "index": 0, "id": "call_1", "type": "function",
        "function": { "name": "weather", "arguments": "{\"city\":\"Köln\"}" } }]);
    let usage = json!({ "prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18,
        "prompt_tokens_details": { "cached_tokens": 4 } });
    if !ask.stream {
        let (message, reason) = match ask.model.as_str() {
            "tools" => (json!({ "role": "assistant", "content": null, "tool_calls": tools }), "tool_calls"),
            "parts" => (json!({ "role": "assistant", "content": parts() }), "stop"),
            "refusal" => (json!({ "role": "assistant", "content": null, "refusal": TEXT }), "stop"),
            _ => (json!({ "role": "assistant", "content": TEXT, "x_unknown": 1 }), "stop"),
        };
        let choices: Vec<_> = (0..ask.n)
            .map(|index| json!({ "index": index, "message": message, "finish_reason": reason }))
            .collect();
        let mut body = json!({ "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": ask.model,
            "choices": choices, "x_unknown": [1] });
        if ask.model != "usage:never" {
            body["usage"] = usage;
        }
        return Script::json(200, &body);
    }
    let pieces = match ask.model.as_str() {
        "tools" => tool_pieces(&tools),
        "parts" => vec![json!({ "content": parts() })],
        _ => words(ask),
    };
    let mut steps: Vec<Step> =
        (0..ask.n).map(|index| piece(index, &json!({ "role": "assistant", "content": "" }), None)).collect();
    for delta in pieces {
        steps.extend((0..ask.n).map(|index| piece(index, &delta, None)));
        match ask.model.as_str() {
            "slowstream" | "shortstream" => steps.push(Step::Wait(Duration::from_millis(20))),
            "usage:always" => steps.push(data(&json!({ "choices": [], "usage": { "prompt_tokens": 11,
                "completion_tokens": steps.len() } }))),
            _ => {}
        }
    }
    let reason = if ask.model == "tools" { "tool_calls" } else { "stop" };
    let mut last: Vec<Step> = (0..ask.n).map(|index| piece(index, &json!({}), Some(reason))).collect();
    if ask.model == "usage:choices" {
        last = vec![data(&json!({ "usage": usage,
            "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }] }))];
    } else if ask.usage && ask.model != "usage:never" {
        last.push(data(&json!({ "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1,
            "model": "scripted", "choices": [], "usage": usage })));
    }
    steps.extend(last);
    steps.push(Step::Send("data: [DONE]\n\n".into()));
    Script::events(steps)
}

fn words(ask: &Ask) -> Vec<Value> {
    let times = match ask.model.as_str() {
        "slowstream" => 100,
        "shortstream" => 25,
        _ => 1,
    };
    let field = if ask.model == "refusal" { "refusal" } else { "content" };
    let words = TEXT.split_inclusive(' ').map(|word| json!({ field: word }));
    std::iter::repeat_n(words, times).flatten().collect()
}

/// What Mistral's models answer with when they think.
fn parts() -> Value {
    let thought = json!([{ "type": "text", "text": "Seven words it is." }]);
    json!([{ "type": "thinking", "thinking": thought }, { "type": "text", "text": TEXT }])
}

/// The call's head, then its arguments character by character.
fn tool_pieces(tools: &Value) -> Vec<Value> {
    let arguments = tools[0]["function"]["arguments"].as_str().unwrap();
    let mut head = tools.clone();
    head[0]["function"]["arguments"] = "".into();
    let pieces = arguments
        .chars()
        .map(|c| json!({ "tool_calls": [{ "index": 0, "function": { "arguments": c.to_string() } }] }));
    [json!({ "tool_calls": head })].into_iter().chain(pieces).collect()
}

fn piece(index: u64, delta: &Value, reason: Option<&str>) -> Step {
    data(&json!({ "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted",
        "choices": [{ "index": index, "delta": delta, "finish_reason": reason }], "x_unknown": {"a": 1.50} }))
}

fn data(value: &Value) -> Step {
    Step::Send(format!("data: {value}\n\n"))
}
