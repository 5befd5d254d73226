//! What waits for the engine: a bounded queue of tickets, and the counts that everyone may read without a lock.
//! Promises: a full queue refuses at once; a ticket whose caller has left takes no place that a living one needs; no
//! owner fills the queue alone.

mod lanes;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{OwnedPermit, Sender};

use self::lanes::Lanes;
use super::engine::Rates;
use super::sampler::{Choice, Token};
use crate::backends::Load;
use crate::metrics::Metrics;

/// Why one answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum End {
    /// The model ended it.
    Stop,
    /// The token limit, the context or the clock ended it.
    Length,
    /// The graph or the engine failed.
    Failed,
    /// The request waited too long; nothing was generated.
    Expired,
}

/// What the engine tells a reply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Step {
    /// One more token; so many of its prompt were not computed anew.
    Token { index: u32, token: Token, cached: u64 },
    /// The answer ended after so many tokens, the end token included; so many of its prompt were not computed anew, as
    /// its tokens have said.
    End { index: u32, end: End, tokens: u64, cached: u64 },
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
    /// What the answer's text must obey: a grammar in `llguidance`'s JSON form, under the name by which it is kept.
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
    /// Set by the engine with the first of its answers: what they have in common.
    pub(super) group: Option<u64>,
}

impl Ticket {
    /// Whether none of its answers runs yet.
    pub(super) fn is_new(&self) -> bool {
        self.group.is_none()
    }
}

/// Why a ticket was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Full,
    Closed,
}

/// The queue and its counts.
pub(super) struct Queue {
    waiting: Mutex<Lanes>,
    arrived: Condvar,
    closed: AtomicBool,
    /// Most requests of one owner that may wait.
    share: usize,
    /// Waiting and running together may be this many.
    room: usize,
    slots: usize,
    counts: Counts,
    /// When the run under way began; nanoseconds after `born`, 0 for none.
    running_since: AtomicU64,
    born: Instant,
    metrics: Arc<Metrics>,
}

/// Read by everyone, each by itself: no two of them need to agree.
#[derive(Default)]
struct Counts {
    queued: AtomicUsize,
    queued_prompt: AtomicUsize,
    active: AtomicUsize,
    active_prompt: AtomicUsize,
    tokens_per_second: AtomicU64,
    prefill_rate: AtomicU64,
    decode_rate: AtomicU64,
    answer_tokens: AtomicU64,
    /// Tickets in the lanes, half-admitted ones included.
    held: AtomicUsize,
}

impl Queue {
    /// `waiting` requests may wait while `slots` answers run.
    pub(super) fn new(waiting: usize, slots: usize, metrics: Arc<Metrics>) -> Self {
        Self {
            waiting: Mutex::default(),
            arrived: Condvar::new(),
            closed: AtomicBool::new(false),
            share: waiting - waiting / 4,
            room: waiting + slots,
            slots,
            counts: Counts::default(),
            running_since: AtomicU64::new(0),
            born: Instant::now(),
            metrics,
        }
    }

    /// Puts a ticket in.
    pub(super) fn push(&self, ticket: Ticket) -> Result<(), Refused> {
        let mut waiting = self.lock();
        if self.is_closed() {
            return Err(Refused::Closed);
        }
        let owner = ticket.job.owner.as_deref();
        let refuses = |waiting: &Lanes| {
            // Where there are no keys, there is nobody to leave places for.
            self.is_crowded() || owner.is_some() && waiting.len_of(owner) >= self.share
        };
        if refuses(&waiting) {
            waiting.sweep();
            self.count(&waiting);
            if refuses(&waiting) {
                return Err(Refused::Full);
            }
        }
        waiting.push(ticket);
        self.count(&waiting);
        drop(waiting);
        self.arrived.notify_one();
        Ok(())
    }

    /// The next ticket; waits for one at most `patience` (`None`: until one comes or the queue closes). `under_way`
    /// says how many answers of an owner run.
    pub(super) fn pop(
        &self,
        patience: Option<Duration>,
        under_way: impl Fn(Option<&str>) -> usize,
    ) -> Option<Ticket> {
        if patience == Some(Duration::ZERO) && self.counts.held.load(Relaxed) == 0 {
            return None;
        }
        let mut waiting = self.lock();
        if waiting.is_empty() && !self.is_closed() && patience != Some(Duration::ZERO) {
            waiting = self.wait(waiting, patience);
        }
        let ticket = waiting.pop(under_way);
        self.count(&waiting);
        ticket
    }

    /// Gives the rest of a request of several answers back: it is the next of its owner's, whenever its owner's turn is.
    pub(super) fn put_back(&self, ticket: Ticket) {
        let mut waiting = self.lock();
        if !self.is_closed() {
            waiting.put_back(ticket);
            self.count(&waiting);
        }
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

    /// Whether one more would be refused. Takes the lock only where the counts say so: callers may have left meanwhile.
    pub(super) fn is_full(&self) -> bool {
        if !self.is_crowded() {
            return false;
        }
        let mut waiting = self.lock();
        waiting.sweep();
        self.count(&waiting);
        self.is_crowded()
    }

    fn is_crowded(&self) -> bool {
        self.counts.queued.load(Relaxed) + self.counts.active.load(Relaxed) >= self.room
    }

    /// Publishes how many answers run.
    pub(super) fn set_active(&self, active: usize) {
        let before = self.counts.active.swap(active, Relaxed);
        self.metrics.local_active.add(change(before, active));
    }

    /// Publishes the prompt tokens of running answers that are not in the cache yet.
    pub(super) fn set_active_prompt(&self, tokens: usize) {
        self.counts.active_prompt.store(tokens, Relaxed);
    }

    /// Publishes the speed.
    pub(super) fn set_speed(&self, tokens_per_second: f64) {
        let before = self.counts.tokens_per_second.swap(tokens_per_second.to_bits(), Relaxed);
        self.metrics.local_tokens_per_second.add(tokens_per_second - f64::from_bits(before));
    }

    /// Publishes what waits are estimated by.
    pub(super) fn set_rates(&self, rates: &Rates) {
        self.counts.prefill_rate.store(rates.prefill.to_bits(), Relaxed);
        self.counts.decode_rate.store(rates.decode.to_bits(), Relaxed);
        self.counts.answer_tokens.store(rates.answer.to_bits(), Relaxed);
    }

    /// What [`Self::set_active_prompt`] said last.
    pub(super) fn active_prompt(&self) -> usize {
        self.counts.active_prompt.load(Relaxed)
    }

    /// What [`Self::set_rates`] said last.
    pub(super) fn rates(&self) -> Rates {
        let number = |bits: &AtomicU64| f64::from_bits(bits.load(Relaxed));
        Rates {
            prefill: number(&self.counts.prefill_rate),
            decode: number(&self.counts.decode_rate),
            answer: number(&self.counts.answer_tokens),
        }
    }

    /// Says that a run of the graph begins or, with `false`, is over.
    pub(super) fn set_running(&self, running: bool) {
        let now = u64::try_from(self.born.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1);
        self.running_since.store(if running { now } else { 0 }, Relaxed);
    }

    /// How long the run of the graph under way has taken so far: what a watchdog watches. `None` between runs.
    pub(super) fn running_for(&self) -> Option<Duration> {
        let since = self.running_since.load(Relaxed);
        (since > 0).then(|| self.born.elapsed().saturating_sub(Duration::from_nanos(since)))
    }

    /// What the counts say now.
    pub(super) fn load(&self) -> Load {
        let (counts, number) = (&self.counts, |bits: &AtomicU64| f64::from_bits(bits.load(Relaxed)));
        let (active, queued) = (counts.active.load(Relaxed), counts.queued.load(Relaxed));
        let rates = self.rates();
        let prompt = counts.queued_prompt.load(Relaxed) + counts.active_prompt.load(Relaxed);
        let ahead = (active + queued + 1).saturating_sub(self.slots);
        Load {
            active,
            queued,
            tokens_per_second: number(&counts.tokens_per_second),
            wait: rates.wait(prompt, ahead),
        }
    }

    fn count(&self, waiting: &Lanes) {
        self.counts.held.store(waiting.held(), Relaxed);
        let before = self.counts.queued.swap(waiting.len(), Relaxed);
        self.counts.queued_prompt.store(waiting.prompt_tokens(), Relaxed);
        self.metrics.local_queue_depth.add(change(before, waiting.len()));
    }

    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'q>(&self, waiting: MutexGuard<'q, Lanes>, patience: Option<Duration>) -> MutexGuard<'q, Lanes> {
        match patience {
            Some(patience) => {
                self.arrived.wait_timeout(waiting, patience).unwrap_or_else(PoisonError::into_inner).0
            }
            None => self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// Several models share the gauges: each adds how its own counts change, and takes them back when it goes.
fn change(before: usize, now: usize) -> i64 {
    let number = |count| i64::try_from(count).unwrap_or(i64::MAX);
    number(now) - number(before)
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.set_active(0);
        self.set_speed(0.0);
        let queued = self.counts.queued.swap(0, Relaxed);
        self.metrics.local_queue_depth.add(change(queued, 0));
    }
}

/// Closes a queue when it is dropped: an engine's thread may end in any way, and nobody waits for it then.
pub(super) struct Closing(pub(super) Arc<Queue>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
        self.0.set_running(false);
        self.0.set_active(0);
        self.0.set_active_prompt(0);
        self.0.set_speed(0.0);
    }
}

/// Reserves a place for each of `n` ends.
pub(super) fn reserve_ends(steps: &Sender<Step>, n: usize) -> Option<VecDeque<OwnedPermit<Step>>> {
    (0..n).map(|_| steps.clone().try_reserve_owned().ok()).collect()
}

#[cfg(test)]
mod tests;
