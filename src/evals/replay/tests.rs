//! Replays of rows made by hand: what a move costs, what is worth what, and what cannot be decided.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::chat::Micros;
use crate::routing::{DecisionRecord, PolicyVersion, Verdict};

fn policy(text: &str) -> Policy {
    let text = format!("schema-version = 1\nname = \"p\"\nwhen-unknown = [\"remote\"]\n{text}");
    Policy::parse(&text, Path::new("p.toml")).unwrap()
}

fn threshold(bar: f32) -> Policy {
    policy(&format!(
        "[[rule]]\nif = {{ local-ok-at-least = {bar} }}\nto = [\"local\", \"remote\"]\n[[rule]]\nto = [\"remote\", \"local\"]\n"
    ))
}

fn record() -> DecisionRecord {
    let seat = |id: &str, inside: bool| json!({ "id": id, "within_boundary": inside, "presence": "ready", "context_tokens": 4096, "can": {}, "queued": 0 });
    serde_json::from_value(json!({
        "form": 1, "prompt_tokens": 10, "needs": {}, "several": false, "code": false, "pii": "absent",
        "language": "en", "needs_fresh_knowledge": false,
        "session": false, "control": "auto", "seats": [seat("local", true), seat("remote", false)],
        "targets": ["local", "remote"], "reason": "good_enough",
    }))
    .unwrap()
}

fn answer(by: &str, micros: i64, ms: u64) -> Answered {
    let (cost, time) = (Some(Micros(micros)), Duration::from_millis(ms));
    Answered { by: BackendId::new(by), cost, total: time, own_cost: cost, own_time: time }
}

/// A request that went where its score says at a bar of 0.5.
fn row(score: f32) -> Logged {
    let by = if score >= 0.5 { "local" } else { "remote" };
    Logged {
        policy: Some(PolicyVersion { name: "p".to_owned(), hash: "0".to_owned() }),
        rule: Some("rule 1".to_owned()),
        first_target: Some(BackendId::new(by)),
        answered: Some(if by == "local" { answer(by, 10, 50) } else { answer(by, 200, 900) }),
        if_remote: Some(Micros(200)),
        verdict: Some(Verdict { local_ok: score, ..Verdict::default() }),
        record: Some(record()),
        propensity: 1.0,
        shadow_probability: None,
        shadow: None,
        feedback: None,
        grades: BTreeMap::new(),
    }
}

fn under(rows: &[Logged], policy: &Policy) -> Replay {
    replay(rows, &Otherwise { own: &|_| None, policy: Some(policy), bar: Bar::AsLogged })
}

#[test]
fn a_move_costs_what_the_other_answer_costs_or_is_estimated_to() {
    let mut rows: Vec<Logged> = [0.9, 0.7, 0.3, 0.1].map(row).to_vec();
    let told = under(&rows, &threshold(0.8));
    assert_eq!(told.moves, BTreeMap::from([("local -> remote".to_owned(), 1)]));
    let cost = told.cost.unwrap();
    assert!((cost.logged - 420e-6).abs() < 1e-12 && (cost.replayed - 610e-6).abs() < 1e-12, "{cost:?}");
    assert!((cost.difference.mean - 190e-6).abs() < 1e-12 && (cost.n, cost.estimated) == (4, 1));
    let seconds = told.seconds.unwrap();
    assert!((seconds.replayed - (0.05 + 3.0 * 0.9) / 4.0).abs() < 1e-9, "{seconds:?}");

    rows[1].shadow = Some(answer("remote", 500, 100));
    let cost = under(&rows, &threshold(0.8)).cost.unwrap();
    assert!((cost.replayed - 910e-6).abs() < 1e-12, "its own shadow answer is known: {cost:?}");
    // To local: the mean of the local answers.
    let cost = under(&rows, &threshold(0.2)).cost.unwrap();
    assert!((cost.replayed - (3.0 * 10e-6 + 200e-6)).abs() < 1e-12, "{cost:?}");
    rows[0].answered.as_mut().unwrap().cost = None;
    assert_eq!(under(&rows, &threshold(0.8)).cost.unwrap().n, 3, "an unknown cost is not 0");
}

#[test]
fn a_fallback_counts_for_its_own_request_and_for_no_other() {
    let mut rows: Vec<Logged> = [0.9, 0.7, 0.3].map(row).to_vec();
    // It went to the local model, which failed late.
    let (own_cost, own_time) = (Some(Micros(400)), Duration::from_millis(1_900));
    rows[1].answered = Some(Answered { own_cost, own_time, ..answer("remote", 2_000, 9_000) });
    let told = under(&rows, &threshold(0.8));
    let (cost, seconds) = (told.cost.unwrap(), told.seconds.unwrap());
    assert!((cost.logged - 2_210e-6).abs() < 1e-12 && (cost.replayed - 610e-6).abs() < 1e-12, "{cost:?}");
    assert!((seconds.logged - 9.95 / 3.0).abs() < 1e-9, "{seconds:?}");
    assert!((seconds.replayed - 2.85 / 3.0).abs() < 1e-9, "{seconds:?}");
    // Another one that goes out takes as long as the remote's answers usually do.
    let seconds = under(&rows, &threshold(1.0)).seconds.unwrap();
    assert!((seconds.replayed - (0.9 + 1.9 + 0.9) / 3.0).abs() < 1e-9, "{seconds:?}");
}

#[test]
fn what_cannot_be_decided_is_counted_by_its_reason() {
    let mut rows = vec![row(0.9); 5];
    rows[0].record = None;
    rows[1].policy = None;
    let mut newer = serde_json::to_value(record()).unwrap();
    newer["form"] = json!(2);
    rows[2].record = serde_json::from_value(newer).ok();
    let told = under(&rows, &threshold(0.5));
    let wanted = [
        ("never decided (not a valid request)", 1),
        ("no record of what the policy read", 1),
        ("record of another form", 1),
    ];
    assert_eq!(told.undecided, BTreeMap::from(wanted));
    assert_eq!((told.decided, told.comparable), (2, 0));
    let none = replay(&rows[3..], &Otherwise { own: &|_| None, policy: None, bar: Bar::AsLogged });
    assert_eq!(none.undecided, BTreeMap::from([("its policy is no longer there", 2)]));
}

#[test]
fn agreement_is_weighed_by_the_draw_and_remote_answers_agree_with_themselves() {
    // Of 200 kept local, every fourth was drawn (0.25) and agreed by half; 100 went out.
    let mut rows: Vec<Logged> = (0..300).map(|at| row(if at < 200 { 0.9 } else { 0.1 })).collect();
    for (at, row) in rows.iter_mut().enumerate() {
        row.shadow_probability = Some(0.25);
        if at % 4 == 0 {
            row.grades = BTreeMap::from([("agreement".to_owned(), if at % 8 == 0 { 1.0 } else { 0.0 })]);
        }
    }
    let told = under(&rows, &threshold(0.5));
    let worth = told.worth.iter().find(|worth| worth.measure == "agreement").unwrap();
    let (logged, replayed) = (worth.logged.unwrap(), worth.replayed.unwrap());
    assert_eq!(logged, replayed, "nothing moved");
    let truth = (200.0 * 0.5 + 100.0) / 300.0;
    assert!((replayed.mean - truth).abs() < 0.02 && replayed.lo < truth && truth < replayed.hi, "{worth:?}");
    let all_local = under(&rows, &threshold(0.0));
    let worth = all_local.worth.iter().find(|worth| worth.measure == "agreement").unwrap();
    assert!((worth.replayed.unwrap().mean - 0.5).abs() < 0.05, "{worth:?}");
    assert!(worth.difference.unwrap().mean < -0.1, "{worth:?}");
    assert!(told.worth.iter().all(|worth| worth.measure != "preference"), "no judge was asked");
}

#[test]
fn rows_that_could_not_be_sampled_do_not_move_agreement() {
    // 100 of 1,000 local answers could be sampled; half of all agree, and the other policy sends half out.
    let mut rows: Vec<Logged> = (0..1_000).map(|at| row(if at % 2 == 0 { 0.9 } else { 0.6 })).collect();
    for (at, row) in rows.iter_mut().enumerate().take(100) {
        row.shadow_probability = Some(1.0);
        row.grades = BTreeMap::from([("agreement".to_owned(), if at % 4 < 2 { 1.0 } else { 0.0 })]);
    }
    let told = under(&rows, &threshold(0.7));
    let worth = told.worth.iter().find(|worth| worth.measure == "agreement").unwrap();
    let (logged, replayed) = (worth.logged.unwrap().mean, worth.replayed.unwrap().mean);
    assert!((logged - 0.5).abs() < 0.02 && (replayed - 0.75).abs() < 0.02, "{worth:?}");
    assert_eq!((worth.seen, worth.uncovered), (100, 900));
}

#[test]
fn verdicts_speak_of_what_could_have_happened() {
    let mut rows: Vec<Logged> = (0..40).map(|_| row(0.9)).collect();
    for (at, row) in rows.iter_mut().enumerate().filter(|(at, _)| at % 2 == 0) {
        row.feedback = Some(if at % 8 == 0 { -1.0 } else { 1.0 });
    }
    let told = under(&rows, &threshold(0.5));
    let worth = told.worth.iter().find(|worth| worth.measure.starts_with("users")).unwrap();
    assert_eq!((worth.logged.unwrap().mean, worth.replayed.unwrap().mean), (0.5, 0.5));
    assert_eq!((worth.seen, worth.uncovered), (20, 0));
    assert!(worth.replayed.unwrap().hi.is_infinite(), "20 verdicts are too few for an interval");
    let out = under(&rows, &threshold(1.0));
    assert!(out.worth.iter().all(|worth| !worth.measure.starts_with("users")), "no rated row could tell");
}
