//! What one attempt leaves behind: the gauge of answers under way, failures by kind and now and then a line of the log,
//! the breakers' verdicts, and how long a model's rate is limited. Each model has a breaker of its own; another, the
//! line's, opens when nothing can be reached. An attempt that is dropped counts as nothing, unless it was dropped for
//! having no content in its time; then it counts against the upstream too, unless its thoughts were still coming.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus::IntGauge;
use tokio::time::Instant;

use super::breaker::{Breaker, Pass};
use crate::backends::{BackendError, Fault, Kind, Profile};
use crate::chat::BackendId;
use crate::metrics::Metrics;

/// Longest that a limited model is not asked; then requests find out anew.
const LONGEST_QUIET: Duration = Duration::from_secs(60);
/// How long a kind of failure that was logged is not logged again.
const UNTOLD: Duration = Duration::from_secs(60);
/// Longest limit that is believed.
const LONGEST_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The books of one backend.
pub(super) struct Books {
    backend: BackendId,
    metrics: Arc<Metrics>,
    /// Of the way to the upstream, whatever the model.
    line: Arc<Breaker>,
    /// The model that answers when the caller names none; requests for models without a lane of their own use its lane.
    usual: Lane,
    others: HashMap<String, Lane>,
    open: IntGauge,
    ready: IntGauge,
    active: AtomicUsize,
    /// When each kind of failure was logged last.
    told: Mutex<HashMap<Kind, Instant>>,
}

/// What is known of one model.
struct Lane {
    breaker: Arc<Breaker>,
    limit: Arc<Mutex<Option<Limit>>>,
    habits: Arc<Habits>,
}

/// What a model refused by name.
#[derive(Default)]
struct Habits {
    /// It refuses to be asked for usage reports.
    no_reports: AtomicBool,
    /// It refuses `max_tokens`, and takes `max_completion_tokens`.
    newer_bound: AtomicBool,
}

/// A limit of the rate.
#[derive(Clone, Copy)]
struct Limit {
    /// Until when the upstream wants no more requests.
    until: Instant,
    /// Until when it is not asked.
    quiet: Instant,
}

/// Why an attempt does not begin, and how long to wait.
#[derive(Clone, Copy, Debug)]
pub(super) enum Closed {
    /// A breaker is open.
    Broken(Duration),
    /// The upstream limits the rate.
    Limited(Duration),
}

impl Lane {
    fn new(breaker: Arc<Breaker>) -> Self {
        Self { breaker, limit: Arc::default(), habits: Arc::default() }
    }
}

impl Books {
    /// Opens the books and seeds their metrics. `breaker` makes a closed one.
    pub(super) fn new(
        profile: &Profile,
        breaker: impl Fn() -> Arc<Breaker>,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        let backend = profile.id.clone();
        for kind in Kind::ALL {
            metrics.upstream_failures_total.with_label_values(&[backend.as_str(), kind.label()]);
        }
        let open = metrics.breaker_open.with_label_values(&[backend.as_str()]);
        let ready = metrics.backend_ready.with_label_values(&[backend.as_str()]);
        let others = profile.models.iter().filter(|model| **model != profile.model);
        let others = others.map(|model| (model.clone(), Lane::new(breaker()))).collect();
        let (line, usual, active) = (breaker(), Lane::new(breaker()), AtomicUsize::new(0));
        let told = Mutex::default();
        Arc::new(Self { backend, metrics, line, usual, others, open, ready, active, told })
    }

    /// Answers under way.
    pub(super) fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    fn lane(&self, model: &str) -> &Lane {
        self.others.get(model).unwrap_or(&self.usual)
    }

    /// How long the breakers let nobody through to this model; `None` when they do. Brings the gauges up to date.
    pub(super) fn closed_for(&self, model: &str) -> Option<Duration> {
        let line = self.line.closed_for();
        let usual = line.max(self.usual.breaker.closed_for());
        self.ready.set(usual.is_none().into());
        let lanes = std::iter::once(&self.usual).chain(self.others.values());
        let open = self.line.is_open() || lanes.into_iter().any(|lane| lane.breaker.is_open());
        self.open.set(open.into());
        line.max(self.lane(model).breaker.closed_for())
    }

    /// Counts a failed attempt.
    pub(super) fn count(&self, kind: Kind) {
        self.metrics.upstream_failures_total.with_label_values(&[self.backend.as_str(), kind.label()]).inc();
    }

    /// Logs a failure in words of ours, each kind once a minute: what a fallback answers would go unnoticed.
    fn tell(&self, model: &str, kind: Kind, words: &str) {
        let now = Instant::now();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.get(&kind).is_some_and(|last| now.saturating_duration_since(*last) < UNTOLD) {
            return;
        }
        told.insert(kind, now);
        drop(told);
        tracing::warn!(backend = %self.backend, model, kind = kind.label(), "{words}");
    }

    /// Begins an attempt. `until`: when its content has to be there.
    pub(super) fn begin(self: &Arc<Self>, model: &str, until: Instant) -> Result<Account, Closed> {
        let lane = self.lane(model);
        let limit = *lane.limit.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(limit) = limit.filter(|limit| Instant::now() < limit.quiet) {
            return Err(Closed::Limited(limit.until.saturating_duration_since(Instant::now())));
        }
        let line = self.line.admit().map_err(Closed::Broken)?;
        let pass = lane.breaker.admit().map_err(Closed::Broken)?;
        self.active.fetch_add(1, Ordering::Relaxed);
        Ok(Account {
            books: Arc::clone(self),
            model: model.to_owned(),
            limit: Arc::clone(&lane.limit),
            habits: Arc::clone(&lane.habits),
            line,
            pass,
            started: Instant::now(),
            until: Some(until),
            thought: None,
        })
    }
}

/// One attempt.
pub(super) struct Account {
    books: Arc<Books>,
    model: String,
    limit: Arc<Mutex<Option<Limit>>>,
    habits: Arc<Habits>,
    line: Pass,
    pass: Pass,
    started: Instant,
    /// `None` once there was content or a verdict.
    until: Option<Instant>,
    /// When the last thought came.
    thought: Option<Instant>,
}

impl Account {
    /// A response's head came: the way is open, whatever becomes of the answer.
    pub(super) fn reached(&mut self) {
        self.line.succeed();
    }

    /// Thoughts came: whoever finds them too long, while they still come, is not served by an upstream that fails.
    pub(super) fn thought(&mut self) {
        self.thought = Some(Instant::now());
    }

    /// Whether a thought came in the last third of the time so far.
    fn thinks(&self) -> bool {
        let third = self.started.elapsed() / 3;
        self.thought.is_some_and(|last| last.elapsed() <= third)
    }

    /// Whether the model refuses to be asked for usage reports.
    pub(super) fn refuses_reports(&self) -> bool {
        self.habits.no_reports.load(Ordering::Relaxed)
    }

    /// The model answered only without being asked for a usage report.
    pub(super) fn refused_reports(&self) {
        if !self.habits.no_reports.swap(true, Ordering::Relaxed) {
            let (backend, model) = (&self.books.backend, &self.model);
            tracing::info!(%backend, model, "the model refuses `stream_options`: it is no longer sent");
        }
    }

    /// Whether the model takes `max_tokens` by its newer name alone.
    pub(super) fn wants_newer_bound(&self) -> bool {
        self.habits.newer_bound.load(Ordering::Relaxed)
    }

    /// The model refused `max_tokens` by name, and answered to its newer one.
    pub(super) fn refused_older_bound(&self) {
        if !self.habits.newer_bound.swap(true, Ordering::Relaxed) {
            let (backend, model) = (&self.books.backend, &self.model);
            tracing::info!(%backend, model, "the model takes `max_completion_tokens`, not `max_tokens`");
        }
    }

    /// Content came.
    pub(super) fn content(&mut self) {
        self.until = None;
        self.line.succeed();
        self.pass.content();
    }

    /// The answer is whole.
    pub(super) fn succeed(&mut self) {
        self.until = None;
        self.line.succeed();
        self.pass.succeed();
        self.books.closed_for(&self.model);
    }

    /// The attempt failed. Only the upstream's own faults count against it: who refuses a request, or limits us, is up.
    pub(super) fn fail(&mut self, error: &BackendError) {
        self.until = None;
        self.books.count(error.kind);
        if error.fault != Fault::Caller {
            self.books.tell(&self.model, error.kind, &error.message);
        }
        let refused = error.status.is_some_and(|status| (400..500).contains(&status));
        match error.kind {
            Kind::RateLimited => {
                self.line.succeed();
                self.remember(error.retry_after);
            }
            Kind::InsufficientQuota => self.line.succeed(),
            _ if refused => {
                self.line.succeed();
                self.pass.succeed();
            }
            Kind::FirstTokenTimeout if self.thinks() => {}
            // The way is open, but nothing is known of other models.
            Kind::Connect if error.connected => self.pass.fail(),
            Kind::Connect | Kind::ConnectTimeout | Kind::Tls if error.fault == Fault::Upstream => {
                self.line.fail();
            }
            _ if error.fault == Fault::Upstream => {
                if error.kind != Kind::FirstTokenTimeout {
                    self.line.succeed();
                }
                self.pass.fail();
            }
            _ => {}
        }
        if self.books.closed_for(&self.model).is_some() {
            let (backend, kind) = (&self.books.backend, error.kind.label());
            tracing::warn!(%backend, model = self.model, kind, "circuit breaker is open");
        }
    }

    /// The limit that the upstream told last.
    fn remember(&self, wished: Option<Duration>) {
        let Some(wished) = wished else { return };
        let now = Instant::now();
        let (until, quiet) = (now + wished.min(LONGEST_LIMIT), now + wished.min(LONGEST_QUIET));
        *self.limit.lock().unwrap_or_else(PoisonError::into_inner) = Some(Limit { until, quiet });
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        // Who waits for us keeps the time for the first content, and drops us when it is over, or a moment before: hence
        // the tenth.
        let late = |until: Instant| {
            let tenth = until.saturating_duration_since(self.started) / 10;
            Instant::now() + tenth >= until
        };
        if self.until.is_some_and(late) {
            self.books.count(Kind::FirstTokenTimeout);
            let words = "the upstream sent no content in time (remote.first-token-timeout-ms, remote.whole-timeout-ms)";
            self.books.tell(&self.model, Kind::FirstTokenTimeout, words);
            if !self.thinks() {
                self.pass.fail();
            }
            self.books.closed_for(&self.model);
        }
        self.books.active.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
pub(super) mod tests;
