//! `POST /v1/feedback`: a user's verdict on an answer, by its `x-request-id`. A number is kept and nothing else: a comment
//! is content, so it is refused rather than dropped in silence. As open as the other routes: without keys, any caller may
//! rate any request whose id it knows.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::refusal::Refusal;
use super::{Front, door, turn_away};
use crate::dialects::doubled;

/// Largest body: an id and a number.
const MAX_BYTES: usize = 4 * 1024;
/// Longest id that is looked up.
const MAX_ID: usize = 64;
/// Verdicts taken at once, and each second from then on. Each is a write to disk.
const BURST: f64 = 60.0;
const PER_SECOND: f64 = 20.0;

/// How many verdicts may still be taken now.
pub(super) struct Allowance(Mutex<(f64, Instant)>);

impl Allowance {
    pub(super) fn new() -> Self {
        Self(Mutex::new((BURST, Instant::now())))
    }

    /// Takes one, or says when to come back.
    fn take(&self) -> Result<(), Duration> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, at) = *held;
        let now = Instant::now();
        let left = (left + (now - at).as_secs_f64() * PER_SECOND).min(BURST);
        *held = (if left >= 1.0 { left - 1.0 } else { left }, now);
        if left >= 1.0 { Ok(()) } else { Err(Duration::from_secs_f64((1.0 - left) / PER_SECOND)) }
    }
}

/// The fields of a body, none of which may stand twice. Absent and `null` are the same.
#[derive(Deserialize)]
struct Fields {
    request_id: Option<Value>,
    score: Option<Value>,
    verdict: Option<Value>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// What a body says.
#[derive(Debug, PartialEq)]
struct Verdict {
    request_id: String,
    score: f64,
}

pub(super) async fn take(State(front): State<Arc<Front>>, request: Request) -> Response {
    match noted(&front, request).await {
        Ok(body) => Json(body).into_response(),
        Err(refusal) => turn_away(&front, refusal),
    }
}

async fn noted(front: &Front, request: Request) -> Result<Value, Refusal> {
    let body = door::json_body(request, &front.bodies.at_most(MAX_BYTES)).await?;
    let Verdict { request_id, score } = read(&body)?;
    front.feedback.take().map_err(Refusal::too_many_verdicts)?;
    let noted = front.pipeline.feedback(request_id.clone(), score).await.map_err(|error| {
        tracing::debug!(%error, "a verdict was not kept");
        Refusal::feedback(&error)
    })?;
    Ok(json!({ "object": "feedback", "request_id": request_id, "score": score, "replaced": noted.replaced }))
}

fn read(body: &[u8]) -> Result<Verdict, Refusal> {
    let wrong = |param: &str, message: &str| Refusal::verdict("invalid_value", Some(param), message);
    let fields: Fields = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    if fields.others.contains_key("comment") {
        let message = "A comment is content, and content is never stored here: leave it out.";
        return Err(Refusal::verdict("unsupported_parameter", Some("comment"), message));
    }
    if !fields.others.is_empty() {
        let message = "Unknown field; known: request_id, score, verdict.";
        return Err(Refusal::verdict("unsupported_parameter", None, message));
    }
    let id = fields.request_id.as_ref().and_then(Value::as_str);
    let id = id.filter(|id| (1..=MAX_ID).contains(&id.len()));
    let id = id.ok_or_else(|| wrong("request_id", "The answer's x-request-id is needed, as a text."))?;
    Ok(Verdict { request_id: id.to_owned(), score: score_of(&fields)? })
}

/// serde's complaint, which quotes nothing but the name of a known field.
fn unreadable(error: &serde_json::Error) -> Refusal {
    match doubled(error) {
        Some(field) => Refusal::verdict("invalid_value", Some(&field), "The field stands twice."),
        None => Refusal::verdict("invalid_json", None, "The body must be one JSON object."),
    }
}

fn score_of(fields: &Fields) -> Result<f64, Refusal> {
    let wrong = |param: &str, message: &str| Refusal::verdict("invalid_value", Some(param), message);
    match (&fields.score, &fields.verdict) {
        (Some(score), None) => {
            let score = score.as_f64().filter(|score| (-1.0..=1.0).contains(score));
            score.ok_or_else(|| wrong("score", "score must be a number from -1 (bad) to 1 (good)."))
        }
        (None, Some(verdict)) => match verdict.as_str() {
            Some("good") => Ok(1.0),
            Some("bad") => Ok(-1.0),
            _ => Err(wrong("verdict", "verdict must be \"good\" or \"bad\".")),
        },
        _ => Err(wrong("score", "Send either score, from -1 to 1, or verdict, \"good\" or \"bad\".")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_an_id_and_a_number() {
        let read = |text: &str| read(text.as_bytes()).unwrap();
        assert_eq!(read(r#"{"request_id":"req_1","score":0.5}"#).score, 0.5);
        assert_eq!(read(r#"{"request_id":"req_1","score":-1}"#).score, -1.0);
        assert_eq!(read(r#"{"request_id":"req_1","verdict":"good"}"#).score, 1.0);
        assert_eq!(read(r#"{"request_id":"req_1","verdict":"bad"}"#).score, -1.0);
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        let long = format!(r#"{{"request_id":"{}","score":1}}"#, "x".repeat(65));
        for (text, code, param) in [
            ("", "invalid_json", None),
            ("[]", "invalid_json", None),
            (r#"{"request_id":"r","score":1e999}"#, "invalid_json", None),
            (r#"{"score":1}"#, "invalid_value", Some("request_id")),
            (r#"{"request_id":7,"score":1}"#, "invalid_value", Some("request_id")),
            (r#"{"request_id":"","score":1}"#, "invalid_value", Some("request_id")),
            (long.as_str(), "invalid_value", Some("request_id")),
            (r#"{"request_id":"r"}"#, "invalid_value", Some("score")),
            (r#"{"request_id":"r","score":1,"verdict":"good"}"#, "invalid_value", Some("score")),
            (r#"{"request_id":"r","score":1.01}"#, "invalid_value", Some("score")),
            (r#"{"request_id":"r","score":"1"}"#, "invalid_value", Some("score")),
            (r#"{"request_id":"r","score":null}"#, "invalid_value", Some("score")),
            (r#"{"request_id":"r","verdict":"great"}"#, "invalid_value", Some("verdict")),
            (r#"{"request_id":"r","score":1,"comment":"canary"}"#, "unsupported_parameter", Some("comment")),
            (r#"{"request_id":"r","score":1,"canary":1}"#, "unsupported_parameter", None),
            (r#"{"request_id":"r","request_id":"s","score":1}"#, "invalid_value", Some("request_id")),
            (r#"{"request_id":"r","score":-1,"score":1}"#, "invalid_value", Some("score")),
            (r#"{"request_id":"r","verdict":null,"verdict":"good"}"#, "invalid_value", Some("verdict")),
        ] {
            let refusal = read(text.as_bytes()).unwrap_err();
            let body: Value = serde_json::from_slice(&refusal.body()).unwrap();
            assert_eq!((refusal.status.as_u16(), refusal.code.as_str()), (400, code), "{text}");
            assert_eq!(body["error"]["param"].as_str(), param, "{text}");
            assert!(!refusal.message.contains("canary"), "the caller's words are not repeated");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn verdicts_come_at_a_bounded_rate() {
        let allowance = Allowance::new();
        assert_eq!((0..100).filter(|_| allowance.take().is_ok()).count(), BURST as usize);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!((0..100).filter(|_| allowance.take().is_ok()).count(), PER_SECOND as usize);
        assert!(allowance.take().unwrap_err() <= Duration::from_millis(50));
    }
}
