//! What a request must pass before it is one: content type, size, time, JSON, control headers.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::controls;
use super::refusal::Refusal;
use crate::chat::ChatRequest;
use crate::dialects::openai_chat::parse_request;

/// How long a body may take to arrive.
const BODY_PATIENCE: Duration = Duration::from_secs(60);

/// Reads one chat request, body once, under the size limit.
///
/// # Errors
/// The refusal that says what is wrong.
pub(super) async fn read(request: Request<Body>, max_bytes: usize) -> Result<ChatRequest, Refusal> {
    let (parts, body) = request.into_parts();
    if !is_json(&parts.headers) {
        return Err(Refusal::content_type());
    }
    let controls = controls::read(&parts.headers)?;
    let body = collect(&parts.headers, body, max_bytes).await?;
    let mut request = parse_request(body).map_err(Refusal::request)?;
    request.controls = controls;
    Ok(request)
}

/// Reads one small JSON body that is no chat request.
///
/// # Errors
/// The refusal that says what is wrong.
pub(super) async fn json_body(request: Request<Body>, max_bytes: usize) -> Result<Bytes, Refusal> {
    let (parts, body) = request.into_parts();
    if !is_json(&parts.headers) {
        return Err(Refusal::content_type());
    }
    collect(&parts.headers, body, max_bytes).await
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

async fn collect(headers: &HeaderMap, body: Body, max_bytes: usize) -> Result<Bytes, Refusal> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > max_bytes) {
        return Err(Refusal::too_large(max_bytes));
    }
    let whole = Limited::new(body, max_bytes).collect();
    match tokio::time::timeout(BODY_PATIENCE, whole).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::too_large(max_bytes)),
        Ok(Err(_)) => Err(Refusal::broken_body()),
        Err(_) => Err(Refusal::slow_body()),
    }
}
