//! Golden sets as files on a disk: good ones, bad lines, limits.

use super::*;

const ABOUT: &str = "name = \"tiny\"\nversion = \"1.0.0\"\nabout = \"a test\"\nlicence = \"Apache-2.0\"\nscorer = \"exact\"\n";
const ROW: &str =
    r#"{"id":"a","messages":[{"role":"user","content":"2+2?"}],"expected":"4","task":"arithmetic"}"#;

fn suite(about: &str, rows: &str) -> Result<Suite, DatasetError> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("suite.toml"), about).unwrap();
    std::fs::write(folder.path().join("suite.jsonl"), rows).unwrap();
    Suite::read(folder.path())
}

#[test]
fn reads_rows_with_the_default_scorer_and_hashes_the_file() {
    let suite = suite(ABOUT, ROW).unwrap();
    assert_eq!(suite.samples.len(), 1);
    assert_eq!(suite.samples[0].prompt_chars(), 4);
    // As `sha256sum` prints it.
    assert_eq!(suite.hash, "b935b8b7c55bd91998076c69d89bfe7329f9839ae5ad9df21d11bc00c2b30b17");
}

#[test]
fn reports_every_bad_line_with_its_number() {
    let rows = [
        ROW,
        r#"{"id":"a","messages":[{"role":"user","content":"again"}],"expected":"4","task":"arithmetic"}"#,
        "{not json",
        "",
        r#"{"id":"c","messages":[],"expected":"4","task":"arithmetic"}"#,
        r#"{"id":"d","messages":[{"role":"user","content":"x"}],"expected":"4","task":"t","colour":"red"}"#,
        r#"{"id":"e","messages":[{"role":"boss","content":"x"}],"expected":"4","task":"t"}"#,
        r#"{"id":"f","messages":[{"role":"user","content":"x"}],"expected":4,"task":"t"}"#,
        r#"{"id":"g","messages":[{"role":"user","content":"x"}],"expected":"4","task":"t","scorer":"vibes"}"#,
    ];
    let Err(DatasetError::BadLines(bad)) = suite(ABOUT, &rows.join("\n")) else { panic!("accepted") };
    assert_eq!(bad.iter().map(|bad| bad.line).collect::<Vec<_>>(), [2, 3, 5, 6, 7, 8, 9]);
    assert!(bad[0].to_string().contains("suite.jsonl:2: id `a` is already on line 1"));
    assert!(bad[3].problem.contains("colour"));
    assert!(bad[6].problem.contains("vibes"), "{}", bad[6].problem);
}

#[test]
fn an_unlabelled_row_is_named_with_its_line() {
    let row = r#"{"id":"b","messages":[{"role":"user","content":"?"}],"task":"t"}"#;
    let error = suite(ABOUT, &format!("{ROW}\n{row}\n")).unwrap_err().to_string();
    assert!(error.contains("suite.jsonl:2: the row is unlabelled"), "{error}");
    let null = row.replace("\"task\"", "\"expected\":null,\"task\"");
    let error = suite(ABOUT, &null).unwrap_err().to_string();
    assert!(error.contains("suite.jsonl:1: `expected` must be"), "{error}");
}

#[test]
fn tools_are_kept_and_checked() {
    let with = |tools: &str| ROW.replace("\"task\"", &format!("\"tools\":{tools},\"task\""));
    let good = suite(ABOUT, &with(r#"[{"type":"function","function":{"name":"clock"}}]"#)).unwrap();
    assert_eq!(good.samples[0].tools[0]["function"]["name"], "clock");
    let error = suite(ABOUT, &with(r#"[{"name":"clock"}]"#)).unwrap_err().to_string();
    assert!(error.contains("suite.jsonl:1: `tools[0]`"), "{error}");
}

#[test]
fn a_set_that_is_too_small_says_how_many_rows_it_needs() {
    let suite = suite(ABOUT, ROW).unwrap();
    assert!(suite.at_least(1).is_ok());
    let error = suite.at_least(59).unwrap_err().to_string();
    assert!(error.contains("tiny") && error.contains("1 rows") && error.contains("needs 59"), "{error}");
}

#[test]
fn refuses_an_empty_set_and_unknown_keys_of_the_suite() {
    assert!(matches!(suite(ABOUT, "\n\n"), Err(DatasetError::Empty(_))));
    let error = suite(&format!("{ABOUT}colour = \"red\"\n"), ROW).unwrap_err().to_string();
    assert!(error.contains("suite.toml") && error.contains("colour"), "{error}");
    let error = suite(&ABOUT.replace("tiny", "../tiny"), ROW).unwrap_err().to_string();
    assert!(error.contains("`name`"), "{error}");
}

#[test]
fn a_limit_spreads_over_the_file() {
    let rows = (0..10).map(|id| ROW.replace("\"a\"", &format!("\"{id}\""))).collect::<Vec<_>>().join("\n");
    let mut suite = suite(ABOUT, &rows).unwrap();
    suite.limit(3);
    assert_eq!(suite.samples.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["0", "3", "6"]);
    suite.limit(30);
    assert_eq!(suite.samples.len(), 3);
}
