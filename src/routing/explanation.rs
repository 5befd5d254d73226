//! A decision told to a person or a program: what `crossover route` prints and `POST /v1/route` answers.
//! Holds facts and names, never the prompt.

use serde::Serialize;

use super::calibration::Standing;
use super::classifier::Verdict;
use super::decision::{Decision, Plan, PolicyVersion, Reason};
use super::policy::Dropped;
use super::router::Silence;
use super::signals::{Signals, SignalsReport};
use crate::chat::BackendId;

/// A target that the rule or the caller named and that cannot answer this request now.
#[derive(Clone, Debug, Serialize)]
pub struct NotAvailable {
    /// Which.
    pub target: BackendId,
    /// Why: `capability`, `length`, `no_local`, `no_remote` or `local_busy`.
    pub reason: Reason,
}

/// One decision with everything it was made from.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// Which policy decided.
    pub policy: PolicyVersion,
    /// The rule that matched.
    pub rule: String,
    /// Why.
    pub reason: Reason,
    /// Where it goes, in order; empty: nowhere.
    pub targets: Vec<BackendId>,
    /// Whether it must stay within the boundary.
    pub within_boundary: bool,
    /// Targets that cannot answer it now.
    pub not_available: Vec<NotAvailable>,
    /// The plain facts.
    pub signals: SignalsReport,
    /// What the classifier says.
    pub verdict: Option<Verdict>,
    /// Why there is no verdict.
    pub no_verdict: Option<String>,
    /// The same, where the classifier was asked and failed; not where it is off.
    #[serde(skip)]
    pub failure: Option<String>,
    /// The score that was held against `threshold`; which of the verdict's two, the rule says.
    pub score: Option<f32>,
    /// What a score was held against, if it was: by the rule that matched, else by the first before it that did.
    pub threshold: Option<f32>,
    /// The calibration that the threshold is from, or why none applies.
    pub calibration: CalibrationNote,
    /// How long deciding took, in microseconds.
    pub decided_in_us: u64,
}

/// Which calibration, and how it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CalibrationNote {
    /// `valid`, `missing`, `mismatch` or `no_promise`; only a valid one's threshold steers.
    pub state: &'static str,
    /// Its id; `None` where there is none.
    pub id: Option<String>,
}

impl CalibrationNote {
    pub(super) fn of(standing: &Standing) -> Self {
        let id = standing.calibration().map(|calibration| calibration.id.clone());
        Self { state: standing.label(), id }
    }
}

impl Explanation {
    pub(super) fn of(
        decision: &Decision,
        dropped: &[Dropped],
        signals: &Signals,
        silence: Option<&Silence>,
    ) -> Self {
        Self {
            policy: decision.policy.clone(),
            rule: decision.rule.clone(),
            reason: decision.reason,
            targets: decision.plan.targets().into_iter().cloned().collect(),
            within_boundary: matches!(decision.plan, Plan::WithinBoundary(_)),
            not_available: dropped
                .iter()
                .map(|lost| NotAvailable { target: lost.target.clone(), reason: lost.reason })
                .collect(),
            signals: signals.report(),
            verdict: decision.verdict.clone(),
            no_verdict: silence.map(ToString::to_string),
            failure: match silence {
                Some(Silence::Failed(error)) => Some(error.to_string()),
                Some(Silence::Off) | None => None,
            },
            score: decision.score,
            threshold: decision.threshold,
            calibration: CalibrationNote::of(&Standing::Missing),
            decided_in_us: u64::try_from(decision.decided_in.as_micros()).unwrap_or(u64::MAX),
        }
    }

    /// The same, naming the calibration in charge.
    pub(super) fn under(self, calibration: CalibrationNote) -> Self {
        Self { calibration, ..self }
    }
}
