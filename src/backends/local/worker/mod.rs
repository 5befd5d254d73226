//! The engine in a process of its own, so that native code that crashes or hangs takes no more with it than its answers.
//! Promises: requests under way fail at once and may be tried elsewhere; a worker that died, hung or fails at every step is
//! replaced, ever more slowly while that does not help, and never by one with other files than the gateway has read; the
//! process ends with the gateway. Tokens cross, text never does.

mod child;
mod connection;
mod frames;
mod model_files;
mod relay;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc as blocking;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

pub use self::child::serve_gateway;

pub(super) use self::frames::Facts;

use self::connection::{Connection, Failure, GOODBYE, Spec, own_program};
use self::frames::{Report, Told};
use self::model_files::ModelFiles;
use self::relay::Relay;
use super::queue::{Queue, Ticket};
use super::watchdog::Watched;
use super::{LocalError, join_within};
use crate::config::{LocalConfig, model_root};
use crate::metrics::EngineFigures;

/// A worker that lived so long was well: its end begins a new count of failures.
const STEADY: Duration = Duration::from_secs(60);
/// Longest pause between two attempts to start a worker.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How often readers are looked after while answers are under way, and while one is behind.
const LOOK: Duration = Duration::from_millis(20);
const LOOK_HELD: Duration = Duration::from_millis(5);
/// And without work: only to see that the worker lives.
const LOOK_IDLE: Duration = Duration::from_millis(500);
/// How long a worker's keeper may take to end: longer than it lets the worker take to leave, and then to be killed.
const FAREWELL: Duration = GOODBYE.saturating_mul(3);

/// A worker process with the threads that keep it. Close the queue before it is dropped.
pub(super) struct Worker {
    threads: Vec<JoinHandle<()>>,
}

impl Worker {
    /// Starts the process and waits until its model is loaded.
    ///
    /// # Errors
    /// When it cannot be started, or does not load the model.
    pub(super) fn start(
        folder: &Path,
        config: &LocalConfig,
        longest: Duration,
        shared: Watched,
    ) -> Result<(Self, Facts), LocalError> {
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
        let spec = Spec {
            program: config.worker.program.clone().unwrap_or_else(own_program),
            files: ModelFiles::of(model_root(&folder).map_or(folder.as_path(), |(root, _)| root)),
            folder,
            settings: serde_json::to_string(config).map_err(|error| LocalError::Worker(error.to_string()))?,
            longest,
            deadline: config.step_deadline(),
            log: config.worker.log.clone(),
        };
        let (wanted, wants) = blocking::sync_channel(1);
        let (forward, tickets) = mpsc::channel(1);
        let (told, first) = blocking::sync_channel(1);
        let queue = Arc::clone(&shared.queue);
        let slots = config.max_streams;
        let counted = EngineFigures::default();
        let keeper = Keeper { spec, slots, shared, wanted, asked: false, tickets, failures: 0, counted };
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let keep = thread("local-worker").spawn(move || keeper.run(&told)).map_err(LocalError::Thread)?;
        let pass = thread("local-forward").spawn(move || pass_on(&queue, &wants, &forward));
        let worker = Self { threads: vec![keep, pass.map_err(LocalError::Thread)?] };
        match first.recv() {
            Ok(Ok(facts)) => Ok((worker, facts)),
            Ok(Err(failure)) => Err(LocalError::Worker(failure.to_string())),
            Err(_) => Err(LocalError::Worker("its keeper has ended".to_owned())),
        }
    }

    /// Whether the threads that keep it are there.
    pub(super) fn is_kept(&self) -> bool {
        self.threads.iter().all(|thread| !thread.is_finished())
    }

    /// Waits for the end, after the queue was closed; not for ever.
    pub(super) fn finish(&mut self) {
        let until = Instant::now() + FAREWELL;
        for thread in self.threads.drain(..) {
            if !join_within(thread, until.saturating_duration_since(Instant::now())) {
                tracing::error!("the local engine's worker process does not end; its keeper is left behind");
                return;
            }
        }
    }
}

/// Takes a ticket off the queue each time that one is wanted: a queue can only be waited for by a thread.
fn pass_on(queue: &Queue, wants: &blocking::Receiver<()>, forward: &mpsc::Sender<Ticket>) {
    while wants.recv().is_ok() {
        let ticket = loop {
            match queue.pop(None, |_| 0) {
                Some(ticket) => break ticket,
                None if queue.is_closed() => return,
                None => {}
            }
        };
        if forward.blocking_send(ticket).is_err() {
            return;
        }
    }
}

/// Keeps a worker at work.
struct Keeper {
    spec: Spec,
    /// Answers that the worker runs at the same time; more stay in the queue, where they can still go elsewhere.
    slots: usize,
    shared: Watched,
    wanted: blocking::SyncSender<()>,
    /// A ticket is on its way.
    asked: bool,
    tickets: mpsc::Receiver<Ticket>,
    /// Attempts since a worker was last well.
    failures: u32,
    /// What the worker's counters said last.
    counted: EngineFigures,
}

impl Keeper {
    fn run(self, told: &blocking::SyncSender<Result<Facts, Failure>>) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = told.send(Err(Failure::Start(error.to_string())));
                return;
            }
        };
        runtime.block_on(async {
            let queue = Arc::clone(&self.shared.queue);
            match Connection::open(&self.spec, || queue.is_closed()).await {
                Ok((connection, facts)) => {
                    let _ = told.send(Ok(facts));
                    self.keep(connection).await;
                }
                Err(failure) => {
                    let _ = told.send(Err(failure));
                }
            }
        });
    }

    /// Serves, and starts a new worker when one fails, until the queue closes.
    async fn keep(mut self, mut connection: Connection) {
        loop {
            tracing::info!(pid = connection.pid(), "the local engine's worker process is at work");
            let since = Instant::now();
            let failure = self.serve(&mut connection).await;
            self.shared.queue.set_active(0);
            self.shared.queue.set_active_prompt(0);
            self.shared.queue.set_speed(0.0);
            // A new worker counts from 0.
            self.shared.metrics.forget_engine(&self.counted);
            self.counted = EngineFigures::default();
            if failure == Failure::Closing {
                return connection.dismiss().await;
            }
            let failure = connection.explain(failure).await;
            if since.elapsed() >= STEADY {
                self.failures = 0;
            }
            // First of all: a process may take its time to end.
            let until = self.fall(&failure);
            connection.kill().await;
            connection = match self.replace(until).await {
                Some(connection) => connection,
                None => return,
            };
            self.shared.health.rise();
        }
    }

    /// Counts a failure and says what it was; until when to wait with the next attempt, `None` where the queue closes.
    fn fall(&mut self, failure: &Failure) -> Option<Instant> {
        failure.mishap()?.count(&self.shared.metrics);
        let pause = pause(self.failures);
        self.failures = self.failures.saturating_add(1);
        let until = Instant::now() + pause;
        let seconds = pause.as_secs();
        tracing::error!(seconds, "the local engine's worker process failed: {failure}; it is started again");
        let why = format!("the local engine's worker process failed: {failure}");
        self.shared.health.fall(why, Some(until.into_std()));
        Some(until)
    }

    /// A new worker, not started before then; `None` when the queue closes first.
    async fn replace(&mut self, mut until: Option<Instant>) -> Option<Connection> {
        loop {
            let at = until?;
            while Instant::now() < at {
                sleep_until(at.min(Instant::now() + LOOK_IDLE)).await;
                if self.shared.queue.is_closed() {
                    return None;
                }
            }
            let queue = Arc::clone(&self.shared.queue);
            match Connection::open(&self.spec, || queue.is_closed()).await {
                Ok((connection, _)) => return Some(connection),
                Err(again) => until = self.fall(&again),
            }
        }
    }

    /// Carries tickets and steps until the worker fails or the queue closes. What is under way then is dropped, and its
    /// readers see that their engine has gone.
    async fn serve(&mut self, connection: &mut Connection) -> Failure {
        let mut relay = Relay::new(self.slots, self.spec.longest);
        let mut look_at = Instant::now();
        loop {
            match self.turn(connection, &mut relay, look_at).await {
                Ok(true) => {
                    if self.shared.queue.is_closed() {
                        return Failure::Closing;
                    }
                    look_at = Instant::now() + LOOK_IDLE;
                }
                Ok(false) => {}
                Err(failure) => return failure,
            }
            let pace = match relay.answers() {
                0 => LOOK_IDLE,
                _ if relay.is_held() => LOOK_HELD,
                _ => LOOK,
            };
            look_at = look_at.min(Instant::now() + pace);
        }
    }

    /// Waits for the next thing to happen, and does it; whether it was the time to look around.
    async fn turn(&mut self, link: &mut Connection, relay: &mut Relay, at: Instant) -> Result<bool, Failure> {
        if !self.asked && relay.answers() < self.slots {
            // A thread that passes nothing on any more has seen the queue close.
            self.asked = self.wanted.try_send(()).is_ok();
        }
        let has_words = !link.outgoing.is_empty();
        tokio::select! {
            biased;
            read = connection::read(&mut link.from, &mut link.incoming) => {
                link.heard = read?;
                self.take_in(link, relay)?;
            }
            written = link.to.write_buf(&mut link.outgoing), if has_words => {
                written.map_err(|error| Failure::Broken(error.to_string()))?;
            }
            ticket = self.tickets.recv() => {
                self.asked = false;
                let ticket = ticket.ok_or(Failure::Closing)?;
                let sent = relay.accept(ticket, &mut link.outgoing);
                sent.map_err(|error| Failure::Broken(error.to_string()))?;
                self.publish_answers(relay);
            }
            () = sleep_until(at) => {
                link.check()?;
                let looked = relay.look(&mut link.outgoing);
                looked.map_err(|error| Failure::Broken(error.to_string()))?;
                self.publish_answers(relay);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Says how many answers run. Those of one request that wait for a slot take no place that another request may have.
    fn publish_answers(&self, relay: &Relay) {
        self.shared.queue.set_active(relay.answers().min(self.slots));
    }

    /// Makes the worker's figures this process's own.
    fn publish(&mut self, told: &Told) {
        let queue = &self.shared.queue;
        queue.set_speed(told.tokens_per_second);
        queue.set_rates(&told.rates);
        queue.set_active_prompt(told.active_prompt);
        self.shared.metrics.follow_engine(&self.counted, &told.figures);
        self.counted = told.figures;
    }

    fn take_in(&mut self, link: &mut Connection, relay: &mut Relay) -> Result<(), Failure> {
        let before = relay.answers();
        while let Some(report) = link.take()? {
            if let Report::Beat { told, .. } = &report {
                self.publish(told);
            }
            let reported = relay.report(report, &mut link.outgoing);
            reported.map_err(|error| Failure::Broken(error.to_string()))?;
        }
        if relay.answers() != before {
            self.publish_answers(relay);
        }
        Ok(())
    }
}

/// How long to wait before the next attempt: not at all after the first failure, then twice as long each time.
fn pause(failures: u32) -> Duration {
    let doubled = failures.checked_sub(1).map_or(0, |times| 1_u64 << times.min(10));
    Duration::from_secs(doubled).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute() {
        let seconds: Vec<u64> = (0..10).map(|failures| pause(failures).as_secs()).collect();
        assert_eq!(seconds, [0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
    }
}
