//! The reliability diagram: whether local answers are as good as the classifier's score says.

use super::chart::{Margins, Plot, percent};
use crate::evals::report::figures::Reliability;
use crate::evals::report::form::Report;

const SIZE: (f64, f64) = (560.0, 420.0);
const MARGINS: Margins = Margins { left: 64.0, right: 18.0, top: 14.0, bottom: 88.0 };

/// One diagram for every score that differs; empty where there is none.
pub(super) fn draw(report: &Report) -> String {
    let mut drawn: Vec<&Reliability> = vec![];
    for it in &report.reliability {
        if !drawn.iter().any(|known| known.bins == it.bins) {
            drawn.push(it);
        }
    }
    drawn.into_iter().map(one).collect()
}

fn one(reliability: &Reliability) -> String {
    let mut plot = Plot::new(SIZE, MARGINS, (0.0, 1.0), (-0.02, 1.03));
    let shares = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0];
    plot.axes(("the classifier's score", &shares), ("what local answers were worth", &shares), percent);
    plot.path("line c-oracle", "6 4", [(0.0, 0.0), (1.0, 1.0)].into_iter());
    plot.text("soft end over", (0.9, 0.9), (-12.0, -4.0), "as good as said");
    let most = reliability.bins.iter().map(|bin| bin.n).max().unwrap_or(1).max(1) as f64;
    plot.path("line c-own", "", reliability.bins.iter().map(|bin| (bin.score, bin.outcome)));
    for bin in &reliability.bins {
        plot.line("whisker", (bin.score, bin.ci[0]), (bin.score, bin.ci[1]));
    }
    for bin in &reliability.bins {
        let said = format!("score {:.2}, worth {:.2}, {} rows", bin.score, bin.outcome, bin.n);
        plot.circle("f-own halo", (bin.score, bin.outcome), 4.0 + 7.0 * (bin.n as f64 / most).sqrt(), &said);
    }
    let said: Vec<String> = reliability
        .bins
        .iter()
        .map(|bin| format!("score {:.2}: {:.2} of {}", bin.score, bin.outcome, bin.n))
        .collect();
    let caption = format!(
        "{}: expected calibration error {:.3} on {} rows. Larger dots hold more rows; bars are 95 % intervals.",
        reliability.subject, reliability.ece, reliability.n
    );
    plot.figure("Is the score honest?", &caption, &said.join("; "))
}
