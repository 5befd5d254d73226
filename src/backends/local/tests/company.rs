//! Nobody's numbers hang on who runs beside them: a tiny model whose kernels sum a row that is alone otherwise than rows in
//! pairs, on some processors. On others these tests hold of themselves.

use futures_util::future::join_all;

use super::speculation::{Said, call, greedy_for, said, warm};
use super::*;
use crate::backends::local::families;

fn wide(config: &LocalConfig) -> (Local, Arc<Metrics>) {
    let (_home, folder) = families::verifying(128);
    let metrics = Arc::new(Metrics::new().unwrap());
    let local = Local::open(&folder.root, config, Arc::clone(&metrics));
    (local.unwrap_or_else(|error| panic!("{error}")), metrics)
}

/// What is asked: prompts of even and odd lengths, within a chunk and past it, with the logarithms of all that is likely.
fn question(n: u32) -> Call {
    let text = format!("{}what now?", "a word ".repeat((n * n * 5) as usize));
    let sampling = if n.is_multiple_of(2) { greedy_for(120) } else { warm(n.into(), 90) };
    call(&text, &Sampling { logprobs: Some(5), ..sampling }, &ResponseFormat::Text)
}

async fn each_alone(local: &Local, count: u32) -> Vec<Said> {
    let mut told = vec![];
    for n in 0..count {
        told.push(said(local, question(n)).await);
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_the_same_to_the_bit_alone_and_beside_one_two_and_three() {
    let (local, metrics) = wide(&LocalConfig { max_streams: 4, ..config() });
    let alone = each_alone(&local, 4).await;
    let before = metrics.local_prefill_tokens_total.get();
    for others in 1..4 {
        let together = join_all((0..=others).map(|n| said(&local, question(n)))).await;
        assert!(together == alone[..together.len()], "beside {others}");
    }
    let prompt = |n: usize| alone[n].0.usage.unwrap().prompt;
    let prompts = 3 * (prompt(0) + prompt(1)) + 2 * prompt(2) + prompt(3);
    assert_eq!(metrics.local_prefill_tokens_total.get() - before, prompts, "nobody else was counted");
    eventually(|| local.load().active == 0 && metrics.local_kv_bytes.get() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_give_their_places_up_go_on_with_the_same_bits() {
    // Room for 4,096 tokens; fifteen answers want up to 384 each.
    let config = LocalConfig { kv_cache_mib: 1, max_streams: 15, ..config() };
    let ask = |n: u32| {
        let sampling = Sampling { logprobs: Some(2), ..warm(n.into(), u32::MAX) };
        call(&"a word ".repeat(n as usize), &sampling, &ResponseFormat::Text)
    };
    let (local, metrics) = wide(&config);
    let mut alone = vec![];
    for n in 0..15 {
        alone.push(said(&local, ask(n)).await);
    }
    assert_eq!(metrics.local_preempted_total.get(), 0);
    assert!(join_all((0..15).map(|n| said(&local, ask(n)))).await == alone);
    assert!(metrics.local_preempted_total.get() > 0, "somebody had to wait");
}

#[tokio::test]
async fn a_prompt_says_the_same_whether_its_beginning_was_kept_or_not() {
    let (local, metrics) = wide(&config());
    for words in 60..66 {
        let text = "a word ".repeat(words);
        let sampling = Sampling { logprobs: Some(5), ..greedy_for(20) };
        let mut plain = call(&text, &sampling, &ResponseFormat::Text);
        let anew = said(&local, plain.clone()).await;
        let mut request = ChatRequest::clone(&plain.request);
        request.controls.key = Some("tester".into());
        plain.request = Arc::new(request);
        for _ in 0..2 {
            let mut kept = said(&local, plain.clone()).await;
            kept.0.usage.as_mut().unwrap().cached_prompt = 0;
            assert!(kept == anew, "{words}");
        }
    }
    assert!(metrics.local_prefix_hit_tokens_total.get() > 128);
}
