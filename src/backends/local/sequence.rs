//! One answer under way: its prompt, cache and sampler, and its line to the reader.
//! Promises: a token is computed only when the reader has taken the one before; an end is never lost.
//! Does not run the graph: the engine does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{OwnedPermit, Sender};

use super::queue::{End, Step, Ticket};
use super::sampler::{Sampler, Token};
use super::slab::Cache;

/// Answer tokens that a new cache has room for from the start.
const FIRST_ROOM: usize = 128;

/// The limits of one engine.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    /// Sequences at the same time.
    pub(super) slots: usize,
    /// Longest generation of one answer.
    pub(super) longest: Duration,
    /// Tokens that end an answer.
    pub(super) eos: Vec<u32>,
}

/// One answer under way.
pub(super) struct Sequence {
    index: u32,
    pub(super) prompt: Arc<[u32]>,
    /// Tokens of the prompt that the cache holds.
    pub(super) prefilled: usize,
    pub(super) cache: Option<Cache>,
    sampler: Sampler,
    /// Chosen, and not yet handed to the reader, or handed over and not yet run.
    pub(super) last: Token,
    generated: usize,
    max_tokens: usize,
    ends_at: Instant,
    steps: Sender<Step>,
    end_permit: Option<OwnedPermit<Step>>,
    enough: Arc<[AtomicBool]>,
    pub(super) end: Option<Ending>,
}

/// How a sequence is over.
#[derive(Clone, Copy)]
pub(super) enum Ending {
    /// Its reader hears of it.
    Told(End),
    /// Nobody listens.
    Left,
}

/// Whether a token could be handed to the reader.
pub(super) enum Offer {
    Sent,
    Full,
    Closed,
}

impl Sequence {
    pub(super) fn new(ticket: &Ticket, end_permit: OwnedPermit<Step>, longest: Duration) -> Self {
        let index = ticket.enough.len() - 1 - ticket.ends.len();
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        Self {
            index,
            prompt: Arc::clone(&ticket.job.prompt),
            prefilled: 0,
            cache: None,
            sampler: Sampler::new(ticket.job.choice.clone(), index),
            last: Token { id: 0, confidence: None, logprobs: None },
            generated: 0,
            max_tokens: ticket.job.max_tokens,
            ends_at: Instant::now() + longest,
            steps: ticket.steps.clone(),
            end_permit: Some(end_permit),
            enough: Arc::clone(&ticket.enough),
            end: (ticket.job.max_tokens == 0).then_some(Ending::Told(End::Length)),
        }
    }

    pub(super) fn is_prefilling(&self) -> bool {
        self.prefilled < self.prompt.len() && self.end.is_none()
    }

    pub(super) fn is_decoding(&self) -> bool {
        self.prefilled == self.prompt.len() && self.end.is_none()
    }

    pub(super) fn is_left(&self) -> bool {
        self.steps.is_closed()
            || self.enough.get(self.index as usize).is_some_and(|enough| enough.load(Relaxed))
    }

    pub(super) fn first_capacity(&self) -> usize {
        self.prompt.len() + self.max_tokens.min(FIRST_ROOM)
    }

    /// Chooses the next token; an end token ends the sequence without being shown.
    pub(super) fn take(&mut self, logits: &[f32], limits: &Limits) {
        match self.sampler.pick(logits) {
            Ok(token) => {
                self.last = token;
                self.generated += 1;
                if limits.eos.contains(&self.last.id) {
                    self.end = Some(Ending::Told(End::Stop));
                }
            }
            Err(_) => self.end = Some(Ending::Told(End::Failed)),
        }
    }

    /// Hands the last token over, and sees whether it was the last of all.
    pub(super) fn offer(&mut self, limits: &Limits) -> Offer {
        debug_assert!(!limits.eos.contains(&self.last.id));
        if self.is_left() {
            return Offer::Closed;
        }
        let late = Instant::now() >= self.ends_at;
        match self.steps.try_send(Step::Token { index: self.index, token: self.last.clone() }) {
            Ok(()) => {
                if late || self.generated >= self.max_tokens {
                    self.end = Some(Ending::Told(End::Length));
                }
                Offer::Sent
            }
            // A reader that has not come back in time gets the end without the token.
            Err(TrySendError::Full(_)) if late => {
                self.generated -= 1;
                self.end = Some(Ending::Told(End::Length));
                Offer::Sent
            }
            Err(TrySendError::Full(_)) => Offer::Full,
            Err(TrySendError::Closed(_)) => Offer::Closed,
        }
    }

    pub(super) fn tell_end(&mut self) {
        if let (Some(Ending::Told(end)), Some(permit)) = (self.end, self.end_permit.take()) {
            permit.send(Step::End { index: self.index, end, tokens: self.generated as u64 });
        }
    }
}
