//! Whole calibrations on rows of a known make.

use std::path::PathBuf;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::routing::{GOLD, GoldenSet, RiskOf};

pub(super) fn row(id: &str, local: f64, remote: f64) -> Row {
    Row {
        id: id.to_owned(),
        task: "t".to_owned(),
        prompt: id.to_owned(),
        exact: id.to_owned(),
        chars: 40,
        local,
        remote,
        local_cost: Some(1.0),
        remote_cost: Some(10.0),
        shipped: 0.5,
        inputs: vec![],
    }
}

/// Scores uniform; a row's local answer is wrong with the probability `wrong(score)`, the remote's never.
pub(super) fn drawn(n: usize, seed: u64, wrong: impl Fn(f64) -> f64) -> Vec<Row> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n)
        .map(|at| {
            let score: f64 = rng.random_range(0.0..1.0);
            let local = f64::from(u8::from(!rng.random_bool(wrong(score))));
            let task = if at % 3 == 0 { "one" } else { "two" };
            let chars = rng.random_range(10..500);
            Row {
                task: task.to_owned(),
                shipped: score as f32,
                chars,
                ..row(&format!("{seed}-{at}"), local, 1.0)
            }
        })
        .collect()
}

pub(super) fn asked(goal: Goal) -> Asked {
    let golden = GoldenSet {
        name: "drawn".to_owned(),
        version: "1".to_owned(),
        hash: "e".repeat(64),
        path: PathBuf::from("drawn"),
    };
    let bound = Bound {
        classifier: "a".repeat(64),
        tokenizer: "b".repeat(64),
        local_model: "c".repeat(64),
        remote_model: GOLD.to_owned(),
        scorer: "d".repeat(64),
        golden,
    };
    Asked { goal, epsilon: 0.0, bound, made_at: "2026-01-02T03:04:05Z".to_owned() }
}

pub(super) const PROMISE: Goal = Goal::Promise { of: RiskOf::All, alpha: 0.05, delta: 0.05, epsilon: 0.0 };

#[test]
fn a_promise_is_kept_on_rows_that_no_choice_has_seen() {
    let rows = drawn(1_200, 1, |score| 0.4 * (1.0 - score));
    let told = calibrate(&rows, &asked(PROMISE)).unwrap();
    let it = &told.calibration;
    assert_eq!((it.rows.fit, it.rows.calibrate, it.rows.test), (420, 480, 300));
    // The true share at threshold t is 0.2 (1 - t)^2: 5 % at 0.5.
    let threshold = it.threshold.unwrap();
    assert!((0.45..0.70).contains(&threshold), "{threshold}");
    let measured = it.measured.unwrap();
    assert!(measured.worse.lo <= 0.05 && measured.local_share.mean > 0.3, "{measured:?}");
    assert_eq!(measured.quality_remote.mean, 1.0);
    assert!((measured.quality.mean - (1.0 - measured.worse.mean)).abs() < 1e-12);
    let share = measured.local_share.mean;
    assert!((measured.spend.unwrap().mean - (1.0 - 0.9 * share)).abs() < 1e-9);
    assert_eq!(it.score_histogram.iter().sum::<u64>(), 780);
    assert_eq!(told.slices.iter().map(|slice| slice.n).sum::<usize>(), 300);
    let random = told.rivals.iter().find(|rival| rival.name.starts_with("random")).unwrap();
    assert!(random.gained.unwrap().lo > 0.0, "{random:?}");
    assert_eq!(
        prepare(&rows, &asked(PROMISE)).unwrap().threshold,
        Ok(threshold),
        "the same rows, the same threshold"
    );
}

#[test]
fn the_file_that_is_written_is_the_one_that_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("calibration.json");
    let rows = drawn(600, 2, |score| 0.3 * (1.0 - score));
    let mut told = calibrate(&rows, &asked(PROMISE)).unwrap().calibration;
    told.write(&file).unwrap();
    assert_eq!(Calibration::read(&file).unwrap(), told);
}

#[test]
fn what_the_rows_do_not_carry_is_not_promised_and_said() {
    let few = calibrate(&drawn(100, 3, |_| 0.0), &asked(PROMISE)).unwrap();
    let why = few.calibration.why_none.unwrap();
    assert!(few.calibration.threshold.is_none() && few.calibration.measured.is_none());
    assert!(
        why.contains("59 without a failure are the least") && why.contains("a golden set of about 148"),
        "{why}"
    );

    let strict = Goal::Promise { of: RiskOf::Local, alpha: 0.05, delta: 0.05, epsilon: 0.0 };
    let bad = calibrate(&drawn(1_000, 4, |_| 0.5), &asked(strict)).unwrap();
    let why = bad.calibration.why_none.clone().unwrap();
    assert!(why.contains("no number of rows would do"), "{why}");
    let text = bad.to_string();
    assert!(text.contains("threshold    none: ") && text.contains("cost-quality curve"), "{text}");
}

#[test]
fn a_threshold_that_no_row_reaches_is_named_and_no_size_of_a_set() {
    let promise = Promise { of: RiskOf::Local, alpha: 0.05, delta: 0.05 };
    let trials = [Trial { score: 0.2, worse: false }];
    let why = text::why_none(&promise, &promise.choose(&[0.9], &trials), trials.len());
    assert!(why.contains("no row of the calibrate part scores so high") && why.contains("0.900"), "{why}");
    assert!(!why.contains("golden set"), "{why}");
}

#[test]
fn epsilon_forgives_small_differences() {
    let mut rows = drawn(800, 5, |score| 0.4 * (1.0 - score));
    rows.iter_mut().for_each(|row| row.local = (row.local + 9.0) / 10.0);
    let goal = |epsilon| asked(Goal::Promise { of: RiskOf::All, alpha: 0.05, delta: 0.05, epsilon });
    let threshold = |epsilon| prepare(&rows, &goal(epsilon)).unwrap().threshold.unwrap();
    assert!(threshold(0.0) > 0.4);
    assert_eq!(threshold(0.1), 0.0, "nothing is worse by more than a tenth");
}

#[test]
fn a_target_share_or_spend_is_met_and_promises_nothing() {
    let rows = drawn(800, 6, |score| 1.0 - score);
    let share = calibrate(&rows, &asked(Goal::LocalShare { share: 0.4 })).unwrap();
    let measured = share.calibration.measured.unwrap();
    assert!((measured.local_share.mean - 0.4).abs() < 0.09, "{measured:?}");
    assert!(share.chosen.is_none() && share.notes.iter().any(|note| note.contains("promises nothing")));
    let spend = calibrate(&rows, &asked(Goal::Spend { share: 0.5 })).unwrap();
    let spent = spend.calibration.measured.unwrap().spend.unwrap();
    assert!((spent.mean - 0.5).abs() < 0.09 && spent.lo < spent.mean && spent.mean < spent.hi, "{spent:?}");
}

#[test]
fn a_spend_that_cannot_be_reached_or_known_is_no_threshold() {
    let rows = drawn(200, 7, |_| 0.1);
    let why = |rows: &[Row], share| {
        calibrate(rows, &asked(Goal::Spend { share })).unwrap().calibration.why_none.unwrap()
    };
    assert!(why(&rows, 0.05).contains("spends 0.10"), "{}", why(&rows, 0.05));
    let unpriced: Vec<Row> = rows.iter().map(|row| Row { remote_cost: None, ..row.clone() }).collect();
    assert!(why(&unpriced, 0.5).contains("not known"));
    let gratis: Vec<Row> = rows.iter().map(|row| Row { remote_cost: Some(0.0), ..row.clone() }).collect();
    assert!(why(&gratis, 0.5).contains("costs nothing"));
}

#[test]
fn copies_of_a_prompt_are_no_further_proof() {
    // 40 prompts, of which the good ones stand there fifty times over.
    let few = drawn(40, 10, |_| 0.0);
    let copies = |at: usize| few.iter().map(move |row| Row { id: format!("{}-{at}", row.id), ..row.clone() });
    let many: Vec<Row> = (0..50).flat_map(copies).collect();
    let told = calibrate(&many, &asked(PROMISE)).unwrap();
    assert!(told.to_string().contains("note: 1960 row(s) are copies of others and count once"), "{told}");
    let told = told.calibration;
    assert!(
        told.threshold.is_none() && told.why_none.unwrap().contains("59 without a failure"),
        "2,000 rows of 40 prompts"
    );
}

#[test]
fn questions_that_differ_in_a_symbol_all_count_and_stay_together() {
    let question = |at: usize, sign: char| {
        let messages = [serde_json::json!({"role": "user", "content": format!("x{at} {sign} y")})];
        let (prompt, exact) = (split::normalised(&messages), split::exact(&messages));
        Row { prompt, exact, shipped: at as f32 / 30.0, ..row(&format!("{at}{sign}"), 1.0, 1.0) }
    };
    let rows: Vec<Row> = (0..30).flat_map(|at| [question(at, '+'), question(at, '-')]).collect();
    assert!(split::split(&rows).chunks(2).all(|pair| pair[0] == pair[1]));
    let told = calibrate(&rows, &asked(Goal::LocalShare { share: 0.5 })).unwrap();
    let Rows { fit, calibrate, test } = told.calibration.rows;
    assert_eq!((fit + calibrate + test, told.copies), (60, 0));
    assert!(!told.to_string().contains("copies"), "{told}");
}

#[test]
fn too_small_sets_and_one_prompt_for_all_are_errors() {
    let rows = drawn(19, 8, |_| 0.1);
    assert!(matches!(calibrate(&rows, &asked(PROMISE)), Err(CalibrateError::TooFew(19))));
    let same: Vec<Row> =
        drawn(60, 9, |_| 0.1).into_iter().map(|row| Row { prompt: "p".to_owned(), ..row }).collect();
    assert!(matches!(calibrate(&same, &asked(PROMISE)), Err(CalibrateError::OnePrompt)));
}

#[test]
fn a_fitted_head_s_score_is_what_the_threshold_is_held_against() {
    let mut rng = ChaCha8Rng::seed_from_u64(10);
    let rows: Vec<Row> = (0..800)
        .map(|at| {
            let known: f32 = rng.random_range(-3.0..3.0);
            let local = f64::from(u8::from(known > rng.random_range(-1.0..0.5)));
            Row { inputs: vec![known, 0.0, 0.0], ..row(&format!("{at}"), local, 1.0) }
        })
        .collect();
    let told = calibrate(&rows, &asked(PROMISE)).unwrap();
    let it = &told.calibration;
    assert_eq!(it.head_choice.kept, "head", "{}", it.head_choice.why);
    let measured = it.measured.unwrap();
    assert!(measured.local_share.mean > 0.4 && measured.worse.lo <= 0.05, "{measured:?}");
    // The shipped score is the same everywhere and could have kept nothing.
    assert!(told.apgr.unwrap() > 0.7);
}

#[test]
fn the_report_says_what_was_asked_what_holds_and_what_does_not() {
    let rows = drawn(1_000, 11, |score| 0.4 * (1.0 - score));
    let text = calibrate(&rows, &asked(PROMISE)).unwrap().to_string();
    for part in [
        "asked        at most 5.0 % of all requests that the threshold routes are worse than remote",
        "rows         fit 350, calibrate 400, test 250",
        "proved by",
        "worse, of local",
        "random, as many",
        "length rule, as many",
        "by task on the test part; no promise holds for a task alone",
        "note: the remote tier is gold-oracle",
        "note: not promised: the next laxer threshold",
    ] {
        assert!(text.contains(part), "`{part}` is missing in\n{text}");
    }
}
