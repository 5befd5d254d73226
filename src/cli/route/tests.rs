//! `crossover route` with the shipped classifier and policies.

use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::routing::Task;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn desk(policy: &str) -> Desk {
    let config = Config::default();
    // The shipped models without their calibration, which may change with every model.
    let models = tempfile::tempdir().unwrap();
    for model in ["classifier", "starter"] {
        std::os::unix::fs::symlink(root().join("models").join(model), models.path().join(model)).unwrap();
    }
    let paths = Paths {
        state: models.path().join("state"),
        models: models.path().to_path_buf(),
        policies: root().join("policies"),
    };
    let router = routing::open(&config, &paths, Arc::new(Metrics::new().unwrap())).unwrap();
    let prices = Prices::load(None).unwrap();
    Desk { router, policy: policy.to_owned(), view: assumed_view(&config, &paths), prices, config }
}

fn decide(input: &str) -> (Vec<Value>, ExitCode) {
    let desk = desk("balanced");
    let mut output = vec![];
    let code = jsonl::run(input.as_bytes(), &mut output, |request| desk.explain(&request)).unwrap();
    let lines = std::str::from_utf8(&output).unwrap().lines().map(|line| serde_json::from_str(line).unwrap());
    (lines.collect(), code)
}

#[test]
fn a_file_is_decided_line_by_line_in_order() {
    let input = [
        json!({"id": "a", "prompt": "Classify as spam or ham. Labels: spam, ham.\nText: buy now"}),
        json!({"id": 2, "messages": [{"role": "user", "content": "Prove that there are infinitely many primes."}]}),
        json!({"id": "c", "messages": [{"role": "user", "content": "my mail is ana@example.org"}]}),
        json!({"id": "d", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}),
    ];
    let input: Vec<String> = input.iter().map(Value::to_string).collect();
    let (lines, code) = decide(&(input.join("\n") + "\n\n"));
    assert_eq!(code, ExitCode::SUCCESS);
    let ids: Vec<&Value> = lines.iter().map(|line| &line["id"]).collect();
    assert_eq!(ids, [&json!("a"), &json!(2), &json!("c"), &json!("d")]);
    let rules: Vec<&str> = lines.iter().map(|line| line["rule"].as_str().unwrap()).collect();
    assert_eq!(rules, ["uncalibrated", "everything else", "private stays here", "does not fit"]);
    let targets: Vec<String> = lines.iter().map(|line| line["targets"].to_string()).collect();
    assert_eq!(targets, [r#"["local","remote"]"#, r#"["remote","local"]"#, r#"["local"]"#, r#"["remote"]"#]);
    for line in &lines {
        let keys: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
        let expected = [
            "id",
            "local_ok",
            "gain",
            "task",
            "expected_output_tokens",
            "rule",
            "reason",
            "targets",
            "error",
        ];
        assert_eq!(keys, expected);
        assert!((0.0..=1.0).contains(&line["local_ok"].as_f64().unwrap()));
        assert!((-1.0..=1.0).contains(&line["gain"].as_f64().unwrap()));
        assert!(Task::parse(line["task"].as_str().unwrap()).is_some(), "{line}");
        assert!(line["expected_output_tokens"].as_u64().unwrap() >= 1 && line["error"].is_null());
    }
}

#[test]
fn a_prompt_and_its_message_are_decided_alike() {
    let (lines, _) = decide(
        "{\"id\":1,\"prompt\":\"What is 2 + 2?\"}\n\
         {\"id\":1,\"messages\":[{\"role\":\"user\",\"content\":\"What is 2 + 2?\"}]}\n\
         {\"id\":1,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"What is 2 + 2?\"}]}]}",
    );
    assert_eq!(lines[0], lines[1]);
    assert_eq!(lines[0], lines[2]);
}

#[test]
fn a_bad_line_says_why_and_the_others_are_decided_all_the_same() {
    let bad = [
        "not json",
        "[]",
        "{\"prompt\":\"no id\"}",
        "{\"id\":\"x\"}",
        "{\"id\":\"x\",\"prompt\":3}",
        "{\"id\":\"x\",\"prompt\":\"a\",\"messages\":[]}",
        "{\"id\":\"x\",\"messages\":[]}",
        "{\"id\":\"x\",\"messages\":[{\"role\":\"poet\",\"content\":\"a\"}]}",
        "{\"id\":\"x\",\"messages\":[{\"role\":\"user\"}]}",
        "{\"id\":\"x\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"smell\"}]}]}",
    ];
    for line in bad {
        let (lines, code) = decide(&format!("{line}\n{{\"id\":\"good\",\"prompt\":\"hello\"}}\n"));
        assert_eq!(code, ExitCode::FAILURE, "{line}");
        assert!(lines[0]["error"].is_string() && lines[0]["rule"].is_null(), "{line}: {}", lines[0]);
        assert!(lines[1]["error"].is_null() && lines[1]["rule"].is_string(), "{line}: {}", lines[1]);
    }
}

#[test]
fn an_explanation_reads_well_and_never_holds_the_prompt() {
    let desk = desk("balanced");
    let mut request = request::of_prompt("My secret plan: call +49 170 1234567 at noon.").unwrap();
    request.controls.tags = vec!["team-a".to_owned()];
    let told = desk.explain(&request);
    let costs = desk.costs(&told);
    let text = table::of(&told, &costs);
    for word in [
        "goes to   local, within the boundary only",
        "private: a rule keeps it within the boundary",
        "`private stays here` of policy balanced",
        "holds a phone number",
        "tags team-a",
        "local with starter: $0.0000",
    ] {
        assert!(text.contains(word), "{word} is missing in\n{text}");
    }
    let json = serde_json::to_string(&Told { explanation: told, cost_estimates: costs }).unwrap();
    assert!(json.contains("\"pii\":\"phone\"") && json.contains("\"cost_micros\":"), "{json}");
    assert!(!json.contains("secret plan") && !text.contains("secret plan"));
}

#[test]
fn the_local_context_is_read_off_the_model() {
    let config = Config::default();
    let folder = tempfile::tempdir().unwrap();
    let paths = Paths {
        state: folder.path().to_path_buf(),
        models: folder.path().to_path_buf(),
        policies: folder.path().to_path_buf(),
    };
    assert_eq!(local_context(&config, &paths), DEFAULT_CONTEXT);
    std::fs::create_dir(folder.path().join("starter")).unwrap();
    std::fs::write(folder.path().join("starter/config.json"), "{\"max_position_embeddings\": 2048}").unwrap();
    assert_eq!(local_context(&config, &paths), 2048);
    std::fs::write(folder.path().join("starter/genai_config.json"), "{\"model\": {\"context_length\": 512}}")
        .unwrap();
    assert_eq!(local_context(&config, &paths), 512);
}
