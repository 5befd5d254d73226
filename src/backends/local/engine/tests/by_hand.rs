//! An engine without its thread, turned round by round: what happens in one step happens so every time.

use std::sync::atomic::AtomicBool;

use tokio::sync::mpsc::Receiver;

use super::*;
use crate::backends::local::constraint::Grammars;
use crate::backends::local::detokenize::Vocabulary;
use crate::backends::local::folder::Folder;
use crate::backends::local::graph::Room;
use crate::backends::local::queue::{Job, reserve_ends};
use crate::backends::local::tests::{greedy, starter};
use crate::onnx::SessionSpec;

/// An engine for two answers, with room for so many tokens.
fn engine(tokens: usize) -> Engine {
    let spec = SessionSpec { intra_threads: 1, spin: false };
    let room = Room { rows: 3, bytes: 64 << 20, pairs: false };
    let graph = Graph::open(&Folder::read(&starter()).unwrap(), &spec, room).unwrap();
    let metrics = Arc::new(Metrics::new().unwrap());
    let queue = Arc::new(Queue::new(4, 2, Arc::clone(&metrics)));
    let limits = Limits {
        slots: 2,
        longest: Duration::from_secs(120),
        eos: vec![],
        tokens,
        prefix_bytes: 0,
        grammars: Arc::new(Grammars::new(Arc::new(Vocabulary::from_words(&[])), &[])),
    };
    Engine::new(graph, limits, Watched { queue, health: Arc::new(Health::new()), metrics })
}

/// Asks for so many tokens after a prompt of so many; the reader has room for all of them.
fn queued(engine: &Engine, prompt: usize, tokens: usize) -> Receiver<Step> {
    let (steps, reader) = tokio::sync::mpsc::channel(tokens + 1);
    let job = Job {
        prompt: vec![5; prompt].into(),
        choice: greedy(),
        max_tokens: tokens,
        answers: 1,
        grammar: None,
        owner: None,
        scope: None,
    };
    let ends = reserve_ends(&steps, 1).unwrap();
    let enough = [AtomicBool::new(false)].into();
    let waits_until = Instant::now() + Duration::from_secs(60);
    engine.queue.push(Ticket { job, steps, ends, enough, waits_until, group: None }).unwrap();
    reader
}

/// Turns until every answer has ended, and looks after each round.
fn finish(engine: &mut Engine, look: impl Fn(&mut Engine)) {
    for _ in 0..2000 {
        engine.round();
        look(engine);
        if engine.sequences.is_empty() {
            return;
        }
    }
    panic!("never ended");
}

/// All that a reader was told: how many tokens, and the end.
fn told(mut reader: Receiver<Step>) -> (usize, Option<Step>) {
    let steps: Vec<Step> = std::iter::from_fn(|| reader.try_recv().ok()).collect();
    let tokens = steps.iter().filter(|step| matches!(step, Step::Token { .. })).count();
    (tokens, steps.last().cloned())
}

#[test]
fn an_empty_prompt_is_an_error_and_keeps_no_place() {
    let mut engine = engine(1024);
    let reader = queued(&engine, 0, 4);
    engine.round();
    assert!(engine.sequences.is_empty());
    let end = Step::End { index: 0, end: End::Failed, tokens: 0, cached: 0 };
    assert_eq!(told(reader), (0, Some(end)));
}

#[test]
fn nobody_loses_its_place_to_who_has_said_all() {
    // In the same step the older says its last token and the younger needs another block, then the other way round.
    for answers in [[(10, 4), (62, 6)], [(61, 6), (61, 3)]] {
        let mut engine = engine(2 * BLOCK);
        let readers = answers.map(|(prompt, tokens)| queued(&engine, prompt, tokens));
        finish(&mut engine, |_| ());
        let prompts = answers.map(|(prompt, _)| prompt as u64).iter().sum::<u64>();
        let counts = [&engine.metrics.local_preempted_total, &engine.metrics.local_prefill_tokens_total];
        assert_eq!(counts.map(|count| count.get()), [0, prompts]);
        for (reader, (_, tokens)) in readers.into_iter().zip(answers) {
            let end = Step::End { index: 0, end: End::Length, tokens: tokens as u64, cached: 0 };
            assert_eq!(told(reader), (tokens, Some(end)));
        }
    }
}

#[test]
fn who_loses_its_place_is_told_what_it_chose_last() {
    let mut engine = engine(2 * BLOCK);
    let (older, mut younger) = (queued(&engine, 61, 6), queued(&engine, 61, 6));
    engine.round();
    while engine.metrics.local_preempted_total.get() == 0 && !engine.sequences.is_empty() {
        engine.round();
    }
    let before = std::iter::from_fn(|| younger.try_recv().ok()).count();
    assert_eq!((engine.sequences[1].generated(), before), (3, 3));
    finish(&mut engine, |_| ());
    assert_eq!((told(older).0, told(younger).0), (6, 3), "and the rest later, each once");
}

#[test]
fn the_promised_bytes_are_told_as_an_answer_grows() {
    let mut engine = engine(1024);
    let _reader = queued(&engine, 10, 300);
    for _ in 0..200 {
        engine.round();
    }
    let block = BLOCK * engine.graph.layout.bytes_per_token();
    let told = engine.metrics.local_kv_bytes.get();
    assert_eq!(usize::try_from(told).unwrap() / block, 4, "210 tokens");
}

#[test]
fn rows_in_use_and_empty_ones_hold_no_more_than_the_budget() {
    let mut engine = engine(10 * BLOCK);
    let _long = queued(&engine, 600, 8);
    finish(&mut engine, |_| ());
    assert!(engine.graph.kv().held() > 600, "what an empty row holds is there for the next one");
    // A short answer takes that row and stays, beside another long one, and then grows.
    let _short = queued(&engine, 10, 400);
    engine.round();
    let _other = queued(&engine, 500, 8);
    finish(&mut engine, |engine| {
        let held = engine.graph.kv().held();
        assert!(held <= 10 * BLOCK, "{held}");
    });
}
