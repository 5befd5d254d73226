//! Follows one request from its first byte to its end and closes its record exactly once, also when it is dropped.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::oneshot;

use super::machine::{self, Mark};
use super::{Attempt, End, Ledger, Origin, Outcome};
use crate::backends::Kind;
use crate::chat::{BackendId, Chunk, Delta, Event, RequestId, Usage};
use crate::routing::{Decision, Reason};

/// HTTP status recorded for a client that left before the end (a convention of nginx).
const CLIENT_CLOSED: u16 = 499;

/// The open record of one request. Dropping it unfinished records that the client left.
pub struct Recorder {
    ledger: Arc<Ledger>,
    outcome: Option<Box<Outcome>>,
    started: Instant,
    call: Option<OpenCall>,
    copy: Option<oneshot::Sender<Outcome>>,
}

/// The attempt under way, with what was seen of its answer.
struct OpenCall {
    backend: BackendId,
    model: String,
    started: Instant,
    usage: Option<Usage>,
    text_bytes: usize,
    /// Pieces that the text came in; each is a token at least.
    pieces: u64,
    has_content: bool,
    mark: Option<Mark>,
}

impl Recorder {
    /// Opens a record.
    pub fn open(ledger: Arc<Ledger>, id: RequestId, origin: Origin) -> Self {
        let at_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
        ledger.metrics().requests_in_flight.inc();
        let outcome = Outcome {
            id,
            at_ms,
            origin,
            policy: None,
            rule: None,
            reason: None,
            verdict: None,
            threshold: None,
            prompt_tokens_estimate: 0,
            first_target: None,
            attempts: vec![],
            served_by: None,
            model: None,
            usage: Usage::default(),
            cost: None,
            cost_if_remote: None,
            decided_in: Duration::ZERO,
            first_chunk_in: None,
            total: Duration::ZERO,
            status: 0,
            end: End::ClientClosed,
            record: None,
            propensity: None,
            shadow_probability: None,
            shadow_of: None,
        };
        let started = Instant::now();
        Self { ledger, outcome: Some(Box::new(outcome)), started, call: None, copy: None }
    }

    /// Asks for a copy of the record, priced, when it is closed.
    pub fn copy(&mut self) -> oneshot::Receiver<Outcome> {
        let (sender, receiver) = oneshot::channel();
        self.copy = Some(sender);
        receiver
    }

    /// Notes with what probability the request is sampled for a shadow answer.
    pub fn sampled(&mut self, probability: f64) {
        if let Some(outcome) = &mut self.outcome {
            outcome.shadow_probability = Some(probability);
        }
    }

    /// Notes whose shadow this answer is.
    pub fn shadow_of(&mut self, live: &RequestId) {
        if let Some(outcome) = &mut self.outcome {
            outcome.shadow_of = Some(live.clone());
        }
    }

    /// The record so far.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_deref()
    }

    /// Notes what routing decided.
    pub fn decided(&mut self, decision: &Decision) {
        if let Some(outcome) = &mut self.outcome {
            outcome.policy = Some(decision.policy.clone());
            outcome.rule = Some(decision.rule.clone());
            outcome.reason = Some(decision.reason);
            outcome.verdict.clone_from(&decision.verdict);
            outcome.threshold = decision.threshold;
            outcome.prompt_tokens_estimate = decision.prompt_tokens;
            outcome.first_target = decision.plan.targets().first().map(|id| (*id).clone());
            outcome.decided_in = decision.decided_in;
            outcome.record = Some(decision.record.clone());
            outcome.propensity = Some(decision.propensity);
        }
    }

    /// Changes the reason: another target than the first answers.
    pub fn reason(&mut self, reason: Reason) {
        if let Some(outcome) = &mut self.outcome {
            outcome.reason = Some(reason);
        }
    }

    /// A backend is called. A call that is still open then has failed, through a fault of ours.
    pub fn call(&mut self, backend: &BackendId, model: &str) {
        self.close_call(Some(Kind::Internal));
        let started = Instant::now();
        self.call = Some(OpenCall {
            backend: backend.clone(),
            model: model.to_owned(),
            started,
            usage: None,
            text_bytes: 0,
            pieces: 0,
            has_content: false,
            mark: machine::is_own(backend).then(|| self.ledger.machine().enter(started)),
        });
    }

    /// The call failed before it committed, or broke off later.
    pub fn failed(&mut self, kind: Kind) {
        self.close_call(Some(kind));
    }

    /// The call that failed last asked nobody: a limit that was known is waited for. It is no attempt.
    pub fn waited(&mut self) {
        if let Some(outcome) = &mut self.outcome {
            outcome.attempts.pop();
        }
    }

    /// The call's answer is the one that the client gets, its first content perhaps later.
    pub fn committed(&mut self) {
        let Some(call) = &self.call else { return };
        let has_content = call.has_content;
        if let Some(outcome) = &mut self.outcome {
            outcome.served_by = Some(call.backend.clone());
            outcome.model = Some(call.model.clone());
        }
        if has_content {
            self.first_content();
        }
    }

    /// The call has ended well: what its answer may still wait for is the client.
    pub fn answered(&mut self) {
        self.close_call(None);
    }

    /// Reads usage and content size off a chunk of the answer.
    pub fn chunk(&mut self, chunk: &Chunk) {
        let Some(call) = &mut self.call else { return };
        call.text_bytes += chunk.unread;
        call.pieces += u64::from(chunk.unread > 0);
        for event in &chunk.events {
            match event {
                Event::Usage(usage) => call.usage = Some(*usage),
                Event::Delta {
                    delta: Delta::Text(text) | Delta::Reasoning(text) | Delta::Refusal(text),
                    ..
                } => {
                    call.text_bytes += text.len();
                    call.pieces += 1;
                }
                Event::Whole { text } => call.text_bytes += text.len(),
                Event::Delta { delta: Delta::ToolCalls(calls), .. } => {
                    call.text_bytes += calls.to_string().len();
                    call.pieces += 1;
                }
                Event::Role { .. } | Event::Finish { .. } => {}
            }
        }
        call.has_content |= chunk.commits();
        if call.has_content {
            self.first_content();
        }
    }

    /// There is content of an answer that the client gets.
    fn first_content(&mut self) {
        if let Some(outcome) = &mut self.outcome
            && outcome.served_by.is_some()
            && outcome.first_chunk_in.is_none()
        {
            outcome.first_chunk_in = Some(self.started.elapsed());
        }
    }

    /// The HTTP status that the client gets.
    pub fn status(&mut self, status: u16) {
        if let Some(outcome) = &mut self.outcome {
            outcome.status = status;
        }
    }

    /// Closes the record.
    pub fn finish(mut self, end: End) {
        self.close(end);
    }

    fn close_call(&mut self, failure: Option<Kind>) {
        let (Some(outcome), Some(call)) = (&mut self.outcome, self.call.take()) else { return };
        let now = Instant::now();
        let billed = call.text_bytes > 0 || may_be_billed(failure);
        let unseen = call.mark.is_none() && !call.has_content && call.text_bytes == 0;
        let foretold = if unseen { foretold(outcome) } else { 0 };
        let usage = call.usage.or_else(|| {
            billed.then(|| Usage {
                prompt: u64::from(outcome.prompt_tokens_estimate),
                completion: estimate_tokens(call.text_bytes).max(call.pieces).max(foretold),
                estimated: true,
                ..Usage::default()
            })
        });
        if failure.is_none() || outcome.served_by.as_ref() == Some(&call.backend) {
            outcome.usage = usage.unwrap_or_default();
        }
        outcome.attempts.push(Attempt {
            backend: call.backend,
            model: call.model,
            failure,
            usage,
            took: now.saturating_duration_since(call.started),
            busy: call.mark.map(|mark| self.ledger.machine().leave(mark, now)),
            cost: None,
        });
    }

    fn close(&mut self, end: End) {
        self.close_call(match end {
            End::Failed(kind) => Some(kind),
            End::Completed | End::ClientClosed | End::Refused(_) | End::Invalid(_) => None,
        });
        let Some(mut outcome) = self.outcome.take() else { return };
        outcome.total = self.started.elapsed();
        outcome.end = end;
        if end == End::ClientClosed {
            outcome.status = CLIENT_CLOSED;
        }
        self.ledger.metrics().requests_in_flight.dec();
        self.ledger.close(outcome, self.copy.take());
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.close(End::ClientClosed);
    }
}

/// Whether a backend that reported no usage may still charge for the call: it answered, or it had the request and broke
/// off or was given up. What it generates then without our seeing it is not known: [`foretold`] stands for it where
/// nothing was seen.
fn may_be_billed(failure: Option<Kind>) -> bool {
    match failure {
        None => true,
        Some(kind) => {
            matches!(kind, Kind::FirstTokenTimeout | Kind::IdleTimeout | Kind::Truncated | Kind::StreamError)
        }
    }
}

/// Tokens that the answer was foretold to have, no more than the request allows; 0 where nobody foretold any: then the
/// prompt alone is counted, and the estimate may be too low.
fn foretold(outcome: &Outcome) -> u64 {
    let tokens = outcome.verdict.as_ref().and_then(|verdict| verdict.expected_output_tokens);
    let most = outcome.record.as_ref().and_then(|record| record.max_tokens());
    u64::from(tokens.unwrap_or_default().min(most.unwrap_or(u32::MAX)))
}

/// About four bytes a token, for an answer that came in few pieces: what is left when a backend reports no usage.
fn estimate_tokens(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(4)
}

#[cfg(test)]
mod tests;
