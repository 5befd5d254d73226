//! Turns as a template shows them, where it does not show them as they are: instructions before the first words, calls
//! one by one, tools and calls as text. Promises: nothing said is lost, and only results change their place, to follow
//! their calls; linear work. Shields nothing: what it is given is shielded already.

use std::collections::HashMap;
use std::iter::Peekable;

use serde_json::{Map, Value, json};

use crate::backends::local::template::json_text;

/// The role of a tool's result; with `in_turns`, the one whose token Phi-4 has for it.
pub(super) fn result_role(in_turns: bool) -> &'static str {
    if in_turns { "tool_response" } else { "tool" }
}

/// A tool call of an earlier turn as templates expect it: arguments as an object rather than its text.
pub(super) fn plain_call(call: &Value, known_id: impl Fn(&str) -> String) -> Value {
    let mut call = call.clone();
    if let Some(id) = call.get("id").and_then(Value::as_str) {
        call["id"] = known_id(id).into();
    }
    if let Some(Value::String(text)) = call.pointer("/function/arguments")
        && let Ok(arguments) = serde_json::from_str::<Map<String, Value>>(text)
    {
        call["function"]["arguments"] = arguments.into();
    }
    call
}

/// Calls as Phi-4 writes them.
pub(super) fn written(calls: &[Value]) -> String {
    let plain = |call: &Value| {
        let function = &call["function"];
        json!({ "name": function["name"], "arguments": function["arguments"] })
    };
    let calls: Value = calls.iter().map(plain).collect();
    format!("<|tool_call|>{}<|/tool_call|>", json_text(&calls))
}

/// Puts the functions of `tools`, as JSON, on the system turn that comes first, or on an empty one before all others.
pub(super) fn offer(messages: &mut Vec<Value>, tools: &[Value]) {
    if messages.first().is_none_or(|first| first["role"] != "system") {
        messages.insert(0, json!({ "role": "system", "content": "" }));
    }
    let functions: Value = tools.iter().map(|tool| tool["function"].clone()).collect();
    messages[0]["tools"] = json_text(&functions).into();
}

/// Puts a leading system turn before the words of the first user. False where instructions are left elsewhere.
pub(super) fn fold_instructions(messages: &mut Vec<Value>) -> bool {
    let is = |message: Option<&Value>, role: &str| message.is_some_and(|message| message["role"] == role);
    if is(messages.first(), "system") && is(messages.get(1), "user") {
        let system = messages.remove(0);
        let [before, words] =
            [&system, &messages[0]].map(|turn| turn["content"].as_str().unwrap_or_default());
        messages[0]["content"] = format!("{before}\n\n{words}").into();
    }
    !messages.iter().any(|message| message["role"] == "system")
}

/// Gives each of several calls in one turn a turn of its own, with its results behind it.
pub(super) fn split_calls(messages: Vec<Value>) -> Vec<Value> {
    let mut split = Vec::with_capacity(messages.len());
    let mut messages = messages.into_iter().peekable();
    while let Some(mut turn) = messages.next() {
        let calls = match turn.get_mut("tool_calls").map(Value::take) {
            Some(Value::Array(calls)) if calls.len() > 1 => calls,
            calls => {
                if let Some(calls) = calls {
                    turn["tool_calls"] = calls;
                }
                split.push(turn);
                continue;
            }
        };
        let results = results(&calls, &mut messages);
        let (role, mut words) = (turn["role"].take(), turn["content"].take());
        for (call, results) in calls.into_iter().zip(results) {
            let words = std::mem::replace(&mut words, "".into());
            split.push(json!({ "role": role, "content": words, "tool_calls": [call] }));
            split.extend(results);
        }
    }
    split
}

/// Takes the results that come next: each at the place of its call, those of no call at the last.
fn results(calls: &[Value], messages: &mut Peekable<impl Iterator<Item = Value>>) -> Vec<Vec<Value>> {
    let id = |(at, call): (usize, &Value)| Some((call["id"].as_str()?.to_owned(), at));
    let places: HashMap<String, usize> = calls.iter().enumerate().filter_map(id).collect();
    let mut results = vec![vec![]; calls.len()];
    while let Some(result) = messages.next_if(|next| next["role"] == "tool") {
        let place = result["tool_call_id"].as_str().and_then(|id| places.get(id).copied());
        if let Some(place) = results.get_mut(place.unwrap_or(calls.len() - 1)) {
            place.push(result);
        }
    }
    results
}
