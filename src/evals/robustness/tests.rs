//! The shipped pairs, the changes made here, and the arithmetic.

use super::*;

fn pair(id: &str, original: &str, changed: &str) -> Pair {
    Pair { id: id.into(), kind: Rewording::Paraphrase, original: original.into(), changed: changed.into() }
}

fn shipped() -> Vec<Pair> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("evals/robustness/pairs.jsonl");
    read_pairs(&file).unwrap()
}

fn written(text: &str) -> Result<Vec<Pair>, RobustnessError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pairs.jsonl");
    std::fs::write(&file, text).unwrap();
    read_pairs(&file)
}

/// Scores by length: 0.1 for each letter.
fn by_length(text: &str) -> Result<f32, RobustnessError> {
    Ok(text.len() as f32 / 10.0)
}

#[test]
fn the_shipped_suite_is_large_and_every_kind_occurs() {
    let pairs = shipped();
    let originals: BTreeSet<&str> = pairs.iter().map(|pair| pair.original.as_str()).collect();
    assert!(pairs.len() >= 300 && originals.len() >= 100, "{} over {}", pairs.len(), originals.len());
    let (written, texts) = (pairs.len(), originals.len());
    let all = with_mechanical(pairs);
    for kind in Rewording::ALL {
        let n = all.iter().filter(|pair| pair.kind == kind).count();
        assert!(n >= 90, "{n} of {}", kind.label());
    }
    let ids: BTreeSet<&str> = all.iter().map(|pair| pair.id.as_str()).collect();
    assert_eq!(ids.len(), all.len());
    assert!(all.len() >= written + 9 * texts && all.iter().all(|pair| pair.original != pair.changed));
}

#[test]
fn changes_leave_the_words_as_they_are() {
    let made = mechanical("Translate this: the Cat sat there. Twice");
    let of = |kind| made.iter().filter(move |(own, _)| *own == kind).map(|(_, text)| text.as_str());
    assert!(
        of(Rewording::Casing)
            .eq(["translate this: the cat sat there. twice", "TRANSLATE THIS: THE CAT SAT THERE. TWICE"])
    );
    for text in of(Rewording::Whitespace) {
        assert!(text.split_whitespace().eq("Translate this: the Cat sat there. Twice".split_whitespace()));
    }
    assert!(of(Rewording::Typo).eq(["Tarnslate this: the Cat sat there. Twice"]));
    assert_eq!(of(Rewording::Appended).count(), PLEAS.len());
    assert!(
        of(Rewording::Appended).all(|text| text.starts_with("Translate this: the Cat sat there. Twice "))
    );
}

#[test]
fn a_pair_flips_where_the_threshold_lies_between_its_scores() {
    let pairs = [
        pair("a", "123456", "1234567"),
        pair("b", "123456", "1234"),
        pair("c", "12345", "123456"),
        pair("d", "1", "12"),
    ];
    let mut asked = 0;
    let report = measure_robustness(&pairs, 0.5, |text| {
        asked += 1;
        by_length(text)
    })
    .unwrap();
    assert_eq!(asked, 7, "an original is scored once");
    let [kind] = &report.kinds[..] else { panic!("{:?}", report.kinds) };
    assert_eq!(
        (kind.n, kind.flips, kind.share),
        (4, 1, 0.25),
        "at the threshold itself a request stays local"
    );
    assert!((kind.mean_change - 0.125).abs() < 1e-6, "{}", kind.mean_change);
    // Wilson's interval of 1 in 4, as statsmodels' proportion_confint gives it.
    assert!((kind.interval.0 - 0.045_587).abs() < 1e-5 && (kind.interval.1 - 0.699_358).abs() < 1e-5);
    assert!((report.local_share - 2.0 / 3.0).abs() < 1e-9);
    // At 0.3 none lies between, at 0.55 `b` and `c` do, at 0.7 `a` does.
    assert_eq!((kind.sweep[0], kind.sweep[5], kind.sweep[8]), (0.0, 0.5, 0.25));
    assert_eq!(report.failing(0.25).count(), 0);
    assert_eq!(report.failing(0.2).next().unwrap().kind, Rewording::Paraphrase);
}

#[test]
fn slips_of_the_pen_are_not_held_against_it() {
    let pairs = [Pair { kind: Rewording::Typo, ..pair("a", "1234", "123456") }];
    let report = measure_robustness(&pairs, 0.5, by_length).unwrap();
    assert_eq!((report.kinds[0].flips, report.failing(0.0).count()), (1, 0));
}

#[test]
fn a_score_that_is_no_number_is_an_error() {
    for wrong in [f32::NAN, 1.5, -0.1] {
        let error = measure_robustness(&[pair("a7", "x", "y")], 0.5, |_| Ok::<_, RobustnessError>(wrong))
            .unwrap_err();
        assert!(error.to_string().contains("pair `a7`"), "{error}");
    }
}

#[test]
fn every_bad_line_is_named() {
    let good = r#"{"id":"a","kind":"paraphrase","original":"x","changed":"y"}"#;
    let text = [
        good,
        good,
        "{",
        r#"{"id":"b","kind":"song","original":"x","changed":"y"}"#,
        r#"{"id":"c","kind":"casing","original":"x","changed":"x"}"#,
        r#"{"id":"d","kind":"casing","original":" ","changed":"x"}"#,
    ];
    let Err(RobustnessError::BadLines(bad)) = written(&text.join("\n")) else { panic!("accepted") };
    assert_eq!(bad.iter().map(|bad| bad.line).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
    assert!(bad[0].to_string().contains("pairs.jsonl:2: id `a`"), "{}", bad[0]);
    assert!(matches!(written("\n"), Err(RobustnessError::Empty(_))));
    let error = read_pairs(Path::new("/nowhere/pairs.jsonl")).unwrap_err().to_string();
    assert!(error.contains("/nowhere/pairs.jsonl") && error.contains("evals/robustness"), "{error}");
}
