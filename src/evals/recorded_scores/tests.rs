//! Made-up outcomes of made-up models.

use super::*;
use crate::evals::subject::GatewayFacts;

fn header() -> Header {
    let (run_id, at) = ("run".to_owned(), jiff::Timestamp::UNIX_EPOCH);
    Header { run_id, at, facts: GatewayFacts::default(), concurrency: 1 }
}

fn query(local: &str, remote: &str) -> ScoresQuery {
    let (local, remote) = (local.parse().unwrap(), remote.parse().unwrap());
    ScoresQuery { local, remote, local_share: 0.5, margin: 0.05, split: None }
}

fn line(source: &str, id: usize, score: f64, outcomes: &str) -> String {
    format!(
        r#"{{"id":"{id}","source":"{source}","task":"t{}","chars":{},"score":{score},"split":"held","outcomes":{outcomes}}}"#,
        id % 2,
        100 + id
    )
}

/// The small models are right where the score is high; one source has no outcome of `b`.
fn scores() -> Result<RecordedScores, ScoresError> {
    let mut lines = vec![];
    for id in 0..20 {
        let right = u8::from(id >= 10);
        let score = 0.2 + 0.03 * id as f64;
        lines.push(line("one", id, score, &format!(r#"{{"a":{right},"b":0.5,"big":1}}"#)));
        lines.push(line("two", id, score, &format!(r#"{{"a":{right},"big":0.9}}"#)));
    }
    read(&lines.join("\n"), Some("model\trows\ttier\na\t80\tsmall\nb\t40\tsmall\nbig\t80\tlarge\n"))
}

fn read(text: &str, models: Option<&str>) -> Result<RecordedScores, ScoresError> {
    let folder = tempfile::tempdir().unwrap();
    let (file, table) = (folder.path().join("scores.jsonl"), folder.path().join("models.tsv"));
    std::fs::write(&file, text).unwrap();
    std::fs::write(&table, models.unwrap_or_default()).unwrap();
    RecordedScores::read(&file, models.map(|_| table.as_path()))
}

#[test]
fn tiers_are_real_models_and_nothing_of_a_row_comes_out() {
    let reports = scores().unwrap().reports(&query("a", "big"), &header()).unwrap();
    let names: Vec<&str> = reports.iter().map(|report| report.suite.name.as_str()).collect();
    assert_eq!(names, ["one", "two", "all sources"]);
    let one = &reports[0];
    let of = |name: &str| one.subjects.iter().find(|subject| subject.name == name).unwrap();
    assert_eq!((of("a").quality, of("big").quality), (Some(0.5), Some(1.0)));
    let judged = of("classifier at 50 % local");
    assert_eq!((judged.quality, judged.local_share), (Some(1.0), Some(0.5)));
    assert!((judged.apgr.unwrap() - 0.75).abs() < 1e-9 && (judged.cpt50.unwrap() - 0.25).abs() < 1e-9);
    // Long prompts are the ones that stay, so the length rule has it the wrong way round.
    let length = one.curves.iter().find(|curve| curve.name == "length-rule").unwrap();
    assert!((length.apgr.unwrap() - 0.25).abs() < 1e-9, "{length:?}");
    let remote = one.remote.as_ref().unwrap();
    assert_eq!(remote.to_string(), "big (recorded-scores); at a price that is not known");
    assert!(!remote.upper_bound && one.rows.is_empty());
    assert_eq!(reports[2].done, 40);
}

#[test]
fn a_tier_may_be_a_mean() {
    let scores = scores().unwrap();
    let quality = |local: &str, report: usize| {
        scores.reports(&query(local, "mean:large"), &header()).unwrap()[report].subjects[1].quality.unwrap()
    };
    // The mean of 0 or 1 and 0.5.
    assert_eq!(quality("mean:small", 0), 0.5);
    assert_eq!(quality("mean:a,b", 0), 0.5);
    // Where a row has but one of them, it stands alone.
    assert_eq!(quality("mean:small", 1), 0.5);
    assert!(scores.reports(&query("b", "big"), &header()).unwrap().len() == 1, "source two has no `b`");
}

#[test]
fn what_cannot_be_read_or_found_is_said() {
    let bad = [
        line("one", 1, 0.5, "{}"),
        line("one", 1, 0.5, "{}"),
        line("one", 2, 1.5, "{}"),
        line("one", 3, 0.5, r#"{"a":7}"#),
        "{\"id\":".to_owned(),
        line("one", 4, 0.5, "{}").replace("0.5", "NaN"),
    ];
    let error = read(&bad.join("\n"), None).unwrap_err().to_string();
    for expected in [
        "scores.jsonl:2: `1` stands in one already",
        "scores.jsonl:3: `score` is not in 0 to 1",
        "scores.jsonl:4: the outcome of `a` is not in 0 to 1",
        "scores.jsonl:5:",
        "scores.jsonl:6:",
    ] {
        assert!(error.contains(expected), "{error}");
    }
    let scores = read(&line("one", 1, 0.5, r#"{"a":1}"#), None).unwrap();
    let error =
        |local: &str, remote: &str| scores.reports(&query(local, remote), &header()).unwrap_err().to_string();
    assert!(error("a", "gpt").contains("both a and gpt; it has a"), "{}", error("a", "gpt"));
    assert!(error("mean:small", "a").contains("--models"));
    assert!("mean:a,,b".parse::<TierModels>().is_err() && "".parse::<TierModels>().is_err());
    assert!(read("", None).unwrap_err().to_string().contains("holds no answers"));
}

#[test]
fn the_share_that_stays_is_the_one_asked_for() {
    let scores = scores().unwrap();
    for (share, expected) in [(0.0, 0.0), (0.25, 0.25), (1.0, 1.0)] {
        let query = ScoresQuery { local_share: share, ..query("a", "big") };
        let report = &scores.reports(&query, &header()).unwrap()[0];
        assert_eq!(report.subjects[0].local_share, Some(expected));
    }
}
