//! Many answers at the same time, through the whole local backend with the starter model.

mod by_hand;

use std::task::Poll;

use futures_util::future::join_all;
use futures_util::{FutureExt, StreamExt};

use super::*;
use crate::backends::local::tests::{
    Folded, answer, ask, at_most, config, endless_alone, eventually, fold, hot, shared,
};
use crate::backends::local::{Local, Running, join_within};
use crate::backends::{Backend, Call, Kind, Readiness};
use crate::chat::{FinishReason, Sampling};
use crate::config::LocalConfig;

#[test]
fn d21_a_panic_is_caught_and_so_is_an_error() {
    assert_eq!(guarded(|| Ok(1)), Some(1));
    assert_eq!(guarded::<()>(|| Err(ort::Error::new("broken"))), None);
    assert_eq!(guarded::<()>(|| panic!("broken")), None);
}

#[test]
fn an_engine_that_does_not_end_is_left_behind() {
    let (ends, wait) = std::sync::mpsc::sync_channel::<()>(0);
    let hung = std::thread::spawn(move || wait.recv().is_ok());
    assert!(!join_within(hung, Duration::from_millis(20)));
    drop(ends);
    assert!(join_within(std::thread::spawn(|| ()), Duration::from_secs(10)));
}

fn brake_of(local: &Local) -> &ort::session::RunOptions {
    let Running::Thread { brake, .. } = &local.engine else { panic!("the engine is on a thread") };
    brake
}

#[tokio::test]
async fn d21_a_run_that_fails_ends_the_answers_it_was_for_and_the_engine_lives_on() {
    let (local, _) = endless_alone(&config());
    let mut readers = vec![];
    for seed in 0..2 {
        let mut chunks = local.answer(ask("Tell me a long story.", hot(seed, 900)));
        chunks.next().await.unwrap().unwrap();
        readers.push(chunks);
    }
    brake_of(&local).terminate().unwrap();
    for chunks in readers {
        let last = chunks.collect::<Vec<_>>().await.pop().unwrap();
        assert_eq!(last.unwrap_err().kind, Kind::Internal);
    }
    brake_of(&local).unterminate().unwrap();
    assert_eq!(answer(&local, "Hi", at_most(3)).await.ends, [Some(FinishReason::Length)]);
}

/// Why and for how long a model is down.
fn down(local: &Local) -> (String, Duration) {
    match local.readiness() {
        Readiness::Down { why, retry_after: Some(left) } => (why, left),
        other => panic!("{other:?}"),
    }
}

/// Waits for a count: who asks may hear of a step that failed before the engine's thread has counted it.
async fn counted(faults: &impl Fn() -> u64, expected: u64) {
    let until = Instant::now() + Duration::from_secs(20);
    while faults() < expected && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(faults(), expected);
}

#[tokio::test]
async fn d21_an_engine_whose_every_run_fails_is_down_until_one_that_tries_it_succeeds() {
    let (local, metrics) = endless_alone(&config());
    let faults = || metrics.local_faults_total.with_label_values(&["failing"]).get();
    let asked = || fold(local.answer(ask("Hi", at_most(3))));
    brake_of(&local).terminate().unwrap();
    for _ in 0..5 {
        assert_eq!((local.readiness(), faults()), (Readiness::Ready, 0));
        // The last one may hear of the fall first.
        assert!(matches!(asked().await.unwrap_err().kind, Kind::Internal | Kind::Down));
    }
    counted(&faults, 1).await;
    let (why, left) = down(&local);
    assert!(why.contains("5 steps") && left > Duration::from_secs(5), "{why}: {left:?}");
    let error = asked().await.unwrap_err();
    assert!(error.kind == Kind::Down && error.retry_after.is_some(), "{error:?}");
    local.desk.health.end_rest();
    assert_eq!(local.readiness(), Readiness::Ready, "somebody has to try");
    assert!(asked().await.is_err());
    counted(&faults, 2).await;
    assert!(down(&local).1 > Duration::from_secs(15), "longer than before");
    brake_of(&local).unterminate().unwrap();
    local.desk.health.end_rest();
    assert_eq!(asked().await.unwrap().ends, [Some(FinishReason::Length)]);
    assert_eq!((local.readiness(), faults()), (Readiness::Ready, 2));
}

/// Different questions, every other one sampled.
fn questions(count: usize, tokens: u32) -> Vec<(String, Sampling)> {
    (0..count)
        .map(|n| (format!("Question {n}: {} what now?", "word ".repeat(n * 23)), n))
        .map(|(text, n)| (text, if n % 2 == 0 { at_most(tokens) } else { hot(n as i64, tokens) }))
        .collect()
}

async fn one_by_one(local: &Local, questions: &[(String, Sampling)]) -> Vec<Folded> {
    let mut answers = vec![];
    for (text, sampling) in questions {
        answers.push(answer(local, text, sampling.clone()).await);
    }
    answers
}

async fn together(local: &Local, questions: &[(String, Sampling)]) -> Vec<Folded> {
    join_all(questions.iter().map(|(text, sampling)| answer(local, text, sampling.clone()))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_that_is_too_small_for_all_changes_no_answer_and_is_never_exceeded() {
    let questions = questions(4, 150);
    let alone = one_by_one(shared(), &questions).await;
    // 320 tokens for four answers of 150 and their prompts.
    let (local, metrics) = endless_alone(&LocalConfig { kv_cache_mib: 3, ..config() });
    assert_eq!(local.profile().context_tokens, 320);
    let bytes = 3 << 20;
    let most = {
        let work = together(&local, &questions);
        tokio::pin!(work);
        let mut most = 0;
        let told = std::future::poll_fn(|cx| {
            most = most.max(metrics.local_kv_bytes.get());
            match work.poll_unpin(cx) {
                Poll::Ready(told) => Poll::Ready(told),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        assert_eq!(told, alone);
        most
    };
    assert!(most > bytes / 2 && most <= bytes, "{most}");
    assert!(metrics.local_preempted_total.get() > 0, "somebody had to wait");
    eventually(|| metrics.local_kv_bytes.get() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_join_and_leave_in_mid_batch_disturb_nobody() {
    let questions = questions(6, 60);
    let alone = one_by_one(shared(), &questions).await;
    let (local, _) = endless_alone(&LocalConfig { max_streams: 4, ..config() });
    let local = Arc::new(local);
    let leavers = (0..6_u32).map(|n| {
        let local = Arc::clone(&local);
        async move {
            let mut chunks = local.answer(ask("Tell me a long story.", hot(i64::from(n), 900)));
            for _ in 0..n * 5 + 1 {
                chunks.next().await.unwrap().unwrap();
            }
        }
    });
    let (told, _) = tokio::join!(together(&local, &questions), join_all(leavers));
    assert_eq!(told, alone);
    eventually(|| local.load().active == 0).await;
}

#[tokio::test]
async fn readers_that_stand_still_are_set_aside_and_lose_nothing() {
    let alone = answer(shared(), "Tell me a story.", hot(9, 200)).await;
    let (local, _) = endless_alone(&LocalConfig { max_streams: 3, ..config() });
    // Both stand in front of the third, and neither reads on.
    let mut slow: Vec<_> =
        [9, 10].map(|seed| local.answer(ask("Tell me a story.", hot(seed, 200)))).into_iter().collect();
    for chunks in &mut slow {
        chunks.next().await.unwrap().unwrap();
    }
    assert_eq!(answer(&local, "Tell me a story.", hot(9, 200)).await, alone);
    let rest = fold(slow.remove(0)).await.unwrap();
    let usage = (rest.usage.unwrap().completion, rest.ends[0].clone());
    assert_eq!(usage, (200, Some(FinishReason::Length)));
    assert!(alone.texts[0].ends_with(&rest.texts[0]), "it went on where it stood");
}

/// A question of an API key's, with a beginning of some hundred tokens.
fn asked_by(key: Option<&str>, salt: Option<&str>, question: &str) -> Call {
    let text = format!("{} {question}", "The rules of the house are many. ".repeat(40));
    owned_by(key, salt, ask(&text, at_most(8)))
}

fn owned_by(key: Option<&str>, salt: Option<&str>, mut call: Call) -> Call {
    let mut request = crate::chat::ChatRequest::clone(&call.request);
    request.controls.key = key.map(Into::into);
    request.cache_salt = salt.map(Into::into);
    call.request = Arc::new(request);
    call
}

async fn cached(local: &Local, call: Call) -> (Folded, u64) {
    let mut folded = fold(local.answer(call)).await.unwrap();
    let usage = folded.usage.as_mut().unwrap();
    let cached = std::mem::take(&mut usage.cached_prompt);
    (folded, cached)
}

#[tokio::test]
async fn a_beginning_that_was_computed_before_is_found_by_its_own_scope_and_changes_nothing() {
    let (local, metrics) = endless_alone(&config());
    let (expected, none) = cached(&local, asked_by(None, None, "What now?")).await;
    assert_eq!((none, metrics.local_prefix_lookup_tokens_total.get()), (0, 0), "nobody is anonymous");
    let prompt = expected.usage.unwrap().prompt;
    let whole = prompt / prefill::CHUNK as u64 * prefill::CHUNK as u64;
    assert!(whole >= 256);
    // The last two would be one, if names were only put together.
    for (key, salt) in [("a", None), ("b", None), ("a", Some("user")), ("a:b", Some("c")), ("a", Some("b:c"))]
    {
        let first = cached(&local, asked_by(Some(key), salt, "What now?")).await;
        assert_eq!(first, (expected.clone(), 0), "another scope knows nothing: {key} {salt:?}");
        let second = cached(&local, asked_by(Some(key), salt, "What now?")).await;
        assert_eq!(second, (expected.clone(), whole));
        let other = cached(&local, asked_by(Some(key), salt, "And then?")).await;
        assert_eq!(other.1, whole, "the beginning is the same");
    }
    assert_eq!(metrics.local_prefix_hit_tokens_total.get(), 10 * whole);
    assert_eq!(metrics.local_prefix_bytes.get(), i64::try_from(5 * whole * 9 * 1024).unwrap());
}

#[tokio::test]
async fn what_was_cached_is_told_of_an_answer_that_a_stop_sequence_ends() {
    let (local, _) = endless_alone(&config());
    let (whole, none) = cached(&local, asked_by(Some("a"), None, "What now?")).await;
    let mut call = asked_by(Some("a"), None, "What now?");
    let mut request = crate::chat::ChatRequest::clone(&call.request);
    request.sampling.stop = whole.texts[0].chars().take(1).map(String::from).collect();
    assert_eq!((none, request.sampling.stop.len()), (0, 1));
    call.request = Arc::new(request);
    let (stopped, found) = cached(&local, call).await;
    assert_eq!((stopped.texts[0].as_str(), stopped.ends[0].clone()), ("", Some(FinishReason::Stop)));
    assert!(found >= 256, "{found}");
}

#[tokio::test]
async fn beginnings_are_shared_by_all_only_where_that_is_set() {
    let (local, _) = endless_alone(&LocalConfig { prefix_cache_shared: true, ..config() });
    assert_eq!(cached(&local, asked_by(None, None, "What now?")).await.1, 0);
    assert!(cached(&local, asked_by(Some("a"), None, "What now?")).await.1 >= 256);
    let (off, metrics) = endless_alone(&LocalConfig { prefix_cache_mib: 0, ..config() });
    for _ in 0..2 {
        assert_eq!(cached(&off, asked_by(Some("a"), None, "What now?")).await.1, 0);
    }
    assert_eq!(metrics.local_prefix_bytes.get(), 0);
}

#[tokio::test]
async fn the_answers_to_one_request_compute_its_prompt_once() {
    let (local, metrics) = endless_alone(&config());
    let three = answer(&local, "Tell me a story.", Sampling { n: 3, ..hot(5, 6) }).await;
    assert_eq!(metrics.local_prefill_tokens_total.get(), three.usage.unwrap().prompt);
}

#[tokio::test]
async fn d12_a_request_of_many_answers_lets_other_keys_in_between() {
    let (local, _) = endless_alone(&LocalConfig { max_streams: 2, ..config() });
    let call = ask("Tell me a story.", Sampling { n: 8, ..hot(1, 20) });
    let many = fold(local.answer(owned_by(Some("many"), None, call)));
    tokio::pin!(many);
    assert!(many.as_mut().now_or_never().is_none());
    eventually(|| local.load().active == 2).await;
    tokio::select! {
        biased;
        _ = &mut many => panic!("all eight came first"),
        one = fold(local.answer(owned_by(Some("calm"), None, ask("Hi", at_most(1))))) => {
            assert_eq!(one.unwrap().ends, [Some(FinishReason::Length)]);
        }
    }
    let told = many.await.unwrap();
    assert_eq!((told.ends.len(), told.usage.unwrap().completion), (8, 160));
    eventually(|| (local.load().active, local.load().queued) == (0, 0)).await;
}

#[tokio::test]
async fn a_prompt_whose_caller_left_is_waited_for_by_nobody() {
    let (local, metrics) = endless_alone(&config());
    let mut long = local.answer(ask(&"seven ".repeat(700), at_most(4)));
    // A long prompt is encoded on another thread and queued when its reader looks again.
    while metrics.local_prefill_tokens_total.get() == 0 {
        drop(long.next().now_or_never());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(long);
    eventually(|| (local.load().active, local.load().queued) == (0, 0)).await;
    assert_eq!(local.desk.queue.active_prompt(), 0);
}

#[tokio::test]
async fn answers_of_one_token_have_a_speed() {
    let (local, metrics) = endless_alone(&config());
    let until = Instant::now() + Duration::from_secs(20);
    while metrics.local_tokens_per_second.get() <= 0.0 {
        assert!(Instant::now() < until, "never told");
        answer(&local, "Hi", at_most(1)).await;
    }
    assert!(local.load().tokens_per_second > 0.0);
}

#[tokio::test]
async fn d9_who_finds_the_queue_full_is_told_how_long_it_will_take() {
    let (local, _) = endless_alone(&LocalConfig { max_streams: 1, queue: 1, ..config() });
    // An engine that was never asked says nothing of its own.
    local.desk.queue.set_rates(&Rates { prefill: 0.0, decode: 10.0, answer: 150.0 });
    local.desk.queue.set_active(2);
    // Two answers of 150 tokens have to end, at 10 a second.
    assert_eq!(local.readiness(), Readiness::Busy { retry_after: Duration::from_secs(30) });
    local.desk.queue.set_active(0);
    assert_eq!(local.readiness(), Readiness::Ready);
}
