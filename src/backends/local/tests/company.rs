//! The numbers of an answer with a seed do not hang on who runs beside it, nor do any where drafts are made: a tiny model whose
//! kernels sum a row that is alone otherwise than rows in pairs, on some processors. On others these tests hold of themselves,
//! and the list of skipped tests has a line that says so.

use std::fs::OpenOptions;
use std::io::Write as _;

use futures_util::future::join_all;

use super::speculation::{Said, call, greedy_for, said, warm};
use super::*;
use crate::backends::local::families;
use crate::backends::local::graph::{Graph, Room};
use crate::config::Speculation;
use crate::onnx::SessionSpec;

/// Where this processor's kernels sum every row alike, says so in the report of the tests. That is no skip, which CI takes for a
/// failure: nobody can mend a processor.
fn note_where_nothing_pairs(folder: &Folder) {
    let spec = SessionSpec { intra_threads: 1, spin: false };
    let mut graph = Graph::open(folder, &spec, Room { rows: 5, bytes: 64 << 20, pairs: true }).unwrap();
    if graph.kv().pairs() {
        return;
    }
    let usual = || Path::new(env!("CARGO_MANIFEST_DIR")).join(".local/skipped");
    let file = std::env::var_os("CROSSOVER_TEST_SKIPPED").map_or_else(usual, PathBuf::from);
    let line = "NOTE: rows in company: this processor sums a row alone as in pairs, so their tests hold of themselves\n";
    let noted = OpenOptions::new().append(true).create(true).open(file);
    let _ = noted.and_then(|mut file| file.write_all(line.as_bytes()));
}

fn wide(config: &LocalConfig) -> (Local, Arc<Metrics>) {
    let (_home, mut folder) = families::verifying(128);
    let metrics = Arc::new(Metrics::new().unwrap());
    let local = Local::open(&folder.root, config, Arc::clone(&metrics));
    folder.verify = None;
    note_where_nothing_pairs(&folder);
    (local.unwrap_or_else(|error| panic!("{error}")), metrics)
}

/// What is asked, greedily or not, with a seed: prompts of even and odd lengths, within a chunk and past it, with the logarithms of all that is likely.
fn question(n: u32) -> Call {
    let text = format!("{}what now?", "a word ".repeat((n * n * 5) as usize));
    let sampling = if n.is_multiple_of(2) { greedy_for(120) } else { warm(0, 90) };
    call(&text, &Sampling { logprobs: Some(5), seed: Some(n.into()), ..sampling }, &ResponseFormat::Text)
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
async fn an_answer_with_a_seed_is_the_same_beside_others_without() {
    let (local, metrics) = wide(&LocalConfig { max_streams: 4, ..config() });
    let seeded = |n: u32| {
        let sampling = Sampling { logprobs: Some(5), ..warm(n.into(), 90) };
        call("what now?", &sampling, &ResponseFormat::Text)
    };
    let other = |n: u32| call(&"a word ".repeat(n as usize), &greedy_for(90 + 20 * n), &ResponseFormat::Text);
    let alone = said(&local, seeded(7)).await;
    for others in 1..4 {
        let beside = join_all((0..others).map(|n| said(&local, other(n))));
        let (found, _) = tokio::join!(said(&local, seeded(7)), beside);
        assert!(found == alone, "beside {others}");
    }
    assert_eq!(metrics.local_drafted_tokens_total.get(), 0);
}

/// Without a seed, greedily, with the logarithms of all that is likely.
fn unseeded(n: u32) -> Call {
    let sampling = Sampling { logprobs: Some(5), ..greedy_for(90) };
    call(&format!("{}what now?", "a word ".repeat(n as usize)), &sampling, &ResponseFormat::Text)
}

#[tokio::test]
async fn an_answer_without_a_seed_has_a_lone_rows_numbers_when_it_runs_alone() {
    let ((pairs, _), (plain, _)) = (wide(&config()), wide(&LocalConfig { pair_rows: false, ..config() }));
    for n in [1, 40] {
        assert!(said(&pairs, unseeded(n)).await == said(&plain, unseeded(n)).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_drafts_are_made_answers_without_a_seed_are_the_same_in_company_too() {
    let drafts = LocalConfig { speculation: Speculation::PromptLookup, max_streams: 4, ..config() };
    let (local, _) = wide(&drafts);
    let mut alone = vec![];
    for n in 0..3 {
        alone.push(said(&local, unseeded(10 * n)).await);
    }
    assert!(join_all((0..3).map(|n| said(&local, unseeded(10 * n)))).await == alone);
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
