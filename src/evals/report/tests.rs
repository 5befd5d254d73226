//! The report of a run whose figures are known.

use std::time::Duration;

use super::*;
use crate::evals::runner::{Row, tests::suite};
use crate::evals::scorer::Score;
use crate::evals::subject::ServedBy;
use crate::evals::subject::{ChosenOn, Price, Transcript};

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
pub(super) fn contest() -> Report {
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
        [
            "judged",
            "always-local",
            "gold-oracle",
            "oracle",
            "length-rule@judged",
            "task-mean@judged",
            "random@judged"
        ]
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
fn curves_and_points_agree_with_the_rows() {
    let report = contest();
    let names: Vec<&str> = report.curves.iter().map(|curve| curve.name.as_str()).collect();
    assert_eq!(names, ["judged", "length-rule", "task-mean", "random", "oracle"]);
    let of = |name: &str| report.curves.iter().find(|curve| curve.name == name).unwrap();
    assert_eq!((of("judged").cpt50, of("judged").cpt80), (Some(0.25), Some(0.4)));
    // One task: the task mean knows nothing and is random.
    assert_eq!((of("task-mean").apgr, of("random").apgr), (Some(0.5), Some(0.5)));
    assert!((of("oracle").area - 0.875).abs() < 1e-12 && of("oracle").by_cost);
    let point = subject(&report, "judged").point.unwrap();
    assert_eq!((point.remote_share, point.spend, point.quality), (0.25, 0.25, 0.75));
    assert_eq!(subject(&report, "always-local").point.unwrap().spend, 0.0);
    assert_eq!(subject(&report, "gold-oracle").point.unwrap().spend, 1.0);
}

#[test]
fn reliability_and_latency_agree_with_the_rows() {
    let report = contest();
    // 0.9 said and 1.0 found on two rows, 0.2 said and 0.0 found on two.
    let reliability = &report.reliability[0];
    assert_eq!((reliability.subject.as_str(), reliability.n, reliability.bins.len()), ("judged", 4, 2));
    assert!((reliability.ece - 0.15).abs() < 1e-6, "{reliability:?}");
    let latency = &report.latency[0];
    assert_eq!(
        (latency.subject.as_str(), latency.n, latency.p50, latency.max),
        ("always-local", 4, 11.5, 13.0)
    );
    assert_eq!(latency.bins.iter().sum::<usize>(), 4);
    assert!(report.latency.iter().all(|it| it.subject != "gold-oracle"), "a gold answer takes no time");
}

#[test]
fn findings_say_what_the_tests_say() {
    let findings = said(&contest());
    assert!(
        findings.contains("not shown that judged is no worse than gold-oracle by more than 0.05"),
        "{findings}"
    );
    // The length rule ranks as well, and a tie is no win.
    assert!(findings.contains("The score of judged is not shown to rank better"), "{findings}");
    assert!(findings.contains("to the best of them, length-rule with 0.750"), "{findings}");
    assert!(
        findings.contains("always-local (+0.250, p = 1.000; right alone on 1 rows, wrong alone on 0)"),
        "{findings}"
    );
    assert!(findings.contains("length-rule (the same on every row)"), "{findings}");
}

fn said(report: &Report) -> String {
    report.findings.iter().map(|finding| finding.text.as_str()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_row_without_a_score_leaves_the_ranking_and_is_said() {
    let run = |name: &str, part, scores: [f64; 4], by| SubjectRun {
        name: name.into(),
        part,
        rows: scores.iter().enumerate().map(|(at, score)| row(at, Some(*score), by)).collect(),
    };
    let mut judged = run("judged", Part::Judged, [1.0, 1.0, 0.0, 0.0], ServedBy::Local);
    judged.rows[3].answer.as_mut().unwrap().local_ok = None;
    let runs = vec![
        run("always-local", Part::LocalTier, [1.0, 1.0, 0.0, 0.0], ServedBy::Local),
        run("gold-oracle", Part::RemoteTier, [1.0; 4], ServedBy::Remote),
        judged,
    ];
    let report = Report::new(&suite(4), &Finished { runs, done: 4, of: 4, ..Finished::default() }, &header());
    let curve = report.curves.iter().find(|curve| curve.judged).unwrap();
    // Row 2 of the three that have a score gains all and goes out first: 0 to 1 over a third, then 1.
    assert!((curve.apgr.unwrap() - 5.0 / 6.0).abs() < 1e-12, "{curve:?}");
    assert_eq!((subject(&report, "judged").apgr, curve.without), (curve.apgr, 1));
    assert_eq!(curve.best_rival.as_ref().map(|rival| rival.name.as_str()), Some("length-rule"));
    assert!(said(&report).contains("1 row(s) have no score of judged and are left out"), "{}", said(&report));
    assert!(!said(&contest()).contains("no score"));
}

#[test]
fn a_set_that_chose_the_threshold_is_said_to_be_no_proof() {
    let report = |set: &str| {
        let mut header = header();
        header.facts.chosen_on = Some(ChosenOn { suite: set.into(), rows: 3, of: 4 });
        let rows = vec![row(0, Some(1.0), ServedBy::Local)];
        let runs = vec![SubjectRun { name: "judged".into(), part: Part::Judged, rows }];
        Report::new(&suite(1), &Finished { runs, done: 1, of: 1, ..Finished::default() }, &header)
    };
    let own = report("abc");
    assert!(own.findings[0].text.starts_with("3 of the 4 rows"), "{}", said(&own));
    assert!(own.to_string().contains("no proof of how they do on other requests"), "{own}");
    assert!(!said(&report("another")).contains("no proof"));
}

#[test]
fn clear_tasks_are_named_after_holms_correction() {
    let tasks = ["good", "bad"];
    let frame = Frame {
        ids: (0..40).map(|row| row.to_string()).collect(),
        tasks: (0..40).map(|row| tasks[row / 20].to_owned()).collect(),
        lengths: vec![1; 40],
        ..Frame::default()
    };
    let all = |name: &str, part, score: fn(usize) -> f64, by| SubjectRun {
        name: name.into(),
        part,
        rows: (0..40).map(|at| row(at, Some(score(at)), by)).collect(),
    };
    let runs = vec![
        all("always-local", Part::LocalTier, |at| f64::from(u8::from(at < 20)), ServedBy::Local),
        all("always-remote", Part::RemoteTier, |_| 1.0, ServedBy::Remote),
        all("judged", Part::Judged, |_| 1.0, ServedBy::Remote),
    ];
    let report =
        Report::of(&frame, &Finished { runs, done: 40, of: 40, ..Finished::default() }, &header(), 0.05);
    let versus = report.versus.iter().find(|versus| versus.rival == "always-local").unwrap();
    let task = |name: &str| versus.tasks.iter().find(|task| task.task == name).unwrap();
    assert_eq!((task("good").difference, task("good").p_holm), (0.0, 1.0));
    assert!(task("bad").p_holm == 2.0 * task("bad").p && task("bad").p < 1e-5, "{versus:?}");
    let findings = said(&report);
    assert!(findings.contains("judged is no worse than always-remote by more than 0.05"), "{findings}");
    assert!(
        findings.contains(
            "Holm's correction for 2 of them, judged differs clearly from always-local in: bad +1.000 (p < 0.001)"
        ),
        "{findings}"
    );
}

#[test]
fn rivals_are_compared_row_by_row() {
    let report = contest();
    let versus = |rival: &str| report.versus.iter().find(|versus| versus.rival == rival).unwrap();
    let length = versus("length-rule@judged");
    assert_eq!((length.difference, length.ci, length.p), (0.0, [0.0, 0.0], Some(1.0)));
    assert_eq!(versus("random@judged").difference, 0.125);
    // Only the policy is right on row 3; one row is no evidence.
    let local = versus("always-local");
    assert!(local.difference == 0.25 && local.p.unwrap() > 0.999, "{local:?}");
    assert_eq!(local.discordant.map(|it| (it.first, it.second)), Some((1, 0)));
    let remote = versus("gold-oracle").non_inferior.as_ref().unwrap();
    assert!(remote.margin == DEFAULT_MARGIN && !remote.shown, "{remote:?}");
    assert!(report.versus.iter().all(|it| it.rival == "gold-oracle" || it.non_inferior.is_none()));
}

#[test]
fn the_json_has_its_form_and_no_answers() {
    let json = serde_json::to_value(contest()).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["hashes"]["suite"], "abc");
    assert_eq!(json["hashes"]["policy"], serde_json::json!({"judged": "123"}));
    assert_eq!(json["remote"]["upper_bound"], true);
    for key in
        ["name", "quality", "ci", "local_share", "cost_micros", "apgr", "cpt50", "cpt80", "area", "point"]
    {
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
    assert_eq!(runs.len(), 7);
    assert_eq!((runs[0].subject.as_str(), runs[0].quality, runs[0].n), ("judged", Some(0.75), 4));
    assert_eq!((runs[0].cost, runs[0].hashes["policy"].as_str()), (Some(Micros(104)), "123"));
    assert_eq!(runs[6].hashes["policy"], "123", "a rival is held against the policy");
    assert!(!runs[1].hashes.contains_key("policy"));
    assert!(report_of(&[Some(1.0)], 2).eval_runs(jiff::Timestamp::UNIX_EPOCH).is_empty());
}

#[test]
fn the_text_is_aligned_and_says_what_stands_for_the_remote() {
    insta::assert_snapshot!(contest().to_string());
    assert!(report_of(&[Some(1.0)], 2).to_string().contains("STOPPED EARLY"));
}
