//! Files as they are read and written, and what counts as a change.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::*;
use crate::config::{Config, Paths};

/// A sound calibration, bound to nothing that exists.
pub(in crate::routing) fn sample() -> Calibration {
    let figure = Figure { mean: 0.5, lo: 0.4, hi: 0.6 };
    Calibration {
        schema_version: SCHEMA,
        made_at: "2026-01-02T03:04:05Z".to_owned(),
        made_by: "crossover 0.1.0".to_owned(),
        goal: Goal::Promise { of: RiskOf::All, alpha: 0.05, delta: 0.05, epsilon: 0.0 },
        threshold: Some(0.8),
        why_none: None,
        head: None,
        head_choice: HeadChoice {
            kept: "shipped".to_owned(),
            why: "no other was better".to_owned(),
            platt_log_loss: Some(0.5),
            platt_auc: Some(0.7),
            head_log_loss: None,
            head_auc: None,
        },
        bound: Bound {
            classifier: "a".repeat(64),
            tokenizer: "b".repeat(64),
            local_model: "c".repeat(64),
            remote_model: "gpt-4o".to_owned(),
            scorer: "d".repeat(64),
            golden: GoldenSet {
                name: "mixed".to_owned(),
                version: "1".to_owned(),
                hash: "e".repeat(64),
                path: PathBuf::from("evals/golden/mixed"),
            },
        },
        score_histogram: vec![5; SCORE_BINS],
        rows: Rows { fit: 40, calibrate: 40, test: 20 },
        measured: Some(Measured {
            quality: figure,
            quality_local: figure,
            quality_remote: figure,
            local_share: figure,
            worse: figure,
            worse_of_local: None,
            spend: Some(figure),
        }),
        id: String::new(),
    }
}

fn present(bound: &Bound) -> Present {
    Present {
        classifier: Some(bound.classifier.clone()),
        tokenizer: Some(bound.tokenizer.clone()),
        local_model: Some(bound.local_model.clone()),
        remote_model: Some(bound.remote_model.clone()),
        scorer: Some(bound.scorer.clone()),
        golden: Some(bound.golden.hash.clone()),
    }
}

#[test]
fn what_is_written_can_be_read_and_leaves_nothing_else_behind() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deep/calibration.json");
    let mut written = sample();
    written.head = Some(Head { weights: vec![0.1, -2.5e-7], bias: 0.333_333_34 });
    written.write(&file).unwrap();
    assert_eq!(written.id.len(), 12);
    assert_eq!(Calibration::read(&file).unwrap(), written);
    assert_eq!(std::fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn every_error_names_the_file_and_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.json");
    let why = |change: &dyn Fn(&mut Value)| {
        let mut value = serde_json::to_value(sample()).unwrap();
        change(&mut value);
        std::fs::write(&file, value.to_string()).unwrap();
        Calibration::read(&file).unwrap_err().to_string()
    };
    type Change<'a> = &'a dyn Fn(&mut Value);
    let cases: &[(Change<'_>, &str)] = &[
        (&|it| it["schema-version"] = json!(2), "schema-version: is 2"),
        (&|it| it["threshold"] = json!("high"), "threshold: invalid type"),
        (&|it| it["threshold"] = json!(1.5), "threshold: is not between"),
        (&|it| it["threshold"] = json!(null), "why-none"),
        (&|it| it["why-none"] = json!("because"), "why-none"),
        (&|it| it["goal"]["alpha"] = json!(0), "goal: a share"),
        (&|it| it["goal"]["kind"] = json!("hope"), "goal: unknown variant `hope`"),
        (&|it| it["bound"]["colour"] = json!(1), "bound: unknown field `colour`"),
        (&|it| it["score-histogram"] = json!([1, 2]), "score-histogram: has 2 bins"),
        (&|it| it["score-histogram"] = json!(vec![0; 20]), "score-histogram: is empty"),
        (&|it| it["score-histogram"][3] = json!(-1), "score-histogram: invalid value"),
        (&|it| it["head"] = json!({"weights": [1e300], "bias": 0.0}), "head: is empty or holds"),
        (&|it| it["head"] = json!({"weights": [], "bias": 0.0}), "head: is empty or holds"),
        (&|it| it["measured"]["worse"]["lo"] = json!(0.9), "measured: a figure"),
        (&|it| it["extra"] = json!(1), "extra: there is no such key"),
        (&|it| drop(it.as_object_mut().unwrap().remove("rows")), "rows: is missing"),
    ];
    for (change, expected) in cases {
        let told = why(change);
        assert!(told.contains("c.json: ") && told.contains(expected), "{expected}: {told}");
        assert!(told.contains("crossover calibrate"), "{told}");
    }
    std::fs::write(&file, "{\"schema-version\": NaN}").unwrap();
    assert!(Calibration::read(&file).unwrap_err().to_string().contains("line 1"));
    std::fs::write(&file, "{").unwrap();
    assert!(Calibration::read(&file).unwrap_err().to_string().contains("c.json: is not a calibration"));
    assert!(
        Calibration::read(&folder.path().join("none")).unwrap_err().to_string().contains("cannot be read")
    );
}

#[test]
fn what_is_not_sound_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.json");
    for threshold in [f32::NAN, f32::INFINITY, -0.1] {
        let mut broken = sample();
        broken.threshold = Some(threshold);
        assert!(broken.write(&file).unwrap_err().to_string().contains("threshold"), "{threshold}");
    }
    let mut broken = sample();
    broken.measured.as_mut().unwrap().quality.mean = f64::NAN;
    assert!(broken.write(&file).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn each_change_is_named_and_the_unseen_is_not_compared() {
    let calibration = sample();
    let same = present(&calibration.bound);
    assert_eq!(calibration.mismatches(&same), []);
    assert_eq!(calibration.mismatches(&Present::default()), []);
    let other = || Some("f".repeat(64));
    let changed: [(Present, &str); 6] = [
        (Present { classifier: other(), ..same.clone() }, "classifier"),
        (Present { tokenizer: other(), ..same.clone() }, "classifier's tokenizer"),
        (Present { local_model: other(), ..same.clone() }, "local model"),
        (Present { remote_model: Some("o1".to_owned()), ..same.clone() }, "remote model"),
        (Present { scorer: other(), ..same.clone() }, "scorer"),
        (Present { golden: other(), ..same.clone() }, "golden set"),
    ];
    for (present, what) in changed {
        let found = calibration.mismatches(&present);
        assert_eq!(found.iter().map(|it| it.what).collect::<Vec<_>>(), [what]);
        let standing = Standing::of(calibration.clone(), &present);
        assert_eq!((standing.label(), standing.threshold()), ("mismatch", None));
        let words = standing.words();
        assert!(
            words.contains(what) && words.contains("`crossover calibrate evals/golden/mixed`"),
            "{words}"
        );
        let later = Standing::of(calibration.clone(), &same).compared(&present);
        assert_eq!((later.label(), later.threshold()), ("mismatch", None));
    }
}

#[test]
fn the_gold_answer_stands_above_any_remote_model() {
    let mut calibration = sample();
    calibration.bound.remote_model = GOLD.to_owned();
    let present = Present { remote_model: Some("o1".to_owned()), ..present(&calibration.bound) };
    assert_eq!(calibration.mismatches(&present), []);
}

#[test]
fn only_a_valid_promise_steers() {
    let mut calibration = sample();
    let same = present(&calibration.bound);
    let standing = Standing::of(calibration.clone(), &same);
    assert_eq!((standing.label(), standing.threshold()), ("valid", Some(0.8)));
    calibration.threshold = None;
    calibration.why_none = Some("12 rows, 59 are needed".to_owned());
    let standing = Standing::of(calibration, &same);
    assert_eq!((standing.label(), standing.threshold()), ("no_promise", None));
    assert!(standing.words().contains("59 are needed"));
    assert_eq!((Standing::Missing.label(), Standing::Missing.threshold()), ("missing", None));
}

#[test]
fn the_configured_file_comes_first_then_the_state_folder_then_the_shipped_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let paths = Paths { state: at("state"), models: at("models"), policies: at("policies") };
    let mut config = Config::default();
    assert_eq!(standing::find(&config, &paths), None);
    assert_eq!(Standing::look(&config, &paths).unwrap().label(), "missing");
    let shipped = at("models/calibration.json");
    sample().write(&shipped).unwrap();
    assert_eq!(standing::find(&config, &paths), Some(shipped));
    let own = at("state/calibration.json");
    sample().write(&own).unwrap();
    assert_eq!(standing::find(&config, &paths), Some(own));
    config.classifier.calibration = Some(at("nowhere.json"));
    let error = Standing::look(&config, &paths).unwrap_err();
    assert!(error.to_string().contains("nowhere.json"), "{error}");
}

#[test]
fn a_folder_s_hash_follows_names_and_contents_but_not_the_card() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    assert_eq!(model_hash(folder.path()), None);
    assert_eq!(model_hash(Path::new("/nowhere")), None);
    write("model.onnx", "graph");
    let one = model_hash(folder.path()).unwrap();
    // What calibrations that were made before are bound to.
    assert_eq!(one, "b5f82693366f2f80f549552bf2243734f12c74302126940567b4662e94ad1c32");
    write("README.md", "card");
    assert_eq!(model_hash(folder.path()).unwrap(), one);
    write("model.onnx.data", "weights");
    let two = model_hash(folder.path()).unwrap();
    write("model.onnx.data", "other weights");
    let three = model_hash(folder.path()).unwrap();
    assert!(one != two && two != three);
    std::fs::create_dir(folder.path().join("onnx")).unwrap();
    write("onnx/model_q4.onnx", "graph");
    let four = model_hash(folder.path()).unwrap();
    assert_ne!(three, four, "graphs may lie deeper");
    write(".crossover-verified.json", "{}");
    assert_eq!(model_hash(folder.path()).unwrap(), four);
}

#[test]
fn graphs_of_one_folder_are_different_models() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("onnx")).unwrap();
    let graphs = ["model.onnx", "onnx/model.onnx", "onnx/model_q4.onnx"];
    for name in graphs {
        std::fs::write(at(name), "graph").unwrap();
    }
    let hashes = || graphs.map(|name| model_hash(&at(name)).unwrap());
    let before = hashes();
    let whole = model_hash(folder.path()).unwrap();
    assert!(before[0] != before[1] && before[1] != before[2] && before[0] != before[2]);
    assert!(!before.contains(&whole) && before == hashes());
    std::fs::write(at("tokenizer.json"), "{}").unwrap();
    assert!(before.iter().zip(hashes()).all(|(before, now)| *before != now), "they share the folder's files");
    assert_eq!(model_hash(&at("onnx/model_int8.onnx")), None, "there is no such graph");
    assert_eq!(model_hash(&at("tokenizer.json")), None, "it is no graph");
}

#[test]
fn a_local_model_that_cannot_be_read_differs_from_any_and_has_no_hash() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let paths = Paths { state: at("state"), models: at("models"), policies: at("policies") };
    let calibration = sample();
    let mut config = Config::default();
    let unread = Present::look(&config, &paths);
    let found = calibration.mismatches(&unread);
    let of_local = found.iter().find(|it| it.what == "local model").unwrap().to_string();
    assert_eq!(of_local, "the local model is unreadable, calibrated was cccccccccccc");
    assert_eq!(unread.local_hash(), None);
    config.local.enabled = false;
    assert_eq!(Present::look(&config, &paths).local_model, None, "nobody asks it, so nothing is compared");
}
