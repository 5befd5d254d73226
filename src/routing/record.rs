//! What a decision was made from, without content: everything that a policy reads, kept so that it can be made again.
//! Tags are words of the caller: only those that a policy names are kept. Deciding again is the same pure function.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::calibration::Calibration;
use super::classifier::Verdict;
use super::decision::{Plan, Reason};
use super::policy::{Facts, Policy, Ruling};
use super::signals::{Language, Pii, Signals, Task};
use super::view::{Presence, Seat, View};
use crate::chat::{BackendId, BoundaryBackendId, Control, Needs};

/// The form that this version writes and reads.
const FORM: u32 = 1;

/// Everything that a policy read, but for the verdict, which stands beside it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// Form of the record; 0 for one that holds nothing.
    form: u32,
    prompt_tokens: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    /// The caller's tags that policies name, in small letters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    /// Where the request carried other tags too: every tag that policies named then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asked_tags: Option<Arc<[String]>>,
    needs: Needs,
    several: bool,
    code: bool,
    pii: Pii,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    task: Option<String>,
    /// The label of the language.
    language: String,
    needs_fresh_knowledge: bool,
    session: bool,
    control: Control,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    threshold: Option<f32>,
    /// Which fitted head made the score that steered; `None`: the shipped one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    head: Option<Arc<str>>,
    seats: Vec<SeatRecord>,
    /// What the policy ruled.
    targets: Vec<BackendId>,
    reason: Option<Reason>,
    /// Whether `[explore]` then drew the other target.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) explored: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SeatRecord {
    id: BackendId,
    within_boundary: bool,
    presence: Presence,
    context_tokens: u32,
    can: Needs,
    queued: usize,
}

/// Why a logged request cannot be decided again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CannotDecide {
    /// Its record has a form that this version does not read, or holds nothing.
    Form,
    /// The policy asks for a tag that no policy named when the request came, and the request carried unnamed tags.
    Tags,
    /// The calibration has a head of its own, whose inputs are not kept.
    Head,
}

impl CannotDecide {
    /// The name in reports.
    pub fn label(self) -> &'static str {
        match self {
            Self::Form => "record of another form",
            Self::Tags => "tags that were not kept",
            Self::Head => "the calibration's head, whose inputs were not kept",
        }
    }
}

impl DecisionRecord {
    /// Keeps what `facts` hold. `asked` are the tags that policies name, in small letters; `head` is the fitted head in
    /// force.
    pub(super) fn keep(
        facts: &Facts<'_>,
        ruling: &Ruling,
        asked: &Arc<[String]>,
        head: Option<&Arc<str>>,
    ) -> Self {
        let signals = facts.signals;
        let lower = signals.tags.iter().map(|tag| tag.to_ascii_lowercase());
        let (tags, others): (Vec<_>, Vec<_>) = lower.partition(|tag| asked.contains(tag));
        Self {
            form: FORM,
            prompt_tokens: signals.prompt_tokens,
            max_tokens: signals.max_tokens,
            tags,
            asked_tags: (!others.is_empty()).then(|| Arc::clone(asked)),
            needs: signals.needs,
            several: signals.several,
            code: signals.code,
            pii: signals.pii,
            task: signals.task.map(|task| task.label().to_owned()),
            language: signals.language.label().to_owned(),
            needs_fresh_knowledge: signals.needs_fresh_knowledge,
            session: signals.session,
            control: facts.control,
            threshold: facts.threshold,
            head: head.cloned(),
            seats: facts.view.seats.iter().map(SeatRecord::of).collect(),
            targets: ruling.plan.targets().into_iter().cloned().collect(),
            reason: Some(ruling.reason),
            explored: false,
        }
    }

    /// Decides again: the same facts under `policy`, with this verdict and threshold.
    ///
    /// # Errors
    /// Where the record lacks something that the policy reads.
    pub fn decide(
        &self,
        policy: &Policy,
        verdict: Option<&Verdict>,
        threshold: Option<f32>,
    ) -> Result<Ruling, CannotDecide> {
        if self.form != FORM {
            return Err(CannotDecide::Form);
        }
        if let Some(asked) = &self.asked_tags
            && policy.tags().any(|tag| !asked.contains(&tag))
        {
            return Err(CannotDecide::Tags);
        }
        let signals = Signals {
            prompt_tokens: self.prompt_tokens,
            max_tokens: self.max_tokens,
            tags: self.tags.clone(),
            needs: self.needs,
            several: self.several,
            code: self.code,
            pii: self.pii,
            task: self.task.as_deref().and_then(Task::parse),
            language: Language::parse(&self.language).ok_or(CannotDecide::Form)?,
            needs_fresh_knowledge: self.needs_fresh_knowledge,
            session: self.session,
            ..Signals::default()
        };
        let view = View { seats: self.seats.iter().map(SeatRecord::seat).collect() };
        Ok(policy.evaluate(&Facts {
            signals: &signals,
            verdict,
            threshold,
            control: self.control,
            view: &view,
        }))
    }

    /// The verdict as `calibration` would have it steer: by the shipped score, or by its head where that is the one that
    /// was in force.
    ///
    /// # Errors
    /// Where it has another head.
    pub fn under(&self, verdict: &Verdict, calibration: &Calibration) -> Result<Verdict, CannotDecide> {
        match &calibration.head {
            None => Ok(Verdict { calibrated: None, ..verdict.clone() }),
            Some(head) if self.head.as_deref() == Some(&*head.id()) => Ok(verdict.clone()),
            Some(_) => Err(CannotDecide::Head),
        }
    }

    /// Whether a ruling is the one that was made then (exploration apart).
    pub fn is(&self, ruling: &Ruling) -> bool {
        self.reason == Some(ruling.reason) && ruling.plan.targets().into_iter().eq(&self.targets)
    }

    /// Most tokens that the request allows its answer, where it says.
    pub fn max_tokens(&self) -> Option<u32> {
        self.max_tokens
    }

    /// The calibrated threshold that was in force.
    pub fn threshold(&self) -> Option<f32> {
        self.threshold
    }

    /// Whether chance sent the request elsewhere than the policy ruled.
    pub fn explored(&self) -> bool {
        self.explored
    }

    /// Whether that backend could be given work at once: ready, and nobody waited there.
    pub fn idle(&self, id: &BackendId) -> bool {
        let seat = self.seats.iter().find(|seat| seat.id == *id);
        seat.is_some_and(|seat| seat.presence == Presence::Ready && seat.queued == 0)
    }

    /// Whether the caller left the choice to the policy, which allowed at least two targets, some outside the boundary.
    pub fn free_choice(&self, plan: &Plan) -> bool {
        self.control == Control::Auto && matches!(plan, Plan::Anywhere(targets) if !targets.rest.is_empty())
    }
}

impl SeatRecord {
    fn of(seat: &Seat) -> Self {
        Self {
            id: seat.id.clone(),
            within_boundary: seat.boundary.is_some(),
            presence: seat.presence,
            context_tokens: seat.context_tokens,
            can: seat.can,
            queued: seat.queued,
        }
    }

    fn seat(&self) -> Seat {
        Seat {
            id: self.id.clone(),
            boundary: BoundaryBackendId::declare(&self.id, self.within_boundary),
            presence: self.presence,
            context_tokens: self.context_tokens,
            can: self.can,
            queued: self.queued,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::routing::calibration::tests::sample;
    use crate::routing::classifier::Head;
    use crate::routing::router::tests::{request, view};

    fn policy(tag: &str) -> Policy {
        let text = format!(
            "schema-version = 1\nname = \"p\"\n[[rule]]\nif = {{ any-tag = [\"{tag}\"] }}\nto = [\"local\"]\n\
             [[rule]]\nto = [\"remote\"]\n"
        );
        Policy::parse(&text, Path::new("p.toml")).unwrap()
    }

    fn record(tags: &[&str], asked: &[&str], head: Option<&Head>) -> DecisionRecord {
        let mut request = request("Say hi.");
        request.controls.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        let signals = Signals::read(&request);
        let (view, control) = (view(), Control::Auto);
        let facts = Facts { signals: &signals, verdict: None, threshold: Some(0.5), control, view: &view };
        let ruling = policy("vip").evaluate(&facts);
        let asked: Arc<[String]> = asked.iter().map(|tag| (*tag).to_owned()).collect();
        let kept = DecisionRecord::keep(&facts, &ruling, &asked, head.map(Head::id).as_ref());
        let text = serde_json::to_string(&kept).unwrap();
        let read: DecisionRecord = serde_json::from_str(&text).unwrap();
        assert_eq!(read, kept, "what is written is what is read");
        read
    }

    #[test]
    fn only_tags_that_policies_name_are_kept_and_a_new_name_is_not_guessed() {
        let kept = record(&["VIP", "canary"], &["vip"], None);
        assert!(!serde_json::to_string(&kept).unwrap().contains("canary"));
        let ruling = kept.decide(&policy("Vip"), None, None).unwrap();
        assert!(kept.is(&ruling) && ruling.rule == "rule 1");
        assert_eq!(kept.decide(&policy("canary"), None, None), Err(CannotDecide::Tags));
        let plain = record(&["vip"], &["vip"], None);
        assert_eq!(
            plain.decide(&policy("canary"), None, None).unwrap().rule,
            "otherwise",
            "it surely had no other"
        );
        assert_eq!(plain.threshold(), Some(0.5));
        let nothing = DecisionRecord::default();
        assert_eq!(nothing.decide(&policy("vip"), None, None), Err(CannotDecide::Form));
    }

    #[test]
    fn a_head_of_another_calibration_cannot_be_asked_again() {
        let head = |bias| Head { weights: vec![1.0, 2.0], bias };
        let verdict = Verdict { local_ok: 0.4, calibrated: Some(0.9), ..Verdict::default() };
        let mut calibration = sample();
        let (own, other) = (record(&[], &[], Some(&head(0.5))), record(&[], &[], None));
        assert_eq!(
            own.under(&verdict, &calibration).unwrap().steering(),
            0.4,
            "without a head: the shipped score"
        );
        calibration.head = Some(head(0.5));
        assert_eq!(own.under(&verdict, &calibration).unwrap().steering(), 0.9);
        assert_eq!(other.under(&verdict, &calibration), Err(CannotDecide::Head));
        calibration.head = Some(head(0.6));
        assert_eq!(own.under(&verdict, &calibration), Err(CannotDecide::Head));
    }
}
