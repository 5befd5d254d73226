//! The promise of `/v1/embeddings`: OpenAI's shapes, from a model that never leaves the machine, on the record like the rest.

use std::path::{Path, PathBuf};

use axum::body::Body;
use crossover::config::Config;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::support::gateway::Gateway;
use crate::support::reply::Reply;
use crate::support::scripted_upstream::ScriptedUpstream;
use crate::support::tools::{Served, finish, folder, root, said, skip, tool};

fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/embedder")
}

async fn house(upstream: &ScriptedUpstream) -> Gateway {
    house_with(upstream, |_| {}).await
}

async fn house_with(upstream: &ScriptedUpstream, change: impl FnOnce(&mut Config)) -> Gateway {
    Gateway::with(&upstream.base_url(), |config| {
        change(config);
        config.embeddings.enabled = true;
        config.embeddings.threads = 1;
        config.embeddings.model = model().display().to_string();
        config.aliases.insert("text-embedding-3-small".to_owned(), "embedder".to_owned());
    })
    .await
}

async fn embed(gateway: &Gateway, headers: &[(&str, &str)], body: &Value) -> Reply {
    send(gateway, headers, body.to_string()).await
}

async fn send(gateway: &Gateway, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Reply {
    let mut request = gateway.client().post(gateway.url("/v1/embeddings")).body(body);
    request = request.header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Reply::read(request.send().await.unwrap()).await
}

fn reference() -> Vec<Value> {
    serde_json::from_slice(&std::fs::read(model().join("reference.json")).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn assert_close(one: &Value, other: &Value) {
    let (one, other) = (numbers(one), numbers(other));
    assert_eq!(one.len(), other.len());
    assert!(one.iter().zip(&other).all(|(one, other)| (one - other).abs() < 1e-5), "{one:?} {other:?}");
}

#[tokio::test]
async fn texts_become_vectors_in_order_and_on_the_record() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = house(&upstream).await;
    let before = gateway.metrics().await;
    assert!(before.values("requests_total", "backend").contains(&"embeddings"), "there from the start");
    let rows = reference();
    let texts: Vec<&Value> = rows[..4].iter().map(|row| &row["text"]).collect();
    let reply = embed(&gateway, &[], &json!({ "model": "text-embedding-3-small", "input": texts })).await;
    let body = reply.json();
    assert_eq!((reply.status, &body["object"], &body["model"]), (200, &json!("list"), &json!("embedder")));
    assert_eq!(reply.header("x-crossover-route"), "local");
    assert_eq!(reply.header("x-crossover-model"), "embedder");
    for (at, row) in rows[..4].iter().enumerate() {
        assert_eq!(
            (&body["data"][at]["object"], &body["data"][at]["index"]),
            (&json!("embedding"), &json!(at))
        );
        assert_close(&body["data"][at]["embedding"], &row["mean"]["unit"]);
    }
    let tokens: usize = rows[..4].iter().map(|row| row["ids"].as_array().unwrap().len()).sum();
    assert_eq!(body["usage"], json!({ "prompt_tokens": tokens, "total_tokens": tokens }));
    let row = gateway.row();
    assert_eq!(row["id"], reply.header("x-request-id"));
    assert_eq!((&row["served_by"], &row["model"]), (&json!("embeddings"), &json!("embedder")));
    assert_eq!(
        (&row["status"], &row["error"], &row["prompt_tokens"]),
        (&json!(200), &json!("none"), &json!(tokens))
    );
    assert!(row["cost_micros"].is_i64() && row["if_remote_micros"].is_null(), "it saves nothing: {row}");
    let labels = [("backend", "embeddings"), ("kind", "prompt")];
    assert_eq!(gateway.sum("tokens_total", &labels).await, tokens as f64);
    assert_eq!(gateway.sum("requests_total", &[("backend", "embeddings"), ("status", "200")]).await, 1.0);
    assert_eq!(upstream.bytes_received(), 0);
}

#[tokio::test]
async fn every_form_of_request_is_answered() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = house(&upstream).await;
    let row = &reference()[1];
    for input in [row["text"].clone(), row["ids"].clone(), json!([row["ids"]])] {
        let body = json!({ "model": "embedder", "input": input, "dimensions": 8, "user": "u" });
        assert_close(
            &embed(&gateway, &[], &body).await.json()["data"][0]["embedding"],
            &row["mean"]["eight"],
        );
    }
    let body = json!({ "model": "embedder", "input": row["text"], "encoding_format": "base64" });
    let coded = embed(&gateway, &[], &body).await.json()["data"][0]["embedding"].clone();
    // 32 numbers of four bytes are 128 bytes, which are 172 letters, the last of them a filler.
    let coded = coded.as_str().unwrap();
    assert!(coded.len() == 172 && coded.ends_with('='), "{coded}");
}

#[tokio::test]
async fn mistakes_are_refused_in_openai_s_envelope() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = house(&upstream).await;
    let long = "a ".repeat(60);
    let many = vec!["a"; 2049];
    for (body, status, code, param) in [
        (json!({ "model": "no-such", "input": "a" }), 404, "model_not_found", "model"),
        (json!({ "model": "auto", "input": "a" }), 404, "model_not_found", "model"),
        (json!({ "model": "embedder", "input": long }), 400, "context_length_exceeded", "input"),
        (json!({ "model": "embedder", "input": many }), 400, "invalid_value", "input"),
        (json!({ "model": "embedder", "input": "a", "dimensions": 33 }), 400, "invalid_value", "dimensions"),
        (json!({ "model": "embedder", "input": [999_999] }), 400, "invalid_value", "input"),
        (json!({ "model": "embedder", "input": [] }), 400, "empty_array", "input"),
    ] {
        let error = embed(&gateway, &[], &body).await.error(status);
        assert_eq!((&error["code"], &error["param"]), (&json!(code), &json!(param)), "{error}");
    }
    let body = json!({ "model": "embedder", "input": "a" });
    let only = embed(&gateway, &[("x-crossover-route", "only-remote")], &body).await.error(400);
    assert_eq!((&only["code"], &only["param"]), (&json!("unsupported"), &json!("x-crossover-route")));
    assert!(only["message"].as_str().unwrap().contains("Embeddings"), "{only}");
    assert_eq!(embed(&gateway, &[("x-crossover-nonsense", "1")], &body).await.code(400), "invalid_header");
    let chat = gateway.ask("embedder").await;
    assert_eq!(chat.code(404), "model_not_found", "it does not chat");
    assert_eq!(gateway.rows().len(), 10);
    assert_eq!(upstream.bytes_received(), 0);
}

#[tokio::test]
async fn who_asks_the_wrong_name_is_told_what_to_do() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = house(&upstream).await;
    let without = Gateway::start(&upstream.base_url()).await;
    let vectors = async |gateway: &Gateway, model: &str| {
        embed(gateway, &[], &json!({ "model": model, "input": "a" })).await.error(404)
    };
    for (error, wanted) in [
        (vectors(&gateway, "no-such").await, "[aliases]"),
        (vectors(&gateway, "auto").await, "`embedder`"),
        (vectors(&without, "embedder").await, "[embeddings]"),
        (vectors(&without, "auto").await, "[embeddings]"),
        (gateway.ask("embedder").await.error(404), "POST /v1/embeddings"),
        (gateway.ask("text-embedding-3-small").await.error(404), "POST /v1/embeddings"),
    ] {
        assert!(error["message"].as_str().unwrap().contains(wanted), "{wanted}: {error}");
        assert_eq!((&error["code"], &error["param"]), (&json!("model_not_found"), &json!("model")));
    }
    assert_eq!(upstream.bytes_received(), 0);
}

/// Asks for the vectors of 2,048 texts, almost a MiB, without a socket that takes what nobody reads.
async fn ask_much(gateway: &Gateway) -> http::Response<Body> {
    let body = json!({ "model": "embedder", "input": vec!["a"; 2048] }).to_string();
    let request = http::Request::post("/v1/embeddings").header("content-type", "application/json");
    gateway.routes().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap()
}

#[tokio::test]
async fn d19_answers_count_towards_the_memory_of_the_bodies_until_they_are_taken() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = house_with(&upstream, |config| {
        config.server.max_body_bytes = 1 << 20;
        config.server.body_memory_mib = 1;
    })
    .await;
    let mut slow = ask_much(&gateway).await;
    assert!(slow.body_mut().frame().await.unwrap().is_ok());
    let refused = ask_much(&gateway).await;
    assert_eq!(refused.status(), 503, "half of the first is still to be taken");
    let refused = refused.into_body().collect().await.unwrap().to_bytes();
    let refused: Value = serde_json::from_slice(&refused).unwrap();
    assert_eq!(refused["error"]["code"], "overloaded");
    drop(slow);
    assert_eq!(ask_much(&gateway).await.status(), 200);
    let statuses: Vec<Value> = gateway.rows().iter().map(|row| row["status"].clone()).collect();
    assert_eq!(json!(statuses), json!([499, 503, 499]));
}

#[tokio::test]
async fn d19_an_answer_keeps_its_place_until_all_of_it_is_taken() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = house_with(&upstream, |config| config.server.max_in_flight = 1).await;
    let ask = async || ask_much(&gateway).await;
    let mut slow = ask().await;
    assert_eq!(slow.status(), 200);
    let first = slow.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!((first[0], ask().await.status().as_u16()), (b'{', 503), "the rest is still to be taken");
    drop(slow);
    let whole = ask().await.into_body().collect().await.unwrap().to_bytes();
    let vectors = serde_json::from_slice::<Value>(&whole).unwrap()["data"].as_array().unwrap().len();
    assert_eq!((vectors, ask().await.status().as_u16()), (2048, 200));
    let statuses: Vec<Value> = gateway.rows().iter().map(|row| row["status"].clone()).collect();
    assert_eq!(json!(statuses), json!([499, 503, 200, 499]));
}

#[tokio::test]
async fn e3_e20_a_field_that_stands_twice_is_refused() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = house(&upstream).await;
    for (body, param) in [
        (r#"{"model":"no-such","model":"embedder","input":"a"}"#, "model"),
        (r#"{"model":"embedder","input":"a","input":"b"}"#, "input"),
        (r#"{"model":"embedder","dimensions":null,"input":"a","dimensions":8}"#, "dimensions"),
    ] {
        let error = send(&gateway, &[], body).await.error(400);
        assert_eq!((&error["code"], &error["param"]), (&json!("invalid_value"), &json!(param)), "{body}");
    }
    // A field that nobody here reads may.
    let body = r#"{"model":"embedder","input":"a","x":1,"x":2}"#;
    assert_eq!(send(&gateway, &[], body).await.status, 200);
}

#[tokio::test]
async fn the_model_is_listed_where_there_is_one() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = house(&upstream).await;
    let models = gateway.client().get(gateway.url("/v1/models")).send().await.unwrap();
    let models = Reply::read(models).await.json();
    let names: Vec<&str> =
        models["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert!(names.contains(&"embedder") && names.contains(&"text-embedding-3-small"), "{names:?}");
    let without = Gateway::start(&upstream.base_url()).await;
    let body = json!({ "model": "embedder", "input": "a" });
    assert_eq!(embed(&without, &[], &body).await.code(404), "model_not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_sdk_reads_its_vectors() {
    let test = "the_official_sdk_reads_its_vectors";
    let Some(python) = tool("CROSSOVER_TEST_PYTHON") else {
        return skip(
            test,
            "CROSSOVER_TEST_PYTHON is not set: run `make test-setup`, then see .local/missing",
        );
    };
    let state = folder();
    let model = model().display().to_string();
    let env = [
        ("CROSSOVER__EMBEDDINGS__ENABLED", "true"),
        ("CROSSOVER__EMBEDDINGS__MODEL", model.as_str()),
        ("CROSSOVER__LOCAL__ENABLED", "false"),
    ];
    let served = Served::start(state.path(), &env).await;
    let mut command = tokio::process::Command::new(python);
    command.arg(root().join("tests/sdk/python_embeddings.py")).env("BASE_URL", &served.base_url);
    command.env("REFERENCE", Path::new(&model).join("reference.json"));
    let output = finish(&mut command).await;
    let said = said(&output);
    assert!(output.status.success() && said.contains("5 passed, 0 failed"), "{said}");
}
