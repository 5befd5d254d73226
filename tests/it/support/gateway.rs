//! A whole gateway in this process, on free ports: asks it over real sockets, reads its metrics and its ledger file.
//! Without local model and classifier unless a test wants them, so that most tests start at once.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crossover::api::{self, Front, Listener};
use crossover::app::{Background, House, Store};
use crossover::config::{Config, Paths, ServerConfig};
use crossover::ledger::Ledger;
use crossover::pipeline::Pipeline;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::reply::{Reply, Samples, rows};

/// Models of the double that clients may name. Each costs 1 micro-dollar a prompt token, half of it when cached, and 2
/// a completion token; `tools` has no price.
const MODELS: &[&str] = &[
    "ok",
    "m",
    "slowstream",
    "shortstream",
    "tools",
    "usage:never",
    "usage:always",
    "usage:choices",
    "fault:400",
    "fault:401",
    "fault:403",
    "fault:404",
    "fault:413",
    "fault:422",
    "fault:429",
    "fault:429:1",
    "fault:500",
    "fault:500:1",
    "fault:500:4",
    "fault:502:1",
    "fault:503:1",
    "fault:504:1",
    "fault:quota",
    "fault:garbage",
    "fault:html",
    "fault:err200",
    "fault:nochoices",
    "fault:hang",
    "fault:slow",
    "fault:stall",
    "fault:cut",
    "fault:nodone",
    "fault:errmid",
    "fault:empty",
];

/// What one good answer of the double costs: 7 fresh and 4 cached prompt tokens, 7 completion tokens.
pub(crate) const ONE_ANSWER: i64 = 7 + 2 + 14;

/// A variable that every test process has: its value plays the upstream's key.
pub(crate) const KEY_VARIABLE: &str = "CARGO_PKG_DESCRIPTION";

/// A running gateway.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    ledger: Arc<Ledger>,
    client: Client,
    front: Arc<Front>,
    stop: watch::Sender<bool>,
    public: JoinHandle<bool>,
    folder: TempDir,
    #[expect(dead_code, reason = "held so that it ends with the gateway")]
    background: Option<Background>,
}

impl Gateway {
    /// In front of an upstream, with short times and no retries worth waiting for.
    pub(crate) async fn start(upstream: &str) -> Self {
        Self::with(upstream, |_| {}).await
    }

    /// As [`Self::start`], with changed settings.
    pub(crate) async fn with(upstream: &str, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(upstream, folder.path());
        change(&mut config);
        let mut paths = paths(folder.path());
        paths.policies = config.policies_dir.clone().unwrap_or(paths.policies);
        let house = House::open(config, &paths, Store::File).unwrap();
        let background = house.start_background();
        let gateway = Self::serve(house.pipeline, house.ledger, &house.config.server, folder).await;
        Self { background: Some(background), ..gateway }
    }

    /// Serves a pipeline whose ledger, if it has a file, lies in `folder`.
    pub(crate) async fn serve(
        pipeline: Arc<Pipeline>,
        ledger: Arc<Ledger>,
        server: &ServerConfig,
        folder: TempDir,
    ) -> Self {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let patience = Duration::from_secs(server.write_timeout_seconds);
        let front = Front::new(pipeline, server);
        let bind = || async { TcpListener::bind(free).await.unwrap() };
        let public = Listener::new(bind().await, api::public(Arc::clone(&front)), patience);
        let admin = Listener::new(bind().await, api::admin(Arc::clone(&front)), patience);
        let (address, admin_address) = (public.address().unwrap(), admin.address().unwrap());
        let (stop, stopped) = watch::channel(false);
        let told = |mut told: watch::Receiver<bool>| async move { drop(told.wait_for(|told| *told).await) };
        tokio::spawn(api::serve(admin, told(stopped.clone()), Duration::from_secs(1)));
        let grace = Duration::from_secs(server.shutdown_grace_seconds);
        let public = tokio::spawn(api::serve(public, told(stopped), grace));
        Self {
            address,
            admin: admin_address,
            ledger,
            client: client(),
            front,
            stop,
            public,
            folder,
            background: None,
        }
    }

    /// The public routes, to be asked without a socket that takes what nobody reads.
    pub(crate) fn routes(&self) -> axum::Router {
        api::public(Arc::clone(&self.front))
    }

    /// Where a path of the API is.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The client that asks.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Asks a model, whole.
    pub(crate) async fn ask(&self, model: &str) -> Reply {
        self.post(&chat(model, false)).await
    }

    /// Asks a model for a stream, and reads it to its end.
    pub(crate) async fn ask_stream(&self, model: &str) -> Reply {
        self.post(&chat(model, true)).await
    }

    /// Posts a chat request.
    pub(crate) async fn post(&self, body: &Value) -> Reply {
        self.send(&[], body.to_string()).await
    }

    /// Posts a body with these headers beside the content type.
    pub(crate) async fn send(&self, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Reply {
        Reply::read(self.open(headers, body).await).await
    }

    /// Posts, and comes back with the response's head.
    pub(crate) async fn open(&self, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Response {
        let mut request = self.client.post(self.url("/v1/chat/completions")).body(body);
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    /// All metrics now.
    pub(crate) async fn metrics(&self) -> Samples {
        let url = format!("http://{}/metrics", self.admin);
        Samples::read(&self.client.get(url).send().await.unwrap().text().await.unwrap())
    }

    /// The status and body of a health route.
    pub(crate) async fn health(&self, path: &str) -> Reply {
        let url = format!("http://{}/health/{path}", self.admin);
        Reply::read(self.client.get(url).send().await.unwrap()).await
    }

    /// The sum of a metric over all series with these labels.
    pub(crate) async fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.metrics().await.sum(name, labels)
    }

    /// Waits until a metric has a value; how long it took.
    pub(crate) async fn until(&self, name: &str, labels: &[(&str, &str)], value: f64) -> Duration {
        let start = tokio::time::Instant::now();
        loop {
            let now = self.sum(name, labels).await;
            if now == value {
                return start.elapsed();
            }
            assert!(start.elapsed() < Duration::from_secs(20), "{name}{labels:?} is {now}, never {value}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Every row of the ledger file, in the order of arrival.
    pub(crate) fn rows(&self) -> Vec<Value> {
        self.ledger.flush();
        rows(&self.ledger_file())
    }

    /// The only row of the ledger file.
    pub(crate) fn row(&self) -> Value {
        let mut rows = self.rows();
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows.remove(0)
    }

    /// Where the ledger lies.
    pub(crate) fn ledger_file(&self) -> PathBuf {
        self.folder.path().join("ledger.sqlite")
    }

    /// Begins the shutdown, as on a signal.
    pub(crate) fn stop(&self) {
        self.front.drain();
        self.stop.send_replace(true);
    }

    /// Waits for the end of the shutdown; whether all answers ended in time.
    pub(crate) async fn stopped(mut self) -> bool {
        (&mut self.public).await.unwrap()
    }
}

/// One short question.
pub(crate) fn chat(model: &str, stream: bool) -> Value {
    json!({ "model": model, "stream": stream, "messages": [{ "role": "user", "content": "hi" }] })
}

/// A client without proxies, certificates or redirects.
pub(crate) fn client() -> Client {
    // An error only says that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .tls_certs_only([])
        .build()
        .unwrap()
}

/// The repository's own models and policies, and `state` for the ledger.
pub(crate) fn paths(state: &Path) -> Paths {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    Paths { state: state.to_path_buf(), models: root.join("models"), policies: root.join("policies") }
}

/// The settings of [`Gateway::start`].
pub(crate) fn config(upstream: &str, folder: &Path) -> Config {
    let mut config = Config { policy: "remote-first".to_owned(), ..Config::default() };
    config.server.shutdown_grace_seconds = 20;
    config.local.enabled = false;
    config.local.threads = 1;
    config.classifier.enabled = false;
    // The machine that runs the tests may be busy: only tests of lateness want a verdict to be late.
    config.classifier.deadline_ms = 5_000;
    config.remote.base_url = Some(upstream.to_owned());
    config.remote.api_key_env = KEY_VARIABLE.to_owned();
    config.remote.model = "ok".to_owned();
    config.remote.models = MODELS.iter().map(|model| (*model).to_owned()).collect();
    config.remote.connect_timeout_ms = 2_000;
    config.remote.first_token_timeout_ms = 5_000;
    config.remote.idle_timeout_ms = 5_000;
    config.remote.whole_timeout_ms = 10_000;
    config.remote.backoff_ms = 10;
    config.remote.breaker_failures = 1_000;
    config.ledger.prices = Some(prices(folder));
    config
}

/// Writes the double's price table.
pub(crate) fn prices(folder: &Path) -> PathBuf {
    let mut text = "schema-version = 1\nas-of = \"2026-01-01\"\nsource = \"a test\"\n[models]\n".to_owned();
    for model in MODELS.iter().filter(|model| **model != "tools") {
        text.push_str(&format!(
            "\"{model}\" = {{ input = 1000000, cached-input = 500000, output = 2000000 }}\n"
        ));
    }
    let file = folder.join("prices.toml");
    std::fs::write(&file, text).unwrap();
    file
}
