//! What a request must pass before it is one: content type and encoding, size, time, JSON, control headers. Bodies, and
//! large answers, share a bounded memory: one takes of it as it arrives, not as it is announced, so that nobody holds room
//! without filling it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::controls;
use super::refusal::Refusal;
use crate::chat::ChatRequest;
use crate::config::ServerConfig;
use crate::dialects::openai_chat::parse_request;

/// How long a body may take to arrive.
const BODY_PATIENCE: Duration = Duration::from_secs(60);
/// The unit in which memory is taken, in bytes.
const UNIT: usize = 1024;

/// How large a body may be, and the memory that all bodies and large answers share.
pub(super) struct Bodies {
    max_bytes: usize,
    /// All of the memory.
    units: usize,
    /// A permit for each unit.
    room: Arc<Semaphore>,
}

/// Bytes with their share of the memory, which is free again once nobody has the bytes any more.
struct Held {
    bytes: Vec<u8>,
    share: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Bodies {
    pub(super) fn new(config: &ServerConfig) -> Self {
        let units = config.body_memory_mib * (1024 * 1024 / UNIT);
        Self { max_bytes: config.max_body_bytes, units, room: Arc::new(Semaphore::new(units)) }
    }

    /// The same memory, for bodies of at most `bytes`.
    pub(super) fn at_most(&self, bytes: usize) -> Self {
        Self { max_bytes: self.max_bytes.min(bytes), units: self.units, room: Arc::clone(&self.room) }
    }

    /// Lets a large answer take of the memory too, until nobody has its bytes any more. One that is larger than all of it
    /// takes all of it.
    ///
    /// # Errors
    /// The refusal that says that there is no room now.
    pub(super) fn hold(&self, mut bytes: Vec<u8>) -> Result<Bytes, Refusal> {
        bytes.shrink_to_fit();
        let share = self.take(bytes.len().div_ceil(UNIT).min(self.units))?;
        Ok(Bytes::from_owner(Held { bytes, share }))
    }

    fn take(&self, units: usize) -> Result<OwnedSemaphorePermit, Refusal> {
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        Arc::clone(&self.room).try_acquire_many_owned(units).map_err(|_| Refusal::no_room())
    }

    async fn collect(&self, headers: &HeaderMap, body: Body) -> Result<Bytes, Refusal> {
        let announced =
            headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|bytes| bytes > self.max_bytes) {
            return Err(Refusal::too_large(self.max_bytes));
        }
        let whole = tokio::time::timeout(BODY_PATIENCE, self.gather(body)).await;
        whole.unwrap_or_else(|_| Err(Refusal::slow_body()))
    }

    async fn gather(&self, body: Body) -> Result<Bytes, Refusal> {
        let mut body = Limited::new(body, self.max_bytes);
        let mut held = Held { bytes: vec![], share: self.take(1)? };
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    Refusal::too_large(self.max_bytes)
                } else {
                    Refusal::broken_body()
                }
            })?;
            let Ok(data) = frame.into_data() else { continue };
            let units = (held.bytes.len() + data.len()).div_ceil(UNIT);
            held.share.merge(self.take(units.saturating_sub(held.share.num_permits()))?);
            held.bytes.extend_from_slice(&data);
        }
        Ok(Bytes::from_owner(held))
    }
}

/// Reads one chat request, body once, under the limits of `bodies`.
///
/// # Errors
/// The refusal that says what is wrong.
pub(super) async fn read(request: Request<Body>, bodies: &Bodies) -> Result<ChatRequest, Refusal> {
    let (parts, body) = request.into_parts();
    check_form(&parts.headers)?;
    let controls = controls::read(&parts.headers)?;
    let body = bodies.collect(&parts.headers, body).await?;
    let mut request = parse_request(body).map_err(Refusal::request)?;
    request.controls = controls;
    Ok(request)
}

/// Reads one small JSON body that is no chat request.
///
/// # Errors
/// The refusal that says what is wrong.
pub(super) async fn json_body(request: Request<Body>, bodies: &Bodies) -> Result<Bytes, Refusal> {
    let (parts, body) = request.into_parts();
    check_form(&parts.headers)?;
    bodies.collect(&parts.headers, body).await
}

/// Refuses what the headers say is no plain JSON.
fn check_form(headers: &HeaderMap) -> Result<(), Refusal> {
    if !is_json(headers) {
        return Err(Refusal::content_type());
    }
    let is_plain = |coding: &[u8]| coding.trim_ascii().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(CONTENT_ENCODING).iter().all(|coding| is_plain(coding.as_bytes())) {
        return Err(Refusal::content_encoding());
    }
    Ok(())
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures_util::stream;

    use super::*;

    /// A body of so many units, of unannounced length.
    fn post(units: usize) -> Request<Body> {
        let pieces = (0..units).map(|_| Ok::<_, io::Error>(Bytes::from(vec![b' '; UNIT])));
        let body = Body::from_stream(stream::iter(pieces));
        Request::post("/").header(CONTENT_TYPE, "application/json").body(body).unwrap()
    }

    #[tokio::test]
    async fn a_compressed_body_is_refused_as_such() {
        let bodies = Bodies::new(&ServerConfig::default());
        let coded = |coding: &str| {
            let mut request = post(1);
            request.headers_mut().insert(CONTENT_ENCODING, coding.parse().unwrap());
            request
        };
        for coding in ["gzip", "identity, br"] {
            let chat = read(coded(coding), &bodies).await.unwrap_err();
            let other = json_body(coded(coding), &bodies).await.unwrap_err();
            for refused in [chat, other] {
                assert_eq!((refused.status.as_u16(), refused.code.as_str()), (415, "unsupported_encoding"));
            }
        }
        assert_eq!(json_body(coded("Identity"), &bodies).await.unwrap().len(), UNIT);
    }

    #[tokio::test]
    async fn bodies_share_the_memory_until_their_bytes_are_gone() {
        let config =
            ServerConfig { max_body_bytes: 1024 * UNIT, body_memory_mib: 1, ..ServerConfig::default() };
        let bodies = Bodies::new(&config);
        let first = json_body(post(700), &bodies).await.unwrap();
        let refused = json_body(post(400), &bodies).await.unwrap_err();
        assert_eq!((refused.status.as_u16(), refused.code.as_str()), (503, "overloaded"));
        let copy = first.slice(..1);
        drop(first);
        assert_eq!(bodies.room.available_permits(), 324, "what was refused is free again");
        drop(copy);
        assert_eq!(bodies.room.available_permits(), 1024);
        assert_eq!(json_body(post(1024), &bodies).await.unwrap().len(), 1024 * UNIT);
        assert_eq!(json_body(post(1025), &bodies).await.unwrap_err().status, 413);
        assert_eq!(json_body(post(5), &bodies.at_most(4 * UNIT)).await.unwrap_err().status, 413);
        assert_eq!(bodies.room.available_permits(), 1024);
    }

    #[test]
    fn d19_answers_take_of_the_same_memory_until_their_bytes_are_gone() {
        let bodies = Bodies::new(&ServerConfig { body_memory_mib: 1, ..ServerConfig::default() });
        let mut first = bodies.hold(vec![b' '; 700 * UNIT]).unwrap();
        let refused = bodies.hold(vec![b' '; 324 * UNIT + 1]).unwrap_err();
        assert_eq!((refused.status.as_u16(), refused.code.as_str()), (503, "overloaded"));
        let piece = first.split_to(1);
        drop(first);
        assert_eq!(bodies.room.available_permits(), 324, "a piece of it is still on its way");
        drop(piece);
        let large = bodies.hold(vec![b' '; 2048 * UNIT]).unwrap();
        assert_eq!((large.len(), bodies.room.available_permits()), (2048 * UNIT, 0), "alone it fits");
        drop(large);
        assert_eq!(bodies.room.available_permits(), 1024);
    }
}
