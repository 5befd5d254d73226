//! What one attempt leaves behind: the gauge of answers under way, failures by kind, and the breaker's verdict.
//! An attempt that is dropped counts as nothing, unless it was dropped for having no content in its time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use prometheus::IntGauge;
use tokio::time::Instant;

use super::breaker::{Breaker, Pass};
use crate::backends::{BackendError, Fault, Kind};
use crate::chat::BackendId;
use crate::metrics::Metrics;

/// The books of one backend.
pub(super) struct Books {
    backend: BackendId,
    metrics: Arc<Metrics>,
    breaker: Arc<Breaker>,
    open: IntGauge,
    ready: IntGauge,
    active: AtomicUsize,
}

impl Books {
    /// Opens the books and seeds their metrics.
    pub(super) fn new(backend: &BackendId, breaker: Arc<Breaker>, metrics: Arc<Metrics>) -> Arc<Self> {
        for kind in Kind::ALL {
            metrics.upstream_failures_total.with_label_values(&[backend.as_str(), kind.label()]);
        }
        let open = metrics.breaker_open.with_label_values(&[backend.as_str()]);
        let ready = metrics.backend_ready.with_label_values(&[backend.as_str()]);
        let active = AtomicUsize::new(0);
        Arc::new(Self { backend: backend.clone(), metrics, breaker, open, ready, active })
    }

    /// Answers under way.
    pub(super) fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    /// How long the breaker lets nobody through; `None` when it does. Brings the gauges up to date.
    pub(super) fn closed_for(&self) -> Option<Duration> {
        let closed = self.breaker.closed_for();
        self.ready.set(closed.is_none().into());
        self.open.set(self.breaker.is_open().into());
        closed
    }

    /// Counts a failed attempt.
    pub(super) fn count(&self, kind: Kind) {
        self.metrics.upstream_failures_total.with_label_values(&[self.backend.as_str(), kind.label()]).inc();
    }

    /// Begins an attempt; the error is how long to wait. `patience`: how long the first content may take.
    pub(super) fn begin(self: &Arc<Self>, patience: Duration) -> Result<Account, Duration> {
        let pass = self.breaker.admit()?;
        self.active.fetch_add(1, Ordering::Relaxed);
        Ok(Account { books: Arc::clone(self), pass, started: Instant::now(), patience: Some(patience) })
    }
}

/// One attempt.
pub(super) struct Account {
    books: Arc<Books>,
    pass: Pass,
    started: Instant,
    /// Taken once there was content or a verdict.
    patience: Option<Duration>,
}

impl Account {
    /// Content came.
    pub(super) fn content(&mut self) {
        self.patience = None;
        self.pass.content();
    }

    /// The answer is whole.
    pub(super) fn succeed(&mut self) {
        self.patience = None;
        self.pass.succeed();
        self.books.closed_for();
    }

    /// The attempt failed. Only the upstream's own faults count against it: who refuses a request, or limits us, is up.
    pub(super) fn fail(&mut self, error: &BackendError) {
        self.patience = None;
        self.books.count(error.kind);
        let refused = error.status.is_some_and(|status| (400..500).contains(&status));
        match error.kind {
            Kind::RateLimited | Kind::InsufficientQuota => {}
            _ if refused => self.pass.succeed(),
            _ if error.fault == Fault::Upstream => self.pass.fail(),
            _ => {}
        }
        if self.books.closed_for().is_some() {
            tracing::warn!(backend = %self.books.backend, kind = error.kind.label(), "circuit breaker is open");
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        // Who waits for us keeps the time for the first content, and drops us when it is over: the clocks began at
        // slightly different moments, hence the tenth.
        if self.patience.is_some_and(|patience| self.started.elapsed() >= patience.mul_f64(0.9)) {
            self.books.count(Kind::FirstTokenTimeout);
            self.pass.fail();
            self.books.closed_for();
        }
        self.books.active.fetch_sub(1, Ordering::Relaxed);
    }
}
