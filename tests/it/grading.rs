//! Golden sets through the real command: imported, asked, graded by what the answer calls and by a judge.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::gateway::{ONE_ANSWER, prices};
use crate::support::scripted_upstream::{ScriptedUpstream, TEXT};
use crate::support::small_model::endless;
use crate::support::tools::{crossover, finish, folder, said};

/// The rows of a report.
fn rows(report: &Path) -> Vec<Value> {
    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    report["rows"].as_array().unwrap().clone()
}

fn row<'a>(rows: &'a [Value], subject: &str, id: &str) -> &'a Value {
    rows.iter().find(|row| row["subject"] == subject && row["id"] == id).unwrap()
}

#[tokio::test]
async fn tools_go_out_and_calls_come_back_graded_and_recorded() {
    let (state, upstream) = (folder(), ScriptedUpstream::start().await);
    let model = endless(state.path());
    let config = format!(
        "schema-version = 1\n[local]\nmodel = {model:?}\n[remote]\nbase-url = {:?}\nmodel = \"tools\"\n",
        upstream.base_url()
    );
    std::fs::write(state.path().join("crossover.toml"), config).unwrap();
    let suite = state.path().join("suite");
    std::fs::create_dir(&suite).unwrap();
    let about =
        "name = \"calls\"\nversion = \"1\"\nabout = \"a\"\nlicence = \"Apache-2.0\"\nmax-tokens = 4\n";
    std::fs::write(suite.join("suite.toml"), about).unwrap();
    let tool = json!({"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}});
    let messages = json!([{"role": "user", "content": "Weather in Köln?"}]);
    let call = json!([{"name": "weather", "arguments": {"city": "Köln"}}]);
    let lines = [
        json!({"id": "call", "messages": messages, "tools": [tool], "expected": call, "scorer": "tool_calls", "task": "t"}),
        json!({"id": "text", "messages": messages, "expected": "rain", "scorer": "chrf", "task": "t"}),
    ];
    std::fs::write(suite.join("suite.jsonl"), lines.map(|line| line.to_string()).join("\n")).unwrap();
    let out = state.path().join("report.json");
    let mut command = crossover(state.path());
    command.args(["eval", "run", "--ask-remote", "--save-answers"]).arg(&suite).arg("--out").arg(&out);
    let output = finish(command.env("OPENAI_API_KEY", "sk-test")).await;
    assert!(output.status.success(), "{}", said(&output));
    let rows = rows(&out);
    assert_eq!(row(&rows, "always-remote", "call")["score"], 1.0, "{rows:?}");
    let answers = std::fs::read_to_string(state.path().join("report.answers.jsonl")).unwrap();
    let answers: Vec<Value> = answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(row(&answers, "always-remote", "call")["tool_calls"], call);
    let asked: Vec<Value> =
        upstream.seen().iter().map(|seen| serde_json::from_slice(&seen.body).unwrap()).collect();
    assert_eq!((asked.len(), asked.iter().filter(|body| body["tools"] == json!([tool])).count()), (2, 1));
}

#[tokio::test]
async fn an_imported_set_is_judged_and_a_judge_without_a_verdict_scores_nothing() {
    let (state, upstream) = (folder(), ScriptedUpstream::start().await);
    let file = state.path().join("set.yaml");
    let first = TEXT.split(' ').next().unwrap();
    let text = format!(
        "prompts: ['Say {{{{what}}}}']\ntests:\n  - vars: {{what: something}}\n    assert: [{{type: contains, value: \
         {first:?}}}]\n  - vars: {{what: kindly}}\n    assert: [{{type: llm-rubric, value: is kind}}]\n"
    );
    std::fs::write(&file, text).unwrap();
    let suite = state.path().join("suite");
    let output =
        finish(crossover(state.path()).args(["eval", "import"]).arg(&file).arg("--out").arg(&suite)).await;
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("1 rows ask a judge"), "{}", said(&output));
    let out = state.path().join("report.json");
    let mut command = crossover(state.path());
    command.args(["eval", "run", "--model", "ok", "--judge-model", "ok"]).arg(&suite).arg("--out").arg(&out);
    let base_url = upstream.base_url();
    let output = finish(command.args(["--base-url", &base_url, "--judge-base-url", &base_url])).await;
    assert!(output.status.success(), "{}", said(&output));
    let report: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    let judging = &report["grading"];
    assert_eq!(
        (&judging["asked"], &judging["failed"], &judging["tokens"]),
        (&json!(1), &json!(0), &json!(18))
    );
    assert!(judging["cost_micros"].is_null(), "no price is known: {judging}");
    let rows = rows(&out);
    assert_eq!(row(&rows, "ok", "t1")["score"], 1.0);
    let unscored = row(&rows, "ok", "t2");
    assert!(unscored["score"].is_null(), "{unscored}");
    assert!(unscored["why"].as_str().unwrap().starts_with("the judge's verdict"), "{unscored}");
    let judged: Vec<Value> =
        upstream.seen().iter().filter_map(|seen| serde_json::from_slice(&seen.body).ok()).collect();
    let judged =
        judged.iter().find(|body| body["messages"].as_array().is_some_and(|it| it.len() == 2)).unwrap();
    assert_eq!(judged["temperature"], 0);
    assert!(judged["messages"][1]["content"].as_str().unwrap().contains(TEXT));
}

#[tokio::test]
async fn a_model_of_a_plain_server_is_priced_by_its_own_name() {
    let (state, upstream) = (folder(), ScriptedUpstream::start().await);
    let config = format!("schema-version = 1\n[ledger]\nprices = {:?}\n", prices(state.path()));
    std::fs::write(state.path().join("crossover.toml"), config).unwrap();
    let suite = state.path().join("suite");
    std::fs::create_dir(&suite).unwrap();
    let about = "name = \"one\"\nversion = \"1\"\nabout = \"a\"\nlicence = \"Apache-2.0\"\n";
    std::fs::write(suite.join("suite.toml"), about).unwrap();
    let messages = json!([{"role": "user", "content": "hi"}]);
    let line = json!({"id": "a", "messages": messages, "expected": "x", "scorer": "exact", "task": "t"});
    std::fs::write(suite.join("suite.jsonl"), line.to_string()).unwrap();
    let (out, base_url) = (state.path().join("report.json"), upstream.base_url());
    let mut command = crossover(state.path());
    command.args(["eval", "run", "--model", "ok", "--base-url", &base_url]).arg(&suite);
    let output = finish(command.arg("--out").arg(&out)).await;
    assert!(output.status.success(), "{}", said(&output));
    let rows = rows(&out);
    assert_eq!(row(&rows, "ok", "a")["cost_micros"], ONE_ANSWER, "{rows:?}");
}

#[tokio::test]
async fn a_set_with_code_is_refused_and_nothing_is_written() {
    let state = folder();
    let file = state.path().join("set.yaml");
    let text = "prompts: [hello]\ntests:\n  - assert:\n      - {type: javascript, value: 'process.exit()'}\n";
    std::fs::write(&file, text).unwrap();
    let suite = state.path().join("suite");
    let output =
        finish(crossover(state.path()).args(["eval", "import"]).arg(&file).arg("--out").arg(&suite)).await;
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("set.yaml:4: the assert `javascript` runs code"), "{}", said(&output));
    assert!(!suite.exists());
}
