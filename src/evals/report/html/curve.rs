//! The cost-quality curve: what every ranking makes of every spend, and where the policies stand on it.

use super::chart::{Margins, Plot, key, percent, sample_line, short, ticks};
use crate::evals::report::figures::CurveReport;
use crate::evals::report::form::{Kind, Report, SubjectReport};

const SIZE: (f64, f64) = (560.0, 420.0);
const MARGINS: Margins = Margins { left: 64.0, right: 18.0, top: 14.0, bottom: 88.0 };

/// Empty where there are not two tiers.
pub(super) fn draw(report: &Report) -> String {
    let Some(first) = report.curves.first() else { return String::new() };
    let (x_name, money) = match first.by_cost {
        true => ("spend, from always-local to always-remote", "spend"),
        false => ("share of requests sent to the remote tier", "share sent out"),
    };
    let points = report.curves.iter().flat_map(|curve| &curve.points);
    let (mut lo, mut hi) = (f64::INFINITY, f64::NEG_INFINITY);
    for point in points {
        (lo, hi) = (lo.min(point.quality), hi.max(point.quality));
    }
    for ci in judged(report).filter_map(|subject| subject.ci) {
        (lo, hi) = (lo.min(ci[0]), hi.max(ci[1]));
    }
    let room = ((hi - lo) * 0.06).max(0.01);
    let mut plot = Plot::new(SIZE, MARGINS, (-0.02, 1.03), ((lo - room).max(-0.01), (hi + room).min(1.02)));
    let shares = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0];
    plot.axes((x_name, &shares), ("quality", &ticks((lo - room).max(0.0), (hi + room).min(1.0), 6)), percent);
    let mut entries = vec![];
    // Rivals below, judged on top.
    for curve in report.curves.iter().rev() {
        let (class, dashes) = style(curve, &report.curves);
        let line = curve.points.iter().map(|point| (point.spend, point.quality));
        plot.path(&format!("line {class}"), dashes, line);
        entries.push((sample_line(class, dashes), curve.name.clone()));
    }
    entries.reverse();
    let mut marked: Vec<(f64, f64)> = vec![];
    for subject in judged(report) {
        if let Some(at) = mark(&mut plot, subject) {
            // A name that would stand on another's goes below its mark.
            let crowded = marked.iter().any(|it| (it.0 - at.0).abs() < 0.2 && (it.1 - at.1).abs() < 0.06);
            let right = at.0 > 0.7;
            let shift = (if right { -10.0 } else { 10.0 }, if crowded { 18.0 } else { -10.0 });
            plot.text(if right { "over end" } else { "over" }, at, shift, &short(&subject.name, 28));
            marked.push(at);
        }
    }
    tiers(&mut plot, report);
    let (_, height) = SIZE;
    plot.raw(&key(&entries, MARGINS.left, height - 36.0, SIZE.0 - MARGINS.left));
    let said: Vec<String> =
        report.curves.iter().filter_map(|it| Some(format!("{}: APGR {:.3}", it.name, it.apgr?))).collect();
    plot.figure(
        &format!("Quality over {money}"),
        "Up and left is better. Thick: the classifier's ranking; dots: where policies stand, with their intervals.",
        &said.join("; "),
    )
}

fn judged(report: &Report) -> impl Iterator<Item = &SubjectReport> {
    report.subjects.iter().filter(|subject| subject.kind == Kind::Judged)
}

/// Colours differ, and so do the dashes, for those who do not see the colours.
fn style(curve: &CurveReport, all: &[CurveReport]) -> (&'static str, &'static str) {
    let first = all.iter().find(|it| it.judged).is_some_and(|it| it.name == curve.name);
    match curve.name.as_str() {
        _ if curve.judged && first => ("strong c-own", ""),
        _ if curve.judged => ("strong c-own2", "12 3"),
        "length-rule" => ("c-length", "7 4"),
        "task-mean" => ("c-task", "2 3"),
        "random" => ("c-random", "1 4"),
        _ => ("c-oracle", "10 3 2 3"),
    }
}

fn mark(plot: &mut Plot, subject: &SubjectReport) -> Option<(f64, f64)> {
    let point = subject.point?;
    let at = (point.spend, point.quality);
    if let Some([lo, hi]) = subject.ci {
        plot.line("whisker", (at.0, lo), (at.0, hi));
    }
    let said = format!("{}: quality {:.3} at {} of the spend", subject.name, at.1, percent(at.0));
    plot.circle("f-own halo", at, 6.5, &said);
    Some(at)
}

/// Both ends of every curve.
fn tiers(plot: &mut Plot, report: &Report) {
    let ends = report.curves.first().and_then(|curve| Some((curve.points.first()?, curve.points.last()?)));
    let Some((local, remote)) = ends else { return };
    let name = report.remote.as_ref().map_or("remote", |remote| &remote.name);
    let is_local =
        |it: &&SubjectReport| it.kind == Kind::Tier && it.point.is_some_and(|it| it.remote_share == 0.0);
    let own = report.subjects.iter().find(is_local).map_or("always-local", |it| it.name.as_str());
    plot.circle("f-local halo", (local.spend, local.quality), 5.0, own);
    plot.text("soft over", (local.spend, local.quality), (9.0, 16.0), &short(own, 34));
    plot.circle("f-remote halo", (remote.spend, remote.quality), 5.0, name);
    plot.text("soft over end", (remote.spend, remote.quality), (-4.0, -10.0), &short(name, 34));
}
