//! OpenAI evals' JSONL: rows `{"input": messages or text, "ideal": text or list}`, graded by the eval's class, which
//! stands in a registry file beside them. Model-graded and custom classes are refused.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::DatasetError;
use super::import::{ImportOptions, Mapped, contains, from_yaml};
use super::read;

/// The classes of `evals.elsuite.basic` that have a counterpart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Match,
    Includes { ignore_case: bool },
    FuzzyMatch,
    JsonMatch,
}

impl Class {
    fn parse(class: &str) -> Result<Self, String> {
        // Registries write `evals.elsuite.basic.match:Match`.
        match class.rsplit(':').next().unwrap_or(class) {
            "Match" => Ok(Self::Match),
            "Includes" => Ok(Self::Includes { ignore_case: false }),
            "FuzzyMatch" => Ok(Self::FuzzyMatch),
            "JsonMatch" => Ok(Self::JsonMatch),
            other => Err(format!(
                "the class `{other}` is not supported: only Match, Includes, FuzzyMatch and JsonMatch are"
            )),
        }
    }

    fn note(self) -> Option<&'static str> {
        match self {
            Self::Match => Some("Match: white space before the answer is let pass"),
            Self::Includes { .. } => None,
            Self::FuzzyMatch => Some(
                "FuzzyMatch is graded by token_f1, the f1_score that it also reports, not by its accuracy",
            ),
            Self::JsonMatch => Some("JsonMatch: text around the JSON is let pass, and null equals null"),
        }
    }

    /// Scorer and expected answer.
    fn scorer(self, ideals: &[String]) -> Result<(Value, Value), String> {
        Ok(match self {
            Self::Match => {
                let escaped: Vec<String> = ideals.iter().map(|ideal| regex::escape(ideal)).collect();
                let pattern = format!(r"\A\s*(?:{})", escaped.join("|"));
                (json!({"kind": "regex", "pattern": pattern}), json!(ideals[0]))
            }
            Self::Includes { ignore_case } => contains(ideals, false, !ignore_case),
            Self::FuzzyMatch => (json!("token_f1"), json!(ideals)),
            Self::JsonMatch => {
                let values: Result<Vec<Value>, _> =
                    ideals.iter().map(|ideal| serde_json::from_str(ideal)).collect();
                let values = values.map_err(|error| format!("`ideal` is not JSON: {error}"))?;
                let first = values[0].clone();
                (json!({"kind": "json_schema", "schema": {"enum": values}}), first)
            }
        })
    }
}

/// One row; what else stands in it says nothing about grading.
#[derive(Deserialize)]
struct Line {
    input: Value,
    ideal: Option<Ideal>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Ideal {
    One(String),
    Several(Vec<String>),
}

/// Maps every row of `text`.
pub(super) fn map(
    file: &Path,
    text: &str,
    task: &str,
    options: &ImportOptions,
) -> Result<Mapped, DatasetError> {
    let wrong = |file: &Path, problem| DatasetError::About { file: file.to_owned(), problem };
    let mut mapped = Mapped::default();
    let class = match (&options.class, &options.registry) {
        (Some(class), _) => Class::parse(class).map_err(|problem| wrong(file, problem))?,
        (None, Some(registry)) => {
            let (class, max_tokens) =
                registered(registry, file)?.map_err(|problem| wrong(registry, problem))?;
            mapped.max_tokens = max_tokens;
            class
        }
        (None, None) => {
            let problem = "the rows do not say how they are graded: pass --class or --registry";
            return Err(wrong(file, problem.to_owned()));
        }
    };
    mapped.notes.extend(class.note().map(str::to_owned));
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let number = index + 1;
        match map_line(line, class, task, number) {
            Err(problem) => mapped.bad.push((number, problem)),
            Ok((row, ignored)) => {
                let note = |key| format!("the key `{key}` of the rows was left out");
                mapped.notes.extend(ignored.into_iter().map(note));
                mapped.rows.push((number, row));
            }
        }
    }
    Ok(mapped)
}

fn map_line(line: &str, class: Class, task: &str, number: usize) -> Result<(Value, Vec<String>), String> {
    let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let ideals = match line.ideal {
        None => return Err("the row is unlabelled: `ideal`, its right answer, is missing".to_owned()),
        Some(Ideal::One(ideal)) => vec![ideal],
        Some(Ideal::Several(ideals)) => ideals,
    };
    if ideals.is_empty() || ideals.iter().any(|ideal| ideal.trim().is_empty()) {
        return Err("`ideal` is empty, or holds an empty text".to_owned());
    }
    let messages = match line.input {
        Value::String(text) => json!([{"role": "user", "content": text}]),
        Value::Array(messages) => Value::Array(messages),
        _ => return Err("`input` is neither a text nor a list of messages".to_owned()),
    };
    let (scorer, expected) = class.scorer(&ideals)?;
    let id = format!("r{number}");
    let row = json!({"id": id, "messages": messages, "expected": expected, "scorer": scorer, "task": task});
    Ok((row, line.rest.into_keys().collect()))
}

#[derive(Deserialize)]
struct Registered {
    class: Option<String>,
    #[serde(default)]
    args: BTreeMap<String, Value>,
}

type Found = Result<(Class, Option<u32>), String>;

/// The class of the only eval in `registry` whose samples are `file`'s.
fn registered(registry: &Path, file: &Path) -> Result<Found, DatasetError> {
    let bytes = read(registry)?;
    let wrong = |problem: String| DatasetError::About { file: registry.to_owned(), problem };
    let text = str::from_utf8(&bytes).map_err(|_| wrong("is not UTF-8".to_owned()))?;
    let evals: BTreeMap<String, Registered> = from_yaml(text).map_err(|error| wrong(error.to_string()))?;
    let file_name = |path: &str| Path::new(path).file_name().map(std::ffi::OsStr::to_owned);
    let of_file = |eval: &&Registered| {
        let samples = eval.args.get("samples_jsonl").and_then(Value::as_str);
        samples.is_some_and(|samples| file_name(samples).as_deref() == file.file_name())
    };
    let found: Vec<&Registered> = evals.values().filter(of_file).collect();
    Ok(match found[..] {
        [eval] => class_of(eval),
        [] => Err(format!("no eval in it has `samples_jsonl` {}: pass --class", file.display())),
        _ => Err(format!("several evals in it have `samples_jsonl` {}: pass --class", file.display())),
    })
}

fn class_of(eval: &Registered) -> Found {
    let mut class = Class::parse(eval.class.as_deref().unwrap_or_default())?;
    let mut max_tokens = None;
    for (key, value) in &eval.args {
        match (key.as_str(), &mut class) {
            ("samples_jsonl" | "few_shot_jsonl", _) => {}
            ("num_few_shot", _) if value == 0 => {}
            ("max_tokens", _) => max_tokens = value.as_u64().and_then(|it| u32::try_from(it).ok()),
            ("ignore_case", Class::Includes { ignore_case }) => *ignore_case = value == true,
            (other, _) => return Err(format!("the argument `{other}` of the eval is not supported")),
        }
    }
    Ok((class, max_tokens))
}
