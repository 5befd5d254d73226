//! Files of other tools, written for these tests, become suites that read back; what has no counterpart is refused.

use serde_json::json;

use super::*;
use crate::evals::scorer::{Scorer as _, ScorerSpec};
use crate::evals::subject::Transcript;

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let file = self.0.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    }
}

fn openai(class: &str, rows: &str) -> Result<Suite, DatasetError> {
    let files = Files::new();
    let options = ImportOptions { class: Some(class.to_owned()), ..ImportOptions::default() };
    Import::read(&files.put("capitals.jsonl", rows), &options)?.write(&files.0.path().join("out"))
}

fn promptfoo(text: &str) -> Result<(Suite, BTreeSet<String>), DatasetError> {
    let files = Files::new();
    let import = Import::read(&files.put("my set.yaml", text), &ImportOptions::default())?;
    let notes = import.notes.clone();
    Ok((import.write(&files.0.path().join("out"))?, notes))
}

/// The value that row `at` gives `answer`.
fn worth(suite: &Suite, at: usize, answer: &str) -> Option<f64> {
    let sample = &suite.samples[at];
    sample.scorer.score(sample, &Transcript::of(answer)).value()
}

/// Line and problem of everything that is wrong.
fn bad<T>(result: Result<T, DatasetError>) -> Vec<(usize, String)> {
    match result {
        Err(DatasetError::BadLines(bad)) => bad.into_iter().map(|bad| (bad.line, bad.problem)).collect(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("accepted"),
    }
}

const CAPITAL: &str =
    r#"{"input": [{"role": "user", "content": "Capital of France?"}], "ideal": ["Paris", "paris (FR)"]}"#;

#[test]
fn match_means_starting_with_one_of_the_ideals() {
    let text = "{\"input\": \"2 + 2?\", \"ideal\": \"4\", \"level\": 1}";
    let suite = openai("Match", &format!("{CAPITAL}\n\n{text}\n")).unwrap();
    assert_eq!((suite.name.as_str(), suite.samples.len()), ("capitals", 2));
    assert_eq!((suite.samples[0].id.as_str(), suite.samples[1].id.as_str()), ("r1", "r3"));
    assert_eq!(suite.samples[1].messages, [json!({"role": "user", "content": "2 + 2?"})]);
    let marks = ["Paris.", " paris (FR)", "It is Paris", "paris"].map(|answer| worth(&suite, 0, answer));
    assert_eq!(marks, [Some(1.0), Some(1.0), Some(0.0), Some(0.0)]);
}

#[test]
fn the_other_classes_have_counterparts() {
    let suite = openai("evals.elsuite.basic.includes:Includes", CAPITAL).unwrap();
    assert_eq!(["In Paris!", "in PARIS"].map(|it| worth(&suite, 0, it)), [Some(1.0), Some(0.0)]);
    let suite = openai("FuzzyMatch", CAPITAL).unwrap();
    assert_eq!(worth(&suite, 0, "the paris"), Some(1.0));
    let row = r#"{"input": "As JSON", "ideal": ["{\"a\": [1, 2]}", "{\"b\": null}"]}"#;
    let suite = openai("JsonMatch", row).unwrap();
    let marks = [r#"{"a": [1, 2.0]}"#, r#"{"b": null}"#, r#"{"a": [2, 1]}"#, "no"];
    assert_eq!(marks.map(|it| worth(&suite, 0, it)), [Some(1.0), Some(1.0), Some(0.0), Some(0.0)]);
    assert_eq!(suite.samples[0].expected, json!({"a": [1, 2]}));
}

#[test]
fn every_bad_row_of_openai_evals_is_named() {
    let rows = [
        CAPITAL,
        r#"{"input": "x"}"#,
        r#"{"input": "x", "ideal": []}"#,
        r#"{"input": 3, "ideal": "x"}"#,
        r#"{"input": [{"role": "boss", "content": "x"}], "ideal": "x"}"#,
        "{",
    ];
    let bad = bad(openai("Match", &rows.join("\n")));
    assert_eq!(bad.iter().map(|bad| bad.0).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
    assert!(bad[0].1.contains("unlabelled"), "{}", bad[0].1);
    assert!(bad[3].1.contains("messages[0].role"), "{}", bad[3].1);
    let error = openai("ModelBasedClassify", CAPITAL).unwrap_err().to_string();
    assert!(error.contains("ModelBasedClassify"), "{error}");
}

#[test]
fn a_registry_says_how_a_file_is_graded() {
    let files = Files::new();
    let registry = files.put(
        "registry.yaml",
        "capitals:\n  id: capitals.dev.v0\n  metrics: [accuracy]\ncapitals.dev.v0:\n  class: \
         evals.elsuite.basic.includes:Includes\n  args:\n    samples_jsonl: data/capitals.jsonl\n    \
         ignore_case: true\n    max_tokens: 99\nother:\n  class: evals.elsuite.basic.match:Match\n  args:\n    \
         samples_jsonl: other.jsonl\n    num_few_shot: 4\n",
    );
    let options = ImportOptions { registry: Some(registry), ..ImportOptions::default() };
    let suite = Import::read(&files.put("capitals.jsonl", CAPITAL), &options).unwrap();
    let suite = suite.write(&files.0.path().join("out")).unwrap();
    assert_eq!((worth(&suite, 0, "in PARIS"), suite.max_tokens), (Some(1.0), 99));
    let refused = |name: &str| Import::read(&files.put(name, CAPITAL), &options).unwrap_err().to_string();
    assert!(refused("other.jsonl").contains("`num_few_shot`"));
    assert!(refused("unknown.jsonl").contains("--class"));
    let silent = Import::read(&files.put("a.jsonl", CAPITAL), &ImportOptions::default()).unwrap_err();
    assert!(silent.to_string().contains("--registry"), "{silent}");
}

const POLITE: &str = r#"
description: Polite answers
prompts:
  - "Greet {{ name }} in {{language}}."
  - '[{"role": "system", "content": "You are {{mood}}"}, {"role": "user", "content": "Greet {{name}}"}]'
providers: [openai:gpt-4o-mini]
defaultTest:
  vars: { mood: kind }
  assert:
    - type: not-contains
      value: sorry
tests:
  - description: one
    vars: { name: "Ana", language: Spanish }
    assert:
      - type: icontains
        value: "hola {{name}}"
        weight: 3
  - vars: { name: "Bo", language: English, mood: brisk }
    threshold: 0.6
    assert:
      - { type: contains-any, value: [hi, hello] }
      - { type: regex, value: '\bBo\b' }
"#;

#[test]
fn every_test_becomes_a_row_for_every_prompt() {
    let (suite, _) = promptfoo(POLITE).unwrap();
    assert_eq!((suite.name.as_str(), suite.about.as_str()), ("my_set", "Polite answers"));
    let ids: Vec<&str> = suite.samples.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids, ["t1-p1", "t1-p2", "t2-p1", "t2-p2"]);
    assert_eq!(suite.samples[0].messages, [json!({"role": "user", "content": "Greet Ana in Spanish."})]);
    assert_eq!(suite.samples[1].messages[0]["content"], "You are kind");
    assert_eq!(suite.samples[3].messages[0]["content"], "You are brisk");
    let marks = ["¡Hola Ana!", "hola ana, sorry", "hi", "sorry"].map(|answer| worth(&suite, 0, answer));
    assert_eq!(marks, [Some(1.0), Some(0.75), Some(0.25), Some(0.0)]);
    // Two of three checks are above the threshold, one is below.
    let marks = ["hi Bo", "hi Bob", "sorry, Bo"].map(|answer| worth(&suite, 2, answer));
    assert_eq!(marks, [Some(1.0), Some(1.0), Some(0.0)]);
}

#[test]
fn texts_may_stand_in_files_beside_the_set() {
    let files = Files::new();
    files.put("prompts.txt", "Sum up: {{text}}\n---\nShorten: {{text}}\n");
    files.put("text.md", "A fox {{ runs }}.");
    files.put("schema.json", r#"{"required": ["a"]}"#);
    let text = "prompts: ['file://prompts.txt']\ntests:\n  - vars: {text: 'file://text.md'}\n    assert: [{type: \
                is-json, value: 'file://schema.json'}]\n";
    let import = Import::read(&files.put("set.yml", text), &ImportOptions::default()).unwrap();
    let suite = import.write(&files.0.path().join("out")).unwrap();
    let prompts: Vec<&Value> = suite.samples.iter().map(|row| &row.messages[0]["content"]).collect();
    assert_eq!(prompts, ["Sum up: A fox {{ runs }}.", "Shorten: A fox {{ runs }}."]);
    assert_eq!((worth(&suite, 0, r#"{"a": 1}"#), worth(&suite, 0, "{}")), (Some(1.0), Some(0.0)));
}

/// A file with one assert.
fn one(assert: &str) -> String {
    format!("prompts: [\"Say {{{{it}}}}\"]\ntests:\n  - vars: {{it: yes}}\n    assert:\n      - {assert}\n")
}

#[test]
fn asserts_have_counterparts() {
    let cases = [
        ("{type: equals, value: 'Yes'}", "Yes", "yes"),
        ("{type: equals, value: {a: 1}}", r#"{"a": 1}"#, r#"{"a": 2}"#),
        ("{type: not-equals, value: 'Yes'}", "no", "Yes"),
        ("{type: contains, value: '{{it}}'}", "oyes", "YES"),
        ("{type: contains, value: 42}", "it is 42", "41"),
        ("{type: contains-all, value: 'red, blue'}", "blue red", "red"),
        ("{type: icontains-any, value: [Red, Blue]}", "red", "green"),
        ("{type: starts-with, value: 'a.c'}", "a.cd", "abcd"),
        ("{type: ends-with, value: 'd.'}", "and.", "and"),
        ("{type: regex, value: '^\\d+$'}", "12", "a12"),
        ("{type: is-json}", "[1]", "it is [1]"),
        ("{type: is-json, value: {required: [a]}}", r#"{"a": 1}"#, r#"{"b": 1}"#),
        ("{type: contains-json, value: 'required: [a]'}", r#"it is {"a": 1}"#, r#"{"b": 1}"#),
        ("{type: rouge-n, value: 'the red fox', threshold: 0.9}", "a red fox", "a red dog"),
        ("{type: rouge-l, value: 'red fox runs'}", "red fox runs", "fox"),
    ];
    for (assert, right, wrong) in cases {
        let (suite, _) = promptfoo(&one(assert)).unwrap();
        assert_eq!((worth(&suite, 0, right), worth(&suite, 0, wrong)), (Some(1.0), Some(0.0)), "{assert}");
    }
    let (suite, notes) = promptfoo(&one("{type: llm-rubric, value: is kind, threshold: 0.55}")).unwrap();
    let ScorerSpec::Rubric(rubric) = &suite.samples[0].scorer else { panic!("not a rubric") };
    assert_eq!((rubric.rubric.as_deref(), rubric.threshold), (Some("is kind"), 5.5));
    assert!(notes.iter().any(|note| note.contains("judge")));
    let (suite, _) = promptfoo(&one("{type: similar, value: yes please}")).unwrap();
    let ScorerSpec::EmbeddingCosine(cosine) = &suite.samples[0].scorer else { panic!("not a cosine") };
    assert_eq!((cosine.threshold, &suite.samples[0].expected), (Some(0.75), &json!("yes please")));
}

#[test]
fn f20_what_has_no_counterpart_is_refused_with_its_line() {
    let cases = [
        ("{type: javascript, value: 'process.exit()'}", "`javascript` runs code"),
        ("{type: not-python, value: 'exit()'}", "`python` runs code"),
        ("{type: latency, threshold: 5}", "`latency` does not grade"),
        ("{type: factuality, value: x}", "`factuality` is not supported"),
        ("{type: contains, value: 'file://x.txt'}", "`x.txt` cannot be read"),
        ("{type: contains, value: 'file://x.js'}", "only texts are read"),
        ("{type: contains, value: 'file://../x.txt'}", "outside the set's folder"),
        ("{type: contains, value: '{{other}}'}", "no value among `vars`"),
        ("{type: contains, value: '{{it | upper}}'}", "only `{{name}}` is"),
        ("{type: contains, value: ''}", "must be a text"),
        ("{type: contains, value: x, weight: 0}", "weight: 0"),
        ("{type: regex, value: '(?=x)'}", "look-around"),
        ("{type: is-json, value: {$ref: 'http://127.0.0.1:1/x'}}", "schema"),
        ("{type: contains, value: x, transform: output.trim()}", "transform"),
    ];
    for (assert, problem) in cases {
        let bad = bad(promptfoo(&one(assert)));
        // What a scorer refuses is found in the finished row, which has the line of its test.
        assert!(bad.len() == 1 && matches!(bad[0].0, 3 | 5), "{assert}: {bad:?}");
        assert!(bad[0].1.contains(problem), "{assert}: {}", bad[0].1);
    }
}

#[test]
fn what_a_file_as_a_whole_lacks_is_refused() {
    let cases = [
        ("tests: [{assert: [{type: contains, value: x}]}]", "no `prompts`"),
        ("prompts: [hello]", "no `tests`"),
        ("prompts: ['file://p.txt']\ntests: [{assert: [{type: contains, value: x}]}]", "cannot be read"),
        ("prompts: [prompts.txt]\ntests: [{assert: [{type: contains, value: x}]}]", "`file://` before"),
        ("prompts: ['./p.py:ask']\ntests: [{assert: [{type: contains, value: x}]}]", "stands elsewhere"),
        ("prompts: [hello]\ntests: 'file://tests.csv'", "sequence"),
        ("prompts: [hello]\ntests: [{vars: {a: b}}]", "unlabelled"),
        (
            "prompts: ['{{a}}']\ntests: [{vars: {a: [b, c]}, assert: [{type: contains, value: x}]}]",
            "is a list",
        ),
        ("prompts: [hello]\nscenarios: []", "scenarios"),
        ("prompts: [hello", ""),
    ];
    for (text, problem) in cases {
        let bad = bad(promptfoo(text));
        assert!(bad[0].1.contains(problem), "{text}: {}", bad[0].1);
    }
}

#[test]
fn a_suite_is_written_whole_or_not_at_all() {
    let files = Files::new();
    let file = files.put("capitals.jsonl", CAPITAL);
    let mut options = ImportOptions { class: Some("Match".to_owned()), ..ImportOptions::default() };
    let out = files.0.path().join("deep").join("out");
    Import::read(&file, &options).unwrap().write(&out).unwrap();
    let error = Import::read(&file, &options).unwrap().write(&out).unwrap_err().to_string();
    assert!(error.contains("holds files already"), "{error}");
    options.name = Some("no good name".to_owned());
    let other = files.0.path().join("other");
    let error = Import::read(&file, &options).unwrap().write(&other).unwrap_err().to_string();
    assert!(error.contains("`name`"), "{error}");
    let left: Vec<_> = std::fs::read_dir(files.0.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name != "other" && name != "other.part"), "{left:?}");
    let error = Import::read(&files.put("a.csv", "x"), &options).unwrap_err().to_string();
    assert!(error.contains(".jsonl"), "{error}");
}
