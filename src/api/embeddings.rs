//! `POST /v1/embeddings`: vectors of texts, from the embedding model in this process.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};

use super::refusal::Refusal;
use super::{Front, controls, door};
use crate::chat::{Controls, RequestId};
use crate::dialects::openai_embeddings::{EmbeddingRequest, answer, parse_request};
use crate::ledger::{End, Origin};
use crate::pipeline::Embed;

pub(super) async fn embed(State(front): State<Arc<Front>>, request: Request) -> Response {
    let id = RequestId::fresh();
    let mut recorder = front.pipeline.open(id.clone(), Origin::Live);
    // The body is held for its share of the memory, of which the texts in it take as much.
    let (asked, controls, _body) = match read(request, &front.bodies).await {
        Ok(asked) => asked,
        Err(refusal) => return refusal.close(recorder, &id),
    };
    let EmbeddingRequest { model, passages, dimensions, encoding } = asked;
    let asked = Embed { model, passages, dimensions, route: controls.route };
    match front.pipeline.embed(asked, &mut recorder).await {
        Ok((embedded, model)) => {
            let body = answer(model, &embedded.vectors, encoding, embedded.tokens);
            let model = HeaderValue::from_str(model);
            recorder.status(StatusCode::OK.as_u16());
            recorder.finish(End::Completed);
            let mut response = Response::new(Body::from(body));
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert("x-crossover-route", HeaderValue::from_static("local"));
            headers.insert("x-crossover-reason", HeaderValue::from_static("requested"));
            for (name, value) in
                [("x-request-id", HeaderValue::from_str(id.as_str())), ("x-crossover-model", model)]
            {
                if let Ok(value) = value {
                    headers.insert(name, value);
                }
            }
            response
        }
        Err(why) => Refusal::why(&why).close(recorder, &id),
    }
}

async fn read(
    request: Request,
    bodies: &door::Bodies,
) -> Result<(EmbeddingRequest, Controls, Bytes), Refusal> {
    let controls = controls::read(request.headers());
    let body = door::json_body(request, bodies).await?;
    Ok((parse_request(&body).map_err(Refusal::request)?, controls?, body))
}
