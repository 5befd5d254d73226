//! The backends as routing sees them at the moment of a decision. A snapshot: reads nothing, calls nobody.

use serde::{Deserialize, Serialize};

use crate::chat::{BackendId, BoundaryBackendId, Needs};

/// The name of the backend in this process, in policies and views.
pub const LOCAL: &str = "local";
/// The name of the API that hard requests go to.
pub const REMOTE: &str = "remote";
/// Every name that a policy may give as a target. `remote` is always known, merely not ready without a key.
pub(super) const TARGETS: [&str; 2] = [LOCAL, REMOTE];

/// Tokens of an answer whose length the caller does not limit, when a context is checked.
const ANSWER_TOKENS: u32 = 64;
/// The prompt estimate is an upper one, up to this many times the true count (see `signals/tokens.rs`).
const ESTIMATE_SLACK: u32 = 6;

/// Whether a backend can be given work now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// Yes.
    Ready,
    /// Its queue is full.
    Busy,
    /// No.
    Down,
}

/// One backend as routing sees it.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Its name, as policies write it.
    pub id: BackendId,
    /// The proof that it is inside the boundary, if it is.
    pub boundary: Option<BoundaryBackendId>,
    /// Whether it can be given work.
    pub presence: Presence,
    /// Longest prompt plus answer, in tokens.
    pub context_tokens: u32,
    /// What it can do.
    pub can: Needs,
    /// Requests that wait there.
    pub queued: usize,
}

impl Seat {
    /// Whether it can do everything that is needed.
    pub(super) fn can_do(&self, needs: &Needs) -> bool {
        let Needs { vision, audio, tools, logprobs, structured, other_sampling, hosted } = *needs;
        let can = &self.can;
        (!vision || can.vision)
            && (!audio || can.audio)
            && (!tools || can.tools)
            && (!logprobs || can.logprobs)
            && (!structured || can.structured)
            && (!other_sampling || can.other_sampling)
            && (!hosted || can.hosted)
    }

    /// Whether its context holds the prompt and room for an answer: what the caller allows, else 64 tokens, but never
    /// more than a quarter of the context, since callers often allow far more than they get.
    pub(super) fn holds(&self, prompt_tokens: u32, max_tokens: Option<u32>) -> bool {
        let answer = max_tokens.unwrap_or(ANSWER_TOKENS).min(self.context_tokens / 4);
        prompt_tokens.saturating_add(answer) <= self.context_tokens
    }

    /// Whether the prompt, of which we have only an upper estimate, may still fit: the engine counts exactly.
    pub(super) fn may_hold(&self, prompt_tokens: u32) -> bool {
        prompt_tokens / ESTIMATE_SLACK < self.context_tokens
    }
}

/// The backends at the moment of a decision.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Every configured backend, ready or not.
    pub seats: Vec<Seat>,
}

impl View {
    /// The seat of that name.
    pub(super) fn seat(&self, id: &BackendId) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.id == *id)
    }

    /// The seat of the local backend.
    pub(super) fn local(&self) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.id.as_str() == LOCAL)
    }

    /// Whether none of the targets lies outside the boundary. A target without a seat sends nothing anywhere.
    pub(super) fn all_within_boundary(&self, targets: &[BackendId]) -> bool {
        targets.iter().all(|target| self.seat(target).is_none_or(|seat| seat.boundary.is_some()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(context_tokens: u32) -> Seat {
        Seat {
            id: BackendId::new(LOCAL),
            boundary: None,
            presence: Presence::Ready,
            context_tokens,
            can: Needs { tools: true, ..Needs::default() },
            queued: 0,
        }
    }

    #[test]
    fn a_context_holds_prompt_and_answer() {
        assert!(seat(1024).holds(960, None) && !seat(1024).holds(961, None));
        assert!(seat(1024).holds(924, Some(100)) && !seat(1024).holds(925, Some(100)));
        assert!(seat(1024).holds(768, Some(100_000)) && !seat(1024).holds(769, Some(100_000)));
        assert!(!seat(1024).holds(u32::MAX, None));
        assert!(seat(1024).may_hold(6143) && !seat(1024).may_hold(6144));
    }

    #[test]
    fn every_need_must_be_met() {
        assert!(seat(1).can_do(&Needs::default()));
        assert!(seat(1).can_do(&Needs { tools: true, ..Needs::default() }));
        for needs in [
            Needs { vision: true, ..Needs::default() },
            Needs { audio: true, ..Needs::default() },
            Needs { logprobs: true, ..Needs::default() },
            Needs { structured: true, ..Needs::default() },
            Needs { other_sampling: true, tools: true, ..Needs::default() },
            Needs { hosted: true, ..Needs::default() },
        ] {
            assert!(!seat(1).can_do(&needs), "{needs:?}");
        }
    }
}
