//! Builds the house from its settings; the only file that knows every room. Collects every problem before it gives up.

mod background;
mod calibrate;
mod evaluate;
mod schedule;
mod shadow;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::backends::local::Residents;
use crate::backends::local::embed::Embedder;
use crate::backends::remote::{Remote, refuse_own};
use crate::backends::{Backend, Kind, Readiness};
use crate::config::{Config, ConfigError, Paths, Problem, RemoteConfig, Secret};
use crate::evals::Suite;
use crate::ledger::{self, Ledger, LedgerError, Prices, Samples, Shadows};
use crate::metrics::{ClosedSets, Metrics};
use crate::pipeline::{Gate, Names, Parts, Pipeline};
use crate::routing::{self, EarlyGate, LOCAL, Present, REMOTE, Reason, Router, Standing};

pub use background::Background;
pub use calibrate::{GoldenReader, bound, held_to_golden};
pub use evaluate::EvalHouse;

/// The variable that names the remote's address where the settings do not.
const BASE_URL: &str = "OPENAI_BASE_URL";

/// Where the records of a house go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// To the SQLite file of the settings.
    File,
    /// Nowhere: closed outcomes wait for [`Ledger::take`].
    Memory,
}

/// A gateway, ready to be served or driven in process.
pub struct House {
    /// The settings it was built from.
    pub config: Config,
    /// Answers requests.
    pub pipeline: Arc<Pipeline>,
    /// Keeps the records.
    pub ledger: Arc<Ledger>,
    /// Where the records lie, if in a file.
    pub ledger_file: Option<PathBuf>,
    samples: Mutex<Option<Samples>>,
    suites: Vec<Suite>,
    paths: Paths,
    /// How its calibration stands.
    pub calibration: Standing,
}

impl House {
    /// Opens policies, classifier, models, prices and ledger.
    ///
    /// # Errors
    /// Every problem of every room, each with its file or key and what mends it.
    pub fn open(mut config: Config, paths: &Paths, store: Store) -> Result<Self, ConfigError> {
        let mut problems = vec![];
        let early_gate =
            keep(&mut problems, early_gate(&config, paths).map_err(|problem| vec![problem])).flatten();
        if let Some(gate) = &early_gate {
            config.local.watched_tokens = gate.judge.tokens;
        }
        config.local.worker.log = config.log.clone();
        let metrics = Arc::new(Metrics::new().map_err(|error| one(error.to_string()))?);
        // Side by side: a calibration is held against the hash of every model file, which takes as long as loading them.
        let (router, local) = std::thread::scope(|scope| {
            let local = scope.spawn(|| open_local(&config, paths, &metrics));
            let router = routing::open(&config, paths, Arc::clone(&metrics));
            (router, local.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        let router = keep(&mut problems, router).map(held_to_golden);
        if let (Some(gate), Some(router)) = (&early_gate, &router)
            && let Err(message) = gate.judge.check_head(router.standing())
        {
            problems.push(gate_problem(&config, paths, message));
        }
        let local = keep(&mut problems, local.map_err(|problem| vec![problem]));
        let remote =
            open_remote(&config.remote, config.server.listen, &metrics).map_err(|problem| vec![problem]);
        let remote = keep(&mut problems, remote);
        let embedder = keep(&mut problems, open_embedder(&config, paths)).flatten();
        let ledger_file = (store == Store::File).then(|| ledger::file(&config.ledger, &paths.state));
        let ledger = keep(&mut problems, open_ledger(&config, ledger_file.as_deref(), metrics));
        let suites = keep(&mut problems, schedule::suites(&config.golden)).unwrap_or_default();
        let backends: Vec<Arc<dyn Backend>> = local.flatten().into_iter().chain(remote).collect();
        // With a backend missing through a problem of its own, names onto it would be false alarms.
        let names = match problems.is_empty() {
            true => keep(&mut problems, names(&config, &router, &backends, embedder.as_ref())),
            false => None,
        };
        let (Some(router), Some(ledger), Some(names)) = (router, ledger, names) else {
            return Err(ConfigError { problems });
        };
        let ledger = Arc::new(ledger);
        seed(ledger.metrics(), &router, embedder.as_ref());
        let calibration = router.standing().clone();
        let parts = Parts {
            router,
            backends,
            names,
            ledger: Arc::clone(&ledger),
            early_gate,
            config: config.clone(),
        };
        let (shadows, samples) = Shadows::channel();
        let pipeline = Arc::new(Pipeline::new(parts).with_shadows(shadows).with_embedder(embedder));
        let (samples, paths) = (Mutex::new(Some(samples)), paths.clone());
        Ok(Self { config, pipeline, ledger, ledger_file, samples, suites, paths, calibration })
    }

    /// One line for each backend: its name, model and state.
    pub fn backends(&self) -> Vec<String> {
        let line = |backend: &Arc<dyn Backend>| {
            let profile = backend.profile();
            let state = match backend.readiness() {
                Readiness::Ready => "ready".to_owned(),
                Readiness::Busy { .. } => "busy".to_owned(),
                Readiness::Down { why, .. } => format!("not ready: {why}"),
            };
            format!("{:<7} {:<16} {state}", profile.id.as_str(), profile.model)
        };
        self.pipeline.backends().iter().map(line).collect()
    }
}

/// Lets every series of the closed sets exist, so that no first event is missed.
fn seed(metrics: &Metrics, router: &Router, embedder: Option<&Embedder>) {
    metrics.seed(&ClosedSets {
        policies: &router.policies().collect::<Vec<_>>(),
        backends: &[LOCAL, REMOTE],
        reasons: &Reason::ALL.map(Reason::label),
        passed_over: &[Reason::NoRemote, Reason::NoLocal, Reason::LocalBusy].map(Reason::label),
        failures: &Kind::ALL.map(Kind::label),
        embedder: embedder.map(|embedder| embedder.id().as_str()),
    });
}

/// The value, or `None` with its problems put aside.
fn keep<T>(problems: &mut Vec<Problem>, result: Result<T, Vec<Problem>>) -> Option<T> {
    result.map_err(|found| problems.extend(found)).ok()
}

fn one(message: String) -> ConfigError {
    ConfigError { problems: vec![Problem { file: None, key: None, message }] }
}

/// The early gate, where it is switched on: its judge must have been fitted on the models that are installed. Whether it
/// was fitted on the score that steers is seen when the router is open.
fn early_gate(config: &Config, paths: &Paths) -> Result<Option<Gate>, Problem> {
    let settings = &config.early_gate;
    if !settings.enabled {
        return Ok(None);
    }
    let judge = EarlyGate::read(&gate_file(config, paths))?;
    judge.check(&Present::look(config, paths)).map_err(|message| gate_problem(config, paths, message))?;
    Ok(Some(Gate { judge, max_wait: settings.max_wait() }))
}

fn gate_file(config: &Config, paths: &Paths) -> PathBuf {
    config.early_gate.file.clone().unwrap_or_else(|| paths.state.join("early-gate.json"))
}

fn gate_problem(config: &Config, paths: &Paths, message: String) -> Problem {
    Problem { file: Some(gate_file(config, paths)), key: Some("early-gate.file".to_owned()), message }
}

fn open_local(
    config: &Config,
    paths: &Paths,
    metrics: &Arc<Metrics>,
) -> Result<Option<Arc<dyn Backend>>, Problem> {
    if !config.local.enabled {
        return Ok(None);
    }
    let folders: Vec<PathBuf> = config.local.all().map(|name| paths.model(name)).collect();
    match Residents::open(&folders, &config.local, metrics) {
        Ok(models) => Ok(Some(Arc::new(models))),
        Err((0, error)) => Err(keyed("local.model", error)),
        Err((_, error)) => Err(keyed("local.models", error)),
    }
}

fn open_embedder(config: &Config, paths: &Paths) -> Result<Option<Embedder>, Vec<Problem>> {
    let settings = &config.embeddings;
    if !settings.enabled {
        return Ok(None);
    }
    let opened = Embedder::open(&paths.model(&settings.model), settings);
    opened.map(Some).map_err(|error| vec![keyed("embeddings.model", error)])
}

/// Every name that callers may use; an alias may mean the embedding model too.
fn names(
    config: &Config,
    router: &Option<Router>,
    backends: &[Arc<dyn Backend>],
    embedder: Option<&Embedder>,
) -> Result<Names, Vec<Problem>> {
    let policies = router.iter().flat_map(Router::policies);
    let Some(embedder) = embedder else {
        return Names::new(&config.policy, policies, backends, &config.aliases);
    };
    let mut others = config.aliases.clone();
    others.retain(|_, target| target != embedder.name());
    let names = Names::new(&config.policy, policies, backends, &others)?;
    names.with_embedder(embedder.name(), &config.aliases).map_err(|problem| vec![problem])
}

fn keyed(key: &str, message: impl fmt::Display) -> Problem {
    Problem::key(key, message.to_string())
}

/// The remote at the configured address, else the environment's, else OpenAI's; never at the gateway's own.
fn open_remote(
    config: &RemoteConfig,
    listens: SocketAddr,
    metrics: &Arc<Metrics>,
) -> Result<Arc<dyn Backend>, Problem> {
    let from_environment = match config.base_url {
        Some(_) => None,
        None => std::env::var(BASE_URL).ok().filter(|url| !url.trim().is_empty()),
    };
    let base_url = config.base_url.as_deref().or(from_environment.as_deref());
    let base_url = base_url.unwrap_or(RemoteConfig::DEFAULT_BASE_URL);
    let key = Secret::from_env(&config.api_key_env);
    let own = refuse_own(base_url, listens);
    match own.and_then(|()| Remote::new(config, key, base_url, Arc::clone(metrics))) {
        Ok(remote) => Ok(Arc::new(remote)),
        Err(problem) if from_environment.is_some() && problem.key.as_deref() == Some("remote.base-url") => {
            Err(Problem { key: Some(BASE_URL.to_owned()), ..problem })
        }
        Err(problem) => Err(problem),
    }
}

fn open_ledger(
    config: &Config,
    file: Option<&std::path::Path>,
    metrics: Arc<Metrics>,
) -> Result<Ledger, Vec<Problem>> {
    let remote_model = &config.remote.model;
    match file {
        Some(file) => Ledger::open(&config.ledger, &config.local, remote_model, file, metrics)
            .map_err(LedgerError::problems),
        None => {
            let prices = Prices::load(config.ledger.prices.as_deref())?;
            Ok(Ledger::in_memory(prices, &config.local, remote_model, metrics))
        }
    }
}
