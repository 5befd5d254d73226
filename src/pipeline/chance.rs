//! What a policy leaves to chance: `[explore]` and `[shadow]`, for live requests only. Every draw has a known probability,
//! which is recorded. A request that must stay within the boundary is never drawn: only an [`Unconfined`] plan gets in.

use std::sync::Arc;

use rand::RngExt as _;

use super::Pipeline;
use super::names::Destination;
use super::{Answer, Asked, Refused, Why, refuse};
use crate::backends::Readiness;
use crate::chat::{BackendId, ChatRequest, Chunk, Control, Delta, Event, RequestId};
use crate::ledger::{End, Ledger, Origin, Place, Recorder, Sample, Shadows};
use crate::routing::{Decision, Shadow, Unconfined};

/// Longer answers are not compared: what is kept in memory is bounded.
const MOST_TEXT: usize = 64 * 1024;
/// Larger requests are not sampled, for the same reason.
const MOST_REQUEST: usize = 256 * 1024;

/// A drawn sample that waits for its live answer.
pub(super) struct Pending {
    ledger: Arc<Ledger>,
    place: Option<Place>,
    request: Arc<ChatRequest>,
    leave: Unconfined,
    shadow: Shadow,
    policy: String,
    text: String,
    too_long: bool,
    /// Something was said that is no text: [`Chunk::beside_text`].
    beside_text: bool,
}

impl Pipeline {
    /// The same pipeline with a way for shadow samples; without one `[shadow]` draws nothing.
    #[must_use]
    pub fn with_shadows(self, shadows: Shadows) -> Self {
        Self { shadows: Some(shadows), ..self }
    }

    /// Draws: perhaps the other target goes first, perhaps the request will be answered by the other target too.
    pub(super) fn draw(
        &self,
        request: &Arc<ChatRequest>,
        decision: &mut Decision,
        recorder: &mut Recorder,
    ) -> Option<Pending> {
        let policy = self.router.policy(&decision.policy.name).filter(|_| is_live(recorder))?;
        if policy.explore() > 0.0 && decision.record.free_choice(&decision.plan) {
            let explores = rand::rng().random::<f64>() < policy.explore();
            decision.propensity = if explores { policy.explore() } else { 1.0 - policy.explore() };
            if explores {
                decision.explore();
            }
        }
        let shadow = policy.shadow()?;
        let (probability, pending) = self.sample(request, decision, shadow);
        recorder.sampled(probability);
        pending
    }

    /// The probability with which this request is sampled, and the sample if it was drawn.
    fn sample(
        &self,
        request: &Arc<ChatRequest>,
        decision: &Decision,
        shadow: &Shadow,
    ) -> (f64, Option<Pending>) {
        let policy = &decision.policy.name;
        let both = decision.plan.unconfined().and_then(|leave| {
            let other = leave.other_than(leave.targets().next()?)?.clone();
            Some((leave, other))
        });
        let (Some(shadows), Some((leave, other))) = (&self.shadows, both) else { return (0.0, None) };
        let drawn = rand::rng().random::<f64>() < shadow.share;
        // A sample keeps its request until it is answered, so large ones are not drawn: probability 0, as when full.
        let small = request.original.body.len() <= MOST_REQUEST;
        let place = if small && decision.record.idle(&other) { shadows.place(policy, shadow) } else { None };
        let Some(place) = place else {
            if drawn {
                self.count_sample(policy, "dropped");
            }
            return (0.0, None);
        };
        let pending = drawn.then(|| {
            shadows.drawn(policy);
            Pending {
                ledger: Arc::clone(&self.ledger),
                place: Some(place),
                request: Arc::clone(request),
                leave,
                shadow: shadow.clone(),
                policy: policy.clone(),
                text: String::new(),
                too_long: false,
                beside_text: false,
            }
        });
        (shadow.share, pending)
    }

    /// Answers a sample by its target alone, for comparison. Waits for nobody: a target that is not free now is left
    /// alone. The record has the origin `shadow` and names the live request.
    ///
    /// # Errors
    /// When the target does not answer.
    pub async fn answer_beside(&self, sample: &Sample) -> Result<Answer, Box<Refused>> {
        let mut recorder = self.open(RequestId::fresh(), Origin::Shadow);
        recorder.shadow_of(&sample.id);
        recorder.sampled(sample.shadow.share);
        let plan = sample.leave.only(&sample.target).filter(|_| self.is_free(&sample.target));
        let permit = Arc::clone(&self.in_flight).try_acquire_owned();
        let (Some(plan), Ok(permit)) = (plan, permit) else {
            return Err(refuse(Why::Overloaded, None, recorder));
        };
        let decision = Decision { plan, ..sample.decision.clone() };
        recorder.decided(&decision);
        let destination =
            Destination { policy: decision.policy.name.clone(), control: Control::Auto, exact: None };
        let asked = Asked { request: Arc::clone(&sample.request), destination };
        self.try_targets(asked, decision, recorder, permit).await
    }

    /// Whether a backend is ready and nobody waits there.
    pub fn is_free(&self, id: &BackendId) -> bool {
        self.backend(id)
            .is_some_and(|backend| backend.readiness() == Readiness::Ready && backend.load().queued == 0)
    }

    /// Counts what became of a drawn sample.
    pub fn count_sample(&self, policy: &str, outcome: &str) {
        count(&self.ledger, policy, outcome);
    }
}

/// Whether a client asks.
pub(super) fn is_live(recorder: &Recorder) -> bool {
    recorder.outcome().is_some_and(|outcome| outcome.origin == Origin::Live)
}

fn count(ledger: &Ledger, policy: &str, outcome: &str) {
    ledger.metrics().shadow_samples_total.with_label_values(&[policy, outcome]).inc();
}

impl Pending {
    /// Reads the text off the live answer.
    pub(super) fn read(&mut self, chunk: &Chunk) {
        self.beside_text |= chunk.beside_text();
        for event in &chunk.events {
            let piece = match event {
                Event::Delta { index: 0, delta: Delta::Text(piece) | Delta::Refusal(piece) } => piece,
                Event::Whole { text } => text,
                _ => continue,
            };
            self.too_long |= self.text.len() + piece.len() > MOST_TEXT;
            if !self.too_long {
                self.text.push_str(piece);
            }
        }
    }

    /// The live answer is over: the sample goes on its way, where the first target gave it.
    pub(super) fn send(mut self, id: &RequestId, decision: &Decision, served_by: &BackendId, end: End) {
        let first = decision.plan.targets().first().copied() == Some(served_by);
        let Some(target) = self.leave.other_than(served_by).filter(|_| first).cloned() else { return };
        let Some(place) = self.place.take() else { return };
        let no_text = self.text.is_empty() && self.beside_text;
        let whole = end == End::Completed && !self.too_long && !no_text;
        place.send(Sample {
            id: id.clone(),
            request: Arc::clone(&self.request),
            leave: self.leave.clone(),
            target,
            decision: decision.clone(),
            shadow: self.shadow.clone(),
            answer: whole.then(|| std::mem::take(&mut self.text)),
        });
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.place.is_some() {
            count(&self.ledger, &self.policy, "void");
        }
    }
}
