//! Where requests queue for the classifier: one thread that owns it, a bounded queue, a reply each.
//! Promises: nobody waits past the deadline; who left is skipped; a classifier that panics is broken, not fatal; every
//! question is counted. A stalled classifier holds up its thread alone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::{Classifier, ClassifierError, Verdict};
use crate::metrics::Metrics;
use crate::routing::signals::Signals;

/// Questions that may wait. At a fraction of a millisecond each, a longer queue would only answer late.
const QUEUE: usize = 128;

type Reply = Result<Verdict, ClassifierError>;

struct Job {
    signals: Arc<Signals>,
    reply: oneshot::Sender<Reply>,
}

/// The way to the classifier's thread. Dropping it ends the thread after the question in hand.
pub(in crate::routing) struct Desk {
    jobs: SyncSender<Job>,
    metrics: Arc<Metrics>,
}

impl Desk {
    /// Gives the classifier a thread. Where no thread can be had, every question is answered with `Broken`.
    pub(in crate::routing) fn open(classifier: Box<dyn Classifier>, metrics: Arc<Metrics>) -> Self {
        let (jobs, queue) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new().name("classifier".to_owned());
        if let Err(error) = thread.spawn(move || work(classifier, &queue)) {
            tracing::error!(%error, "no thread for the classifier");
        }
        Self { jobs, metrics }
    }

    /// Asks, and waits at most `deadline`.
    pub(in crate::routing) async fn ask(&self, signals: Arc<Signals>, deadline: Duration) -> Reply {
        let started = Instant::now();
        let reply = match self.submit(signals) {
            Ok(receiver) => match tokio::time::timeout(deadline, receiver).await {
                Ok(reply) => reply.unwrap_or_else(|_| Err(gone())),
                Err(_) => Err(ClassifierError::Late),
            },
            Err(error) => Err(error),
        };
        self.count(started, &reply);
        reply
    }

    /// Asks, and waits for as long as it takes. Blocks: not for use inside the async runtime.
    pub(in crate::routing) fn ask_patiently(&self, signals: Arc<Signals>) -> Reply {
        let started = Instant::now();
        let (reply, receiver) = oneshot::channel();
        let reply = match self.jobs.send(Job { signals, reply }) {
            Ok(()) => receiver.blocking_recv().unwrap_or_else(|_| Err(gone())),
            Err(_) => Err(gone()),
        };
        self.count(started, &reply);
        reply
    }

    fn submit(&self, signals: Arc<Signals>) -> Result<oneshot::Receiver<Reply>, ClassifierError> {
        let (reply, receiver) = oneshot::channel();
        match self.jobs.try_send(Job { signals, reply }) {
            Ok(()) => Ok(receiver),
            Err(TrySendError::Full(_)) => Err(ClassifierError::Late),
            Err(TrySendError::Disconnected(_)) => Err(gone()),
        }
    }

    fn count(&self, started: Instant, reply: &Reply) {
        let outcome = match reply {
            Ok(verdict) => {
                self.metrics.classifier_score.observe(f64::from(verdict.local_ok));
                "ok"
            }
            Err(error) => error.label(),
        };
        self.metrics.classifier_seconds.observe(started.elapsed().as_secs_f64());
        self.metrics.classifier_outcomes_total.with_label_values(&[outcome]).inc();
    }
}

fn gone() -> ClassifierError {
    ClassifierError::Broken("its thread is gone".to_owned())
}

fn work(mut classifier: Box<dyn Classifier>, queue: &Receiver<Job>) {
    while let Ok(job) = queue.recv() {
        if job.reply.is_closed() {
            continue;
        }
        let reply = catch_unwind(AssertUnwindSafe(|| classifier.classify(&job.signals)))
            .unwrap_or_else(|_| Err(ClassifierError::Broken("it panicked".to_owned())))
            .and_then(Verdict::checked);
        // Nobody waits any more: nothing to do.
        let _ = job.reply.send(reply);
    }
}

#[cfg(test)]
mod tests;
