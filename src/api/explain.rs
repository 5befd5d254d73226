//! `POST /v1/route`: where a chat request would go, and why, without calling anyone.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::refusal::Refusal;
use super::{Front, door, turn_away};
use crate::ledger::Estimate;
use crate::pipeline::Why;
use crate::routing::Explanation;

/// A decision, and what following it would cost.
#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    explanation: Explanation,
    cost_estimates: Vec<Estimate>,
}

pub(super) async fn explain(State(front): State<Arc<Front>>, request: Request) -> Response {
    let request = match door::read(request, &front.bodies).await {
        Ok(request) => request,
        Err(refusal) => return turn_away(&front, refusal),
    };
    match front.pipeline.explain(&request).await {
        Ok((explanation, cost_estimates)) => Json(Told { explanation, cost_estimates }).into_response(),
        Err(unknown) => turn_away(&front, Refusal::why(&Why::UnknownModel(unknown))),
    }
}
