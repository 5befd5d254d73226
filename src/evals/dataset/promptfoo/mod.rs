//! promptfoo's YAML: `prompts` with `{{vars}}`, `tests` with `vars` and `assert`. Every test becomes a row for every
//! prompt. Only what stands in the file is read: prompts, variables and tests that are files, and all that is code,
//! are refused.

mod asserts;
mod template;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use serde_saphyr::Spanned;

use self::asserts::{Assert, joined};
use self::template::render;
use super::import::{Mapped, from_yaml};
use super::{BadLine, DatasetError};

type Vars = BTreeMap<String, Value>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Config {
    description: Option<String>,
    prompts: Option<Spanned<Value>>,
    default_test: Option<Spanned<Test>>,
    tests: Option<Spanned<Tests>>,
    // These say who is asked and how it is shown, not what is right.
    #[serde(rename = "$schema")]
    _schema: Option<IgnoredAny>,
    #[serde(rename = "providers", alias = "targets")]
    _providers: Option<IgnoredAny>,
    #[serde(rename = "outputPath")]
    _output: Option<IgnoredAny>,
    #[serde(rename = "evaluateOptions")]
    _evaluate: Option<IgnoredAny>,
    #[serde(rename = "commandLineOptions")]
    _command_line: Option<IgnoredAny>,
    #[serde(rename = "sharing")]
    _sharing: Option<IgnoredAny>,
    #[serde(rename = "tags")]
    _tags: Option<IgnoredAny>,
    #[serde(rename = "metadata")]
    _metadata: Option<IgnoredAny>,
}

/// A list of tests, or the name of a file that holds them.
#[derive(Deserialize)]
#[serde(transparent)]
struct Tests(Vec<Spanned<Test>>);

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    #[serde(rename = "description")]
    _description: Option<IgnoredAny>,
    #[serde(rename = "metadata")]
    _metadata: Option<IgnoredAny>,
    #[serde(default)]
    vars: Vars,
    #[serde(default)]
    assert: Vec<Spanned<Assert>>,
    threshold: Option<f64>,
}

/// Maps every test of `text`.
pub(super) fn map(file: &Path, text: &str, task: &str) -> Result<Mapped, DatasetError> {
    let config: Config = from_yaml(text).map_err(|error| {
        let line = error.location().map_or(1, |location| line_of(&location));
        DatasetError::BadLines(vec![BadLine { file: file.to_owned(), line, problem: unsupported(&error) }])
    })?;
    let mut mapped = Mapped { about: config.description, ..Mapped::default() };
    let prompts = match &config.prompts {
        None => Err((1, "there are no `prompts`".to_owned())),
        Some(prompts) => {
            let line = line_of(&prompts.referenced);
            conversations(&prompts.value).map_err(|problem| (line, problem))
        }
    };
    let prompts = prompts.unwrap_or_else(|bad| {
        mapped.bad.push(bad);
        vec![]
    });
    let default = config.default_test.map(|test| test.value).unwrap_or_default();
    let tests = config.tests.map(|tests| tests.value.0).unwrap_or_default();
    if tests.is_empty() {
        mapped.bad.push((1, "there are no `tests`".to_owned()));
    }
    for (index, test) in tests.iter().enumerate() {
        let line = line_of(&test.referenced);
        for (at, prompt) in prompts.iter().enumerate() {
            let id = if prompts.len() > 1 {
                format!("t{}-p{}", index + 1, at + 1)
            } else {
                format!("t{}", index + 1)
            };
            match row(&test.value, &default, prompt, &mut mapped) {
                Err((at, problem)) => mapped.bad.push((at.unwrap_or(line), problem)),
                Ok((messages, scorer, expected)) => {
                    let row = json!({"id": id, "messages": messages, "expected": expected, "scorer": scorer,
                        "task": task});
                    mapped.rows.push((line, row));
                }
            }
        }
    }
    // A test that is wrong is wrong for every prompt.
    mapped.bad.sort();
    mapped.bad.dedup();
    Ok(mapped)
}

fn line_of(location: &serde_saphyr::Location) -> usize {
    usize::try_from(location.line()).unwrap_or(1).max(1)
}

/// An unknown key is one of promptfoo's that has no counterpart.
fn unsupported(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    match text.contains("unknown field") {
        true => format!("not supported: {text}"),
        false => text,
    }
}

/// The prompts as conversations whose texts are still templates.
fn conversations(prompts: &Value) -> Result<Vec<Vec<Value>>, String> {
    let one = std::slice::from_ref(prompts);
    let prompts = prompts.as_array().map_or(one, Vec::as_slice);
    if prompts.is_empty() {
        return Err("`prompts` is empty".to_owned());
    }
    prompts.iter().map(conversation).collect()
}

fn conversation(prompt: &Value) -> Result<Vec<Value>, String> {
    let text = match prompt {
        Value::String(text) => text,
        Value::Object(prompt) => match prompt.get("raw").and_then(Value::as_str) {
            Some(raw) if prompt.keys().all(|key| matches!(key.as_str(), "raw" | "label" | "id")) => raw,
            _ => return Err("a prompt is neither a text nor a table of `raw`, `label` and `id`".to_owned()),
        },
        _ => return Err("a prompt is neither a text nor a table with `raw`".to_owned()),
    };
    if is_elsewhere(text.trim()) {
        return Err(format!("the prompt `{}` stands elsewhere: paste its text", text.trim()));
    }
    match serde_json::from_str(text) {
        Ok(Value::Array(messages)) if messages.iter().all(|message| message["role"].is_string()) => {
            Ok(messages)
        }
        _ => Ok(vec![json!({"role": "user", "content": text})]),
    }
}

/// Whether a prompt names a file in place of holding a text.
fn is_elsewhere(prompt: &str) -> bool {
    const FILES: [&str; 10] =
        [".txt", ".json", ".jsonl", ".js", ".mjs", ".py", ".yaml", ".md", ".csv", ".j2"];
    let one_word = !prompt.contains(char::is_whitespace);
    one_word && (prompt.contains("://") || FILES.iter().any(|ending| prompt.ends_with(ending)))
}

type Bad = (Option<usize>, String);

/// Messages, scorer and expected answer of one test with one prompt.
fn row(
    test: &Test,
    default: &Test,
    prompt: &[Value],
    mapped: &mut Mapped,
) -> Result<(Value, Value, Value), Bad> {
    let mut vars = default.vars.clone();
    vars.extend(test.vars.clone());
    let here = |problem: String| (None, problem);
    for (name, value) in &vars {
        let text = value.as_str().unwrap_or_default();
        if value.is_array() {
            return Err(here(format!("the variable `{name}` is a list: write one test for each value")));
        }
        if text.starts_with("file://") || text.starts_with("package:") {
            return Err(here(format!("the variable `{name}` is the file {text}: paste its text")));
        }
    }
    let mut messages = vec![];
    for message in prompt {
        let mut message = message.clone();
        if let Some(content) = message.get_mut("content") {
            *content = render(content, &vars).map_err(here)?;
        }
        messages.push(message);
    }
    let asserts: Vec<&Spanned<Assert>> = default.assert.iter().chain(&test.assert).collect();
    let mut checks = vec![];
    for assert in asserts {
        let line = line_of(&assert.referenced);
        let check = assert.value.check(&vars, &mut mapped.notes).map_err(|problem| (Some(line), problem))?;
        checks.push(check);
    }
    let threshold = test.threshold.or(default.threshold);
    let (scorer, expected) = joined(checks, threshold)
        .ok_or_else(|| here("the test is unlabelled: it has no `assert`".to_owned()))?;
    Ok((Value::Array(messages), scorer, expected))
}
