//! Every request is counted once, by the status that its client saw, and priced by what was billed.

use std::collections::BTreeMap;

use crossover::config::LocalConfig;
use serde_json::{Value, json};

use crate::support::gateway::{Gateway, ONE_ANSWER, chat};
use crate::support::reply::Reply;
use crate::support::scripted_upstream::ScriptedUpstream;

/// How often each status was seen.
type Counts = BTreeMap<String, usize>;

/// Every kind of answer and failure, counted by the client.
async fn mixed_traffic(gateway: &Gateway) -> Counts {
    let models = [
        "ok",
        "tools",
        "auto",
        "local",
        "nobody",
        "usage:never",
        "fault:400",
        "fault:401",
        "fault:404",
        "fault:422",
        "fault:429",
        "fault:500",
        "fault:quota",
        "fault:garbage",
        "fault:html",
        "fault:err200",
        "fault:nochoices",
        "fault:hang",
        "fault:slow",
        "fault:stall",
        "fault:cut",
        "fault:nodone",
        "fault:errmid",
        "fault:empty",
    ];
    let mut own = Counts::new();
    let mut count = |status: u16| *own.entry(status.to_string()).or_default() += 1;
    for model in models {
        for stream in [false, true] {
            let mut body = chat(model, stream);
            body["max_tokens"] = json!(3);
            count(gateway.post(&body).await.status);
        }
    }
    for body in ["{", "{}", "[]"] {
        count(gateway.send(&[], body).await.status);
    }
    count(gateway.send(&[], "x".repeat(5_000)).await.status);
    count(gateway.send(&[("content-type", "text/plain")], "x").await.status);
    count(gateway.send(&[("x-crossover-route", "x")], "x").await.status);
    let forced = [("x-crossover-route", "only-remote")];
    count(gateway.send(&forced, chat("offline", false).to_string()).await.status);
    for path in ["/nowhere", "/v1/chat/completions", "/v1/models/nobody"] {
        count(gateway.client().get(gateway.url(path)).send().await.unwrap().status().as_u16());
    }
    let mut left = gateway.open(&[], chat("slowstream", true).to_string()).await;
    left.chunk().await.unwrap();
    drop(left);
    count(499);
    gateway.until("requests_in_flight", &[], 0.0).await;
    own
}

#[tokio::test]
async fn g1_the_counts_by_status_are_the_clients_own() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::with(&upstream.base_url(), |config| {
        config.local.enabled = true;
        config.server.max_body_bytes = 4_096;
        config.remote.first_token_timeout_ms = 300;
        config.remote.whole_timeout_ms = 300;
        config.remote.idle_timeout_ms = 300;
        config.remote.max_retries = 0;
    })
    .await;
    let own = mixed_traffic(&gateway).await;
    let metrics = gateway.metrics().await;
    let mut counted = Counts::new();
    for status in metrics.values("requests_total", "status") {
        counted.insert(status.to_owned(), metrics.sum("requests_total", &[("status", status)]) as usize);
    }
    assert_eq!(counted, own);
    let mut in_ledger = Counts::new();
    let mut attempts = 0;
    for row in gateway.rows() {
        *in_ledger.entry(row["status"].to_string()).or_default() += 1;
        attempts += row["attempts"].as_array().unwrap().len();
        assert_eq!(row["origin"], "live");
    }
    assert_eq!(in_ledger, own, "the ledger says the same");
    assert_eq!(metrics.sum("attempts_total", &[]) as usize, attempts);
    assert!(own.len() >= 12, "a mix of statuses: {own:?}");
}

#[tokio::test]
async fn g6_a_model_without_a_price_is_flagged_and_never_free() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::start(&upstream.base_url()).await;
    for stream in [false, true] {
        assert_eq!(gateway.post(&chat("tools", stream)).await.status, 200);
    }
    for row in gateway.rows() {
        assert_eq!((&row["cost_micros"], &row["if_remote_micros"]), (&Value::Null, &Value::Null));
        assert_eq!(row["prompt_tokens"], 11);
    }
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("unpriced_requests_total", &[("backend", "remote")]), 2.0);
    assert_eq!(metrics.sum("cost_usd_total", &[]), 0.0);
}

#[tokio::test]
async fn a_row_tells_the_whole_story_of_a_request() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::with(&upstream.base_url(), |config| {
        config.local.enabled = true;
        config.classifier.enabled = true;
    })
    .await;
    assert_eq!(gateway.ask_stream("auto").await.status, 200);
    let row = gateway.row();
    let wanted = [
        ("origin", json!("live")),
        ("policy", json!("remote-first")),
        ("reason", json!("default")),
        ("first_target", json!("remote")),
        ("served_by", json!("remote")),
        ("model", json!("ok")),
        ("status", json!(200)),
        ("error", json!("none")),
        ("cost_micros", json!(ONE_ANSWER)),
        ("if_remote_model", json!("ok")),
        ("if_remote_micros", json!(ONE_ANSWER)),
        ("tokens_estimated", json!(0)),
    ];
    for (name, value) in wanted {
        assert_eq!(row[name], value, "{name}");
    }
    let score = row["local_ok"].as_f64().expect("the verdict is recorded although it does not steer");
    assert!((0.0..=1.0).contains(&score));
    let [decided, first, total] =
        ["decided_us", "first_chunk_us", "total_us"].map(|name| row[name].as_i64().unwrap());
    assert!(0 < decided && decided <= first && first <= total, "{row}");

    let local =
        json!({ "model": "local", "max_tokens": 3, "messages": [{ "role": "user", "content": "hi" }] });
    assert_eq!(gateway.post(&local).await.status, 200);
    let row = gateway.rows().pop().unwrap();
    assert_eq!((&row["served_by"], &row["reason"]), (&json!("local"), &json!("requested")));
    assert!(row["cost_micros"].as_i64().unwrap() > 0, "local is never free: {row}");
    assert!(row["if_remote_micros"].as_i64().unwrap() > 0 && row["if_remote_model"] == "ok");
    let metrics = gateway.metrics().await;
    for name in ["cost_usd_total", "first_chunk_seconds_count", "request_duration_seconds_count"] {
        for backend in ["local", "remote"] {
            assert!(metrics.sum(name, &[("backend", backend)]) > 0.0, "{name} {backend}");
        }
    }
    assert_eq!(metrics.sum("decisions_total", &[]), 2.0);
}

/// Where a chat request would go.
async fn explain(gateway: &Gateway, body: Value) -> Reply {
    let request = gateway.client().post(gateway.url("/v1/route")).header("content-type", "application/json");
    Reply::read(request.body(body.to_string()).send().await.unwrap()).await
}

#[tokio::test]
async fn an_exact_model_is_named_and_priced_where_its_decision_is_explained() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::with(&upstream.base_url(), |config| {
        let file = config.ledger.prices.clone().unwrap();
        let prices = std::fs::read_to_string(&file).unwrap();
        let dear = prices.replace("\"m\" = { input = 1000000,", "\"m\" = { input = 3000000,");
        assert_ne!(dear, prices);
        std::fs::write(&file, dear).unwrap();
    })
    .await;
    for (model, answers, price) in [("auto", "ok", Some(1)), ("m", "m", Some(3)), ("tools", "tools", None)] {
        let mut body = chat(model, false);
        body["max_tokens"] = json!(5);
        let told = explain(&gateway, body).await.json();
        let prompt = told["signals"]["prompt_tokens"].as_i64().unwrap();
        let cost = price.map(|price: i64| price * prompt + 2 * 5);
        let estimate = &told["cost_estimates"][0];
        assert_eq!((&estimate["model"], &estimate["cost_micros"]), (&json!(answers), &json!(cost)), "{told}");
    }
}

#[tokio::test]
async fn explaining_a_decision_calls_nobody() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::with(&upstream.base_url(), |config| {
        config.local.enabled = true;
        config.classifier.enabled = true;
    })
    .await;
    let told = explain(&gateway, chat("auto", false)).await.json();
    assert_eq!(told["targets"], json!(["remote", "local"]), "{told}");
    assert_eq!(
        (&told["policy"]["name"], &told["reason"]),
        (&json!("remote-first"), &json!("default")),
        "{told}"
    );
    let predicted = told["verdict"]["expected_output_tokens"].as_i64().unwrap();
    assert!(predicted > 1, "{told}");
    for (most, answer) in [(None, predicted), (Some(1), 1)] {
        let mut body = chat("auto", false);
        body["max_tokens"] = json!(most);
        let told = explain(&gateway, body).await.json();
        let [remote, local] = told["cost_estimates"].as_array().unwrap().as_slice() else { panic!("{told}") };
        let prompt = told["signals"]["prompt_tokens"].as_i64().unwrap();
        assert_eq!(remote["cost_micros"], json!(prompt + 2 * answer), "{told}");
        let assumed = local["assumes"].as_str().unwrap();
        assert!(assumed.starts_with(&format!("{answer} answer tokens")), "{told}");
        // A hundred tokens a second of a machine that has its price by the hour.
        let cost = LocalConfig::default().hourly_usd() / 3600.0 * (answer as f64 / 100.0) * 1e6;
        assert_eq!(local["cost_micros"], json!(cost.ceil().max(1.0) as i64), "{told}");
    }
    assert_eq!(explain(&gateway, chat("nobody", false)).await.code(404), "model_not_found");
    assert_eq!(explain(&gateway, json!({ "model": "auto", "messages": [] })).await.code(400), "empty_array");
    assert_eq!((upstream.bytes_received(), gateway.sum("attempts_total", &[]).await), (0, 0.0));
}
