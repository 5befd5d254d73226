//! The golden table of usage objects, and what a price file may not say.

use super::*;

fn usage(prompt: u64, cached_prompt: u64, completion: u64, reasoning: u64) -> Usage {
    Usage { prompt, cached_prompt, completion, reasoning, estimated: false }
}

fn own(text: &str) -> Result<Prices, Vec<Problem>> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.toml");
    std::fs::write(&file, format!("schema-version = 1\nas-of = \"2026-11-01\"\n{text}")).unwrap();
    Prices::load(Some(&file))
}

/// Reckoned by hand from the list prices in dollars per million tokens that stand beside each line.
#[test]
fn g7_golden_costs_of_twelve_usage_objects() {
    let prices = Prices::load(None).unwrap();
    let table = [
        ("gpt-4o-mini", usage(1_000_000, 0, 0, 0), 150_000), // 0.15 in
        ("gpt-4o-mini", usage(0, 0, 1_000_000, 0), 600_000), // 0.60 out
        ("gpt-4o-mini", usage(1_000_000, 1_000_000, 0, 0), 75_000), // 0.075 cached
        ("gpt-4o-mini", usage(12, 0, 5, 0), 5),              // 1.8 + 3.0 = 4.8, up
        ("gpt-4o-mini", usage(1, 0, 0, 0), 1),               // 0.15, up: never free
        ("gpt-4o", usage(2_006, 1_920, 300, 0), 5_615),      // 86 x 2.50 + 1920 x 1.25 + 300 x 10.00
        ("gpt-5-mini", usage(1_000, 0, 2_000, 1_500), 4_250), // 0.25 in, 2.00 out; reasoning is part of it
        ("gpt-4o-mini-2024-07-18", usage(20, 20, 0, 0), 2),  // 1.5, up
        ("claude-sonnet-4-5", usage(10_000, 8_000, 500, 0), 15_900), // 3.00, 0.30, 15.00
        ("gemini-2.5-pro", usage(200_000, 0, 10, 0), 250_100), // 1.25, 10.00
        ("gemini-2.5-pro", usage(200_001, 0, 10, 0), 500_153), // above 200k: 2.50, 15.00: 500002.5 + 150, up
        ("gpt-4o", usage(0, 0, 0, 0), 0),                    // nothing, nothing
    ];
    for (model, usage, micros) in table {
        assert_eq!(prices.cost(model, &usage), Some(Micros(micros)), "{model} {usage:?}");
    }
}

#[test]
fn g6_an_unknown_model_has_no_price_never_zero() {
    let prices = Prices::load(None).unwrap();
    for model in ["no-such-model", "GPT-4O", "gpt-4o-mini-2099-01-01", "gpt-4o ", ""] {
        assert_eq!(prices.cost(model, &usage(10, 0, 10, 0)), None, "{model}");
    }
}

#[test]
fn g6_a_missing_cached_price_is_the_input_price() {
    let prices = own("[models]\nmine = { input = 1000000, output = 0 }").unwrap();
    assert_eq!(prices.cost("mine", &usage(10, 10, 0, 0)), Some(Micros(10)));
}

#[test]
fn g6_negative_nan_absurd_and_unknown_keys_are_named() {
    let problems = own(r#"
surprise = 1
[models]
a = { input = -1, output = 1 }
b = { input = nan, output = 1 }
c = { input = 2.5, output = 1 }
d = { input = 99999999999, output = 1 }
e = { input = 1 }
f = { input = 1, output = 1, inptu = 1 }
g = 3
h = { input = 1, output = 1, long = { input = 1, output = 1 } }
"#)
    .unwrap_err();
    let keys: Vec<_> = problems.iter().filter_map(|problem| problem.key.as_deref()).collect();
    let expected = [
        "surprise",
        "models.\"a\".input",
        "models.\"b\".input",
        "models.\"c\".input",
        "models.\"d\".input",
        "models.\"e\".output",
        "models.\"f\".inptu",
        "models.\"g\"",
        "models.\"h\".long.above",
    ];
    assert_eq!(keys, expected);
    assert!(problems.iter().all(|problem| problem.to_string().contains("own.toml")));
}

#[test]
fn g6_a_file_that_cannot_be_read_or_parsed_is_named() {
    let missing = Prices::load(Some(Path::new("/no/such/prices.toml"))).unwrap_err();
    assert!(missing[0].to_string().starts_with("/no/such/prices.toml: ledger.prices: cannot be read"));
    assert!(own("[models").unwrap_err()[0].to_string().contains("is not a price table"));
}

#[test]
fn an_own_file_is_laid_over_the_shipped_one_by_exact_name() {
    let prices =
        own("[models]\n\"gpt-4o\" = { input = 7, output = 7 }\nfree = { input = 0, output = 0 }").unwrap();
    assert_eq!(prices.cost("gpt-4o", &usage(1_000_000, 0, 0, 0)), Some(Micros(7)));
    assert_eq!(prices.cost("gpt-4o-mini", &usage(1_000_000, 0, 0, 0)), Some(Micros(150_000)));
    assert_eq!(
        prices.cost("free", &usage(1_000_000, 0, 9, 0)),
        Some(Micros::ZERO),
        "free only when it says so"
    );
    assert_eq!(prices.as_of(), "2026-11-01");
}

#[test]
fn absurd_counts_saturate() {
    let prices = Prices::load(None).unwrap();
    assert_eq!(prices.cost("gpt-4o", &usage(u64::MAX, 0, u64::MAX, 0)), Some(Micros(i64::MAX)));
    assert_eq!(prices.cost("gpt-4o-mini", &usage(5, 9, 0, 0)), Some(Micros(1)), "more cached than prompt");
}
