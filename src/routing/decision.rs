//! What routing says: an ordered plan, its reason, and the facts it was made from.
//! A plan that must stay within the boundary can hold only boundary backends; the type sees to it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::classifier::Verdict;
use super::record::DecisionRecord;
use crate::chat::{BackendId, BoundaryBackendId};

/// A list with at least one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NonEmpty<T> {
    /// The first.
    pub first: T,
    /// The others, in order.
    pub rest: Vec<T>,
}

impl<T> NonEmpty<T> {
    /// The list, or `None` where there is nothing in it.
    pub fn new(items: impl IntoIterator<Item = T>) -> Option<Self> {
        let mut items = items.into_iter();
        Some(Self { first: items.next()?, rest: items.collect() })
    }

    /// All items, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.first).chain(&self.rest)
    }
}

/// Where a request may go, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Only to backends inside the user's boundary.
    WithinBoundary(NonEmpty<BoundaryBackendId>),
    /// To any of these.
    Anywhere(NonEmpty<BackendId>),
    /// Nowhere; the decision's reason says why.
    Refuse,
}

/// Proof that a request may go to backends outside the boundary: only a plan that says so makes one. Whatever asks
/// somebody else about a request (a shadow answer, a judge) takes this, so that it cannot be handed a private one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unconfined(NonEmpty<BackendId>);

impl Unconfined {
    /// The plan's targets, in order.
    pub fn targets(&self) -> impl Iterator<Item = &BackendId> {
        self.0.iter()
    }

    /// The plan that asks one of these targets and nobody else.
    pub fn only(&self, target: &BackendId) -> Option<Plan> {
        let known = self.targets().find(|known| *known == target)?;
        NonEmpty::new([known.clone()]).map(Plan::Anywhere)
    }

    /// The plan's first target other than `served`.
    pub fn other_than(&self, served: &BackendId) -> Option<&BackendId> {
        self.targets().find(|target| *target != served)
    }
}

impl Plan {
    /// The targets in order; none for a refusal.
    pub fn targets(&self) -> Vec<&BackendId> {
        match self {
            Self::WithinBoundary(targets) => targets.iter().map(BoundaryBackendId::id).collect(),
            Self::Anywhere(targets) => targets.iter().collect(),
            Self::Refuse => vec![],
        }
    }

    /// The proof that the request may leave the boundary, where it may.
    pub fn unconfined(&self) -> Option<Unconfined> {
        match self {
            Self::Anywhere(targets) => Some(Unconfined(targets.clone())),
            Self::WithinBoundary(_) | Self::Refuse => None,
        }
    }
}

/// Why a request goes where it goes: a closed set, sent as `x-crossover-reason` and used as a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The caller asked for it, by model name or header.
    Requested,
    /// A rule keeps it within the boundary.
    Private,
    /// It needs something that the local model cannot do.
    Capability,
    /// It is too long for the local model, or longer than the policy keeps local.
    Length,
    /// The classifier expects the local answer to be good enough.
    GoodEnough,
    /// No rule kept it local.
    Default,
    /// The task decided (plain rule, not the learned score).
    Task,
    /// A rule on load, tags or another plain signal decided.
    Rule,
    /// The classifier was late, broken or off; the policy's `when-unknown` decided.
    Unknown,
    /// Remote was preferred but is not ready.
    NoRemote,
    /// Local was preferred but is not ready.
    NoLocal,
    /// Local was preferred but its queue is full.
    LocalBusy,
    /// The preferred target failed before its first byte; another one answered.
    Fallback,
    /// The local answer began unsurely, so the early gate sent the request on.
    Escalated,
    /// The policy does not permit what the caller asked for.
    NotPermitted,
    /// The policy's `[explore]` drew the other target, with a known probability.
    Explored,
}

impl Reason {
    /// Every reason, for docs and metrics.
    pub const ALL: [Self; 16] = [
        Self::Requested,
        Self::Private,
        Self::Capability,
        Self::Length,
        Self::GoodEnough,
        Self::Default,
        Self::Task,
        Self::Rule,
        Self::Unknown,
        Self::NoRemote,
        Self::NoLocal,
        Self::LocalBusy,
        Self::Fallback,
        Self::Escalated,
        Self::NotPermitted,
        Self::Explored,
    ];

    /// The name in headers, metrics and the ledger.
    pub fn label(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Private => "private",
            Self::Capability => "capability",
            Self::Length => "length",
            Self::GoodEnough => "good_enough",
            Self::Default => "default",
            Self::Task => "task",
            Self::Rule => "rule",
            Self::Unknown => "unknown",
            Self::NoRemote => "no_remote",
            Self::NoLocal => "no_local",
            Self::LocalBusy => "local_busy",
            Self::Fallback => "fallback",
            Self::Escalated => "escalated",
            Self::NotPermitted => "not_permitted",
            Self::Explored => "explored",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// Which policy decided: its name and the hash of its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyVersion {
    /// The policy's name.
    pub name: String,
    /// First 12 hex digits of the SHA-256 of its file.
    pub hash: String,
}

/// One routing decision.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Where it goes.
    pub plan: Plan,
    /// Why.
    pub reason: Reason,
    /// The name of the rule that matched (`when-unknown` and `uncalibrated` included).
    pub rule: String,
    /// Which policy decided.
    pub policy: PolicyVersion,
    /// What the classifier said, whether or not it steered; `None` when late, broken or off.
    pub verdict: Option<Verdict>,
    /// The score that was held against `threshold`; which of the verdict's two, the rule says.
    pub score: Option<f32>,
    /// What a score was held against, if it was: by the rule that matched, else by the first before it that did.
    pub threshold: Option<f32>,
    /// Upper estimate of the prompt's length, in tokens.
    pub prompt_tokens: u32,
    /// How long deciding took.
    pub decided_in: Duration,
    /// The probability with which the first target came first: 1 where nothing was drawn.
    pub propensity: f64,
    /// Everything that the policy read, to decide again later.
    pub record: Box<DecisionRecord>,
}

impl Decision {
    /// Sends the request to the second target first, against the policy's ruling, which stays in the record. Only a plan
    /// that may leave the boundary and has two targets is changed; says whether it was.
    pub fn explore(&mut self) -> bool {
        let Plan::Anywhere(targets) = &mut self.plan else { return false };
        let Some(second) = targets.rest.first_mut() else { return false };
        std::mem::swap(&mut targets.first, second);
        self.reason = Reason::Explored;
        self.record.explored = true;
        true
    }
}
