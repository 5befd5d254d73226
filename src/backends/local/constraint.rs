//! Grammars over tokens: which tokens may come next so that an answer obeys a JSON schema, a regular expression or a
//! context-free grammar. The `llguidance` crate does the work; here are its limits and what is shared.
//! Promises: compile time, grammar size and work per token are bounded; nothing is fetched; no schema text in errors.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use llguidance::api::{ParserLimits, TopLevelGrammar};
use llguidance::earley::SlicedBiasComputer;
use llguidance::toktrie::{
    ApproximateTokEnv, INVALID_TOKEN, InferenceCapabilities, SimpleVob, TokEnv, TokRxInfo, TokTrie,
};
use llguidance::{Matcher, ParserFactory};

use super::detokenize::Vocabulary;

/// Compiled grammars that are kept for the next request with the same one.
const KEPT: usize = 16;
/// Stack of the thread that compiles: chains of references recurse.
const STACK: usize = 64 << 20;

/// Why a grammar cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ConstraintError {
    /// The grammar is not one, or asks for what cannot be enforced.
    #[error("the grammar cannot be compiled")]
    Grammar,
    /// The tokenizer's vocabulary cannot be used for grammars.
    #[error("the vocabulary cannot be used for grammars")]
    Vocabulary,
    /// An answer came to where the grammar allows no token, or its limits were met.
    #[error("the grammar allows no next token")]
    Step,
}

/// Compiles grammars for one vocabulary. The table over the vocabulary is built at the first use and shared.
pub(super) struct Grammars {
    vocabulary: Arc<Vocabulary>,
    eos: Vec<u32>,
    factory: OnceLock<Option<ParserFactory>>,
    compiled: Mutex<VecDeque<(Arc<str>, Matcher)>>,
}

impl std::fmt::Debug for Grammars {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grammars").finish_non_exhaustive()
    }
}

impl Grammars {
    /// For answers in `vocabulary` that end with any of `eos`.
    pub(super) fn new(vocabulary: Arc<Vocabulary>, eos: &[u32]) -> Self {
        Self { vocabulary, eos: eos.to_vec(), factory: OnceLock::new(), compiled: Mutex::default() }
    }

    /// Compiles `grammar` (`llguidance`'s JSON form) where that is not done yet. May take tens of milliseconds, the
    /// first time more: not for an async thread.
    pub(super) fn prepare(&self, grammar: &Arc<str>) -> Result<(), ConstraintError> {
        self.compiled(grammar).map(drop)
    }

    /// Begins an answer under `grammar`; quick after [`Self::prepare`].
    pub(super) fn start(&self, grammar: &Arc<str>) -> Result<Constraint, ConstraintError> {
        Ok(Constraint { matcher: self.compiled(grammar)? })
    }

    fn compiled(&self, grammar: &Arc<str>) -> Result<Matcher, ConstraintError> {
        let mut kept = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, matcher)) = kept.iter().find(|(known, _)| known == grammar) {
            return Ok(matcher.deep_clone());
        }
        drop(kept);
        let matcher = self.compile(grammar)?;
        let own = matcher.deep_clone();
        kept = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        kept.truncate(KEPT - 1);
        kept.push_front((Arc::clone(grammar), matcher));
        Ok(own)
    }

    fn compile(&self, grammar: &str) -> Result<Matcher, ConstraintError> {
        let compile = || {
            let factory = self.factory.get_or_init(|| factory(&self.vocabulary, &self.eos));
            let factory = factory.as_ref().ok_or(ConstraintError::Vocabulary)?;
            let grammar: TopLevelGrammar =
                serde_json::from_str(grammar).map_err(|_| ConstraintError::Grammar)?;
            let matcher = Matcher::new(factory.create_parser(grammar));
            if matcher.is_error() { Err(ConstraintError::Grammar) } else { Ok(matcher) }
        };
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, compile);
            thread.ok().and_then(|thread| thread.join().ok()).unwrap_or(Err(ConstraintError::Grammar))
        })
    }
}

/// The table over all tokens' bytes. Special tokens have none, so that no grammar over text allows them.
fn factory(vocabulary: &Vocabulary, eos: &[u32]) -> Option<ParserFactory> {
    let size = u32::try_from(vocabulary.len()).ok()?;
    let words: Vec<Vec<u8>> = (0..size).map(|id| vocabulary.bytes(id).to_vec()).collect();
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
