//! An engine without its thread, turned round by round: what happens in one step happens so every time.

use std::sync::atomic::AtomicBool;

use tokio::sync::mpsc::Receiver;

use super::*;
use crate::backends::local::constraint::Grammars;
use crate::backends::local::detokenize::Vocabulary;
use crate::backends::local::families::{self, Form};
use crate::backends::local::folder::Folder;
use crate::backends::local::graph::Room;
use crate::backends::local::queue::{Job, reserve_ends};
use crate::backends::local::sequence::Turn;
use crate::backends::local::tests::{greedy, starter};
use crate::backends::local::watchdog::Watchdog;
use crate::onnx::SessionSpec;

/// An engine for two answers, with room for so many tokens.
fn engine(tokens: usize) -> Engine {
    engine_of(&Folder::read(&starter()).unwrap(), 2, tokens, 0)
}

/// An engine of a graph whose rows run alone.
fn growing(prefix_bytes: usize) -> (tempfile::TempDir, Engine) {
    let (home, folder) = families::read("llama-3.2", Form::HfF32);
    let engine = engine_of(&folder, 2, 1024, prefix_bytes);
    assert!(!engine.graph.runs_together());
    (home, engine)
}

fn engine_of(folder: &Folder, slots: usize, tokens: usize, prefix_bytes: usize) -> Engine {
    let spec = SessionSpec { intra_threads: 1, spin: false };
    let room = Room { rows: slots + 1, bytes: 64 << 20, pairs: false };
    let graph = Graph::open(folder, &spec, room).unwrap();
    let metrics = Arc::new(Metrics::new().unwrap());
    let queue = Arc::new(Queue::new(4, slots, Arc::clone(&metrics)));
    let limits = Limits {
        slots,
        longest: Duration::from_secs(120),
        eos: vec![],
        tokens,
        prefix_bytes,
        grammars: Arc::new(Grammars::new(Arc::new(Vocabulary::from_words(&[])), &[])),
    };
    Engine::new(graph, limits, Watched { queue, health: Arc::new(Health::new()), metrics })
}

/// Asks for so many tokens after a prompt of so many; the reader has room for all of them.
fn queued(engine: &Engine, prompt: usize, tokens: usize) -> Receiver<Step> {
    asked(engine, job(prompt, tokens), tokens)
}

fn job(prompt: usize, tokens: usize) -> Job {
    Job {
        prompt: vec![5; prompt].into(),
        choice: greedy(),
        max_tokens: tokens,
        answers: 1,
        grammar: None,
        owner: None,
        scope: None,
    }
}

/// Asks, for a reader who has room for so many tokens.
fn asked(engine: &Engine, job: Job, room: usize) -> Receiver<Step> {
    let (steps, reader) = tokio::sync::mpsc::channel(room + job.answers);
    let ends = reserve_ends(&steps, job.answers).unwrap();
    let enough = (0..job.answers).map(|_| AtomicBool::new(false)).collect();
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
fn an_answer_that_got_no_room_fails_no_other_of_its_request() {
    let mut engine = engine(2 * BLOCK);
    let mut reader = asked(&engine, Job { answers: 2, ..job(100, 4) }, 4);
    engine.round();
    assert_eq!((engine.sequences.len(), engine.sequences[1].row), (2, None), "the first has all the room");
    engine.sequences[1].expire();
    finish(&mut engine, |_| ());
    let told = std::iter::from_fn(|| reader.try_recv().ok());
    let ends: Vec<Step> = told.filter(|step| matches!(step, Step::End { .. })).collect();
    let end = |index, tokens| Step::End { index, end: End::Length, tokens, cached: 0 };
    assert_eq!(ends, [end(1, 0), end(0, 4)]);
}

#[test]
fn a_request_that_got_no_room_at_all_is_refused() {
    let mut engine = engine(2 * BLOCK);
    let (first, second) = (queued(&engine, 100, 4), queued(&engine, 100, 4));
    engine.round();
    engine.sequences[1].expire();
    finish(&mut engine, |_| ());
    let end = Step::End { index: 0, end: End::Expired, tokens: 0, cached: 0 };
    assert_eq!((told(first).0, told(second)), (4, (0, Some(end))));
}

#[test]
fn nothing_is_computed_anew_for_an_answer_whose_time_is_over() {
    // While its prompt is read again, and while what it has said is fed again.
    for (rounds, again) in [(1, prefill::CHUNK), (2, 200)] {
        let mut engine = engine(5 * BLOCK);
        let (_older, younger) = (queued(&engine, 61, 6), queued(&engine, 200, 20));
        engine.round();
        while engine.sequences.len() == 2 {
            engine.round();
        }
        for _ in 0..rounds {
            engine.round();
        }
        let metrics = Arc::clone(&engine.metrics);
        let counts = || (metrics.local_preempted_total.get(), metrics.local_prefill_tokens_total.get());
        let before = (1, (61 + 200 + again) as u64);
        assert_eq!(counts(), before);
        engine.sequences[0].expire();
        engine.round();
        assert_eq!((engine.sequences.len(), counts()), (0, before));
        let end = Step::End { index: 0, end: End::Length, tokens: 2, cached: 0 };
        assert_eq!(told(younger), (2, Some(end)));
    }
}

#[test]
fn who_leaves_behind_another_that_waits_for_room_keeps_no_place() {
    let mut engine = engine_of(&Folder::read(&starter()).unwrap(), 3, 3 * BLOCK, 0);
    let [_first, _second, third] = [60; 3].map(|tokens| queued(&engine, 61, tokens));
    engine.round();
    while engine.metrics.local_preempted_total.get() < 2 && engine.sequences.len() == 3 {
        engine.round();
    }
    assert_eq!((engine.sequences.len(), engine.sequences[1].row), (3, None), "two have lost their places");
    drop(third);
    engine.round();
    assert_eq!((engine.sequences.len(), engine.sequences[1].row), (2, None));
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

#[test]
fn a_kept_beginning_is_copied_once_into_a_row_that_grows() {
    let (_home, mut engine) = growing(64 << 20);
    let block = prefill::CHUNK * engine.graph.layout.numbers_per_token();
    for blocks in [0, 1, 2] {
        // The first one leaves both blocks behind.
        let prompt = if blocks == 0 { 2 * prefill::CHUNK + 1 } else { blocks * prefill::CHUNK + 1 };
        let before = engine.graph.kv().copied();
        let reader = asked(&engine, Job { scope: Some("all".into()), ..job(prompt, 1) }, 1);
        finish(&mut engine, |_| ());
        let cached = (blocks * prefill::CHUNK) as u64;
        let end = Step::End { index: 0, end: End::Length, tokens: 1, cached };
        assert_eq!(told(reader), (1, Some(end)));
        assert_eq!(engine.graph.kv().copied() - before, blocks * block, "{blocks}");
    }
}

#[test]
fn where_rows_run_alone_none_runs_for_a_reader_who_is_behind() {
    let (_home, mut engine) = growing(0);
    let slow = asked(&engine, job(10, 20), 4);
    let other = queued(&engine, 10, 60);
    let mut behind = 0;
    for _ in 0..40 {
        engine.round();
        if matches!(engine.sequences[0].turn, Turn::Waits(_)) {
            assert_eq!(engine.ids.len(), 1, "rows in this step");
            behind += 1;
        }
    }
    assert!(behind > 9, "{behind}");
    assert_eq!((told(slow).0, engine.sequences.len()), (4, 2));
    finish(&mut engine, |_| ());
    let end = Step::End { index: 0, end: End::Length, tokens: 60, cached: 0 };
    assert_eq!(told(other), (60, Some(end)));
}

#[test]
fn a_short_prompt_does_not_wait_for_a_long_one() {
    let mut engine = engine(1024);
    let long = queued(&engine, 600, 1);
    engine.round();
    let short = queued(&engine, 10, 1);
    engine.round();
    let end = Step::End { index: 0, end: End::Length, tokens: 1, cached: 0 };
    assert_eq!(told(short), (1, Some(end)));
    assert_eq!(engine.metrics.local_prefill_tokens_total.get(), prefill::CHUNK as u64 + 10);
    assert_eq!(told(long), (0, None));
}

#[test]
fn a_long_prompt_is_not_starved_by_short_ones() {
    let mut engine = engine(1024);
    let long = queued(&engine, 600, 1);
    engine.round();
    let (mut shorts, mut rounds) = (vec![], 0);
    while long.is_empty() {
        // Always one with less to go beside it.
        if engine.queue.load().queued == 0 {
            shorts.push(queued(&engine, 100, 1));
        }
        engine.round();
        rounds += 1;
        assert!(rounds < 40, "starved");
    }
    let end = Step::End { index: 0, end: End::Length, tokens: 1, cached: 0 };
    assert_eq!(told(long), (1, Some(end)));
}

/// Waits for another thread's doing, ten seconds at most.
fn until(done: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if done() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
    panic!("never happened");
}

#[test]
fn d21_a_run_that_takes_too_long_is_ended_and_the_next_one_is_not() {
    // Much to read and nothing to decode; then one token to read, which the first round does, and much to decode.
    for (prompt, tokens, rounds) in [(900, 1, 0), (1, 300, 1)] {
        let mut engine = engine(1024);
        let reader = queued(&engine, prompt, tokens);
        for _ in 0..rounds {
            engine.round();
        }
        let watched = Watched {
            queue: Arc::clone(&engine.queue),
            health: Arc::clone(&engine.health),
            metrics: Arc::clone(&engine.metrics),
        };
        // Whatever it sees running has run for too long.
        let dog = Watchdog::start(watched, Duration::ZERO, Some(engine.graph.brake())).unwrap();
        finish(&mut engine, |_| ());
        let (_, last) = told(reader);
        assert!(matches!(last, Some(Step::End { end: End::Failed, .. })), "{prompt}: {last:?}");
        assert!(engine.metrics.local_faults_total.with_label_values(&["hung"]).get() > 0);
        until(|| !engine.health.hangs());
        drop(dog);
        until(|| Arc::strong_count(&engine.health) == 1);
        let reader = queued(&engine, 10, 4);
        finish(&mut engine, |_| ());
        let end = Step::End { index: 0, end: End::Length, tokens: 4, cached: 0 };
        assert_eq!(told(reader), (4, Some(end)));
    }
}
