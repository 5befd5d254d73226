//! Decides a file of prompts, one JSON object a line in and out, in order. A bad line becomes a line with `error` and
//! makes the exit code 1; the others are decided all the same.

use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::Value;

use super::request;
use crate::chat::{BackendId, ChatRequest};
use crate::routing::{Explanation, Reason};

/// One line of the output. Heads that the classifier does not have are null, and so is everything of a bad line.
#[derive(Default, Serialize)]
struct Line {
    id: Value,
    local_ok: Option<f32>,
    gain: Option<f32>,
    task: Option<String>,
    expected_output_tokens: Option<u32>,
    rule: Option<String>,
    reason: Option<Reason>,
    targets: Option<Vec<BackendId>>,
    error: Option<String>,
}

/// Reads lines, explains each, writes lines. Empty lines are skipped.
pub(super) fn run(
    input: impl Read,
    output: &mut impl Write,
    explain: impl Fn(ChatRequest) -> Explanation,
) -> anyhow::Result<ExitCode> {
    let mut output = BufWriter::new(output);
    let mut all_good = true;
    for text in BufReader::new(input).split(b'\n') {
        let text = text?;
        if text.trim_ascii().is_empty() {
            continue;
        }
        let line = decide(&text, &explain);
        all_good &= line.error.is_none();
        serde_json::to_writer(&mut output, &line)?;
        output.write_all(b"\n")?;
    }
    output.flush()?;
    Ok(if all_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn decide(text: &[u8], explain: &impl Fn(ChatRequest) -> Explanation) -> Line {
    let value: Value = match serde_json::from_slice(text) {
        Ok(value) => value,
        // The parser's own words may quote the line: say only where.
        Err(error) => return bad(Value::Null, format!("is not JSON (column {})", error.column())),
    };
    let id = value.get("id").cloned().unwrap_or_default();
    match read(&value) {
        Ok(request) => line_of(id, explain(request)),
        Err(error) => bad(id, error),
    }
}

fn bad(id: Value, error: String) -> Line {
    Line { id, error: Some(error), ..Line::default() }
}

fn read(value: &Value) -> Result<ChatRequest, String> {
    if !matches!(value.get("id"), Some(Value::String(_) | Value::Number(_))) {
        return Err("`id` must be a text or a number".to_owned());
    }
    match (value.get("prompt"), value.get("messages")) {
        (Some(Value::String(prompt)), None) => request::of_prompt(prompt),
        (Some(_), None) => Err("`prompt` must be a text".to_owned()),
        (None, Some(messages)) => request::of_messages(messages),
        (Some(_), Some(_)) => Err("give `prompt` or `messages`, not both".to_owned()),
        (None, None) => Err("`prompt` or `messages` is missing".to_owned()),
    }
}

fn line_of(id: Value, told: Explanation) -> Line {
    let verdict = told.verdict;
    let heads = verdict.as_ref();
    Line {
        id,
        local_ok: heads.map(|verdict| verdict.local_ok),
        gain: heads.and_then(|verdict| verdict.gain),
        task: heads.and_then(|verdict| verdict.task.clone()),
        expected_output_tokens: heads.and_then(|verdict| verdict.expected_output_tokens),
        rule: Some(told.rule),
        reason: Some(told.reason),
        targets: Some(told.targets),
        error: told.failure,
    }
}
