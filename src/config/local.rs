//! `[local]`: the model in this process, and what its hardware and energy cost.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::load::Problem;
use super::log::LogConfig;

/// `[local]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LocalConfig {
    /// Whether a local model is loaded at all.
    pub enabled: bool,
    /// A folder below the models folder, or a path.
    pub model: String,
    /// Threads of the decode pool; 0 means one per physical core, fewer for a model too small to share.
    pub threads: usize,
    /// Whether threads of the decode pool look for work for a moment between two operators before they sleep: faster on
    /// several idle cores, slower where others want the same cores.
    pub spin: bool,
    /// Whether prompts are read by the folder's `prefill.onnx`, where it has one: several times faster, for the memory of a
    /// second form of the weights.
    pub prefill_form: bool,
    /// Answers generated at the same time.
    pub max_streams: usize,
    /// Requests that may wait; one more is refused. One API key may hold three quarters of the places.
    pub queue: usize,
    /// Memory for keys and values of all answers under way, in MiB; a model whose context needs more gets a shorter one.
    pub kv_cache_mib: usize,
    /// Memory for prompt beginnings that later requests of the same key and user need not compute again, in MiB; 0 turns
    /// it off. Requests without an API key do not take part.
    pub prefix_cache_mib: usize,
    /// Whether all callers share prompt beginnings: faster, but the time to the first token then tells whether somebody
    /// else has sent the same beginning.
    pub prefix_cache_shared: bool,
    /// Longest generation of one answer, in seconds.
    pub max_seconds: u64,
    /// Where the model runs: `thread` of the gateway, or a `process` of its own, which may crash or hang without taking the
    /// gateway with it and is then replaced.
    pub isolation: Isolation,
    /// Longest that one step of the model may take before it counts as hung, in seconds.
    pub step_deadline_seconds: u64,
    /// Price of this machine while it generates, in dollars per hour (purchase or rent spread over its hours).
    pub hourly_hardware_usd: f64,
    /// Power drawn while it generates, in watts.
    pub watts: f64,
    /// Price of energy, in dollars per kilowatt-hour.
    pub usd_per_kwh: f64,
    /// First tokens of an answer whose confidence the engine tells; set by the early gate, not by the file.
    #[serde(skip)]
    pub watched_tokens: usize,
    /// How a worker process is started; set by the gateway, not by the file.
    #[serde(skip)]
    pub worker: WorkerConfig,
}

/// Where the local model runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// On a thread of the gateway.
    #[default]
    Thread,
    /// In a process of its own.
    Process,
}

/// How a worker process is started.
#[derive(Clone, Debug, Default)]
pub struct WorkerConfig {
    /// The `crossover` program; `None`: the one that runs.
    pub program: Option<PathBuf>,
    /// What it logs.
    pub log: LogConfig,
}

impl Default for LocalConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            model: "starter".to_owned(),
            threads: 0,
            spin: true,
            prefill_form: true,
            max_streams: 8,
            queue: 32,
            kv_cache_mib: 1024,
            prefix_cache_mib: 256,
            prefix_cache_shared: false,
            max_seconds: 120,
            isolation: Isolation::Thread,
            step_deadline_seconds: 60,
            hourly_hardware_usd: 0.05,
            watts: 45.0,
            usd_per_kwh: 0.25,
            watched_tokens: 0,
            worker: WorkerConfig::default(),
        }
    }
}

impl LocalConfig {
    pub(super) fn check(&self, problems: &mut Vec<Problem>) {
        let counts = [
            ("local.max-streams", self.max_streams, 64),
            ("local.queue", self.queue, 100_000),
            ("local.kv-cache-mib", self.kv_cache_mib, 1 << 24),
            ("local.max-seconds", self.max_seconds as usize, 86_400),
            ("local.step-deadline-seconds", self.step_deadline_seconds as usize, 3_600),
        ];
        for (key, value, most) in counts {
            if !(1..=most).contains(&value) {
                problems.push(Problem::key(key, format!("is {value}, must lie between 1 and {most}")));
            }
        }
        if self.prefix_cache_mib > 1 << 24 {
            problems.push(Problem::key("local.prefix-cache-mib", "must be at most 16777216".to_owned()));
        }
        if self.threads > 256 {
            problems.push(Problem::key("local.threads", "must be at most 256".to_owned()));
        }
        let prices = [
            ("local.hourly-hardware-usd", self.hourly_hardware_usd),
            ("local.watts", self.watts),
            ("local.usd-per-kwh", self.usd_per_kwh),
        ];
        for (key, value) in prices {
            if !value.is_finite() || value < 0.0 {
                problems.push(Problem::key(key, format!("is {value}, must be a number of at least 0")));
            }
        }
        if self.hourly_usd() <= 0.0 {
            problems.push(Problem::key(
                "local.hourly-hardware-usd",
                "hardware and energy together cost nothing; local answers are never free: set one of them"
                    .to_owned(),
            ));
        }
    }

    /// Longest that one step of the model may take.
    pub fn step_deadline(&self) -> Duration {
        Duration::from_secs(self.step_deadline_seconds)
    }

    /// Dollars per hour of generating: hardware and energy.
    pub fn hourly_usd(&self) -> f64 {
        self.hourly_hardware_usd + self.watts / 1000.0 * self.usd_per_kwh
    }
}
