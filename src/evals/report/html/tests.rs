//! The page, the Markdown and the XML of a made-up report.

use super::chart::ticks;
use super::*;
use crate::evals::report::tests::contest;
use crate::evals::report::words::{Finding, Tone};

const NASTY: &str = "<script>alert('x')</script>\"&]]>\u{1}|`";

/// Tags that are opened and closed, read without a parser: attributes are quoted and hold no `<`.
fn balanced(text: &str) -> Result<(), String> {
    const EMPTY: [&str; 7] = ["meta", "line", "rect/", "circle/", "polyline", "path", "br"];
    let mut open: Vec<String> = vec![];
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let end = rest[at..].find('>').ok_or("a tag does not end")? + at;
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        let name: String = tag.chars().take_while(|it| it.is_alphanumeric() || *it == '/').collect();
        if tag.starts_with(['!', '?']) || tag.ends_with('/') || EMPTY.contains(&name.as_str()) {
            continue;
        }
        match name.strip_prefix('/') {
            None => open.push(name),
            Some(name) => match open.pop() {
                Some(opened) if opened == name => {}
                opened => return Err(format!("</{name}> closes {opened:?}")),
            },
        }
    }
    if open.is_empty() { Ok(()) } else { Err(format!("left open: {open:?}")) }
}

#[test]
fn f20_names_are_text_in_every_form() {
    let mut report = contest();
    report.suite.name = NASTY.into();
    for subject in &mut report.subjects {
        subject.name = NASTY.into();
        subject.by_task[0].name = NASTY.into();
    }
    for curve in &mut report.curves {
        curve.name = NASTY.into();
    }
    for latency in &mut report.latency {
        latency.subject = NASTY.into();
    }
    report.findings = vec![Finding { tone: Tone::Good, text: NASTY.into() }];
    report.remote.as_mut().unwrap().model = Some(NASTY.into());
    let page = page(NASTY, std::slice::from_ref(&report));
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;"));
    assert_eq!(balanced(&page), Ok(()));
    let junit = report.junit(&[NASTY.to_owned()]);
    assert!(!junit.contains("<script") && !junit.contains('\u{1}') && !junit.contains("]]>"));
    assert_eq!(balanced(&junit), Ok(()));
    let markdown = report.markdown();
    assert!(!markdown.contains("<script") && markdown.contains("\\|\\`"));
}

#[test]
fn the_page_needs_nothing_else() {
    let page = page("tiny", &[contest()]);
    for outside in ["http:", "https:", "//", "src=", "@import", "url(", "<link", "<script", "<img", "<iframe"]
    {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("default-src 'none'"));
    assert_eq!(balanced(&page), Ok(()));
    for shown in ["Quality over spend", "Is the score honest?", "Quality by task", "How long answers took"] {
        assert!(page.contains(shown), "{shown}");
    }
    assert!(page.contains("an upper bound, not a model"));
    assert!(!page.contains("NaN") && !page.contains("inf"), "a picture has no place for what is no number");
    assert!(!page.contains("canary"), "no answers");
}

#[test]
fn several_reports_get_a_list_of_them() {
    let page = page("two", &[contest(), contest()]);
    assert!(page.contains("href=\"#s1\"") && page.contains("id=\"s1\""));
    assert_eq!(balanced(&page), Ok(()));
}

#[test]
fn a_report_without_tiers_is_a_page_too() {
    let page = page("few", &[crate::evals::report::tests::report_of(&[Some(1.0), None], 3)]);
    assert!(page.contains("stopped early: 2 of 3 rows") && !page.contains("Quality over"));
    assert_eq!(balanced(&page), Ok(()));
}

#[test]
fn junit_counts_its_cases() {
    let junit = contest().junit(&["judged is worse".to_owned()]);
    assert!(junit.contains(r#"<testsuites tests="3" failures="1" errors="0" skipped="0">"#), "{junit}");
    assert_eq!(junit.matches("<testcase").count(), 3);
    assert_eq!(junit.matches("<failure").count(), 1);
}

#[test]
fn markdown_is_snapshotted() {
    insta::assert_snapshot!(contest().markdown());
}

#[test]
fn ticks_are_round_and_inside() {
    assert_eq!(ticks(0.0, 1.0, 5), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
    assert_eq!(ticks(0.43, 0.58, 5), [0.45, 0.5, 0.55]);
    assert_eq!(ticks(1.0, 1.0, 5), [1.0]);
}
