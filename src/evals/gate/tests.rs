//! Gates over made-up runs.

use super::*;
use crate::evals::report::tests::report_of;

fn baseline(report: &Report) -> Baseline {
    serde_json::from_value(serde_json::to_value(report).unwrap()).unwrap()
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
    other.hashes.suite = "other".into();
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
