//! A client that leaves stops the work at once, wherever it runs, and is billed for what it had.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::support::gateway::{Gateway, chat};
use crate::support::raw_peer::{RawUpstream, Then};
use crate::support::remote_house::until;
use crate::support::scripted_upstream::ScriptedUpstream;
use crate::support::small_model::endless;

/// Less than anything here would go on for by itself: 5 s until a timeout, and longer streams.
const AT_ONCE: Duration = Duration::from_secs(3);

/// The row of a client that left, once it is there.
async fn row_of_one_who_left(gateway: &Gateway) -> Value {
    gateway.until("requests_in_flight", &[], 0.0).await;
    let left = [("status", "499"), ("error", "client_closed")];
    assert_eq!(gateway.sum("requests_total", &left).await, 1.0);
    let row = gateway.row();
    assert_eq!((&row["status"], &row["error"]), (&json!(499), &json!("client_closed")));
    assert_eq!(row["attempts"][0]["outcome"], "cancelled");
    row
}

#[tokio::test]
async fn c12_leaving_a_remote_stream_cancels_it_and_is_billed() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::start(&upstream.base_url()).await;
    let response = gateway.open(&[], chat("slowstream", true).to_string()).await;
    let mut reads = response.bytes_stream();
    for _ in 0..5 {
        reads.next().await.unwrap().unwrap();
    }
    assert_eq!((upstream.answers_live(), gateway.sum("requests_in_flight", &[]).await), (1, 1.0));
    drop(reads);
    let took = until(|| upstream.answers_live() == 0 && upstream.connections_live() == 0).await;
    assert!(took < AT_ONCE, "{took:?}");
    let row = row_of_one_who_left(&gateway).await;
    assert_eq!((&row["served_by"], &row["model"]), (&json!("remote"), &json!("slowstream")));
    assert!(
        row["completion_tokens"].as_i64().unwrap() > 0 && row["cost_micros"].as_i64().unwrap() > 0,
        "{row}"
    );
    assert_eq!(row["tokens_estimated"], 1);
}

#[tokio::test]
async fn c12_leaving_before_the_first_byte_cancels_too() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::start(&upstream.base_url()).await;
    for stream in [false, true] {
        let asked = gateway.open(&[], chat("fault:hang", stream).to_string());
        let live = until(|| upstream.answers_live() == 1);
        tokio::select! {
            _ = asked => panic!("an answer"),
            _ = live => {}
        }
        let took = until(|| upstream.answers_live() == 0).await;
        assert!(took < AT_ONCE, "{took:?}");
    }
    gateway.until("requests_in_flight", &[], 0.0).await;
    for row in gateway.rows() {
        assert_eq!((&row["status"], &row["served_by"]), (&json!(499), &Value::Null));
        assert!(
            row["cost_micros"].as_i64().unwrap() > 0,
            "the upstream had the request, and may bill it: {row}"
        );
    }
}

#[tokio::test]
async fn c12_leaving_a_local_stream_stops_the_engine_and_is_billed() {
    let upstream = ScriptedUpstream::start().await;
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::with(&upstream.base_url(), |config| {
        config.local.enabled = true;
        config.local.model = endless(folder.path()).display().to_string();
    })
    .await;
    let ask = json!({ "model": "local", "stream": true, "max_tokens": 900, "n": 16, "temperature": 1.5, "seed": 1,
        "messages": [{ "role": "user", "content": "hi" }] });
    let response = gateway.open(&[], ask.to_string()).await;
    assert_eq!(response.headers()["x-crossover-route"], "local");
    let mut reads = response.bytes_stream();
    let mut text = String::new();
    while text.matches("\"content\":\"").count() < 40 {
        text.push_str(&String::from_utf8_lossy(&reads.next().await.unwrap().unwrap()));
    }
    assert!(gateway.sum("local_active", &[]).await > 0.0);
    let start = Instant::now();
    drop(reads);
    gateway.until("local_active", &[], 0.0).await;
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    let row = row_of_one_who_left(&gateway).await;
    assert_eq!((&row["served_by"], &row["model"]), (&json!("local"), &json!("starter")));
    assert!(
        row["completion_tokens"].as_i64().unwrap() > 0 && row["cost_micros"].as_i64().unwrap() > 0,
        "{row}"
    );
    // A client of a whole answer that leaves stops the engine too.
    let mut whole = ask.clone();
    whole["stream"] = json!(false);
    tokio::select! {
        _ = gateway.open(&[], whole.to_string()) => panic!("an answer"),
        _ = gateway.until("local_active", &[], 8.0) => {}
    }
    let took = gateway.until("local_active", &[], 0.0).await;
    assert!(took < AT_ONCE, "{took:?}");
    assert_eq!(upstream.bytes_received(), 0);
    let next =
        json!({ "model": "local", "max_tokens": 3, "messages": [{ "role": "user", "content": "hi" }] });
    assert_eq!(timeout(Duration::from_secs(20), gateway.post(&next)).await.unwrap().status, 200);
}

#[tokio::test]
async fn c13_a_client_that_reads_nothing_is_given_up_and_holds_nobody_else() {
    let piece = json!({ "choices": [{ "index": 0, "delta": { "content": "x".repeat(60_000) } }] });
    let events = format!("data: {piece}\n\n").repeat(1_000);
    let upstream = RawUpstream::events(events, Then::Hold).await;
    let gateway = Gateway::with(&upstream.base_url(), |config| {
        config.server.write_timeout_seconds = 1;
        config.remote.idle_timeout_ms = 60_000;
    })
    .await;
    let body = chat("m", true).to_string();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut deaf = TcpStream::connect(gateway.address).await.unwrap();
    deaf.write_all(&[head.as_bytes(), body.as_bytes()].concat()).await.unwrap();
    gateway.until("requests_in_flight", &[], 1.0).await;
    assert_eq!(gateway.ask("nobody").await.status, 404, "others are answered");
    gateway.until("requests_in_flight", &[], 0.0).await;
    let row = gateway.rows().into_iter().find(|row| row["model"] == "m").unwrap();
    assert_eq!((&row["status"], &row["error"]), (&json!(499), &json!("client_closed")));
    assert!(row["completion_tokens"].as_i64().unwrap() < 60_000_000 / 4, "the rest stayed with the upstream");
    drop(deaf);
}
