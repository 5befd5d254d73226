//! The suite `evals/signals/language.jsonl`, and what stands in no suite.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Row {
    id: String,
    text: String,
    language: String,
    kind: String,
}

fn suite() -> Vec<Row> {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("evals/signals/language.jsonl");
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Wrong is worse than unknown: a rule on a language acts on what is known.
#[test]
fn the_suite_is_read_well_and_seldom_wrongly() {
    let rows = suite();
    let languages: std::collections::BTreeSet<&str> = rows.iter().map(|row| row.language.as_str()).collect();
    assert!(rows.len() >= 200 && languages.len() >= 16, "{} rows, {languages:?}", rows.len());
    let (mut right, mut wrong, mut by_kind) = (0, 0, BTreeMap::<&str, (usize, usize)>::new());
    for row in &rows {
        assert!(Language::parse(&row.language).is_some(), "{}: {} is no code", row.id, row.language);
        let found = detect(&row.text);
        let hit = found.label() == row.language;
        right += usize::from(hit);
        wrong += usize::from(!hit && found.is_known());
        let kind = by_kind.entry(&row.kind).or_default();
        (kind.0, kind.1) = (kind.0 + usize::from(hit), kind.1 + 1);
        if !hit {
            println!("{} {}: {found}: {}", row.id, row.language, row.text);
        }
    }
    let share = |count: usize| count as f64 / rows.len() as f64;
    println!("right {right} of {} ({:.3}), wrong {wrong}; by kind {by_kind:?}", rows.len(), share(right));
    assert!(share(right) >= 0.95, "{right} of {}", rows.len());
    assert!(share(wrong) <= 0.02, "{wrong} of {} are known and wrong", rows.len());
    let (hits, of) = by_kind["long"];
    assert!(hits as f64 >= 0.97 * of as f64, "{hits} of {of} long texts");
}

#[test]
fn codes_round_trip_and_strangers_are_refused() {
    for row in suite() {
        assert_eq!(Language::parse(&row.language).unwrap().label(), row.language);
    }
    for lang in Lang::all() {
        let code = iso(*lang).unwrap_or_else(|| panic!("{lang:?} has no code"));
        assert!(code.len() == 2 && Language::parse(code).is_some(), "{code}");
    }
    for stranger in ["EN", "eng", "english", "", "xx"] {
        assert_eq!(Language::parse(stranger), None, "{stranger}");
    }
    assert_eq!(Language::default().label(), "unknown");
    assert!(!Language::parse("unknown").unwrap().is_known());
}

#[test]
fn only_the_beginning_is_read() {
    let text =
        format!("{} {}", "Wie komme ich zum Bahnhof? ".repeat(40), "and now in English ".repeat(5_000));
    assert_eq!(detect(&text).label(), "de");
    assert!(prose(&text).chars().count() <= READ + 1);
    let fenced = format!("```\n{}\n```\nWhat does it print?", "let x = der(die, das);\n".repeat(500));
    assert_eq!(detect(&fenced).label(), "en");
}

#[test]
fn word_lists_are_lower_case_and_belong_to_known_codes() {
    assert!(WORDS.len() <= 64);
    for (code, words) in WORDS {
        assert_eq!(code.len(), 2, "{code}");
        assert_eq!(*words, words.to_lowercase(), "{code}");
    }
    assert!(LISTS.values().all(|places| places.len() < SHARED));
}
