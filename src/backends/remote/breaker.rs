//! A circuit breaker: after so many consecutive failures nobody calls the upstream for a while, then one probe does, and
//! as long as none has a verdict another one each pause: a whole answer may take minutes.
//! Counts what its owner calls a failure of the upstream; refusals and rate limits are none. Time is tokio's.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Re-opening doubles the pause at most this many times.
const MAX_DOUBLINGS: u32 = 4;
/// Longest jitter, as a share of the pause.
const JITTER: f64 = 0.25;

/// The breaker of one upstream.
pub(super) struct Breaker {
    /// Consecutive failures that open it.
    threshold: u32,
    /// First pause.
    pause: Duration,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// `reopened` probes failed in a row before the one that closed it; none any more once an answer was whole.
    Closed { failures: u32, reopened: u32 },
    /// Nobody passes until then; `reopened` probes have failed in a row.
    Open { until: Instant, reopened: u32 },
    /// A probe is out, and nobody else passes for one pause.
    Probing { since: Instant, reopened: u32 },
}

impl Breaker {
    /// A closed breaker. `threshold` of at least 1 consecutive failures open it for `pause` and up to a quarter more.
    pub(super) fn new(threshold: u32, pause: Duration) -> Arc<Self> {
        let state = Mutex::new(State::Closed { failures: 0, reopened: 0 });
        Arc::new(Self { threshold: threshold.max(1), pause, state })
    }

    /// Lets a call through, or says how long to wait. The first call after the pause is a probe, and so is the first one
    /// a pause after a probe that has no verdict yet.
    pub(super) fn admit(self: &Arc<Self>) -> Result<Pass, Duration> {
        let mut state = self.lock();
        let probe = match *state {
            State::Closed { .. } => None,
            State::Open { reopened, .. } | State::Probing { reopened, .. } if self.is_due(*state) => {
                let since = Instant::now();
                *state = State::Probing { since, reopened };
                Some(since)
            }
            _ => return Err(self.wait(*state)),
        };
        Ok(Pass { breaker: Arc::clone(self), probe })
    }

    /// How long nobody may call; `None` when one may.
    pub(super) fn closed_for(&self) -> Option<Duration> {
        let state = *self.lock();
        match state {
            State::Closed { .. } => None,
            _ if self.is_due(state) => None,
            _ => Some(self.wait(state)),
        }
    }

    /// Whether it is open: from the failure that opened it until a probe succeeds.
    pub(super) fn is_open(&self) -> bool {
        !matches!(*self.lock(), State::Closed { .. })
    }

    /// Whether the next call is a probe.
    fn is_due(&self, state: State) -> bool {
        match state {
            State::Closed { .. } => false,
            State::Open { until, .. } => until <= Instant::now(),
            State::Probing { since, .. } => self.pause <= since.elapsed(),
        }
    }

    fn wait(&self, state: State) -> Duration {
        match state {
            State::Closed { .. } => Duration::ZERO,
            State::Open { until, .. } => until.saturating_duration_since(Instant::now()),
            State::Probing { since, .. } => self.pause.saturating_sub(since.elapsed()).max(self.pause / 10),
        }
    }

    fn open(&self, reopened: u32) -> State {
        let pause = self.pause * (1 << reopened.min(MAX_DOUBLINGS));
        let jittered = pause.mul_f64(1.0 + rand::random_range(0.0..JITTER));
        State::Open { until: Instant::now() + jittered, reopened }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leave to make one call. Dropped without a verdict it counts as nothing, and a probe's place is free again.
pub(super) struct Pass {
    breaker: Arc<Breaker>,
    /// Since when it is a probe, if it is one without a verdict.
    probe: Option<Instant>,
}

impl Pass {
    /// The upstream began to answer. A probe closes the breaker, but one failure opens it again, for longer than before.
    pub(super) fn content(&mut self) {
        if self.probe.take().is_none() {
            return;
        }
        let mut state = self.breaker.lock();
        // Another probe may have had its verdict meanwhile.
        if let State::Open { reopened, .. } | State::Probing { reopened, .. } = *state {
            let failures = self.breaker.threshold - 1;
            *state = State::Closed { failures, reopened: reopened.saturating_add(1) };
        }
    }

    /// The upstream did its part.
    pub(super) fn succeed(&mut self) {
        let probe = self.probe.take().is_some();
        let mut state = self.breaker.lock();
        if probe || matches!(*state, State::Closed { .. }) {
            *state = State::Closed { failures: 0, reopened: 0 };
        }
    }

    /// The upstream failed.
    pub(super) fn fail(&mut self) {
        let probe = self.probe.take().is_some();
        let mut state = self.breaker.lock();
        *state = match *state {
            State::Closed { failures, reopened } if failures + 1 < self.breaker.threshold => {
                State::Closed { failures: failures + 1, reopened }
            }
            State::Closed { reopened, .. } => self.breaker.open(reopened),
            State::Probing { reopened, .. } if probe => self.breaker.open(reopened.saturating_add(1)),
            // The verdict of a call that began before the breaker opened changes nothing.
            state => state,
        };
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let Some(began) = self.probe else { return };
        let mut state = self.breaker.lock();
        if let State::Probing { since, reopened } = *state
            && since == began
        {
            *state = State::Open { until: Instant::now(), reopened };
        }
    }
}

#[cfg(test)]
mod tests;
