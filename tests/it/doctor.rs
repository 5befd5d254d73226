//! `crossover doctor` says what is there and what is missing, shows no secret, and knows a living gateway.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::process::Setup;
use crate::support::tools::{Served, crossover, finish, folder, said};

fn command(state: &Path, env: &[(&str, &str)]) -> Command {
    let mut command = crossover(state);
    // Free ports: those of the defaults may be in use on this machine.
    command
        .env("CROSSOVER__SERVER__LISTEN", "127.0.0.1:0")
        .env("CROSSOVER__SERVER__ADMIN_LISTEN", "127.0.0.1:0");
    command.envs(env.iter().copied()).arg("doctor");
    command
}

async fn doctor(state: &Path, env: &[(&str, &str)]) -> Output {
    finish(&mut command(state, env)).await
}

#[tokio::test]
async fn a_machine_that_has_everything_passes() {
    let state = folder();
    let env = [("OPENAI_API_KEY", "sk-canary"), ("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")];
    let output = doctor(state.path(), &env).await;
    let text = said(&output);
    assert!(output.status.success(), "{text}");
    for word in [
        "cores",
        "memory",
        "ONNX Runtime",
        "policies",
        "local answers",
        "classifier",
        "OPENAI_API_KEY is set",
        "ledger",
        "state folder",
    ] {
        assert!(text.contains(word), "{word} is missing in\n{text}");
    }
    assert!(!text.contains("canary"), "a secret is shown:\n{text}");
    assert!(!state.path().join("ledger.sqlite").exists(), "doctor changes nothing");
}

#[tokio::test]
async fn a_ledger_of_an_older_form_is_told_of_and_left_as_it_is() {
    let setup = Setup::remote_only("http://nobody.invalid/v1", "");
    std::fs::create_dir(setup.state()).unwrap();
    let ledger = rusqlite::Connection::open(setup.state().join("ledger.sqlite")).unwrap();
    // As much of the first form as it takes to be brought forward.
    let old = "CREATE TABLE outcomes (id); CREATE TABLE eval_runs (run_id); PRAGMA user_version = 1";
    ledger.execute_batch(old).unwrap();
    let doctor = setup.run(&["doctor"]).await;
    assert!(doctor.stdout.contains("note    ledger "), "{doctor:?}");
    assert!(doctor.stdout.contains("has schema 1"), "{doctor:?}");
    let summary = setup.run(&["ledger", "summary"]).await;
    assert_eq!(summary.status.code(), Some(1), "{summary:?}");
    assert!(summary.stderr.contains("`crossover serve` brings it forward"), "{summary:?}");
    let form: i64 = ledger.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(form, 1);
}

#[tokio::test]
async fn d20_what_is_missing_is_named_with_its_mend_and_fails() {
    let state = folder();
    let output = doctor(state.path(), &[("ORT_DYLIB_PATH", "/nowhere/libonnxruntime.so")]).await;
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("MISSING ONNX Runtime") && text.contains("make setup"), "{text}");

    let output = doctor(state.path(), &[("CROSSOVER__POLICY", "poetry")]).await;
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("there is no policy `poetry`"), "{text}");
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_leaves_the_exit_code_true() {
    let state = folder();
    for (policy, code) in [("balanced", 0), ("poetry", 1)] {
        let env = [("CROSSOVER__POLICY", policy), ("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")];
        let mut command = command(state.path(), &env);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.next_line().await.unwrap().unwrap().starts_with("crossover "));
        drop(lines);
        let ended = timeout(Duration::from_secs(90), child.wait_with_output()).await;
        let output = ended.expect("the command ends in time").unwrap();
        let text = said(&output);
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(!text.contains("panicked"), "{text}");
    }
}

#[tokio::test]
async fn a_living_gateway_is_told_from_none() {
    let state = folder();
    let served = Served::start(state.path(), &[]).await;
    let live = ["doctor", "--live", "--admin-listen"];
    let output = finish(crossover(state.path()).args(live).arg(&served.admin)).await;
    assert!(output.status.success(), "{}", said(&output));
    drop(served);
    let output = finish(crossover(state.path()).args(live).arg("127.0.0.1:1")).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
}
