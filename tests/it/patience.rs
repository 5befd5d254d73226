//! How long a client waits without a sign of life: as long as another target may still answer, and no longer. Time is
//! paused, so these drive the pipeline itself, in front of a backend that thinks for as long as it is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossover::backends::{
    Backend, BackendError, Call, ChunkStream, Fault, Kind, Load, Profile, Readiness, Retry,
};
use crossover::chat::{BackendId, Chunk, Delta, Event, Needs};
use crossover::config::Config;
use crossover::dialects::openai_chat::parse_request;
use crossover::ledger::{Ledger, Origin, Prices};
use crossover::metrics::Metrics;
use crossover::pipeline::{Names, Parts, Pipeline, Why};
use crossover::routing::{Policy, Router};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::support::gateway::{chat, paths};

/// Says one word after a while.
struct Thinker(Profile, Duration);

impl Thinker {
    fn backend(id: &str, within_boundary: bool, thinks: u64) -> Arc<dyn Backend> {
        let profile = Profile {
            id: BackendId::new(id),
            within_boundary,
            model: format!("{id}-model"),
            models: vec![],
            context_tokens: 10_000,
            can: Needs::default(),
            first_content_timeout: Duration::from_secs(30),
            whole_timeout: Duration::from_secs(60),
            max_retries: 0,
            backoff: Duration::ZERO,
            max_retry_after: Duration::ZERO,
        };
        Arc::new(Self(profile, Duration::from_secs(thinks)))
    }
}

impl Backend for Thinker {
    fn profile(&self) -> &Profile {
        &self.0
    }

    fn readiness(&self) -> Readiness {
        Readiness::Ready
    }

    fn load(&self) -> Load {
        Load::default()
    }

    fn answer(&self, _: Call) -> ChunkStream {
        let thinks = self.1;
        Box::pin(stream::once(async move {
            sleep(thinks).await;
            Ok(Chunk::of(Event::Delta { index: 0, delta: Delta::Text("word".into()) }))
        }))
    }
}

fn pipeline(backends: Vec<Arc<dyn Backend>>, policy: &str) -> Pipeline {
    let config = Config { policy: policy.to_owned(), ..Config::default() };
    let metrics = Arc::new(Metrics::new().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let policies = Policy::load_folder(&paths(folder.path()).policies).unwrap();
    let router = Router::new(policies, None, Duration::from_millis(20), Arc::clone(&metrics));
    let names = Names::new(policy, router.policies(), &backends, &config.aliases).unwrap();
    let ledger = Ledger::in_memory(Prices::load(None).unwrap(), &config.local, "gpt-4o", metrics);
    Pipeline::new(Parts { router, backends, names, ledger: Arc::new(ledger), early_gate: None, config })
}

/// Who serves a question, the seconds until it is committed, and those until there is content; or the code of failure.
async fn served(pipeline: &Pipeline, body: &Value) -> Result<(String, u64, u64), String> {
    let request = Arc::new(parse(body));
    let start = Instant::now();
    let recorder = pipeline.open(crossover::chat::RequestId::fresh(), Origin::Live);
    match pipeline.answer(request, recorder).await {
        Ok(mut answer) => {
            let committed = start.elapsed().as_secs();
            assert!(answer.next().await.unwrap().is_ok());
            Ok((answer.served_by.to_string(), committed, start.elapsed().as_secs()))
        }
        Err(refused) => Err(refused.why.end().label().to_owned()),
    }
}

fn parse(body: &Value) -> crossover::chat::ChatRequest {
    parse_request(body.to_string().into()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn c16_the_last_backend_inside_the_boundary_is_waited_for_with_heartbeats() {
    let slow = pipeline(vec![Thinker::backend("local", true, 25)], "local-first");
    assert_eq!(served(&slow, &chat("auto", true)).await, Ok(("local".into(), 15, 25)));
    // A whole answer has no heartbeats to send.
    assert_eq!(served(&slow, &chat("auto", false)).await, Ok(("local".into(), 25, 25)));
    let quick = pipeline(vec![Thinker::backend("local", true, 3)], "local-first");
    assert_eq!(served(&quick, &chat("auto", true)).await, Ok(("local".into(), 3, 3)));
}

#[tokio::test(start_paused = true)]
async fn c16_nothing_is_committed_while_another_target_is_left() {
    let both = vec![Thinker::backend("local", true, 25), Thinker::backend("remote", false, 1)];
    let patient = pipeline(both, "local-first");
    assert_eq!(served(&patient, &chat("auto", true)).await, Ok(("local".into(), 25, 25)));
    let both = vec![Thinker::backend("local", true, 99), Thinker::backend("remote", false, 1)];
    let late = pipeline(both, "local-first");
    assert_eq!(served(&late, &chat("auto", true)).await, Ok(("remote".into(), 31, 31)));
    // Outside the boundary nobody is waited for beyond the first-token time, last or not.
    let remote = pipeline(vec![Thinker::backend("remote", false, 99)], "remote-first");
    assert_eq!(served(&remote, &chat("auto", true)).await, Err("first_token_timeout".into()));
    let body =
        json!({ "model": "private", "stream": true, "messages": [{ "role": "user", "content": "hi" }] });
    assert_eq!(served(&remote, &body).await, Err("no_local".into()));
}

#[tokio::test(start_paused = true)]
async fn c4_a_backend_that_gave_a_sign_of_life_still_has_to_answer_in_time() {
    let silent = pipeline(vec![Thinker::backend("local", true, 99)], "local-first");
    let request = Arc::new(parse(&chat("auto", true)));
    let recorder = silent.open(crossover::chat::RequestId::fresh(), Origin::Live);
    let start = Instant::now();
    let mut answer = silent.answer(request, recorder).await.ok().unwrap();
    assert_eq!(start.elapsed().as_secs(), 15);
    assert_eq!(answer.outcome().unwrap().first_chunk_in, None, "a sign of life is no content");
    let error = answer.next().await.unwrap().unwrap_err();
    assert_eq!((error.kind, start.elapsed().as_secs()), (Kind::FirstTokenTimeout, 60));
}

#[tokio::test(start_paused = true)]
async fn c16_the_first_content_is_timed_not_the_sign_of_life() {
    let slow = pipeline(vec![Thinker::backend("local", true, 25)], "local-first");
    let request = Arc::new(parse(&chat("auto", true)));
    let recorder = slow.open(crossover::chat::RequestId::fresh(), Origin::Live);
    let mut answer = slow.answer(request, recorder).await.ok().unwrap();
    assert_eq!(answer.outcome().unwrap().first_chunk_in, None);
    assert!(answer.next().await.unwrap().is_ok());
    assert!(answer.outcome().unwrap().first_chunk_in.is_some());
}

/// Fails after a while, and would be tried again.
struct Failing(Profile, Duration, Arc<AtomicUsize>);

impl Backend for Failing {
    fn profile(&self) -> &Profile {
        &self.0
    }

    /// Ready when routing asks, and never after.
    fn readiness(&self) -> Readiness {
        match self.2.fetch_add(1, Ordering::Relaxed) {
            1.. if self.1.is_zero() => Readiness::Down { why: "no /srv/model".to_owned(), retry_after: None },
            _ => Readiness::Ready,
        }
    }

    fn load(&self) -> Load {
        Load::default()
    }

    fn answer(&self, _: Call) -> ChunkStream {
        let (id, took) = (self.0.id.clone(), self.1);
        Box::pin(stream::once(async move {
            sleep(took).await;
            let again = Retry::Same(None);
            Err(BackendError::new(&id, Kind::Truncated, Fault::Upstream, again, "broke off"))
        }))
    }
}

#[tokio::test(start_paused = true)]
async fn d3_what_there_is_no_time_for_is_not_tried_again() {
    for (took, tries) in [(4, 4), (8, 3), (20, 1)] {
        let mut profile = Thinker::backend("remote", false, 0).profile().clone();
        (profile.max_retries, profile.whole_timeout) = (3, Duration::from_secs(30));
        let asked = Arc::new(AtomicUsize::new(0));
        let failing = Failing(profile, Duration::from_secs(took), Arc::clone(&asked));
        let failing = pipeline(vec![Arc::new(failing)], "remote-first");
        let start = Instant::now();
        assert_eq!(served(&failing, &chat("auto", false)).await, Err("upstream_truncated".into()));
        assert_eq!(start.elapsed().as_secs(), took * tries);
        // Routing asked, too.
        assert_eq!(asked.load(Ordering::Relaxed) as u64, tries + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn d8_a_backend_that_went_down_after_the_decision_counts_as_a_fallback() {
    let profile = Thinker::backend("remote", false, 0).profile().clone();
    let gone: Arc<dyn Backend> = Arc::new(Failing(profile, Duration::ZERO, Arc::default()));
    let both = pipeline(vec![Thinker::backend("local", true, 1), gone], "remote-first");
    assert_eq!(served(&both, &chat("auto", false)).await.unwrap().0, "local");
    let text = String::from_utf8(both.metrics().render().unwrap()).unwrap();
    let line = r#"crossover_fallback_total{from="remote",reason="backend_down",to="local"} 1"#;
    assert!(text.contains(line), "{text}");
}

#[tokio::test(start_paused = true)]
async fn callers_are_not_told_of_files_why_a_backend_inside_the_boundary_went_down() {
    for (id, within_boundary, policy) in [("local", true, "local-first"), ("remote", false, "remote-first")] {
        let profile = Thinker::backend(id, within_boundary, 0).profile().clone();
        let gone = pipeline(vec![Arc::new(Failing(profile, Duration::ZERO, Arc::default()))], policy);
        let recorder = gone.open(crossover::chat::RequestId::fresh(), Origin::Live);
        let refused = gone.answer(Arc::new(parse(&chat("auto", false))), recorder).await.err().unwrap();
        let error = match refused.why {
            Why::Backend(error) => error,
            other => panic!("{other:?}"),
        };
        assert_eq!(error.kind, Kind::Down);
        assert_eq!(error.message.contains("/srv"), !within_boundary, "{error}");
    }
}
