//! Prompts into the cache, one chunk at a time. Promises: chunks begin at the same places in every prompt, so that what
//! the cache holds depends on the tokens alone, and a beginning that was kept is as good as one computed anew, to the
//! bit. Who has least to go is first; who is passed over comes closer each time.

use std::time::Instant;

use super::{Engine, guarded};
use crate::backends::local::queue::End;
use crate::backends::local::sequence::Ending;

/// Prompt tokens in one run.
pub(in crate::backends::local) const CHUNK: usize = 128;

impl Engine {
    /// Runs one chunk of one prompt; whether there was one.
    pub(super) fn prefill(&mut self) -> bool {
        let Some((at, row)) = self.next_prompt() else {
            return false;
        };
        for other in &mut self.sequences {
            other.passed_over += 1;
        }
        self.sequences[at].passed_over = 0;
        self.queue.set_running(true);
        let done = guarded(|| self.prefill_chunk(at, row));
        self.queue.set_running(false);
        self.ran(done.is_some());
        if done.is_none() {
            self.sequences[at].end = Some(Ending::Told(End::Failed));
        }
        self.queue.set_active_prompt(self.prompt_ahead());
        true
    }

    /// The prompt whose turn it is, and its row.
    fn next_prompt(&self) -> Option<(usize, usize)> {
        let mut next = None;
        for (at, sequence) in self.sequences.iter().enumerate() {
            let Some(row) = sequence.row.filter(|_| sequence.end.is_none()) else { continue };
            let left = sequence.prompt.len().saturating_sub(self.graph.len(row));
            let weight = left.saturating_sub(sequence.passed_over * CHUNK);
            if left > 0 && next.is_none_or(|(least, _, _)| weight < least) {
                next = Some((weight, at, row));
            }
        }
        next.map(|(_, at, row)| (at, row))
    }

    /// Prompt tokens of running sequences that are not in the cache.
    pub(super) fn prompt_ahead(&self) -> usize {
        let left = self.sequences.iter().map(|sequence| {
            sequence.prompt.len().saturating_sub(sequence.row.map_or(0, |row| self.graph.len(row)))
        });
        left.sum()
    }

    fn prefill_chunk(&mut self, at: usize, row: usize) -> ort::Result<()> {
        self.fetch(at, row);
        let sequence = &mut self.sequences[at];
        let from = self.graph.len(row);
        let to = sequence.prompt.len().min((from / CHUNK + 1) * CHUNK);
        let started = Instant::now();
        self.graph.read(row, &sequence.prompt[from..to], to == sequence.prompt.len())?;
        self.rates.prefilled(to - from, started.elapsed());
        self.metrics.local_prefill_tokens_total.inc_by((to - from) as u64);
        self.queue.set_rates(&self.rates);
        self.keep(at, row, from, to);
        let sequence = &mut self.sequences[at];
        if to == sequence.prompt.len() && sequence.is_fresh() {
            sequence.take(self.graph.logits(row), &self.limits);
            self.speed.add(sequence.generated());
            self.share_prompt(at, row);
        }
        Ok(())
    }

    /// Takes whole chunks from the prefix cache as long as it has them; the last token is always computed, for its
    /// logits.
    fn fetch(&mut self, at: usize, row: usize) {
        let sequence = &mut self.sequences[at];
        let Some(link) = sequence.link.as_ref().filter(|_| !self.prefixes.is_off()) else { return };
        let (from, last) = (self.graph.len(row), sequence.prompt.len() - 1);
        if from == 0 {
            self.metrics.local_prefix_lookup_tokens_total.inc_by(sequence.prompt.len() as u64);
        }
        if !from.is_multiple_of(CHUNK) {
            return;
        }
        let (next, blocks) = self.prefixes.find(link, &sequence.prompt[from..last], CHUNK);
        self.graph.kv().append(row, CHUNK, &blocks);
        sequence.found(blocks.len() * CHUNK, next);
    }

    /// Keeps the chunk that was just computed, if it is a whole one, and one that longer prompts would have too: beside a
    /// prefill form, a prompt's last token is read by the decoder.
    fn keep(&mut self, at: usize, row: usize, from: usize, to: usize) {
        let sequence = &mut self.sequences[at];
        let is_odd = self.graph.has_reader() && to == sequence.prompt.len();
        if to - from < CHUNK || is_odd || self.prefixes.is_off() {
            return;
        }
        let Some(link) = &sequence.link else { return };
        let kv = self.graph.kv();
        sequence.link = self
            .prefixes
            .keep(link, &sequence.prompt[from..to], |numbers| kv.read(row, &(from..to), numbers));
    }

    /// Gives the prompt that was just computed to the other answers of the same request.
    fn share_prompt(&mut self, at: usize, row: usize) {
        let (group, prompt) = (self.sequences[at].group, self.sequences[at].prompt.len());
        for other in 0..self.sequences.len() {
            let sibling = &mut self.sequences[other];
            let waits = sibling.group == group && sibling.row.is_none() && sibling.is_fresh();
            if !waits || sibling.end.is_some() {
                continue;
            }
            if !self.pool.grow(&mut sibling.share, prompt + 1) {
                return;
            }
            self.give_row(other);
            let sibling = &mut self.sequences[other];
            if let Some(to) = sibling.row {
                self.graph.copy_row(row, to, prompt);
                sibling.take(self.graph.logits(to), &self.limits);
                self.speed.add(sibling.generated());
            }
        }
    }
}
