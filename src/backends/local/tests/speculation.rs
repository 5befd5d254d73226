//! Drafts change no answer: a tiny model with a verify form, and the same one without.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::*;
use crate::backends::local::families;
use crate::chat::{Chunk, TokenLogprob};
use crate::config::Speculation;

/// The model that drafts, its metrics, and the one that does not.
struct Pair {
    drafts: Local,
    metrics: Arc<Metrics>,
    plain: Local,
}

fn pair(config: &LocalConfig) -> Pair {
    let (_home, folder) = families::verifying(32);
    let open = |speculation| {
        let metrics = Arc::new(Metrics::new().unwrap());
        let config = LocalConfig { speculation, ..config.clone() };
        let local = Local::open(&folder.root, &config, Arc::clone(&metrics));
        (local.unwrap_or_else(|error| panic!("{error}")), metrics)
    };
    let ((drafts, metrics), (plain, none)) = (open(Speculation::PromptLookup), open(Speculation::Off));
    assert_eq!(none.local_drafted_tokens_total.get(), 0);
    Pair { drafts, metrics, plain }
}

pub(super) fn greedy_for(max_tokens: u32) -> Sampling {
    Sampling { temperature: Some(0.0), ..at_most(max_tokens) }
}

pub(super) fn warm(seed: i64, max_tokens: u32) -> Sampling {
    Sampling { temperature: Some(0.2), seed: Some(seed), ..at_most(max_tokens) }
}

/// Says one token again and again.
fn repeating(max_tokens: u32) -> Sampling {
    Sampling { logit_bias: vec![(40, 100.0)], ..greedy_for(max_tokens) }
}

pub(super) fn call(text: &str, sampling: &Sampling, format: &ResponseFormat) -> Call {
    let mut call = ask(text, sampling.clone());
    let mut request = ChatRequest::clone(&call.request);
    request.response_format = format.clone();
    call.request = Arc::new(request);
    call
}

/// All that a request is told: texts, ends, usage, and for each answer what is told of its tokens.
pub(super) type Said = (Folded, BTreeMap<u32, Vec<TokenLogprob>>);

pub(super) async fn said(local: &Local, call: Call) -> Said {
    let (mut folded, mut told) = (Folded::default(), BTreeMap::<u32, Vec<_>>::new());
    let mut chunks = local.answer(call);
    while let Some(chunk) = chunks.next().await {
        let Chunk { events, logprobs, .. } = chunk.unwrap();
        if let Some(Event::Role { index } | Event::Delta { index, .. } | Event::Finish { index, .. }) =
            events.first()
        {
            told.entry(*index).or_default().extend(logprobs);
        }
        events.into_iter().for_each(|event| folded.take(event));
    }
    (folded, told)
}

const COPY: &str = "Copy this: one two three four one two three four one two";

/// Everything that bends what is chosen, told or shown.
fn wishes() -> Vec<(Sampling, ResponseFormat)> {
    let text = ResponseFormat::Text;
    let schema = |schema: Value| ResponseFormat::JsonSchema { schema: Arc::new(schema), strict: true };
    let numbers =
        json!({ "type": "array", "items": { "enum": ["one", "two"] }, "minItems": 9, "maxItems": 9 });
    vec![
        (greedy_for(120), text.clone()),
        (greedy_for(u32::MAX), text.clone()),
        (warm(1, 120), text.clone()),
        (warm(-7, 121), text.clone()),
        (hot(3, 122), text.clone()),
        (Sampling { top_k: Some(3), top_p: Some(0.8), min_p: Some(0.01), ..warm(2, 80) }, text.clone()),
        (Sampling { repetition_penalty: Some(1.3), ..greedy_for(90) }, text.clone()),
        (Sampling { frequency_penalty: 0.4, presence_penalty: 0.3, ..warm(4, 90) }, text.clone()),
        (repeating(120), text.clone()),
        (Sampling { logit_bias: vec![(40, 60.0), (41, 60.0)], ..warm(5, 90) }, text.clone()),
        (Sampling { frequency_penalty: 2.0, ..repeating(90) }, text.clone()),
        (Sampling { logprobs: Some(3), ..greedy_for(60) }, text.clone()),
        (Sampling { logprobs: Some(2), ..warm(6, 60) }, text.clone()),
        (Sampling { n: 3, logprobs: Some(0), ..warm(8, 40) }, text),
        (warm(9, 200), schema(numbers.clone())),
        (greedy_for(200), schema(numbers)),
        (greedy_for(100), ResponseFormat::JsonObject),
    ]
}

#[tokio::test]
async fn drafts_change_nothing_of_what_is_said() {
    let pair = pair(&config());
    for (sampling, format) in wishes() {
        let call = |text: &str| call(text, &sampling, &format);
        for text in [COPY, "Say something new."] {
            let plain = said(&pair.plain, call(text)).await;
            assert_eq!(said(&pair.drafts, call(text)).await, plain, "{sampling:?} {format:?}");
        }
    }
    let (tried, right) =
        (pair.metrics.local_drafted_tokens_total.get(), pair.metrics.local_accepted_tokens_total.get());
    assert!(right > 100 && tried > right, "{right} of {tried}");
}

#[tokio::test]
async fn every_limit_and_stop_falls_where_it_would() {
    let pair = pair(&config());
    for most in 1..24 {
        let plain = answer(&pair.plain, COPY, repeating(most)).await;
        assert_eq!(plain.usage.unwrap().completion, u64::from(most));
        assert_eq!(answer(&pair.drafts, COPY, repeating(most)).await, plain);
    }
    let letter = answer(&pair.plain, COPY, repeating(1)).await.texts[0].clone();
    for letters in [3, 16, 17, 30] {
        let sampling = Sampling { stop: vec![letter.repeat(letters)], logprobs: Some(1), ..repeating(60) };
        let call = || call(COPY, &sampling, &ResponseFormat::Text);
        assert_eq!(said(&pair.drafts, call()).await, said(&pair.plain, call()).await);
    }
    let (tried, right) =
        (pair.metrics.local_drafted_tokens_total.get(), pair.metrics.local_accepted_tokens_total.get());
    assert!(right > 50, "{right} of {tried}");
}

#[tokio::test]
async fn answers_end_at_the_context_with_drafts_too() {
    let pair = pair(&config());
    let context = u64::from(pair.drafts.profile().context_tokens);
    for words in [1, 2, 3, 40] {
        let text = "one two ".repeat(words);
        let plain = answer(&pair.plain, &text, repeating(u32::MAX)).await;
        assert_eq!(plain.usage.unwrap().total(), context);
        assert_eq!(answer(&pair.drafts, &text, repeating(u32::MAX)).await, plain);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_drafted_alone_and_stepped_in_company_are_the_same() {
    let pair = pair(&LocalConfig { max_streams: 4, ..config() });
    let questions: Vec<(String, Sampling)> = (0..6_u32)
        .map(|n| (format!("{COPY} {}", "three ".repeat(n as usize)), n))
        .map(|(text, n)| (text, if n % 2 == 1 { repeating(50 * n + 9) } else { warm(n.into(), 30 * n) }))
        .collect();
    let mut alone = vec![];
    for (text, sampling) in &questions {
        alone.push(answer(&pair.plain, text, sampling.clone()).await);
    }
    for _ in 0..3 {
        let together = questions.iter().map(|(text, sampling)| answer(&pair.drafts, text, sampling.clone()));
        assert_eq!(join_all(together).await, alone);
    }
    assert!(pair.metrics.local_accepted_tokens_total.get() > 0, "the last ones were alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_cache_and_drafts_change_no_answer() {
    let questions: Vec<Sampling> = (0..4).map(|seed| warm(seed, 150)).collect();
    // The context of 384 tokens, 1 KiB each, and room for little more.
    let pair = pair(&LocalConfig { kv_cache_mib: 1, ..config() });
    let mut alone = vec![];
    for sampling in &questions {
        alone.push(answer(&pair.plain, COPY, sampling.clone()).await);
    }
    let together = questions.iter().map(|sampling| answer(&pair.drafts, COPY, sampling.clone()));
    assert_eq!(join_all(together).await, alone);
}

#[tokio::test]
async fn a_reader_that_leaves_or_stands_still_in_mid_draft_disturbs_nobody() {
    let pair = pair(&config());
    let plain = answer(&pair.plain, COPY, repeating(250)).await;
    for taken in 1..12 {
        let mut chunks = pair.drafts.answer(ask(COPY, repeating(250)));
        for _ in 0..taken {
            chunks.next().await.unwrap().unwrap();
        }
        drop(chunks);
    }
    eventually(|| pair.drafts.load().active == 0).await;
    // More tokens than the reader's channel holds, long before it reads on.
    let mut slow = pair.drafts.answer(ask(COPY, repeating(250)));
    let mut folded = Folded::default();
    for event in slow.next().await.unwrap().unwrap().events {
        folded.take(event);
    }
    tokio::time::sleep(Duration::from_millis(30)).await;
    while let Some(chunk) = slow.next().await {
        chunk.unwrap().events.into_iter().for_each(|event| folded.take(event));
    }
    assert_eq!(folded, plain);
}
