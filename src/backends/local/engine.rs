//! The one thread that owns the graph. Its loop has four steps: admit, prefill, step, retire.
//! Promises: a failure of the graph, even a panic, ends the sequence it happened to and nothing else; a reader that is
//! slow makes only its own sequence wait; one that has left ends its sequence at the next token. Knows no text.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::graph::Graph;
use super::queue::{End, Queue, Step, Ticket};
use super::sequence::{Ending, Limits, Offer, Sequence};
use super::slab::Cache;

/// Prompt tokens in one run, so that a long prompt does not hold up the answers under way for long.
const PREFILL_CHUNK: usize = 256;
/// How long to pause when every reader is behind.
const STALLED: Duration = Duration::from_millis(2);
/// How often the speed is measured.
const SPEED_WINDOW: Duration = Duration::from_secs(1);

/// The engine's state; lives on its own thread.
pub(super) struct Engine {
    graph: Graph,
    limits: Limits,
    queue: Arc<Queue>,
    /// A request of several answers that is not wholly admitted yet.
    admitting: Option<Ticket>,
    sequences: Vec<Sequence>,
    /// Caches of ended sequences, to be used again.
    spare: Vec<Cache>,
    speed: Speed,
    stalled: bool,
}

/// What happened when a sequence was given the chance of a step.
enum Turn {
    Ran,
    /// The reader is behind.
    Waits,
}

impl Engine {
    pub(super) fn new(graph: Graph, limits: Limits, queue: Arc<Queue>) -> Self {
        Self {
            graph,
            limits,
            queue,
            admitting: None,
            sequences: vec![],
            spare: vec![],
            speed: Speed::default(),
            stalled: false,
        }
    }

    /// Works until the queue is closed.
    pub(super) fn run(mut self) {
        while !self.queue.is_closed() {
            self.admit();
            self.prefill();
            self.step();
            self.retire();
        }
        self.queue.set_active(0);
        self.queue.set_speed(0.0);
    }

    /// Fills free slots from the queue; waits where there is nothing else to do.
    fn admit(&mut self) {
        if self.stalled {
            self.queue.pause(STALLED);
        }
        while self.sequences.len() < self.limits.slots {
            let Some(mut ticket) = self.next_ticket() else {
                break;
            };
            if ticket.steps.is_closed() {
                continue;
            }
            let is_new = ticket.ends.len() == ticket.enough.len();
            let Some(end_permit) = ticket.ends.pop_front() else { continue };
            if is_new && Instant::now() > ticket.waits_until {
                end_permit.send(Step::End { index: 0, end: End::Expired, tokens: 0 });
                continue;
            }
            self.sequences.push(Sequence::new(&ticket, end_permit, self.limits.longest));
            self.queue.set_active(self.sequences.len());
            if !ticket.ends.is_empty() {
                self.admitting = Some(ticket);
            }
        }
    }

    fn next_ticket(&mut self) -> Option<Ticket> {
        if let Some(ticket) = self.admitting.take() {
            return Some(ticket);
        }
        let patience = self.patience();
        self.queue.pop(patience)
    }

    /// How long to wait for a ticket: not at all while there is work, else until the speed has to be set back.
    fn patience(&mut self) -> Option<Duration> {
        if !self.sequences.is_empty() {
            return Some(Duration::ZERO);
        }
        if self.speed.is_running() {
            return Some(SPEED_WINDOW);
        }
        // A while without work: one cache is enough to start with again.
        self.spare.truncate(1);
        None
    }

    /// Runs one chunk of the first prompt that is not in its cache yet.
    fn prefill(&mut self) {
        let Some(sequence) = self.sequences.iter_mut().find(|sequence| sequence.is_prefilling()) else {
            return;
        };
        if sequence.is_left() {
            sequence.end = Some(Ending::Left);
            return;
        }
        let (graph, spare, limits) = (&mut self.graph, &mut self.spare, &self.limits);
        let done = guarded(|| {
            let mut cache = match sequence.cache.take() {
                Some(cache) => cache,
                None => take_cache(graph, spare, sequence.first_capacity())?,
            };
            let from = sequence.prefilled;
            let to = sequence.prompt.len().min(from + PREFILL_CHUNK);
            let chunk = Arc::clone(&sequence.prompt);
            let logits = graph.forward(&mut cache, &chunk[from..to])?;
            if to == sequence.prompt.len() {
                sequence.take(logits, limits);
            }
            sequence.prefilled = to;
            sequence.cache = Some(cache);
            Ok(())
        });
        if done.is_none() {
            sequence.end = Some(Ending::Told(End::Failed));
        }
    }

    /// Generates one token for every sequence whose reader keeps up.
    fn step(&mut self) {
        let (mut ran, mut waits) = (0, 0);
        for sequence in self.sequences.iter_mut().filter(|sequence| sequence.is_decoding()) {
            let turn = guarded(|| {
                // The graph is not touched before the reader has room for what comes out.
                match sequence.offer(&self.limits) {
                    Offer::Closed => sequence.end = Some(Ending::Left),
                    Offer::Full => return Ok(Turn::Waits),
                    Offer::Sent if sequence.end.is_some() => {}
                    Offer::Sent => {
                        let Some(mut cache) = sequence.cache.take() else {
                            return Err(ort::Error::new("a sequence without a cache"));
                        };
                        let logits = self.graph.forward(&mut cache, &[sequence.last.id])?;
                        sequence.take(logits, &self.limits);
                        sequence.cache = Some(cache);
                    }
                }
                Ok(Turn::Ran)
            });
            match turn {
                Some(Turn::Ran) => ran += 1,
                Some(Turn::Waits) => waits += 1,
                None => sequence.end = Some(Ending::Told(End::Failed)),
            }
        }
        self.speed.add(ran);
        self.stalled = waits > 0 && waits == self.sequences.len();
    }

    /// Takes ended sequences out, tells their readers and keeps their buffers.
    fn retire(&mut self) {
        let mut ended = vec![];
        let mut at = 0;
        while at < self.sequences.len() {
            if self.sequences[at].end.is_some() {
                // Order matters: sequences take turns in the order in which they came.
                ended.push(self.sequences.remove(at));
            } else {
                at += 1;
            }
        }
        if !ended.is_empty() {
            // Before the readers hear of it, so that the counts are true for whoever asks then.
            self.queue.set_active(self.sequences.len());
        }
        for mut sequence in ended {
            if let Some(mut cache) = sequence.cache.take()
                && self.spare.len() < self.limits.slots
                && cache.clear().is_ok()
            {
                self.spare.push(cache);
            }
            sequence.tell_end();
        }
        if let Some(speed) = self.speed.measure(self.sequences.is_empty()) {
            self.queue.set_speed(speed);
        }
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

/// The smallest spare cache that is large enough, else a new one; a spare that is too small makes way for it.
fn take_cache(graph: &Graph, spare: &mut Vec<Cache>, tokens: usize) -> ort::Result<Cache> {
    let fitting =
        (0..spare.len()).filter(|at| spare[*at].capacity() >= tokens).min_by_key(|at| spare[*at].capacity());
    if let Some(at) = fitting {
        return Ok(spare.swap_remove(at));
    }
    spare.pop();
    graph.cache(tokens)
}

/// Tokens per second, over windows of one second.
#[derive(Default)]
struct Speed {
    since: Option<Instant>,
    tokens: usize,
    last: f64,
}

impl Speed {
    fn add(&mut self, tokens: usize) {
        if tokens > 0 {
            self.since.get_or_insert_with(Instant::now);
            self.tokens += tokens;
        }
    }

    fn is_running(&self) -> bool {
        self.since.is_some()
    }

    /// A new figure, once a window is over.
    fn measure(&mut self, idle: bool) -> Option<f64> {
        let elapsed = self.since?.elapsed();
        if elapsed < SPEED_WINDOW {
            return None;
        }
        self.last = self.tokens as f64 / elapsed.as_secs_f64();
        self.tokens = 0;
        self.since = (!idle || self.last > 0.0).then(Instant::now);
        Some(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d21_a_panic_is_caught_and_so_is_an_error() {
        assert_eq!(guarded(|| Ok(1)), Some(1));
        assert_eq!(guarded::<()>(|| Err(ort::Error::new("broken"))), None);
        assert_eq!(guarded::<()>(|| panic!("broken")), None);
    }
}
