//! Brings a folder to life: the graph on a thread of its own, the tokenizer for the way in and out, in this process or
//! in a worker. Promises: every fault of runtime, graph and tokenizer is found here, before the first request.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use ort::session::RunOptions;

use super::constraint::Grammars;
use super::detokenize::Vocabulary;
use super::engine::Engine;
use super::folder::Folder;
use super::graph::{Graph, Room};
use super::prompt::Prompter;
use super::sequence::Limits;
use super::slab::give_back_freed;
use super::watchdog::Watched;
use super::worker::Facts;
use super::{LocalError, cores, huge_pages};
use crate::config::{LocalConfig, Speculation};
use crate::hub::Record;
use crate::onnx::{Manifest, SessionSpec};

/// Reads a folder, and holds its files against the hashes that are kept of them.
pub(super) fn read_folder(folder: &Path, config: &LocalConfig) -> Result<Folder, LocalError> {
    let mut files = Folder::read(folder)?;
    Manifest::check(&files.root)?;
    Record::check(&files.root)?;
    if let Some(shortened) = &files.shortened {
        tracing::warn!(model = files.name, "{shortened}");
    }
    files.prefill = files.prefill.filter(|_| config.prefill_form && cores::multiply_int8());
    files.verify = files.verify.filter(|_| config.speculation == Speculation::PromptLookup);
    Ok(files)
}

/// What stands between texts and tokens.
pub(super) struct Texts {
    pub(super) prompter: Prompter,
    pub(super) vocabulary: Arc<Vocabulary>,
    /// What grammars over the vocabulary are compiled with.
    pub(super) grammars: Arc<Grammars>,
}

impl Texts {
    /// What was read of the folder's tokenizer and template, for a graph of which this is known. What reading took of memory
    /// goes back.
    pub(super) fn new(
        (mut prompter, mut vocabulary): (Prompter, Vocabulary),
        facts: &Facts,
        files: &Folder,
    ) -> Result<Self, LocalError> {
        let broken = |why: String| LocalError::model(&files.tokenizer, &why);
        prompter.fit(&mut vocabulary, (facts.context, facts.vocabulary)).map_err(broken)?;
        let vocabulary = Arc::new(vocabulary);
        let grammars = Arc::new(Grammars::new(Arc::clone(&vocabulary), &files.eos));
        give_back_freed();
        Ok(Self { prompter, vocabulary, grammars })
    }
}

/// An engine at work.
pub(super) struct Started {
    /// Ends when the queue is closed.
    pub(super) thread: JoinHandle<()>,
    /// Ends the engine's run under way.
    pub(super) brake: Arc<RunOptions>,
    pub(super) facts: Facts,
    pub(super) texts: Texts,
}

/// Opens the graph and gives it its thread. `files` learns how long a context the cache has room for.
pub(super) fn start_engine(
    files: &mut Folder,
    config: &LocalConfig,
    longest: Duration,
    watched: Watched,
) -> Result<Started, LocalError> {
    let threads = cores::threads(config.threads, files.weights());
    let spec = SessionSpec { intra_threads: threads, spin: config.spin };
    // One row more than there are answers, so that rows can be exchanged.
    let room = Room {
        rows: config.max_streams + 1,
        bytes: config.kv_cache_mib << 20,
        // A row that is always alone is always summed alike.
        pairs: config.pair_rows && config.max_streams > 1,
    };
    let (graph, read) = open_both(files, &spec, room)?;
    warn_of_cap(files, &graph, config);
    files.context = graph.layout.context;
    let facts = Facts { vocabulary: graph.layout.vocabulary, context: graph.layout.context };
    let texts = Texts::new(read, &facts, files)?;
    let limits = Limits {
        slots: config.max_streams,
        longest,
        eos: files.eos.clone(),
        tokens: room.tokens(&graph.layout),
        prefix_bytes: config.prefix_cache_mib << 20,
        grammars: Arc::clone(&texts.grammars),
    };
    let brake = graph.brake();
    if config.huge_pages {
        huge_pages::gather_later();
    }
    let engine = Engine::new(graph, limits, watched);
    let thread = std::thread::Builder::new().name("local-engine".to_owned());
    let thread = thread.spawn(move || engine.run()).map_err(LocalError::Thread)?;
    Ok(Started { thread, brake, facts, texts })
}

/// Opens the graph and reads the tokenizer at the same time; a large tokenizer takes as long as a small graph.
fn open_both(
    files: &Folder,
    spec: &SessionSpec,
    room: Room,
) -> Result<(Graph, (Prompter, Vocabulary)), LocalError> {
    std::thread::scope(|scope| {
        let read = scope.spawn(|| Prompter::load(files));
        let graph = Graph::open(files, spec, room)?;
        let broken = |_| Err(LocalError::model(&files.tokenizer, "the tokenizer's reader panicked"));
        Ok((graph, read.join().unwrap_or_else(broken)?))
    })
}

/// A context that the cache's budget cuts is said so: answers get shorter, and long prompts go elsewhere.
fn warn_of_cap(files: &Folder, graph: &Graph, config: &LocalConfig) {
    if graph.layout.context < files.context {
        let whole = (files.context * graph.layout.bytes_per_token()).div_ceil(1 << 20);
        tracing::warn!(
            context = graph.layout.context,
            model_context = files.context,
            "local.kv-cache-mib = {} holds less than the model's context; {whole} would hold all of it",
            config.kv_cache_mib
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::Local;
    use std::sync::atomic::Ordering::Relaxed;

    use super::super::slab::GIVEN_BACK;
    use super::super::tests::{config, starter};
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn a_load_gives_back_what_reading_took_of_memory() {
        let before = GIVEN_BACK.load(Relaxed);
        let local = Local::open(&starter(), &config(), Arc::new(Metrics::new().unwrap())).unwrap();
        assert!(GIVEN_BACK.load(Relaxed) > before);
        drop(local);
    }
}
