//! The gate over a scripted backend, on paused time.

use futures_util::StreamExt;

use super::*;
use crate::chat::{BackendId, Delta, FinishReason, Needs};
use crate::dialects::openai_chat::parse_request;

/// Answers with what it was given, each piece after a pause.
struct Scripted {
    profile: Profile,
    pieces: Vec<(Duration, Chunk)>,
}

impl Backend for Scripted {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    fn readiness(&self) -> Readiness {
        Readiness::Ready
    }

    fn load(&self) -> Load {
        Load::default()
    }

    fn answer(&self, _: Call) -> ChunkStream {
        Box::pin(stream::iter(self.pieces.clone()).then(|(pause, chunk)| async move {
            tokio::time::sleep(pause).await;
            Ok(chunk)
        }))
    }
}

fn profile() -> Profile {
    Profile {
        id: BackendId::new("local"),
        within_boundary: true,
        model: "m".to_owned(),
        models: vec!["m".to_owned()],
        context_tokens: 1_024,
        can: Needs::default(),
        first_content_timeout: Duration::from_secs(60),
        whole_timeout: Duration::from_secs(60),
        max_retries: 0,
        backoff: Duration::ZERO,
        max_retry_after: Duration::ZERO,
    }
}

fn token(text: &str, logprob: f32) -> Chunk {
    Chunk {
        events: vec![Event::Delta { index: 0, delta: Delta::Text(text.to_owned()) }],
        confidence: vec![Confidence { logprob, entropy: 0.1 }],
        ..Chunk::default()
    }
}

fn finish() -> Chunk {
    Chunk::of(Event::Finish { index: 0, reason: FinishReason::Stop })
}

/// Lets through what has a mean log-probability of at least -1, judged by three tokens.
async fn through(pieces: Vec<(Duration, Chunk)>) -> Vec<Result<Chunk, BackendError>> {
    let judge = EarlyGate::new(3, [0.0, 0.0, 10.0, 0.0, 0.0], 10.0, 0.5);
    let gate = Arc::new(Gate { judge, max_wait: Duration::from_millis(300) });
    let inner: Arc<dyn Backend> = Arc::new(Scripted { profile: profile(), pieces });
    let body = r#"{"model":"auto","messages":[{"role":"user","content":"hi"}]}"#;
    let request = Arc::new(parse_request(body.into()).unwrap());
    let call = Call::new(request, "m", inner.profile().whole_timeout);
    Gated::new(&inner, &gate, None).answer(call).collect().await
}

fn soon(chunk: Chunk) -> (Duration, Chunk) {
    (Duration::from_millis(1), chunk)
}

#[tokio::test(start_paused = true)]
async fn a_sure_answer_comes_whole_and_in_order() {
    let given = [token("a", -0.1), token("b", -0.2), token("c", -0.1), token("d", -9.0), finish()];
    let got = through(given.iter().cloned().map(soon).collect()).await;
    let got: Vec<Chunk> = got.into_iter().map(Result::unwrap).collect();
    assert_eq!(
        got.iter().map(|chunk| &chunk.events).collect::<Vec<_>>(),
        given.iter().map(|chunk| &chunk.events).collect::<Vec<_>>()
    );
}

#[tokio::test(start_paused = true)]
async fn an_unsure_answer_shows_nothing_and_goes_elsewhere() {
    let got =
        through([token("a", -0.1), token("b", -6.0), token("c", -0.1), finish()].map(soon).to_vec()).await;
    let [Err(error)] = &got[..] else { panic!("{got:?}") };
    assert_eq!((error.kind, error.retry), (Kind::Unsure, Retry::Elsewhere));
}

#[tokio::test(start_paused = true)]
async fn a_short_answer_is_judged_at_its_end_and_an_empty_one_goes_elsewhere() {
    assert_eq!(through([token("a", -0.1), finish()].map(soon).to_vec()).await.len(), 2);
    let got = through(vec![soon(finish())]).await;
    assert!(matches!(&got[..], [Err(error)] if error.kind == Kind::Unsure));
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_is_judged_by_what_is_there_in_time() {
    let slow = |chunk| (Duration::from_secs(5), chunk);
    let started = Instant::now();
    let mut stream = {
        let judge = EarlyGate::new(3, [0.0, 0.0, 10.0, 0.0, 0.0], 10.0, 0.5);
        let gate = Arc::new(Gate { judge, max_wait: Duration::from_millis(300) });
        let pieces = vec![slow(token("a", -0.1)), slow(token("b", -9.0)), slow(finish())];
        let inner: Arc<dyn Backend> = Arc::new(Scripted { profile: profile(), pieces });
        let body = r#"{"model":"auto","messages":[{"role":"user","content":"hi"}]}"#;
        let request = Arc::new(parse_request(body.into()).unwrap());
        let call = Call::new(request, "m", inner.profile().whole_timeout);
        Gated::new(&inner, &gate, None).answer(call)
    };
    assert!(stream.next().await.unwrap().is_ok());
    // The first content took five seconds, the gate three tenths more.
    assert!((5_300..5_310).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
    assert_eq!(stream.count().await, 2);
}
