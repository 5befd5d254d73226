//! A threshold steers only while everything that it was calibrated on is as it was: `calibrate`, `check`, `serve`,
//! `route` and `doctor` on a golden set with recorded answers.

use std::path::{Path, PathBuf};

use crossover::config::Config;
use crossover::routing::{EarlyGate, Present};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::gateway::paths;
use crate::support::process::{Ended, Setup};

const NOBODY: &str = "http://nobody.invalid/v1";

/// A golden set whose answers are recorded; `right` says of every row whether the local answer is.
struct Golden {
    setup: Setup,
    suite: String,
    answers: String,
    rows: usize,
}

impl Golden {
    fn new(rows: usize, right: impl Fn(usize) -> bool) -> Self {
        let setup = Setup::new(NOBODY, "");
        let folder = setup.folder.path().join("golden");
        std::fs::create_dir_all(&folder).unwrap();
        let about = "name = \"sums\"\nversion = \"1\"\nabout = \"Sums\"\nscorer = \"exact\"\nlicence = \"Apache-2.0\"\n";
        std::fs::write(folder.join("suite.toml"), about).unwrap();
        let row = |at: usize| {
            let text = format!("What is {at} and {}? {}", at + 1, "Please. ".repeat(at % 9));
            json!({"id": format!("r{at}"), "messages": [{"role": "user", "content": text}],
                   "expected": (2 * at + 1).to_string(), "task": "sums"})
        };
        let lines: String = (0..rows).map(|at| format!("{}\n", row(at))).collect();
        std::fs::write(folder.join("suite.jsonl"), &lines).unwrap();
        let hash: String = Sha256::digest(&lines).iter().map(|byte| format!("{byte:02x}")).collect();
        let answer = |at: usize| {
            let text = if right(at) { (2 * at + 1).to_string() } else { "no idea".to_owned() };
            json!({"suite": hash, "id": format!("r{at}"), "subject": "always-local", "text": text,
                   "served_by": "local", "cost_micros": 1})
        };
        let answers = setup.folder.path().join("answers.jsonl");
        let lines: String = (0..rows).map(|at| format!("{}\n", answer(at))).collect();
        std::fs::write(&answers, lines).unwrap();
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        Self { suite: text(folder), answers: text(answers), setup, rows }
    }

    async fn calibrate(&self, more: &[&str]) -> Ended {
        let all = [&["calibrate", self.suite.as_str(), "--recorded", self.answers.as_str()], more].concat();
        self.setup.run(&all).await
    }

    fn file(&self) -> PathBuf {
        self.setup.state().join("calibration.json")
    }

    /// Changes one file's text.
    fn edit(&self, path: &str, change: impl Fn(&str) -> String) {
        let text = std::fs::read_to_string(path).unwrap();
        std::fs::write(path, change(&text)).unwrap();
    }

    fn written(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.file()).unwrap()).unwrap()
    }
}

/// The one state whose gauge is 1.
async fn state(setup: &Setup) -> (String, Value) {
    let gateway = setup.serve().await;
    let metrics = gateway.metrics().await;
    let states = ["valid", "missing", "mismatch", "no_promise"];
    let is = |state: &&&str| metrics.sum("calibration_state", &[("state", state)]) > 0.5;
    let ones: Vec<&str> = states.iter().filter(is).copied().collect();
    let told = setup.run(&["route", "What is 5 and 6?", "--json"]).await;
    assert_eq!(ones.len(), 1, "{ones:?}");
    gateway.signal("TERM");
    assert!(gateway.ended().await.status.success());
    (ones[0].to_owned(), serde_json::from_str(&told.stdout).unwrap())
}

#[tokio::test]
async fn a_promise_steers_until_the_golden_set_changes() {
    let golden = Golden::new(200, |_| true);
    let dry = golden.calibrate(&["--dry-run"]).await;
    assert_eq!(dry.status.code(), Some(0), "{dry:?}");
    assert!(!golden.file().exists(), "--dry-run writes nothing");
    let ended = golden.calibrate(&[]).await;
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.stdout.contains("at most 5.0 % of all requests") && ended.stdout.contains("gold-oracle"));
    let written = golden.written();
    assert_eq!(written["threshold"], json!(0.0), "no local answer is ever worse, so everything may stay");
    assert_eq!(written["rows"], json!({"fit": 70, "calibrate": 80, "test": 50}));

    let (suite, answers) = (golden.suite.as_str(), golden.answers.as_str());
    let run = golden.setup.run(&["eval", "run", suite, "--recorded", answers, "--policy", "balanced"]).await;
    assert!(run.stdout.contains("150 of the 200 rows that the calibration in force was made of"), "{run:?}");

    let checked = golden.setup.run(&["check"]).await;
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    assert!(checked.stdout.contains("threshold 0.000"), "{}", checked.stdout);
    let (state_now, told) = state(&golden.setup).await;
    assert_eq!((state_now.as_str(), &told["reason"]), ("valid", &json!("good_enough")));
    assert_eq!(told["calibration"]["state"], "valid");

    golden.edit(&format!("{}/suite.jsonl", golden.suite), |text| text.replace("What is 7", "How much is 7"));
    let checked = golden.setup.run(&["check"]).await;
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    for part in ["classifier.calibration", "golden set", "`crossover calibrate "] {
        assert!(checked.stderr.contains(part), "`{part}` is missing in\n{}", checked.stderr);
    }
    let (state_now, told) = state(&golden.setup).await;
    assert_eq!(state_now, "mismatch");
    assert_eq!((&told["threshold"], told["calibration"]["id"].is_string()), (&Value::Null, true));
    assert_ne!(told["reason"], "good_enough", "the score only shadows");
}

#[tokio::test]
async fn a_golden_set_named_from_the_working_folder_is_kept_by_its_whole_path() {
    let golden = Golden::new(60, |_| true);
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize().unwrap();
    let up: PathBuf = here.components().skip(1).map(|_| "..").collect();
    let folder = Path::new(&golden.suite).canonicalize().unwrap();
    let typed = up.join(folder.strip_prefix("/").unwrap());
    let asked = ["calibrate", typed.to_str().unwrap(), "--recorded", golden.answers.as_str()];
    let ended = golden.setup.run(&asked).await;
    assert_eq!(ended.status.code(), Some(1), "so few rows promise nothing, and are written: {ended:?}");
    assert_eq!(golden.written()["bound"]["golden"]["path"], json!(folder));
}

#[tokio::test]
async fn an_early_gate_of_another_head_bars_no_way_to_a_calibration() {
    let mut golden = Golden::new(60, |_| true);
    golden.setup.toml().push_str("[early-gate]\nenabled = true\n");
    let state = golden.setup.state();
    let present = Present::look(&Config::default(), &paths(&state));
    let mut judge = EarlyGate::new(4, [0.0; 5], 0.0, 0.5);
    (judge.local_model, judge.classifier) = (present.local_model.unwrap(), present.classifier.unwrap());
    judge.head = Some("0a1b".to_owned());
    std::fs::create_dir_all(state.join("answers")).unwrap();
    std::fs::write(state.join("early-gate.json"), serde_json::to_vec(&judge).unwrap()).unwrap();
    let problem = golden.setup.refuses().await;
    assert!(problem.contains("early-gate.json") && problem.contains("head 0a1b"), "{problem}");

    // All answers are there, so that nobody is asked.
    std::fs::copy(&golden.answers, state.join("answers/sums.jsonl")).unwrap();
    let (suite, answers) = (golden.suite.as_str(), golden.answers.as_str());
    let ended = golden.setup.run(&["eval", "record", suite, "--out", answers]).await;
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let ended = golden.setup.run(&["calibrate", suite]).await;
    assert_eq!(ended.status.code(), Some(1), "so few rows promise nothing, and are written: {ended:?}");
    assert!(golden.file().exists());
}

#[tokio::test]
async fn another_model_or_scorer_is_a_mismatch_that_serve_warns_of() {
    let golden = Golden::new(200, |_| true);
    assert_eq!(golden.calibrate(&[]).await.status.code(), Some(0));
    let good = std::fs::read_to_string(golden.file()).unwrap();
    for key in ["classifier", "tokenizer", "local-model", "scorer"] {
        let hash = golden.written()["bound"][key].as_str().unwrap().to_owned();
        std::fs::write(golden.file(), good.replace(&hash, &"0".repeat(64))).unwrap();
        let checked = golden.setup.run(&["check"]).await;
        assert_eq!(checked.status.code(), Some(1), "{key}: {checked:?}");
        std::fs::write(golden.file(), &good).unwrap();
    }
    let hash = golden.written()["bound"]["local-model"].as_str().unwrap().to_owned();
    std::fs::write(golden.file(), good.replace(&hash, &"0".repeat(64))).unwrap();
    let gateway = golden.setup.serve().await;
    gateway.signal("TERM");
    let ended = gateway.ended().await;
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(said.contains("calibration_mismatch") && said.contains("local model"), "{said}");
    let told = golden.setup.run(&["doctor"]).await;
    assert!(told.stdout.contains("no longer holds"), "{}", told.stdout);
}

#[tokio::test]
async fn what_cannot_be_promised_is_written_so_that_serve_knows_why() {
    let golden = Golden::new(60, |_| true);
    let ended = golden.calibrate(&[]).await;
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stdout.contains("59 without a failure are the least"), "{}", ended.stdout);
    assert_eq!(golden.written()["threshold"], Value::Null);
    assert_eq!(golden.setup.run(&["check"]).await.status.code(), Some(0));
    let (state_now, told) = state(&golden.setup).await;
    assert_eq!((state_now.as_str(), &told["threshold"]), ("no_promise", &Value::Null));
}

#[tokio::test]
async fn a_target_share_needs_no_promise_and_says_that_it_makes_none() {
    let golden = Golden::new(120, |_| true);
    let ended = golden.calibrate(&["--local-share", "0.4"]).await;
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.stdout.contains("40.0 % answered locally (no promise)"), "{}", ended.stdout);
    let ended = golden.calibrate(&["--spend", "0.5"]).await;
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let ended = golden.calibrate(&["--spend", "0.000001"]).await;
    assert_eq!(ended.status.code(), Some(1), "even local answers cost more: {ended:?}");
    let ended = golden.calibrate(&["--spend", "0.5", "--alpha", "0.1"]).await;
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
}

#[tokio::test]
async fn bad_answers_are_named_with_file_and_line_and_nothing_is_written() {
    let golden = Golden::new(80, |_| true);
    let cut = |text: &str| {
        text.lines().filter(|line| !line.contains("\"r7\"")).map(|it| format!("{it}\n")).collect()
    };
    let good = std::fs::read_to_string(&golden.answers).unwrap();
    type Spoil<'a> = &'a dyn Fn(&str) -> String;
    let spoilt: [(Spoil<'_>, &[&str]); 4] = [
        (&cut, &["suite.jsonl:8: row `r7`", "no recorded answer", "crossover eval record"]),
        (&|text| text.replacen("\"suite\":\"", "\"suite\":\"0", 1), &["answers.jsonl:1", "another version"]),
        (
            &|text| text.replace("always-local", "balanced"),
            &["answers.jsonl", "no answers of `always-local`"],
        ),
        (&|_| String::new(), &["answers.jsonl", "holds no answers"]),
    ];
    for (spoil, words) in spoilt {
        std::fs::write(&golden.answers, spoil(&good)).unwrap();
        let ended = golden.calibrate(&[]).await;
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        for word in words {
            assert!(ended.stderr.contains(word), "`{word}` is missing in\n{}", ended.stderr);
        }
        assert!(!golden.file().exists());
    }
    std::fs::write(&golden.answers, &good).unwrap();
    let ended = golden.calibrate(&["--remote", "remote"]).await;
    assert!(
        ended.status.code() == Some(2) && ended.stderr.contains("no answers of `always-remote`"),
        "{ended:?}"
    );
    let other = |text: &str| text.replace("\"served_by\"", "\"model_hash\":\"00\",\"served_by\"");
    golden.edit(&golden.answers, other);
    let ended = golden.calibrate(&[]).await;
    assert!(
        ended.status.code() == Some(2) && ended.stderr.contains("another model than local.model"),
        "{ended:?}"
    );
    assert_eq!(golden.rows, 80);
}

#[tokio::test]
async fn a_broken_or_missing_calibration_file_is_named() {
    let setup = Setup::new(NOBODY, "[classifier]\ncalibration = \"/nowhere/c.json\"\n");
    let message = setup.refuses().await;
    assert!(message.contains("classifier.calibration") && message.contains("/nowhere/c.json"), "{message}");
    let setup = Setup::new(NOBODY, "");
    std::fs::create_dir_all(setup.state()).unwrap();
    std::fs::write(setup.state().join("calibration.json"), "{\"schema-version\": 1}").unwrap();
    let message = setup.refuses().await;
    assert!(message.contains("calibration.json: made-at: is missing"), "{message}");
}
