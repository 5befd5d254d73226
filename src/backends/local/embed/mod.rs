//! Embeddings from a model in this process: texts in, vectors out. Promises: nothing leaves the process; a text that is too
//! long is refused, never cut; what a caller typed is text, never a special token; a full queue or a run that hangs says so at
//! once; dropping a request stops its work before the next batch; a graph that quantises all texts of a run with one scale gets
//! one text at a time, so that a vector does not depend on what else was asked.

mod folder;
mod model;
mod pulse;
mod work;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use tokenizers::Tokenizer;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout};

use self::folder::Folder;
use self::model::{Model, normalise};
use self::pulse::Pulse;
use self::work::{Failed, Job, work};
use super::{LocalError, cores, refusal};
use crate::backends::{BackendError, Fault, Kind, Retry};
use crate::chat::{BackendId, Passage};
use crate::config::EmbeddingsConfig;
use crate::hub::Record;
use crate::onnx::{Manifest, SessionSpec};

/// This backend's name.
const ID: &str = "embeddings";
/// Most tokens of one request, as OpenAI has it.
const MOST_TOKENS: usize = 300_000;
/// Longest that a request waits for its vectors; for a run that is larger than usual it may be longer.
const LONGEST: Duration = Duration::from_secs(300);
/// Longest that a usual run of the graph may take before it counts as hung; a full batch takes a slow machine a minute.
const STEP: Duration = Duration::from_secs(120);
/// Texts of so many bytes are tokenised whatever the model's context is.
const SHORT: usize = 64 * 1024;
/// Bytes of a text for each of its tokens, at most, as so many times the vocabulary's longest token. A tokenizer may drop
/// blanks, accents and control characters, and make one token of a long word that it does not know; no sensible text
/// consists of them, and what has more bytes than this for all of a context is too long unread.
const SLACK: usize = 4;
/// How often one who waits looks whether it hangs.
const LOOK: Duration = Duration::from_millis(500);

/// Texts' vectors, and what they took.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedded {
    /// One for each text, in the order of the request.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens of all texts, special ones included.
    pub tokens: u64,
}

/// An embedding model with its thread, which ends when this is dropped.
pub struct Embedder {
    id: BackendId,
    name: String,
    width: usize,
    desk: Arc<Desk>,
    places: Arc<Semaphore>,
    pulse: Arc<Pulse>,
    jobs: SyncSender<Job>,
}

/// What turns texts into tokens.
struct Desk {
    id: BackendId,
    tokenizer: Tokenizer,
    vocabulary: usize,
    longest: usize,
    /// Bytes of a text, at most: a longer one is not tokenised, which takes some hundred bytes for each token.
    most_bytes: usize,
    prompt: String,
    lower_case: bool,
}

impl Embedder {
    /// Loads the folder and starts the thread.
    ///
    /// # Errors
    /// Every fault of runtime, folder, manifest, graph and tokenizer.
    pub fn open(folder: &Path, config: &EmbeddingsConfig) -> Result<Self, LocalError> {
        let files = Folder::read(folder, config.pooling)?;
        Manifest::check(folder)?;
        Record::check(folder)?;
        let weights = std::fs::metadata(&files.graph).map_or(0, |data| data.len());
        let threads = cores::threads(config.threads, weights);
        let model = Model::open(&files, &SessionSpec { intra_threads: threads, spin: false })?;
        let tokenizer = open_tokenizer(&files.tokenizer)?;
        // At most one token: one text at a time.
        let most = if super::folder::mixes(&files.graph) { 1 } else { config.max_batch_tokens };
        let width = model.width;
        let pulse = Pulse::new(STEP);
        let pulse = pulse.map_err(|error| LocalError::embedder(&files.graph, error.message()))?;
        let pulse = Arc::new(pulse);
        // Who has a place has room here too.
        let (jobs, queue) = sync_channel(config.queue);
        let thread = std::thread::Builder::new().name("embedder".to_owned());
        let told = Arc::clone(&pulse);
        thread.spawn(move || work(model, &queue, most, &told)).map_err(LocalError::Thread)?;
        let id = BackendId::new(ID);
        let longest_token = tokenizer.get_vocab(true).keys().map(String::len).max().unwrap_or(0);
        let most_bytes = files.longest.saturating_mul(longest_token).saturating_mul(SLACK).max(SHORT);
        let desk = Desk {
            id: id.clone(),
            vocabulary: tokenizer.get_vocab_size(true),
            tokenizer,
            longest: files.longest,
            most_bytes,
            prompt: files.prompt,
            lower_case: files.lower_case,
        };
        let places = Arc::new(Semaphore::new(config.queue));
        Ok(Self { id, name: files.name, width, desk: Arc::new(desk), places, pulse, jobs })
    }

    /// The backend's name, for records.
    pub fn id(&self) -> &BackendId {
        &self.id
    }

    /// The model's name: its folder's.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Embeds texts. With `dimensions`, only so many numbers of each vector are kept, brought to unit length again.
    ///
    /// # Errors
    /// A full queue, texts that are too long, ids that are no tokens, more dimensions than there are, a model that fails or
    /// hangs.
    pub async fn embed(
        &self,
        passages: Vec<Passage>,
        dimensions: Option<usize>,
    ) -> Result<Embedded, BackendError> {
        if let Some(wished) = dimensions.filter(|wished| *wished > self.width) {
            let why =
                format!("This model's vectors have {} dimensions; {wished} were asked for.", self.width);
            return Err(wrong(&self.id, "dimensions", why));
        }
        if self.pulse.hangs() {
            return Err(hangs(&self.id));
        }
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            let message = "The embedding model has too many requests to answer.";
            return Err(BackendError::new(&self.id, Kind::Busy, Fault::Us, Retry::Never, message));
        };
        let desk = Arc::clone(&self.desk);
        // The place goes along: who leaves meanwhile makes room only when the work is done.
        let encode = move || desk.encode(passages).map(|texts| (texts, place));
        let encoded = tokio::task::spawn_blocking(encode).await;
        let (texts, place) = encoded.unwrap_or_else(|_| Err(refusal::internal(&self.id)))?;
        let tokens = texts.iter().map(|text| text.len() as u64).sum();
        let (reply, answer) = oneshot::channel();
        let job = Job::new(texts, reply, place);
        let (runs, times) = (Arc::clone(&job.runs), job.times());
        if self.jobs.try_send(job).is_err() {
            tracing::error!("the embedding model's thread has ended");
            return Err(refusal::down(&self.id));
        }
        let vectors = self.wait(answer, &runs, LONGEST + STEP.mul_f64(times - 1.0)).await?;
        let vectors = match dimensions {
            Some(kept) if kept < self.width => vectors.into_iter().map(|vector| cut(vector, kept)).collect(),
            _ => vectors,
        };
        Ok(Embedded { vectors, tokens })
    }

    /// What the thread answers, unless it takes longer than `longest` over this request or hangs on any. `runs`: whether
    /// this request is the one that it works on.
    async fn wait(
        &self,
        mut answer: oneshot::Receiver<Result<Vec<Vec<f32>>, Failed>>,
        runs: &AtomicBool,
        longest: Duration,
    ) -> Result<Vec<Vec<f32>>, BackendError> {
        let until = Instant::now() + longest;
        loop {
            match timeout(LOOK, &mut answer).await {
                Ok(Ok(answer)) => return answer.map_err(|_| failed(&self.id)),
                Ok(Err(_)) => return Err(refusal::down(&self.id)),
                Err(_) if self.pulse.hangs() && runs.load(Ordering::Relaxed) => return Err(late(&self.id)),
                Err(_) if self.pulse.hangs() => return Err(hangs(&self.id)),
                Err(_) if Instant::now() < until => {}
                Err(_) => {
                    let seconds = longest.as_secs();
                    tracing::error!(seconds, "the embedding model has not answered a request in time");
                    return Err(if runs.load(Ordering::Relaxed) { late(&self.id) } else { behind(&self.id) });
                }
            }
        }
    }
}

/// The first numbers of a vector, brought to unit length.
fn cut(mut vector: Vec<f32>, kept: usize) -> Vec<f32> {
    vector.truncate(kept);
    normalise(&mut vector);
    vector
}

impl Desk {
    fn encode(&self, passages: Vec<Passage>) -> Result<Vec<Vec<u32>>, BackendError> {
        let mut texts = Vec::with_capacity(passages.len());
        let mut tokens = 0;
        for (at, passage) in passages.into_iter().enumerate() {
            let ids = self.tokens(at, passage)?;
            tokens += ids.len();
            if tokens > MOST_TOKENS {
                let why =
                    format!("All inputs together have more than {MOST_TOKENS} tokens. Send fewer at once.");
                return Err(wrong(&self.id, "input", why));
            }
            texts.push(ids);
        }
        Ok(texts)
    }

    fn tokens(&self, at: usize, passage: Passage) -> Result<Vec<u32>, BackendError> {
        if let Passage::Text(text) = &passage
            && text.len() > self.most_bytes
        {
            return Err(self.too_long(at, &format!("{} bytes", text.len())));
        }
        let ids = match passage {
            Passage::Tokens(ids) => match ids.iter().find(|id| **id as usize >= self.vocabulary) {
                Some(_) => {
                    let why = format!(
                        "input[{at}] holds an id that is no token of this model's: it has {}. Send texts.",
                        self.vocabulary
                    );
                    return Err(wrong(&self.id, "input", why));
                }
                None => ids,
            },
            Passage::Text(text) => {
                let text = if self.prompt.is_empty() { text } else { format!("{}{text}", self.prompt) };
                let text = if self.lower_case { text.to_lowercase() } else { text };
                let encoding = self.tokenizer.encode_fast(text, true);
                encoding.map_err(|_| failed(&self.id))?.get_ids().to_vec()
            }
        };
        if ids.len() > self.longest {
            return Err(self.too_long(at, &format!("{} tokens", ids.len())));
        }
        Ok(ids)
    }

    fn too_long(&self, at: usize, length: &str) -> BackendError {
        let why = format!(
            "This model's maximum context length is {} tokens. However, input[{at}] has {length}. Please reduce it.",
            self.longest
        );
        let kind = Kind::ContextLengthExceeded;
        let error = BackendError::new(&self.id, kind, Fault::Caller, Retry::Never, why);
        BackendError { param: Some("input".to_owned()), ..error }
    }
}

/// The caller's mistake in one field.
fn wrong(id: &BackendId, param: &str, why: String) -> BackendError {
    let error = BackendError::new(id, Kind::Rejected, Fault::Caller, Retry::Never, why);
    BackendError { code: Some("invalid_value".to_owned()), param: Some(param.to_owned()), ..error }
}

fn failed(id: &BackendId) -> BackendError {
    let message = "The embedding model failed on this request.";
    BackendError::new(id, Kind::Internal, Fault::Us, Retry::Never, message)
}

fn hangs(id: &BackendId) -> BackendError {
    let message = "The embedding model does not answer: it hangs on a request that came before.";
    BackendError::new(id, Kind::Down, Fault::Us, Retry::Never, message)
}

fn behind(id: &BackendId) -> BackendError {
    let message = "The embedding model is still at work on requests that came before. Try again later.";
    BackendError::new(id, Kind::Down, Fault::Us, Retry::Never, message)
}

fn late(id: &BackendId) -> BackendError {
    let message =
        "The embedding model takes too long over this request. Send shorter texts, or fewer at once.";
    BackendError::new(id, Kind::Down, Fault::Us, Retry::Never, message)
}

/// Without the cutting and padding that folders bring along: what is too long is refused instead. Special tokens come from
/// its post-processor alone, never from a text.
fn open_tokenizer(file: &Path) -> Result<Tokenizer, LocalError> {
    let blame = |why: String| LocalError::embedder(file, &why);
    let mut tokenizer = Tokenizer::from_file(file).map_err(|error| blame(error.to_string()))?;
    tokenizer.set_encode_special_tokens(true);
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).map_err(|error| blame(error.to_string()))?;
    Ok(tokenizer)
}

#[cfg(test)]
mod tests;
