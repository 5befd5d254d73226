//! One answer under way: its prompt, its place in the cache, its sampler, and its line to the reader.
//! Promises: a token is computed only when the reader has taken the one before; an end is never lost; the same tokens
//! are fed again, and none is told twice, where the cache has to be filled anew. Does not run the graph: the engine does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{OwnedPermit, Sender};

use super::constraint::Grammars;
use super::draft::{self, Drafts};
use super::engine::Share;
use super::prefix::Link;
use super::queue::{End, Step, Ticket};
use super::sampler::{Sampler, Token};

/// The limits of one engine.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    /// Sequences at the same time.
    pub(super) slots: usize,
    /// Longest generation of one answer.
    pub(super) longest: Duration,
    /// Tokens that end an answer.
    pub(super) eos: Vec<u32>,
    /// Tokens that all sequences together may hold in the cache.
    pub(super) tokens: usize,
    /// Bytes of prompt beginnings that are kept for later requests.
    pub(super) prefix_bytes: usize,
    /// What jobs' grammars are compiled with.
    pub(super) grammars: Arc<Grammars>,
}

/// One answer under way.
pub(super) struct Sequence {
    index: u32,
    /// The request that it belongs to, by order of admission.
    pub(super) group: u64,
    pub(super) owner: Option<Arc<str>>,
    pub(super) prompt: Arc<[u32]>,
    /// Chosen tokens; all but the last are in the cache, or were.
    answer: Vec<u32>,
    /// Its row of the cache, while it has one.
    pub(super) row: Option<usize>,
    /// Its part of the budget.
    pub(super) share: Share,
    /// Where its prompt has come to in the prefix cache; `None` where it keeps and finds nothing.
    pub(super) link: Option<Link>,
    scope: Option<Arc<str>>,
    /// Prompt tokens that were not computed anew.
    cached: usize,
    /// Whether its request has a seed: the same numbers are to come in any company then.
    pub(super) seeded: bool,
    /// Chunks of others that were prefilled before its own.
    pub(super) passed_over: usize,
    /// What the coming decode step is to it.
    pub(super) turn: Turn,
    sampler: Sampler,
    drafts: Drafts,
    /// Chosen last.
    last: Token,
    /// Whether the reader has it.
    told: bool,
    generated: usize,
    max_tokens: usize,
    /// Until then it may go on.
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

/// What a decode step is to a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It takes no part.
    Rests,
    /// It takes part.
    Runs,
    /// Its reader has been behind for so many steps.
    Waits(usize),
}

impl Sequence {
    pub(super) fn new(ticket: &Ticket, group: u64, end_permit: OwnedPermit<Step>, limits: &Limits) -> Self {
        let job = &ticket.job;
        let index = ticket.enough.len() - 1 - ticket.ends.len();
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        Self {
            index,
            group,
            owner: job.owner.clone(),
            prompt: Arc::clone(&job.prompt),
            answer: Vec::with_capacity(job.max_tokens.min(1024)),
            row: None,
            share: Share::default(),
            link: job.scope.clone().map(Link::Scope),
            scope: job.scope.clone(),
            cached: 0,
            seeded: job.choice.seed.is_some(),
            passed_over: 0,
            turn: Turn::Rests,
            sampler: Sampler::new(job, index, &limits.grammars),
            drafts: Drafts::new(),
            last: Token { id: 0, confidence: None, logprobs: None, last: false },
            told: false,
            generated: 0,
            max_tokens: job.max_tokens,
            ends_at: Instant::now() + limits.longest,
            steps: ticket.steps.clone(),
            end_permit: Some(end_permit),
            enough: Arc::clone(&ticket.enough),
            end: (job.max_tokens == 0).then_some(Ending::Told(End::Length)),
        }
    }

    /// Tokens that it consists of so far.
    pub(super) fn len(&self) -> usize {
        self.prompt.len() + self.answer.len()
    }

    /// Its token at `at`.
    pub(super) fn token(&self, at: usize) -> u32 {
        let answer = at.checked_sub(self.prompt.len());
        answer.and_then(|at| self.answer.get(at)).or_else(|| self.prompt.get(at)).copied().unwrap_or(0)
    }

    /// Whether no token of the answer has been chosen.
    pub(super) fn is_fresh(&self) -> bool {
        self.answer.is_empty()
    }

    /// So many more tokens of its prompt were in the prefix cache.
    pub(super) fn found(&mut self, tokens: usize, next: Link) {
        if self.is_fresh() {
            self.cached += tokens;
        }
        self.link = Some(next);
    }

    /// Its cache is gone: it starts again, with what it has said.
    pub(super) fn rewind(&mut self) {
        if self.is_fresh() {
            self.cached = 0;
        }
        self.turn = Turn::Rests;
        self.link = self.scope.clone().map(Link::Scope);
    }

    fn is_left(&self) -> bool {
        self.steps.is_closed()
            || self.enough.get(self.index as usize).is_some_and(|enough| enough.load(Relaxed))
    }

    /// Its time is over.
    #[cfg(test)]
    pub(super) fn expire(&mut self) {
        self.ends_at = Instant::now();
    }

    /// Ends a sequence whose reader left or whose time is over. One whose prompt is being read gets its first token all the
    /// same.
    pub(super) fn lose_patience(&mut self) {
        let is_read = self.is_fresh() && self.row.is_some();
        if self.is_left() {
            self.end = Some(Ending::Left);
        } else if !is_read && Instant::now() >= self.ends_at {
            if !self.is_fresh() && !self.told {
                // It may not have been its turn to be told, or its reader was behind.
                self.offer();
                return;
            }
            // The others wait beside answers of their own request, which are not to fail with them.
            let expired = self.is_fresh() && self.index == 0;
            self.end = Some(Ending::Told(if expired { End::Expired } else { End::Length }));
        }
    }

    /// Chooses the next token; an end token ends the sequence without being shown.
    pub(super) fn take(&mut self, logits: &[f32], limits: &Limits) {
        match self.sampler.pick(logits) {
            Ok(token) => {
                self.answer.push(token.id);
                self.last = token;
                self.told = false;
                self.generated += 1;
                if limits.eos.contains(&self.last.id) {
                    self.end = Some(Ending::Told(End::Stop));
                }
            }
            Err(error) => {
                tracing::error!(%error, "the local model cannot go on with one sequence");
                self.end = Some(Ending::Told(End::Failed));
            }
        }
    }

    /// Hands the last token over, sees whether it was the last of all, and says what the coming step is to it.
    pub(super) fn offer(&mut self) -> Turn {
        if self.is_left() {
            self.end = Some(Ending::Left);
            return Turn::Rests;
        }
        if self.told {
            return Turn::Runs;
        }
        let late = Instant::now() >= self.ends_at;
        let (token, cached) = (self.last.clone(), self.cached as u64);
        match self.steps.try_send(Step::Token { index: self.index, token, cached }) {
            Ok(()) => {
                self.told = true;
                if !self.last.last && !late && self.generated < self.max_tokens {
                    return Turn::Runs;
                }
                self.end = Some(Ending::Told(if self.last.last { End::Stop } else { End::Length }));
            }
            // A reader that has not come back in time gets the end without the token.
            Err(TrySendError::Full(_)) if late => {
                self.generated -= 1;
                self.end = Some(Ending::Told(End::Length));
            }
            Err(TrySendError::Full(_)) => {
                return match self.turn {
                    Turn::Waits(steps) => Turn::Waits(steps + 1),
                    Turn::Rests | Turn::Runs => Turn::Waits(1),
                };
            }
            Err(TrySendError::Closed(_)) => self.end = Some(Ending::Left),
        }
        Turn::Rests
    }

    /// Appends a draft of the `wanted` tokens behind its last one, where there is one and all may still be said.
    pub(super) fn draft(&mut self, wanted: usize, ids: &mut Vec<u32>) -> bool {
        let fits = self.generated + wanted < self.max_tokens;
        fits && self.drafts.are_due() && draft::look_up(&self.prompt, &self.answer, wanted, ids)
    }

    /// A run with its draft brought so many tokens, and took as long as `price` steps.
    pub(super) fn drafted(&mut self, tokens: usize, price: f32) {
        self.drafts.learn(tokens, price);
    }

    /// Whether its last token is this one, and the next may be chosen: its reader has the last one and wants more.
    pub(super) fn goes_on_with(&mut self, id: u32) -> bool {
        self.end.is_none() && self.last.id == id && self.offer() == Turn::Runs
    }

    /// Tokens generated.
    pub(super) fn generated(&self) -> usize {
        self.generated
    }

    pub(super) fn tell_end(&mut self) {
        if let (Some(Ending::Told(end)), Some(permit)) = (self.end, self.end_permit.take()) {
            let (tokens, cached) = (self.generated as u64, self.cached as u64);
            permit.send(Step::End { index: self.index, end, tokens, cached });
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::Receiver;

    use super::super::detokenize::Vocabulary;
    use super::super::queue::{Job, reserve_ends};
    use super::super::tests::greedy;
    use super::*;

    /// A sequence, and its reader, who has room for so many tokens beside the end.
    fn sequence(room: usize, longest: Duration) -> (Sequence, Limits, Receiver<Step>) {
        let (steps, reader) = tokio::sync::mpsc::channel(room + 1);
        let limits = Limits {
            slots: 1,
            longest,
            eos: vec![],
            tokens: 1024,
            prefix_bytes: 1024,
            grammars: Arc::new(Grammars::new(Arc::new(Vocabulary::from_words(&[])), &[])),
        };
        let job = Job {
            prompt: [0; 200].into(),
            choice: greedy(),
            max_tokens: 9,
            answers: 1,
            grammar: None,
            owner: None,
            scope: Some("scope".into()),
        };
        let mut ends = reserve_ends(&steps, 1).unwrap();
        let permit = ends.pop_front().unwrap();
        let enough = [AtomicBool::new(false)].into();
        let ticket = Ticket { job, steps, ends, enough, waits_until: Instant::now(), group: None };
        (Sequence::new(&ticket, 1, permit, &limits), limits, reader)
    }

    #[test]
    fn what_is_found_anew_after_a_preemption_is_counted_once() {
        let (mut sequence, limits, mut reader) = sequence(1, Duration::from_secs(60));
        sequence.found(128, Link::Block(1));
        sequence.rewind();
        assert!(sequence.link == Some(Link::Scope("scope".into())));
        sequence.found(128, Link::Block(1));
        sequence.take(&[0.0, 1.0], &limits);
        // It has answered: what it needs again was counted.
        sequence.rewind();
        sequence.found(128, Link::Block(1));
        sequence.end = Some(Ending::Told(End::Length));
        sequence.tell_end();
        assert_eq!(reader.try_recv(), Ok(Step::End { index: 0, end: End::Length, tokens: 1, cached: 128 }));
    }

    #[test]
    fn who_has_no_row_when_its_time_is_over_is_billed_for_what_it_was_told() {
        for room in [0, 1] {
            let (mut sequence, limits, mut reader) = sequence(room, Duration::ZERO);
            sequence.take(&[0.0, 1.0], &limits);
            sequence.lose_patience();
            sequence.tell_end();
            let told: Vec<Step> = std::iter::from_fn(|| reader.try_recv().ok()).collect();
            let end = Step::End { index: 0, end: End::Length, tokens: room as u64, cached: 0 };
            assert_eq!((told.len(), told.last()), (room + 1, Some(&end)));
        }
    }
}
