//! The local model through the same door: OpenAI's shapes, whole and streamed, with true counts.

use serde_json::{Value, json};

use crate::support::gateway::Gateway;
use crate::support::reply::text;
use crate::support::scripted_upstream::ScriptedUpstream;
use crate::support::small_model::{calling, endless};

/// A gateway whose local answers run to their `max_tokens`, and the folder that its model lies in.
async fn house(upstream: &ScriptedUpstream) -> (Gateway, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::with(&upstream.base_url(), |config| {
        config.local.enabled = true;
        config.local.model = endless(folder.path()).display().to_string();
    })
    .await;
    (gateway, folder)
}

fn ask(fields: &Value) -> Value {
    let mut body = json!({ "model": "local", "max_tokens": 12, "temperature": 0.8, "seed": 7,
        "messages": [{ "role": "developer", "content": "Be brief." }, { "role": "user", "content": [{ "type": "text", "text": "hi" }] }] });
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// Without what differs from run to run and from model to model.
fn redacted(mut answer: Value) -> Value {
    for (at, stand_in) in [
        ("/id", "[id]"),
        ("/created", "[time]"),
        ("/choices/0/message/content", "[text]"),
        ("/usage/prompt_tokens", "[n]"),
        ("/usage/total_tokens", "[n]"),
    ] {
        if let Some(value) = answer.pointer_mut(at) {
            *value = stand_in.into();
        }
    }
    answer
}

#[tokio::test]
async fn whole_and_streamed_answers_say_the_same_in_openais_shapes() {
    let upstream = ScriptedUpstream::start().await;
    let (gateway, _folder) = house(&upstream).await;
    let whole = gateway.post(&ask(&json!({}))).await;
    assert_eq!((whole.status, whole.header("x-crossover-route")), (200, "local"), "{whole:?}");
    let asked = json!({ "stream": true, "stream_options": { "include_usage": true } });
    let stream = gateway.post(&ask(&asked)).await;
    let chunks = stream.chunks();
    assert_eq!(
        text(&chunks),
        whole.json()["choices"][0]["message"]["content"],
        "the same seed, the same text"
    );
    assert_eq!(chunks.last().unwrap()["usage"], whole.json()["usage"]);
    assert_eq!(whole.json()["usage"]["completion_tokens"], 12);
    insta::assert_json_snapshot!("whole", redacted(whole.json()));
    let ends =
        [&chunks[0], &chunks[chunks.len() - 2], &chunks[chunks.len() - 1]].map(|end| redacted(end.clone()));
    insta::assert_json_snapshot!("stream_ends", ends);
    let id = &chunks[0]["id"];
    assert!(id.as_str().unwrap().starts_with("chatcmpl-") && chunks.iter().all(|chunk| chunk["id"] == *id));
    assert_eq!(upstream.bytes_received(), 0);
}

#[tokio::test]
async fn several_answers_come_with_their_own_indices() {
    let upstream = ScriptedUpstream::start().await;
    let (gateway, _folder) = house(&upstream).await;
    let whole = gateway.post(&ask(&json!({ "n": 3 }))).await.json();
    let choices = whole["choices"].as_array().unwrap();
    let indices: Vec<i64> = choices.iter().map(|choice| choice["index"].as_i64().unwrap()).collect();
    assert_eq!(indices, [0, 1, 2]);
    assert_eq!(whole["usage"]["completion_tokens"], 36);
    let chunks = gateway.post(&ask(&json!({ "n": 3, "stream": true }))).await.chunks();
    for choice in choices {
        let own =
            chunks.iter().map(|chunk| &chunk["choices"][0]).filter(|own| own["index"] == choice["index"]);
        let said: String = own.filter_map(|own| own["delta"]["content"].as_str()).collect();
        assert_eq!(said, choice["message"]["content"]);
    }
}

#[tokio::test]
async fn c20_stop_sequences_end_an_answer_before_them() {
    let upstream = ScriptedUpstream::start().await;
    let (gateway, _folder) = house(&upstream).await;
    let whole = gateway.post(&ask(&json!({ "max_tokens": 40 }))).await.json();
    let said = whole["choices"][0]["message"]["content"].as_str().unwrap();
    let letters: Vec<char> = said.chars().collect();
    let middle = letters.len() / 2;
    let stop: String = letters[middle..middle + 2].iter().collect();
    let before = &said[..said.find(&stop).unwrap()];
    let stopped = gateway.post(&ask(&json!({ "max_tokens": 40, "stop": [stop] }))).await.json();
    assert_eq!(
        (&stopped["choices"][0]["message"]["content"], &stopped["choices"][0]["finish_reason"]),
        (&json!(before), &json!("stop"))
    );
    let chunks =
        gateway.post(&ask(&json!({ "max_tokens": 40, "stop": stop, "stream": true }))).await.chunks();
    assert_eq!(text(&chunks), before);
}

#[tokio::test]
async fn c21_an_answer_without_end_is_cut_at_the_context_with_its_reason() {
    let upstream = ScriptedUpstream::start().await;
    let (gateway, _folder) = house(&upstream).await;
    let body = json!({ "model": "local", "max_tokens": 1_000_000, "messages": [{ "role": "user", "content": "hi" }] });
    let whole = gateway.post(&body).await.json();
    assert_eq!(whole["choices"][0]["finish_reason"], "length");
    assert!(whole["usage"]["total_tokens"].as_i64().unwrap() >= 1_000, "{}", whole["usage"]);
}

#[tokio::test]
async fn what_the_local_model_cannot_do_is_refused_when_it_may_go_nowhere_else() {
    let upstream = ScriptedUpstream::start().await;
    let (gateway, _folder) = house(&upstream).await;
    for fields in [
        json!({ "tools": [{ "type": "function", "function": { "name": "f" } }] }),
        json!({ "modalities": ["text", "audio"] }),
        json!({ "messages": [{ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": "data:," } }] }] }),
        json!({ "messages": [{ "role": "assistant", "content": [{ "type": "thinking", "thinking": "hm" }] }] }),
        json!({ "web_search_options": {} }),
        json!({ "moderation": { "model": "omni-moderation-latest" } }),
    ] {
        assert_eq!(gateway.post(&ask(&fields)).await.code(400), "unsupported", "{fields}");
    }
    assert_eq!(upstream.bytes_received(), 0);
    for (field, value, route) in [
        ("web_search_options", json!({}), "remote"),
        ("moderation", json!({ "model": "omni-moderation-latest" }), "remote"),
        ("moderation", Value::Null, "local"),
    ] {
        let reply = gateway.post(&ask(&json!({ "model": "local-first", field: value }))).await;
        assert_eq!((reply.status, reply.header("x-crossover-route")), (200, route), "{field}");
    }
}

#[tokio::test]
async fn tool_calls_come_in_openais_shapes_whole_and_streamed() {
    let upstream = ScriptedUpstream::start().await;
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::with(&upstream.base_url(), |config| {
        config.local.enabled = true;
        config.local.model = calling(folder.path(), "qwen25").display().to_string();
    })
    .await;
    // One answer is possible only, so that the shapes can be held to a snapshot whatever the weights are.
    let schema =
        json!({ "type": "object", "properties": { "level": { "const": 7 } }, "required": ["level"] });
    let tool = json!({ "type": "function", "function": { "name": "set_level", "parameters": schema } });
    let fields = json!({ "tools": [tool], "tool_choice": "required", "parallel_tool_calls": false, "max_tokens": 200 });
    let whole = gateway.post(&ask(&fields)).await;
    assert_eq!((whole.status, whole.header("x-crossover-route")), (200, "local"), "{whole:?}");
    let mut whole = whole.json();
    whole["choices"][0]["message"]["tool_calls"][0]["id"] = "[id]".into();
    whole["usage"]["completion_tokens"] = "[n]".into();
    let mut message = redacted(whole.clone());
    message["choices"][0]["message"]["content"] = whole["choices"][0]["message"]["content"].clone();
    insta::assert_json_snapshot!("tool_calls_whole", message);
    let mut streamed = fields.clone();
    streamed["stream"] = true.into();
    let mut chunks = gateway.post(&ask(&streamed)).await.chunks();
    // How the arguments are cut depends on the weights: what is joined does not.
    let pieces: String = chunks
        .iter()
        .filter_map(|chunk| chunk.pointer("/choices/0/delta/tool_calls/0/function/arguments")?.as_str())
        .collect();
    assert_eq!(pieces, "{\"level\": 7}");
    chunks[1]["choices"][0]["delta"]["tool_calls"][0]["id"] = "[id]".into();
    let ends = [&chunks[0], &chunks[1], &chunks[chunks.len() - 1]].map(|chunk| redacted(chunk.clone()));
    insta::assert_json_snapshot!("tool_calls_streamed", ends);
    assert_eq!(upstream.bytes_received(), 0);
}

#[tokio::test]
async fn log_probabilities_are_the_same_whole_and_streamed() {
    let upstream = ScriptedUpstream::start().await;
    let (gateway, _folder) = house(&upstream).await;
    let fields = json!({ "logprobs": true, "top_logprobs": 2 });
    let whole = gateway.post(&ask(&fields)).await.json();
    let told = whole["choices"][0]["logprobs"]["content"].as_array().unwrap().clone();
    assert!(told.len() > 1 && told.iter().all(|token| token["top_logprobs"].as_array().unwrap().len() == 2));
    let bytes: Vec<u8> = told
        .iter()
        .flat_map(|token| token["bytes"].as_array().unwrap())
        .map(|byte| u8::try_from(byte.as_u64().unwrap()).unwrap())
        .collect();
    let text = whole["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(
        bytes.starts_with(text.as_bytes()) && bytes.len() < text.len() + 4,
        "at most half a character more"
    );
    let mut fields = fields;
    fields["stream"] = true.into();
    let chunks = gateway.post(&ask(&fields)).await.chunks();
    let streamed: Vec<Value> = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["logprobs"]["content"].as_array())
        .flatten()
        .cloned()
        .collect();
    assert_eq!(streamed, told);
    let plain = gateway.post(&ask(&json!({ "logprobs": true }))).await.json();
    let first = &plain["choices"][0]["logprobs"]["content"][0];
    assert_eq!(first["top_logprobs"], json!([]));
    assert_eq!(first["logprob"], told[0]["logprob"]);
    assert_eq!(upstream.bytes_received(), 0);
}

#[tokio::test]
async fn a_schema_is_obeyed_and_a_broken_one_refused_by_name() {
    let upstream = ScriptedUpstream::start().await;
    let (gateway, _folder) = house(&upstream).await;
    let format = |schema: Value| {
        json!({ "max_tokens": 60, "temperature": 2,
            "response_format": { "type": "json_schema", "json_schema": { "name": "n", "strict": true, "schema": schema } } })
    };
    let schema = json!({ "type": "object", "properties": { "label": { "enum": ["a", "b"] }, "n": { "type": "integer", "minimum": 1, "maximum": 5 } },
        "required": ["label", "n"], "additionalProperties": false });
    let answer = gateway.post(&ask(&format(schema))).await;
    assert_eq!(answer.header("x-crossover-route"), "local");
    let choice = &answer.json()["choices"][0];
    assert_eq!(choice["finish_reason"], "stop");
    let object: Value = serde_json::from_str(choice["message"]["content"].as_str().unwrap()).unwrap();
    assert!(
        ["a", "b"].contains(&object["label"].as_str().unwrap())
            && (1..=5).contains(&object["n"].as_i64().unwrap())
    );
    for (broken, code) in [
        (json!({ "type": "strin" }), "invalid_value"),
        (json!({ "$ref": "https://example.com/secret.json" }), "invalid_value"),
        (json!({ "type": "array", "uniqueItems": true }), "unsupported"),
    ] {
        let refusal = gateway.post(&ask(&format(broken))).await;
        assert_eq!(refusal.status, 400, "{refusal:?}");
        let error = refusal.json()["error"].clone();
        assert_eq!((error["code"].as_str(), error["param"].as_str()), (Some(code), Some("response_format")));
        assert!(!error["message"].as_str().unwrap().contains("secret"), "no content of the schema: {error}");
    }
    let refusal = gateway.post(&ask(&json!({ "logit_bias": { "4000000000": 1 } }))).await;
    assert_eq!(
        (refusal.status, refusal.json()["error"]["param"].as_str().unwrap().to_owned()),
        (400, "logit_bias".to_owned())
    );
}
