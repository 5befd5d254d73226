//! The classifier folder's `config.json`: what the graph wants to be fed and in which order it answers.
//! Refuses whatever this version does not compute exactly so.

use std::path::Path;

use serde::Deserialize;

use crate::routing::classifier::{features, ngrams, window};
use crate::routing::signals::Task;

/// The only form of `config.json` that this version reads.
const SCHEMA: u32 = 1;

/// The parts of `config.json` that we read; the rest tells how the model was made.
#[derive(Deserialize)]
pub(super) struct Config {
    schema: u32,
    max_tokens: usize,
    pub(super) window: TokenWindow,
    text_window: TextWindow,
    pub(super) pad_id: i64,
    features: Vec<String>,
    pub(super) code_marks: Vec<String>,
    /// Only for graphs that read n-grams.
    #[serde(default)]
    pub(super) ngrams: Option<ngrams::Spec>,
    /// The order of the output `task`; empty for graphs without one.
    #[serde(default)]
    tasks: Vec<String>,
}

#[derive(Clone, Copy, Deserialize)]
pub(super) struct TokenWindow {
    pub(super) head: usize,
    pub(super) tail: usize,
}

#[derive(Deserialize)]
struct TextWindow {
    cut_above_bytes: usize,
    head_bytes: usize,
    tail_bytes: usize,
}

impl Config {
    pub(super) fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read(file).map_err(|error| format!("cannot be read: {error}"))?;
        let config: Self = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        if config.schema != SCHEMA {
            return Err(format!("`schema` is {}, this version reads {SCHEMA}", config.schema));
        }
        if config.features != features::NAMES {
            return Err("`features` lists other features than this version computes".to_owned());
        }
        let TextWindow { cut_above_bytes, head_bytes, tail_bytes } = config.text_window;
        if (cut_above_bytes, head_bytes, tail_bytes) != (window::CUT_ABOVE, window::KEEP, window::KEEP) {
            return Err("`text_window` differs from the one that this version cuts".to_owned());
        }
        let TokenWindow { head, tail } = config.window;
        if head == 0 || tail == 0 || head + tail != config.max_tokens || config.max_tokens > 4096 {
            return Err("`window` must add up to `max_tokens`, at most 4096".to_owned());
        }
        if config.ngrams.as_ref().is_some_and(|spec| !spec.is_ours()) {
            return Err("`ngrams` describes others than this version computes".to_owned());
        }
        if let Some(unknown) = config.tasks.iter().find(|name| Task::parse(name).is_none()) {
            return Err(format!("`tasks` lists `{unknown}`, which no policy can name"));
        }
        Ok(config)
    }

    /// The tasks in the order of the output `task`.
    pub(super) fn tasks(&self) -> Vec<Task> {
        self.tasks.iter().filter_map(|name| Task::parse(name)).collect()
    }
}
