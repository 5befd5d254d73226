//! `[local]`: the model in this process, and what its hardware and energy cost.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::load::Problem;
use super::log::LogConfig;
use super::model_root;

/// `[local]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LocalConfig {
    /// Whether a local model is loaded at all.
    pub enabled: bool,
    /// The default model: a folder below the models folder, a pulled model, or a path. Loaded at start.
    pub model: String,
    /// More models that callers may name, written likewise; each is loaded when it is first asked for. A model is called as
    /// its folder is.
    pub models: Vec<String>,
    /// Those of `models` that are loaded at start.
    pub warm: Vec<String>,
    /// Memory that all loaded models may take, caches included, in MiB; the longest unused one leaves when another needs
    /// the room. 0: no limit.
    pub memory_mib: usize,
    /// Threads of the decode pool; 0 means one per physical core, fewer for a model too small to share.
    pub threads: usize,
    /// Whether threads of the decode pool look for work for a moment between two operators before they sleep: faster on
    /// several idle cores, slower where others want the same cores.
    pub spin: bool,
    /// Whether prompts are read by the folder's `prefill.onnx`, where it has one: several times faster, for the memory of a
    /// second form of the weights. On x86 it needs a processor with VNNI.
    pub prefill_form: bool,
    /// Whether an answer that repeats its prompt or itself gets several tokens of one run, by the folder's `verify.onnx` where
    /// it has one: `prompt-lookup`, or `off`. Changes no answer: a form that is not exact on this machine is not used. With it
    /// all steps of a model that needs pairs of rows run over them (`pair-rows`), as with a `seed`.
    pub speculation: Speculation,
    /// Answers that each loaded model generates at the same time.
    pub max_streams: usize,
    /// Whether steps for an answer with a `seed` run over an even number of rows, where the graph's kernels sum a row that is alone
    /// otherwise than rows in pairs (int4 with blocks of 64 or more, on some processors): it is then the same whoever runs beside
    /// it. Costs one that runs alone 7 to 18 % more time. Answers without a seed pay only beside one that has one, or where drafts
    /// are made; models that do not need it pay for the trial at load alone.
    pub pair_rows: bool,
    /// Whether large blocks of this process's memory, models' weights for the most part, are gathered into huge pages after a
    /// model is loaded, which Linux does on request since version 6.1: models of hundreds of megabytes answered 3 to 11 %
    /// faster. Elsewhere nothing happens.
    pub huge_pages: bool,
    /// Requests that may wait for each model; one more is refused. One API key may hold three quarters of the places.
    pub queue: usize,
    /// Memory for keys and values of all answers under way, of each loaded model, in MiB; a model whose context needs more gets
    /// a shorter one.
    pub kv_cache_mib: usize,
    /// Memory for prompt beginnings that later requests of the same API key, `user`, `safety_identifier` and
    /// `prompt_cache_key` need not compute again, of each loaded model, in MiB; 0 turns it off. Requests without an API key do
    /// not take part.
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

/// Where drafts of the next tokens come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Speculation {
    /// There are none.
    #[default]
    Off,
    /// From what followed the same tokens before, in the prompt or the answer.
    PromptLookup,
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
            models: vec![],
            warm: vec![],
            memory_mib: 0,
            threads: 0,
            spin: true,
            prefill_form: true,
            speculation: Speculation::default(),
            max_streams: 8,
            pair_rows: true,
            huge_pages: true,
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
        self.check_models(problems);
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

    fn check_models(&self, problems: &mut Vec<Problem>) {
        let called: Vec<&str> = self.all().map(name_of).collect();
        for (at, name) in called.iter().enumerate().skip(1) {
            if called[..at].contains(name) {
                let message = format!("`{name}` is named twice, with local.model");
                problems.push(Problem::key("local.models", message));
            }
        }
        for name in self.warm.iter().filter(|name| !called.contains(&name.as_str())) {
            let message = format!("`{name}` is not among local.models");
            problems.push(Problem::key("local.warm", message));
        }
    }

    /// Every model as it is written, the default first.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.model.as_str()).chain(self.models.iter().map(String::as_str))
    }

    /// Whether the model at this place of [`Self::all`] is loaded at start.
    pub fn is_warm(&self, at: usize) -> bool {
        at == 0 || self.all().nth(at).is_some_and(|model| self.warm.iter().any(|warm| warm == name_of(model)))
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

/// What a model that is written as a name or path is called: as its folder is, where a graph is named.
fn name_of(model: &str) -> &str {
    let path = Path::new(model);
    let folder = model_root(path).map_or(path, |(folder, _)| folder);
    folder.file_name().and_then(OsStr::to_str).unwrap_or(model)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_has_a_name_of_its_own_and_warm_ones_are_known() {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let problems = |models: &[&str], warm: &[&str]| {
            let config = LocalConfig { models: list(models), warm: list(warm), ..LocalConfig::default() };
            let mut problems = vec![];
            config.check(&mut problems);
            problems.into_iter().filter_map(|problem| problem.key).collect::<Vec<_>>()
        };
        assert!(problems(&["tiny", "/elsewhere/big/"], &["big", "starter"]).is_empty());
        assert!(problems(&["/a/one/onnx/model.onnx", "/a/two/model_q4.onnx"], &["two"]).is_empty());
        assert_eq!(problems(&["tiny", "x/tiny"], &[]), ["local.models"]);
        assert_eq!(problems(&["./starter"], &["tiny"]), ["local.models", "local.warm"]);
    }

    #[test]
    fn drafts_come_from_the_prompt_or_from_nowhere() {
        let read = |word: &str| toml::from_str::<LocalConfig>(&format!("speculation = \"{word}\""));
        assert_eq!(read("off").unwrap().speculation, LocalConfig::default().speculation);
        assert_eq!(read("prompt-lookup").unwrap().speculation, Speculation::PromptLookup);
        assert!(read("draft-model").is_err());
    }
}
