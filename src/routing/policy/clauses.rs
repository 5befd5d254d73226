//! Reads a rule's `if`: each key with its type and range. What the keys mean stands in `condition.rs`.

use toml::{Table, Value};

use super::condition::{Bar, Clause, Condition, NEEDS};
use super::fields::{Field, Fields, Problems};
use crate::chat::Controls;
use crate::routing::signals::{Language, Task};

/// Reads a rule's `if`.
pub(super) fn read_condition(table: Table, path: &str, problems: &mut Problems<'_>) -> Condition {
    let mut fields = Fields::new(table, path);
    let mut condition = Condition::default();
    let mut empty = true;
    while let Some((name, value)) = fields.next() {
        empty = false;
        let key = fields.key(&name);
        let (list, word) = match name.strip_prefix("or-") {
            Some(word) => (&mut condition.any, word),
            None => (&mut condition.all, name.as_str()),
        };
        match read_clause(word, value) {
            Ok(clause) => list.push(clause),
            Err(message) => problems.add(&key, message),
        }
    }
    if empty {
        problems.add(path, "is empty: leave `if` out for the last rule, or name a condition");
    }
    condition
}

fn read_clause(word: &str, value: Value) -> Result<Clause, String> {
    Ok(match word {
        "prompt-tokens-below" => Clause::PromptTokensBelow(positive(value)?),
        "prompt-tokens-at-least" => Clause::PromptTokensAtLeast(positive(value)?),
        "any-tag" => {
            let tags = listed(value, |_| true, "")?;
            match no_tag(&tags) {
                Some(message) => return Err(message),
                None => Clause::AnyTag(tags),
            }
        }
        "needs-any" => Clause::NeedsAny(listed(value, |need| NEEDS.contains(&need), &NEEDS.join(", "))?),
        "exceeds-local-context" => Clause::ExceedsLocalContext(typed(value)?),
        "contains-pii" => Clause::ContainsPii(typed(value)?),
        "contains-code" => Clause::ContainsCode(typed(value)?),
        "language-any" => Clause::LanguageAny(languages(value)?),
        "language-other-than" => Clause::LanguageOtherThan(languages(value)?),
        "needs-fresh-knowledge" => Clause::NeedsFreshKnowledge(typed(value)?),
        "task-any" => {
            let known = Task::ALL.map(Task::label).join(", ");
            let names = listed(value, |task| Task::parse(task).is_some(), &known)?;
            Clause::TaskAny(names.iter().filter_map(|name| Task::parse(name)).collect())
        }
        "local-ok-at-least" => match value {
            Value::String(word) if word == "calibrated" => Clause::LocalOkAtLeast(Bar::Calibrated),
            Value::String(_) => return Err("must be \"calibrated\" or a number between 0 and 1".to_owned()),
            number => Clause::LocalOkAtLeast(Bar::Number(within(number, 0.0)?)),
        },
        "gain-at-least" => Clause::GainAtLeast(within(value, -1.0)?),
        "expected-output-tokens-below" => Clause::ExpectedOutputTokensBelow(positive(value)?),
        "local-queue-at-least" => Clause::LocalQueueAtLeast(positive(value)?),
        "has-session" => Clause::HasSession(typed(value)?),
        _ => return Err(format!("is no condition that this version knows; known: {WORDS}")),
    })
}

const WORDS: &str = "prompt-tokens-below, prompt-tokens-at-least, any-tag, needs-any, exceeds-local-context, \
                     contains-pii, contains-code, language-any, language-other-than, needs-fresh-knowledge, \
                     task-any, local-ok-at-least, gain-at-least, expected-output-tokens-below, local-queue-at-least, has-session; each also with the prefix or-";

fn typed<T: Field>(value: Value) -> Result<T, String> {
    let found = value.type_str();
    T::read(value).ok_or_else(|| format!("must be {}, is a wrong {found}", T::WHAT))
}

fn positive(value: Value) -> Result<u32, String> {
    match typed::<u32>(value)? {
        0 => Err("must be at least 1".to_owned()),
        number => Ok(number),
    }
}

/// A number between `least` and 1.
fn within(value: Value, least: f32) -> Result<f32, String> {
    let number: f32 = typed(value)?;
    if (least..=1.0).contains(&number) {
        Ok(number)
    } else {
        Err(format!("is {number}, must lie between {least} and 1"))
    }
}

fn languages(value: Value) -> Result<Vec<Language>, String> {
    let known =
        "the two letters of ISO 639-1, such as en, de or zh, where the language can be told; or unknown";
    let labels = listed(value, |label| Language::parse(label).is_some(), known)?;
    Ok(labels.iter().filter_map(|label| Language::parse(label)).collect())
}

/// What is wrong where one of these is a tag that no request's header carries.
pub(super) fn no_tag(tags: &[String]) -> Option<String> {
    let strange = tags.iter().find(|tag| !Controls::is_name(tag))?;
    Some(format!(
        "`{strange}` is no tag that a request can carry: 1 to 64 letters, digits, '-', '_', '.' or ':', and each tag \
         in a text of its own"
    ))
}

fn listed(value: Value, valid: impl Fn(&str) -> bool, known: &str) -> Result<Vec<String>, String> {
    let names: Vec<String> = typed(value)?;
    if names.is_empty() || names.iter().any(String::is_empty) {
        return Err("is empty, or holds an empty text".to_owned());
    }
    match names.iter().find(|name| !valid(name)) {
        Some(name) => Err(format!("`{name}` is not known; known: {known}")),
        None => Ok(names),
    }
}
