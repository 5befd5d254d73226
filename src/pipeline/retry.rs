//! When and after what pause a backend is tried again: under a budget shared by all requests, so that a failing
//! upstream is not flooded, and never for longer than the upstream may ask for.

use std::time::Duration;

use rand::RngExt as _;
use tower::retry::budget::{Budget, TpsBudget};

use crate::backends::{BackendError, Kind, Profile, Retry};

/// A fifth of the requests of the last ten seconds may be retries, and ten a second in any case.
pub(super) struct RetryBudget(TpsBudget);

impl RetryBudget {
    pub(super) fn new() -> Self {
        Self(TpsBudget::new(Duration::from_secs(10), 10, 0.2))
    }

    /// A first attempt earns a part of a retry.
    pub(super) fn deposit(&self) {
        self.0.deposit();
    }

    /// The pause before the next attempt, or `None` when there shall be none: the failure does not ask for one, the
    /// attempts are used up, the upstream wants a longer pause than is waited for or than there is time (`left`), or the
    /// budget is spent. To wait for a limit that was known before is no retry, and costs none.
    pub(super) fn pause(
        &self,
        profile: &Profile,
        error: &BackendError,
        retries_so_far: u32,
        left: Duration,
    ) -> Option<Duration> {
        let Retry::Same(wished) = error.retry else { return None };
        if retries_so_far >= profile.max_retries {
            return None;
        }
        let pause = match wished {
            Some(wished) if wished > profile.max_retry_after => return None,
            Some(wished) => jittered_up(wished),
            None => jittered_down(profile.backoff.saturating_mul(1 << retries_so_far.min(6))),
        };
        (pause < left && (is_known_limit(error) || self.0.withdraw())).then_some(pause)
    }
}

/// Whether the upstream was not asked, since it had said before that it limits the rate.
pub(super) fn is_known_limit(error: &BackendError) -> bool {
    error.kind == Kind::RateLimited && error.status.is_none()
}

/// Up to a quarter more: never earlier than the upstream wished, never all at once.
fn jittered_up(pause: Duration) -> Duration {
    pause.mul_f64(rand::rng().random_range(1.0..=1.25))
}

/// Between half and all of it.
fn jittered_down(pause: Duration) -> Duration {
    pause.mul_f64(rand::rng().random_range(0.5..=1.0))
}
