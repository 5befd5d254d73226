//! One request, one record: every way to end, what is billed, and what never leaves the record.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::chat::{BoundaryBackendId, Micros};
use crate::config::LocalConfig;
use crate::dialects::openai_chat::upstream::{parse_frame, parse_whole};
use crate::ledger::Prices;
use crate::metrics::Metrics;
use crate::routing::{DecisionRecord, NonEmpty, Plan, PolicyVersion, Verdict};
use crate::telemetry::page::logged;

/// The gateway's house in small: a ledger whose machine costs $3.60 an hour, and gpt-4o-mini as remote.
fn ledger() -> Arc<Ledger> {
    let local = LocalConfig { hourly_hardware_usd: 3.6, watts: 0.0, ..LocalConfig::default() };
    let metrics = Arc::new(Metrics::new().unwrap());
    Arc::new(Ledger::in_memory(Prices::load(None).unwrap(), &local, "gpt-4o-mini", metrics))
}

fn id(name: &str) -> BackendId {
    BackendId::new(name)
}

fn decision(first: &str) -> Decision {
    Decision {
        plan: Plan::Anywhere(NonEmpty::new([id(first), id("remote")]).unwrap()),
        reason: Reason::GoodEnough,
        rule: "good enough".to_owned(),
        policy: PolicyVersion { name: "balanced".to_owned(), hash: "0123456789ab".to_owned() },
        verdict: Some(Verdict { local_ok: 0.9, ..Verdict::default() }),
        score: Some(0.9),
        threshold: Some(0.8),
        prompt_tokens: 100,
        decided_in: Duration::from_micros(300),
        propensity: 1.0,
        record: Box::default(),
    }
}

fn open(ledger: &Arc<Ledger>, first: &str) -> Recorder {
    let mut recorder = Recorder::open(Arc::clone(ledger), RequestId::fresh(), Origin::Live);
    recorder.decided(&decision(first));
    recorder
}

fn text(text: &str) -> Chunk {
    Chunk::of(Event::Delta { index: 0, delta: Delta::Text(text.to_owned()) })
}

fn usage(prompt: u64, completion: u64) -> Usage {
    Usage { prompt, completion, ..Usage::default() }
}

/// One answer from `backend`, complete with usage.
fn answered(ledger: &Arc<Ledger>, backend: &str, model: &str, usage: Usage) -> Outcome {
    let mut recorder = open(ledger, backend);
    recorder.call(&id(backend), model);
    recorder.committed();
    recorder.chunk(&text("Paris"));
    recorder.chunk(&Chunk::of(Event::Usage(usage)));
    recorder.status(200);
    recorder.finish(End::Completed);
    only(ledger)
}

fn only(ledger: &Ledger) -> Outcome {
    let mut closed = ledger.take();
    assert_eq!(closed.len(), 1);
    closed.remove(0)
}

/// Every sample of a rendered metric, by its labels.
fn samples(ledger: &Ledger, metric: &str) -> BTreeMap<String, f64> {
    let text = String::from_utf8(ledger.metrics().render().unwrap()).unwrap();
    let of = |line: &str| {
        let rest = line.strip_prefix("crossover_")?.strip_prefix(metric)?;
        let (labels, value) = rest.rsplit_once(' ')?;
        rest.starts_with(['{', ' ']).then(|| (labels.to_owned(), value.parse().unwrap()))
    };
    text.lines().filter_map(of).filter(|(_, value)| *value != 0.0).collect()
}

fn one(ledger: &Ledger, metric: &str, labels: &str) -> f64 {
    samples(ledger, metric).get(labels).copied().unwrap_or(0.0)
}

#[test]
fn g1_every_request_is_counted_once_however_it_ends() {
    let ledger = ledger();
    let ends = [
        (200, End::Completed),
        (502, End::Failed(Kind::Truncated)),
        (503, End::Refused(Reason::NoRemote)),
        (400, End::Invalid("invalid_json")),
        (0, End::ClientClosed),
    ];
    for (status, end) in ends {
        let mut recorder = open(&ledger, "remote");
        recorder.call(&id("remote"), "gpt-4o-mini");
        recorder.status(status);
        recorder.finish(end);
    }
    drop(Recorder::open(Arc::clone(&ledger), RequestId::fresh(), Origin::Live));
    assert_eq!(samples(&ledger, "requests_total").values().sum::<f64>(), 6.0);
    assert_eq!(ledger.take().len(), 6);
    assert_eq!(ledger.metrics().requests_in_flight.get(), 0);
    let labels = r#"{backend="none",error="client_closed",policy="none",status="499"}"#;
    assert_eq!(one(&ledger, "requests_total", labels), 1.0);
    let labels = r#"{backend="none",error="invalid_json",policy="balanced",status="400"}"#;
    assert_eq!(one(&ledger, "requests_total", labels), 1.0);
}

#[test]
fn c12_a_dropped_recorder_is_a_client_that_left_and_its_partial_answer_is_priced() {
    let ledger = ledger();
    let mut recorder = open(&ledger, "remote");
    recorder.call(&id("remote"), "gpt-4o-mini");
    recorder.committed();
    recorder.chunk(&text(&"x".repeat(400)));
    recorder.status(200);
    drop(recorder);
    let outcome = only(&ledger);
    assert_eq!((outcome.status, outcome.end), (499, End::ClientClosed));
    let partial = Usage { prompt: 100, completion: 100, estimated: true, ..Usage::default() };
    assert_eq!(outcome.usage, partial);
    assert_eq!(outcome.cost, Some(Micros(75)), "100 x $0.15 + 100 x $0.60 per million");
    let labels = r#"{backend="remote",error="client_closed",policy="balanced",status="499"}"#;
    assert_eq!(one(&ledger, "requests_total", labels), 1.0);
    assert_eq!(
        one(&ledger, "tokens_total", r#"{backend="remote",estimated="true",kind="completion"}"#),
        100.0
    );
    assert_eq!(one(&ledger, "attempts_total", r#"{backend="remote",outcome="cancelled"}"#), 1.0);
}

#[test]
fn f15_a_client_that_leaves_before_the_first_token_pays_for_the_prompt() {
    let ledger = ledger();
    let mut recorder = open(&ledger, "remote");
    recorder.call(&id("remote"), "gpt-4o-mini");
    drop(recorder);
    let outcome = only(&ledger);
    assert_eq!((outcome.usage.prompt, outcome.usage.completion), (100, 0));
    assert_eq!(outcome.cost, Some(Micros(15)));
    assert_eq!(outcome.cost_if_remote, None, "nobody answered: there is nothing to compare");
}

#[test]
fn f15_an_answer_that_was_given_up_unseen_counts_as_long_as_foretold() {
    let record = |most: Option<u32>| -> Box<DecisionRecord> {
        serde_json::from_value(json!({
            "form": 1, "prompt_tokens": 100, "max_tokens": most, "needs": {}, "several": false, "code": false,
            "pii": "absent", "language": "en", "needs_fresh_knowledge": false, "session": false,
            "control": "auto", "seats": [], "targets": [],
        }))
        .unwrap()
    };
    let ledger = ledger();
    let given_up = |backend: &str, foretold: Option<u32>, most: Option<u32>, seen: &str| {
        let verdict = Some(Verdict { expected_output_tokens: foretold, ..Verdict::default() });
        let mut recorder = Recorder::open(Arc::clone(&ledger), RequestId::fresh(), Origin::Live);
        recorder.decided(&Decision { verdict, record: record(most), ..decision(backend) });
        recorder.call(&id(backend), "gpt-4o-mini");
        if !seen.is_empty() {
            recorder.chunk(&text(seen));
        }
        recorder.failed(Kind::FirstTokenTimeout);
        recorder.finish(End::Failed(Kind::FirstTokenTimeout));
        let usage = only(&ledger).attempts[0].usage.unwrap();
        assert!(usage.estimated && usage.prompt == 100, "{usage:?}");
        usage.completion
    };
    assert_eq!(given_up("remote", Some(60), None, ""), 60);
    assert_eq!(given_up("remote", Some(60), Some(40), ""), 40, "no more than the request allows");
    assert_eq!(given_up("remote", None, Some(40), ""), 0, "nobody foretold any");
    assert_eq!(given_up("remote", Some(60), None, "12345678"), 2, "what was seen counts");
    assert_eq!(given_up("local", Some(60), None, ""), 0, "machine time is measured");
}

#[test]
fn g2_every_billed_attempt_is_in_the_cost_and_the_request_is_counted_once() {
    let ledger = ledger();
    let mut recorder = open(&ledger, "remote");
    recorder.call(&id("remote"), "gpt-4o");
    recorder.failed(Kind::RateLimited);
    recorder.call(&id("remote"), "gpt-4o");
    recorder.chunk(&Chunk::of(Event::Usage(usage(1_000, 100))));
    recorder.failed(Kind::Truncated);
    recorder.reason(Reason::Fallback);
    recorder.call(&id("other"), "gpt-4o-mini");
    recorder.committed();
    recorder.chunk(&Chunk::of(Event::Usage(usage(1_000, 100))));
    recorder.status(200);
    recorder.finish(End::Completed);
    let outcome = only(&ledger);
    let costs: Vec<_> = outcome.attempts.iter().map(|attempt| attempt.cost.unwrap().0).collect();
    assert_eq!(costs, [0, 3_500, 210], "refused: free; broken off: billed; answered: billed");
    assert_eq!(outcome.cost, Some(Micros(3_710)));
    assert_eq!(outcome.usage, usage(1_000, 100), "the answer's tokens, not the sum");
    assert_eq!(samples(&ledger, "requests_total").values().sum::<f64>(), 1.0);
    assert_eq!(samples(&ledger, "attempts_total").values().sum::<f64>(), 3.0);
    assert_eq!(one(&ledger, "retries_total", r#"{reason="rate_limit_exceeded"}"#), 1.0);
    let moved = r#"{from="remote",reason="upstream_truncated",to="other"}"#;
    assert_eq!(samples(&ledger, "fallback_total"), BTreeMap::from([(moved.to_owned(), 1.0)]));
    assert_eq!(one(&ledger, "cost_usd_total", r#"{backend="remote"}"#), 0.0035);
}

#[test]
fn g2_a_stream_that_breaks_after_content_is_billed_for_what_came() {
    let ledger = ledger();
    let mut recorder = open(&ledger, "remote");
    recorder.call(&id("remote"), "gpt-4o-mini");
    recorder.committed();
    recorder.chunk(&text("12345678"));
    recorder.failed(Kind::StreamError);
    recorder.status(200);
    recorder.finish(End::Failed(Kind::StreamError));
    let outcome = only(&ledger);
    assert_eq!((outcome.attempts.len(), outcome.usage.completion), (1, 2));
    assert_eq!(outcome.cost, Some(Micros(17)), "100 x 0.15 + 2 x 0.60 = 16.2, up");
}

#[test]
fn g6_an_unpriced_model_is_flagged_and_never_costs_zero() {
    let ledger = ledger();
    let outcome = answered(&ledger, "remote", "brand-new-model", usage(10, 10));
    assert_eq!((outcome.cost, outcome.cost_if_remote), (None, None));
    assert_eq!(one(&ledger, "unpriced_requests_total", r#"{backend="remote"}"#), 1.0);
    assert!(samples(&ledger, "cost_usd_total").is_empty());
    assert_eq!(ledger.metrics().saved_usd.get(), 0.0);
}

#[test]
fn c9_missing_usage_is_estimated_and_flagged() {
    let ledger = ledger();
    let mut recorder = open(&ledger, "remote");
    recorder.call(&id("remote"), "gpt-4o-mini");
    recorder.committed();
    recorder.chunk(&text("123456789"));
    recorder.finish(End::Completed);
    let expected = Usage { prompt: 100, completion: 3, estimated: true, ..Usage::default() };
    assert_eq!(only(&ledger).usage, expected);
    assert_eq!(one(&ledger, "tokens_total", r#"{backend="remote",estimated="true",kind="prompt"}"#), 100.0);
}

#[test]
fn c9_usage_beyond_belief_is_estimated_and_turns_no_counter_back() {
    for counts in [
        r#""prompt_tokens":3,"completion_tokens":1e30"#,
        r#""prompt_tokens":18446744073709551615,"completion_tokens":1"#,
    ] {
        let ledger = ledger();
        let mut recorder = open(&ledger, "remote");
        recorder.call(&id("remote"), "gpt-4o-mini");
        recorder.committed();
        recorder.chunk(&text("123456789"));
        let report = format!(r#"{{"choices":[],"usage":{{{counts}}}}}"#);
        recorder.chunk(&parse_frame(report.into(), false).unwrap());
        recorder.finish(End::Completed);
        let expected = Usage { prompt: 100, completion: 3, estimated: true, ..Usage::default() };
        assert_eq!(only(&ledger).usage, expected, "{counts}");
        let told: f64 = samples(&ledger, "tokens_total").values().sum();
        assert_eq!(told, 103.0, "{counts}");
    }
}

#[test]
fn c10_cumulative_usage_the_last_one_counts() {
    let ledger = ledger();
    let mut recorder = open(&ledger, "remote");
    recorder.call(&id("remote"), "gpt-4o-mini");
    for completion in 1..=5 {
        recorder.chunk(&Chunk::of(Event::Usage(usage(20, completion))));
    }
    recorder.committed();
    recorder.finish(End::Completed);
    assert_eq!(only(&ledger).usage, usage(20, 5));
}

#[test]
fn a_local_answer_costs_machine_time_and_is_compared_with_the_remote_model() {
    let ledger = ledger();
    let outcome = answered(&ledger, "local", "starter", usage(1_000_000, 0));
    assert!(outcome.cost.unwrap() >= Micros(1), "never free");
    let estimate = outcome.cost_if_remote.clone().unwrap();
    assert_eq!((estimate.model.as_str(), estimate.cost), ("gpt-4o-mini", Micros(150_000)));
    assert!(outcome.attempts[0].busy.is_some());
    assert!(ledger.metrics().saved_usd.get() > 0.14);
}

#[test]
fn a_remote_answer_saves_nothing_and_a_failed_local_one_before_it_costs() {
    let ledger = ledger();
    let outcome = answered(&ledger, "remote", "gpt-4o", usage(1_000, 0));
    assert_eq!(outcome.cost_if_remote.unwrap().cost, outcome.cost.unwrap());
    assert_eq!(ledger.metrics().saved_usd.get(), 0.0);

    let mut recorder = open(&ledger, "local");
    recorder.call(&id("local"), "starter");
    recorder.failed(Kind::FirstTokenTimeout);
    recorder.call(&id("remote"), "gpt-4o-mini");
    recorder.committed();
    recorder.chunk(&Chunk::of(Event::Usage(usage(1_000, 0))));
    recorder.finish(End::Completed);
    assert!(only(&ledger).cost.unwrap() > Micros(150));
    assert!(ledger.metrics().saved_usd.get() < 0.0, "routing cost money, and the metric says so");
}

#[test]
fn g2_a_local_answer_that_breaks_off_costs_its_time_and_saves_nothing() {
    let ledger = ledger();
    let mut recorder = open(&ledger, "local");
    recorder.call(&id("local"), "starter");
    recorder.committed();
    recorder.chunk(&text("Paris"));
    recorder.failed(Kind::Down);
    recorder.status(200);
    recorder.finish(End::Failed(Kind::Down));
    let outcome = only(&ledger);
    assert!(outcome.cost.unwrap() >= Micros(1), "the engine went down under an answer: its time is spent");
    assert_eq!(outcome.cost_if_remote, None);
    assert_eq!(ledger.metrics().saved_usd.get(), 0.0);
}

#[test]
fn g7_the_local_prefix_cache_makes_no_remote_answer_cheaper() {
    let ledger = ledger();
    let cached = Usage { cached_prompt: 900_000, ..usage(1_000_000, 0) };
    let local = answered(&ledger, "local", "starter", cached);
    assert_eq!(local.cost_if_remote.unwrap().cost, Micros(150_000), "the remote has not cached it");
    let remote = answered(&ledger, "remote", "gpt-4o-mini", cached);
    assert_eq!(remote.cost_if_remote.unwrap().cost, remote.cost.unwrap());
    assert!(remote.cost.unwrap() < Micros(150_000));
}

#[test]
fn a_local_refusal_at_the_door_costs_nothing() {
    let ledger = ledger();
    let mut recorder = open(&ledger, "local");
    recorder.call(&id("local"), "starter");
    recorder.failed(Kind::Busy);
    recorder.finish(End::Failed(Kind::Busy));
    assert_eq!(only(&ledger).cost, Some(Micros::ZERO));
}

#[test]
fn d8_a_target_passed_over_because_it_is_not_ready_is_a_fallback() {
    let ledger = ledger();
    let mut recorder = open(&ledger, "local");
    recorder.reason(Reason::NoRemote);
    recorder.call(&id("local"), "starter");
    recorder.committed();
    recorder.finish(End::Completed);
    let moved = r#"{from="remote",reason="no_remote",to="local"}"#;
    assert_eq!(samples(&ledger, "fallback_total"), BTreeMap::from([(moved.to_owned(), 1.0)]));
}

#[test]
fn decisions_are_counted_by_policy_first_target_and_reason() {
    let ledger = ledger();
    let boundary = BoundaryBackendId::declare(&id("local"), true).unwrap();
    let mut recorder = Recorder::open(Arc::clone(&ledger), RequestId::fresh(), Origin::Live);
    let plan = Plan::WithinBoundary(NonEmpty::new([boundary]).unwrap());
    recorder.decided(&Decision { plan, reason: Reason::Private, ..decision("local") });
    recorder.finish(End::Failed(Kind::Down));
    let mut recorder = Recorder::open(Arc::clone(&ledger), RequestId::fresh(), Origin::Live);
    recorder.decided(&Decision { plan: Plan::Refuse, reason: Reason::NoRemote, ..decision("local") });
    recorder.finish(End::Refused(Reason::NoRemote));
    let expected = [
        (r#"{policy="balanced",reason="no_remote",target="none"}"#.to_owned(), 1.0),
        (r#"{policy="balanced",reason="private",target="local"}"#.to_owned(), 1.0),
    ];
    assert_eq!(samples(&ledger, "decisions_total"), BTreeMap::from(expected));
    assert_eq!(ledger.metrics().decision_seconds.get_sample_count(), 2);
}

#[test]
fn f18_answers_reach_neither_log_nor_metrics_nor_record() {
    let ledger = ledger();
    let log = logged(|| {
        let mut recorder = open(&ledger, "local");
        recorder.call(&id("local"), "starter");
        recorder.committed();
        recorder.chunk(&text("canary-7f3a"));
        recorder.chunk(&Chunk::of(Event::Whole { text: "canary-7f3a".to_owned() }));
        recorder.status(200);
        recorder.finish(End::Completed);
    });
    assert_eq!(log.lines().count(), 1, "one line a request: {log}");
    for field in
        ["policy=\"balanced\"", "reason=\"good_enough\"", "backend=\"local\"", "status=200", "cost_micros="]
    {
        assert!(log.contains(field), "{field} in {log}");
    }
    let metrics = String::from_utf8(ledger.metrics().render().unwrap()).unwrap();
    let record = format!("{:?}", only(&ledger));
    assert!(![log, metrics, record].iter().any(|output| output.contains("canary")));
}

#[test]
fn f12_f13_alien_names_make_no_series_and_break_no_line() {
    let ledger = ledger();
    let before = ledger.metrics().render().unwrap().len();
    let log = logged(|| {
        for n in 0..200 {
            let model = format!("model{n}\",x=\"\nforged line");
            let outcome = answered(&ledger, "remote", &model, usage(1, 1));
            assert_eq!(outcome.cost, None);
        }
    });
    assert_eq!(log.lines().count(), 200, "no forged lines");
    assert!(log.contains("model=\"other\"") && !log.contains("forged"));
    let text = String::from_utf8(ledger.metrics().render().unwrap()).unwrap();
    assert!(!text.contains("forged"));
    assert!(text.len() < before + 8_000, "series stay bounded: {} bytes more", text.len() - before);
}

#[test]
fn c9_an_answer_without_usage_has_a_token_for_each_piece_at_least() {
    let ledger = ledger();
    let mut recorder = open(&ledger, "remote");
    let copy = recorder.copy();
    recorder.call(&id("remote"), "gpt-4o-mini");
    for _ in 0..30 {
        recorder.chunk(&text("123"));
    }
    recorder.committed();
    recorder.finish(End::Completed);
    let usage = copy.blocking_recv().unwrap().usage;
    assert!(usage.estimated && usage.completion == 30, "{usage:?}");
}

#[test]
fn c9_whole_answers_without_usage_are_estimated_by_all_that_was_generated() {
    let call =
        r#"{"message":{"content":null,"tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"}}]}}"#;
    let text = r#"{"message":{"content":"12345678"}}"#;
    for (choices, least) in [(call.to_owned(), 10), (text.to_owned(), 2), ([text; 4].join(","), 8)] {
        let ledger = ledger();
        let mut recorder = open(&ledger, "remote");
        recorder.call(&id("remote"), "gpt-4o-mini");
        recorder.chunk(&parse_whole(format!(r#"{{"choices":[{choices}]}}"#).into()).unwrap());
        recorder.committed();
        recorder.finish(End::Completed);
        let usage = only(&ledger).usage;
        assert!(usage.estimated && usage.completion >= least, "{choices}: {usage:?}");
    }
}

#[test]
fn c9_thoughts_that_are_only_relayed_are_billed_when_the_client_leaves() {
    let ledger = ledger();
    let mut recorder = open(&ledger, "remote");
    recorder.call(&id("remote"), "gpt-4o-mini");
    for _ in 0..30 {
        let thought = br#"{"choices":[{"index":0,"delta":{"reasoning_content":"hm"}}]}"#;
        recorder.chunk(&parse_frame(thought.as_slice().into(), false).unwrap());
    }
    drop(recorder);
    let usage = only(&ledger).usage;
    assert!(usage.estimated && usage.completion >= 30, "{usage:?}");
}
