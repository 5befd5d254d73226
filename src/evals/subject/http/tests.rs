//! Asks a small server on a real socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::{HeaderMap as Headers, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde_json::json;

use super::*;
use crate::chat::Micros;
use crate::config::Secret;
use crate::evals::scorer::testing::sample;
use crate::evals::{Parameter, ToolCall};

async fn serve(app: Router) -> Endpoint {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    Endpoint::new(&format!("http://{address}/v1/"), Some(&Secret::new("sk-test".into()))).unwrap()
}

fn answering<R: IntoResponse + Clone + Send + Sync + 'static>(reply: R) -> Router {
    Router::new().route("/v1/chat/completions", post(move || async move { reply }))
}

async fn ask(app: Router) -> Result<Transcript, SubjectError> {
    let subject = Http::new(serve(app).await, "balanced", "balanced", 16);
    subject.ask(&sample(json!("exact"), json!("four"))).await
}

const STREAM: &str = concat!(
    ": a comment\r\n\r\n",
    "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\r\n\r\n",
    "data: {\"choices\":[{\"delta\":{\"content\":\"fo\"}}]}\n\n",
    "data:{\"choices\":[{\"delta\":{\"content\":\"ur\"},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2,",
    "\"prompt_tokens_details\":{\"cached_tokens\":3}}}\n\n",
    "data: [DONE]\n\n",
);
const SSE: (&str, &str) = ("content-type", "text/event-stream; charset=utf-8");

#[tokio::test]
async fn reads_a_stream_and_the_gateways_headers() {
    let headers = [
        SSE,
        ("x-crossover-route", "local"),
        ("x-crossover-reason", "good_enough"),
        ("x-crossover-score", "0.75"),
    ];
    let answer = ask(answering((headers, STREAM))).await.unwrap();
    assert_eq!(answer.text, "four");
    assert_eq!(answer.served_by, ServedBy::Local);
    assert_eq!(answer.reason.as_deref(), Some("good_enough"));
    assert_eq!((answer.local_ok, answer.cost), (Some(0.75), None));
    assert_eq!((answer.usage.prompt, answer.usage.cached_prompt, answer.usage.completion), (7, 3, 2));
    assert!(answer.ttft.unwrap() <= answer.total.unwrap());
}

#[tokio::test]
async fn reads_a_whole_answer_from_a_server_that_does_not_stream() {
    let body = json!({"choices": [{"message": {"role": "assistant", "content": "four"}}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 1}});
    let answer = ask(answering(axum::Json(body))).await.unwrap();
    assert_eq!((answer.text.as_str(), answer.served_by), ("four", ServedBy::None));
    assert_eq!((answer.ttft, answer.cost), (None, None));
}

#[tokio::test]
async fn characters_cut_in_two_are_read_as_far_as_they_go() {
    let stream = r#"data: {"choices":[{"delta":{"content":"four \ud83e"},"finish_reason":"stop"}]}"#;
    let whole = r#"{"choices":[{"message":{"content":"four \ud83e"}}]}"#;
    for app in [answering(([SSE], format!("{stream}\n\n"))), answering(whole)] {
        assert_eq!(ask(app).await.unwrap().text, "four \u{fffd}");
    }
}

#[tokio::test]
async fn reasoning_that_is_told_beside_the_completion_counts() {
    let body = json!({"choices": [{"message": {"role": "assistant", "content": "four"}}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 1, "total_tokens": 13,
            "completion_tokens_details": {"reasoning_tokens": 5}}});
    let answer = ask(answering(axum::Json(body))).await.unwrap();
    assert_eq!((answer.usage.completion, answer.usage.reasoning), (6, 5));
}

#[tokio::test]
async fn sends_tools_and_reads_calls_streamed_or_whole() {
    let tool = json!({"type": "function", "function": {"name": "weather"}});
    let frame = |piece: &str| {
        let call = json!({"index": 0, "function": {"name": if piece == "{" { "weather" } else { "" },
            "arguments": piece}});
        format!("data: {}\n\n", json!({"choices": [{"delta": {"tool_calls": [call]}}]}))
    };
    let pieces: String = ["{", "\"city\":", "\"Oslo\"}"].into_iter().map(frame).collect();
    let stream =
        format!("{pieces}data: {}\n\n", json!({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]}));
    let whole = json!({"choices": [{"message": {"content": null, "tool_calls": [
        {"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Oslo\"}"}}]}}]});
    let expected = [ToolCall { name: "weather".into(), arguments: json!({"city": "Oslo"}) }];
    let sent = tool.clone();
    let streaming = Router::new().route(
        "/v1/chat/completions",
        post(move |body: String| async move {
            let body: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(body["tools"], json!([sent]));
            ([SSE], stream)
        }),
    );
    for app in [streaming, answering(axum::Json(whole))] {
        let mut row = sample(json!("tool_calls"), json!([]));
        row.tools = vec![tool.clone()];
        let answer = Http::new(serve(app).await, "auto", "auto", 16).ask(&row).await.unwrap();
        assert_eq!((answer.text.as_str(), &answer.tool_calls[..]), ("", &expected[..]));
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_or_fails_is_no_answer() {
    let cut = &STREAM[..STREAM.find("data:{").unwrap()];
    let broken = ask(answering(([SSE], cut))).await.unwrap_err();
    assert_eq!(broken, SubjectError::Broken("the stream broke off".into()));
    let failed = format!("{cut}data: {{\"error\":{{\"message\":\"canary\"}}}}\n\n");
    let failed = ask(answering(([SSE], failed))).await.unwrap_err();
    assert_eq!(failed, SubjectError::Broken("failed in mid-stream".into()));
}

#[tokio::test]
async fn a_refusal_keeps_its_code_and_not_its_message() {
    let body = axum::Json(json!({"error": {"message": "canary", "code": "no_remote"}}));
    let error = ask(answering((StatusCode::SERVICE_UNAVAILABLE, body))).await.unwrap_err();
    assert_eq!(error, SubjectError::Refused("503 no_remote".into()));
}

/// A model that thinks: refuses what such models refuse, and counts how often it was asked.
fn reasoner(asked: &Arc<AtomicUsize>) -> Router {
    let asked = Arc::clone(asked);
    let refuse = |code: &str, param: &str| {
        let error = json!({"message": "canary", "code": code, "param": param});
        (StatusCode::BAD_REQUEST, axum::Json(json!({ "error": error }))).into_response()
    };
    let answer = move |body: String| {
        asked.fetch_add(1, Ordering::Relaxed);
        let body: Value = serde_json::from_str(&body).unwrap();
        let response = if body.get("max_tokens").is_some() {
            refuse("unsupported_parameter", "max_tokens")
        } else if body.get("temperature").is_some() {
            refuse("unsupported_value", "temperature")
        } else {
            assert_eq!(body["max_completion_tokens"], 16);
            ([SSE], STREAM).into_response()
        };
        std::future::ready(response)
    };
    Router::new().route("/v1/chat/completions", post(answer))
}

#[tokio::test]
async fn a_model_that_thinks_is_asked_as_it_wants_and_from_then_on() {
    let row = sample(json!("exact"), json!("four"));
    // Local answers are greedy only where that is asked, so a gateway of both tiers is asked for it every time.
    for (mixed, wanted) in [(false, [3, 4]), (true, [3, 5])] {
        let asked = Arc::new(AtomicUsize::new(0));
        let subject = Http::new(serve(reasoner(&asked)).await, "o", "o", 16).of_both_tiers(mixed);
        for requests in wanted {
            assert_eq!(subject.ask(&row).await.unwrap().text, "four");
            assert_eq!(asked.load(Ordering::Relaxed), requests, "mixed: {mixed}");
        }
    }
}

#[tokio::test]
async fn what_is_refused_for_another_reason_is_not_asked_again() {
    let error = |code: Value, param: &str| {
        let body = axum::Json(json!({"error": {"message": "canary", "code": code, "param": param}}));
        ask(answering((StatusCode::BAD_REQUEST, body)))
    };
    let refused = |words: &str| Err(SubjectError::Refused(words.into()));
    assert_eq!(error(json!("invalid_value"), "max_tokens").await, refused("400 invalid_value (max_tokens)"));
    assert_eq!(error(json!(400), "max_tokens").await, refused("400 (max_tokens)"));
    assert_eq!(error(json!("Canary!"), "messages[0]").await, refused("400"));
    let unsupported = SubjectError::Unsupported(Parameter::Temperature, "400 (temperature)".into());
    assert_eq!(error(Value::Null, "temperature").await, Err(unsupported), "refused in every wording");
}

#[tokio::test]
async fn asks_greedily_with_its_key_and_keeps_a_local_question_local() {
    let app = Router::new().route(
        "/v1/chat/completions",
        post(|headers: Headers, body: String| async move {
            let body: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(headers["authorization"], "Bearer sk-test");
            assert_eq!(headers["x-crossover-route"], "only-local");
            assert_eq!((&body["model"], &body["temperature"]), (&json!("local"), &json!(0)));
            assert_eq!(body["messages"][0]["content"], "?");
            assert!(body.get("tools").is_none());
            ([SSE], STREAM)
        }),
    );
    let subject = Http::always_local(serve(app).await, 16);
    assert_eq!(subject.ask(&sample(json!("exact"), json!("four"))).await.unwrap().text, "four");
}

#[tokio::test]
async fn knows_a_crossover_by_its_models() {
    let models = |id: &str| {
        let body = axum::Json(json!({"data": [{"id": id}]}));
        Router::new().route("/v1/models", get(move || async move { body }))
    };
    assert!(serve(models("local")).await.is_crossover().await.unwrap());
    assert!(!serve(models("gpt-4o")).await.is_crossover().await.unwrap());
}

#[tokio::test]
async fn prices_what_the_remote_or_a_plain_server_answered() {
    let price = Price::new("m", |usage| Some(Micros(usage.prompt as i64)));
    let by = |route: &'static str| answering(([SSE, ("x-crossover-route", route)], STREAM));
    let (plain, priced) = (answering(([SSE], STREAM)), Some(Micros(7)));
    let cases = [
        (by("remote"), true, priced),
        (by("local"), true, None),
        (plain.clone(), true, None),
        (plain, false, priced),
    ];
    for (app, gateway, cost) in cases {
        let subject = Http::new(serve(app).await, "auto", "auto", 16).of_both_tiers(gateway);
        let subject = subject.priced(Some(price.clone()));
        assert_eq!(subject.ask(&sample(json!("exact"), json!("four"))).await.unwrap().cost, cost);
    }
}

#[test]
fn a_bad_base_url_is_refused_without_echo() {
    for url in ["not a url", "ftp://canary/v1"] {
        let error = Endpoint::new(url, None).err().unwrap().to_string();
        assert!(!error.contains("canary"), "{error}");
    }
}
