//! The promise that scheduled golden runs show the quality of a backend, cost nothing unasked and let clients go first.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crossover::app::{House, Store};
use crossover::chat::RequestId;
use crossover::config::Config;
use crossover::ledger::{Ledger, Origin, Prices};
use crossover::metrics::Metrics;
use crossover::pipeline::{Names, Parts, Pipeline};
use crossover::routing::{
    Calibration, Classifier, ClassifierError, LEAST, Policy, Router, Signals, Standing, Verdict,
};
use serde_json::{Value, json};

use crate::support::gateway::{Gateway, config, paths};
use crate::support::reply::rows;
use crate::support::scripted_upstream::ScriptedUpstream;

const ROWS: usize = 4;

/// A set whose answers the double's remote gives right and the local model hardly ever.
fn suite(folder: &Path) -> PathBuf {
    let suite = folder.join("suite");
    std::fs::create_dir(&suite).unwrap();
    let about =
        "name = \"greeting\"\nversion = \"1\"\nabout = \"a test\"\nlicence = \"CC0-1.0\"\nmax-tokens = 4\n";
    std::fs::write(suite.join("suite.toml"), about).unwrap();
    let lines = (0..ROWS).map(|at| {
        json!({ "id": format!("r{at}"), "messages": [{ "role": "user", "content": "Say hi." }],
            "expected": "zzqx", "scorer": "contains", "task": "t" })
        .to_string()
    });
    std::fs::write(suite.join("suite.jsonl"), lines.collect::<Vec<_>>().join("\n")).unwrap();
    suite
}

fn of(rows: &[Value], origin: &str) -> usize {
    rows.iter().filter(|row| row["origin"] == origin).count()
}

#[tokio::test]
async fn a_scheduled_run_exports_the_quality_of_the_local_backend_and_asks_nobody_else() {
    let upstream = ScriptedUpstream::start().await;
    let folder = tempfile::tempdir().unwrap();
    let suite = suite(folder.path());
    let gateway = Gateway::with(&upstream.base_url(), |config| {
        config.local.enabled = true;
        config.golden.suites = vec![suite];
    })
    .await;
    gateway.until("golden_runs_total", &[("outcome", "done")], 1.0).await;
    let metrics = gateway.metrics().await;
    let quality = [("backend", "local"), ("suite", "greeting")];
    assert_eq!(metrics.values("backend_quality", "suite"), ["greeting"]);
    assert_eq!(metrics.sum("backend_quality", &quality), 0.0);
    assert_eq!(metrics.values("eval_quality", "suite").len(), 0, "an eval run is something else");
    assert_eq!(metrics.sum("requests_total", &[]), 0.0, "no client asked");
    assert!(metrics.sum("background_cost_usd_total", &[("origin", "golden"), ("backend", "local")]) > 0.0);
    let rows = gateway.rows();
    assert_eq!((rows.len(), of(&rows, "golden")), (ROWS, ROWS));
    assert_eq!(upstream.bytes_received(), 0);
}

#[tokio::test]
async fn the_remote_is_run_only_where_the_settings_say_so() {
    let upstream = ScriptedUpstream::start().await;
    let folder = tempfile::tempdir().unwrap();
    let suite = suite(folder.path());
    let gateway = Gateway::with(&upstream.base_url(), |config| {
        config.golden.suites = vec![suite];
        config.golden.limit = 2;
        config.golden.tiers = vec!["remote".to_owned()];
        config.golden.ask_remote = true;
    })
    .await;
    gateway.until("golden_runs_total", &[("outcome", "done")], 1.0).await;
    assert_eq!(upstream.seen().len(), 2);
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.values("backend_quality", "backend"), ["remote"]);
    assert!(metrics.sum("background_cost_usd_total", &[("origin", "golden"), ("backend", "remote")]) > 0.0);
    assert_eq!(metrics.sum("cost_usd_total", &[]), 0.0);
}

#[tokio::test]
async fn a_remote_that_thinks_is_asked_as_it_wants_and_from_then_on() {
    let upstream = ScriptedUpstream::start().await;
    let folder = tempfile::tempdir().unwrap();
    let suite = suite(folder.path());
    let gateway = Gateway::with(&upstream.base_url(), |config| {
        config.golden.suites = vec![suite];
        config.golden.tiers = vec!["remote".to_owned()];
        config.golden.ask_remote = true;
        config.remote.model = "reasoner".to_owned();
    })
    .await;
    gateway.until("golden_runs_total", &[("outcome", "done")], 1.0).await;
    let bodies: Vec<Value> =
        upstream.seen().iter().map(|seen| serde_json::from_slice(&seen.body).unwrap()).collect();
    let bounds: Vec<(bool, bool)> = bodies
        .iter()
        .map(|body| (body.get("temperature").is_some(), body["max_completion_tokens"] == 4))
        .collect();
    assert_eq!(bounds[..3], [(true, false), (true, true), (false, true)], "two refusals taught it");
    assert_eq!(bounds[2..], [(false, true); ROWS]);
}

#[tokio::test]
async fn models_are_hashed_behind_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    std::fs::create_dir(&model).unwrap();
    // The digest of so large a file is kept beside it.
    std::fs::File::create(model.join("weights")).unwrap().set_len(64 << 20).unwrap();
    let mut settings = config("http://127.0.0.1:1/v1", folder.path());
    settings.local.model = model.display().to_string();
    settings.golden.suites = vec![suite(folder.path())];
    let house = House::open(settings, &paths(folder.path()), Store::File).unwrap();
    let _background = house.start_background();
    assert_eq!(std::fs::read_dir(&model).unwrap().count(), 1, "nothing was hashed yet");
    let hashed = async {
        while std::fs::read_dir(&model).unwrap().count() == 1 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), hashed).await.expect("then it is");
}

#[tokio::test]
async fn d12_clients_go_first() {
    let upstream = ScriptedUpstream::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut settings: Config = config(&upstream.base_url(), folder.path());
    settings.local.enabled = true;
    settings.golden.suites = vec![suite(folder.path())];
    settings.remote.model = "slowstream".to_owned();
    let house = House::open(settings, &paths(folder.path()), Store::File).unwrap();
    let body =
        json!({ "model": "remote", "stream": true, "messages": [{ "role": "user", "content": "hi" }] });
    let request = crossover::dialects::openai_chat::parse_request(body.to_string().into()).unwrap();
    let request = Arc::new(request);
    let open = || house.pipeline.open(RequestId::fresh(), Origin::Live);
    let held = house.pipeline.answer(Arc::clone(&request), open()).await.ok().unwrap();
    let _background = house.start_background();
    for _ in 0..5 {
        drop(house.pipeline.answer(Arc::clone(&request), open()).await.ok().unwrap());
    }
    // A run that did not wait would have asked its first row by then.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(house.ledger.metrics().local_prefill_tokens_total.get(), 0);
    house.ledger.flush();
    let file = house.ledger_file.clone().unwrap();
    assert_eq!(of(&rows(&file), "golden"), 0, "a client is being answered");
    drop(held);
    let done = house.ledger.metrics().golden_runs_total.with_label_values(&["done"]);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while done.get() == 0 {
        assert!(tokio::time::Instant::now() < deadline, "it never ran");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    house.ledger.flush();
    assert_eq!(of(&rows(&file), "golden"), ROWS);
}

/// Says the same of everything.
struct Fixed;

impl Classifier for Fixed {
    fn classify(&mut self, _: &Signals) -> Result<Verdict, ClassifierError> {
        Ok(Verdict { local_ok: 0.5, ..Verdict::default() })
    }
}

#[tokio::test]
async fn drift_is_of_clients_requests_alone() {
    let folder = tempfile::tempdir().unwrap();
    let settings = config("http://127.0.0.1:1/v1", folder.path());
    let paths = paths(folder.path());
    let metrics = Arc::new(Metrics::new().unwrap());
    let shipped = Calibration::read(&paths.models.join("calibration.json")).unwrap();
    let policies = Policy::load_folder(&paths.policies).unwrap();
    let wait = Duration::from_secs(20);
    let router = Router::new(policies, Some(Box::new(Fixed)), wait, Arc::clone(&metrics))
        .with_standing(Standing::Valid(Arc::new(shipped)));
    // Nobody answers: what counts is decided before.
    let names = Names::new(&settings.policy, router.policies(), &[], &settings.aliases).unwrap();
    let prices = Prices::load(settings.ledger.prices.as_deref()).unwrap();
    let ledger = Ledger::in_memory(prices, &settings.local, &settings.remote.model, Arc::clone(&metrics));
    let (ledger, config) = (Arc::new(ledger), settings);
    let pipeline = Pipeline::new(Parts { router, backends: vec![], names, ledger, early_gate: None, config });
    let body = json!({ "model": "auto", "messages": [{ "role": "user", "content": "hi" }] });
    let request = crossover::dialects::openai_chat::parse_request(body.to_string().into()).unwrap();
    let request = Arc::new(request);
    for (origin, counts) in [(Origin::Golden, false), (Origin::Shadow, false), (Origin::Live, true)] {
        for _ in 0..LEAST + 100 {
            let recorder = pipeline.open(RequestId::fresh(), origin);
            assert!(pipeline.answer(Arc::clone(&request), recorder).await.is_err());
        }
        let shown = String::from_utf8(metrics.render().unwrap()).unwrap();
        assert_eq!(shown.contains("crossover_classifier_score_psi"), counts, "{origin:?}");
    }
}

#[test]
fn a_set_that_cannot_be_used_is_named_with_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = config("http://127.0.0.1:1/v1", folder.path());
    settings.golden.suites = vec![folder.path().join("nowhere")];
    let error = House::open(settings, &paths(folder.path()), Store::Memory).err().unwrap().to_string();
    assert!(error.contains("golden.suites: cannot read") && error.contains("nowhere"), "{error}");
}
