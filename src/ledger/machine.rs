//! How much of this machine's time each local answer took, and what that costs.
//! At every moment the running second is split evenly among the requests that are at the local backend, waiting ones
//! included, so the shares of all requests add up to exactly the time in which the machine was busy.
//! Idle time belongs to no request and is deliberately not charged.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::chat::{BackendId, Micros};
use crate::config::LocalConfig;

/// The configured name of the backend in this process.
pub(crate) const LOCAL: &str = "local";
/// The name that embeddings go by.
pub(crate) const EMBEDDINGS: &str = "embeddings";

/// Whether a backend works on this machine's time.
pub(crate) fn is_own(backend: &BackendId) -> bool {
    matches!(backend.as_str(), LOCAL | EMBEDDINGS)
}

/// A clock that runs at the speed of one request's share: half as fast with two requests, and not at all with none.
/// A request's share is the difference of two readings (processor sharing's virtual time).
#[derive(Debug, Default)]
pub(crate) struct Machine {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    active: u32,
    share: Duration,
    read_at: Option<Instant>,
}

impl State {
    fn advance(&mut self, now: Instant) {
        if let (Some(then), true) = (self.read_at, self.active > 0) {
            self.share += now.saturating_duration_since(then) / self.active;
        }
        self.read_at = Some(now);
    }
}

/// The clock's reading when a request came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark(Duration);

impl Machine {
    /// A request comes to the local backend.
    pub(crate) fn enter(&self, now: Instant) -> Mark {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.advance(now);
        state.active += 1;
        Mark(state.share)
    }

    /// It leaves; the machine's time that it took.
    pub(crate) fn leave(&self, mark: Mark, now: Instant) -> Duration {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.advance(now);
        state.active = state.active.saturating_sub(1);
        state.share.saturating_sub(mark.0)
    }
}

/// The price of the machine's time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    micros_per_hour: u64,
}

impl Rate {
    /// Hardware and energy as configured; at least one micro-dollar an hour.
    pub(crate) fn of(local: &LocalConfig) -> Self {
        Self { micros_per_hour: ((local.hourly_usd() * 1e6).round() as u64).max(1) }
    }

    /// What `busy` costs: rounded up, and never less than one micro-dollar, for nothing runs for free.
    pub(crate) fn cost(self, busy: Duration) -> Micros {
        let total = busy.as_micros() * u128::from(self.micros_per_hour);
        let micros = total.div_ceil(3_600 * 1_000_000).max(1);
        Micros(i64::try_from(micros).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_to_the_busy_time() {
        let (machine, start) = (Machine::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let first = machine.enter(at(0));
        let second = machine.enter(at(4));
        let first = machine.leave(first, at(8));
        let second = machine.leave(second, at(10));
        assert_eq!(first, Duration::from_secs(6), "alone for 4 s, then half of 4 s");
        assert_eq!(second, Duration::from_secs(4), "half of 4 s, then alone for 2 s");
        let later = machine.enter(at(100));
        assert_eq!(machine.leave(later, at(101)), Duration::from_secs(1), "idle time is nobody's");
    }

    #[test]
    fn a_local_answer_is_never_free() {
        let rate = Rate::of(&LocalConfig { hourly_hardware_usd: 3.6, watts: 0.0, ..LocalConfig::default() });
        assert_eq!(rate.cost(Duration::ZERO), Micros(1));
        assert_eq!(rate.cost(Duration::from_millis(1)), Micros(1));
        assert_eq!(rate.cost(Duration::from_micros(1_001)), Micros(2), "rounded up");
        assert_eq!(rate.cost(Duration::from_secs(3)), Micros(3_000));
    }
}
