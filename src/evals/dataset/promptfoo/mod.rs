//! promptfoo's YAML: `prompts` with `{{vars}}`, `tests` with `vars` and `assert`. Every test becomes a row for every
//! prompt. Texts may stand in files beside it; tests in tables, and all that is code, are refused.

mod asserts;
mod files;
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use serde_saphyr::Spanned;

use self::asserts::{Assert, joined};
use self::files::Folder;
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
    let folder = Folder::of(file);
    let prompts = match &config.prompts {
        None => Err((1, "there are no `prompts`".to_owned())),
        Some(prompts) => {
            let line = line_of(&prompts.referenced);
            conversations(&prompts.value, &folder).map_err(|problem| (line, problem))
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
            match row((&test.value, &default), prompt, &folder, &mut mapped.notes) {
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
fn conversations(prompts: &Value, folder: &Folder) -> Result<Vec<Vec<Value>>, String> {
    let one = std::slice::from_ref(prompts);
    let prompts = prompts.as_array().map_or(one, Vec::as_slice);
    if prompts.is_empty() {
        return Err("`prompts` is empty".to_owned());
    }
    let mut conversations = vec![];
    for prompt in prompts {
        let prompt = raw(prompt)?;
        let text = folder.text(prompt)?;
        // A file may hold several prompts, parted by lines of three dashes.
        let parts: Vec<&str> =
            if prompt.trim().ends_with(".txt") { text.split("\n---\n").collect() } else { vec![&text] };
        conversations.extend(parts.into_iter().map(conversation));
    }
    Ok(conversations)
}

/// The text of a prompt, or the file that holds it.
fn raw(prompt: &Value) -> Result<&str, String> {
    let text = match prompt {
        Value::String(text) => Some(text.as_str()),
        Value::Object(prompt) if prompt.keys().all(|key| matches!(key.as_str(), "raw" | "label" | "id")) => {
            prompt.get("raw").and_then(Value::as_str)
        }
        _ => None,
    };
    let text = text.ok_or("a prompt is neither a text nor a table of `raw`, `label` and `id`")?;
    if is_elsewhere(text.trim()) {
        return Err(format!(
            "the prompt `{}` stands elsewhere: write `file://` before a text file",
            text.trim()
        ));
    }
    Ok(text)
}

fn conversation(text: &str) -> Vec<Value> {
    match serde_json::from_str(text) {
        Ok(Value::Array(messages)) if messages.iter().all(|message| message["role"].is_string()) => messages,
        _ => vec![json!({"role": "user", "content": text.trim_end_matches('\n')})],
    }
}

/// Whether a prompt names a file, a script or a service in place of holding a text.
fn is_elsewhere(prompt: &str) -> bool {
    const FILES: [&str; 10] =
        [".txt", ".json", ".jsonl", ".js", ".mjs", ".py", ".yaml", ".md", ".csv", ".j2"];
    let one_word = !prompt.contains(char::is_whitespace);
    let script = |ending: &&str| prompt.ends_with(*ending) || prompt.contains(&format!("{ending}:"));
    one_word && !prompt.starts_with("file://") && (prompt.contains("://") || FILES.iter().any(script))
}

type Bad = (Option<usize>, String);

/// Messages, scorer and expected answer of one test with one prompt.
fn row(
    (test, default): (&Test, &Test),
    prompt: &[Value],
    folder: &Folder,
    notes: &mut BTreeSet<String>,
) -> Result<(Value, Value, Value), Bad> {
    let mut vars = default.vars.clone();
    vars.extend(test.vars.clone());
    let here = |problem: String| (None, problem);
    for (name, value) in &mut vars {
        if value.is_array() {
            return Err(here(format!("the variable `{name}` is a list: write one test for each value")));
        }
        if let Value::String(text) = value {
            *text = folder.text(text).map_err(here)?;
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
        let check = assert.value.check(&vars, folder, notes).map_err(|problem| (Some(line), problem))?;
        checks.push(check);
    }
    let threshold = test.threshold.or(default.threshold);
    let (scorer, expected) = joined(checks, threshold)
        .ok_or_else(|| here("the test is unlabelled: it has no `assert`".to_owned()))?;
    Ok((Value::Array(messages), scorer, expected))
}
