//! Grammars over tokens: which tokens may come next so that an answer obeys a JSON schema, a regular expression or a
//! context-free grammar. The `llguidance` crate does the work; here are its limits and what is shared.
//! Promises: compile time, grammar size and work per token are bounded, and so is how many compile at once and what is
//! kept; what a request waits with is not forgotten meanwhile; nothing is fetched; errors quote no schema.

mod exact;
mod keywords;
mod one_of;
mod schema;
mod survey;

use std::collections::{HashSet, VecDeque};
#[cfg(test)]
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use llguidance::api::{ParserLimits, TopLevelGrammar};
use llguidance::earley::{Parser, SlicedBiasComputer};
use llguidance::toktrie::{
    ApproximateTokEnv, INVALID_TOKEN, InferenceCapabilities, SimpleVob, TokEnv, TokRxInfo, TokTrie,
};
use llguidance::{Matcher, ParserFactory};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(super) use self::schema::{
    is_too_costly, is_too_large, json_schema, simplify, with_options, without_patterns,
};

use super::detokenize::Vocabulary;
use crate::chat::ResponseFormat;

/// Grammars that are kept for the next request with the same one, beside those that requests wait with.
const KEPT: usize = 64;
/// What these hold at most, in bytes; the one that was used last is kept whatever it holds.
const HEAVIEST: usize = 128 << 20;
/// What a compiled grammar holds for each of its symbols, in bytes: names, rules and where they begin.
const SYMBOL: usize = 512;
/// Wishes that are remembered as planned: one leaves six grammars behind at most, those that were refused among them.
const PLANNED: usize = KEPT / 6;
/// Grammars that requests compile at the same time; more wait, so that slow ones leave the engine its cores.
const AT_ONCE: usize = 2;
/// Stack of the thread that compiles: chains of references recurse.
const STACK: usize = 64 << 20;

/// Why a grammar cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ConstraintError {
    /// No JSON Schema; says where in it, as a JSON pointer.
    #[error("it breaks the rules of JSON Schema at `{at}`")]
    Invalid { at: String },
    /// A reference out of the schema; says where.
    #[error(
        "the reference at `{at}` leads out of the schema; only `#/...` is followed and nothing is fetched"
    )]
    Reference { at: String },
    /// A grammar, but one that cannot be enforced.
    #[error("{0}")]
    Unsupported(&'static str),
    /// The tokenizer's vocabulary cannot be used for grammars.
    #[error("the vocabulary cannot be used for grammars")]
    Vocabulary,
    /// An answer came to where the grammar allows no token, or its limits were met.
    #[error("the grammar allows no next token")]
    Step,
}

/// A compiled grammar, and about how many bytes it holds.
struct Held {
    matcher: Matcher,
    bytes: usize,
}

/// What became of a grammar: refused ones are remembered too.
type Compiled = Result<Held, ConstraintError>;

/// Grammars and what became of them, used last first.
type Kept = VecDeque<(Arc<str>, Compiled)>;

/// Compiles grammars for one vocabulary. The table over the vocabulary is built at the first use and shared.
pub(super) struct Grammars {
    vocabulary: Arc<Vocabulary>,
    eos: Vec<u32>,
    factory: OnceLock<Option<ParserFactory>>,
    compiled: Mutex<Kept>,
    /// Digests of wishes that were planned not long ago: what they need is compiled, as long as it is kept.
    planned: Mutex<VecDeque<u64>>,
    places: Arc<Semaphore>,
    /// How many compile now, whoever sent them here: what was planned may have been forgotten.
    compiling: (Mutex<usize>, Condvar),
    #[cfg(test)]
    compiles: AtomicUsize,
}

/// One of those who compile now.
struct Turn<'g>(&'g (Mutex<usize>, Condvar));

impl<'g> Turn<'g> {
    fn wait(compiling: &'g (Mutex<usize>, Condvar)) -> Self {
        let (count, freed) = compiling;
        let now = count.lock().unwrap_or_else(PoisonError::into_inner);
        let now = freed.wait_while(now, |now| *now >= AT_ONCE);
        *now.unwrap_or_else(PoisonError::into_inner) += 1;
        Self(compiling)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let (count, freed) = self.0;
        *count.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        freed.notify_one();
    }
}

impl std::fmt::Debug for Grammars {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grammars").finish_non_exhaustive()
    }
}

impl Grammars {
    /// For answers in `vocabulary` that end with any of `eos`.
    pub(super) fn new(vocabulary: Arc<Vocabulary>, eos: &[u32]) -> Self {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        Self {
            vocabulary,
            eos: eos.to_vec(),
            factory: OnceLock::new(),
            compiled: Mutex::default(),
            planned: Mutex::default(),
            places,
            compiling: Default::default(),
            #[cfg(test)]
            compiles: AtomicUsize::new(0),
        }
    }

    /// How many grammars were compiled so far.
    #[cfg(test)]
    pub(super) fn compiles(&self) -> usize {
        self.compiles.load(Relaxed)
    }

    /// A place among those who may compile, for as long as it is kept; whoever leaves meanwhile waits no more. To be
    /// taken before [`Self::prepare`] and [`Self::of_format`], by whoever works for a request that is not
    /// [`Self::is_planned`] or [`Self::knows`] already.
    pub(super) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        // Nobody closes it.
        Arc::clone(&self.places).acquire_owned().await.ok()
    }

    /// Whether a wish with this digest was planned not long ago.
    pub(super) fn is_planned(&self, wish: u64) -> bool {
        let mut planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        let known = planned.iter().position(|known| *known == wish).and_then(|at| planned.remove(at));
        planned.extend(known);
        known.is_some()
    }

    /// Notes that it is planned.
    pub(super) fn note(&self, wish: u64) {
        let mut planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        planned.retain(|known| *known != wish);
        planned.push_back(wish);
        if planned.len() > PLANNED {
            planned.pop_front();
        }
    }

    /// Compiles `grammar` (`llguidance`'s JSON form) where that is not done yet. Gives the name under which it is kept: it
    /// is not forgotten while somebody has that. May take tens of milliseconds, the first time more: not for an async
    /// thread.
    pub(super) fn prepare(&self, grammar: &Arc<str>) -> Result<Arc<str>, ConstraintError> {
        self.ask(grammar, |name, _| Arc::clone(name))
    }

    /// The compiled grammar of a response format; none for free text. Takes as long as [`Self::of_schema`].
    pub(super) fn of_format(&self, format: &ResponseFormat) -> Result<Option<Arc<str>>, ConstraintError> {
        match format {
            ResponseFormat::Text => Ok(None),
            ResponseFormat::JsonObject => self.prepare(&schema::any_object()).map(Some),
            ResponseFormat::JsonSchema { schema, strict } => {
                self.of_schema(schema, *strict).map(|(_, grammar)| Some(grammar))
            }
        }
    }

    /// The compiled grammar of a JSON schema, and the schema that it is of. Takes as long as [`Self::prepare`], thrice.
    ///
    /// A strict schema is enforced or refused. Of another one, what can be enforced is: where all of it cannot, all but its
    /// patterns, or else that it is an object, or JSON.
    pub(super) fn of_schema(
        &self,
        schema: &Value,
        strict: bool,
    ) -> Result<(Value, Arc<str>), ConstraintError> {
        let prepared = |schema: Value| -> Result<(Value, Arc<str>), ConstraintError> {
            let grammar = self.prepare(&json_schema(&schema, strict)?)?;
            Ok((schema, grammar))
        };
        match prepared(schema.clone()) {
            Err(ConstraintError::Unsupported(_)) if !strict => {
                prepared(without_patterns(schema)).or_else(|_| prepared(schema::outline(schema)))
            }
            done => done,
        }
    }

    /// Begins an answer under `grammar`; quick after [`Self::prepare`].
    pub(super) fn start(&self, grammar: &Arc<str>) -> Result<Constraint, ConstraintError> {
        self.ask(grammar, |_, matcher| Constraint { matcher: matcher.deep_clone() })
    }

    /// Whether it was compiled, or refused, and is kept.
    pub(super) fn knows(&self, grammar: &Arc<str>) -> bool {
        self.kept().iter().any(|(known, _)| known == grammar)
    }

    /// Asks about a compiled grammar and the name under which it is kept; compiles it first where that is not done yet.
    fn ask<T>(
        &self,
        grammar: &Arc<str>,
        about: impl FnOnce(&Arc<str>, &Matcher) -> T,
    ) -> Result<T, ConstraintError> {
        let lost = ConstraintError::Unsupported(NO_GRAMMAR);
        let kept = match self.find(grammar) {
            Some(kept) => kept,
            None => self.keep(grammar, self.compile(grammar).ok_or_else(|| lost.clone())?),
        };
        let (name, compiled) = kept.front().ok_or(lost)?;
        compiled.as_ref().map(|held| about(name, &held.matcher)).map_err(Clone::clone)
    }

    /// What is kept, with this grammar first, if it is among it.
    fn find(&self, grammar: &str) -> Option<MutexGuard<'_, Kept>> {
        let mut kept = self.kept();
        bring(&mut kept, grammar).then_some(kept)
    }

    /// Keeps what became of a grammar, once and first, in place of those that were not used for longest and that no
    /// request waits with.
    fn keep(&self, grammar: &Arc<str>, compiled: Compiled) -> MutexGuard<'_, Kept> {
        let mut kept = self.kept();
        // Two requests may have compiled it at the same time, and the first may wait with its name.
        if !bring(&mut kept, grammar) {
            kept.push_front((Arc::clone(grammar), compiled));
        }
        while kept.len() > KEPT || bytes(&kept) > HEAVIEST {
            // The first is asked about next.
            let idle = kept.iter().rposition(|(name, _)| Arc::strong_count(name) == 1).filter(|at| *at > 0);
            let Some(at) = idle else { break };
            kept.remove(at);
        }
        kept
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.compiled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Compiles a grammar; none where the system gives no thread for it.
    fn compile(&self, grammar: &str) -> Option<Compiled> {
        let _turn = Turn::wait(&self.compiling);
        #[cfg(test)]
        self.compiles.fetch_add(1, Relaxed);
        let compile = || {
            let factory = self.factory.get_or_init(|| factory(&self.vocabulary, &self.eos));
            let factory = factory.as_ref().ok_or(ConstraintError::Vocabulary)?;
            let grammar: TopLevelGrammar =
                serde_json::from_str(grammar).map_err(|_| ConstraintError::Unsupported(NO_GRAMMAR))?;
            let parser = factory.create_parser(grammar);
            let bytes = parser.as_ref().map_or(0, |parser| parser_bytes(&parser.parser));
            let matcher = Matcher::new(parser);
            if let Some(error) = matcher.get_error() {
                return Err(ConstraintError::Unsupported(reason(&error)));
            }
            // A grammar that allows not even a first token is found here and not by the engine.
            match matcher.deep_clone().compute_mask() {
                Ok(_) => Ok(Held { matcher, bytes }),
                Err(error) => Err(ConstraintError::Unsupported(reason(&error.to_string()))),
            }
        };
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, compile).ok()?;
            Some(thread.join().unwrap_or(Err(ConstraintError::Unsupported(NO_GRAMMAR))))
        })
    }
}

/// Puts a grammar first, if it is among those that are kept.
fn bring(kept: &mut Kept, grammar: &str) -> bool {
    let at = kept.iter().position(|(known, _)| known.as_ref() == grammar);
    let Some(found) = at.and_then(|at| kept.remove(at)) else { return false };
    kept.push_front(found);
    true
}

/// About how many bytes all that is kept holds.
fn bytes(kept: &Kept) -> usize {
    kept.iter().map(|(name, compiled)| name.len() + compiled.as_ref().map_or(0, |held| held.bytes)).sum()
}

/// About how many bytes a compiled grammar holds: its symbols, and its regular expressions both as they are written and
/// as they are matched.
fn parser_bytes(parser: &Parser) -> usize {
    let grammar = parser.grammar();
    let (mut symbols, mut next) = (HashSet::from([grammar.start()]), vec![grammar.start()]);
    while let Some(symbol) = next.pop() {
        for rule in grammar.rules_of(symbol) {
            let (parts, _, _) = grammar.rule_rhs(*rule);
            next.extend(parts.iter().filter(|part| symbols.insert(**part)));
        }
    }
    symbols.len() * SYMBOL + 2 * parser.lexer_stats().num_bytes
}

const NO_GRAMMAR: &str = "it cannot be compiled";

/// Why a grammar was refused, in words of ours: those of the crate may quote the caller's schema.
fn reason(error: &str) -> &'static str {
    let reasons = [
        (&["Unknown format"][..], "it has a `format` that cannot be enforced"),
        (&["Unimplemented keys"], "it has a keyword that cannot be enforced"),
        (&["Unsatisfiable", "Regex is empty", "is empty", "NoExtension"], "nothing satisfies it"),
        (
            &["too large", "too complex", "too many", "limit", "fuel", "exceeded", "too big"],
            "it is too large or too complex",
        ),
        (&["ref", "Reference"], "it has a reference that cannot be followed"),
        (&["regex", "Regex"], "it has a `pattern` that cannot be enforced"),
    ];
    let found = reasons.iter().find(|(words, _)| words.iter().any(|word| error.contains(word)));
    found.map_or(NO_GRAMMAR, |(_, reason)| *reason)
}

/// The table over all tokens' bytes. Special tokens have none, and tokens that end answers get none, so that no
/// grammar over text allows them.
fn factory(vocabulary: &Vocabulary, eos: &[u32]) -> Option<ParserFactory> {
    let size = u32::try_from(vocabulary.len()).ok()?;
    let bytes = |id| if eos.contains(&id) { vec![] } else { vocabulary.bytes(id).to_vec() };
    let words: Vec<Vec<u8>> = (0..size).map(bytes).collect();
    let eos: Vec<u32> = eos.iter().copied().filter(|id| *id < size).collect();
    let mut trie = TokTrie::from(&TokRxInfo::new(size, INVALID_TOKEN), &words);
    if !eos.is_empty() {
        trie = trie.with_eos_tokens(&eos);
    }
    let tokens: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
    let slices = SlicedBiasComputer::general_slices();
    let mut factory = ParserFactory::new(&tokens, InferenceCapabilities::default(), &slices).ok()?;
    factory.quiet();
    *factory.limits_mut() = ParserLimits {
        step_lexer_fuel: 100_000,
        max_lexer_states: 50_000,
        verbose_errors: false,
        ..ParserLimits::default()
    };
    Some(factory)
}

/// The grammar's state in one answer.
pub(super) struct Constraint {
    matcher: Matcher,
}

impl Constraint {
    /// The tokens that may come next; end tokens where the answer may end.
    pub(super) fn allowed(&mut self) -> Result<SimpleVob, ConstraintError> {
        self.matcher.compute_mask().map_err(|_| ConstraintError::Step)
    }

    /// Takes the chosen token; true where nothing can follow it.
    pub(super) fn take(&mut self, id: u32) -> Result<bool, ConstraintError> {
        self.matcher.consume_token(id).map_err(|_| ConstraintError::Step)?;
        Ok(self.matcher.is_stopped())
    }
}

#[cfg(test)]
pub(super) mod tests;
