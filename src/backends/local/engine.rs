//! The one thread that owns the graph. Its loop has five steps: let go (whom nobody waits for), admit, prefill (one chunk
//! of one prompt), step (one token of every answer, in one run; or several of the only one), retire. Promises: a failure
//! of the graph, even a panic, ends the sequences it happened to and nothing else; a slow reader makes only its own
//! sequence wait; one that has left ends its sequence at the next token; what a sequence with a seed says, or any where
//! drafts are made, does not depend on who runs beside it, as far as `graph/pairs.rs` can see to it. Knows no text.

mod decode;
mod pace;
mod pool;
mod prefill;
mod rows;
mod verify;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) use self::pace::Rates;
pub(super) use self::pool::{BLOCK, Share};
#[cfg(test)]
pub(super) use self::prefill::CHUNK as PREFILL_CHUNK;

use self::pace::{Speed, WINDOW};
use self::pool::Pool;
use self::rows::Place;
use super::graph::Graph;
use super::health::{Health, Mishap};
use super::prefix::Prefixes;
use super::queue::{Closing, End, Queue, Step, Ticket};
use super::sequence::{Ending, Limits, Sequence};
use super::watchdog::Watched;
use crate::metrics::{GaugePart, Metrics};

/// How long to pause when every reader is behind.
const STALLED: Duration = Duration::from_millis(2);

/// The engine's state; lives on its own thread.
pub(super) struct Engine {
    graph: Graph,
    limits: Limits,
    queue: Arc<Queue>,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    /// In order of admission.
    sequences: Vec<Sequence>,
    admitted: u64,
    pool: Pool,
    /// Bytes that the pool has promised.
    promised: GaugePart,
    prefixes: Prefixes,
    speed: Speed,
    rates: Rates,
    /// Whether the last round did nothing for want of readers.
    stalled: bool,
    /// Room for what a decode step needs, so that it allocates nothing.
    places: Vec<Place>,
    moves: Vec<(usize, usize)>,
    ids: Vec<u32>,
}

impl Engine {
    /// An engine over a graph that has a row for each of the limits' slots, and one more.
    pub(super) fn new(graph: Graph, limits: Limits, watched: Watched) -> Self {
        let Watched { queue, health, metrics } = watched;
        let rows = limits.slots + 1;
        let prefixes =
            Prefixes::new(&graph.layout, prefill::CHUNK, limits.prefix_bytes, Arc::clone(&metrics));
        Self {
            graph,
            pool: Pool::new(limits.tokens),
            promised: GaugePart::new(&metrics.local_kv_bytes),
            queue,
            health,
            metrics,
            sequences: Vec::with_capacity(limits.slots),
            admitted: 0,
            prefixes,
            speed: Speed::default(),
            rates: Rates::default(),
            stalled: false,
            places: Vec::with_capacity(rows),
            moves: Vec::with_capacity(rows * 2),
            ids: Vec::with_capacity(rows),
            limits,
        }
    }

    /// Works until the queue is closed.
    pub(super) fn run(mut self) {
        let _closing = Closing(Arc::clone(&self.queue));
        while !self.queue.is_closed() {
            self.round();
        }
    }

    /// Each step of the loop once.
    fn round(&mut self) {
        self.let_go();
        self.admit();
        let prefilled = self.prefill();
        self.step(prefilled);
        self.retire();
    }

    /// Ends sequences whose reader left or whose time is over, with or without a row.
    fn let_go(&mut self) {
        for sequence in self.sequences.iter_mut().filter(|sequence| sequence.end.is_none()) {
            sequence.lose_patience();
        }
    }

    /// Fills free slots from the queue and gives out rows; waits where there is nothing else to do.
    fn admit(&mut self) {
        if self.stalled {
            self.queue.pause(STALLED);
        }
        let mut room = self.seat();
        while room && self.sequences.len() < self.limits.slots {
            let Some(mut ticket) = self.next_ticket() else {
                break;
            };
            if ticket.steps.is_closed() {
                continue;
            }
            let Some(end_permit) = ticket.ends.pop_front() else { continue };
            if ticket.is_new() && Instant::now() > ticket.waits_until {
                end_permit.send(Step::End { index: 0, end: End::Expired, tokens: 0, cached: 0 });
                continue;
            }
            self.admitted += u64::from(ticket.is_new());
            let group = *ticket.group.get_or_insert(self.admitted);
            self.sequences.push(Sequence::new(&ticket, group, end_permit, &self.limits));
            self.queue.set_active(self.sequences.len());
            if !ticket.ends.is_empty() {
                // Between two answers of one request, an owner who has fewer under way may come first.
                self.queue.put_back(ticket);
            }
            room = self.seat();
        }
    }

    fn next_ticket(&mut self) -> Option<Ticket> {
        let patience = self.patience();
        let sequences = &self.sequences;
        self.queue.pop(patience, |owner| {
            sequences.iter().filter(|sequence| sequence.owner.as_deref() == owner).count()
        })
    }

    /// How long to wait for a ticket: not at all while there is work, else until the speed has to be set back.
    fn patience(&mut self) -> Option<Duration> {
        if !self.sequences.is_empty() {
            return Some(Duration::ZERO);
        }
        if self.speed.is_running() {
            return Some(WINDOW);
        }
        // A while without work: the cache's memory goes back to the system.
        self.graph.kv().trim(0);
        None
    }

    /// Gives rows to sequences that have none, oldest first. False where the budget has no room for the next of them.
    fn seat(&mut self) -> bool {
        for at in 0..self.sequences.len() {
            let sequence = &self.sequences[at];
            if sequence.row.is_some() || sequence.end.is_some() || self.waits_for_sibling(at) {
                continue;
            }
            let (sequence, context) = (&mut self.sequences[at], self.graph.layout.context);
            // The kernels look tokens up without asking whether there are so many.
            let unknown = |id: &u32| *id as usize >= self.graph.layout.vocabulary;
            let fits = (1..context).contains(&sequence.prompt.len());
            if !fits || sequence.prompt.iter().any(unknown) {
                sequence.end = Some(Ending::Told(End::Failed));
                continue;
            }
            // Who lost its place once gets some room ahead, so that it does not lose it again at once.
            let wanted = if sequence.is_fresh() { sequence.len() + 1 } else { sequence.len() + BLOCK };
            if !self.pool.grow(&mut sequence.share, wanted.min(context)) {
                return false;
            }
            self.give_row(at);
        }
        true
    }

    /// Whether another answer to the same request is computing the prompt that both need.
    fn waits_for_sibling(&self, at: usize) -> bool {
        let own = &self.sequences[at];
        own.is_fresh()
            && self.sequences.iter().any(|other| {
                other.group == own.group
                    && other.end.is_none()
                    && other.row.is_some_and(|row| self.graph.len(row) < other.prompt.len())
            })
    }

    /// The row behind those that decode, where the sequence will be when it decodes too; else the first free one.
    fn give_row(&mut self, at: usize) {
        let taken = |row: usize| self.sequences.iter().any(|sequence| sequence.row == Some(row));
        let seated = self.sequences.iter().filter(|sequence| sequence.row.is_some()).count();
        let mut rows = (seated..=self.limits.slots).chain(0..seated);
        let row = rows.find(|row| !taken(*row));
        self.sequences[at].row = row;
        if let Some(row) = row {
            self.graph.clear(row);
            self.graph.kv().shrink(row, self.sequences[at].share.tokens());
        }
        self.count_promised();
    }

    /// Takes row and budget from a sequence; what it had computed is lost, what it has said is not.
    fn unseat(&mut self, at: usize) {
        let sequence = &mut self.sequences[at];
        if let Some(row) = sequence.row.take() {
            self.graph.clear(row);
        }
        self.pool.take_back(&mut sequence.share);
        sequence.rewind();
        self.count_promised();
    }

    /// Takes ended sequences out and tells their readers.
    fn retire(&mut self) {
        let mut at = 0;
        let before = self.sequences.len();
        let mut ended = vec![];
        while at < self.sequences.len() {
            if self.sequences[at].end.is_some() {
                self.unseat(at);
                ended.push(self.sequences.remove(at));
            } else {
                at += 1;
            }
        }
        if self.sequences.len() < before {
            // Before the readers hear of it, so that the counts are true for whoever asks then.
            self.queue.set_active_prompt(self.prompt_ahead());
            self.queue.set_active(self.sequences.len());
        }
        for mut sequence in ended {
            if sequence.generated() > 0 {
                self.rates.answered(sequence.generated());
            }
            // A run that the shutdown ended is no failure of the request's.
            if !(self.queue.is_closed() && matches!(sequence.end, Some(Ending::Told(End::Failed)))) {
                sequence.tell_end();
            }
        }
        if let Some(speed) = self.speed.measure(self.sequences.is_empty()) {
            self.queue.set_speed(speed);
            self.queue.set_rates(&self.rates);
        }
    }

    /// Says how a step went. One that the shutdown ended says nothing.
    fn ran(&self, well: bool) {
        if well {
            self.health.succeeded();
        } else if !self.queue.is_closed() && self.health.failed() {
            Mishap::Failing.count(&self.metrics);
        }
    }

    /// Says how much of the cache is promised; empty rows keep no more memory than nobody was promised.
    fn count_promised(&mut self) {
        self.promised.set(self.pool.promised() * self.graph.layout.bytes_per_token());
        self.graph.kv().trim(self.pool.left());
    }
}

/// Runs a piece of work; an error or a panic in it is logged, without any content, and gives `None`.
fn guarded<T>(work: impl FnOnce() -> ort::Result<T>) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(done)) => Some(done),
        Ok(Err(error)) => {
            tracing::error!(code = ?error.code(), "the local model failed on one sequence");
            None
        }
        Err(_) => {
            tracing::error!("the local engine panicked on one sequence");
            None
        }
    }
}

#[cfg(test)]
mod tests;
