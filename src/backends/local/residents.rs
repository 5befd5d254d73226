//! Several local models in one memory budget: the first is the default, others come when they are asked for, and the
//! longest unused goes when room is needed. Promises: a model with an answer under way, or with somebody who waits for it,
//! stays; who waits for a load waits in a bounded queue and no longer than for an answer; a model that fails says so once
//! and harms no other.

mod memory;
mod rooms;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Stream, TryStreamExt, stream};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use self::memory::{Cost, budget};
use self::rooms::{Next, Rooms, Seen};
use super::folder::Folder;
use super::prompt::Prompter;
use super::{Local, LocalError, abilities, profile, refusal};
use crate::backends::{Backend, BackendError, Call, ChunkStream, Load, Profile, Readiness};
use crate::chat::Chunk;
use crate::config::LocalConfig;
use crate::metrics::{Metrics, resident};

/// When to ask again while a load is under way and its queue is full.
const SOON: Duration = Duration::from_secs(2);

/// The local models. Dropping it, with the last answer, stops their engines.
pub struct Residents {
    shared: Arc<Shared>,
}

struct Shared {
    /// The default model first.
    seats: Vec<Seat>,
    /// The default's, with every model's name.
    profile: Profile,
    rooms: Mutex<Rooms<Local>>,
    /// Counts what may let somebody go on who waits.
    changes: watch::Sender<u64>,
    config: LocalConfig,
    metrics: Arc<Metrics>,
}

/// One configured model.
struct Seat {
    name: String,
    folder: PathBuf,
    cost: Cost,
    /// What its folder tells of it before it was first loaded.
    guess: Profile,
    known: OnceLock<Profile>,
    /// Requests that wait for it.
    waiting: AtomicUsize,
    /// What was last said of its failing.
    said: Mutex<String>,
}

/// A place among those who wait for a model. When the last one is given up, those who wait for room are told.
struct Waiting<'s> {
    shared: &'s Shared,
    at: usize,
}

/// An answer, and the model that it keeps from leaving.
struct Kept {
    chunks: ChunkStream,
    _model: InUse,
}

/// A model in use. When the last one lets go of it, those who wait for room are told.
struct InUse {
    model: Option<Arc<Local>>,
    shared: Arc<Shared>,
}

impl Residents {
    /// Looks at all of `folders`; loads the first, the default, and those that `local.warm` names. A model is called as
    /// its folder is.
    ///
    /// # Errors
    /// The folder's place in `folders`, and why its model cannot be used or does not fit.
    pub fn open(
        folders: &[PathBuf],
        config: &LocalConfig,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, (usize, LocalError)> {
        let budget = budget(config);
        let look = |(at, folder): (usize, &PathBuf)| {
            let seat = Seat::look(folder, config, budget).map_err(|error| (at, error))?;
            seat.seed(metrics);
            Ok(seat)
        };
        let seats = folders.iter().enumerate().map(look).collect::<Result<Vec<Seat>, _>>()?;
        let Some(default) = seats.first() else {
            return Err((0, LocalError::model(Path::new(&config.model), "no model is configured")));
        };
        let models = seats.iter().map(|seat| seat.name.clone()).collect();
        let mut shared = Shared {
            profile: Profile { models, ..default.guess.clone() },
            rooms: Mutex::new(Rooms::new(seats.len(), budget, Local::hangs)),
            seats,
            changes: watch::Sender::new(0),
            config: config.clone(),
            metrics: Arc::clone(metrics),
        };
        for at in (0..folders.len()).filter(|at| config.is_warm(*at)) {
            shared.start(at).map_err(|error| (at, error))?;
        }
        let models = std::mem::take(&mut shared.profile.models);
        shared.profile = Profile { models, ..shared.seats[0].profile().clone() };
        Ok(Self { shared: Arc::new(shared) })
    }
}

impl Seat {
    fn look(folder: &Path, config: &LocalConfig, budget: u64) -> Result<Self, LocalError> {
        let files = Folder::read(folder)?;
        let cost = Cost::of(&files, config);
        if cost.estimate() > budget {
            let (needs, most) = (cost.estimate().div_ceil(1 << 20), config.memory_mib);
            let why = format!("needs about {needs} MiB, more than local.memory-mib = {most} allows");
            return Err(LocalError::model(folder, &why));
        }
        let can = abilities(Prompter::calls_tools(&files));
        Ok(Self {
            name: files.name.clone(),
            folder: folder.to_path_buf(),
            cost,
            guess: profile(&files, can, Duration::from_secs(config.max_seconds)),
            known: OnceLock::new(),
            waiting: AtomicUsize::new(0),
            said: Mutex::default(),
        })
    }

    /// Lets its series exist from the start.
    fn seed(&self, metrics: &Metrics) {
        metrics.local_model_bytes.with_label_values(&[&self.name]).set(0);
        for outcome in ["start", "request", "failed"] {
            metrics.local_model_loads_total.with_label_values(&[self.name.as_str(), outcome]);
        }
        for reason in ["memory", "stopped"] {
            metrics.local_model_unloads_total.with_label_values(&[self.name.as_str(), reason]);
        }
    }

    fn profile(&self) -> &Profile {
        self.known.get().unwrap_or(&self.guess)
    }
}

impl Shared {
    /// The place of a model's name; the default's for a name that is none of ours.
    fn place(&self, model: &str) -> usize {
        self.seats.iter().position(|seat| seat.name == model).unwrap_or(0)
    }

    fn rooms(&self) -> MutexGuard<'_, Rooms<Local>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, at: usize) -> Next<Local> {
        let wanted = |other: usize| self.seats[other].waiting.load(Relaxed) > 0;
        self.rooms().next(at, self.seats[at].cost.estimate(), wanted, Instant::now())
    }

    fn changed(&self) {
        self.changes.send_modify(|changes| *changes = changes.wrapping_add(1));
    }

    /// Loads a model before anybody asks for it.
    fn start(&self, at: usize) -> Result<(), LocalError> {
        let next = self.next(at);
        match next {
            Next::Load(leaving) if leaving.is_empty() => self.load(at, leaving, "start"),
            Next::Here(_) => Ok(()),
            Next::Load(_) | Next::Wait | Next::Resting(..) => {
                let why = "does not fit local.memory-mib beside the models that are warm already";
                Err(LocalError::model(&self.seats[at].folder, why))
            }
        }
    }

    /// Sends models away, loads one, and says how that went. Blocks.
    fn load(&self, at: usize, leaving: Vec<(usize, Arc<Local>)>, occasion: &str) -> Result<(), LocalError> {
        for (other, model) in leaving {
            // Gone from the engine's thread to the last tensor, before the next one comes.
            drop(model);
            self.left(other, "memory");
        }
        let (seat, began, before) = (&self.seats[at], Instant::now(), resident());
        let opened = Local::open(&seat.folder, &self.config, Arc::clone(&self.metrics));
        let outcome = if opened.is_ok() { occasion } else { "failed" };
        self.metrics.local_model_loads_total.with_label_values(&[seat.name.as_str(), outcome]).inc();
        let model = match opened {
            Ok(model) => model,
            Err(error) => {
                self.settle(at, Err(error.to_string()));
                return Err(error);
            }
        };
        let bytes = seat.cost.measured(resident().saturating_sub(before), &self.config);
        let took = began.elapsed();
        self.metrics.local_model_load_seconds.observe(took.as_secs_f64());
        self.metrics
            .local_model_bytes
            .with_label_values(&[&seat.name])
            .set(i64::try_from(bytes).unwrap_or(i64::MAX));
        let context = seat.known.get_or_init(|| model.profile().clone()).context_tokens;
        let (mib, ms) = (bytes >> 20, took.as_millis());
        tracing::info!(model = seat.name, context, mib, ms, "local model loaded");
        self.settle(at, Ok((Arc::new(model), bytes)));
        Ok(())
    }

    fn settle(&self, at: usize, loaded: Result<(Arc<Local>, u64), String>) {
        self.rooms().settle(at, loaded, Instant::now());
        self.changed();
    }

    /// Counts a model that has gone.
    fn left(&self, at: usize, reason: &str) {
        let name = self.seats[at].name.as_str();
        self.metrics.local_model_unloads_total.with_label_values(&[name, reason]).inc();
        self.metrics.local_model_bytes.with_label_values(&[name]).set(0);
        tracing::info!(model = name, reason, "local model unloaded");
    }

    /// The model at a place, loaded if need be.
    async fn model(self: &Arc<Self>, at: usize) -> Result<InUse, BackendError> {
        let mut changes = self.changes.subscribe();
        let deadline = Instant::now() + Duration::from_secs(self.config.max_seconds);
        let mut place = None;
        loop {
            changes.borrow_and_update();
            let next = self.next(at);
            match next {
                Next::Here(model) => {
                    let is_running = model.is_running();
                    let model = InUse { model: Some(model), shared: Arc::clone(self) };
                    if is_running {
                        return Ok(model);
                    }
                    self.bury(at);
                    continue;
                }
                Next::Resting(why, left) => return Err(self.resting(&why, left)),
                Next::Load(leaving) => self.load_aside(at, leaving),
                Next::Wait => {}
            }
            if place.is_none() {
                place = Some(Waiting::new(self, at).ok_or_else(|| refusal::busy(&self.profile.id))?);
            }
            if timeout_at(deadline, changes.changed()).await.is_err() {
                return Err(refusal::busy(&self.profile.id));
            }
        }
    }

    /// Loads on a thread of its own, whether or not anybody still waits when it is done.
    fn load_aside(self: &Arc<Self>, at: usize, leaving: Vec<(usize, Arc<Local>)>) {
        let shared = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let loaded = catch_unwind(AssertUnwindSafe(|| shared.load(at, leaving, "request")));
            let why = match loaded {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.to_string(),
                Err(_) => {
                    shared.settle(at, Err("it panicked while it was loaded".to_owned()));
                    "it panicked".to_owned()
                }
            };
            shared.say(at, why);
        });
    }

    /// Logs why a model cannot be used, once for each reason.
    fn say(&self, at: usize, why: String) {
        let seat = &self.seats[at];
        let mut said = seat.said.lock().unwrap_or_else(PoisonError::into_inner);
        if *said != why {
            tracing::warn!(model = seat.name, "the local model cannot be used: {why}");
            *said = why;
        }
    }

    /// Lets a model go whose engine has ended, to be loaded anew after a rest. One that only hangs stays: it cannot be
    /// ended, and a second one beside it would take its memory again.
    fn bury(&self, at: usize) {
        let why = "its engine has stopped";
        let gone = self.rooms().fall(at, |model| !model.is_running(), why, Instant::now());
        if let Some(gone) = gone {
            let_go(gone);
            self.left(at, "stopped");
            self.say(at, why.to_owned());
        }
    }

    fn resting(&self, why: &str, left: Duration) -> BackendError {
        // The reason may name files: it is for the log, not for callers.
        tracing::debug!("a local model was asked for that cannot be used: {why}");
        BackendError { retry_after: Some(left), ..refusal::down(&self.profile.id) }
    }
}

impl<'s> Waiting<'s> {
    /// A place, where fewer wait than may.
    fn new(shared: &'s Shared, at: usize) -> Option<Self> {
        let (waiting, most) = (&shared.seats[at].waiting, shared.config.queue);
        let more = |waiting: usize| (waiting < most).then_some(waiting + 1);
        waiting.fetch_update(Relaxed, Relaxed, more).ok().map(|_| Self { shared, at })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.shared.seats[self.at].waiting.fetch_sub(1, Relaxed) == 1 {
            self.shared.changed();
        }
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        if let Some(model) = self.model.take() {
            let_go(model);
        }
        self.shared.changed();
    }
}

/// Drops a model; where that is the last of it, on a thread of its own, since its engine may take long to end.
fn let_go(model: Arc<Local>) {
    if let Some(last) = Arc::into_inner(model) {
        // Without a thread it is dropped here.
        let _ = std::thread::Builder::new().name("local-unload".to_owned()).spawn(move || drop(last));
    }
}

impl Stream for Kept {
    type Item = Result<Chunk, BackendError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.chunks.as_mut().poll_next(context)
    }
}

impl Backend for Residents {
    fn profile(&self) -> &Profile {
        &self.shared.profile
    }

    fn profile_of(&self, model: &str) -> &Profile {
        self.shared.seats[self.shared.place(model)].profile()
    }

    fn readiness(&self) -> Readiness {
        self.readiness_of(&self.shared.profile.model)
    }

    fn readiness_of(&self, model: &str) -> Readiness {
        let at = self.shared.place(model);
        self.shared.bury(at);
        let rooms = self.shared.rooms();
        match rooms.see(at, Instant::now()) {
            Seen::Here(model) => model.readiness(),
            Seen::Resting(why, left) => Readiness::Down { why, retry_after: Some(left) },
            Seen::NotYet if self.shared.seats[at].waiting.load(Relaxed) >= self.shared.config.queue => {
                Readiness::Busy { retry_after: SOON }
            }
            Seen::NotYet => Readiness::Ready,
        }
    }

    /// Of all models together; the longest wait among them.
    fn load(&self) -> Load {
        let waiting = self.shared.seats.iter().map(|seat| seat.waiting.load(Relaxed)).sum();
        let rooms = self.shared.rooms();
        rooms.here().map(|model| model.load()).fold(
            Load { queued: waiting, ..Load::default() },
            |all, one| Load {
                active: all.active + one.active,
                queued: all.queued + one.queued,
                tokens_per_second: all.tokens_per_second + one.tokens_per_second,
                wait: all.wait.max(one.wait),
            },
        )
    }

    fn answer(&self, call: Call) -> ChunkStream {
        let shared = Arc::clone(&self.shared);
        let open = async move {
            let model = shared.model(shared.place(&call.model)).await?;
            let Some(local) = &model.model else { return Err(refusal::down(&shared.profile.id)) };
            Ok(Kept { chunks: local.answer(call), _model: model })
        };
        Box::pin(stream::once(open).try_flatten())
    }
}

#[cfg(test)]
mod tests;
