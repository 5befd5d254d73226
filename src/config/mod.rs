//! Typed settings, one file per section. Unknown keys are refused; every problem is reported at once with its key.
//! Layers, later ones win: defaults, `crossover.toml`, `CROSSOVER__SECTION__KEY`. Secrets are named, never written here.

mod classifier;
mod early_gate;
mod embeddings;
mod environment;
mod golden;
mod ledger;
mod load;
mod local;
mod log;
mod paths;
mod remote;
mod server;
mod strict;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use classifier::ClassifierConfig;
pub use early_gate::EarlyGateConfig;
pub use embeddings::{EmbeddingsConfig, Pooling};
pub use golden::GoldenConfig;
pub use ledger::LedgerConfig;
pub use load::{ConfigError, Problem, load};
pub use local::{Isolation, LocalConfig, Speculation, WorkerConfig};
pub use log::{LogConfig, LogFormat};
pub use paths::{GRAPH_FOLDER, Paths, model_root};
pub use remote::{RemoteConfig, Secret};
pub use server::ServerConfig;

/// The only schema this version reads.
pub const SCHEMA_VERSION: u32 = 1;

/// All settings.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Config {
    /// Version of this file's form; 1.
    pub schema_version: u32,
    /// The policy in charge when a request names none.
    pub policy: String,
    /// Folder of the shipped and your own policies.
    pub policies_dir: Option<std::path::PathBuf>,
    /// Folder of model folders.
    pub models_dir: Option<std::path::PathBuf>,
    /// Names that applications already send, and what they mean here: `auto`, `local`, `remote`, a policy, a model of the local
    /// or the remote backend, or the embedding model.
    pub aliases: BTreeMap<String, String>,
    /// Listeners and limits.
    pub server: ServerConfig,
    /// The model in this process.
    pub local: LocalConfig,
    /// The API to send hard requests to.
    pub remote: RemoteConfig,
    /// The request classifier.
    pub classifier: ClassifierConfig,
    /// Second thoughts on a local answer, by its first tokens.
    pub early_gate: EarlyGateConfig,
    /// The model behind `/v1/embeddings`.
    pub embeddings: EmbeddingsConfig,
    /// Where outcomes and prices are kept.
    pub ledger: LedgerConfig,
    /// Golden sets that the gateway runs by itself.
    pub golden: GoldenConfig,
    /// What is logged.
    pub log: LogConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            policy: "balanced".to_owned(),
            policies_dir: None,
            models_dir: None,
            aliases: BTreeMap::new(),
            server: ServerConfig::default(),
            local: LocalConfig::default(),
            remote: RemoteConfig::default(),
            classifier: ClassifierConfig::default(),
            early_gate: EarlyGateConfig::default(),
            embeddings: EmbeddingsConfig::default(),
            ledger: LedgerConfig::default(),
            golden: GoldenConfig::default(),
            log: LogConfig::default(),
        }
    }
}
