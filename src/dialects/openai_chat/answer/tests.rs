//! Answers in OpenAI's form, by snapshot.

use super::*;

fn header() -> Header {
    Header { id: "chatcmpl-1".into(), created: 7, model: "starter".into(), older_calls: false }
}

fn events() -> Vec<Event> {
    vec![
        Event::Role { index: 0 },
        Event::Delta { index: 0, delta: Delta::Text("Hé\"".into()) },
        Event::Finish { index: 0, reason: FinishReason::Length },
        Event::Usage(Usage { prompt: 3, completion: 1, ..Usage::default() }),
    ]
}

#[test]
fn stream_chunks_have_openai_s_form() {
    let frames = |usage| -> Vec<Value> {
        let bytes = events()
            .into_iter()
            .flat_map(|event| frames(&header(), &Chunk::of(event), usage))
            .collect::<Vec<_>>();
        bytes.iter().map(|frame| serde_json::from_slice(frame).unwrap()).collect()
    };
    assert_eq!(frames(false).len(), 3);
    insta::assert_json_snapshot!(frames(true));
}

#[test]
fn chunks_fold_into_one_completion() {
    let mut fold = Fold::default();
    events().into_iter().for_each(|event| fold.push(Chunk::of(event)));
    fold.push(Chunk::of(Event::Delta { index: 1, delta: Delta::Refusal("no".into()) }));
    let whole: Value = serde_json::from_slice(&fold.finish(&header())).unwrap();
    insta::assert_json_snapshot!(whole);
}

#[test]
fn thoughts_stand_beside_the_content() {
    let said = |delta| Chunk::of(Event::Delta { index: 0, delta });
    let chunks = [
        said(Delta::Reasoning("so".into())),
        said(Delta::Reasoning(" be it".into())),
        said(Delta::Text("Yes".into())),
    ];
    let (mut fold, mut told) = (Fold::default(), vec![]);
    for chunk in chunks {
        let frame = frames(&header(), &chunk, false).pop().unwrap();
        let frame: Value = serde_json::from_slice(&frame).unwrap();
        told.push(frame["choices"][0]["delta"].clone());
        fold.push(chunk);
    }
    let wanted = [
        json!({ "reasoning_content": "so" }),
        json!({ "reasoning_content": " be it" }),
        json!({ "content": "Yes" }),
    ];
    assert_eq!(told, wanted);
    let whole: Value = serde_json::from_slice(&fold.finish(&header())).unwrap();
    let message = &whole["choices"][0]["message"];
    assert_eq!((&message["content"], &message["reasoning_content"]), (&json!("Yes"), &json!("so be it")));
}

#[test]
fn a_call_in_the_older_form_is_a_function_call() {
    let header = Header { older_calls: true, ..header() };
    let call = |piece| Event::Delta { index: 0, delta: Delta::ToolCalls(json!([piece])) };
    let events = [
        call(
            json!({ "index": 0, "id": "call_1", "type": "function", "function": { "name": "f", "arguments": "" } }),
        ),
        call(json!({ "index": 0, "function": { "arguments": "{}" } })),
        Event::Finish { index: 0, reason: FinishReason::ToolCalls },
    ];
    let mut fold = Fold::default();
    let mut told = vec![];
    for event in events {
        let frame = frames(&header, &Chunk::of(event.clone()), false).pop().unwrap();
        let frame: Value = serde_json::from_slice(&frame).unwrap();
        told.push(frame["choices"][0].clone());
        fold.push(Chunk::of(event));
    }
    assert_eq!(told[0]["delta"], json!({ "function_call": { "name": "f", "arguments": "" } }));
    assert_eq!(told[1]["delta"], json!({ "function_call": { "arguments": "{}" } }));
    assert_eq!((&told[2]["delta"], &told[2]["finish_reason"]), (&json!({}), &json!("function_call")));
    let whole: Value = serde_json::from_slice(&fold.finish(&header)).unwrap();
    let whole = &whole["choices"][0];
    let wanted = json!({ "role": "assistant", "content": null, "refusal": null,
        "function_call": { "name": "f", "arguments": "{}" } });
    assert_eq!((&whole["message"], &whole["finish_reason"]), (&wanted, &json!("function_call")));
}

/// A word, half a character, and a word whose alternatives are told.
fn scored() -> Chunk {
    let token = |bytes: &[u8], logprob| TokenLogprob { bytes: bytes.to_vec(), logprob, top: vec![] };
    let top = vec![(b"!".to_vec(), -0.25), (vec![0xC3], f32::NEG_INFINITY)];
    Chunk {
        logprobs: vec![token(b"\xC3", -1.5), TokenLogprob { top, ..token(b"\xA9!", f32::NEG_INFINITY) }],
        events: vec![
            Event::Role { index: 0 },
            Event::Delta { index: 0, delta: Delta::Text("é!".into()) },
            Event::Finish { index: 0, reason: FinishReason::Stop },
        ],
        ..Chunk::default()
    }
}

#[test]
fn log_probabilities_stand_beside_their_text() {
    let frames = frames(&header(), &scored(), false);
    let frames: Vec<Value> = frames.iter().map(|frame| serde_json::from_slice(frame).unwrap()).collect();
    insta::assert_json_snapshot!(frames);
    let mut fold = Fold::default();
    fold.push(scored());
    let whole: Value = serde_json::from_slice(&fold.finish(&header())).unwrap();
    assert_eq!(whole["choices"][0]["logprobs"], frames[1]["choices"][0]["logprobs"]);
}

#[test]
fn log_probabilities_without_text_stand_beside_the_finish() {
    let mut chunk = scored();
    chunk.events.remove(1);
    let last = frames(&header(), &chunk, false).pop().unwrap();
    let last: Value = serde_json::from_slice(&last).unwrap();
    assert_eq!(last["choices"][0]["logprobs"]["content"].as_array().unwrap().len(), 2);
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
}

#[test]
fn a_completion_is_written_in_openai_s_order() {
    let mut fold = Fold::default();
    fold.push(scored());
    fold.push(Chunk::of(Event::Finish { index: 1, reason: FinishReason::Other("x".into()) }));
    fold.push(Chunk::of(Event::Usage(Usage { prompt: 3, completion: 1, ..Usage::default() })));
    let wanted = concat!(
        r#"{"id":"chatcmpl-1","object":"chat.completion","created":7,"model":"starter","choices":["#,
        r#"{"index":0,"message":{"role":"assistant","content":"é!","refusal":null},"#,
        r#""logprobs":{"content":[{"token":"\\xc3","logprob":-1.5,"bytes":[195],"top_logprobs":[]},"#,
        r#"{"token":"\\xa9!","logprob":-9999.0,"bytes":[169,33],"top_logprobs":["#,
        r#"{"token":"!","logprob":-0.25,"bytes":[33]},{"token":"\\xc3","logprob":-9999.0,"bytes":[195]}]}],"#,
        r#""refusal":null},"finish_reason":"stop"},"#,
        r#"{"index":1,"message":{"role":"assistant","content":"","refusal":null},"#,
        r#""logprobs":null,"finish_reason":"x"}],"#,
        r#""usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4,"#,
        r#""prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}}"#
    );
    assert_eq!(fold.finish(&header()), wanted);
}

#[test]
fn a_whole_answer_keeps_its_bytes() {
    let mut fold = Fold::default();
    let raw = Bytes::from_static(b"{\"choices\": [1 ],\"new\":2}");
    fold.push(Chunk {
        raw: Some(raw.clone()),
        events: vec![Event::Whole { text: "x".into() }],
        ..Chunk::default()
    });
    assert_eq!(fold.finish(&header()), raw);
}

#[test]
fn the_envelope_has_all_four_keys() {
    let body = ErrorBody { message: "m", r#type: "t", param: None, code: None };
    assert_eq!(body.to_json(), br#"{"error":{"message":"m","type":"t","param":null,"code":null}}"#);
}
