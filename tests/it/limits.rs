//! Nothing that clients send grows without bound: requests at once, series, files and tasks.

use futures_util::StreamExt;
use serde_json::json;

use crate::support::gateway::{Gateway, chat};
use crate::support::process::Setup;
use crate::support::remote_house::until;
use crate::support::reply::Reply;
use crate::support::scripted_upstream::ScriptedUpstream;

#[tokio::test]
async fn too_many_at_once_are_turned_away_and_the_permit_lives_in_the_stream() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::with(&upstream.base_url(), |config| config.server.max_in_flight = 2).await;
    let mut streams = vec![];
    for _ in 0..2 {
        streams.push(gateway.open(&[], chat("slowstream", true).to_string()).await);
    }
    let reply = gateway.ask("ok").await;
    assert_eq!((reply.code(503).as_str(), reply.retry_after()), ("overloaded", Some(1)));
    streams.pop();
    gateway.until("requests_in_flight", &[], 1.0).await;
    assert_eq!(gateway.ask("ok").await.status, 200);
}

#[tokio::test]
async fn d19_the_bodies_of_all_requests_share_a_bounded_memory() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::with(&upstream.base_url(), |config| {
        config.server.max_body_bytes = 1 << 20;
        config.server.body_memory_mib = 1;
    })
    .await;
    let mut body = chat("fault:hang", false);
    body["x"] = json!("");
    let rest = (1 << 20) - body.to_string().len();
    body["x"] = json!("a".repeat(rest));
    tokio::select! {
        _ = gateway.open(&[], body.to_string()) => panic!("an answer"),
        () = async {
            until(|| !upstream.seen().is_empty()).await;
            let refused = gateway.ask("ok").await;
            assert_eq!((refused.code(503).as_str(), refused.retry_after()), ("overloaded", Some(1)));
            let models = gateway.client().get(gateway.url("/v1/models")).send().await.unwrap();
            assert_eq!(models.status(), 200, "it has no body");
        } => {}
    }
    // The client has left, and its request is dropped with the body.
    gateway.until("requests_in_flight", &[], 0.0).await;
    assert_eq!(gateway.ask("ok").await.status, 200);
}

#[tokio::test]
async fn what_asks_no_model_is_counted_only_where_it_is_refused() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::start(&upstream.base_url()).await;
    let explain = async |model: &str| {
        let request =
            gateway.client().post(gateway.url("/v1/route")).header("content-type", "application/json");
        request.body(chat(model, false).to_string()).send().await.unwrap().status()
    };
    for path in ["/v1/models", "/v1/models/ok"] {
        let listed = gateway.client().get(gateway.url(path)).send().await.unwrap();
        assert_eq!(listed.status(), 200);
        assert!(listed.headers()["x-request-id"].to_str().unwrap().starts_with("req_"), "{path}");
    }
    assert_eq!(explain("auto").await, 200);
    assert_eq!((gateway.sum("requests_total", &[]).await, gateway.rows().len()), (0.0, 0));
    assert_eq!(explain("nobody").await, 404);
    assert_eq!((gateway.sum("requests_total", &[]).await, gateway.rows().len()), (1.0, 1));
}

#[tokio::test]
async fn f12_f13_unknown_names_tags_and_users_make_no_series() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::start(&upstream.base_url()).await;
    let ask = async |at: usize| {
        let mut body = chat(&format!("a\",x=\"{at}\n\\"), false);
        body["user"] = json!(format!("user-{at}"));
        let tag = format!("tag-{at}");
        let headers = [("x-crossover-tags", tag.as_str()), ("x-crossover-session", tag.as_str())];
        gateway.send(&headers, body.to_string()).await.status
    };
    assert_eq!(ask(0).await, 404);
    assert_eq!(gateway.ask("ok").await.status, 200);
    let before = gateway.metrics().await.series();
    let asked = futures_util::stream::iter(1..=10_000).map(ask).buffer_unordered(8);
    assert_eq!(asked.filter(|status| std::future::ready(*status == 404)).count().await, 10_000);
    for at in 0..50 {
        let tag = format!("tag-{at}");
        assert_eq!(
            gateway.send(&[("x-crossover-tags", &tag)], chat("ok", false).to_string()).await.status,
            200
        );
    }
    // Every line of the page is read strictly, so that a broken label would show.
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.series(), before);
    assert_eq!(metrics.sum("requests_total", &[("status", "404"), ("error", "model_not_found")]), 10_001.0);
}

#[tokio::test]
async fn a_hundred_faults_of_every_kind_leave_nothing_open() {
    let upstream = ScriptedUpstream::start().await;
    // With its breaker open a model would not be asked.
    let setup = Setup::remote_only(&upstream.base_url(), "[server]\nmax-body-bytes = 4096\n");
    let gateway = setup.env("CROSSOVER__REMOTE__BREAKER_FAILURES", "1000").serve().await;
    let mut before = 0;
    for round in 0..=100 {
        for model in ["fault:cut", "fault:errmid", "nobody", "ok"] {
            let reply = gateway.post(&[], &chat(model, round % 2 == 0)).await;
            assert!(reply.status < 500, "{reply:?}");
        }
        assert_eq!(gateway.post(&[], &json!({ "model": 7 })).await.status, 400);
        let big = json!({ "model": "ok", "x": "a".repeat(5_000) });
        assert_eq!(gateway.post(&[], &big).await.status, 413);
        if round % 10 == 0 {
            assert_eq!(gateway.post(&[], &chat("fault:500", false)).await.status, 502);
        }
        let mut left = gateway.open(&[], &chat("slowstream", true)).await.unwrap();
        left.chunk().await.unwrap();
        drop(left);
        if round == 0 {
            until(|| upstream.answers_live() == 0).await;
            before = gateway.descriptors();
        }
    }
    until(|| upstream.answers_live() == 0).await;
    // Each request came over a connection of its own; those to the upstream may be kept.
    until(|| gateway.descriptors() <= before + 8).await;
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("requests_in_flight", &[]), 0.0);
    assert_eq!(metrics.sum("requests_total", &[("status", "499")]), 101.0);
    gateway.signal("TERM");
    let ended = gateway.ended().await;
    assert!(ended.status.success() && !ended.stderr.contains("panicked"), "{}", ended.stderr);
}

#[tokio::test]
async fn control_headers_that_make_no_sense_are_refused() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::start(&upstream.base_url()).await;
    let body = chat("ok", false).to_string();
    for (name, value) in [
        ("x-crossover-route", "home"),
        ("x-crossover-debug", "yes"),
        ("x-crossover-tags", "a,,b"),
        ("x-crossover-session", "with space"),
        ("x-crossover-rouet", "auto"),
    ] {
        let error = gateway.send(&[(name, value)], body.clone()).await.error(400);
        assert_eq!((&error["code"], &error["param"]), (&json!("invalid_header"), &json!(name)));
    }
    let twice = [("x-crossover-route", "auto"), ("x-crossover-route", "auto")];
    let request = twice.iter().fold(
        gateway.client().post(gateway.url("/v1/chat/completions")).header("content-type", "application/json"),
        |request, (name, value)| request.header(*name, *value),
    );
    assert_eq!(Reply::read(request.body(body).send().await.unwrap()).await.code(400), "invalid_header");
    assert_eq!(upstream.bytes_received(), 0);
}
