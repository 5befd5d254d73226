//! The promise of a drop-in `base_url`: OpenAI's own SDKs, unchanged, against the gateway as users run it.

use std::path::Path;

use tokio::process::Command;

use crate::support::scripted_upstream::ScriptedUpstream;
use crate::support::small_model::calling;
use crate::support::tools::{Served, finish, folder, root, said, skip, tool};

/// Fewer checks than this would mean that a program has stopped checking.
const LEAST_CHECKS: usize = 15;

/// Tool calls have a program of their own, with fewer.
const LEAST_TOOL_CHECKS: usize = 10;

/// Runs one SDK's program against a gateway; `None`: the SDK is not here.
async fn drive(test: &str, runtime: &str, program: &str, model: &str) {
    let Some(runtime) = tool(runtime) else {
        return skip(test, &format!("{runtime} is not set: run `make test-setup`, then see .local/missing"));
    };
    let upstream = ScriptedUpstream::start().await;
    let state = folder();
    let remote = upstream.base_url();
    let env = [
        ("OPENAI_BASE_URL", remote.as_str()),
        ("OPENAI_API_KEY", "sk-test"),
        ("CROSSOVER__REMOTE__MODEL", "ok"),
    ];
    let served = Served::start(state.path(), &env).await;
    let output = finish(&mut sdk(&runtime, program, &served.base_url, model)).await;
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    let passed = said.lines().find_map(|line| line.strip_suffix(" passed, 0 failed"));
    let passed: usize = passed.unwrap_or_else(|| panic!("no count in {said}")).parse().unwrap();
    assert!(passed >= LEAST_CHECKS, "only {passed} checks: {said}");
    assert_eq!(upstream.bytes_received() > 0, model == "remote", "who was asked: {said}");
}

fn sdk(runtime: &Path, program: &str, base_url: &str, model: &str) -> Command {
    let mut command = Command::new(runtime);
    command.arg(root().join("tests/sdk").join(program)).env("BASE_URL", base_url).env("MODEL", model);
    if let Some(modules) = tool("CROSSOVER_TEST_NODE_MODULES") {
        command.env("CROSSOVER_TEST_NODE_MODULES", modules);
    }
    command.env_remove("OPENAI_API_KEY").env_remove("OPENAI_BASE_URL");
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_sdk_with_the_local_model() {
    drive("python_sdk_with_the_local_model", "CROSSOVER_TEST_PYTHON", "python_sdk.py", "local").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_sdk_with_a_remote() {
    drive("python_sdk_with_a_remote", "CROSSOVER_TEST_PYTHON", "python_sdk.py", "remote").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_sdk_with_the_local_model() {
    drive("node_sdk_with_the_local_model", "CROSSOVER_TEST_NODE", "node_sdk.mjs", "local").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_sdk_with_a_remote() {
    drive("node_sdk_with_a_remote", "CROSSOVER_TEST_NODE", "node_sdk.mjs", "remote").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_sdk_with_tools() {
    let Some(runtime) = tool("CROSSOVER_TEST_PYTHON") else {
        let reason = "CROSSOVER_TEST_PYTHON is not set: run `make test-setup`, then see .local/missing";
        return skip("python_sdk_with_tools", reason);
    };
    let (state, models) = (folder(), folder());
    let model = calling(models.path(), "qwen25").display().to_string();
    let served = Served::start(state.path(), &[("CROSSOVER__LOCAL__MODEL", model.as_str())]).await;
    let output = finish(&mut sdk(&runtime, "python_tools.py", &served.base_url, "local")).await;
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    let passed = said.lines().find_map(|line| line.strip_suffix(" passed, 0 failed"));
    let passed: usize = passed.unwrap_or_else(|| panic!("no count in {said}")).parse().unwrap();
    assert!(passed >= LEAST_TOOL_CHECKS, "only {passed} checks: {said}");
}
