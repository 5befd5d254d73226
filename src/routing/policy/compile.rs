//! From TOML to a policy: reads every field, checks what the whole must fulfil, and reports all problems at once.

use std::path::Path;

use sha2::{Digest, Sha256};
use toml::Table;

use super::clauses::read_condition;
use super::condition::{Clause, Condition};
use super::fields::{Fields, Problems};
use super::sampling::{read_explore, read_shadow};
use super::{Otherwise, Policy, Rule, SCHEMA_VERSION, UNCALIBRATED, WHEN_UNKNOWN, cases};
use crate::chat::{BackendId, Control};
use crate::config::Problem;
use crate::routing::decision::PolicyVersion;
use crate::routing::signals::Task;
use crate::routing::view::{LOCAL, REMOTE, TARGETS};

/// Names that clients send as `model` and that mean something else.
const RESERVED: [&str; 3] = ["auto", LOCAL, REMOTE];

/// What `permits` may name. `only-local` always is permitted.
pub(super) const CONTROLS: [(&str, Control); 4] = [
    ("prefer-local", Control::PreferLocal),
    ("only-local", Control::OnlyLocal),
    ("prefer-remote", Control::PreferRemote),
    ("only-remote", Control::OnlyRemote),
];

const KNOWN_ON_TOP: &str = "schema-version, name, about, permits, when-unknown, [uncalibrated], [[rule]], [shadow], [explore], [[test]]";

/// One `[[rule]]` or `[uncalibrated]` as written.
struct Draft {
    path: String,
    name: Option<String>,
    condition: Option<Condition>,
    targets: Vec<BackendId>,
}

pub(super) fn compile(text: &str, file: &Path) -> Result<Policy, Vec<Problem>> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        vec![Problem::file(file, format!("is not valid TOML: {}", error.to_string().trim_end()))]
    })?;
    let mut problems = Problems::of(file);
    let policy = read(table, text, file, &mut problems);
    match policy {
        Some(policy) if problems.is_empty() => Ok(policy),
        _ => Err(problems.into_vec()),
    }
}

fn read(table: Table, text: &str, file: &Path, problems: &mut Problems<'_>) -> Option<Policy> {
    let mut fields = Fields::new(table, "");
    if let Some(version) = fields.need::<u32>("schema-version", problems).filter(|v| *v != SCHEMA_VERSION) {
        problems.add("schema-version", format!("is {version}, this version reads {SCHEMA_VERSION}"));
    }
    let name = read_name(&mut fields, problems);
    let about = fields.take("about", problems).unwrap_or_default();
    let permits = read_permits(&mut fields, problems);
    let when_unknown =
        if fields.has(WHEN_UNKNOWN) { Some(read_targets(&mut fields, WHEN_UNKNOWN, problems)) } else { None };
    let uncalibrated =
        fields.take::<Table>(UNCALIBRATED, problems).map(|table| read_rule(table, UNCALIBRATED, problems));
    let shadow = fields.take::<Table>("shadow", problems).map(|table| read_shadow(table, problems));
    let explore = fields.take::<Table>("explore", problems).map(|table| read_explore(table, problems));
    let drafts = tables(&mut fields, "rule", problems, read_rule);
    let cases = tables(&mut fields, "test", problems, cases::read);
    fields.finish(KNOWN_ON_TOP, problems);

    let uncalibrated = uncalibrated.and_then(|draft| check_uncalibrated(draft, problems));
    let (rules, otherwise) = check_rules(drafts, problems);
    check_cases(&cases, problems);
    let blind = rules.iter().any(|rule| rule.condition.clauses().any(Clause::reads_verdict));
    if blind && when_unknown.is_none() {
        problems.add(
            WHEN_UNKNOWN,
            "is missing: a rule reads the classifier, so say where to go without its verdict",
        );
    }
    Some(Policy {
        version: PolicyVersion { name: name?, hash: hash(text) },
        about,
        file: file.to_path_buf(),
        permits,
        when_unknown: when_unknown.unwrap_or_default(),
        uncalibrated,
        rules,
        otherwise: otherwise?,
        shadow,
        explore: explore.unwrap_or_default(),
        cases: cases.into_iter().flatten().collect(),
    })
}

/// First 12 hex digits of the text's SHA-256.
fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a list of tables with one reader; places count from 1.
fn tables<T>(
    fields: &mut Fields,
    name: &str,
    problems: &mut Problems<'_>,
    read: impl Fn(Table, &str, &mut Problems<'_>) -> T,
) -> Vec<T> {
    let found: Vec<Table> = fields.take(name, problems).unwrap_or_default();
    let numbered = found.into_iter().enumerate();
    numbered.map(|(place, table)| read(table, &format!("{name}[{}]", place + 1), problems)).collect()
}

fn read_name(fields: &mut Fields, problems: &mut Problems<'_>) -> Option<String> {
    let name: String = fields.need("name", problems)?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
        problems.add("name", "must be 1 to 64 small letters, digits and hyphens");
    }
    if RESERVED.contains(&name.as_str()) {
        problems.add("name", format!("`{name}` already means something as a model's name: choose another"));
    }
    Some(name)
}

fn read_permits(fields: &mut Fields, problems: &mut Problems<'_>) -> Vec<Control> {
    let all = || CONTROLS.iter().map(|(_, control)| *control).collect();
    let Some(names) = fields.take::<Vec<String>>("permits", problems) else { return all() };
    let mut permits = vec![];
    for name in names {
        match CONTROLS.iter().find(|(known, _)| *known == name) {
            Some((_, control)) => permits.push(*control),
            None => {
                let known: Vec<&str> = CONTROLS.iter().map(|(known, _)| *known).collect();
                problems.add("permits", format!("`{name}` is no control; known: {}", known.join(", ")));
            }
        }
    }
    permits
}

fn read_targets(fields: &mut Fields, name: &str, problems: &mut Problems<'_>) -> Vec<BackendId> {
    let key = fields.key(name);
    let Some(names) = fields.need::<Vec<String>>(name, problems) else { return vec![] };
    if names.is_empty() {
        problems.add(&key, "is empty: name at least one target");
    }
    for (place, target) in names.iter().enumerate() {
        if !TARGETS.contains(&target.as_str()) {
            problems.add(&key, format!("`{target}` is no target; known: {}", TARGETS.join(", ")));
        }
        if names[..place].contains(target) {
            problems.add(&key, format!("names `{target}` twice"));
        }
    }
    names.iter().map(|target| BackendId::new(target)).collect()
}

fn read_rule(table: Table, path: &str, problems: &mut Problems<'_>) -> Draft {
    let mut fields = Fields::new(table, path);
    let name = fields.take("name", problems);
    let key = fields.key("if");
    let condition = fields.take::<Table>("if", problems).map(|table| read_condition(table, &key, problems));
    let targets = read_targets(&mut fields, "to", problems);
    fields.finish("name, if, to", problems);
    Draft { path: path.to_owned(), name, condition, targets }
}

fn check_uncalibrated(draft: Draft, problems: &mut Problems<'_>) -> Option<Rule> {
    if draft.name.is_some() {
        problems.add("uncalibrated.name", format!("is not needed: it is always called `{UNCALIBRATED}`"));
    }
    let Some(condition) = draft.condition else {
        problems.add("uncalibrated.if", "is missing: without it the last rule could say the same");
        return None;
    };
    if let Some(task) = condition.clauses().find_map(Clause::learned_task) {
        let told: Vec<&str> =
            Task::ALL.into_iter().filter(|task| task.has_keywords()).map(Task::label).collect();
        let message = format!(
            "`{task}` is a task that only the classifier knows, which does not steer without a calibration; here \
             task-any may name {}",
            told.join(" and ")
        );
        problems.add("uncalibrated.if", message);
    } else if condition.clauses().any(Clause::reads_verdict) {
        problems
            .add("uncalibrated.if", "reads the classifier, whose score only shadows without a calibration");
    }
    Some(Rule { name: UNCALIBRATED.to_owned(), condition, targets: draft.targets })
}

/// Names the rules, and checks that each can be reached and that the last one, and only it, has no condition.
fn check_rules(drafts: Vec<Draft>, problems: &mut Problems<'_>) -> (Vec<Rule>, Option<Otherwise>) {
    let (mut rules, mut otherwise): (Vec<Rule>, Option<Otherwise>) = (vec![], None);
    let mut names: Vec<String> = vec![UNCALIBRATED.to_owned(), WHEN_UNKNOWN.to_owned()];
    for (place, draft) in drafts.into_iter().enumerate() {
        let Draft { path, name, condition, targets } = draft;
        let ending = if condition.is_some() { format!("rule {}", place + 1) } else { "otherwise".to_owned() };
        let name = name.unwrap_or(ending);
        if names.contains(&name) {
            problems.add(&format!("{path}.name"), format!("`{name}` is taken by another rule"));
        }
        names.push(name.clone());
        if let Some(last) = &otherwise {
            problems.add(
                &path,
                format!("is never reached: `{}` before it has no `if` and always matches", last.name),
            );
            continue;
        }
        let Some(condition) = condition else {
            otherwise = Some(Otherwise { name, targets });
            continue;
        };
        if let Some(twin) = rules.iter().find(|rule| rule.condition == condition) {
            problems.add(&path, format!("is never reached: `{}` before it has the same `if`", twin.name));
        }
        rules.push(Rule { name, condition, targets });
    }
    if otherwise.is_none() {
        problems.add("rule", "the last rule must have no `if`, so that every request has a way to go");
    }
    (rules, otherwise)
}

fn check_cases(cases: &[Option<cases::Case>], problems: &mut Problems<'_>) {
    for (place, case) in cases.iter().enumerate() {
        let Some(case) = case else { continue };
        let twin = cases[..place].iter().flatten().any(|other| other.name == case.name);
        if twin {
            problems.add(
                &format!("test[{}].name", place + 1),
                format!("`{}` is taken by another test", case.name),
            );
        }
    }
}
