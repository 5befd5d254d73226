//! Gates over made-up runs.

use super::*;
use crate::evals::report::RemoteTier;
use crate::evals::report::tests::report_of;

/// An earlier report, read back from its file.
fn baseline(report: &Report) -> Baseline {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    std::fs::write(&file, serde_json::to_vec(report).unwrap()).unwrap();
    Baseline::read(&file).unwrap()
}

fn against(now: &[Option<f64>], before: &[Option<f64>]) -> Result<Vec<Failing>, GateError> {
    let gates = Gates { floors: vec![], baseline: Some(baseline(&report_of(before, before.len()))) };
    gates.judge(&report_of(now, now.len()))
}

#[test]
fn a_floor_is_a_number_or_a_subject_and_a_number() {
    assert_eq!("0.8".parse(), Ok(MinQuality { subject: None, quality: 0.8 }));
    assert_eq!("balanced=1".parse(), Ok(MinQuality { subject: Some("balanced".into()), quality: 1.0 }));
    for bad in ["80", "x", "=0.8", "balanced=", "nan"] {
        assert!(bad.parse::<MinQuality>().is_err(), "{bad}");
    }
}

#[test]
fn a_floor_holds_or_fails() {
    let report = report_of(&[Some(1.0), Some(0.0), Some(1.0), Some(1.0)], 4);
    let judge = |floor: &str| {
        Gates { floors: vec![floor.parse().unwrap()], baseline: None }.judge(&report).map(|it| it.len())
    };
    assert_eq!(judge("0.75"), Ok(0));
    assert_eq!(judge("0.76"), Ok(1));
    assert_eq!(judge("judged=0.9"), Ok(1));
    assert!(matches!(judge("other=0.1"), Err(GateError::NoSubject(_))));
}

#[test]
fn what_cannot_be_judged_never_passes() {
    let floor = Gates { floors: vec!["0".parse().unwrap()], baseline: None };
    let holes = report_of(&[Some(1.0), None, Some(1.0), Some(1.0)], 4);
    assert!(matches!(floor.judge(&holes), Err(GateError::Unscored { unscored: 1, of: 4, .. })));
    let stopped = report_of(&[Some(1.0); 4], 5);
    assert_eq!(floor.judge(&stopped), Err(GateError::Stopped { done: 4, of: 5 }));
    assert_eq!(Gates::default().judge(&stopped), Ok(vec![]));
}

#[test]
fn the_baseline_fails_a_clear_loss_and_forgives_chance() {
    let mut before = vec![Some(1.0); 40];
    assert_eq!(against(&before.clone(), &before), Ok(vec![]));
    let mut now = before.clone();
    now[3] = Some(0.0);
    assert_eq!(against(&now, &before), Ok(vec![]), "one row in forty is chance");
    now[..12].fill(Some(0.0));
    let failing = against(&now, &before).unwrap();
    assert!(failing[0].0.starts_with("judged is worse than the baseline by 0.300"), "{failing:?}");
    before[..12].fill(Some(0.0));
    assert_eq!(against(&vec![Some(1.0); 40], &before), Ok(vec![]), "better is fine");
}

#[test]
fn a_baseline_of_other_rows_is_refused() {
    let report = report_of(&[Some(1.0); 4], 4);
    let mut other = baseline(&report);
    other.suite_hash = "other".into();
    let gates = Gates { floors: vec![], baseline: Some(other) };
    assert_eq!(gates.judge(&report), Err(GateError::OtherSuite));
}

#[test]
fn a_baseline_that_is_no_report_names_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("old.json");
    assert!(Baseline::read(&file).unwrap_err().to_string().contains("old.json"));
    std::fs::write(&file, r#"{"schema": 9, "hashes": {"suite": "x"}, "rows": []}"#).unwrap();
    assert!(Baseline::read(&file).unwrap_err().to_string().contains("form 9"));
}

/// A baseline that was made, written and read again, with a margin of 5 %.
fn kept(scores: &[Option<f64>]) -> Baseline {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tiny.json");
    let report = report_of(scores, scores.len());
    let made = Baseline::of(&report, "evals/golden/tiny", 0.05, SHARE_MARGIN).unwrap();
    std::fs::write(&file, made.to_json()).unwrap();
    let read = Baseline::read(&file).unwrap();
    assert_eq!(read, made);
    read
}

fn flags(right: usize, of: usize) -> Vec<Option<f64>> {
    (0..of).map(|row| Some(f64::from(u8::from(row < right)))).collect()
}

#[test]
fn a_kept_baseline_fails_beyond_its_margin_and_asks_for_proof_when_strict() {
    let before = kept(&flags(100, 100));
    let judge = |now: usize, strict: bool| {
        let compared = before.compare(&report_of(&flags(now, 100), 100), false).unwrap();
        compared[0].failing(strict)
    };
    assert_eq!(judge(100, true), Vec::<String>::new(), "the same answers need no proof");
    assert_eq!(judge(98, false), Vec::<String>::new(), "two rows in a hundred may be chance");
    assert!(judge(98, true)[0].contains("not shown"), "{:?}", judge(98, true));
    assert!(judge(90, false)[0].starts_with("judged is worse than the baseline by 0.100"));
    // Little, and yet beyond chance.
    let many = kept(&flags(600, 600));
    let now = report_of(&flags(588, 600), 600);
    assert_eq!(many.compare(&now, false).unwrap()[0].failing(false).len(), 1);
}

#[test]
fn the_same_answers_need_no_proof_without_a_margin_either() {
    let mut before = kept(&flags(30, 40));
    before.margin = Some(0.0);
    let judge = |right: usize| {
        before.compare(&report_of(&flags(right, 40), 40), false).unwrap()[0].failing(true).len()
    };
    assert_eq!((judge(30), judge(29)), (0, 1));
}

#[test]
fn another_remote_tier_than_the_baseline_s_is_no_data() {
    let mut before = kept(&flags(20, 20));
    before.remote = Some("always-remote".into());
    let mut now = report_of(&flags(20, 20), 20);
    assert!(before.compare(&now, false).is_ok(), "this run has none");
    let tier =
        |name: &str| Some(RemoteTier { name: name.into(), upper_bound: false, model: None, prices_of: None });
    now.remote = tier("always-remote");
    assert!(before.compare(&now, false).is_ok());
    now.remote = tier("gold-oracle");
    let error = before.compare(&now, false).unwrap_err();
    assert!(error.is_no_data(), "{error}");
    assert!(error.to_string().contains("was `always-remote` in the baseline and is `gold-"), "{error}");
}

#[test]
fn sending_more_out_is_a_regression_too() {
    let mut before = kept(&flags(20, 20));
    let now = report_of(&flags(20, 20), 20);
    assert!(before.compare(&now, false).unwrap()[0].failing(true).is_empty());
    before.subjects.get_mut("judged").unwrap().local_share = Some(1.0);
    let mut out = now;
    out.subjects[0].local_share = Some(0.9);
    let failing = before.compare(&out, false).unwrap()[0].failing(false);
    assert_eq!(failing, ["judged answers 90.0 % locally, 100.0 % in the baseline"]);
}

#[test]
fn of_a_small_local_share_more_than_half_may_not_go() {
    let failing = |then: f64, now: f64| {
        let mut before = kept(&flags(20, 20));
        before.subjects.get_mut("judged").unwrap().local_share = Some(then);
        let mut report = report_of(&flags(20, 20), 20);
        report.subjects[0].local_share = Some(now);
        before.compare(&report, false).unwrap()[0].failing(false)
    };
    assert_eq!(failing(0.02, 0.0), ["judged answers 0.0 % locally, 2.0 % in the baseline"]);
    assert_eq!(failing(0.02, 0.01), Vec::<String>::new());
    assert_eq!(failing(0.004, 0.001), ["judged answers 0.1 % locally, 0.4 % in the baseline"]);
}

#[test]
fn what_could_not_be_judged_makes_no_baseline() {
    let holes = report_of(&[None, None, Some(1.0), Some(1.0)], 4);
    let error = Baseline::of(&holes, "evals/golden/tiny", 0.05, SHARE_MARGIN).unwrap_err();
    assert_eq!(error, GateError::Unscored { subject: "judged".into(), unscored: 2, of: 4 });
    assert!(error.is_no_data() && error.to_string().contains("`crossover eval record`"), "{error}");
}

#[test]
fn a_subject_without_a_row_in_common_is_no_pass() {
    // A second subject that answered alike.
    let mut now = report_of(&flags(20, 20), 20);
    let mut twin = now.subjects[0].clone();
    twin.name = "twin".into();
    now.subjects.push(twin);
    let mut rows = now.rows.clone();
    rows.iter_mut().for_each(|row| row.subject = "twin".into());
    now.rows.extend(rows);
    let mut before = Baseline::of(&now, "evals/golden/tiny", 0.05, SHARE_MARGIN).unwrap();
    assert_eq!(before.compare(&now, false).map(|compared| compared.len()), Ok(2));
    for scores in before.rows.values_mut() {
        scores.remove("twin");
    }
    let error = before.compare(&now, false).unwrap_err();
    assert!(error.is_no_data() && error.to_string().contains("`twin`"), "{error}");
    assert!(error.to_string().ends_with("`crossover eval gate --update evals/golden/tiny`"), "{error}");
}

#[test]
fn a_subject_that_was_not_run_is_no_pass() {
    let mut before = kept(&flags(20, 20));
    before.subjects.insert("gone".into(), Reached { quality: None, local_share: None });
    let now = report_of(&flags(20, 20), 20);
    let error = before.compare(&now, false).unwrap_err();
    assert!(error.is_no_data() && error.to_string().contains("`gone`"), "{error}");
    assert!(before.compare(&now, true).is_ok());
}

#[test]
fn a_broken_baseline_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.json");
    let text = kept(&flags(3, 4)).to_json();
    std::fs::write(&file, text.replace("1.0}", "7.0}")).unwrap();
    assert!(Baseline::read(&file).unwrap_err().to_string().contains("bad.json: a score is not in 0 to 1"));
    std::fs::write(&file, text.replace("\"margin\"", "\"margins\"")).unwrap();
    let error = Baseline::read(&file).unwrap_err();
    assert!(error.to_string().contains("`margins`") && error.to_string().contains("line"), "{error}");
    assert!(!error.is_no_data());
}
