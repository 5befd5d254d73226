//! One target: called, awaited until its first content, tried again where that helps. Nothing has reached the caller
//! while this runs, so that a failure may still go elsewhere.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use super::Pipeline;
use super::retry::is_known_limit;
use crate::backends::{Backend, BackendError, Call, ChunkStream, Fault, Kind, Profile, Readiness, Retry};
use crate::chat::Chunk;
use crate::ledger::Recorder;
use crate::routing::REMOTE;

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
    /// Calls one backend until it answers or retrying does not help. All attempts share the time that one would have.
    pub(super) async fn try_backend(
        &self,
        backend: &Arc<dyn Backend>,
        mut call: Call,
        recorder: &mut Recorder,
        is_last: bool,
    ) -> Result<Opened, BackendError> {
        let profile = backend.profile();
        self.retries.deposit();
        let patience = profile.patience(call.request.stream);
        let deadline = Instant::now() + patience;
        let mut retries = 0;
        loop {
            let begun = Instant::now();
            let error = match attempt(backend.as_ref(), call.clone(), deadline, recorder, is_last).await {
                Ok(opened) => return Ok(opened),
                Err(error) => error,
            };
            // The next attempt may well take as long as this one did, and wants a fair part of the time.
            let next = begun.elapsed().max(patience / 3);
            let left = deadline.saturating_duration_since(Instant::now()).saturating_sub(next);
            let Some(pause) = self.retries.pause(profile, &error, retries, left) else {
                return Err(error);
            };
            if is_known_limit(&error) {
                recorder.waited();
            } else {
                retries += 1;
            }
            call.again = matches!(error.kind, Kind::Connect | Kind::Truncated);
            tokio::time::sleep(pause).await;
        }
    }
}

/// One attempt, until its first content.
async fn attempt(
    backend: &dyn Backend,
    mut call: Call,
    deadline: Instant,
    recorder: &mut Recorder,
    is_last: bool,
) -> Result<Opened, BackendError> {
    let profile = backend.profile();
    recorder.call(&profile.id, &call.model);
    if let Readiness::Down { why, retry_after } = backend.readiness_of(&call.model) {
        return Err(failed(recorder, down(profile, &why, retry_after)));
    }
    let model = call.model.clone();
    let streamed = call.request.stream;
    let begun = Instant::now();
    let sign_of_life = (streamed && is_last && profile.within_boundary).then(|| begun + SIGN_OF_LIFE);
    call.relayed_from = sign_of_life.filter(|sign| *sign < deadline);
    call.until = call.relayed_from.map_or(deadline, |_| begun + profile.whole_timeout);
    let (wait_until, content_until) = (call.relayed_from.unwrap_or(deadline), call.until);
    let mut stream = backend.answer(call);
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
                let late = late(profile, false);
                let stream = Some(until(stream, content_until, late));
                return Ok(Opened { model, head, stream });
            }
            Err(_) => return Err(failed(recorder, late(profile, streamed))),
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

/// The rest of a stream that was handed on without content, which still has to come by the deadline: a whole answer's, for
/// who thinks for long may send thoughts meanwhile.
fn until(stream: ChunkStream, deadline: Instant, late: BackendError) -> ChunkStream {
    let state = Some((stream, Some((deadline, late))));
    Box::pin(stream::unfold(state, |state| async {
        let (mut stream, mut hurry) = state?;
        let next = match &hurry {
            None => stream.next().await?,
            Some((deadline, late)) => match timeout_at(*deadline, stream.next()).await {
                Ok(next) => next?,
                Err(_) => return Some((Err(late.clone()), None)),
            },
        };
        if next.as_ref().is_ok_and(Chunk::commits) {
            hurry = None;
        }
        Some((next, Some((stream, hurry))))
    }))
}

fn failed(recorder: &mut Recorder, error: BackendError) -> BackendError {
    recorder.failed(error.kind);
    error
}

/// Why a backend inside the boundary is down may name files there: its own people read that in the log and in `/health/ready`.
fn down(profile: &Profile, why: &str, retry_after: Option<Duration>) -> BackendError {
    let why = if profile.within_boundary { "The model inside the boundary is not ready." } else { why };
    BackendError {
        retry_after,
        ..BackendError::new(&profile.id, Kind::Down, Fault::Upstream, Retry::Elsewhere, why)
    }
}

fn ended_early(profile: &Profile) -> BackendError {
    let message = "the answer ended before it began";
    BackendError::new(&profile.id, Kind::Truncated, Fault::Upstream, Retry::Same(None), message)
}

fn late(profile: &Profile, stream: bool) -> BackendError {
    let setting = match profile.id.as_str() {
        REMOTE if stream => " (remote.first-token-timeout-ms)",
        REMOTE => " (remote.whole-timeout-ms)",
        _ => "",
    };
    let message = format!("no content within {} ms{setting}", profile.patience(stream).as_millis());
    BackendError::new(&profile.id, Kind::FirstTokenTimeout, Fault::Upstream, Retry::Elsewhere, message)
}
