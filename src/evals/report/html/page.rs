//! The page around the pictures: head, findings, tables.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::{bars, curve, latency, reliability};
use crate::evals::report::form::{Kind, Report, SubjectReport};
use crate::evals::report::text::{dollars, interval, ms, number};
use crate::evals::report::words::Tone;

const STYLE: &str = include_str!("page.css");

/// One page for one report, or for several (sources of recorded scores) with a list of them on top.
pub fn page(title: &str, reports: &[Report]) -> String {
    let mut body = String::new();
    if reports.len() > 1 {
        contents(reports, &mut body);
    }
    for (index, report) in reports.iter().enumerate() {
        section(index, report, &mut body);
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        escape(title)
    )
}

/// A text that is only text, in HTML, SVG and XML alike. Letters that XML forbids are left out.
pub(in crate::evals::report) fn escape(text: &str) -> Cow<'_, str> {
    let plain = |letter: char| !matches!(letter, '&' | '<' | '>' | '"' | '\'') && legal(letter);
    if text.chars().all(plain) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for letter in text.chars().filter(|letter| legal(*letter)) {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    Cow::Owned(safe)
}

fn legal(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r' | ' '..)
        && !matches!(letter, '\u{fffe}' | '\u{ffff}' | '\u{7f}'..='\u{9f}')
}

fn contents(reports: &[Report], to: &mut String) {
    to.push_str("<nav><h1>Contents</h1><table><tr><th>set</th><th class=n>rows</th><th class=n>score's APGR</th><th class=n>best rival's</th></tr>");
    for (index, report) in reports.iter().enumerate() {
        let own = report.curves.iter().find(|curve| curve.judged).and_then(|curve| curve.apgr);
        let rivals = report.curves.iter().filter(|curve| !curve.judged && curve.name != "oracle");
        let best = rivals.filter_map(|curve| curve.apgr).fold(f64::NEG_INFINITY, f64::max);
        let best = best.is_finite().then_some(best);
        let name = escape(&report.suite.name);
        let _ = write!(
            to,
            "<tr><td><a href=\"#s{index}\">{name}</a></td><td class=n>{}</td><td class=n>{}</td><td class=n>{}</td></tr>",
            report.done,
            number(own),
            number(best)
        );
    }
    to.push_str("</table></nav>\n");
}

fn section(index: usize, report: &Report, to: &mut String) {
    let _ = writeln!(to, "<section id=\"s{index}\">");
    header(report, to);
    tiles(report, to);
    to.push_str("<div class=pair>\n");
    to.push_str(&curve::draw(report));
    to.push_str(&reliability::draw(report));
    to.push_str("</div>\n");
    findings(report, to);
    to.push_str(&bars::draw(report));
    to.push_str(&latency::draw(report));
    subjects(report, to);
    rankings(report, to);
    versus(report, to);
    holds_for(report, to);
    to.push_str("</section>\n");
}

fn header(report: &Report, to: &mut String) {
    let name = escape(&report.suite.name);
    let rows = match report.done < report.of {
        true => format!("<strong class=bad>stopped early: {} of {} rows</strong>", report.done, report.of),
        false => format!("{} rows", report.done),
    };
    let _ = write!(
        to,
        "<header><h1>{name} <small>{}</small></h1><p>{rows} · {}</p>",
        escape(&report.suite.version),
        escape(report.at.split('.').next().unwrap_or_default())
    );
    if let Some(remote) = &report.remote {
        let class = if remote.upper_bound { "remote bound" } else { "remote" };
        let _ = write!(to, "<p class=\"{class}\">Remote tier: {}.</p>", escape(&remote.to_string()));
    }
    to.push_str("</header>\n");
}

/// What most people came for, in large figures: one row a judged subject.
fn tiles(report: &Report, to: &mut String) {
    let quality = |name: &str| report.subjects.iter().find(|it| it.name == name).and_then(|it| it.quality);
    let remote = report.remote.as_ref().and_then(|remote| quality(&remote.name));
    for subject in report.subjects.iter().filter(|it| it.kind == Kind::Judged) {
        let tile = |label: &str, value: &str, below: &str| {
            format!(
                "<div class=tile><dt>{}</dt><dd>{}<small>{}</small></dd></div>",
                escape(label),
                escape(value),
                escape(below)
            )
        };
        let kept = match (remote, subject.quality) {
            (Some(remote), Some(own)) if remote > 0.0 => format!("{:.0} % of remote's", own / remote * 100.0),
            _ => String::new(),
        };
        let share = |share: Option<f64>| share.map_or("-".to_owned(), |it| format!("{:.0} %", it * 100.0));
        let money = report.curves.iter().any(|curve| curve.by_cost);
        let saved = subject.point.filter(|_| money).map(|point| share(Some(1.0 - point.spend)));
        let times =
            subject.total_ms_p50.map(|p50| format!("{} / {}", ms(Some(p50)), ms(subject.total_ms_p95)));
        let shown = [
            Some(tile("quality", &number(subject.quality), &kept)),
            Some(tile("answered locally", &share(subject.local_share), &format!("of {} rows", subject.n))),
            saved.map(|saved| tile("saved", &saved, "of always-remote's extra cost")),
            subject.apgr.map(|apgr| tile("APGR", &number(Some(apgr)), "random is 0.5")),
            times.map(|times| tile("p50 / p95", &times, "measured answers")),
        ];
        let shown: String = shown.into_iter().flatten().collect();
        let _ = writeln!(to, "<h2 class=who>{}</h2><dl class=tiles>{shown}</dl>", escape(&subject.name));
    }
}

fn findings(report: &Report, to: &mut String) {
    if report.findings.is_empty() {
        return;
    }
    to.push_str("<ul class=findings>");
    for finding in &report.findings {
        let class = match finding.tone {
            Tone::Good => "good",
            Tone::Bad => "bad",
            Tone::Open => "open",
        };
        let _ = write!(to, "<li class={class}>{}</li>", escape(&finding.text));
    }
    to.push_str("</ul>\n");
}

/// A table that starts closed on screens and is open on paper.
pub(super) fn details(summary: &str, head: &[&str], rows: &[Vec<String>]) -> String {
    let mut text =
        format!("<details><summary>{}</summary><div class=wide><table><thead><tr>", escape(summary));
    for cell in head {
        let _ = write!(text, "<th scope=col>{}</th>", escape(cell));
    }
    text.push_str("</tr></thead><tbody>");
    for row in rows {
        text.push_str("<tr>");
        for (at, cell) in row.iter().enumerate() {
            let class = if at == 0 || cell.starts_with(char::is_alphabetic) { "" } else { " class=n" };
            let _ = write!(text, "<td{class}>{}</td>", escape(cell));
        }
        text.push_str("</tr>");
    }
    text.push_str("</tbody></table></div></details>\n");
    text
}

fn subjects(report: &Report, to: &mut String) {
    let row = |it: &SubjectReport| {
        let share = it.local_share.map_or("-".to_owned(), |share| format!("{:.0} %", share * 100.0));
        vec![
            it.name.clone(),
            number(it.quality),
            interval(it.ci),
            it.n.to_string(),
            it.unscored.to_string(),
            share,
            dollars(it.cost_micros),
            ms(it.ttft_ms_p50),
            ms(it.total_ms_p50),
            ms(it.total_ms_p95),
        ]
    };
    let head = ["subject", "quality", "95 %", "n", "unscored", "local", "cost", "first p50", "p50", "p95"];
    let rows: Vec<Vec<String>> = report.subjects.iter().map(row).collect();
    to.push_str(&details("Everybody's figures", &head, &rows));
}

fn rankings(report: &Report, to: &mut String) {
    let share = |share: Option<f64>| share.map_or("-".to_owned(), |it| format!("{:.0} %", it * 100.0));
    let rows: Vec<Vec<String>> = (report.curves.iter())
        .map(|it| {
            vec![it.name.clone(), number(it.apgr), share(it.cpt50), share(it.cpt80), number(Some(it.area))]
        })
        .collect();
    if !rows.is_empty() {
        to.push_str(&details(
            "What rankings are worth",
            &["ranking", "APGR", "CPT(50)", "CPT(80)", "area"],
            &rows,
        ));
    }
}

fn versus(report: &Report, to: &mut String) {
    let mut rows = vec![];
    for it in &report.versus {
        let [lo, hi] = it.ci;
        let interval = format!("[{lo:+.3}, {hi:+.3}]");
        let (all, difference) = ("all".to_owned(), format!("{:+.3}", it.difference));
        rows.push(vec![
            it.subject.clone(),
            it.rival.clone(),
            all,
            difference,
            interval,
            it.n.to_string(),
            number(it.p),
            "-".into(),
        ]);
        for task in &it.tasks {
            let (name, difference) = (task.task.clone(), format!("{:+.3}", task.difference));
            rows.push(vec![
                it.subject.clone(),
                it.rival.clone(),
                name,
                difference,
                "-".to_owned(),
                task.n.to_string(),
                number(Some(task.p)),
                number(Some(task.p_holm)),
            ]);
        }
    }
    if !rows.is_empty() {
        let head = ["judged", "against", "task", "difference", "95 %", "n", "p", "p (Holm)"];
        to.push_str(&details("Row by row against tiers and rivals", &head, &rows));
    }
}

fn holds_for(report: &Report, to: &mut String) {
    let mut rows: Vec<Vec<String>> =
        report.hashes.named().map(|(name, hash)| vec![name, format!("sha256:{hash}")]).collect();
    rows.push(vec!["run".to_owned(), report.run_id.clone()]);
    rows.push(vec!["rows under way at once".to_owned(), report.concurrency.to_string()]);
    if let Some(grading) = &report.grading {
        rows.push(vec!["judges".to_owned(), grading.to_string()]);
    }
    let notes = report.subjects.iter().filter_map(|it| Some(vec![it.name.clone(), it.note?.to_owned()]));
    rows.extend(notes);
    to.push_str(&details("What the figures hold for", &["what", "which"], &rows));
    to.push_str(
        "<p class=foot>Intervals are 95 %. Latency counts measured answers only. Unscored rows count neither way. \
         Rivals are made from both tiers' answers: random draws lots at equal spend, length-rule keeps the shortest \
         prompts, task-mean the tasks that the local tier does well (fitted leave-one-out), oracle knows the scores.</p>\n",
    );
}
