//! An answer under way: the stream, with its permit and its record inside. Dropping it cancels the work, frees the
//! permit and writes the record, in that order, whoever drops it and why.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;
use tokio::sync::OwnedSemaphorePermit;

use super::attempt::Opened;
use super::chance::Pending;
use crate::backends::{BackendError, ChunkStream, Profile};
use crate::chat::{BackendId, Chunk};
use crate::ledger::{End, Outcome, Recorder};
use crate::routing::Decision;

/// An answer under way. Yields chunks; an error is the last item.
pub struct Answer {
    /// Who answers.
    pub served_by: BackendId,
    /// Whether the answerer is inside the boundary.
    pub within_boundary: bool,
    /// The model that answers.
    pub model: String,
    /// Why it goes there, and all the rest of the decision.
    pub decision: Decision,
    head: VecDeque<Chunk>,
    stream: Option<ChunkStream>,
    recorder: Option<Recorder>,
    end: End,
    permit: Option<OwnedSemaphorePermit>,
    shadow: Option<Pending>,
}

impl Answer {
    pub(super) fn new(
        profile: &Profile,
        opened: Opened,
        decision: Decision,
        recorder: Recorder,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            served_by: profile.id.clone(),
            within_boundary: profile.within_boundary,
            model: opened.model,
            decision,
            head: opened.head,
            stream: opened.stream,
            recorder: Some(recorder),
            end: End::ClientClosed,
            permit: Some(permit),
            shadow: None,
        }
    }

    /// The same answer, which will be compared with another target's.
    pub(super) fn shadowed(self, shadow: Option<Pending>) -> Self {
        // `Answer` has a destructor, so that it cannot be taken apart.
        let mut answer = self;
        answer.shadow = shadow;
        answer
    }

    /// Notes the HTTP status that the caller gets.
    pub fn status(&mut self, status: u16) {
        if let Some(recorder) = &mut self.recorder {
            recorder.status(status);
        }
    }

    /// The record so far; `None` once the answer has ended.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.recorder.as_ref().and_then(Recorder::outcome)
    }

    fn compare(&mut self, chunk: &Chunk) {
        if let Some(shadow) = &mut self.shadow {
            shadow.read(chunk);
        }
    }

    /// Frees everything and closes the record: as what was seen last, else as a client that left.
    fn close(&mut self) {
        // The stream goes first, so that the backend stops before the record says how far it came.
        self.stream = None;
        self.permit = None;
        let Some(recorder) = self.recorder.take() else { return };
        if let (Some(shadow), Some(outcome)) = (self.shadow.take(), recorder.outcome()) {
            shadow.send(&outcome.id, &self.decision, &self.served_by, self.end);
        }
        recorder.finish(self.end);
    }
}

impl Stream for Answer {
    type Item = Result<Chunk, BackendError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(chunk) = self.head.pop_front() {
            self.compare(&chunk);
            return Poll::Ready(Some(Ok(chunk)));
        }
        let next = match &mut self.stream {
            Some(stream) => std::task::ready!(stream.as_mut().poll_next(context)),
            None => None,
        };
        match &next {
            Some(Ok(chunk)) => {
                if let Some(recorder) = &mut self.recorder {
                    recorder.chunk(chunk);
                }
                self.compare(chunk);
            }
            // The record stays open until the caller has said what status the failure became.
            Some(Err(error)) => {
                self.end = End::Failed(error.kind);
                self.stream = None;
            }
            None => {
                if self.end == End::ClientClosed {
                    self.end = End::Completed;
                }
                self.close();
            }
        }
        Poll::Ready(next)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.close();
    }
}
