//! Metrics and health, for operators. Health never makes a paid call.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};

use super::Front;
use crate::backends::Readiness;
use crate::metrics::resident;

pub(super) async fn metrics(State(front): State<Arc<Front>>) -> Response {
    let metrics = front.pipeline.metrics();
    for backend in front.pipeline.backends() {
        let ready = i64::from(backend.readiness() == Readiness::Ready);
        metrics.backend_ready.with_label_values(&[backend.profile().id.as_str()]).set(ready);
    }
    metrics.resident_bytes.set(i64::try_from(resident()).unwrap_or(i64::MAX));
    match metrics.render() {
        Ok(text) => ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

pub(super) async fn live() -> &'static str {
    "live\n"
}

/// 200 while requests are taken and at least one backend is ready; 503 while shutting down or with none.
pub(super) async fn ready(State(front): State<Arc<Front>>) -> Response {
    let mut backends = Map::new();
    let mut any = false;
    for backend in front.pipeline.backends() {
        let state = match backend.readiness() {
            Readiness::Ready => "ready".to_owned(),
            Readiness::Busy { .. } => "busy".to_owned(),
            Readiness::Down { why, .. } => format!("down: {why}"),
        };
        any |= !state.starts_with("down");
        backends.insert(backend.profile().id.to_string(), Value::from(state));
    }
    let ready = front.is_ready() && any;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": ready, "draining": !front.is_ready(), "backends": backends })))
        .into_response()
}
