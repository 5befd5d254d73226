//! `crossover describe`: the reference pages of `docs/`, out of the code itself, so that they cannot lie.
//! Words come from doc comments, values from `Config::default()`, `Metrics::new()` and the closed enums.
//! A test compares the committed pages; `make docs` writes them anew.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::Value;

use super::say::say;
use crate::api::error_codes;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::routing::Reason;

/// Arguments of `crossover describe`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Which page
    #[arg(value_enum)]
    page: Page,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Page {
    /// Every setting: docs/CONFIG.md
    Config,
    /// Every metric: docs/METRICS.md
    Metrics,
    /// Routes, headers, reasons and error codes: docs/API.md
    Api,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    say(&text(args.page)?)?;
    Ok(ExitCode::SUCCESS)
}

fn text(page: Page) -> anyhow::Result<String> {
    match page {
        Page::Config => config(),
        Page::Metrics => metrics(),
        Page::Api => api(),
    }
}

/// Where the words of each section stand: its key, its struct, its source.
const SECTIONS: &[(&str, &str, &str)] = &[
    ("", "Config", include_str!("../config/mod.rs")),
    ("server", "ServerConfig", include_str!("../config/server.rs")),
    ("local", "LocalConfig", include_str!("../config/local.rs")),
    ("remote", "RemoteConfig", include_str!("../config/remote.rs")),
    ("classifier", "ClassifierConfig", include_str!("../config/classifier.rs")),
    ("early-gate", "EarlyGateConfig", include_str!("../config/early_gate.rs")),
    ("embeddings", "EmbeddingsConfig", include_str!("../config/embeddings.rs")),
    ("ledger", "LedgerConfig", include_str!("../config/ledger.rs")),
    ("golden", "GoldenConfig", include_str!("../config/golden.rs")),
    ("log", "LogConfig", include_str!("../config/log.rs")),
];

fn config() -> anyhow::Result<String> {
    let mut page = include_str!("describe/config.md").to_owned();
    let all = serde_json::to_value(Config::default())?;
    for (section, name, source) in SECTIONS {
        let values = if section.is_empty() { &all } else { &all[*section] };
        let values = values.as_object().with_context(|| format!("`{section}` is no section"))?;
        let words = documented(source, &format!("pub struct {name} {{"))?;
        if section.is_empty() {
            page.push_str("\n## Top level\n\n");
        } else {
            let sections = documented(SECTIONS[0].2, "pub struct Config {")?;
            write!(page, "\n## `[{section}]`\n\n{}\n\n", words_of(&sections, &section.replace('-', "_"))?)?;
        }
        page.push_str("| key | default | meaning |\n|---|---|---|\n");
        let plain = values.iter().filter(|(key, _)| !SECTIONS.iter().any(|(name, ..)| name == key));
        for (key, default) in plain {
            let words = words_of(&words, &key.replace('-', "_"))?;
            writeln!(page, "| `{key}` | {} | {words} |", shown(default))?;
        }
    }
    Ok(page)
}

/// A default as it would stand in TOML.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "not set".to_owned(),
        Value::Object(_) => "empty".to_owned(),
        other => format!("`{other}`"),
    }
}

/// Names and doc comments inside the braces that open at `opening`: fields of a struct, variants of an enum.
fn documented(source: &str, opening: &str) -> anyhow::Result<Vec<(String, String)>> {
    let (_, body) = source.split_once(opening).with_context(|| format!("`{opening}` is gone"))?;
    let (mut found, mut words) = (vec![], String::new());
    for line in body.lines().map(str::trim).take_while(|line| *line != "}") {
        if let Some(doc) = line.strip_prefix("///") {
            words = format!("{words}{doc}").trim_start().to_owned();
        } else if !line.is_empty() && !line.starts_with('#') {
            let name = line.trim_start_matches("pub ");
            let end = name.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
            found.push((name[..end.unwrap_or(name.len())].to_owned(), std::mem::take(&mut words)));
        }
    }
    Ok(found)
}

fn words_of<'a>(documented: &'a [(String, String)], name: &str) -> anyhow::Result<&'a str> {
    let found = documented.iter().find(|(known, words)| known == name && !words.is_empty());
    found.map(|(_, words)| words.as_str()).with_context(|| format!("`{name}` has no doc comment"))
}

fn metrics() -> anyhow::Result<String> {
    let mut page = include_str!("describe/metrics.md").to_owned();
    page.push_str("| name | type | labels | meaning |\n|---|---|---|---|\n");
    for family in Metrics::new()?.families() {
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        writeln!(page, "| `{}` | {} | {} | {} |", family.name, family.kind, labels.join(" "), family.help)?;
    }
    Ok(page)
}

fn api() -> anyhow::Result<String> {
    let mut page = include_str!("describe/api.md").to_owned();
    page.push_str(
        "\n## Reasons\n\nA closed set: the header `x-crossover-reason`, a metric label, a ledger column.\n\n",
    );
    page.push_str("| reason | meaning |\n|---|---|\n");
    let words = documented(include_str!("../routing/decision.rs"), "pub enum Reason {")?;
    for reason in Reason::ALL {
        writeln!(page, "| `{reason}` | {} |", words_of(&words, &format!("{reason:?}"))?)?;
    }
    page.push_str(include_str!("describe/errors.md"));
    page.push_str("| code | status | type | message |\n|---|---|---|---|\n");
    let kinds = documented(include_str!("../backends/mod.rs"), "pub enum Kind {")?;
    for error in error_codes() {
        let meaning = match error.meaning {
            Ok(words) => words,
            Err(kind) => words_of(&kinds, &format!("{kind:?}"))?.to_owned(),
        };
        writeln!(page, "| `{}` | {} | `{}` | {meaning} |", error.code, error.status, error.family)?;
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_pages_are_true() {
        for (page, file) in
            [(Page::Config, "CONFIG.md"), (Page::Metrics, "METRICS.md"), (Page::Api, "API.md")]
        {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(file);
            let committed = std::fs::read_to_string(&path).unwrap_or_default();
            let told = text(page).unwrap();
            let differs = told.lines().zip(committed.lines()).find(|(now, then)| now != then);
            assert!(told == committed, "docs/{file} is out of date: run `make docs`; first: {differs:?}");
        }
    }

    #[test]
    fn no_meaning_is_empty() {
        for page in [Page::Config, Page::Metrics, Page::Api] {
            for line in text(page).unwrap().lines().filter(|line| line.starts_with("| `")) {
                assert!(!line.contains("|  |") || matches!(page, Page::Metrics), "{page:?}: {line}");
                assert!(!line.ends_with("|  |"), "{page:?}: {line}");
            }
        }
    }

    #[test]
    fn a_metric_helps_with_the_words_of_its_doc_comment() {
        let words = documented(include_str!("../metrics.rs"), "pub struct Metrics {").unwrap();
        for family in Metrics::new().unwrap().families() {
            let field = family.name.strip_prefix("crossover_").unwrap();
            let words = words_of(&words, field).unwrap().replace('`', "");
            assert_eq!(family.help, words, "{}", family.name);
        }
    }

    #[test]
    fn fields_and_variants_are_read_with_their_words() {
        let source = "enum A {\n    /// One,\n    /// two.\n    #[serde(default)]\n    B,\n    /// Three.\n    C(u8),\n}\n";
        let found = documented(source, "enum A {").unwrap();
        assert_eq!(found, [("B".into(), "One, two.".into()), ("C".into(), "Three.".into())]);
    }
}
