//! `[embeddings]`: the model behind `/v1/embeddings`.

use serde::{Deserialize, Serialize};

use super::load::Problem;

/// `[embeddings]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct EmbeddingsConfig {
    /// Whether an embedding model is loaded; none ships.
    pub enabled: bool,
    /// A folder below the models folder, or a path, in the layout of sentence-transformers or transformers.js. Its last part
    /// is the model's name in requests.
    pub model: String,
    /// How a text's token vectors become one: `mean`, `cls`, `max`, `last`, or `auto`, as the graph does it or the folder says
    /// itself.
    pub pooling: Pooling,
    /// Threads of the model; 0 means one per physical core.
    pub threads: usize,
    /// Requests that may be at work or wait; one more is refused.
    pub queue: usize,
    /// Most tokens that are run together; a longer text runs alone. Graphs that quantise all texts of a run with one scale (int8
    /// with activations quantised as they come) get one text at a time.
    pub max_batch_tokens: usize,
}

/// How a text's token vectors become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// As the model's folder says.
    #[default]
    Auto,
    /// Their mean.
    Mean,
    /// The first token's.
    Cls,
    /// The greatest number of each dimension.
    Max,
    /// The last token's.
    Last,
}

impl Default for EmbeddingsConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            model: "embedder".to_owned(),
            pooling: Pooling::Auto,
            threads: 0,
            queue: 64,
            max_batch_tokens: 4096,
        }
    }
}

impl EmbeddingsConfig {
    pub(super) fn check(&self, problems: &mut Vec<Problem>) {
        let counts = [
            ("embeddings.queue", self.queue, 1, 100_000),
            ("embeddings.max-batch-tokens", self.max_batch_tokens, 1, 1 << 20),
            ("embeddings.threads", self.threads, 0, 256),
        ];
        for (key, value, least, most) in counts {
            if !(least..=most).contains(&value) {
                problems.push(Problem::key(key, format!("is {value}, must lie between {least} and {most}")));
            }
        }
    }
}
