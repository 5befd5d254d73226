//! Houses that open, and problems of those that do not.

use std::path::Path;

use super::*;
use crate::routing::calibration::{Present, model_hash};
use crate::routing::classifier::Head;
use crate::routing::signals::Signals;

fn paths(policies: &Path) -> Paths {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    Paths { state: root.join("state"), models: root.join("models"), policies: policies.to_path_buf() }
}

fn shipped() -> Paths {
    paths(&Path::new(env!("CARGO_MANIFEST_DIR")).join("policies"))
}

fn metrics() -> Arc<Metrics> {
    Arc::new(Metrics::new().unwrap())
}

#[test]
fn the_shipped_house_opens() {
    let router = open(&Config::default(), &shipped(), metrics()).unwrap();
    let names: Vec<&str> = router.policies().collect();
    assert_eq!(names, ["balanced", "local-first", "offline", "private", "remote-first"]);
}

#[test]
fn every_problem_is_reported_with_its_file_or_key() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.toml"), "name = 3").unwrap();
    std::fs::write(folder.path().join("b.toml"), "not toml").unwrap();
    std::fs::write(folder.path().join("c.txt"), "no policy").unwrap();
    let mut config = Config::default();
    config.classifier.model = "nowhere".to_owned();
    let problems = open(&config, &paths(folder.path()), metrics()).err().unwrap();
    let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let all = all.join("\n");
    for word in ["a.toml: name", "b.toml", "classifier.model", "nowhere/config.json", "git checkout"] {
        assert!(all.contains(word), "{word} is missing in\n{all}");
    }
}

#[test]
fn a_missing_policy_and_folder_are_named() {
    let config = Config { policy: "poetry".to_owned(), ..Config::default() };
    let problems = open(&config, &shipped(), metrics()).err().unwrap();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].to_string().contains("policy: there is no policy `poetry`; known: balanced"));
    let problems = open(&config, &paths(Path::new("/nowhere")), metrics()).err().unwrap();
    assert!(problems[0].to_string().contains("policies-dir"), "{}", problems[0]);
}

#[test]
fn a_policy_whose_own_test_fails_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let text = "schema-version = 1\nname = \"balanced\"\n[[rule]]\nto = [\"local\"]\n\
                [[test]]\nname = \"wrong\"\ngiven = {}\nexpect = \"remote\"\n";
    std::fs::write(folder.path().join("p.toml"), text).unwrap();
    let problems = open(&Config::default(), &paths(folder.path()), metrics()).err().unwrap();
    assert!(problems[0].to_string().contains("p.toml: test[1]: the test `wrong` fails"), "{}", problems[0]);
}

#[test]
fn a_classifier_that_is_off_is_not_looked_for() {
    let mut config = Config::default();
    config.classifier.enabled = false;
    config.classifier.model = "nowhere".to_owned();
    assert!(open(&config, &shipped(), metrics()).is_ok());
}

/// A state folder with a calibration that is true of the shipped models, with a head of `weights` zeros.
fn calibrated(weights: usize) -> (tempfile::TempDir, Paths) {
    let state = tempfile::tempdir().unwrap();
    let paths = Paths { state: state.path().to_path_buf(), ..shipped() };
    let present = Present::look(&Config::default(), &paths);
    let mut calibration = crate::routing::calibration::tests::sample();
    calibration.bound.classifier = present.classifier.unwrap();
    calibration.bound.tokenizer = present.tokenizer.unwrap();
    calibration.bound.local_model = present.local_model.unwrap();
    calibration.bound.remote_model = present.remote_model.unwrap();
    calibration.head = Some(Head { weights: vec![0.0; weights], bias: 3.0_f32.ln() });
    calibration.write(&state.path().join("calibration.json")).unwrap();
    (state, paths)
}

#[test]
fn a_valid_calibration_s_head_is_on_the_classifier() {
    let config = Config::default();
    let mut bare = OnnxClassifier::load(&shipped().model(&config.classifier.model)).unwrap();
    let inputs = bare.inspect("hello").unwrap().inputs.len();
    let (_state, paths) = calibrated(inputs);
    let standing = look_up(&config, &paths).unwrap();
    assert_eq!(standing.label(), "valid", "{}", standing.words());
    let mut classifier = load_classifier(&config, &paths, &standing).unwrap().unwrap();
    let signals = Signals { text: "hello".to_owned(), ..Signals::default() };
    let verdict = classifier.classify(&signals).unwrap();
    assert!((verdict.steering() - 0.75).abs() < 1e-6, "{verdict:?}");
    assert!((verdict.local_ok - bare.classify(&signals).unwrap().local_ok).abs() < 1e-6);
    assert!(open(&config, &paths, metrics()).is_ok());

    let (_state, paths) = calibrated(inputs + 1);
    let problems = open(&config, &paths, metrics()).err().unwrap();
    assert!(problems[0].to_string().contains("classifier.calibration"), "{}", problems[0]);
}

#[test]
fn a_graph_of_another_model_that_is_named_is_a_mismatch() {
    let (_state, paths) = calibrated(1);
    let mut config = Config::default();
    assert_eq!(look_up(&config, &paths).unwrap().label(), "valid");
    let graph = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/models/gemma-2/genai-f32/model.onnx");
    config.local.model = graph.to_owned();
    let hash = model_hash(Path::new(graph)).unwrap();
    for paths in [paths, shipped()] {
        let standing = look_up(&config, &paths).unwrap();
        assert_eq!(standing.label(), "mismatch");
        let found = format!("the local model is {}", &hash[..12]);
        assert!(standing.words().contains(&found), "{}", standing.words());
    }
}
