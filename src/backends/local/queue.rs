//! What waits for the engine: a bounded queue of tickets, and the counts that everyone may read without a lock.
//! Promises: a full queue refuses at once; a ticket whose caller has left takes no place that a living one needs.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{OwnedPermit, Sender};

use super::sampler::{Choice, Token};
use crate::backends::Load;
use crate::metrics::Metrics;

/// Why one answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The model ended it.
    Stop,
    /// The token limit, the context or the clock ended it.
    Length,
    /// The graph or the engine failed.
    Failed,
    /// It waited too long; nothing was generated.
    Expired,
}

/// What the engine tells a reply.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// One more token.
    Token { index: u32, token: Token },
    /// The answer ended after so many tokens, the end token included.
    End { index: u32, end: End, tokens: u64 },
}

/// What one request asks of the engine: data only, so that the engine may live in another process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) prompt: Arc<[u32]>,
    pub(super) choice: Choice,
    /// Most tokens of each answer; prompt and answer fit the context.
    pub(super) max_tokens: usize,
    /// How many answers; at least 1.
    pub(super) answers: usize,
    /// What the answer's text must obey: a grammar in `llguidance`'s JSON form.
    pub(super) grammar: Option<Arc<str>>,
    /// Name of the API key that asks, for fairness between keys; `None` is anonymous.
    pub(super) owner: Option<Arc<str>>,
    /// Who may share cached prefixes with this request; `None` shares with nobody.
    pub(super) scope: Option<Arc<str>>,
}

/// A job, and the lines between engine and reader.
pub(super) struct Ticket {
    pub(super) job: Job,
    pub(super) steps: Sender<Step>,
    /// A reserved place for each answer's end, so that an end never waits for a slow reader.
    pub(super) ends: VecDeque<OwnedPermit<Step>>,
    /// Set by the reader for each answer that it needs no more of.
    pub(super) enough: Arc<[AtomicBool]>,
    pub(super) waits_until: Instant,
}

/// Why a ticket was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Full,
    Closed,
}

/// The queue and its counts.
pub(super) struct Queue {
    waiting: Mutex<VecDeque<Ticket>>,
    arrived: Condvar,
    closed: AtomicBool,
    /// Waiting and running together may be this many.
    room: usize,
    queued: AtomicUsize,
    active: AtomicUsize,
    tokens_per_second: AtomicU64,
    metrics: Arc<Metrics>,
}

impl Queue {
    /// `waiting` requests may wait while `slots` answers run.
    pub(super) fn new(waiting: usize, slots: usize, metrics: Arc<Metrics>) -> Self {
        Self {
            waiting: Mutex::default(),
            arrived: Condvar::new(),
            closed: AtomicBool::new(false),
            room: waiting + slots,
            queued: AtomicUsize::new(0),
            active: AtomicUsize::new(0),
            tokens_per_second: AtomicU64::new(0),
            metrics,
        }
    }

    /// Puts a ticket in.
    pub(super) fn push(&self, ticket: Ticket) -> Result<(), Refused> {
        let mut waiting = self.lock();
        if self.is_closed() {
            return Err(Refused::Closed);
        }
        if self.is_full() {
            waiting.retain(|ticket| !ticket.steps.is_closed());
            self.count(&waiting);
            if self.is_full() {
                return Err(Refused::Full);
            }
        }
        waiting.push_back(ticket);
        self.count(&waiting);
        drop(waiting);
        self.arrived.notify_one();
        Ok(())
    }

    /// The next ticket; waits for one at most `patience` (`None`: until one comes or the queue closes).
    pub(super) fn pop(&self, patience: Option<Duration>) -> Option<Ticket> {
        let mut waiting = self.lock();
        if waiting.is_empty() && !self.is_closed() && patience != Some(Duration::ZERO) {
            waiting = self.wait(waiting, patience);
        }
        let ticket = waiting.pop_front();
        self.count(&waiting);
        ticket
    }

    /// Pauses for new work, at most `patience`, and takes none.
    pub(super) fn pause(&self, patience: Duration) {
        let waiting = self.lock();
        if !self.is_closed() {
            drop(self.wait(waiting, Some(patience)));
        }
    }

    /// Takes no more tickets and drops those that wait; the engine sees it after its current step.
    pub(super) fn close(&self) {
        let mut waiting = self.lock();
        self.closed.store(true, Relaxed);
        waiting.clear();
        self.count(&waiting);
        drop(waiting);
        self.arrived.notify_all();
    }

    /// Whether [`Self::close`] was called.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    /// Whether one more would be refused.
    pub(super) fn is_full(&self) -> bool {
        self.queued.load(Relaxed) + self.active.load(Relaxed) >= self.room
    }

    /// Publishes how many answers run.
    pub(super) fn set_active(&self, active: usize) {
        self.active.store(active, Relaxed);
        self.metrics.local_active.set(i64::try_from(active).unwrap_or(i64::MAX));
    }

    /// Publishes the speed.
    pub(super) fn set_speed(&self, tokens_per_second: f64) {
        self.tokens_per_second.store(tokens_per_second.to_bits(), Relaxed);
        self.metrics.local_tokens_per_second.set(tokens_per_second);
    }

    /// What the counts say now.
    pub(super) fn load(&self) -> Load {
        Load {
            active: self.active.load(Relaxed),
            queued: self.queued.load(Relaxed),
            tokens_per_second: f64::from_bits(self.tokens_per_second.load(Relaxed)),
        }
    }

    fn count(&self, waiting: &VecDeque<Ticket>) {
        self.queued.store(waiting.len(), Relaxed);
        self.metrics.local_queue_depth.set(i64::try_from(waiting.len()).unwrap_or(i64::MAX));
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Ticket>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'q>(
        &self,
        waiting: MutexGuard<'q, VecDeque<Ticket>>,
        patience: Option<Duration>,
    ) -> MutexGuard<'q, VecDeque<Ticket>> {
        match patience {
            Some(patience) => {
                self.arrived.wait_timeout(waiting, patience).unwrap_or_else(PoisonError::into_inner).0
            }
            None => self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// Reserves a place for each of `n` ends.
pub(super) fn reserve_ends(steps: &Sender<Step>, n: usize) -> Option<VecDeque<OwnedPermit<Step>>> {
    (0..n).map(|_| steps.clone().try_reserve_owned().ok()).collect()
}
