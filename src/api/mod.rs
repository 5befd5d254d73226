//! HTTP in and out: OpenAI's routes, the limits at the door, and the only place that knows status codes.
//! The admin routes (metrics, health) live on a listener of their own and are 404 here.

mod admin;
mod chat;
mod codes;
mod controls;
mod door;
mod embeddings;
mod explain;
mod feedback;
mod host;
mod listen;
mod models;
mod refusal;
mod socket;
mod sse;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{get, post};

pub use codes::{ErrorCode, error_codes};
pub use listen::{Listener, serve};

use crate::chat::RequestId;
use crate::config::ServerConfig;
use crate::ledger::Origin;
use crate::pipeline::Pipeline;
use refusal::Refusal;

/// What every handler needs.
pub struct Front {
    pipeline: Arc<Pipeline>,
    allowed_hosts: Vec<String>,
    bodies: door::Bodies,
    heartbeat: Duration,
    ready: AtomicBool,
    feedback: feedback::Allowance,
}

impl Front {
    /// The HTTP side of a pipeline. It reports ready until [`Self::drain`].
    pub fn new(pipeline: Arc<Pipeline>, config: &ServerConfig) -> Arc<Self> {
        Arc::new(Self {
            pipeline,
            allowed_hosts: config.allowed_hosts.clone(),
            bodies: door::Bodies::new(config),
            heartbeat: Duration::from_secs(config.heartbeat_seconds),
            ready: AtomicBool::new(true),
            feedback: feedback::Allowance::new(),
        })
    }

    /// Readiness fails from now on; requests are still answered.
    pub fn drain(&self) {
        self.ready.store(false, Ordering::Relaxed);
    }

    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }
}

/// The public routes.
pub fn public(front: Arc<Front>) -> Router {
    let routes = Router::new()
        .route("/v1/chat/completions", post(chat::complete))
        .route("/v1/embeddings", post(embeddings::embed))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{*id}", get(models::retrieve))
        .route("/v1/route", post(explain::explain))
        .route("/v1/feedback", post(feedback::take))
        .fallback(nowhere)
        .method_not_allowed_fallback(wrong_method)
        .layer(map_response(name));
    guarded(routes, front)
}

/// The routes of the admin listener.
pub fn admin(front: Arc<Front>) -> Router {
    let routes = Router::new()
        .route("/metrics", get(admin::metrics))
        .route("/health/live", get(admin::live))
        .route("/health/ready", get(admin::ready));
    guarded(routes, front)
}

/// Routes and what stands where there is none, for requests that name this gateway.
fn guarded(routes: Router<Arc<Front>>, front: Arc<Front>) -> Router {
    routes.layer(from_fn_with_state(Arc::clone(&front), host::guard)).with_state(front)
}

/// Gives an answer that leaves no record an id all the same: clients read one off every answer.
async fn name(mut response: Response) -> Response {
    const NAME: HeaderName = HeaderName::from_static("x-request-id");
    if !response.headers().contains_key(NAME)
        && let Ok(id) = HeaderValue::from_str(RequestId::fresh().as_str())
    {
        response.headers_mut().insert(NAME, id);
    }
    response
}

async fn nowhere(State(front): State<Arc<Front>>) -> Response {
    turn_away(&front, Refusal::no_such_route())
}

async fn wrong_method(State(front): State<Arc<Front>>) -> Response {
    turn_away(&front, Refusal::wrong_method())
}

/// Refuses a request that never became one, and records it. What asks no model and succeeds leaves no record: names, an
/// explained decision, a verdict.
fn turn_away(front: &Front, refusal: Refusal) -> Response {
    let id = RequestId::fresh();
    let recorder = front.pipeline.open(id.clone(), Origin::Live);
    refusal.close(recorder, &id)
}
