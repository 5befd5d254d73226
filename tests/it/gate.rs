//! `crossover eval`, from recording to gate: every exit code says what it means, and reports are written whole.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use super::support::tools::{crossover, finish, root, said};

/// The first rows of a shipped set, in a folder of their own.
fn suite(state: &Path, rows: usize) -> PathBuf {
    let (from, to) = (root().join("evals/golden/classification"), state.join("suite"));
    std::fs::create_dir_all(&to).unwrap();
    std::fs::copy(from.join("suite.toml"), to.join("suite.toml")).unwrap();
    let text = std::fs::read_to_string(from.join("suite.jsonl")).unwrap();
    let few: Vec<&str> = text.lines().take(rows).collect();
    std::fs::write(to.join("suite.jsonl"), few.join("\n")).unwrap();
    to
}

/// Answers of the local tier, as if a perfect model had given them; with `wrong`, all of them nonsense.
fn answers(suite: &Path, file: &Path, wrong: bool) {
    let rows = std::fs::read_to_string(suite.join("suite.jsonl")).unwrap();
    let line = |row: &str| {
        let row: Value = serde_json::from_str(row).unwrap();
        let text = if wrong { "no idea" } else { row["expected"].as_str().unwrap() };
        serde_json::json!({"id": row["id"], "subject": "always-local", "text": text, "served_by": "local"})
            .to_string()
    };
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, rows.lines().map(line).collect::<Vec<_>>().join("\n")).unwrap();
}

async fn gate(state: &Path, more: &[&str]) -> Output {
    let mut command = crossover(state);
    command.args(["eval", "gate", "--baselines"]).arg(state.join("baselines"));
    command.arg("--answers").arg(state.join("answers")).args(more);
    finish(&mut command).await
}

#[test]
fn every_golden_set_has_recorded_answers_and_a_baseline() {
    let names = |folder: &str| -> BTreeSet<OsString> {
        let entries = std::fs::read_dir(root().join("evals").join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_owned()).collect()
    };
    let sets = names("golden");
    assert!(sets.len() > 2, "{sets:?}");
    for kept in ["answers", "baselines"] {
        assert_eq!(names(kept), sets, "evals/{kept} and evals/golden: run `make evals`");
    }
}

#[tokio::test]
async fn the_gate_tells_a_regression_from_a_run_that_was_none() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path();
    let suite = suite(state, 20);
    let (file, named) = (state.join("answers/classification.jsonl"), suite.to_str().unwrap());
    let code = |output: &Output| output.status.code();

    let output = gate(state, &[]).await;
    assert_eq!(code(&output), Some(3), "no baselines are no pass: {}", said(&output));
    let output = gate(state, &[named]).await;
    assert_eq!(code(&output), Some(3), "{}", said(&output));
    assert!(said(&output).contains("crossover eval gate --update"), "{}", said(&output));
    let output = gate(state, &[named, "--update", "--policy", "local-first"]).await;
    assert_eq!(code(&output), Some(3), "no answers: {}", said(&output));

    answers(&suite, &file, false);
    let output = gate(state, &[named, "--update", "--policy", "local-first"]).await;
    assert_eq!(code(&output), Some(0), "{}", said(&output));
    let out = state.join("out");
    let output = gate(state, &["--strict", "--out-dir", out.to_str().unwrap()]).await;
    assert_eq!(code(&output), Some(0), "{}", said(&output));
    for kind in ["html", "xml", "json"] {
        assert!(out.join(format!("classification.{kind}")).exists(), "{kind}");
    }

    answers(&suite, &file, true);
    let output = gate(state, &["--out-dir", out.to_str().unwrap()]).await;
    assert_eq!(code(&output), Some(1), "{}", said(&output));
    assert!(said(&output).contains("always-local is worse than the baseline by 1.000"), "{}", said(&output));
    let junit = std::fs::read_to_string(out.join("classification.xml")).unwrap();
    assert!(junit.contains("<failure message=\"always-local is worse"), "{junit}");

    let rows = std::fs::read_to_string(suite.join("suite.jsonl")).unwrap();
    std::fs::write(suite.join("suite.jsonl"), rows.replace("blender", "toaster")).unwrap();
    let output = gate(state, &[]).await;
    assert_eq!(code(&output), Some(3), "another version: {}", said(&output));
    std::fs::write(state.join("baselines/classification.json"), "{\"baseline\": 1").unwrap();
    let output = gate(state, &[]).await;
    assert_eq!(code(&output), Some(2), "{}", said(&output));
    assert!(said(&output).contains("classification.json"), "{}", said(&output));
}

#[tokio::test]
async fn half_an_answer_file_makes_no_baseline() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path();
    let suite = suite(state, 20);
    let (file, named) = (state.join("answers/classification.jsonl"), suite.to_str().unwrap());
    answers(&suite, &file, false);
    let all = std::fs::read_to_string(&file).unwrap();
    let half: Vec<&str> = all.lines().skip(10).collect();
    std::fs::write(&file, half.join("\n")).unwrap();
    for policy in ["local-first", "remote-first"] {
        let output = gate(state, &[named, "--update", "--policy", policy]).await;
        assert_eq!(output.status.code(), Some(3), "{policy}: {}", said(&output));
        assert!(said(&output).contains("10 of 20 rows could not be judged"), "{}", said(&output));
    }
    assert!(!state.join("baselines/classification.json").exists());
}

#[tokio::test]
async fn a_recorded_remote_stands_behind_a_new_baseline_s_policies() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path();
    let suite = suite(state, 12);
    let (file, named) = (state.join("answers/classification.jsonl"), suite.to_str().unwrap());
    answers(&suite, &file, true);
    let remote = std::fs::read_to_string(&file).unwrap();
    let remote = remote.replace("always-local", "always-remote").replace("\"local\"", "\"remote\"");
    answers(&suite, &file, false);
    let local = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{local}\n{remote}")).unwrap();
    let output = gate(state, &[named, "--update", "--policy", "remote-first"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let made = std::fs::read(state.join("baselines/classification.json")).unwrap();
    let made: Value = serde_json::from_slice(&made).unwrap();
    assert_eq!(made["remote"], "always-remote");
    let quality = made["subjects"]["remote-first"]["quality"].as_f64().unwrap();
    assert!(quality < 0.5, "the recorded remote knows nothing: {quality}");
    let output = gate(state, &[]).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    std::fs::write(&file, local).unwrap();
    let output = gate(state, &[]).await;
    assert_eq!(output.status.code(), Some(3), "the expected answer is another remote: {}", said(&output));
    assert!(said(&output).contains("the remote tier was `always-remote`"), "{}", said(&output));
}

#[tokio::test]
async fn a_recording_is_taken_up_and_judged_offline() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path();
    let (suite, file) = (suite(state, 6), state.join("answers/classification.jsonl"));
    let record = async |more: &[&str]| {
        let mut command = crossover(state);
        command.args(["eval", "record"]).arg(&suite).arg("--out").arg(&file).args(more);
        finish(&mut command).await
    };
    let output = record(&["--limit", "4"]).await;
    assert!(
        output.status.success() && said(&output).contains("4 answers added to 0, of 4"),
        "{}",
        said(&output)
    );
    let mut torn = std::fs::read(&file).unwrap();
    torn.truncate(torn.len() - 20);
    std::fs::write(&file, torn).unwrap();
    let output = record(&["--tier", "local", "--tier", "gold"]).await;
    assert!(
        output.status.success() && said(&output).contains("3 answers added to 3, of 6"),
        "{}",
        said(&output)
    );
    let first: Value =
        serde_json::from_str(std::fs::read_to_string(&file).unwrap().lines().next().unwrap()).unwrap();
    assert_eq!((&first["subject"], &first["model"]), (&"always-local".into(), &"starter".into()));
    assert_eq!(first["model_hash"].as_str().map(str::len), Some(64));
    // Nobody is there to record, and that is no data and no success.
    let output = record(&["--tier", "remote"]).await;
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));

    let out = state.join("out");
    let mut command = crossover(state);
    command.args(["eval", "run", "--policy", "balanced", "--recorded"]).arg(&file).arg(&suite);
    let output = finish(command.arg("--out-dir").arg(&out)).await;
    assert!(output.status.success(), "{}", said(&output));
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("Quality over spend") && page.contains("balanced"));
    let answer = first["text"].as_str().unwrap().trim();
    assert!(answer.len() < 8 || !page.contains(answer), "no answer stands in a report");
    for file in ["report.json", "report.md", "report.xml"] {
        assert!(out.join(file).exists(), "{file}");
    }
}

/// The `model_hash` of each line of the local tier, and whether any other line has one.
fn model_hashes(answers: &Path) -> (Vec<Option<String>>, bool) {
    let text = std::fs::read_to_string(answers).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (local, others): (Vec<&Value>, Vec<&Value>) =
        lines.iter().partition(|line| line["subject"] == "always-local");
    let hash = |line: &&Value| line["model_hash"].as_str().map(str::to_owned);
    (local.iter().map(hash).collect(), others.iter().any(|line| hash(line).is_some()))
}

#[tokio::test]
async fn saved_answers_name_their_model_and_are_not_taken_for_another_s() {
    let folder = tempfile::tempdir().unwrap();
    let (state, suite) = (folder.path(), suite(folder.path(), 3));
    let run = async |out: &str, more: &[&str]| {
        let mut command = crossover(state);
        command.args(["eval", "run", "--save-answers", "--out"]).arg(state.join(out)).arg(&suite);
        finish(command.args(more)).await
    };
    let output = run("first.json", &["--policy", "balanced"]).await;
    assert!(output.status.success(), "{}", said(&output));
    let saved = state.join("first.answers.jsonl");
    let (hashes, others) = model_hashes(&saved);
    let hash = hashes[0].clone().unwrap();
    assert_eq!((hash.len(), hashes, others), (64, vec![Some(hash.clone()); 3], false));

    let named = saved.to_str().unwrap();
    let output = run("again.json", &["--recorded", named]).await;
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(model_hashes(&state.join("again.answers.jsonl")).0, vec![Some(hash.clone()); 3]);

    let text = std::fs::read_to_string(&saved).unwrap();
    std::fs::write(&saved, text.replace(&hash, &"0".repeat(64))).unwrap();
    let regraded = ["--policy", "local-first", "--recorded", named];
    let output = run("other.json", &regraded).await;
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("are another model's than the installed one's"), "{}", said(&output));

    // Answers that name no model may be judged, but do not become the installed one's.
    std::fs::write(&saved, text.replace(&format!(",\"model_hash\":\"{hash}\""), "")).unwrap();
    let output = run("unnamed.json", &regraded).await;
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("does not say which local model answered"), "{}", said(&output));
    assert_eq!(model_hashes(&state.join("unnamed.answers.jsonl")).0, vec![None; 3]);
}

#[tokio::test]
async fn recorded_scores_need_both_tiers() {
    let folder = tempfile::tempdir().unwrap();
    let (state, file) = (folder.path(), folder.path().join("scores.jsonl"));
    let line = |id: usize| {
        serde_json::json!({
            "id": id.to_string(), "source": "made-up", "task": "t", "chars": id, "score": id as f64 / 30.0,
            "split": "held", "outcomes": {"small-one": u8::from(id > 15), "big-one": 1},
        })
        .to_string()
    };
    std::fs::write(&file, (0..30).map(line).collect::<Vec<_>>().join("\n")).unwrap();
    let scores = async |remote: &str| {
        let mut command = crossover(state);
        command.args(["eval", "scores", "--local", "small-one", "--remote", remote]).arg(&file);
        finish(command.arg("--out-dir").arg(state.join("out"))).await
    };
    let output = scores("big-one").await;
    assert!(output.status.success() && said(&output).contains("made-up"), "{}", said(&output));
    let report = std::fs::read_to_string(state.join("out/report.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report[0]["rows"], serde_json::json!([]), "rows never come out");
    let output = scores("other").await;
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
}
