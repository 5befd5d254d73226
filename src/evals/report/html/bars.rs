//! Quality task by task: one bar a subject with its interval.

use std::fmt::Write as _;

use super::chart::{Margins, Plot, key, percent, sample_box, short};
use super::escape;
use crate::evals::report::form::{Kind, Report, SubjectReport};
use crate::evals::report::slices::Slice;

const WIDTH: f64 = 1080.0;
const BAR: f64 = 11.0;
/// More tasks than these are not drawn: the ones with most rows are.
const MOST_TASKS: usize = 30;
/// More subjects than these do not fit beside each other.
const MOST_SUBJECTS: usize = 4;

/// Empty where no subject has tasks.
pub(super) fn draw(report: &Report) -> String {
    let subjects: Vec<(&SubjectReport, &str)> = shown(report);
    let mut tasks: Vec<(&str, f64)> = vec![];
    for slice in subjects.iter().flat_map(|(subject, _)| &subject.by_task) {
        match tasks.iter_mut().find(|(name, _)| *name == slice.name) {
            Some((_, n)) => *n = n.max(slice.n),
            None => tasks.push((&slice.name, slice.n)),
        }
    }
    if tasks.is_empty() {
        return String::new();
    }
    let all = tasks.len();
    tasks.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
    tasks.truncate(MOST_TASKS);
    let block = BAR * subjects.len() as f64 + 12.0;
    let height = 34.0 + block * tasks.len() as f64 + 44.0;
    let margins = Margins { left: 190.0, right: 66.0, top: 30.0, bottom: 44.0 };
    let mut plot = Plot::new((WIDTH, height), margins, (0.0, 1.0), (0.0, 1.0));
    for tick in [0.0, 0.2, 0.4, 0.6, 0.8, 1.0] {
        plot.line("grid", (tick, 0.0), (tick, 1.0));
        plot.text("soft mid", (tick, 0.0), (0.0, 16.0), &percent(tick));
    }
    let entries: Vec<(String, String)> =
        subjects.iter().map(|(subject, fill)| (sample_box(fill), short(&subject.name, 40))).collect();
    plot.raw(&key(&entries, margins.left, 12.0, WIDTH - margins.left));
    for (place, (task, n)) in tasks.iter().enumerate() {
        let top = margins.top + 6.0 + block * place as f64;
        let middle = top + BAR * subjects.len() as f64 / 2.0;
        let label = format!(
            r#"<text class="end" x="{:.1}" y="{:.1}">{}</text><text class="soft" x="{:.1}" y="{:.1}">n = {n:.0}</text>"#,
            margins.left - 10.0,
            middle + 4.0,
            escape(&short(task, 26)),
            WIDTH - margins.right + 10.0,
            middle + 4.0
        );
        plot.raw(&label);
        for (at, (subject, fill)) in subjects.iter().enumerate() {
            if let Some(slice) = subject.by_task.iter().find(|slice| slice.name == *task) {
                let bar = bar(&plot, slice, fill, top + BAR * at as f64);
                plot.raw(&bar);
            }
        }
    }
    let left_out = if all > tasks.len() {
        format!(" The {} largest of {all} tasks.", tasks.len())
    } else {
        String::new()
    };
    let said: Vec<String> = subjects.iter().map(|(subject, _)| subject.name.clone()).collect();
    plot.figure(
        "Quality by task",
        &format!("Bars are means, lines 95 % intervals.{left_out}"),
        &format!("Quality by task of {}; the figures stand in the tables", said.join(", ")),
    )
}

/// Judged subjects first, then the tiers.
fn shown(report: &Report) -> Vec<(&SubjectReport, &'static str)> {
    let mut judged = ["f-own", "f-task", "f-length"].into_iter();
    report
        .subjects
        .iter()
        .filter_map(|subject| {
            let fill = match subject.kind {
                Kind::Rival => return None,
                Kind::Judged => judged.next()?,
                Kind::Tier if subject.by_backend.iter().any(|slice| slice.name == "remote") => "f-remote",
                Kind::Tier => "f-local",
            };
            Some((subject, fill))
        })
        .take(MOST_SUBJECTS)
        .collect()
}

fn bar(plot: &Plot, slice: &Slice, fill: &str, top: f64) -> String {
    let (left, right) = (plot.at_x(0.0), plot.at_x(slice.quality.clamp(0.0, 1.0)));
    let mut svg = format!(
        r#"<rect class="bar {fill}" x="{left:.1}" y="{top:.1}" width="{:.1}" height="{:.1}" rx="1.5"><title>{}: {:.3}</title></rect>"#,
        (right - left).max(1.0),
        BAR - 2.0,
        escape(&slice.name),
        slice.quality
    );
    if let Some([lo, hi]) = slice.ci {
        let middle = top + (BAR - 2.0) / 2.0;
        let (x1, x2) = (plot.at_x(lo), plot.at_x(hi));
        let _ = write!(
            svg,
            r#"<path class="whisker" d="M{x1:.1} {middle:.1}H{x2:.1}M{x1:.1} {:.1}v5M{x2:.1} {:.1}v5"/>"#,
            middle - 2.5,
            middle - 2.5
        );
    }
    svg
}
