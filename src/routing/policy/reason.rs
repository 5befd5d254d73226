//! Why a rule decided: one table from the clause that made it match to a reason of the closed set.
//! Controls and readiness may replace the reason afterwards (see `plan.rs`).

use super::condition::Clause;
use crate::routing::decision::Reason;

/// The reason of a rule that matched by these clauses: the first line of this table that applies.
///
/// | clause | reason |
/// |---|---|
/// | `any-tag` or `contains-pii`, and every target is within the boundary | `private` |
/// | `needs-any` | `capability` |
/// | `exceeds-local-context` | `length` |
/// | `local-ok-at-least` | `good_enough` |
/// | `task-any` | `task` |
/// | `prompt-tokens-below`, `prompt-tokens-at-least` | `length` |
/// | any other | `rule` |
///
/// `when-unknown` is `unknown`; the last rule is that of [`of_last`].
pub(super) fn of_clauses(clauses: &[Clause], within_boundary: bool) -> Reason {
    let any = |test: fn(&Clause) -> bool| clauses.iter().any(test);
    if within_boundary && any(|clause| matches!(clause, Clause::AnyTag(_) | Clause::ContainsPii(_))) {
        Reason::Private
    } else if any(|clause| matches!(clause, Clause::NeedsAny(_))) {
        Reason::Capability
    } else if any(|clause| matches!(clause, Clause::ExceedsLocalContext(_))) {
        Reason::Length
    } else if any(|clause| matches!(clause, Clause::LocalOkAtLeast(_))) {
        Reason::GoodEnough
    } else if any(|clause| matches!(clause, Clause::TaskAny(_))) {
        Reason::Task
    } else if any(|clause| matches!(clause, Clause::PromptTokensBelow(_) | Clause::PromptTokensAtLeast(_))) {
        Reason::Length
    } else {
        Reason::Rule
    }
}

/// The reason of the last rule: `default`, or `private` where every target is within the boundary.
pub(super) fn of_last(within_boundary: bool) -> Reason {
    if within_boundary { Reason::Private } else { Reason::Default }
}
