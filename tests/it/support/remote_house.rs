//! The remote backend alone, with short times: asks it, gathers its answers, reads its metrics.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crossover::backends::remote::Remote;
use crossover::backends::{Backend, BackendError, Call};
use crossover::chat::{ChatRequest, Chunk, Delta, Event, Usage};
use crossover::config::{RemoteConfig, Secret};
use crossover::dialects::openai_chat::parse_request;
use crossover::metrics::Metrics;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

/// Longest that any single wait of a test may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// For [`House::ask`].
pub(crate) const STREAM: bool = true;
/// For [`House::ask`].
pub(crate) const WHOLE: bool = false;

/// The backend with short times, and the metrics it writes.
pub(crate) struct House {
    pub(crate) remote: Remote,
    pub(crate) metrics: Arc<Metrics>,
}

impl House {
    pub(crate) fn new(base_url: &str) -> Self {
        Self::with(base_url, |_| {})
    }

    pub(crate) fn with(base_url: &str, change: impl FnOnce(&mut RemoteConfig)) -> Self {
        let mut config = RemoteConfig {
            connect_timeout_ms: 2_000,
            idle_timeout_ms: 300,
            whole_timeout_ms: 5_000,
            breaker_failures: 1_000,
            ..RemoteConfig::default()
        };
        change(&mut config);
        let metrics = Arc::new(Metrics::new().unwrap());
        let key = Some(Secret::new("sk-canary-key".into()));
        let remote = Remote::new(&config, key, base_url, Arc::clone(&metrics)).unwrap();
        Self { remote, metrics }
    }

    /// Asks for `model` and gathers the answer.
    pub(crate) async fn ask(&self, model: &str, stream: bool) -> Answer {
        self.ask_for(request(json!({ "model": "auto", "stream": stream }), false), model).await
    }

    pub(crate) async fn ask_for(&self, request: ChatRequest, model: &str) -> Answer {
        let patience = self.remote.profile().patience(request.stream);
        let mut chunks = self.remote.answer(Call::new(Arc::new(request), model, patience));
        let gather = async {
            let mut answer = Answer::default();
            while let Some(chunk) = chunks.next().await {
                assert!(answer.error.is_none(), "an error is the last item");
                match chunk {
                    Ok(chunk) => answer.chunks.push(chunk),
                    Err(error) => answer.error = Some(error),
                }
            }
            answer
        };
        timeout(PATIENCE, gather).await.expect("the answer ends")
    }

    pub(crate) async fn fails(&self, model: &str, stream: bool) -> BackendError {
        self.ask(model, stream).await.error.expect("an error")
    }

    pub(crate) fn metric(&self, line: &str) -> u64 {
        let text = String::from_utf8(self.metrics.render().unwrap()).unwrap();
        let found = text.lines().find_map(|text| text.strip_prefix(&format!("crossover_{line} ")));
        found.unwrap_or_else(|| panic!("no {line} in\n{text}")).parse().unwrap()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) chunks: Vec<Chunk>,
    pub(crate) error: Option<BackendError>,
}

impl Answer {
    pub(crate) fn events(&self) -> impl Iterator<Item = &Event> {
        self.chunks.iter().flat_map(|chunk| &chunk.events)
    }

    pub(crate) fn text(&self) -> String {
        self.events()
            .filter_map(|event| match event {
                Event::Delta { index: 0, delta: Delta::Text(text) } | Event::Whole { text } => {
                    Some(text.as_str())
                }
                _ => None,
            })
            .collect()
    }

    pub(crate) fn usage(&self) -> Vec<Usage> {
        let usage = |event: &Event| if let Event::Usage(usage) = event { Some(*usage) } else { None };
        self.events().filter_map(usage).collect()
    }

    pub(crate) fn raws(&self) -> Vec<Bytes> {
        self.chunks.iter().map(|chunk| chunk.raw.clone().unwrap()).collect()
    }

    pub(crate) fn whole(self) -> Self {
        assert!(self.error.is_none(), "{:?}", self.error);
        self
    }
}

/// A request with this body beside one message.
pub(crate) fn request(mut body: Value, include_usage: bool) -> ChatRequest {
    body["messages"] = json!([{ "role": "user", "content": "hi" }]);
    if include_usage {
        body["stream_options"] = json!({ "include_usage": true });
    }
    parse_request(body.to_string().into()).unwrap()
}

/// Waits until `condition` holds; how long it took.
pub(crate) async fn until(condition: impl Fn() -> bool) -> Duration {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "never");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    start.elapsed()
}
