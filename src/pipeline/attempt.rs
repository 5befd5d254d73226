//! One target: called, awaited until its first content, tried again where that helps. Nothing has reached the caller
//! while this runs, so that a failure may still go elsewhere.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::Pipeline;
use crate::backends::{Backend, BackendError, Call, ChunkStream, Fault, Kind, Profile, Readiness, Retry};
use crate::chat::Chunk;
use crate::ledger::Recorder;

/// How long a client of the last target inside the boundary waits before it gets the response's head and, from then
/// on, heartbeats. Shorter than every client's own patience.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// A stream that answers, with what was read of it so far.
pub(super) struct Opened {
    pub(super) model: String,
    pub(super) head: VecDeque<Chunk>,
    /// `None`: the answer is whole, all of it is in `head`.
    pub(super) stream: Option<ChunkStream>,
}

impl Pipeline {
    /// Calls one backend until it answers or retrying does not help.
    pub(super) async fn try_backend(
        &self,
        backend: &Arc<dyn Backend>,
        call: Call,
        recorder: &mut Recorder,
        is_last: bool,
    ) -> Result<Opened, BackendError> {
        let profile = backend.profile();
        self.retries.deposit();
        let mut retries = 0;
        loop {
            let error = match self.try_once(backend.as_ref(), call.clone(), recorder, is_last).await {
                Ok(opened) => return Ok(opened),
                Err(error) => error,
            };
            let Some(pause) = self.retries.pause(profile, error.retry, retries) else { return Err(error) };
            retries += 1;
            tokio::time::sleep(pause).await;
        }
    }

    async fn try_once(
        &self,
        backend: &dyn Backend,
        call: Call,
        recorder: &mut Recorder,
        is_last: bool,
    ) -> Result<Opened, BackendError> {
        let profile = backend.profile();
        if let Readiness::Down { why, retry_after } = backend.readiness_of(&call.model) {
            return Err(down(profile, &why, retry_after));
        }
        let model = call.model.clone();
        let streamed = call.request.stream;
        recorder.call(&profile.id, &model);
        let mut stream = backend.answer(call);
        let patience = if streamed { profile.first_content_timeout } else { profile.whole_timeout };
        let deadline = Instant::now() + patience;
        let sign_of_life =
            (streamed && is_last && profile.within_boundary).then(|| Instant::now() + SIGN_OF_LIFE);
        let wait_until = sign_of_life.map_or(deadline, |sign| sign.min(deadline));
        let mut head = VecDeque::new();
        let mut content = false;
        loop {
            let step = match timeout_at(wait_until, stream.next()).await {
                Ok(Some(Ok(chunk))) => chunk,
                Ok(Some(Err(error))) => return Err(failed(recorder, error)),
                Ok(None) if content => {
                    recorder.committed();
                    return Ok(Opened { model, head, stream: None });
                }
                Ok(None) => return Err(failed(recorder, ended_early(profile))),
                Err(_) if wait_until < deadline => {
                    recorder.committed();
                    return Ok(Opened { model, head, stream: Some(stream) });
                }
                Err(_) => return Err(failed(recorder, late(profile, patience))),
            };
            recorder.chunk(&step);
            content |= step.commits();
            head.push_back(step);
            // An unstreamed answer commits when it is whole, so that it may fall back until then.
            if content && streamed {
                recorder.committed();
                return Ok(Opened { model, head, stream: Some(stream) });
            }
        }
    }
}

fn failed(recorder: &mut Recorder, error: BackendError) -> BackendError {
    recorder.failed(error.kind);
    error
}

fn down(profile: &Profile, why: &str, retry_after: Option<Duration>) -> BackendError {
    BackendError {
        retry_after,
        ..BackendError::new(&profile.id, Kind::Down, Fault::Upstream, Retry::Elsewhere, why)
    }
}

fn ended_early(profile: &Profile) -> BackendError {
    let message = "the answer ended before it began";
    BackendError::new(&profile.id, Kind::Truncated, Fault::Upstream, Retry::Same(None), message)
}

fn late(profile: &Profile, patience: Duration) -> BackendError {
    let message = format!("no content within {} ms", patience.as_millis());
    BackendError::new(&profile.id, Kind::FirstTokenTimeout, Fault::Upstream, Retry::Elsewhere, message)
}
