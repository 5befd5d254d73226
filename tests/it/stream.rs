//! A stream arrives as it was sent, whole or visibly broken: an error event and no `[DONE]` where it broke off.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::support::fault_proxy::{FaultProxy, Mode};
use crate::support::gateway::{Gateway, ONE_ANSWER, chat};
use crate::support::raw_peer::{RawUpstream, Then};
use crate::support::reply::text;
use crate::support::scripted_upstream::{ScriptedUpstream, TEXT};

#[tokio::test]
async fn a15_unknown_fields_pass_both_ways_untouched() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::start(&upstream.base_url()).await;
    let body = r#"{"x_first" : 1.50, "model":"ok", "messages":[{"role":"user","content":"hi","x":[1e2]}],"metadata":{"a":"b"} }"#;
    let reply = gateway.send(&[], body).await;
    assert_eq!(reply.status, 200);
    assert_eq!(upstream.seen()[0].body, body.as_bytes(), "the upstream gets the client's bytes");
    assert_eq!(
        (&reply.json()["x_unknown"], &reply.json()["choices"][0]["message"]["x_unknown"]),
        (&json!([1]), &json!(1))
    );
    let stream = gateway.ask_stream("ok").await;
    assert!(stream.chunks().iter().all(|chunk| chunk["x_unknown"]["a"] == json!(1.5)), "{stream:?}");
    assert!(stream.string().contains(r#"{"a":1.5}"#));
    assert_eq!(text(&stream.chunks()), TEXT);

    let odd = concat!(
        "event: ping\ndata: pong\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\",\"x\":1}}],\"y\":[]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"x_reason\"}]}\n\ndata: [DONE]\n\n",
    );
    let upstream = RawUpstream::events(odd, Then::Close).await;
    let gateway = Gateway::start(&upstream.base_url()).await;
    let events = gateway.ask_stream("m").await.events();
    assert_eq!(events[0], r#"{"choices":[{"index":0,"delta":{"content":"a","x":1}}],"y":[]}"#);
    assert_eq!((events.len(), events[1].contains("x_reason")), (3, true));
}

#[tokio::test]
async fn b7_b8_b9_c17_slow_and_sliced_connections_change_nothing() {
    let upstream = ScriptedUpstream::start().await;
    let direct = Gateway::start(&upstream.base_url()).await;
    let modes = [
        Mode::Slicer(1),
        Mode::Slicer(7),
        Mode::Latency(Duration::from_millis(30)),
        Mode::Bandwidth(16 * 1024),
    ];
    for mode in modes {
        let proxy = FaultProxy::start(upstream.address, mode).await;
        let gateway = Gateway::start(&proxy.base_url()).await;
        for model in ["ok", "tools"] {
            let (got, want) = (gateway.ask_stream(model).await, direct.ask_stream(model).await);
            assert_eq!(got.events(), want.events(), "{mode:?}");
        }
        assert_eq!(gateway.ask("ok").await.body, direct.ask("ok").await.body);
    }
    let tools = direct.ask_stream("tools").await.chunks();
    let piece =
        |chunk: &Value| chunk["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"].clone();
    let arguments: String =
        tools.iter().filter_map(|chunk| piece(chunk).as_str().map(str::to_owned)).collect();
    assert_eq!(arguments, "{\"city\":\"Köln\"}");
}

#[tokio::test]
async fn c1_c2_c3_a_broken_stream_ends_in_an_error_event_and_is_billed() {
    let upstream = ScriptedUpstream::start().await;
    for (model, mode, code) in [
        ("fault:cut", Mode::Pass, "upstream_truncated"),
        ("fault:errmid", Mode::Pass, "upstream_stream_error"),
        ("slowstream", Mode::Reset(2_000), "upstream_truncated"),
        ("slowstream", Mode::Limit(2_000), "upstream_truncated"),
    ] {
        let proxy = FaultProxy::start(upstream.address, mode).await;
        let gateway = Gateway::start(&proxy.base_url()).await;
        let reply = gateway.ask_stream(model).await;
        let (chunks, error) = reply.broken();
        assert!(!text(&chunks).is_empty(), "{reply:?}");
        assert_eq!((&error["code"], &error["type"]), (&json!(code), &json!("upstream_error")));
        assert!(!reply.string().contains("canary"));
        let row = gateway.row();
        assert_eq!(
            (&row["status"], &row["error"], &row["served_by"]),
            (&json!(200), &json!(code), &json!("remote"))
        );
        assert!(
            row["completion_tokens"].as_i64().unwrap() > 0 && row["cost_micros"].as_i64().unwrap() > 0,
            "{row}"
        );
        assert_eq!(row["tokens_estimated"], 1);
        assert_eq!(row["attempts"].as_array().unwrap().len(), 1, "no retry once bytes are out");
        let metrics = gateway.metrics().await;
        assert_eq!(metrics.sum("requests_total", &[("status", "200"), ("error", code)]), 1.0);
    }
}

#[tokio::test]
async fn c5_silence_in_mid_stream_is_an_error_event_and_no_fallback() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::with(&upstream.base_url(), |config| {
        config.local.enabled = true;
        config.remote.model = "fault:stall".to_owned();
        config.remote.idle_timeout_ms = 300;
    })
    .await;
    let reply = gateway.ask_stream("auto").await;
    assert_eq!(reply.header("x-crossover-route"), "remote");
    let (chunks, error) = reply.broken();
    assert_eq!((text(&chunks).as_str(), &error["code"]), ("Two words", &json!("idle_timeout")));
    assert_eq!((upstream.seen().len(), gateway.sum("fallback_total", &[]).await), (1, 0.0));
}

#[tokio::test]
async fn c6_odd_but_legal_events_arrive_as_plain_ones() {
    let events = concat!(
        "\u{feff}: keep-alive\r\n\r\nid: 7\r\nretry: 10\r\nevent: message\r\n",
        "data: {\"choices\":\r\ndata: [{\"index\":0,\"delta\":{\"content\":\"ä\"}}]}\r\n\r\n",
        "data:{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"}}]}\r\r",
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\r\n\r\n",
    );
    let upstream = RawUpstream::events(events, Then::Hold).await;
    let gateway = Gateway::start(&upstream.base_url()).await;
    let chunks = gateway.ask_stream("m").await.chunks();
    assert_eq!((text(&chunks).as_str(), chunks.len()), ("äb", 3));
}

#[tokio::test]
async fn c8_c10_c11_usage_of_every_form_is_counted_once_and_shown_when_asked_for() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::start(&upstream.base_url()).await;
    for (model, asked) in [
        ("ok", false),
        ("ok", true),
        ("usage:always", false),
        ("usage:choices", false),
        ("usage:choices", true),
    ] {
        let mut body = chat(model, true);
        if asked {
            body["stream_options"] = json!({ "include_usage": true });
        }
        let chunks = gateway.post(&body).await.chunks();
        let shown = chunks.iter().filter(|chunk| chunk["usage"].is_object()).count();
        let beside = model == "usage:choices";
        assert_eq!(shown, usize::from(asked || beside), "{model} {asked}");
        assert!(
            asked || chunks.iter().all(|chunk| chunk["choices"][0].is_object()),
            "{model}: a hidden chunk shows"
        );
        let row = gateway.rows().pop().unwrap();
        let counts =
            ["prompt_tokens", "cached_prompt_tokens", "completion_tokens"].map(|name| row[name].as_i64());
        assert_eq!(counts, [Some(11), Some(4), Some(7)], "{model}");
        assert_eq!((row["cost_micros"].as_i64(), &row["tokens_estimated"]), (Some(ONE_ANSWER), &json!(0)));
    }
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("tokens_total", &[("kind", "prompt"), ("estimated", "false")]), 55.0);
    assert_eq!(metrics.sum("tokens_total", &[("kind", "cached_prompt")]), 20.0);
    assert_eq!(metrics.sum("tokens_total", &[("estimated", "true")]), 0.0);
}

#[tokio::test]
async fn c9_usage_that_never_comes_is_estimated_and_says_so() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::start(&upstream.base_url()).await;
    let stream = gateway.ask_stream("usage:never").await;
    assert_eq!(text(&stream.chunks()), TEXT);
    assert!(!stream.string().contains("usage"), "the client's stream is untouched");
    assert_eq!(gateway.ask("usage:never").await.json()["usage"], Value::Null);
    for row in gateway.rows() {
        assert_eq!(row["tokens_estimated"], 1);
        assert!(row["completion_tokens"].as_i64().unwrap() > 0 && row["cost_micros"].as_i64().unwrap() > 0);
    }
    let metrics = gateway.metrics().await;
    assert!(metrics.sum("tokens_total", &[("kind", "completion"), ("estimated", "true")]) > 0.0);
    assert_eq!(metrics.sum("tokens_total", &[("estimated", "false")]), 0.0);
}

#[tokio::test]
async fn c16_a_silent_stream_is_kept_alive_by_comments_but_never_committed_by_them() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::with(&upstream.base_url(), |config| {
        config.server.heartbeat_seconds = 1;
        config.remote.idle_timeout_ms = 2_600;
        config.remote.first_token_timeout_ms = 1_500;
    })
    .await;
    let (silent, uncommitted) =
        tokio::join!(gateway.ask_stream("fault:stall"), gateway.ask_stream("fault:slow"));
    let comments = silent.string().matches(": keep-alive\n\n").count();
    assert!((1..=2).contains(&comments), "{silent:?}");
    assert_eq!(silent.broken().1["code"], "idle_timeout");
    assert_eq!(uncommitted.code(504), "first_token_timeout");
}

#[tokio::test]
async fn chunks_arrive_one_by_one_and_not_at_the_end() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::start(&upstream.base_url()).await;
    let response = gateway.open(&[], chat("slowstream", true).to_string()).await;
    let mut reads = response.bytes_stream();
    for _ in 0..5 {
        reads.next().await.unwrap().unwrap();
    }
    assert_eq!(upstream.answers_live(), 1, "the upstream is still writing");
}
