//! One token of every answer whose reader keeps up, in one run. Promises: a sequence that needs more cache than there
//! is waits for nobody younger than itself: where no ended one holds any, the youngest gives its place up and is computed
//! again later: exactly, if it has a seed.

use std::time::Instant;

use super::rows::{self, Place};
use super::{Engine, guarded};
use crate::backends::local::queue::End;
use crate::backends::local::sequence::{Ending, Sequence, Turn};

/// Steps for which a row whose reader is behind is dragged along, before it is moved aside. Where each row runs alone, none:
/// its run would be one more.
const PATIENCE: usize = 8;

impl Engine {
    /// Generates one token for every sequence whose reader keeps up.
    pub(super) fn step(&mut self, prefilled: bool) {
        let mut waits = false;
        for at in 0..self.sequences.len() {
            self.choose(at);
            waits |= matches!(self.sequences[at].turn, Turn::Waits(_));
        }
        let count = self.arrange();
        // Shares have grown, and where a row stood before, its memory is still there.
        self.count_promised();
        self.stalled = waits && count == 0 && !prefilled;
        if count > 0 {
            self.queue.set_running(true);
            if !(count == 1 && self.verify()) {
                self.decode(count);
            }
            self.queue.set_running(false);
        }
    }

    /// Decides whether a sequence takes part.
    fn choose(&mut self, at: usize) {
        let sequence = &mut self.sequences[at];
        let held = sequence.row.filter(|_| sequence.end.is_none()).map(|row| self.graph.len(row));
        let Some(held) = held.filter(|held| *held >= sequence.prompt.len() && !sequence.is_fresh()) else {
            sequence.turn = Turn::Rests;
            return;
        };
        let catches_up = held + 1 < sequence.len();
        sequence.turn = if catches_up { Turn::Runs } else { sequence.offer() };
        if sequence.turn == Turn::Runs && !self.make_room(at, held + 1) {
            self.sequences[at].turn = Turn::Rests;
        }
    }

    /// Lets a sequence's share grow to `tokens`; others that have ended give theirs up for it, then the youngest. False
    /// where it is the youngest itself, and has lost its place.
    fn make_room(&mut self, at: usize, tokens: usize) -> bool {
        while !self.pool.grow(&mut self.sequences[at].share, tokens) {
            let has_ended = |sequence: &Sequence| sequence.row.is_some() && sequence.end.is_some();
            if let Some(ended) = self.sequences.iter().position(has_ended) {
                self.unseat(ended);
                continue;
            }
            let youngest = self.sequences.iter().rposition(|sequence| sequence.row.is_some());
            let youngest = youngest.unwrap_or(at).max(at);
            let sequence = &mut self.sequences[youngest];
            if youngest != at && !sequence.is_fresh() {
                // It has not had its turn in this step: what it chose last may be its last token of all.
                sequence.offer();
                if sequence.end.is_some() {
                    continue;
                }
            }
            self.metrics.local_preempted_total.inc();
            self.unseat(youngest);
            if youngest == at {
                return false;
            }
        }
        true
    }

    /// Moves the rows that run to the front; how many rows the front has.
    fn arrange(&mut self) -> usize {
        self.places.clear();
        self.places.resize(self.limits.slots + 1, Place::Free);
        let patience = if self.graph.runs_together() { PATIENCE } else { 0 };
        for sequence in &self.sequences {
            let Some(row) = sequence.row else { continue };
            self.places[row] = match sequence.turn {
                Turn::Runs => Place::Runs,
                Turn::Waits(steps)
                    if steps <= patience && self.graph.len(row) + 1 < self.graph.layout.context =>
                {
                    Place::Stays
                }
                Turn::Rests | Turn::Waits(_) => Place::Aside,
            };
        }
        let count = rows::front(&mut self.places, &mut self.moves);
        for (from, to) in &self.moves {
            if let Some(sequence) = self.sequences.iter_mut().find(|sequence| sequence.row == Some(*from)) {
                self.graph.kv().shrink(*to, sequence.share.tokens());
                self.graph.copy_row(*from, *to, self.graph.len(*from));
                self.graph.clear(*from);
                sequence.row = Some(*to);
            }
        }
        count
    }

    fn decode(&mut self, count: usize) {
        self.ids.clear();
        self.ids.resize(count, 0);
        let mut alike = false;
        for sequence in &self.sequences {
            if let Some(row) = sequence.row.filter(|_| sequence.turn == Turn::Runs) {
                self.ids[row] = sequence.token(self.graph.len(row));
                alike |= sequence.seeded;
            }
        }
        let started = Instant::now();
        let done = guarded(|| self.graph.decode(&self.ids, alike));
        let took = started.elapsed();
        let (mut tokens, mut well) = (0, done.is_some());
        for at in 0..self.sequences.len() {
            let Some(row) = self.sequences[at].row.filter(|row| *row < count) else { continue };
            if self.sequences[at].turn != Turn::Runs {
                if done.is_some() {
                    self.graph.cut(row, self.graph.len(row) - 1);
                }
                continue;
            }
            let chosen = self.finish(at, row, done.is_some());
            well |= chosen.is_some();
            tokens += usize::from(chosen == Some(true));
        }
        self.ran(well);
        self.speed.add(tokens);
        if tokens > 0 {
            self.rates.decoded(tokens, took);
        }
    }

    /// Takes the logits of a row that took part, or, where the run of all failed, runs it alone, even where others are
    /// paired. Whether a token came out; none where that failed too.
    fn finish(&mut self, at: usize, row: usize, done: bool) -> Option<bool> {
        let id = self.ids[row];
        let (graph, sequence, limits) = (&mut self.graph, &mut self.sequences[at], &self.limits);
        let chosen = guarded(|| {
            if !done {
                graph.prefill(row, &[id])?;
            }
            let is_new = graph.len(row) == sequence.len();
            if is_new {
                sequence.take(graph.logits(row), limits);
            }
            Ok(is_new)
        });
        if chosen.is_none() {
            sequence.end = Some(Ending::Told(End::Failed));
        }
        chosen
    }
}
