//! The early gate: a local backend whose answers are held back until the judge has seen their first tokens, at most for
//! a stated time. An unsure answer becomes an error that goes elsewhere; nothing has reached the caller by then.
//! Experimental, and off unless configured. Decides by the judge alone.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};
use tokio::time::{Instant, timeout_at};

use crate::backends::{
    Backend, BackendError, Call, ChunkStream, Fault, Kind, Load, Profile, Readiness, Retry,
};
use crate::chat::{Chunk, Confidence, Event};
use crate::routing::{EarlyGate, Verdict};

/// The judge, and how long it may keep a caller waiting.
#[derive(Debug)]
pub struct Gate {
    /// Decides.
    pub judge: EarlyGate,
    /// Longest that a first piece of an answer is held back.
    pub max_wait: Duration,
}

/// A backend behind the gate, for one request.
pub(super) struct Gated {
    inner: Arc<dyn Backend>,
    gate: Arc<Gate>,
    verdict: Option<Verdict>,
}

impl Gated {
    /// Holds back what `inner` answers to a request of which the classifier said `verdict`.
    pub(super) fn new(inner: &Arc<dyn Backend>, gate: &Arc<Gate>, verdict: Option<&Verdict>) -> Self {
        Self { inner: Arc::clone(inner), gate: Arc::clone(gate), verdict: verdict.cloned() }
    }
}

impl Backend for Gated {
    fn profile(&self) -> &Profile {
        self.inner.profile()
    }

    fn profile_of(&self, model: &str) -> &Profile {
        self.inner.profile_of(model)
    }

    fn readiness(&self) -> Readiness {
        self.inner.readiness()
    }

    fn readiness_of(&self, model: &str) -> Readiness {
        self.inner.readiness_of(model)
    }

    fn load(&self) -> Load {
        self.inner.load()
    }

    fn answer(&self, call: Call) -> ChunkStream {
        let watch = Watch {
            gate: Arc::clone(&self.gate),
            verdict: self.verdict.clone(),
            begun: vec![],
            until: None,
            ended: false,
        };
        let (inner, backend) = (self.inner.answer(call), self.inner.profile().clone());
        Box::pin(stream::once(hold(inner, watch, backend)).try_flatten())
    }
}

/// What was seen of one answer.
struct Watch {
    gate: Arc<Gate>,
    verdict: Option<Verdict>,
    begun: Vec<Confidence>,
    /// When to judge by what is there; set at the first content.
    until: Option<Instant>,
    ended: bool,
}

impl Watch {
    /// Looks at one more piece; true when enough was seen to judge.
    fn see(&mut self, chunk: &Chunk) -> bool {
        if chunk.commits() && self.until.is_none() {
            self.until = Some(Instant::now() + self.gate.max_wait);
        }
        self.begun.extend(&chunk.confidence);
        self.ended |= chunk.events.iter().any(|event| matches!(event, Event::Finish { .. }));
        self.ended || self.begun.len() >= self.gate.judge.tokens
    }

    fn lets_through(&self) -> bool {
        let enough = self.begun.len().min(self.gate.judge.tokens);
        self.gate.judge.lets_through(self.verdict.as_ref(), &self.begun[..enough])
    }
}

/// Reads the answer's beginning, then gives it and the rest, or an error where the judge does not let it through.
async fn hold(
    mut inner: ChunkStream,
    mut watch: Watch,
    profile: Profile,
) -> Result<impl Stream<Item = Result<Chunk, BackendError>>, BackendError> {
    let mut held = vec![];
    loop {
        let next = match watch.until {
            None => Ok(inner.next().await),
            Some(until) => timeout_at(until, inner.next()).await,
        };
        match next {
            Ok(Some(chunk)) => {
                let chunk = chunk?;
                let enough = watch.see(&chunk);
                held.push(Ok(chunk));
                if enough {
                    break;
                }
            }
            Ok(None) | Err(_) => break,
        }
    }
    if watch.lets_through() {
        return Ok(stream::iter(held).chain(inner));
    }
    let message = "the answer began unsurely";
    Err(BackendError::new(&profile.id, Kind::Unsure, Fault::Us, Retry::Elsewhere, message))
}

#[cfg(test)]
mod tests;
