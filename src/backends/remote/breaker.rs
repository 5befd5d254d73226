//! A circuit breaker: after so many consecutive failures nobody calls the upstream for a while, then one probe does.
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
    /// One probe is out.
    Probing { since: Instant, reopened: u32 },
}

impl Breaker {
    /// A closed breaker. `threshold` of at least 1 consecutive failures open it for `pause` and up to a quarter more.
    pub(super) fn new(threshold: u32, pause: Duration) -> Arc<Self> {
        let state = Mutex::new(State::Closed { failures: 0, reopened: 0 });
        Arc::new(Self { threshold: threshold.max(1), pause, state })
    }

    /// Lets a call through, or says how long to wait. The first call after the pause is the probe.
    pub(super) fn admit(self: &Arc<Self>) -> Result<Pass, Duration> {
        let mut state = self.lock();
        let probe = match *state {
            State::Closed { .. } => false,
            State::Open { until, reopened } if until <= Instant::now() => {
                *state = State::Probing { since: Instant::now(), reopened };
                true
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
            State::Open { until, .. } if until <= Instant::now() => None,
            _ => Some(self.wait(state)),
        }
    }

    /// Whether it is open: from the failure that opened it until a probe succeeds.
    pub(super) fn is_open(&self) -> bool {
        !matches!(*self.lock(), State::Closed { .. })
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
    probe: bool,
}

impl Pass {
    /// The upstream began to answer. A probe closes the breaker, but one failure opens it again, for longer than before.
    pub(super) fn content(&mut self) {
        if self.probe {
            let mut state = self.breaker.lock();
            let reopened = if let State::Probing { reopened, .. } = *state { reopened } else { 0 };
            let failures = self.breaker.threshold - 1;
            *state = State::Closed { failures, reopened: reopened.saturating_add(1) };
            self.probe = false;
        }
    }

    /// The upstream did its part.
    pub(super) fn succeed(&mut self) {
        let mut state = self.breaker.lock();
        if self.probe || matches!(*state, State::Closed { .. }) {
            *state = State::Closed { failures: 0, reopened: 0 };
        }
        self.probe = false;
    }

    /// The upstream failed.
    pub(super) fn fail(&mut self) {
        let mut state = self.breaker.lock();
        *state = match *state {
            State::Closed { failures, reopened } if failures + 1 < self.breaker.threshold => {
                State::Closed { failures: failures + 1, reopened }
            }
            State::Closed { reopened, .. } => self.breaker.open(reopened),
            State::Probing { reopened, .. } if self.probe => self.breaker.open(reopened.saturating_add(1)),
            // The verdict of a call that began before the breaker opened changes nothing.
            state => state,
        };
        self.probe = false;
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.probe {
            let mut state = self.breaker.lock();
            if let State::Probing { reopened, .. } = *state {
                *state = State::Open { until: Instant::now(), reopened };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(10);

    fn opened() -> Arc<Breaker> {
        let breaker = Breaker::new(3, PAUSE);
        for _ in 0..3 {
            breaker.admit().ok().unwrap().fail();
        }
        breaker
    }

    #[tokio::test(start_paused = true)]
    async fn d4_opens_after_consecutive_failures_and_lets_one_probe_through() {
        let breaker = Breaker::new(3, PAUSE);
        for _ in 0..2 {
            breaker.admit().ok().unwrap().fail();
        }
        breaker.admit().ok().unwrap().succeed();
        for _ in 0..2 {
            breaker.admit().ok().unwrap().fail();
        }
        assert!(!breaker.is_open() && breaker.closed_for().is_none());
        breaker.admit().ok().unwrap().fail();
        assert!(breaker.is_open());
        let wait = breaker.admit().err().unwrap();
        assert!(wait >= PAUSE && wait <= PAUSE.mul_f64(1.25), "{wait:?}");

        tokio::time::advance(PAUSE.mul_f64(1.3)).await;
        assert_eq!(breaker.closed_for(), None);
        let mut probe = breaker.admit().ok().unwrap();
        assert!(breaker.admit().is_err() && breaker.closed_for().is_some());
        probe.content();
        assert!(!breaker.is_open());
        probe.succeed();
        breaker.admit().ok().unwrap().fail();
        assert!(!breaker.is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn d4_failed_probes_wait_longer_each_time() {
        let breaker = opened();
        let mut last = breaker.closed_for().unwrap();
        for _ in 0..3 {
            tokio::time::advance(last + Duration::from_millis(1)).await;
            breaker.admit().ok().unwrap().fail();
            let wait = breaker.closed_for().unwrap();
            assert!(wait > last.mul_f64(1.5), "{wait:?} after {last:?}");
            last = wait;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn d7_a_probe_that_breaks_off_opens_again_at_once_and_for_longer() {
        let breaker = opened();
        let mut last = breaker.closed_for().unwrap();
        for _ in 0..3 {
            tokio::time::advance(last + Duration::from_millis(1)).await;
            let mut probe = breaker.admit().ok().unwrap();
            probe.content();
            probe.fail();
            assert!(breaker.is_open());
            let wait = breaker.closed_for().unwrap();
            assert!(wait > last.mul_f64(1.5), "{wait:?} after {last:?}");
            last = wait;
        }
        tokio::time::advance(last + Duration::from_millis(1)).await;
        let mut probe = breaker.admit().ok().unwrap();
        probe.content();
        probe.succeed();
        for _ in 0..3 {
            breaker.admit().ok().unwrap().fail();
        }
        assert!(breaker.closed_for().unwrap() <= PAUSE.mul_f64(1.25), "a whole answer is a new beginning");
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_probe_frees_its_place_and_late_verdicts_change_nothing() {
        let breaker = Breaker::new(1, PAUSE);
        let mut early = breaker.admit().ok().unwrap();
        let mut late = breaker.admit().ok().unwrap();
        early.fail();
        late.succeed();
        assert!(breaker.is_open());
        tokio::time::advance(PAUSE * 2).await;
        drop(breaker.admit().ok().unwrap());
        assert!(breaker.is_open());
        breaker.admit().ok().unwrap().succeed();
        assert!(!breaker.is_open());
    }
}
