//! Evaluates a policy: a pure function from facts to a ruling. First match wins.
//! Without a verdict, rules that it could change give way to `when-unknown`; without a calibrated threshold, rules that
//! read it give way to `[uncalibrated]`. Every other rule still goes first, so neither steps over a privacy rule.

use super::condition::{Clause, Held, Truth};
use super::plan::{self, Wish};
use super::{Policy, UNCALIBRATED, WHEN_UNKNOWN, reason};
use crate::chat::{BackendId, Control};
use crate::routing::classifier::Verdict;
use crate::routing::decision::{Plan, Reason};
use crate::routing::signals::Signals;
use crate::routing::view::View;

/// Everything that a policy may know.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// Plain facts of the request.
    pub signals: &'a Signals,
    /// What the classifier says; `None` when it was late, broken or off.
    pub verdict: Option<&'a Verdict>,
    /// The calibrated threshold; `None` without a valid calibration.
    pub threshold: Option<f32>,
    /// Where the caller wants it to go.
    pub control: Control,
    /// The backends.
    pub view: &'a View,
}

impl Facts<'_> {
    /// The task, by the classifier's head, else by keywords.
    pub(super) fn task(&self) -> Option<&str> {
        let learned = self.verdict.and_then(|verdict| verdict.task.as_deref());
        learned.or_else(|| self.signals.task.map(|task| task.label()))
    }
}

/// A target that the rule or control named and the plan does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Which.
    pub target: BackendId,
    /// Why.
    pub reason: Reason,
}

/// What a policy says of the facts.
#[derive(Clone, Debug, PartialEq)]
pub struct Ruling {
    /// Where the request goes.
    pub plan: Plan,
    /// Why.
    pub reason: Reason,
    /// The rule that matched.
    pub rule: String,
    /// The score that was held against `threshold`: the shipped one against a number, the fitted head's, where there is
    /// one, against the calibrated threshold.
    pub score: Option<f32>,
    /// What a score was held against, if it was: by the rule that matched, else by the first before it that did.
    pub threshold: Option<f32>,
    /// Targets that cannot answer this request now.
    pub dropped: Vec<Dropped>,
}

impl Policy {
    /// Decides. Pure: no clock, no I/O.
    pub fn evaluate(&self, facts: &Facts<'_>) -> Ruling {
        plan::make(&self.wish(facts), &self.permits, facts)
    }

    fn wish(&self, facts: &Facts<'_>) -> Wish<'_> {
        let within = |targets: &[BackendId]| facts.view.all_within_boundary(targets);
        let mut held = None;
        let mut blind = false;
        for rule in &self.rules {
            let truth = rule.condition.holds(facts);
            if truth == Truth::Yes {
                let within_boundary = within(&rule.targets);
                let decisive = rule.condition.decisive(facts);
                let reason = reason::of_clauses(decisive, within_boundary);
                let held = first_held(decisive, facts).or(held);
                return Wish { targets: &rule.targets, reason, rule: &rule.name, held, within_boundary };
            }
            blind |= truth == Truth::Unknown;
            held = held.or_else(|| first_held(rule.condition.clauses(), facts));
        }
        if blind && facts.verdict.is_none() {
            let targets = &self.when_unknown;
            let within_boundary = within(targets);
            return Wish { targets, reason: Reason::Unknown, rule: WHEN_UNKNOWN, held, within_boundary };
        }
        let instead = self.uncalibrated.as_ref().filter(|_| blind);
        // A plain rule: what was learnt, the kind of task included, does not steer before it is calibrated.
        let plain = &Facts { verdict: None, ..*facts };
        if let Some(rule) = instead.filter(|rule| rule.condition.holds(plain) == Truth::Yes) {
            let within_boundary = within(&rule.targets);
            let reason = reason::of_clauses(rule.condition.decisive(plain), within_boundary);
            return Wish { targets: &rule.targets, reason, rule: UNCALIBRATED, held, within_boundary };
        }
        let (targets, rule) = (&self.otherwise.targets, &self.otherwise.name);
        let within_boundary = within(targets);
        Wish { targets, reason: reason::of_last(within_boundary), rule, held, within_boundary }
    }
}

/// The first score that one of these clauses holds against a bar.
fn first_held<'a>(clauses: impl IntoIterator<Item = &'a Clause>, facts: &Facts<'_>) -> Option<Held> {
    clauses.into_iter().find_map(|clause| clause.held(facts))
}
