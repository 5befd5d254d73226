//! `GET /v1/models` and `/v1/models/{id}`: every name that `model` may take.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::refusal::Refusal;
use super::{Front, turn_away};
use crate::pipeline::UnknownModel;

pub(super) async fn list(State(front): State<Arc<Front>>) -> Json<Value> {
    let models: Vec<Value> = front.pipeline.names().iter().map(model).collect();
    Json(json!({ "object": "list", "data": models }))
}

/// A path that is no UTF-8 holds nobody's name.
pub(super) async fn retrieve(
    State(front): State<Arc<Front>>,
    id: Result<Path<String>, PathRejection>,
) -> Response {
    match id {
        Ok(Path(id)) if front.pipeline.names().contains(&id) => Json(model(&id)).into_response(),
        _ => turn_away(&front, Refusal::unknown_model(&UnknownModel::Nobody)),
    }
}

fn model(id: &str) -> Value {
    json!({ "id": id, "object": "model", "created": 0, "owned_by": "crossover" })
}
