//! The model in this process: a folder of ONNX and JSON files, one engine thread, and streams that feed from it.
//! Promises: nothing leaves the process; a full queue says so at once; a broken model is refused at load, by file.
//! Reads GenAI-style folders whose graph shares its KV cache; sees no images.

mod constraint;
mod cores;
mod detokenize;
mod draft;
pub mod embed;
mod engine;
mod file_pages;
mod folder;
mod graph;
mod growing;
mod health;
mod huge_pages;
mod kv;
mod layout;
mod mappings;
mod prefix;
mod prompt;
mod queue;
mod refusal;
mod reply;
mod residents;
mod sampler;
mod sequence;
mod shared;
mod slab;
mod start;
mod stop;
mod template;
mod tool_calls;
mod watchdog;
mod worker;

use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hasher as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_util::{TryStreamExt, stream};
use ort::session::RunOptions;
use tokio::sync::{Semaphore, mpsc};

pub use self::refusal::LocalError;
pub use self::residents::Residents;
pub use self::worker::serve_gateway;

use self::constraint::Grammars;
use self::detokenize::Vocabulary;
use self::folder::{Defaults, Folder};
use self::health::Health;
use self::prompt::Prompter;
use self::queue::{Job, Queue, Refused, Ticket};
use self::reply::{Reply, Thoughts};
use self::sampler::Choice;
use self::start::{Started, Texts, read_folder, start_engine};
use self::tool_calls::Plan;
use self::watchdog::{Watchdog, Watched};
use self::worker::Worker;
use super::{Backend, BackendError, Call, ChunkStream, Load, Profile, Readiness};
use crate::chat::{BackendId, ChatRequest, Needs, ResponseFormat, Sampling, ToolChoice};
use crate::config::{Isolation, LocalConfig};
use crate::metrics::Metrics;

/// This backend's name.
const ID: &str = "local";
/// Tokens that a reader may be behind before its sequence waits for it.
const AHEAD: usize = 32;
/// Longest that a caller waits for the first content before it may be served elsewhere.
const FIRST_CONTENT: Duration = Duration::from_secs(30);
/// Tokens at a prompt's end that are read for what opens thoughts: it may be spelled letter by letter.
const LAST_WORDS: usize = 16;
/// How long an engine may take to end, and how often that is looked at.
const GOODBYE: Duration = Duration::from_secs(4);
const LOOK: Duration = Duration::from_millis(2);
/// What a caller is told to wait when the queue is full, at least and at most.
const RETRY_AFTER: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

/// The local model. Dropping it stops the engine; answers under way end with an error.
pub struct Local {
    profile: Profile,
    desk: Arc<Desk>,
    engine: Running,
}

/// Where the engine runs.
enum Running {
    /// On a thread of this process.
    Thread { engine: Option<JoinHandle<()>>, brake: Arc<RunOptions>, _watchdog: Watchdog },
    /// In a process of its own.
    Process(Worker),
}

impl Running {
    fn thread(
        files: &mut Folder,
        config: &LocalConfig,
        longest: Duration,
        watched: Watched,
    ) -> Result<(Self, Texts), LocalError> {
        let Started { thread, brake, texts, .. } = start_engine(files, config, longest, watched.clone())?;
        let dog = Watchdog::start(watched, config.step_deadline(), Some(Arc::clone(&brake)));
        let _watchdog = dog.map_err(LocalError::Thread)?;
        Ok((Self::Thread { engine: Some(thread), brake, _watchdog }, texts))
    }

    fn process(
        files: &mut Folder,
        folder: &Path,
        config: &LocalConfig,
        longest: Duration,
        watched: Watched,
    ) -> Result<(Self, Texts), LocalError> {
        let (worker, facts) = Worker::start(folder, config, longest, watched)?;
        files.context = facts.context;
        let texts = Texts::new(Prompter::load(files)?, &facts, files)?;
        Ok((Self::Process(worker), texts))
    }
}

/// What turns a call into a ticket; shared by all answers.
struct Desk {
    id: BackendId,
    can: Needs,
    prompter: Prompter,
    /// Whether the model may think before it answers.
    thinks: bool,
    vocabulary: Arc<Vocabulary>,
    grammars: Arc<Grammars>,
    queue: Arc<Queue>,
    /// For long prompts that are encoded: as many as could be queued and answered.
    encoding: Arc<Semaphore>,
    health: Arc<Health>,
    defaults: Defaults,
    context: usize,
    longest_wait: Duration,
    watched: usize,
    prefix_shared: bool,
}

impl Local {
    /// Loads the model folder and starts the engine. Takes well under a second for a small model.
    ///
    /// # Errors
    /// Every fault of runtime, folder, manifest, graph and tokenizer.
    pub fn open(folder: &Path, config: &LocalConfig, metrics: Arc<Metrics>) -> Result<Self, LocalError> {
        let longest = Duration::from_secs(config.max_seconds);
        Self::open_with(folder, config, longest, metrics)
    }

    fn open_with(
        folder: &Path,
        config: &LocalConfig,
        longest: Duration,
        metrics: Arc<Metrics>,
    ) -> Result<Self, LocalError> {
        let mut files = read_folder(folder, config)?;
        let queue = Arc::new(Queue::new(config.queue, config.max_streams, Arc::clone(&metrics)));
        let health = Arc::new(Health::new());
        let watched = Watched { queue: Arc::clone(&queue), health: Arc::clone(&health), metrics };
        let running = match config.isolation {
            Isolation::Thread => Running::thread(&mut files, config, longest, watched),
            Isolation::Process => Running::process(&mut files, folder, config, longest, watched),
        };
        // What was started before a fault ends with its queue.
        let (engine, texts) = running.inspect_err(|_| queue.close())?;
        let Texts { prompter, vocabulary, grammars } = texts;
        let can = abilities(prompter.form().is_some());
        let profile = profile(&files, can, longest);
        let desk = Desk {
            id: profile.id.clone(),
            can,
            prompter,
            thinks: files.templates().any(Thoughts::are_known_to),
            vocabulary,
            grammars,
            queue,
            encoding: Arc::new(Semaphore::new(config.queue + config.max_streams)),
            health,
            defaults: files.defaults,
            context: files.context,
            longest_wait: longest,
            watched: config.watched_tokens,
            prefix_shared: config.prefix_cache_shared,
        };
        Ok(Self { profile, desk: Arc::new(desk), engine })
    }

    fn is_running(&self) -> bool {
        match &self.engine {
            Running::Thread { engine, .. } => engine.as_ref().is_some_and(|engine| !engine.is_finished()),
            Running::Process(worker) => worker.is_kept(),
        }
    }

    /// Whether a run of the graph hangs in this process, where nothing can end it.
    fn hangs(&self) -> bool {
        matches!(self.engine, Running::Thread { .. }) && self.is_running() && self.desk.health.hangs()
    }
}

/// What a model can do here, whose template offers `tools` or not.
fn abilities(tools: bool) -> Needs {
    Needs { tools, logprobs: true, structured: true, other_sampling: true, ..Needs::default() }
}

fn profile(files: &Folder, can: Needs, longest: Duration) -> Profile {
    Profile {
        id: BackendId::new(ID),
        within_boundary: true,
        model: files.name.clone(),
        models: vec![files.name.clone()],
        context_tokens: u32::try_from(files.context).unwrap_or(u32::MAX),
        can,
        first_content_timeout: longest.min(FIRST_CONTENT),
        // As long in the queue as in the making, at most.
        whole_timeout: longest * 2,
        max_retries: 0,
        backoff: Duration::ZERO,
        max_retry_after: Duration::ZERO,
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.desk.queue.close();
        match &mut self.engine {
            Running::Thread { engine, brake, .. } => {
                // A long run is not waited for; where it cannot be ended, it ends by itself.
                let _ = brake.terminate();
                // One that hangs goes with the process.
                if let Some(engine) = engine.take().filter(|_| !self.desk.health.hangs())
                    && !join_within(engine, GOODBYE)
                {
                    tracing::error!("the local engine does not end; its thread is left behind");
                }
            }
            Running::Process(worker) => worker.finish(),
        }
    }
}

/// Waits for a thread to end, no longer than `most`; whether it has ended.
fn join_within<T>(thread: JoinHandle<T>, most: Duration) -> bool {
    let until = Instant::now() + most;
    while !thread.is_finished() {
        if Instant::now() >= until {
            return false;
        }
        std::thread::park_timeout(LOOK);
    }
    // A panic was logged where it happened.
    let _ = thread.join();
    true
}

impl Backend for Local {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    fn readiness(&self) -> Readiness {
        if !self.is_running() {
            let why = "the local engine has stopped".to_owned();
            return Readiness::Down { why, retry_after: None };
        }
        if let Some(down) = self.desk.health.down() {
            return down;
        }
        if self.desk.queue.is_full() {
            return Readiness::Busy { retry_after: self.desk.retry_after() };
        }
        Readiness::Ready
    }

    fn load(&self) -> Load {
        self.desk.queue.load()
    }

    fn answer(&self, call: Call) -> ChunkStream {
        let desk = Arc::clone(&self.desk);
        Box::pin(stream::once(desk.open(call.request, call.named)).try_flatten())
    }
}

impl Desk {
    /// When it is worth to try again: as long as one more request would wait.
    fn retry_after(&self) -> Duration {
        self.queue.load().wait.clamp(RETRY_AFTER[0], RETRY_AFTER[1])
    }

    /// Checks, encodes and queues a request.
    async fn open(self: Arc<Self>, request: Arc<ChatRequest>, named: bool) -> Result<Reply, BackendError> {
        if let Some(refusal) = refusal::unsupported(&self.id, &request.needs, &self.can) {
            return Err(refusal);
        }
        if self.queue.is_full() {
            return Err(refusal::busy(&self.id));
        }
        self.check_biases(&request, named)?;
        let (prompt, plan) = self.prepare(&request).await?;
        self.enqueue(prompt, plan, &request)
    }

    /// Token ids are a model's own: only whoever names this one can mean them.
    fn check_biases(&self, request: &ChatRequest, named: bool) -> Result<(), BackendError> {
        let biases = &request.sampling.logit_bias;
        if biases.is_empty() {
            Ok(())
        } else if !named {
            let why = "token ids are its own, so ask for the model by name";
            Err(refusal::no_such_bias(&self.id, why))
        } else if biases.iter().any(|(id, _)| *id as usize >= self.vocabulary.len()) {
            let why = format!("its token ids end at {}", self.vocabulary.len() - 1);
            Err(refusal::no_such_bias(&self.id, &why))
        } else {
            Ok(())
        }
    }

    /// The prompt, and what the answers must obey; off the async thread where it takes long.
    async fn prepare(self: &Arc<Self>, request: &Arc<ChatRequest>) -> Result<(Vec<u32>, Plan), BackendError> {
        let prompt = if Prompter::is_long(request) {
            let place = Arc::clone(&self.encoding).try_acquire_owned();
            let place = place.map_err(|_| refusal::busy(&self.id))?;
            // It goes along, as below, and is given up with the encoding done.
            let encode = move |desk: &Self, request: &ChatRequest| Ok((desk.encode(request)?, place));
            let (prompt, _place) = self.aside(request, encode).await?;
            prompt
        } else {
            self.encode(request)?
        };
        if !request.needs.tools && request.response_format == ResponseFormat::Text {
            return Ok((prompt, Plan { reading: None, grammar: None }));
        }
        let wish = self.aside(request, |_: &Self, request: &ChatRequest| Ok(wish(request))).await?;
        let place = if self.grammars.is_planned(wish) { None } else { self.grammars.place().await };
        if self.queue.is_full() {
            return Err(refusal::busy(&self.id));
        }
        let plan = self.aside(request, move |desk: &Self, request: &ChatRequest| {
            // It goes along: who leaves meanwhile makes room only when the work is done.
            let _place = place;
            let plan = desk.plan(request)?;
            desk.grammars.note(wish);
            Ok(plan)
        });
        Ok((prompt, plan.await?))
    }

    /// Work on a request, off the async thread.
    async fn aside<T: Send + 'static>(
        self: &Arc<Self>,
        request: &Arc<ChatRequest>,
        work: impl FnOnce(&Self, &ChatRequest) -> Result<T, BackendError> + Send + 'static,
    ) -> Result<T, BackendError> {
        let (desk, request) = (Arc::clone(self), Arc::clone(request));
        let done = tokio::task::spawn_blocking(move || work(&desk, &request));
        done.await.unwrap_or_else(|_| Err(refusal::internal(&self.id)))
    }

    fn encode(&self, request: &ChatRequest) -> Result<Vec<u32>, BackendError> {
        let prompt = self.prompter.encode(request);
        prompt.map_err(|why| refusal::no_prompt(&self.id, &why, self.context))
    }

    /// What the answers must obey. May compile a grammar.
    fn plan(&self, request: &ChatRequest) -> Result<Plan, BackendError> {
        match self.prompter.form().filter(|_| request.needs.tools) {
            Some(form) => {
                let special = |text: &str| self.prompter.special(text);
                tool_calls::plan(form, self.prompter.one_call(), request, &special, &self.grammars)
                    .map_err(|why| refusal::no_tools(&self.id, &why))
            }
            None => {
                let grammar = self.grammars.of_format(&request.response_format);
                let grammar =
                    grammar.map_err(|error| refusal::no_grammar(&self.id, &error, "response_format"))?;
                Ok(Plan { reading: None, grammar })
            }
        }
    }

    fn enqueue(&self, prompt: Vec<u32>, plan: Plan, request: &ChatRequest) -> Result<Reply, BackendError> {
        if let Err(left) = self.health.admit() {
            return Err(BackendError { retry_after: Some(left), ..refusal::down(&self.id) });
        }
        let sampling = &request.sampling;
        let answers = sampling.n.max(1) as usize;
        let (steps, receiver) = mpsc::channel(AHEAD + answers);
        let ends = queue::reserve_ends(&steps, answers).ok_or_else(|| refusal::internal(&self.id))?;
        let enough: Arc<[AtomicBool]> = (0..answers).map(|_| AtomicBool::new(false)).collect();
        let reply = Reply::new(
            self.id.clone(),
            Arc::clone(&self.vocabulary),
            receiver,
            Arc::clone(&enough),
            &sampling.stop,
        )
        .with_prompt(prompt.len())
        .with_thoughts(&self.thoughts(&prompt, &plan, request))
        .with_tools(plan.reading.as_ref())
        .ended_by(self.health.falls());
        let left = self.context - prompt.len();
        let job = Job {
            choice: self.choice(sampling),
            max_tokens: self.max_tokens(sampling).min(left),
            prompt: prompt.into(),
            answers,
            grammar: plan.grammar,
            owner: request.controls.key.clone(),
            scope: scope(request, self.prefix_shared),
        };
        let waits_until = Instant::now() + self.longest_wait;
        let ticket = Ticket { job, steps, ends, enough, waits_until, group: None };
        match self.queue.push(ticket) {
            Ok(()) => Ok(reply),
            Err(Refused::Full) => Err(refusal::busy(&self.id)),
            Err(Refused::Closed) => Err(refusal::down(&self.id)),
        }
    }

    /// What the answers' thoughts are told by. A prompt may have opened them, unless a grammar has the answer begin with
    /// something else.
    fn thoughts(&self, prompt: &[u32], plan: &Plan, request: &ChatRequest) -> Thoughts {
        if !self.thinks {
            return Thoughts::default();
        }
        let called = matches!(request.tools.choice, ToolChoice::Required | ToolChoice::Function(_));
        let free = plan.grammar.is_none() || (request.response_format == ResponseFormat::Text && !called);
        let last = &prompt[prompt.len().saturating_sub(LAST_WORDS)..];
        let words: Vec<u8> = last.iter().flat_map(|id| self.vocabulary.name(*id)).copied().collect();
        if free && Thoughts::are_opened_by(&words) { Thoughts::begun() } else { Thoughts::awaited() }
    }

    /// What the caller asks for, else the model's own default, else whatever fits.
    fn max_tokens(&self, sampling: &Sampling) -> usize {
        sampling.max_tokens.map(|tokens| tokens as usize).or(self.defaults.max_tokens).unwrap_or(usize::MAX)
    }

    fn choice(&self, sampling: &Sampling) -> Choice {
        Choice {
            temperature: sampling.temperature.unwrap_or(self.defaults.temperature_of(sampling.n)),
            top_p: sampling.top_p.unwrap_or(self.defaults.top_p),
            top_k: sampling.top_k.map_or(self.defaults.top_k, |k| k as usize),
            min_p: sampling.min_p.unwrap_or(self.defaults.min_p),
            repetition_penalty: sampling.repetition_penalty.unwrap_or(self.defaults.repetition_penalty),
            frequency_penalty: sampling.frequency_penalty,
            presence_penalty: sampling.presence_penalty,
            logit_bias: sampling.logit_bias.clone(),
            logprobs: sampling.logprobs,
            watched: self.watched,
            seed: sampling.seed,
        }
    }
}

/// A digest of what a request's answers must obey.
fn wish(request: &ChatRequest) -> u64 {
    let mut digest = Digest::default();
    // Hashing cannot fail.
    let _ = write!(digest, "{:?} {:?}", request.response_format, request.tools);
    digest.0.finish()
}

/// Hashes text as it is written: schemas may be large, and nobody needs a copy.
#[derive(Default)]
struct Digest(DefaultHasher);

impl fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

/// Who shares cached prefixes: the same key and salt; nobody where the caller is anonymous. Or all, where that is set.
fn scope(request: &ChatRequest, shared: bool) -> Option<Arc<str>> {
    if shared {
        return Some("".into());
    }
    let key = request.controls.key.as_deref()?;
    // Length first, so that no pair of names can be taken for another.
    Some(format!("{}:{key}:{}", key.len(), request.cache_salt.as_deref().unwrap_or_default()).into())
}

#[cfg(test)]
mod families;
#[cfg(test)]
mod tests;
