//! `POST /v1/embeddings`: vectors of texts, from the embedding model in this process. Promises: until a client has taken the
//! whole answer, its request keeps its place among those in flight, its record stays open, and the answer counts towards the
//! memory that bodies share.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use http_body::{Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use super::refusal::Refusal;
use super::{Front, controls, door};
use crate::chat::{Controls, RequestId};
use crate::dialects::openai_embeddings::{EmbeddingRequest, answer, parse_request};
use crate::ledger::{End, Origin, Recorder};
use crate::pipeline::{Embed, Vectors};

/// Bytes that leave at once: an answer may have many megabytes, which a slow client takes piece by piece.
const PIECE_BYTES: usize = 64 * 1024;

pub(super) async fn embed(State(front): State<Arc<Front>>, request: Request) -> Response {
    let id = RequestId::fresh();
    let mut recorder = front.pipeline.open(id.clone(), Origin::Live);
    // The body is held for its share of the memory, of which the texts in it take as much.
    let (asked, controls, body) = match read(request, &front.bodies).await {
        Ok(asked) => asked,
        Err(refusal) => return refusal.close(recorder, &id),
    };
    let EmbeddingRequest { model, passages, dimensions, encoding } = asked;
    let asked = Embed { model, passages, dimensions, route: controls.route };
    match front.pipeline.embed(asked, &mut recorder).await {
        Ok(Vectors { embedded, model, permit }) => {
            // An answer alone fits only where its own request takes no room any more.
            drop(body);
            let text = answer(model, &embedded.vectors, encoding, embedded.tokens);
            let left = match front.bodies.hold(text) {
                Ok(left) => left,
                Err(refusal) => return refusal.close(recorder, &id),
            };
            let model = HeaderValue::from_str(model);
            recorder.status(StatusCode::OK.as_u16());
            let mut response = Response::new(Body::new(Outgoing { left, open: Some((permit, recorder)) }));
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
        Err(why) => Refusal::embeddings(&why).close(recorder, &id),
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

/// An answer on its way. Dropping it frees the place and closes the record: as complete where all was taken.
struct Outgoing {
    left: Bytes,
    /// `None` once the record is closed.
    open: Option<(OwnedSemaphorePermit, Recorder)>,
}

impl Outgoing {
    fn close(&mut self) {
        let Some((permit, recorder)) = self.open.take() else { return };
        drop(permit);
        recorder.finish(if self.left.is_empty() { End::Completed } else { End::ClientClosed });
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = self.left.len().min(PIECE_BYTES);
        let piece = self.left.split_to(bytes);
        if self.left.is_empty() {
            self.close();
        }
        Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.close();
    }
}
