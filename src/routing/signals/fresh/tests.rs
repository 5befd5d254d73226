//! The suite `evals/signals/fresh.jsonl`, and what stands in no suite.

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Row {
    id: String,
    text: String,
    fresh: bool,
    part: String,
}

fn suite() -> Vec<Row> {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("evals/signals/fresh.jsonl");
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Precision, recall and accuracy.
fn measure<'a>(rows: impl Iterator<Item = &'a Row>) -> (f64, f64, f64) {
    let (mut true_yes, mut false_yes, mut false_no, mut n) = (0.0, 0.0, 0.0, 0.0);
    for row in rows {
        let said = needs_fresh_knowledge(&row.text);
        n += 1.0;
        match (said, row.fresh) {
            (true, true) => true_yes += 1.0,
            (true, false) => false_yes += 1.0,
            (false, true) => false_no += 1.0,
            (false, false) => {}
        }
        if said != row.fresh {
            println!("{} ({}): said {said}: {}", row.id, row.part, row.text);
        }
    }
    (true_yes / (true_yes + false_yes), true_yes / (true_yes + false_no), 1.0 - (false_yes + false_no) / n)
}

/// The rules were written with the first part in view and not changed after the second was written.
#[test]
fn the_suite_is_told_apart() {
    let rows = suite();
    let yes = rows.iter().filter(|row| row.fresh).count();
    assert!(rows.len() >= 200 && (0.4..0.6).contains(&(yes as f64 / rows.len() as f64)), "{yes}");
    let part = |name: &'static str| measure(rows.iter().filter(move |row| row.part == name));
    let (dev, test) = (part("dev"), part("test"));
    println!("precision, recall, accuracy: dev {dev:.3?}, test {test:.3?}");
    assert!(dev.0 >= 0.95 && dev.1 >= 0.95, "{dev:?}");
    assert!(test.0 >= 0.90 && test.1 >= 0.70, "{test:?}");
}

#[test]
fn given_texts_and_quotations_do_not_count() {
    let asked = |text: &str| without_given_text(text).trim().to_owned();
    assert_eq!(asked("Translate: The weather today"), "Translate");
    assert_eq!(asked("Who said \"it rains today\" first?"), "Who said  first?");
    assert_eq!(asked("What's new in it's world?"), "What's new in it's world?");
    assert_eq!(asked("An open \" quote stays"), "An open \" quote stays");
    assert_eq!(asked("See below\n```\nnews today\n```"), "See below");
    assert!(!needs_fresh_knowledge(""));
}

#[test]
fn a_question_behind_a_long_text_is_read() {
    let text = format!("{} What is the weather in Oslo today?", "I like long walks by the sea. ".repeat(60));
    assert!(needs_fresh_knowledge(&text));
    let calm = "I like long walks by the sea. ".repeat(30);
    let text = format!("{calm}The weather is bad today. {calm}Who of us likes the sea?");
    assert!(!needs_fresh_knowledge(&text), "what stands in the middle is not asked");
}

#[test]
fn entries_are_short_and_lower_case() {
    for (sign, entries) in ENTRIES {
        for entry in entries.split(',').map(str::trim) {
            let words = entry.split(' ').count();
            assert!((1..=4).contains(&words) && entry == entry.to_lowercase(), "{sign:?}: `{entry}`");
        }
    }
}

/// Quadratic work or backtracking would take minutes here.
#[test]
fn the_worst_texts_are_quick() {
    let started = std::time::Instant::now();
    for text in [
        "translate: ".repeat(100_000),
        "'".repeat(1_000_000),
        "translate\n".repeat(100_000),
        "? ".repeat(500_000),
    ] {
        needs_fresh_knowledge(&text);
    }
    assert!(started.elapsed() < std::time::Duration::from_secs(5));
}

/// Narrow work on a given text stays what it is: nearly no golden row may look like a question about now.
#[test]
fn golden_rows_do_not_ask_for_fresh_knowledge() {
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("evals/golden");
    let (mut rows, mut flagged) = (0, vec![]);
    for folder in std::fs::read_dir(golden).unwrap() {
        let suite = folder.unwrap().path().join("suite.jsonl");
        for line in std::fs::read_to_string(&suite).unwrap().lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let last =
                row["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap().to_owned();
            rows += 1;
            if needs_fresh_knowledge(&last) {
                flagged.push(format!("{}: {last}", row["id"]));
            }
        }
    }
    println!("{} of {rows} golden rows: {flagged:#?}", flagged.len());
    assert!(rows >= 150 && flagged.len() * 50 <= rows, "{} of {rows}", flagged.len());
}
