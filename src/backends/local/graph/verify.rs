//! The verify form of a decoder: one run over several tokens of row 0, with logits for each. Promises: it is used only
//! where it gives the very bits of single steps, which is tried out at load over caches of several lengths.

use std::path::Path;
use std::time::{Duration, Instant};

use ort::session::Session;

use super::{Graph, LocalError};
use crate::backends::local::layout;

/// Lengths of the cache at which form and decoder are compared. Which kernel runs hangs on the number of tokens; attention
/// is the same operator in both.
const LENGTHS: [usize; 4] = [1, 10, 20, 40];

impl Graph {
    /// Keeps the form where it is exact, and says so where it is not.
    pub(super) fn take_verifier(&mut self, file: &Path, session: Session) -> Result<(), LocalError> {
        let fails = |why: &str| LocalError::model(file, why);
        let tokens = layout::dimension(session.inputs(), &self.layout.names.input_ids, 1);
        let tokens = tokens
            .filter(|tokens| *tokens > 1)
            .ok_or_else(|| fails("the verify form takes no fixed number of tokens, at least two"))?;
        (self.verifier, self.verifies) = (Some(session), tokens);
        let agrees = self
            .agrees()
            .map_err(|error| fails(&format!("the verify form does not run: {}", error.message())))?;
        self.clear(0);
        if agrees {
            let (tokens, price) = (self.verifies, self.price);
            tracing::info!(tokens, price, "answers that repeat themselves or their prompt are drafted");
        } else {
            (self.verifier, self.verifies) = (None, 0);
            let why = "on this machine its numbers are not those of single steps, to the bit";
            tracing::info!(form = %file.display(), "the verify form is not used: {why}");
        }
        Ok(())
    }

    /// Tokens in one run of the verify form; 0 where there is none that may be used.
    pub(in crate::backends::local) fn verifies(&self) -> usize {
        self.verifies
    }

    /// How many steps a run of the verify form takes, as measured at load: more than one, less than its tokens.
    pub(in crate::backends::local) fn price(&self) -> f32 {
        self.price
    }

    /// Appends `ids`, as many as [`Self::verifies`] says, to row 0 in one run of the verify form.
    pub(in crate::backends::local) fn verify(&mut self, ids: &[u32]) -> ort::Result<()> {
        let Some(session) = self.verifier.as_mut().filter(|_| ids.len() == self.verifies) else {
            return Err(ort::Error::new("no verify form for so many tokens"));
        };
        self.kv.verify((session, &self.options), &self.layout, ids)
    }

    /// The logits after the token `at` of the last [`Self::verify`].
    pub(in crate::backends::local) fn verified(&self, at: usize) -> &[f32] {
        self.kv.verified(&self.layout, at)
    }

    /// Whether logits, keys and values of the verify form are those of single steps, to the bit. Takes the time of both.
    fn agrees(&mut self) -> ort::Result<bool> {
        let (tokens, one) = (self.verifies, self.layout.numbers_per_token());
        let (mut steps, mut run) = (Duration::MAX, Duration::MAX);
        for length in LENGTHS {
            let ids: Vec<u32> =
                (1..=self.layout.vocabulary as u32).rev().map(|id| id / 2).take(tokens).collect();
            let read = |graph: &Self| {
                let mut numbers = vec![0.0; one * tokens];
                graph.kv.read(0, &(length..length + tokens), &mut numbers);
                numbers
            };
            self.clear(0);
            self.kv.write(0, length, &noise(one * length));
            let mut logits = Vec::with_capacity(tokens * self.layout.vocabulary);
            let started = Instant::now();
            for id in &ids {
                self.decode(&[*id], true)?;
                logits.extend_from_slice(self.logits(0));
            }
            steps = steps.min(started.elapsed());
            let cache = read(self);
            // A token that ran before its predecessor must not find what the step left.
            self.cut(0, length);
            self.kv.write(0, tokens, &vec![0.0; one * tokens]);
            self.cut(0, length);
            let started = Instant::now();
            self.verify(&ids)?;
            run = run.min(started.elapsed());
            let verified = (0..tokens).flat_map(|at| self.verified(at));
            if !same(verified, &logits) || !same(&read(self), &cache) {
                return Ok(false);
            }
        }
        let price = run.as_secs_f32() / steps.as_secs_f32().max(1e-9) * tokens as f32;
        self.price = price.clamp(1.0, tokens as f32 - 0.5);
        Ok(true)
    }
}

/// Whether two runs of numbers have the same bits.
pub(super) fn same<'n>(a: impl IntoIterator<Item = &'n f32>, b: impl IntoIterator<Item = &'n f32>) -> bool {
    let bits = |number: &f32| number.to_bits();
    a.into_iter().map(bits).eq(b.into_iter().map(bits))
}

/// Numbers between -1 and 1, the same each time.
pub(super) fn noise(count: usize) -> Vec<f32> {
    let hash = |at: u32| at.wrapping_mul(2_654_435_769) >> 8;
    (1..).map(|at| hash(at) as f32 / (1 << 23) as f32 - 1.0).take(count).collect()
}
