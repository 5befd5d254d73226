//! The worker process: loads the model that the gateway names and answers its jobs, over the socket at standard input.
//! Promises: it ends when the gateway does, however that ended, and not before: signals to end are the gateway's affair;
//! a request whose tokens nobody takes makes only its own answer wait. Knows no text, no HTTP and no settings file.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;

use super::super::constraint::Grammars;
use super::super::health::Health;
use super::super::queue::{self, Job, Queue, Refused, Step, Ticket};
use super::super::start::{read_folder, start_engine};
use super::super::watchdog::{self, Watched};
use super::super::{AHEAD, LocalError};
use super::frames::{Number, Order, Report, Told, put, take};
use crate::config::LocalConfig;
use crate::metrics::Metrics;

/// Reports on their way to the socket.
const REPORTS: usize = 256;
/// How long the engine may take to end after the gateway has gone.
const LAST_STEP: Duration = Duration::from_secs(2);
/// Makes the kernel end the worker before the gateway when memory runs out; 1000 is the most.
const OOM_SCORE: &str = "500";

/// Serves one gateway until it is gone.
///
/// # Errors
/// When standard input is no socket of a gateway's, or the gateway breaks the protocol.
pub fn serve_gateway() -> io::Result<()> {
    // Only where the system lets us: it is no more than a preference.
    let _ = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    let socket = socket()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let worker = Worker::default();
    let served = runtime.block_on(async {
        let served = serve(socket, &worker).await;
        worker.leave().await;
        served
    });
    // A model that is still being loaded is not waited for.
    runtime.shutdown_background();
    served
}

fn socket() -> io::Result<std::os::unix::net::UnixStream> {
    let socket = std::os::unix::net::UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let ours = socket.peer_addr().is_ok();
    let why = "standard input is no gateway's socket: `crossover serve` starts workers itself";
    if ours { Ok(socket) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, why)) }
}

/// The engine of this process, once it is loaded.
struct Engine {
    queue: Arc<Queue>,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    grammars: Arc<Grammars>,
    thread: JoinHandle<()>,
}

#[derive(Clone, Default)]
struct Worker {
    engine: Arc<OnceLock<Engine>>,
    answering: Arc<Mutex<HashMap<Number, Answering>>>,
}

/// What can still be said about a request under way.
struct Answering {
    enough: Arc<[AtomicBool]>,
    /// Tokens that the gateway has room for.
    credit: Arc<Semaphore>,
    relay: AbortHandle,
}

async fn serve(socket: std::os::unix::net::UnixStream, worker: &Worker) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let (mut from, to) = UnixStream::from_std(socket)?.into_split();
    // Being told to end means that the gateway is too: it lets answers end first, and its end is ours.
    let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
    let _ignored = kinds.map(signal);
    let (out, reports) = mpsc::channel(REPORTS);
    tokio::spawn(write(reports, to));
    let mut bytes = BytesMut::with_capacity(64 * 1024);
    while let Some(order) = next(&mut from, &mut bytes).await? {
        worker.obey(order, &out)?;
    }
    Ok(())
}

/// The next order; `None` when the gateway has gone.
async fn next(from: &mut OwnedReadHalf, bytes: &mut BytesMut) -> io::Result<Option<Order>> {
    loop {
        if let Some(order) = take(bytes).map_err(io::Error::other)? {
            return Ok(Some(order));
        }
        if from.read_buf(bytes).await.unwrap_or(0) == 0 {
            return Ok(None);
        }
    }
}

/// Writes what there is at once, however many reports that are: one call for the tokens of one step.
async fn write(mut reports: mpsc::Receiver<Report>, mut to: OwnedWriteHalf) {
    let (mut some, mut bytes) = (vec![], BytesMut::new());
    while reports.recv_many(&mut some, REPORTS).await > 0 {
        for report in some.drain(..) {
            if let Err(error) = put(&report, &mut bytes) {
                tracing::error!(%error, "a report was not sent");
            }
        }
        if to.write_all(&bytes).await.is_err() {
            return;
        }
        bytes.clear();
    }
}

impl Worker {
    fn obey(&self, order: Order, out: &mpsc::Sender<Report>) -> io::Result<()> {
        match order {
            Order::Load { folder, settings, longest } => {
                let config: LocalConfig = serde_json::from_str(&settings)?;
                let worker = self.clone();
                tokio::spawn(beat(worker.clone(), config.step_deadline(), out.clone()));
                let out = out.clone();
                tokio::spawn(async move {
                    let load = move || worker.load(&folder, &config, longest);
                    let report = tokio::task::spawn_blocking(load).await;
                    let refused = |why: String| Report::Refused { why };
                    // A gateway that has gone needs no answer.
                    let _ = out.send(report.unwrap_or_else(|_| refused("it panicked".to_owned()))).await;
                });
            }
            Order::Job { number, waits, job } => self.answer(number, waits, job, out),
            Order::More { number, tokens } => {
                if let Some(answering) = self.answering().get(&number) {
                    answering.credit.add_permits(tokens as usize);
                }
            }
            Order::Enough { number, index } => {
                let answering = self.answering();
                let flag = answering.get(&number).and_then(|one| one.enough.get(index as usize));
                if let Some(flag) = flag {
                    flag.store(true, Relaxed);
                }
            }
            Order::Cancel { number } => {
                if let Some(answering) = self.answering().remove(&number) {
                    answering.relay.abort();
                }
            }
        }
        Ok(())
    }

    fn load(&self, folder: &std::path::Path, config: &LocalConfig, longest: Duration) -> Report {
        let slots = config.max_streams;
        let open = || -> Result<_, LocalError> {
            let mut files = read_folder(folder, config)?;
            let metrics = Arc::new(Metrics::new().map_err(|error| LocalError::Worker(error.to_string()))?);
            // The gateway's own queue is the one that counts: it sends no more than can run.
            let queue = Arc::new(Queue::new(2 * slots, slots, Arc::clone(&metrics)));
            let health = Arc::new(Health::new());
            let engine = (Arc::clone(&queue), Arc::clone(&health), Arc::clone(&metrics));
            let started = start_engine(&mut files, config, longest, Watched { queue, health, metrics })?;
            let (grammars, thread) = (started.texts.grammars, started.thread);
            let (queue, health, metrics) = engine;
            Ok((Engine { queue, health, metrics, grammars, thread }, started.facts))
        };
        match open() {
            Ok((engine, facts)) => match self.engine.set(engine) {
                Ok(()) => Report::Ready(facts),
                Err(_) => Report::Refused { why: "it has a model already".to_owned() },
            },
            Err(error) => Report::Refused { why: error.to_string() },
        }
    }

    fn answer(&self, number: Number, waits: Duration, job: Job, out: &mpsc::Sender<Report>) {
        let answers = job.answers.max(1);
        let (steps, receiver) = mpsc::channel(AHEAD + answers);
        let enough: Arc<[AtomicBool]> = (0..answers).map(|_| AtomicBool::new(false)).collect();
        let ends = queue::reserve_ends(&steps, answers).unwrap_or_default();
        let (kept, waits_until) = (Arc::clone(&enough), Instant::now() + waits);
        self.enqueue(Ticket { job, steps, ends, enough, waits_until, group: None });
        let credit = Arc::new(Semaphore::new(AHEAD));
        let mut answering = self.answering();
        let task = relay(number, receiver, Arc::clone(&credit), out.clone(), self.clone());
        let relay = tokio::spawn(task).abort_handle();
        answering.insert(number, Answering { enough: kept, credit, relay });
    }

    /// Puts a ticket into the queue, with a grammar when that is compiled: the engine's thread would stop for it. A ticket
    /// that is not taken is dropped, and its relay says that it is gone.
    fn enqueue(&self, mut ticket: Ticket) {
        let engine = Arc::clone(&self.engine);
        if ticket.job.grammar.is_none() {
            return push(&engine, ticket);
        }
        tokio::spawn(async move {
            let Some(grammars) = engine.get().map(|engine| Arc::clone(&engine.grammars)) else { return };
            let known = ticket.job.grammar.as_ref().is_some_and(|grammar| grammars.knows(grammar));
            let place = if known { None } else { grammars.place().await };
            if ticket.steps.is_closed() {
                return;
            }
            let compile = move || {
                let _place = place;
                if let Some(grammar) = &mut ticket.job.grammar {
                    match grammars.prepare(grammar) {
                        Ok(kept) => *grammar = kept,
                        // The gateway could compile it. The answer ends with an error at its first token.
                        Err(error) => tracing::error!(%error, "the worker cannot compile a grammar"),
                    }
                }
                push(&engine, ticket);
            };
            drop(tokio::task::spawn_blocking(compile));
        });
    }

    fn answering(&self) -> MutexGuard<'_, HashMap<Number, Answering>> {
        self.answering.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the engine after its step, or else the process at once: native code that hangs cannot be asked.
    async fn leave(&self) {
        let Some(engine) = self.engine.get() else { return };
        engine.queue.close();
        let until = Instant::now() + LAST_STEP;
        while !engine.thread.is_finished() {
            if Instant::now() > until {
                std::process::abort();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn push(engine: &OnceLock<Engine>, ticket: Ticket) {
    if engine.get().is_some_and(|engine| engine.queue.push(ticket) == Err(Refused::Full)) {
        tracing::error!("the worker's queue took no ticket");
    }
}

/// Passes one request's steps on, as far as the gateway has room for them.
async fn relay(
    number: Number,
    mut steps: mpsc::Receiver<Step>,
    credit: Arc<Semaphore>,
    out: mpsc::Sender<Report>,
    worker: Worker,
) {
    while let Some(step) = steps.recv().await {
        if !matches!(step, Step::End { .. }) {
            match credit.acquire().await {
                Ok(permit) => permit.forget(),
                Err(_) => break,
            }
        }
        if out.send(Report::Step { number, step }).await.is_err() {
            return;
        }
    }
    worker.answering().remove(&number);
    let _ = out.send(Report::Gone { number }).await;
}

/// Says that the worker lives. An engine whose thread is gone is no engine: the gateway starts a new worker.
async fn beat(worker: Worker, deadline: Duration, out: mpsc::Sender<Report>) {
    let mut every = tokio::time::interval(watchdog::period(deadline));
    loop {
        every.tick().await;
        let (mut running, mut failing, mut told) = (None, false, Told::default());
        if let Some(engine) = worker.engine.get() {
            if engine.thread.is_finished() {
                tracing::error!("the engine's thread has ended");
                crate::telemetry::finish();
                std::process::exit(1);
            }
            running = engine.queue.running_for();
            failing = engine.health.is_fallen();
            told = Told {
                tokens_per_second: engine.queue.load().tokens_per_second,
                rates: engine.queue.rates(),
                active_prompt: engine.queue.active_prompt(),
                figures: engine.metrics.engine(),
            };
        }
        // Where reports wait to be written, they are sign of life enough.
        let _ = out.try_send(Report::Beat { running, failing, told });
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::detokenize::Vocabulary;
    use super::super::super::sampler::Sampler;
    use super::super::super::tests::greedy;
    use super::*;

    /// A worker whose engine's thread does this.
    fn worker(thread: impl FnOnce() + Send + 'static) -> Worker {
        let bytes: Vec<[u8; 1]> = (0..=255).map(|byte| [byte]).collect();
        let words: Vec<&[u8]> = bytes.iter().map(|byte| &byte[..]).chain([&b""[..]]).collect();
        let metrics = Arc::new(Metrics::new().unwrap());
        let engine = Engine {
            queue: Arc::new(Queue::new(4, 1, Arc::clone(&metrics))),
            health: Arc::new(Health::new()),
            metrics,
            grammars: Arc::new(Grammars::new(Arc::new(Vocabulary::from_words(&words)), &[256])),
            thread: std::thread::spawn(thread),
        };
        let worker = Worker::default();
        assert!(worker.engine.set(engine).is_ok());
        worker
    }

    #[tokio::test]
    async fn d21_a_beat_says_that_the_engine_s_steps_fail() {
        let (ends, wait) = std::sync::mpsc::sync_channel::<()>(0);
        // The beat ends the process of an engine whose thread has ended.
        let worker = worker(move || while wait.recv().is_ok() {});
        let (out, mut reports) = mpsc::channel(1);
        let beats = tokio::spawn(beat(worker.clone(), Duration::from_millis(40), out));
        assert!(matches!(reports.recv().await, Some(Report::Beat { failing: false, .. })));
        while !worker.engine.get().unwrap().health.failed() {}
        while matches!(reports.recv().await.unwrap(), Report::Beat { failing: false, .. }) {}
        beats.abort();
        assert!(beats.await.unwrap_err().is_cancelled());
        drop(ends);
    }

    #[tokio::test]
    async fn a_grammar_is_compiled_before_the_engine_meets_it() {
        let worker = worker(|| {});
        let engine = worker.engine.get().unwrap();
        let (queue, grammars) = (Arc::clone(&engine.queue), Arc::clone(&engine.grammars));
        let of = |word: &str| format!(r#"{{"grammars": [{{"lark_grammar": "start: \"{word}\""}}]}}"#);
        let grammar: Arc<str> = of("a").into();
        let (out, _reports) = mpsc::channel(1);
        for grammar in [None, Some(grammar)] {
            // Another request had it compiled, under a name of its own.
            grammars.prepare(&of("a").into()).unwrap();
            let job = Job {
                prompt: [0].into(),
                choice: greedy(),
                max_tokens: 1,
                answers: 1,
                grammar,
                owner: None,
                scope: None,
            };
            worker.answer(0, Duration::from_secs(60), job, &out);
            let queue = Arc::clone(&queue);
            let pop = move || queue.pop(Some(Duration::from_secs(10)), |_| 0);
            let ticket = tokio::task::spawn_blocking(pop).await.unwrap().expect("a ticket");
            for word in 0..100 {
                grammars.prepare(&of(&format!("b{word}")).into()).unwrap();
            }
            let compiles = grammars.compiles();
            let _sampler = Sampler::new(&ticket.job, 0, &grammars);
            assert_eq!(grammars.compiles(), compiles, "kept for as long as the ticket waits");
        }
    }
}
