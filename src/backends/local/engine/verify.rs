//! Several tokens of the only answer that runs, in one run: the last one and a draft of those behind it. Promises: each
//! token is chosen from the logits that a step would have given, in the same way and after its reader took the one before;
//! what the answer does not say is cut off the cache again.

use std::time::Instant;

use super::{Engine, guarded};
use crate::backends::local::queue::End;
use crate::backends::local::sequence::Ending;

impl Engine {
    /// Runs the row at the front with a draft, where there is one; whether that was done.
    pub(super) fn verify(&mut self) -> bool {
        let Some(at) = self.draft() else {
            return false;
        };
        let held = self.graph.len(0);
        let started = Instant::now();
        let done = guarded(|| self.graph.verify(&self.ids));
        let took = started.elapsed();
        let tokens = if done.is_some() { self.take(at) } else { 0 };
        if tokens == 0 {
            // A step follows, which tells whether the engine works.
            return false;
        }
        self.ran(true);
        self.graph.cut(0, held + tokens);
        self.sequences[at].drafted(tokens, self.graph.price());
        self.metrics.local_drafted_tokens_total.inc_by(self.ids.len() as u64 - 1);
        self.metrics.local_accepted_tokens_total.inc_by(tokens as u64 - 1);
        self.speed.add(tokens);
        self.rates.decoded(tokens, took);
        true
    }

    /// Whose row is at the front, if there is a draft for it: `ids` then hold its last token and the draft.
    fn draft(&mut self) -> Option<usize> {
        let wanted = self.graph.verifies().checked_sub(1)?;
        let (at, held) = (self.sequences.iter().position(|one| one.row == Some(0))?, self.graph.len(0));
        let sequence = &mut self.sequences[at];
        // One that is computed anew has been told what comes.
        if held + 1 != sequence.len() {
            return None;
        }
        self.ids.clear();
        self.ids.push(sequence.token(held));
        let drafted = sequence.draft(wanted, &mut self.ids);
        // Nobody gives room up for a guess.
        (drafted && self.pool.grow(&mut sequence.share, held + self.ids.len())).then_some(at)
    }

    /// Lets a sequence choose from the logits of a verify run for as long as it says what was drafted; how many tokens it
    /// chose.
    fn take(&mut self, at: usize) -> usize {
        for taken in 1..=self.ids.len() {
            let (graph, sequence, limits) = (&self.graph, &mut self.sequences[at], &self.limits);
            let chosen = guarded(|| {
                sequence.take(graph.verified(taken - 1), limits);
                Ok(())
            });
            if chosen.is_none() {
                sequence.end = Some(Ending::Told(End::Failed));
            }
            if !self.ids.get(taken).is_some_and(|id| sequence.goes_on_with(*id)) {
                return taken;
            }
        }
        self.ids.len()
    }
}
