//! The words of a rule's `if`, and whether they hold. Plain keys must all hold; a key with the prefix `or-` is an
//! alternative of its own: all plain keys, or any `or-` key. What needs a verdict or threshold that is not there is
//! neither true nor false, so a rule is passed over only where that could change it (Kleene's logic).

use super::evaluate::Facts;
use crate::routing::signals::{Language, Task};

/// The bar of `local-ok-at-least`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bar {
    /// A number in `[0, 1]`.
    Number(f32),
    /// The calibrated threshold, where there is one.
    Calibrated,
}

/// A score beside the bar that it is compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Held {
    pub(super) score: f32,
    pub(super) threshold: f32,
}

/// One key of an `if`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Clause {
    /// `prompt-tokens-below`: the upper estimate is below.
    PromptTokensBelow(u32),
    /// `prompt-tokens-at-least`.
    PromptTokensAtLeast(u32),
    /// `any-tag`: the request carries one of these, in any letter case.
    AnyTag(Vec<String>),
    /// `needs-any`: the request needs one of these.
    NeedsAny(Vec<String>),
    /// `exceeds-local-context`: prompt and room for an answer do not fit the local model's context.
    ExceedsLocalContext(bool),
    /// `contains-pii`: personal data was found, or could not be looked for.
    ContainsPii(bool),
    /// `contains-code`.
    ContainsCode(bool),
    /// `language-any`: the last user turn is in one of these; `unknown` may be one of them.
    LanguageAny(Vec<Language>),
    /// `language-other-than`: it is in a known language, and in none of these.
    LanguageOtherThan(Vec<Language>),
    /// `needs-fresh-knowledge`: it asks for what is going on now.
    NeedsFreshKnowledge(bool),
    /// `task-any`: by the classifier's task head, else by keywords, which know two tasks.
    TaskAny(Vec<Task>),
    /// `local-ok-at-least`: the classifier's probability that the local answer is good enough.
    LocalOkAtLeast(Bar),
    /// `gain-at-least`: how much a strong model would add; false for a classifier without that head.
    GainAtLeast(f32),
    /// `expected-output-tokens-below`; false for a classifier without that head.
    ExpectedOutputTokensBelow(u32),
    /// `local-queue-at-least`: requests that wait for the local model.
    LocalQueueAtLeast(u32),
    /// `has-session`.
    HasSession(bool),
}

/// What `needs-any` may name.
pub(super) const NEEDS: [&str; 8] =
    ["vision", "audio", "tools", "logprobs", "n", "structured", "other-sampling", "hosted"];

/// True, false, or not to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    Yes,
    No,
    Unknown,
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Self::Yes } else { Self::No }
    }
}

impl Clause {
    /// Whether it reads what the classifier says (`task-any` can do without, where keywords know every task of it).
    pub(super) fn reads_verdict(&self) -> bool {
        matches!(self, Self::LocalOkAtLeast(_) | Self::GainAtLeast(_) | Self::ExpectedOutputTokensBelow(_))
            || self.learned_task().is_some()
    }

    /// The first task of `task-any` that only the classifier knows.
    pub(super) fn learned_task(&self) -> Option<Task> {
        let Self::TaskAny(tasks) = self else { return None };
        tasks.iter().copied().find(|task| !task.has_keywords())
    }

    /// The score that it holds against a bar, where there are both.
    pub(super) fn held(&self, facts: &Facts<'_>) -> Option<Held> {
        let (Self::LocalOkAtLeast(bar), Some(verdict)) = (self, facts.verdict) else { return None };
        let (score, threshold) = match *bar {
            Bar::Number(number) => (verdict.local_ok, number),
            Bar::Calibrated => (verdict.steering(), facts.threshold?),
        };
        Some(Held { score, threshold })
    }

    pub(super) fn holds(&self, facts: &Facts<'_>) -> Truth {
        let signals = facts.signals;
        let local = facts.view.local();
        match self {
            Self::PromptTokensBelow(most) => (signals.prompt_tokens < *most).into(),
            Self::PromptTokensAtLeast(least) => (signals.prompt_tokens >= *least).into(),
            Self::AnyTag(tags) => {
                let carries = |tag: &String| signals.tags.iter().any(|own| own.eq_ignore_ascii_case(tag));
                tags.iter().any(carries).into()
            }
            Self::NeedsAny(needs) => {
                let named = signals.need_names();
                needs.iter().any(|need| named.contains(&need.as_str())).into()
            }
            Self::ExceedsLocalContext(wanted) => {
                let exceeds =
                    local.is_some_and(|seat| !seat.holds(signals.prompt_tokens, signals.max_tokens));
                (exceeds == *wanted).into()
            }
            Self::ContainsPii(wanted) => (signals.pii.counts_as_present() == *wanted).into(),
            Self::ContainsCode(wanted) => (signals.code == *wanted).into(),
            Self::LanguageAny(languages) => languages.contains(&signals.language).into(),
            Self::LanguageOtherThan(languages) => {
                (signals.language.is_known() && !languages.contains(&signals.language)).into()
            }
            Self::NeedsFreshKnowledge(wanted) => (signals.needs_fresh_knowledge == *wanted).into(),
            Self::TaskAny(tasks) => {
                let known = facts.task();
                if tasks.iter().any(|task| known == Some(task.label())) {
                    Truth::Yes
                } else if facts.verdict.is_none() && self.learned_task().is_some() {
                    Truth::Unknown
                } else {
                    Truth::No
                }
            }
            Self::LocalQueueAtLeast(least) => local.is_some_and(|seat| seat.queued >= *least as usize).into(),
            Self::HasSession(wanted) => (signals.session == *wanted).into(),
            Self::LocalOkAtLeast(_) | Self::GainAtLeast(_) | Self::ExpectedOutputTokensBelow(_) => {
                self.holds_by_verdict(facts)
            }
        }
    }

    fn holds_by_verdict(&self, facts: &Facts<'_>) -> Truth {
        let Some(verdict) = facts.verdict else { return Truth::Unknown };
        match self {
            Self::LocalOkAtLeast(_) => {
                self.held(facts).map_or(Truth::Unknown, |held| (held.score >= held.threshold).into())
            }
            Self::GainAtLeast(least) => verdict.gain.is_some_and(|gain| gain >= *least).into(),
            Self::ExpectedOutputTokensBelow(most) => {
                verdict.expected_output_tokens.is_some_and(|tokens| tokens < *most).into()
            }
            _ => Truth::No,
        }
    }
}

/// A rule's `if`: never empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Condition {
    /// The plain keys.
    pub(super) all: Vec<Clause>,
    /// The `or-` keys.
    pub(super) any: Vec<Clause>,
}

impl Condition {
    pub(super) fn clauses(&self) -> impl Iterator<Item = &Clause> {
        self.all.iter().chain(&self.any)
    }

    /// Whether it holds.
    pub(super) fn holds(&self, facts: &Facts<'_>) -> Truth {
        let alternatives = self.any.iter().map(|clause| clause.holds(facts));
        let all = (!self.all.is_empty()).then(|| self.all_hold(facts));
        let mut truth = Truth::No;
        for alternative in all.into_iter().chain(alternatives) {
            match alternative {
                Truth::Yes => return Truth::Yes,
                Truth::Unknown => truth = Truth::Unknown,
                Truth::No => {}
            }
        }
        truth
    }

    /// The clauses that made it hold: the plain keys together, else the first alternative that holds.
    pub(super) fn decisive(&self, facts: &Facts<'_>) -> &[Clause] {
        if !self.all.is_empty() && self.all_hold(facts) == Truth::Yes {
            return &self.all;
        }
        let first = self.any.iter().position(|clause| clause.holds(facts) == Truth::Yes);
        first.map_or(&[], |place| &self.any[place..=place])
    }

    fn all_hold(&self, facts: &Facts<'_>) -> Truth {
        let mut truth = Truth::Yes;
        for clause in &self.all {
            match clause.holds(facts) {
                Truth::No => return Truth::No,
                Truth::Unknown => truth = Truth::Unknown,
                Truth::Yes => {}
            }
        }
        truth
    }
}
