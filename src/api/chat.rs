//! `POST /v1/chat/completions`: one answer, streamed or whole.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use futures_util::StreamExt;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::refusal::Refusal;
use super::{Front, door, sse};
use crate::chat::RequestId;
use crate::dialects::openai_chat::{Fold, Header};
use crate::ledger::Origin;
use crate::pipeline::Answer;
use crate::routing::Decision;

pub(super) async fn complete(State(front): State<Arc<Front>>, request: Request) -> Response {
    let id = RequestId::fresh();
    let recorder = front.pipeline.open(id.clone(), Origin::Live);
    let request = match door::read(request, &front.bodies).await {
        Ok(request) => Arc::new(request),
        Err(refusal) => return refusal.close(recorder, &id),
    };
    let debug = request.controls.debug;
    let mut answer = match front.pipeline.answer(Arc::clone(&request), recorder).await {
        Ok(answer) => answer,
        Err(refused) => {
            let mut response = Refusal::why(&refused.why).close(refused.recorder, &id);
            if let (true, Some(decision)) = (debug, &refused.decision) {
                explain(response.headers_mut(), decision);
            }
            return response;
        }
    };
    answer.status(StatusCode::OK.as_u16());
    let mut headers = headers(&answer, &id, debug);
    let (model, older_calls) = (answer.model.clone(), request.tools.older);
    let header = Header { id: completion_id(&id), created: now(), model, older_calls };
    if request.stream {
        // Without a charset some clients read text as ISO-8859-1.
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
        headers.insert("cache-control", HeaderValue::from_static("no-cache"));
        let body = sse::body(answer, header, request.include_usage, front.heartbeat);
        return respond(headers, body);
    }
    match fold(answer, &header).await {
        Ok(body) => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            respond(headers, body)
        }
        Err(refusal) => refusal.respond(&id),
    }
}

/// The whole answer. The record is closed when this returns.
async fn fold(mut answer: Answer, header: &Header) -> Result<Body, Refusal> {
    let mut fold = Fold::default();
    while let Some(step) = answer.next().await {
        match step {
            Ok(chunk) => fold.push(chunk),
            Err(error) => {
                let refusal = Refusal::backend(&error);
                answer.status(refusal.status.as_u16());
                return Err(refusal);
            }
        }
    }
    Ok(Body::from(fold.finish(header)))
}

fn respond(headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    response
}

fn headers(answer: &Answer, id: &RequestId, debug: bool) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(16);
    put(&mut headers, "x-request-id", id.as_str());
    put(&mut headers, "x-crossover-route", answer.served_by.as_str());
    put(&mut headers, "x-crossover-model", &answer.model);
    put(&mut headers, "x-crossover-reason", answer.decision.reason.label());
    if debug {
        explain(&mut headers, &answer.decision);
        let attempts = answer.outcome().map_or(0, |outcome| outcome.attempts.len() + 1);
        put(&mut headers, "x-crossover-attempts", &attempts.to_string());
    }
    headers
}

/// What the decision was made from.
fn explain(headers: &mut HeaderMap, decision: &Decision) {
    put(headers, "x-crossover-policy", &decision.policy.name);
    put(headers, "x-crossover-rule", &decision.rule);
    put(headers, "x-crossover-prompt-tokens", &decision.prompt_tokens.to_string());
    put(headers, "x-crossover-decision-us", &decision.decided_in.as_micros().to_string());
    // The one that was compared, so that it can be read beside the threshold.
    let steering = || decision.verdict.as_ref().map(|verdict| verdict.steering());
    if let Some(score) = decision.score.or_else(steering) {
        put(headers, "x-crossover-score", &format!("{score:.4}"));
    }
    if let Some(threshold) = decision.threshold {
        put(headers, "x-crossover-threshold", &format!("{threshold:.4}"));
    }
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

fn completion_id(id: &RequestId) -> String {
    format!("chatcmpl-{}", id.as_str().trim_start_matches("req_"))
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::routing::{Plan, PolicyVersion, Reason, Verdict};

    #[test]
    fn the_score_is_told_that_was_held_against_the_threshold() {
        let told = |score, threshold| {
            let decision = Decision {
                plan: Plan::Refuse,
                reason: Reason::GoodEnough,
                rule: "good enough".to_owned(),
                policy: PolicyVersion { name: "balanced".to_owned(), hash: String::new() },
                verdict: Some(Verdict { local_ok: 0.9, calibrated: Some(0.25), ..Verdict::default() }),
                score,
                threshold,
                prompt_tokens: 50,
                decided_in: Duration::ZERO,
                propensity: 1.0,
                record: Box::default(),
            };
            let mut headers = HeaderMap::new();
            explain(&mut headers, &decision);
            ["x-crossover-score", "x-crossover-threshold"]
                .map(|name| headers.get(name).map(|value| value.to_str().unwrap().to_owned()))
        };
        let is = |text: &str| Some(text.to_owned());
        assert_eq!(told(Some(0.9), Some(0.8)), [is("0.9000"), is("0.8000")]);
        assert_eq!(told(None, None), [is("0.2500"), None], "recorded only: the one that would steer");
    }
}
