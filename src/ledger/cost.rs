//! Puts a price on an outcome: every billed attempt, and what a remote answer would have cost.
//! Unknown is `None`, never 0. A remote attempt is billed by its tokens, a local one by its share of the machine's time.

use super::machine::{EMBEDDINGS, Machine, Rate};
use super::prices::Prices;
use super::{Attempt, End, IfRemote, Outcome};
use crate::backends::Kind;
use crate::chat::{Micros, Usage};

/// Everything that pricing reads.
pub(crate) struct Pricer {
    pub(crate) prices: Prices,
    pub(crate) rate: Rate,
    pub(crate) machine: Machine,
    /// The configured remote model, whose prices the comparison uses.
    pub(crate) remote_model: String,
}

impl Pricer {
    /// Fills in the costs of `outcome` and its attempts.
    pub(crate) fn price(&self, outcome: &mut Outcome) {
        for attempt in &mut outcome.attempts {
            attempt.cost = self.attempt(attempt);
        }
        outcome.cost = outcome.attempts.iter().map(|attempt| attempt.cost).sum();
        outcome.cost_if_remote = self.if_remote(outcome);
    }

    fn attempt(&self, attempt: &Attempt) -> Option<Micros> {
        match (attempt.busy, &attempt.usage) {
            (Some(_), None) if attempt.failure.is_some_and(refused_at_the_door) => Some(Micros::ZERO),
            (Some(busy), _) => Some(self.rate.cost(busy)),
            (None, Some(usage)) => self.prices.cost(&attempt.model, usage),
            (None, None) => Some(Micros::ZERO),
        }
    }

    /// A remote answer cost what its own attempt cost; a local one is priced as the configured remote model, which has not
    /// cached what the local one has. A local answer that broke off saved nothing.
    fn if_remote(&self, outcome: &Outcome) -> Option<IfRemote> {
        // An embedding has no remote rival here.
        let served_by = outcome.served_by.as_ref().filter(|id| id.as_str() != EMBEDDINGS)?;
        let answer = outcome.attempts.iter().rfind(|attempt| attempt.backend == *served_by)?;
        let (model, usage) = match answer.busy {
            Some(_) if matches!(outcome.end, End::Failed(_)) => return None,
            Some(_) => (&self.remote_model, Usage { cached_prompt: 0, ..outcome.usage }),
            None => (&answer.model, outcome.usage),
        };
        let cost = self.prices.cost(model, &usage)?;
        Some(IfRemote { model: model.clone(), cost })
    }
}

/// Failures before the local engine did any work, where nothing of an answer came.
fn refused_at_the_door(kind: Kind) -> bool {
    matches!(kind, Kind::Busy | Kind::Down | Kind::ContextLengthExceeded | Kind::Unsupported | Kind::Rejected)
}
