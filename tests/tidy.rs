//! Keeps the house tidy: the import law, file lengths, headers, and a few words that must not stand anywhere.
//! Promises: every offence is named with its file and line, all of them at once; needs nothing but std.
//! Does not measure functions (clippy does) and does not parse Rust: it reads code with comments and strings blanked.

#[path = "tidy/source.rs"]
mod source;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use source::{Source, heads, is_word, line_of, sources, words};

/// Rooms from the top down; neighbours in a row never see each other.
const LAW: &[&[&str]] = &[
    &["cli"],
    &["app"],
    &["api"],
    &["pipeline", "evals"],
    &["ledger"],
    &["routing", "backends"],
    &["dialects", "hub", "onnx", "telemetry"],
    &["config", "metrics"],
    &["chat"],
];

/// Crates that belong to some rooms only; tests may use any.
const RESERVED: &[(&str, &[&str])] = &[
    ("anyhow", &["cli"]),
    ("axum", &["api"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
    ("prometheus", &["metrics", "backends"]),
    ("rusqlite", &["ledger"]),
    ("tokenizers", &["backends", "routing"]),
    ("ort", &["onnx", "backends", "routing"]),
];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] =
    &["common", "error", "errors", "helper", "helpers", "misc", "types", "util", "utils"];

const HARD_LINES: usize = 500;
const USUAL_LINES: usize = 300;
const USUAL_SHARE: f64 = 0.9;
const INLINE_TEST_LINES: usize = 100;
const HEADER_LINES: usize = 6;
/// Ports that a test may write down: 0 lets the system choose, at 1 nobody listens.
const HARMLESS_PORTS: &[&str] = &["0", "1"];

/// Every room that a file names, by `crate::` or by climbing to the root with `super::`; with its line.
fn rooms_named(source: &Source) -> Vec<(usize, String)> {
    let code = source.code.as_str();
    let own = source.module().len();
    let tests_from = source.tests_from().unwrap_or(usize::MAX);
    let mut found = vec![];
    for at in words(code, "crate").filter(|at| code[*at..].starts_with("crate::")) {
        let line = line_of(code, at);
        found.extend(heads(&code[at + "crate::".len()..]).into_iter().map(|head| (line, head.to_owned())));
    }
    for at in words(code, "super").filter(|at| !code[..*at].ends_with("super::")) {
        let (mut rest, mut climbs) = (&code[at..], 0);
        while let Some(next) = rest.strip_prefix("super::") {
            (rest, climbs) = (next, climbs + 1);
        }
        let line = line_of(code, at);
        if climbs >= own + usize::from(line > tests_from) {
            found.extend(heads(rest).into_iter().map(|head| (line, head.to_owned())));
        }
    }
    found
}

fn row(room: &str) -> Option<usize> {
    LAW.iter().position(|row| row.contains(&room))
}

/// What is wrong with `room` using `other`, if anything.
fn offence(room: &str, other: &str) -> Option<String> {
    if room == other {
        return None;
    }
    // What stands in the root besides rooms are macros and re-exports, of which there are none.
    let Some(below) = row(other) else { return Some(format!("`{other}` is no room of the law")) };
    let above = row(room)?;
    if above == below {
        Some(format!("`{room}` and `{other}` are neighbours and never see each other"))
    } else if above > below {
        Some(format!("`{room}` stands below `{other}` and may not import from it"))
    } else {
        None
    }
}

fn law_offences(source: &Source) -> Vec<String> {
    let module = source.module();
    let Some(room) = module.first().map(String::as_str) else { return vec![] };
    if room == "main" {
        return vec![];
    }
    if row(room).is_none() {
        return vec![format!("{}: `{room}` has no place in the import law", source.at(0))];
    }
    let named = rooms_named(source).into_iter();
    let mut found: Vec<String> = named
        .filter_map(|(line, other)| Some(format!("{}: {}", source.at(line), offence(room, &other)?)))
        .collect();
    let reserved = RESERVED.iter().filter(|(_, rooms)| !rooms.contains(&room) && !source.is_test_file());
    for (word, rooms) in reserved {
        let uses = words(&source.code, word).filter(|at| {
            let rest = &source.code[at + word.len()..];
            rest.starts_with("::") && !source.code[..*at].ends_with("::")
        });
        found.extend(uses.map(|at| {
            let place = source.at(line_of(&source.code, at));
            format!("{place}: `{word}` belongs to {} only", rooms.join(", "))
        }));
    }
    found
}

fn header_offence(source: &Source) -> Option<String> {
    let header = source.text.lines().take_while(|line| line.starts_with("//!")).count();
    match header {
        0 => Some(format!("{}: opens without `//!`: say what the file is for", source.at(0))),
        1..=HEADER_LINES => None,
        more => Some(format!("{}: the header has {more} lines, at most {HEADER_LINES}", source.at(0))),
    }
}

fn length_offences(source: &Source) -> Vec<String> {
    let mut found = vec![];
    if source.length() > HARD_LINES {
        let lines = source.length();
        found.push(format!("{}: {lines} lines without tests, at most {HARD_LINES}", source.at(0)));
    }
    if let Some(from) = source.tests_from() {
        let lines = source.text.lines().count() - from;
        if lines > INLINE_TEST_LINES {
            let stem = source.path.with_extension("");
            let file = stem.to_string_lossy().trim_end_matches("/mod").to_owned() + "/tests.rs";
            found.push(format!("{}: {lines} lines of tests: move them to {file}", source.at(from)));
        }
    }
    found
}

/// Attributes and words that must not stand in code.
fn word_offences(source: &Source) -> Vec<String> {
    let mut found = vec![];
    let attributes =
        [("ignore", "an ignored test proves nothing: mend or delete it"), ("allow", "use #[expect]")];
    for (name, mend) in attributes {
        for open in ["#[", "#!["] {
            let wanted = format!("{open}{name}");
            let hits = source.code.match_indices(&wanted).filter(|(at, _)| {
                !source.code.as_bytes().get(at + wanted.len()).copied().is_some_and(is_word)
            });
            found.extend(
                hits.map(|(at, _)| format!("{}: {wanted}]: {mend}", source.at(line_of(&source.code, at)))),
            );
        }
    }
    for word in [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("HA", "CK"), concat!("X", "XX")] {
        for at in words(&source.text, word) {
            let place = source.at(line_of(&source.text, at));
            found.push(format!("{place}: {word}: do it, or plan it elsewhere"));
        }
    }
    let module = source.module();
    let name = module.last().map(String::as_str).unwrap_or_default();
    let stem = source.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let inline = words(&source.code, "mod")
        .map(|at| (line_of(&source.code, at), heads(source.code[at + 3..].trim_start())));
    let declared = inline.flat_map(|(line, heads)| heads.into_iter().map(move |head| (line, head)));
    for (line, name) in declared.chain([(0, name), (0, stem.as_str())]) {
        if EMPTY_NAMES.contains(&name) {
            found.push(format!(
                "{}: a module called `{name}` says nothing: name its subject",
                source.at(line)
            ));
        }
    }
    found
}

/// Addresses with a port of their own, in tests.
fn port_offences(source: &Source) -> Vec<String> {
    let from = if source.is_test_file() { Some(0) } else { source.tests_from() };
    let Some(from) = from else { return vec![] };
    let mut found = vec![];
    for (number, line) in source.text.lines().enumerate().skip(from) {
        for host in ["127.0.0.1:", "localhost:", "[::1]:"] {
            for (at, _) in line.match_indices(host) {
                let rest = &line[at + host.len()..];
                let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
                if !port.is_empty() && !HARMLESS_PORTS.contains(&port.as_str()) {
                    found.push(format!("{}: port {port} is fixed: bind port 0 and ask", source.at(number)));
                }
            }
        }
    }
    found
}

fn none(found: &[String]) {
    let count = found.len();
    let text = found.iter().fold(String::new(), |mut text, line| {
        let _ = write!(text, "\n  {line}");
        text
    });
    assert!(found.is_empty(), "{count} offence(s):{text}\n");
}

fn each(offences: impl Fn(&Source) -> Vec<String>) {
    none(&sources().iter().flat_map(offences).collect::<Vec<_>>());
}

#[test]
fn imports_go_down_the_rows_only() {
    each(law_offences);
}

#[test]
fn the_root_declares_rooms_and_nothing_else() {
    let root = sources().into_iter().find(|source| source.path == Path::new("src/lib.rs")).unwrap();
    let code = root.code.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let found = code.filter_map(|(at, line)| {
        let room = line.trim().strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';'));
        room.is_none_or(|room| row(room).is_none()).then(|| format!("{}: `{line}`", root.at(at)))
    });
    none(&found.collect::<Vec<_>>());
    let main = sources().into_iter().find(|source| source.path == Path::new("src/main.rs")).unwrap();
    assert!(main.text.lines().count() <= 40, "src/main.rs: {} lines, at most 40", main.text.lines().count());
}

#[test]
fn files_are_short() {
    each(length_offences);
    let lengths: BTreeMap<PathBuf, usize> =
        sources().into_iter().map(|source| (source.path.clone(), source.length())).collect();
    let long: Vec<_> = lengths.iter().filter(|(_, lines)| **lines > USUAL_LINES).collect();
    let share = 1.0 - long.len() as f64 / lengths.len() as f64;
    assert!(
        share >= USUAL_SHARE,
        "{:.0} % of files have at most {USUAL_LINES} lines: {long:?}",
        share * 100.0
    );
}

#[test]
fn every_file_says_what_it_is_for() {
    each(|source| header_offence(source).into_iter().collect());
}

#[test]
fn no_word_stands_that_hides_something() {
    each(word_offences);
}

#[test]
fn tests_take_free_ports() {
    each(port_offences);
}

/// The rules above would also pass if they found nothing: each must find a planted offence.
#[test]
fn every_rule_finds_a_planted_offence() {
    let file = |path: &str, text: &str| Source::new(PathBuf::from(path), text.to_owned());
    let law = |path: &str, text: &str| law_offences(&file(path, text)).len();
    assert_eq!(
        law("src/ledger/cost.rs", "use crate::chat::Micros;\nuse crate::{config, routing::Reason};"),
        0
    );
    assert_eq!(law("src/ledger/cost.rs", "use crate::pipeline::Why;"), 1);
    assert_eq!(law("src/routing/mod.rs", "use crate::{chat::{A, B}, backends::Kind};"), 1, "neighbours");
    assert_eq!(law("src/pipeline/mod.rs", "use crate::evals::Subject;"), 1, "neighbours");
    assert_eq!(law("src/config/mod.rs", "use super::metrics::Metrics;"), 1, "a climb to the root");
    assert_eq!(law("src/config/load.rs", "use super::Config;\nuse super::super::chat::A;"), 0);
    assert_eq!(law("src/config/load.rs", "mod tests {\n use super::super::super::ledger::A;\n}"), 1);
    assert_eq!(law("src/chat/ids.rs", "// use crate::api;\nlet a = \"crate::api\"; let b = 'c';"), 0);
    assert_eq!(law("src/chat/ids.rs", "let a: &'static str = r#\"crate::api\"#; crate::api::x();"), 1);
    assert_eq!(law("src/api/door.rs", "fn run() -> anyhow::Result<()> {}"), 1);
    assert_eq!(law("src/attic/mod.rs", ""), 1);

    assert!(header_offence(&file("src/a.rs", "use std::fmt;")).is_some());
    assert!(header_offence(&file("src/a.rs", &"//! a\n".repeat(7))).is_some());
    assert_eq!(length_offences(&file("src/a.rs", &"\n".repeat(501))).len(), 1);
    let tests = "\n".repeat(400) + "mod tests {" + &"\n".repeat(102);
    assert_eq!(length_offences(&file("src/a.rs", &tests)).len(), 1);
    for text in ["#[ignore]", "#[ignore = \"a\"]", "#![allow(x)]", concat!("// TO", "DO"), "mod utils;"] {
        assert_eq!(word_offences(&file("src/a.rs", text)).len(), 1, "{text}");
    }
    assert!(!word_offences(&file("src/chat/types.rs", "")).is_empty());
    assert_eq!(
        port_offences(&file("tests/it/a.rs", concat!("\"127.0.0.1", ":4000\" \"127.0.0.1:0\""))).len(),
        1
    );
    assert_eq!(port_offences(&file("src/a.rs", concat!("\"127.0.0.1", ":4000\""))).len(), 0);
}
