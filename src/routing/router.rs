//! The router: policies and classifier together. One decision is: read the signals, ask the classifier under the
//! deadline, evaluate the policy. The verdict is recorded whether or not it steers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::calibration::Standing;
use super::classifier::{Classifier, ClassifierError, Desk, Verdict};
use super::decision::{Decision, Plan, PolicyVersion, Reason};
use super::drift::Drift;
use super::explanation::{CalibrationNote, Explanation};
use super::policy::{Dropped, Facts, Policy};
use super::record::DecisionRecord;
use super::signals::Signals;
use super::view::View;
use crate::chat::{ChatRequest, Control};
use crate::metrics::Metrics;

/// What is asked of routing.
pub struct Question<'a> {
    /// The request.
    pub request: &'a ChatRequest,
    /// The policy in charge.
    pub policy: &'a str,
    /// Where the caller wants it to go (from the model name or the header).
    pub control: Control,
    /// The backends now.
    pub view: &'a View,
}

/// All policies, and the classifier that they may read.
pub struct Router {
    policies: BTreeMap<String, Arc<Policy>>,
    /// Every tag that a policy names: the only ones that records keep.
    asked_tags: Arc<[String]>,
    /// The fitted head in force, as records name it.
    head: Option<Arc<str>>,
    desk: Option<Desk>,
    deadline: Duration,
    threshold: Option<f32>,
    standing: Standing,
    drift: Option<Drift>,
    metrics: Arc<Metrics>,
}

/// What came of asking the classifier: a verdict, or why there is none.
type Heard = Result<Verdict, Silence>;

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub(super) enum Silence {
    /// No classifier is configured.
    #[error("the classifier is off")]
    Off,
    /// It was asked in vain.
    #[error(transparent)]
    Failed(ClassifierError),
}

impl Router {
    /// Puts policies and classifier together; the classifier gets a thread of its own. A request waits at most
    /// `deadline` for a verdict. Without a classifier every verdict is unknown.
    pub fn new(
        policies: Vec<Policy>,
        classifier: Option<Box<dyn Classifier>>,
        deadline: Duration,
        metrics: Arc<Metrics>,
    ) -> Self {
        let asked_tags =
            policies.iter().flat_map(Policy::tags).collect::<BTreeSet<_>>().into_iter().collect();
        let policies =
            policies.into_iter().map(|policy| (policy.name().to_owned(), Arc::new(policy))).collect();
        let desk = classifier.map(|classifier| Desk::open(classifier, Arc::clone(&metrics)));
        let router = Self {
            policies,
            asked_tags,
            head: None,
            desk,
            deadline,
            threshold: None,
            standing: Standing::Missing,
            drift: None,
            metrics,
        };
        router.with_standing(Standing::Missing)
    }

    /// The same router under a calibration: where it is valid its threshold steers and drift is measured; else
    /// `[uncalibrated]` steers and the score is only recorded.
    #[must_use]
    pub fn with_standing(self, standing: Standing) -> Self {
        for label in Standing::LABELS {
            let gauge = self.metrics.calibration_state.with_label_values(&[label]);
            gauge.set(i64::from(label == standing.label()));
        }
        let threshold = standing.threshold();
        let valid = standing.calibration().filter(|_| threshold.is_some());
        let drift = valid.map(|calibration| Drift::new(calibration.score_histogram.clone()));
        let head = standing.head();
        Self { threshold, standing, drift, head, ..self }
    }

    /// How the calibration stands.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// The same router with a calibrated threshold. Without one, `[uncalibrated]` steers.
    #[must_use]
    pub fn with_threshold(self, threshold: f32) -> Self {
        Self { threshold: Some(threshold), ..self }
    }

    /// Names of all policies, sorted.
    pub fn policies(&self) -> impl Iterator<Item = &str> {
        self.policies.keys().map(String::as_str)
    }

    /// The policy of that name.
    pub fn policy(&self, name: &str) -> Option<&Policy> {
        self.policies.get(name).map(Arc::as_ref)
    }

    /// Decides. Never fails: an unknown policy name is the caller's check, here it refuses.
    pub async fn decide(&self, question: Question<'_>) -> Decision {
        let started = Instant::now();
        let signals = Arc::new(Signals::read(question.request));
        let heard = self.ask(&signals).await;
        self.settle(&question, &signals, heard.ok(), started).0
    }

    /// Counts a decision in drift. For clients' requests alone: what golden sets and judges are asked drifts nowhere.
    pub fn watch(&self, decision: &Decision) {
        if let (Some(drift), Some(verdict)) = (&self.drift, &decision.verdict)
            && let Some(index) = drift.observe(verdict.steering())
        {
            self.metrics.classifier_score_psi.with_label_values(&[] as &[&str]).set(index);
        }
    }

    /// Decides and tells everything that the decision was made from.
    pub async fn explain(&self, question: Question<'_>) -> Explanation {
        let started = Instant::now();
        let signals = Arc::new(Signals::read(question.request));
        let heard = self.ask(&signals).await;
        self.tell(&question, &signals, heard, started)
    }

    /// As [`Self::explain`], waiting for the classifier for as long as it takes. Blocks its thread: only for commands,
    /// never inside the async runtime.
    pub fn explain_patiently(&self, question: &Question<'_>) -> Explanation {
        let started = Instant::now();
        let signals = Arc::new(Signals::read(question.request));
        let heard = match &self.desk {
            Some(desk) => desk.ask_patiently(Arc::clone(&signals)).map_err(Silence::Failed),
            None => Err(self.off()),
        };
        self.tell(question, &signals, heard, started)
    }

    async fn ask(&self, signals: &Arc<Signals>) -> Heard {
        match &self.desk {
            Some(desk) => desk.ask(Arc::clone(signals), self.deadline).await.map_err(Silence::Failed),
            None => Err(self.off()),
        }
    }

    fn off(&self) -> Silence {
        self.metrics.classifier_outcomes_total.with_label_values(&["off"]).inc();
        Silence::Off
    }

    fn tell(
        &self,
        question: &Question<'_>,
        signals: &Signals,
        heard: Heard,
        started: Instant,
    ) -> Explanation {
        let (verdict, silence) = match heard {
            Ok(verdict) => (Some(verdict), None),
            Err(silence) => (None, Some(silence)),
        };
        let (decision, dropped) = self.settle(question, signals, verdict, started);
        let calibration = CalibrationNote::of(&self.standing);
        Explanation::of(&decision, &dropped, signals, silence.as_ref()).under(calibration)
    }

    /// The verdict without the score of a head whose calibration no longer holds: the classifier may still carry it.
    fn in_force(&self, verdict: Verdict) -> Verdict {
        let calibrated = verdict.calibrated.filter(|_| self.head.is_some());
        Verdict { calibrated, ..verdict }
    }

    fn settle(
        &self,
        question: &Question<'_>,
        signals: &Signals,
        verdict: Option<Verdict>,
        started: Instant,
    ) -> (Decision, Vec<Dropped>) {
        let verdict = verdict.map(|verdict| self.in_force(verdict));
        let Some(policy) = self.policies.get(question.policy) else {
            return (unknown_policy(question.policy, signals, verdict, started), vec![]);
        };
        let facts = Facts {
            signals,
            verdict: verdict.as_ref(),
            threshold: self.threshold,
            control: question.control,
            view: question.view,
        };
        let ruling = policy.evaluate(&facts);
        let record = Box::new(DecisionRecord::keep(&facts, &ruling, &self.asked_tags, self.head.as_ref()));
        let decision = Decision {
            plan: ruling.plan,
            reason: ruling.reason,
            rule: ruling.rule,
            policy: policy.version().clone(),
            verdict,
            score: ruling.score,
            threshold: ruling.threshold,
            prompt_tokens: signals.prompt_tokens,
            decided_in: started.elapsed(),
            propensity: 1.0,
            record,
        };
        (decision, ruling.dropped)
    }
}

fn unknown_policy(name: &str, signals: &Signals, verdict: Option<Verdict>, started: Instant) -> Decision {
    Decision {
        plan: Plan::Refuse,
        reason: Reason::NotPermitted,
        rule: "unknown policy".to_owned(),
        policy: PolicyVersion { name: name.to_owned(), hash: String::new() },
        verdict,
        score: None,
        threshold: None,
        prompt_tokens: signals.prompt_tokens,
        decided_in: started.elapsed(),
        propensity: 1.0,
        record: Box::default(),
    }
}

#[cfg(test)]
pub(super) mod tests;
