//! How long answers took: one histogram a subject over a common logarithmic axis, with the median and the 95th
//! percentile marked.

use std::fmt::Write as _;

use super::chart::{Margins, Plot, short};
use super::escape;
use crate::evals::report::figures::LatencyReport;
use crate::evals::report::form::Report;
use crate::evals::report::text::ms;

const WIDTH: f64 = 1080.0;
const STRIP: f64 = 64.0;

/// Empty where nothing was measured.
pub(super) fn draw(report: &Report) -> String {
    let Some(first) = report.latency.first() else { return String::new() };
    let margins = Margins { left: 190.0, right: 66.0, top: 8.0, bottom: 44.0 };
    let height = margins.top + margins.bottom + STRIP * report.latency.len() as f64;
    let axis = (first.from.ln(), first.to.ln());
    let mut plot = Plot::new((WIDTH, height), margins, axis, (0.0, 1.0));
    for tick in decades(first.from, first.to) {
        plot.line("grid", (tick.ln(), 0.0), (tick.ln(), 1.0));
        plot.text("soft mid", (tick.ln(), 0.0), (0.0, 16.0), &ms(Some(tick)));
    }
    plot.text("mid", (f64::midpoint(axis.0, axis.1), 0.0), (0.0, 36.0), "time to the end of the answer");
    for (place, latency) in report.latency.iter().enumerate() {
        let base = margins.top + STRIP * (place + 1) as f64;
        let strip = strip(&plot, latency, base, margins);
        plot.raw(&strip);
    }
    let said: Vec<String> = (report.latency.iter())
        .map(|it| format!("{}: median {}, 95 % within {}", it.subject, ms(Some(it.p50)), ms(Some(it.p95))))
        .collect();
    plot.figure(
        "How long answers took",
        "Measured answers only. Lines: the median and the 95th percentile.",
        &said.join("; "),
    )
}

fn strip(plot: &Plot, latency: &LatencyReport, base: f64, margins: Margins) -> String {
    let most = latency.bins.iter().copied().max().unwrap_or(1).max(1) as f64;
    let wide = (WIDTH - margins.left - margins.right) / latency.bins.len() as f64;
    let mut svg = String::new();
    for (at, count) in latency.bins.iter().enumerate().filter(|(_, count)| **count > 0) {
        let tall = (STRIP - 22.0) * (*count as f64 / most);
        let x = margins.left + wide * at as f64;
        let _ = write!(
            svg,
            r#"<rect class="f-soft c-own" x="{x:.1}" y="{:.1}" width="{:.1}" height="{tall:.1}"><title>{count} answers</title></rect>"#,
            base - tall,
            wide - 1.0
        );
    }
    for (time, name) in [(latency.p50, "p50"), (latency.p95, "p95")] {
        let x = plot.at_x(time.ln());
        let (class, shift) = if name == "p50" { ("end", -4.0) } else { ("", 4.0) };
        let _ = write!(
            svg,
            r#"<path class="whisker" d="M{x:.1} {base:.1}v-{:.1}"/><text class="{class}" x="{:.1}" y="{:.1}">{name} {}</text>"#,
            STRIP - 10.0,
            x + shift,
            base - STRIP + 19.0,
            escape(&ms(Some(time)))
        );
    }
    let _ = write!(
        svg,
        r#"<line class="axis" x1="{:.1}" y1="{base:.1}" x2="{:.1}" y2="{base:.1}"/><text class="end" x="{:.1}" y="{:.1}">{}</text><text class="soft" x="{:.1}" y="{:.1}">n = {}</text>"#,
        margins.left,
        WIDTH - margins.right,
        margins.left - 10.0,
        base - 16.0,
        escape(&short(&latency.subject, 26)),
        WIDTH - margins.right + 10.0,
        base - 16.0,
        latency.n
    );
    svg
}

/// 1, 2 and 5 of every power of ten inside the range; powers alone where that is too many.
fn decades(from: f64, to: f64) -> Vec<f64> {
    let (low, high) = (from.log10().floor() as i32, to.log10().ceil() as i32);
    let steps: &[f64] = if high - low > 3 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    (low..=high)
        .flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)))
        .filter(|tick| (from..=to).contains(tick))
        .collect()
}
