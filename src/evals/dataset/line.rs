//! One line of `suite.jsonl`. Whatever a gateway would refuse, and whatever its scorer could not compare with, is
//! refused here, before anything is asked.

use serde::Deserialize;
use serde_json::Value;

use super::Sample;
use crate::evals::scorer::{Scorer, ScorerSpec};

/// One line of `suite.jsonl`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: String,
    messages: Vec<Value>,
    expected: Value,
    scorer: Option<ScorerSpec>,
    task: String,
    #[serde(default)]
    tags: Vec<String>,
    difficulty: Option<Difficulty>,
    #[serde(default)]
    tools: Vec<Value>,
}

/// A level by number or by name.
#[derive(Deserialize)]
#[serde(untagged)]
enum Difficulty {
    Level(u32),
    Name(String),
}

/// Reads one line; `default` grades rows that name no scorer.
///
/// # Errors
/// What is wrong with it, for the report of bad lines.
pub(super) fn read_line(line: &[u8], default: Option<&ScorerSpec>) -> Result<Sample, String> {
    let line: Line = serde_json::from_slice(line).map_err(|error| unreadable(&error))?;
    if line.id.is_empty() {
        return Err("`id` is empty".to_owned());
    }
    if line.task.is_empty() {
        return Err("`task` is empty".to_owned());
    }
    check_messages(&line.messages)?;
    check_tools(&line.tools)?;
    let scorer =
        line.scorer.or_else(|| default.cloned()).ok_or("no `scorer`, and the suite has no default")?;
    scorer.check(&line.expected)?;
    Ok(Sample {
        id: line.id,
        messages: line.messages,
        expected: line.expected,
        scorer,
        task: line.task,
        tags: line.tags,
        difficulty: line.difficulty.map(|difficulty| match difficulty {
            Difficulty::Level(level) => level.to_string(),
            Difficulty::Name(name) => name,
        }),
        tools: line.tools,
    })
}

/// What every gateway would refuse is refused here, before anything is asked.
fn check_messages(messages: &[Value]) -> Result<(), String> {
    const ROLES: [&str; 5] = ["system", "developer", "user", "assistant", "tool"];
    if messages.is_empty() {
        return Err("`messages` is empty".to_owned());
    }
    for (index, message) in messages.iter().enumerate() {
        if !message["role"].as_str().is_some_and(|role| ROLES.contains(&role)) {
            return Err(format!("`messages[{index}].role` is none of {}", ROLES.join(", ")));
        }
        let silent = message["content"].is_null() && message["tool_calls"].is_array();
        if !(silent || message["content"].is_string() || message["content"].is_array()) {
            return Err(format!("`messages[{index}].content` is neither a text nor a list of parts"));
        }
    }
    Ok(())
}

fn check_tools(tools: &[Value]) -> Result<(), String> {
    for (index, tool) in tools.iter().enumerate() {
        if tool["type"] != "function" || tool["function"]["name"].as_str().is_none_or(str::is_empty) {
            return Err(format!(
                "`tools[{index}]` is no {{\"type\": \"function\", \"function\": {{\"name\": ...}}}}"
            ));
        }
    }
    Ok(())
}

/// A row without its right answer is the commonest fault, so it is named in plain words.
fn unreadable(error: &serde_json::Error) -> String {
    let text = error.to_string();
    if text.starts_with("missing field `expected`") {
        "the row is unlabelled: `expected`, its right answer, is missing".to_owned()
    } else {
        text
    }
}
