//! The report of a run whose figures are known.

use std::time::Duration;

use super::*;
use crate::evals::runner::{Row, tests::suite};
use crate::evals::scorer::Score;
use crate::evals::subject::ServedBy;
use crate::evals::subject::{Price, Transcript};

fn row(sample: usize, score: Option<f64>, served_by: ServedBy) -> Row {
    let (cost, total) = match served_by {
        ServedBy::Local => (1, Some(Duration::from_millis(10 + sample as u64))),
        ServedBy::Remote | ServedBy::None => (101, None),
    };
    let answer = Transcript {
        text: "canary".into(),
        served_by,
        cost: Some(Micros(cost)),
        total,
        local_ok: Some(if sample < 2 { 0.9 } else { 0.2 }),
        ..Transcript::default()
    };
    let score = score.map_or(Score::Unscored { why: "x".into() }, |value| Score::of(value, "right"));
    Row { sample, score, answer: Some(answer) }
}

fn header() -> Header {
    let mut facts = GatewayFacts { price: Some(Price::new("m", |_| None)), ..GatewayFacts::default() };
    facts.policies.insert("judged".into(), "123".into());
    facts.policies.insert("not-run".into(), "456".into());
    Header { run_id: "run".into(), at: jiff::Timestamp::UNIX_EPOCH, facts, concurrency: 1 }
}

/// A run of one judged subject alone.
pub(in crate::evals) fn report_of(scores: &[Option<f64>], of: usize) -> Report {
    let rows = scores.iter().enumerate().map(|(at, score)| row(at, *score, ServedBy::Local)).collect();
    let runs = vec![SubjectRun { name: "judged".into(), part: Part::Judged, rows }];
    Report::new(&suite(of), &Finished { runs, done: scores.len(), of, ..Finished::default() }, &header())
}

/// Local is right on rows 0 and 1 of 4, remote everywhere; the policy keeps rows 0 to 2.
fn contest() -> Report {
    let all = |name: &str, part, rows: [(f64, ServedBy); 4]| SubjectRun {
        name: name.into(),
        part,
        rows: rows.iter().enumerate().map(|(at, (score, by))| row(at, Some(*score), *by)).collect(),
    };
    let (home, out) = (ServedBy::Local, ServedBy::Remote);
    let runs = vec![
        all("always-local", Part::LocalTier, [(1.0, home), (1.0, home), (0.0, home), (0.0, home)]),
        all("gold-oracle", Part::RemoteTier, [(1.0, out); 4]),
        all("judged", Part::Judged, [(1.0, home), (1.0, home), (0.0, home), (1.0, out)]),
    ];
    Report::new(&suite(4), &Finished { runs, done: 4, of: 4, ..Finished::default() }, &header())
}

fn subject<'a>(report: &'a Report, name: &str) -> &'a SubjectReport {
    report.subjects.iter().find(|subject| subject.name == name).unwrap()
}

#[test]
fn figures_agree_with_the_rows() {
    let report = contest();
    let names: Vec<&str> = report.subjects.iter().map(|subject| subject.name.as_str()).collect();
    assert_eq!(
        names,
        ["judged", "always-local", "gold-oracle", "oracle", "length-rule@judged", "random@judged"]
    );
    let judged = subject(&report, "judged");
    assert_eq!((judged.quality, judged.local_share, judged.cost_micros), (Some(0.75), Some(0.75), Some(104)));
    assert_eq!((judged.total_ms_p50, judged.total_ms_p95), (Some(11.0), Some(12.0)));
    // Rows 2 and 3 tie and go out first: 0 to 1 over the first half, then 1.
    assert_eq!(judged.apgr, Some(0.75));
    assert_eq!(judged.by_backend[0].quality, 2.0 / 3.0);
    assert_eq!(judged.by_backend[1].quality, 1.0);
    let best = subject(&report, "oracle");
    assert_eq!((best.quality, best.local_share, best.cost_micros), (Some(1.0), Some(0.5), Some(204)));
    // Prompts grow with the row, so the rule keeps the same three.
    assert_eq!(subject(&report, "length-rule@judged").quality, Some(0.75));
    let random = subject(&report, "random@judged");
    assert_eq!((random.quality, random.cost_micros, random.apgr), (Some(0.625), Some(104), Some(0.5)));
    assert_eq!(subject(&report, "gold-oracle").total_ms_p50, None);
    assert_eq!(subject(&report, "always-local").apgr, None);
}

#[test]
fn rivals_are_compared_row_by_row() {
    let report = contest();
    assert_eq!(report.versus[0].rival, "length-rule@judged");
    assert_eq!((report.versus[0].difference, report.versus[0].ci), (0.0, [0.0, 0.0]));
    assert_eq!(report.versus[1].difference, 0.125);
}

#[test]
fn the_json_has_its_form_and_no_answers() {
    let json = serde_json::to_value(contest()).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["hashes"]["suite"], "abc");
    assert_eq!(json["hashes"]["policy"], serde_json::json!({"judged": "123"}));
    assert_eq!(json["remote"]["upper_bound"], true);
    for key in ["name", "quality", "ci", "local_share", "cost_micros", "apgr"] {
        assert!(json["subjects"][0].get(key).is_some(), "{key}");
    }
    for key in ["id", "subject", "score", "why", "usage", "cost_micros", "ttft_ms"] {
        assert!(json["rows"][0].get(key).is_some(), "{key}");
    }
    assert!(!json.to_string().contains("canary"));
}

#[test]
fn unscored_rows_count_neither_way() {
    let report = report_of(&[Some(1.0), None, Some(0.0)], 3);
    let judged = subject(&report, "judged");
    assert_eq!((judged.quality, judged.n, judged.unscored), (Some(0.5), 2, 1));
    assert_eq!(report.subjects.len(), 1, "no rivals without both tiers");
}

#[test]
fn eval_runs_are_one_row_a_subject_of_whole_runs() {
    let runs = contest().eval_runs(jiff::Timestamp::UNIX_EPOCH);
    assert_eq!(runs.len(), 6);
    assert_eq!((runs[0].subject.as_str(), runs[0].quality, runs[0].n), ("judged", Some(0.75), 4));
    assert_eq!((runs[0].cost, runs[0].hashes["policy"].as_str()), (Some(Micros(104)), "123"));
    assert_eq!(runs[5].hashes["policy"], "123", "a rival is held against the policy");
    assert!(!runs[1].hashes.contains_key("policy"));
    assert!(report_of(&[Some(1.0)], 2).eval_runs(jiff::Timestamp::UNIX_EPOCH).is_empty());
}

#[test]
fn the_text_is_aligned_and_says_what_stands_for_the_remote() {
    insta::assert_snapshot!(contest().to_string());
    assert!(report_of(&[Some(1.0)], 2).to_string().contains("STOPPED EARLY"));
}
