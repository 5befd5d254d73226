//! Whether an engine works, as those who ask it see it.
//! Promises: an engine whose steps fail one after the other is down, and one request at a time may try it again, after
//! rests that double; a step that succeeds makes it ready. Watches nothing itself.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::backends::Readiness;
use crate::metrics::Metrics;

/// Steps in a row that fail before the engine counts as broken.
const MOST_FAILED: u32 = 5;
/// How long a broken engine is left alone before a request tries it: at first, and at most.
const REST: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(160)];

/// Why an engine does not work now.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fallen {
    why: String,
    /// When it is tried again, where it is.
    until: Option<Instant>,
    /// Where its steps fail: only one that succeeds brings it back. Else whoever said that it fell says when it works.
    trials: Option<Trials>,
}

/// How often a broken engine was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Trials {
    failed: u32,
    under_way: bool,
}

/// Whether an engine works; read without a lock that anyone holds for long.
pub(super) struct Health {
    fallen: watch::Sender<Option<Fallen>>,
    /// Steps that failed since one succeeded. Only the engine's thread writes it.
    in_a_row: AtomicU32,
}

impl Health {
    pub(super) fn new() -> Self {
        Self { fallen: watch::Sender::new(None), in_a_row: AtomicU32::new(0) }
    }

    /// The engine does not work from now on, until [`Self::rise`].
    pub(super) fn fall(&self, why: impl Into<String>, until: Option<Instant>) {
        self.fallen.send_replace(Some(Fallen { why: why.into(), until, trials: None }));
    }

    /// It works again.
    pub(super) fn rise(&self) {
        self.fallen.send_if_modified(|fallen| fallen.take().is_some());
    }

    /// A step of the engine succeeded.
    pub(super) fn succeeded(&self) {
        // Once for each token: as long as all is well, one number is looked at.
        if self.in_a_row.load(Relaxed) == 0 {
            return;
        }
        self.in_a_row.store(0, Relaxed);
        let mend = |fallen: &mut Option<Fallen>| fallen.take_if(|fallen| fallen.trials.is_some()).is_some();
        if self.fallen.send_if_modified(mend) {
            tracing::warn!("the local engine works again");
        }
    }

    /// A step of the engine failed. Whether it is broken by that: after several in a row, or after one that was to show
    /// whether it works again.
    pub(super) fn failed(&self) -> bool {
        let broken = self.fallen.send_if_modified(|fallen| {
            let trials = match fallen.as_ref().map(|fallen| fallen.trials) {
                None => 0,
                Some(Some(Trials { failed, under_way: true })) => failed + 1,
                // It hung and was ended, or began before the engine broke.
                Some(_) => return false,
            };
            let failed = self.in_a_row.fetch_add(1, Relaxed) + 1;
            if failed < MOST_FAILED {
                return false;
            }
            let why = format!("its last {failed} steps have failed");
            let until = Some(Instant::now() + rest(trials));
            *fallen = Some(Fallen { why, until, trials: Some(Trials { failed: trials, under_way: false }) });
            true
        });
        if broken {
            let steps = self.in_a_row.load(Relaxed);
            tracing::error!(steps, "the local engine is broken: so many steps have failed in a row");
        }
        broken
    }

    /// Lets a request in, or says when to try again. Of those that come to a broken engine one may try it after each rest;
    /// if nothing is heard of that one, the next may after another.
    pub(super) fn admit(&self) -> Result<(), Duration> {
        let mut left = Duration::ZERO;
        self.fallen.send_if_modified(|fallen| {
            let Some(Fallen { until, trials: Some(trials), .. }) = fallen else { return false };
            left = until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                trials.under_way = true;
                *until = Some(Instant::now() + REST[0]);
            }
            left.is_zero()
        });
        if left.is_zero() { Ok(()) } else { Err(left) }
    }

    /// Whether it does not work, for whatever reason.
    pub(super) fn is_fallen(&self) -> bool {
        self.fallen.borrow().is_some()
    }

    /// Whether it does not work because somebody said so; in this process nobody does but the watchdog, of one that hangs.
    pub(super) fn hangs(&self) -> bool {
        self.fallen.borrow().as_ref().is_some_and(|fallen| fallen.trials.is_none())
    }

    /// What a backend says of itself, where the engine does not work and nobody is wanted who tries it.
    pub(super) fn down(&self) -> Option<Readiness> {
        let fallen = self.fallen.borrow();
        let fallen = fallen.as_ref()?;
        let left = fallen.until.map(|until| until.saturating_duration_since(Instant::now()));
        if fallen.trials.is_some() && left.is_none_or(|left| left.is_zero()) {
            return None;
        }
        Some(Readiness::Down { why: fallen.why.clone(), retry_after: left })
    }

    /// Ends when the engine falls; never, if it does not. For the one who tries a broken engine, when it falls again.
    pub(super) fn falls(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut told = self.fallen.subscribe();
        async move {
            let is_over = |fallen: &Option<Fallen>| {
                let trials = fallen.as_ref().map(|fallen| fallen.trials);
                trials.is_some_and(|trials| trials.is_none_or(|trials| !trials.under_way))
            };
            if told.wait_for(is_over).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Lets the rest of a broken engine end now.
    #[cfg(test)]
    pub(super) fn end_rest(&self) {
        self.fallen.send_modify(|fallen| {
            if let Some(fallen) = fallen {
                fallen.until = Some(Instant::now());
            }
        });
    }
}

/// How long a broken engine is left alone after so many trials that failed.
fn rest(trials: u32) -> Duration {
    REST[0].saturating_mul(1 << trials.min(10)).min(REST[1])
}

/// The kinds of fault of a local engine, as `local_faults_total` counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mishap {
    /// A run of the graph passed the step deadline.
    Hung,
    /// Steps failed one after the other, or one that was to show whether they still do.
    Failing,
    /// The worker process ended, or broke the protocol.
    Died,
    /// A worker process could not be started again.
    Refused,
}

impl Mishap {
    pub(super) fn count(self, metrics: &Metrics) {
        let kind = match self {
            Self::Hung => "hung",
            Self::Failing => "failing",
            Self::Died => "died",
            Self::Refused => "refused",
        };
        metrics.local_faults_total.with_label_values(&[kind]).inc();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn broken() -> Health {
        let health = Health::new();
        while !health.failed() {}
        health
    }

    #[test]
    fn d21_steps_that_fail_break_an_engine_only_in_a_row() {
        let health = Health::new();
        for _ in 0..3 {
            assert!((1..MOST_FAILED).all(|_| !health.failed()));
            health.succeeded();
        }
        assert_eq!((health.down(), health.admit()), (None, Ok(())));
        assert_eq!((1..=MOST_FAILED).filter(|_| health.failed()).count(), 1, "told once");
        let Some(Readiness::Down { why, retry_after: Some(left) }) = health.down() else {
            panic!("it works")
        };
        assert!(why.contains("5 steps") && left > REST[0] / 2 && left <= REST[0], "{why}: {left:?}");
        assert!(!health.hangs());
    }

    #[test]
    fn d21_after_each_rest_one_request_tries_and_rests_double() {
        let health = broken();
        for expected in [10, 20, 40, 80, 160, 160] {
            let expected = Duration::from_secs(expected);
            let left = health.admit().unwrap_err();
            assert!(left > expected / 2 && left <= expected, "{left:?} of {expected:?}");
            assert!(health.falls().now_or_never().is_some(), "the fall is told");
            assert!(!health.failed(), "a step that began before the rest was over says nothing");
            health.end_rest();
            assert_eq!((health.down(), health.admit()), (None, Ok(())), "somebody has to try");
            assert!(health.falls().now_or_never().is_none(), "who tries is not told of the fall before");
            assert!(health.down().is_some() && health.admit().is_err(), "one at a time");
            assert!(health.failed());
        }
        health.end_rest();
        assert_eq!(health.admit(), Ok(()));
        health.succeeded();
        assert_eq!((health.down(), health.admit()), (None, Ok(())));
        assert!((1..MOST_FAILED).all(|_| !health.failed()), "counted anew");
    }

    #[test]
    fn d21_who_tries_and_leaves_lets_the_next_one_try() {
        let health = broken();
        for _ in 0..2 {
            health.end_rest();
            assert_eq!((health.admit(), health.admit().is_err()), (Ok(()), true));
        }
    }

    #[test]
    fn an_engine_that_hangs_is_not_broken_by_the_steps_that_were_ended() {
        let health = Health::new();
        health.fall("it hangs", None);
        assert!((0..2 * MOST_FAILED).all(|_| !health.failed()) && health.hangs());
        assert_eq!(health.admit(), Ok(()), "its answers end by the fall");
        health.succeeded();
        assert!(health.hangs(), "only the watchdog knows that it is over");
        health.rise();
        assert_eq!(health.down(), None);
    }
}
