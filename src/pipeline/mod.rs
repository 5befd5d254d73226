//! One request's life between the wire and the backends: name resolved, decision asked, targets tried in order,
//! stream handed over with its permit and its record. No HTTP: failures are values that `api` turns into responses.

mod answer;
mod attempt;
mod chance;
mod early;
mod embed;
mod feedback;
mod names;
mod retry;
mod view;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use answer::Answer;
pub use early::Gate;
pub use embed::{Embed, Vectors};
pub use names::{Destination, Names, UnknownModel};
pub use view::view_of;

use crate::backends::local::embed::Embedder;
use crate::backends::{Backend, BackendError, Kind, Readiness, Retry};
use crate::chat::{BackendId, ChatRequest, RequestId};
use crate::config::{Config, LocalConfig};
use crate::ledger::{End, Estimate, Ledger, Origin, Recorder, Shadows, estimate};
use crate::metrics::Metrics;
use crate::routing::{
    Decision, Explanation, LOCAL, Plan, Policy, Presence, Question, REMOTE, Reason, Router, View,
};
use early::Gated;
use retry::RetryBudget;

/// Everything that answers a request.
pub struct Pipeline {
    router: Router,
    backends: Vec<Arc<dyn Backend>>,
    names: Names,
    ledger: Arc<Ledger>,
    local: LocalConfig,
    in_flight: Arc<Semaphore>,
    most_in_flight: usize,
    retries: RetryBudget,
    shadows: Option<Shadows>,
    early_gate: Option<Arc<Gate>>,
    embedder: Option<Embedder>,
}

/// Why there is no answer. The record is closed by whoever turns it into a response.
pub struct Refused {
    /// What happened.
    pub why: Why,
    /// What routing decided, where it was asked.
    pub decision: Option<Decision>,
    /// The open record.
    pub recorder: Recorder,
}

/// What kept a request from being answered.
#[derive(Debug)]
pub enum Why {
    /// Too many requests are being answered.
    Overloaded,
    /// No model, policy or alias of that name that does what is asked.
    UnknownModel(UnknownModel),
    /// Routing refused, and when waiting may help.
    Routing(Reason, Option<Duration>),
    /// The last target that was tried failed.
    Backend(BackendError),
}

impl Why {
    /// How the record ends.
    pub fn end(&self) -> End {
        match self {
            Self::Overloaded => End::Failed(Kind::Busy),
            Self::UnknownModel(_) => End::Invalid("model_not_found"),
            Self::Routing(reason, _) => End::Refused(*reason),
            Self::Backend(error) => End::Failed(error.kind),
        }
    }
}

/// What is put together to answer requests.
pub struct Parts {
    /// Decides.
    pub router: Router,
    /// Answer. `local` before `remote`.
    pub backends: Vec<Arc<dyn Backend>>,
    /// Names that callers may use.
    pub names: Names,
    /// Keeps the records.
    pub ledger: Arc<Ledger>,
    /// Second thoughts on local answers; `None`: they are relayed as they come.
    pub early_gate: Option<Gate>,
    /// What the names and limits of the house are, for estimates and the number of requests at once.
    pub config: Config,
}

impl Pipeline {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        Self {
            router: parts.router,
            backends: parts.backends,
            names: parts.names,
            ledger: parts.ledger,
            most_in_flight: parts.config.server.max_in_flight,
            in_flight: Arc::new(Semaphore::new(parts.config.server.max_in_flight)),
            local: parts.config.local,
            retries: RetryBudget::new(),
            shadows: None,
            early_gate: parts.early_gate.map(Arc::new),
            embedder: None,
        }
    }

    /// Opens the record of a request that just arrived.
    pub fn open(&self, id: RequestId, origin: Origin) -> Recorder {
        Recorder::open(Arc::clone(&self.ledger), id, origin)
    }

    /// Names that callers may put in `model`.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The backends, `local` before `remote`.
    pub fn backends(&self) -> &[Arc<dyn Backend>] {
        &self.backends
    }

    /// The metrics of this house.
    pub fn metrics(&self) -> &Metrics {
        self.ledger.metrics()
    }

    /// The ledger of this house.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Answers a request: returns once the first content is there (or, for the last target inside the boundary, once
    /// its silence lasts too long for a client to wait without a sign of life).
    ///
    /// # Errors
    /// When nobody answers; nothing was sent to the caller then.
    pub async fn answer(
        &self,
        request: Arc<ChatRequest>,
        mut recorder: Recorder,
    ) -> Result<Answer, Box<Refused>> {
        let Ok(permit) = Arc::clone(&self.in_flight).try_acquire_owned() else {
            return Err(refuse(Why::Overloaded, None, recorder));
        };
        let destination = match self.names.resolve(&request.model, request.controls.route) {
            Ok(destination) => destination,
            Err(unknown) => return Err(refuse(Why::UnknownModel(unknown), None, recorder)),
        };
        let mut decision = self.decide(&request, &destination).await;
        if chance::is_live(&recorder) {
            self.router.watch(&decision);
        }
        let pending = self.draw(&request, &mut decision, &mut recorder);
        recorder.decided(&decision);
        if decision.plan == Plan::Refuse {
            let why = Why::Routing(decision.reason, self.wait_for(decision.reason, &destination));
            return Err(refuse(why, Some(decision), recorder));
        }
        let answer = self.try_targets(Asked { request, destination }, decision, recorder, permit).await?;
        Ok(answer.shadowed(pending))
    }

    /// Decides without calling anyone.
    ///
    /// # Errors
    /// When the model's name is not known.
    pub async fn explain(&self, request: &ChatRequest) -> Result<(Explanation, Vec<Estimate>), UnknownModel> {
        let destination = self.names.resolve(&request.model, request.controls.route)?;
        let view = view_of(&self.backends, &destination);
        let explanation = self.router.explain(question(request, &destination, &view)).await;
        let model_of = |target: &BackendId| {
            self.backend(target).map_or("", |backend| destination.model_of(backend.profile()))
        };
        let estimates = estimate(self.ledger.prices(), &self.local, model_of, &explanation);
        Ok((explanation, estimates))
    }

    /// Decides as if every backend were ready and idle, and calls nobody: what a policy does when nothing is in its way.
    ///
    /// # Errors
    /// When the model's name is not known.
    pub async fn rehearse(&self, request: &ChatRequest) -> Result<Decision, UnknownModel> {
        let destination = self.names.resolve(&request.model, request.controls.route)?;
        let mut view = view_of(&self.backends, &destination);
        for seat in &mut view.seats {
            (seat.presence, seat.queued) = (Presence::Ready, 0);
        }
        Ok(self.router.decide(question(request, &destination, &view)).await)
    }

    /// Whether nobody is being answered now, and nobody waits.
    pub fn is_idle(&self) -> bool {
        let waits = |backend: &Arc<dyn Backend>| backend.load().active + backend.load().queued > 0;
        self.in_flight.available_permits() == self.most_in_flight && !self.backends.iter().any(waits)
    }

    /// Every policy.
    pub fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.router.policies().filter_map(|name| self.router.policy(name))
    }

    /// Every policy's name, with the hash of its text.
    pub fn policy_hashes(&self) -> impl Iterator<Item = (String, String)> {
        self.policies().map(|policy| (policy.version().name.clone(), policy.version().hash.clone()))
    }

    async fn decide(&self, request: &ChatRequest, destination: &Destination) -> Decision {
        let view = view_of(&self.backends, destination);
        self.router.decide(question(request, destination, &view)).await
    }

    /// When a backend that is missing for this reason may take requests again, as far as it knows.
    fn wait_for(&self, reason: Reason, destination: &Destination) -> Option<Duration> {
        let id = match reason {
            Reason::NoRemote => REMOTE,
            Reason::NoLocal | Reason::LocalBusy => LOCAL,
            _ => return None,
        };
        let backend = self.backends.iter().find(|backend| backend.profile().id.as_str() == id)?;
        match backend.readiness_of(destination.model_of(backend.profile())) {
            Readiness::Ready => None,
            Readiness::Busy { retry_after } => Some(retry_after),
            Readiness::Down { retry_after, .. } => retry_after,
        }
    }

    /// Where the local model stood in for a remote that will be back, and cannot do what is asked, the remote's absence
    /// is why there is no answer; else the failure itself.
    fn why_not(&self, error: BackendError, reason: Reason, destination: &Destination) -> Why {
        let beyond = matches!(error.kind, Kind::ContextLengthExceeded | Kind::Unsupported);
        let wait = self.wait_for(reason, destination).filter(|_| beyond && reason == Reason::NoRemote);
        match wait {
            Some(wait) => Why::Routing(reason, Some(wait)),
            None => Why::Backend(error),
        }
    }

    fn backend(&self, id: &BackendId) -> Option<&Arc<dyn Backend>> {
        self.backends.iter().find(|backend| backend.profile().id == *id)
    }

    async fn try_targets(
        &self,
        asked: Asked,
        mut decision: Decision,
        mut recorder: Recorder,
        permit: OwnedSemaphorePermit,
    ) -> Result<Answer, Box<Refused>> {
        let mut targets: VecDeque<_> = decision.plan.targets().into_iter().cloned().collect();
        let mut last_error: Option<BackendError> = None;
        let mut escalated = false;
        while let Some(target) = targets.pop_front() {
            let Some(backend) = self.backend(&target) else { continue };
            let is_last = targets.is_empty();
            let call = asked.destination.call(Arc::clone(&asked.request), backend.profile());
            let gate = self.gate_of(&decision, backend).filter(|_| !is_last && !escalated);
            let gated: Option<Arc<dyn Backend>> =
                gate.map(|gate| Arc::new(Gated::new(backend, gate, decision.verdict.as_ref())) as _);
            match self.try_backend(gated.as_ref().unwrap_or(backend), call, &mut recorder, is_last).await {
                Ok(opened) => {
                    if last_error.is_some() {
                        decision.reason = if escalated { Reason::Escalated } else { Reason::Fallback };
                        recorder.reason(decision.reason);
                    }
                    return Ok(Answer::new(backend.profile(), opened, decision, recorder, permit));
                }
                Err(error) => {
                    if error.kind == Kind::Unsure {
                        // Better an unsure answer than none: it is the last resort, and not judged again.
                        escalated = true;
                        targets.push_back(target);
                    }
                    // A refusal elsewhere takes nothing away from a local answer that was there.
                    let goes_on = escalated || error.retry != Retry::Never;
                    last_error = Some(error);
                    if !goes_on {
                        break;
                    }
                }
            }
        }
        let why = match last_error {
            Some(error) => self.why_not(error, decision.reason, &asked.destination),
            None => Why::Routing(Reason::NoRemote, None),
        };
        Err(refuse(why, Some(decision), recorder))
    }

    /// The gate that an answer of this backend has to pass: the local model's, where the caller did not ask for it.
    fn gate_of(&self, decision: &Decision, backend: &Arc<dyn Backend>) -> Option<&Arc<Gate>> {
        let chosen = backend.profile().id.as_str() == LOCAL && decision.reason != Reason::Requested;
        self.early_gate.as_ref().filter(|_| chosen)
    }
}

/// One request, with what its names mean.
struct Asked {
    request: Arc<ChatRequest>,
    destination: Destination,
}

fn question<'a>(request: &'a ChatRequest, destination: &'a Destination, view: &'a View) -> Question<'a> {
    Question { request, policy: &destination.policy, control: destination.control, view }
}

fn refuse(why: Why, decision: Option<Decision>, recorder: Recorder) -> Box<Refused> {
    Box::new(Refused { why, decision, recorder })
}
