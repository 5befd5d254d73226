//! Sees that the engine does its work, and says so to whoever waits for it.
//! Promises: a run of the graph that passes the step deadline makes the engine unready, is logged and counted once, and
//! ends every answer that waits for it, so that it may be tried elsewhere; an engine that comes back is ready again.
//! It asks the runtime to end the run; native code that does not listen keeps its thread until the process ends.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use ort::session::RunOptions;

use super::health::{Health, Mishap};
use super::queue::Queue;
use crate::metrics::Metrics;

/// An engine's queue, and where to say how it is.
#[derive(Clone)]
pub(super) struct Watched {
    pub(super) queue: Arc<Queue>,
    pub(super) health: Arc<Health>,
    pub(super) metrics: Arc<Metrics>,
}

/// Watches the engine thread of this process. Dropping it ends the watch.
pub(super) struct Watchdog {
    _stop: SyncSender<()>,
}

/// How often it looks: a fraction of the deadline, at least once a second.
pub(super) fn period(deadline: Duration) -> Duration {
    (deadline / 4).clamp(Duration::from_millis(10), Duration::from_secs(1))
}

impl Watchdog {
    /// Starts to watch the runs that the queue is told of; `brake` ends the one under way.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(
        watched: Watched,
        deadline: Duration,
        brake: Option<Arc<RunOptions>>,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = sync_channel::<()>(0);
        let watch = move || {
            while stopped.recv_timeout(period(deadline)) == Err(RecvTimeoutError::Timeout) {
                look(&watched, deadline, brake.as_deref());
            }
        };
        std::thread::Builder::new().name("local-watchdog".to_owned()).spawn(watch)?;
        Ok(Self { _stop: stop })
    }
}

/// One look at the engine.
fn look(watched: &Watched, deadline: Duration, brake: Option<&RunOptions>) {
    let Watched { queue, health, metrics } = watched;
    let hangs = queue.running_for().is_some_and(|running| running >= deadline);
    match (hangs, health.hangs()) {
        (true, false) => {
            let seconds = deadline.as_secs_f64();
            tracing::error!(
                seconds,
                "the local engine hangs: one step has passed local.step-deadline-seconds. It is asked to end, and nothing \
                 can make it: restart the gateway if it does not come back, and set local.isolation = \"process\" to \
                 have hung engines ended and replaced"
            );
            Mishap::Hung.count(metrics);
            health.fall(format!("one step has taken more than {seconds} s"), None);
            let _ = brake.map(RunOptions::terminate);
        }
        (false, true) => {
            // The next run must not be ended too.
            let _ = brake.map(RunOptions::unterminate);
            tracing::warn!("the local engine has come back");
            health.rise();
        }
        (true, true) | (false, false) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::Readiness;

    const DEADLINE: Duration = Duration::from_millis(30);

    fn parts() -> Watched {
        let metrics = Arc::new(Metrics::new().unwrap());
        let queue = Arc::new(Queue::new(1, 1, Arc::clone(&metrics)));
        Watched { queue, health: Arc::new(Health::new()), metrics }
    }

    fn hangs(watched: &Watched) -> u64 {
        watched.metrics.local_faults_total.with_label_values(&["hung"]).get()
    }

    #[tokio::test]
    async fn a_step_past_its_deadline_is_told_once_and_a_return_too() {
        let watched = parts();
        let (queue, health) = (&watched.queue, &watched.health);
        let falls = health.falls();
        let dog = Watchdog::start(watched.clone(), DEADLINE, None).unwrap();
        queue.set_running(true);
        tokio::time::timeout(Duration::from_secs(10), falls).await.expect("the fall is told");
        let Some(Readiness::Down { why, retry_after: None }) = health.down() else { panic!("it is down") };
        assert!(why.contains("0.03 s"), "{why}");
        tokio::time::sleep(DEADLINE).await;
        assert_eq!(hangs(&watched), 1, "counted once");
        queue.set_running(false);
        while health.is_fallen() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(dog);
    }

    #[tokio::test]
    async fn short_steps_and_idleness_are_no_fault() {
        let watched = parts();
        look(&watched, DEADLINE, None);
        watched.queue.set_running(true);
        look(&watched, Duration::from_secs(60), None);
        assert!(!watched.health.is_fallen());
        watched.queue.set_running(false);
        tokio::time::sleep(DEADLINE * 2).await;
        look(&watched, DEADLINE, None);
        assert!(!watched.health.is_fallen(), "nothing runs");
        assert_eq!(hangs(&watched), 0);
    }

    #[test]
    fn d21_an_engine_whose_steps_fail_is_not_raised_by_a_look_and_may_hang_too() {
        let watched = parts();
        let (queue, health) = (&watched.queue, &watched.health);
        while !health.failed() {}
        look(&watched, DEADLINE, None);
        assert!(health.is_fallen() && !health.hangs(), "only a step that succeeds raises it");
        queue.set_running(true);
        look(&watched, Duration::ZERO, None);
        assert!(health.hangs());
        assert_eq!(hangs(&watched), 1);
    }
}
