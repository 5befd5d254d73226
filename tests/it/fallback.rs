//! When one backend cannot answer, another does where the policy allows it: before the first byte only, and it says so.

use crossover::config::Config;
use serde_json::{Value, json};

use crate::support::fault_proxy::FaultProxy;
use crate::support::gateway::{Gateway, chat};
use crate::support::raw_peer::RawUpstream;
use crate::support::reply::Reply;
use crate::support::scripted_upstream::ScriptedUpstream;
use crate::support::small_model::endless;

/// Local stands in for a remote whose default model does this.
async fn in_front_of(upstream: &ScriptedUpstream, model: &str, change: impl FnOnce(&mut Config)) -> Gateway {
    Gateway::with(&upstream.base_url(), |config| {
        config.local.enabled = true;
        config.remote.model = model.to_owned();
        change(config);
    })
    .await
}

fn brief(stream: bool) -> Value {
    let mut body = chat("auto", stream);
    body["max_tokens"] = json!(4);
    body
}

fn assert_served(reply: &Reply, route: &str, reason: &str) {
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!((reply.header("x-crossover-route"), reply.header("x-crossover-reason")), (route, reason));
}

#[tokio::test]
async fn a2_d8_a_failing_remote_is_replaced_before_the_first_byte() {
    let upstream = ScriptedUpstream::start().await;
    let faults = [
        ("fault:429", "rate_limit_exceeded"),
        ("fault:500", "upstream_error"),
        ("fault:401", "upstream_auth"),
        ("fault:quota", "insufficient_quota"),
        ("fault:html", "upstream_invalid_response"),
        ("fault:slow", "first_token_timeout"),
    ];
    for (model, kind) in faults {
        let gateway = in_front_of(&upstream, model, |config| {
            config.remote.first_token_timeout_ms = 300;
            config.remote.max_retry_after_seconds = 0;
        })
        .await;
        let reply = gateway.post(&brief(true)).await;
        assert_served(&reply, "local", "fallback");
        assert_eq!(reply.header("x-crossover-model"), "starter");
        reply.chunks();
        let moved = [("from", "remote"), ("to", "local"), ("reason", kind)];
        assert_eq!(gateway.sum("fallback_total", &moved).await, 1.0, "{kind}");
        let row = gateway.row();
        assert_eq!((&row["served_by"], &row["reason"]), (&json!("local"), &json!("fallback")));
        assert_eq!((&row["first_target"], &row["error"]), (&json!("remote"), &json!("none")));
    }
}

#[tokio::test]
async fn a7_a_refused_request_does_not_fall_back() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = in_front_of(&upstream, "fault:422", |_| {}).await;
    assert_eq!(gateway.post(&brief(false)).await.code(422), "scripted");
    assert_eq!(gateway.sum("fallback_total", &[]).await, 0.0);
}

#[tokio::test]
async fn a7_a_model_that_the_upstream_does_not_know_is_refused_only_to_who_named_it() {
    let body = br#"{"error":{"message":"The model does not exist","code":"model_not_found"}}"#;
    let upstream = RawUpstream::json("404 Not Found", "", body).await;
    let gateway = Gateway::with(&upstream.base_url(), |config| config.local.enabled = true).await;
    assert_served(&gateway.post(&brief(false)).await, "local", "fallback");
    let moved = [("from", "remote"), ("to", "local"), ("reason", "upstream_auth")];
    assert_eq!(gateway.sum("fallback_total", &moved).await, 1.0);
    assert_eq!(gateway.ask("remote").await.code(502), "upstream_auth");
    assert_eq!(gateway.ask("ok").await.code(404), "model_not_found");
}

/// Longer than the local context, and not surely so by the estimate.
fn too_long() -> Value {
    json!({ "model": "auto", "max_tokens": 4, "messages": [{ "role": "user", "content": "word ".repeat(1_500) }] })
}

#[tokio::test]
async fn d8_a_remote_that_is_down_is_replaced_or_refused_as_the_policy_says() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = in_front_of(&upstream, "fault:500", |config| {
        config.remote.max_retries = 0;
        config.remote.breaker_failures = 1;
        config.remote.breaker_open_ms = 60_000;
    })
    .await;
    assert_served(&gateway.post(&brief(false)).await, "local", "fallback");
    // From here on the breaker is open, and routing knows it.
    for stream in [false, true] {
        assert_served(&gateway.post(&brief(stream)).await, "local", "no_remote");
    }
    let known = [("from", "remote"), ("to", "local"), ("reason", "no_remote")];
    assert_eq!(gateway.sum("fallback_total", &known).await, 2.0);
    let strict = gateway.send(&[("x-crossover-route", "only-remote")], brief(false).to_string()).await;
    assert_eq!(strict.code(503), "no_remote");
    assert!(strict.retry_after().is_some_and(|seconds| (1..=75).contains(&seconds)), "{strict:?}");
    assert_eq!(gateway.ask("remote").await.code(503), "no_remote");
    let late = gateway.post(&too_long()).await;
    assert_eq!(late.code(503), "no_remote");
    assert!(late.retry_after().is_some(), "{late:?}");
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn d8_without_a_key_local_answers_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::with("https://api.openai.com/v1", |config| {
        config.local.enabled = true;
        config.remote.api_key_env = "CROSSOVER_TEST_NO_SUCH_VARIABLE".to_owned();
        config.ledger.path = Some(folder.path().join("elsewhere.sqlite"));
    })
    .await;
    assert_served(&gateway.post(&brief(false)).await, "local", "no_remote");
    let refused = gateway.ask("remote").await;
    assert_eq!(refused.code(503), "no_remote");
    assert!(refused.string().contains("OPENAI_API_KEY"));
    assert_eq!(refused.retry_after(), None, "waiting brings no key");
    assert_eq!(gateway.post(&too_long()).await.code(400), "context_length_exceeded");
    assert!(folder.path().join("elsewhere.sqlite").is_file());
}

#[tokio::test]
async fn b1_d8_with_nobody_left_the_last_failure_is_told() {
    let down = format!("http://{}/v1", FaultProxy::down().await);
    let gateway = Gateway::with(&down, |config| config.local.enabled = true).await;
    assert_served(&gateway.post(&brief(false)).await, "local", "fallback");
    // What the local model cannot do goes nowhere else.
    let mut body = brief(false);
    body["tools"] = json!([{ "type": "function", "function": { "name": "f" } }]);
    assert_eq!(gateway.post(&body).await.code(502), "upstream_connect");
}

#[tokio::test]
async fn d9_a_full_local_queue_spills_out_where_the_policy_allows_it() {
    let upstream = ScriptedUpstream::start().await;
    let folder = tempfile::tempdir().unwrap();
    let gateway = in_front_of(&upstream, "ok", |config| {
        config.policy = "local-first".to_owned();
        config.local.model = endless(folder.path()).display().to_string();
        config.local.max_streams = 1;
        config.local.queue = 1;
    })
    .await;
    let long = json!({ "model": "local", "stream": true, "max_tokens": 900, "n": 16, "temperature": 1.5, "seed": 1,
        "messages": [{ "role": "user", "content": "hi" }] });
    let running = gateway.open(&[], long.to_string()).await;
    let waiting = gateway.open(&[], long.to_string());
    let full = async {
        gateway.until("local_queue_depth", &[], 1.0).await;
        for stream in [false, true] {
            assert_served(&gateway.post(&brief(stream)).await, "remote", "local_busy");
        }
        let spilled = [("from", "local"), ("to", "remote"), ("reason", "local_busy")];
        assert_eq!(gateway.sum("fallback_total", &spilled).await, 2.0);
        let stays = gateway.send(&[("x-crossover-route", "only-local")], brief(false).to_string()).await;
        assert_eq!(stays.code(429), "local_busy");
        assert_eq!(stays.retry_after(), Some(1));
        let private = gateway.send(&[("x-crossover-tags", "private")], brief(false).to_string()).await;
        assert_eq!(private.code(429), "local_busy");
    };
    tokio::select! {
        () = full => {}
        _ = waiting => panic!("the queue was not full"),
    }
    assert_eq!(upstream.seen().len(), 2);
    drop(running);
    gateway.until("local_active", &[], 0.0).await;
    gateway.until("requests_in_flight", &[], 0.0).await;
    assert_served(&gateway.post(&brief(false)).await, "local", "default");
}
