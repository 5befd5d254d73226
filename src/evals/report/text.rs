//! The report as aligned text for a terminal.

use std::fmt::{self, Write as _};

use super::{GradingReport, Kind, RemoteTier, Report, SubjectReport, slices::Slice};
use crate::chat::Micros;

/// Where a value is not known.
const UNKNOWN: &str = "-";
/// Where a price is not known; loud, because it is not 0.
const UNPRICED: &str = "unknown";

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = &self.hashes.suite[..self.hashes.suite.len().min(12)];
        writeln!(
            f,
            "{} {} ({hash}), {} of {} rows",
            self.suite.name, self.suite.version, self.done, self.of
        )?;
        if self.done < self.of {
            writeln!(f, "STOPPED EARLY: the figures hold for these {} rows only", self.done)?;
        }
        if let Some(remote) = &self.remote {
            writeln!(f, "remote tier: {remote}")?;
        }
        writeln!(f)?;
        subjects(&self.subjects).fmt(f)?;
        if !self.curves.is_empty() {
            writeln!(f)?;
            rankings(self).fmt(f)?;
        }
        if !self.versus.is_empty() {
            writeln!(f)?;
            versus(self).fmt(f)?;
        }
        writeln!(f)?;
        sliced("backend", &self.subjects, |subject| &subject.by_backend).fmt(f)?;
        writeln!(f)?;
        sliced("task", &self.subjects, |subject| &subject.by_task).fmt(f)?;
        for subject in &self.subjects {
            if let Some(note) = subject.note {
                writeln!(f, "{}: {note}", subject.name)?;
            }
        }
        for reliability in &self.reliability {
            let (subject, n, ece) = (&reliability.subject, reliability.n, reliability.ece);
            writeln!(f, "{subject}: expected calibration error of the score {ece:.3} on {n} rows")?;
        }
        if let Some(grading) = &self.grading {
            writeln!(f, "{grading}")?;
        }
        if !self.findings.is_empty() {
            writeln!(f)?;
        }
        for finding in &self.findings {
            writeln!(f, "- {}", finding.text)?;
        }
        writeln!(f, "\nintervals are 95 %; latency counts measured answers only; apgr: random is 0.5")
    }
}

fn subjects(all: &[SubjectReport]) -> Grid {
    let mut grid = Grid::new(&[
        "subject",
        "quality",
        "95 %",
        "n",
        "unscored",
        "local",
        "cost",
        "first p50",
        "p50",
        "p95",
    ]);
    for subject in all {
        grid.row([
            subject.name.clone(),
            number(subject.quality),
            interval(subject.ci),
            subject.n.to_string(),
            subject.unscored.to_string(),
            share(subject.local_share),
            dollars(subject.cost_micros),
            ms(subject.ttft_ms_p50),
            ms(subject.total_ms_p50),
            ms(subject.total_ms_p95),
        ]);
    }
    grid
}

/// What costs nothing to rank by stands beside the score.
fn rankings(report: &Report) -> Grid {
    let mut grid = Grid::new(&["ranking", "apgr", "cpt(50)", "cpt(80)", "area"]);
    for curve in &report.curves {
        let (half, most) = (share(curve.cpt50), share(curve.cpt80));
        grid.row([curve.name.clone(), number(curve.apgr), half, most, number(Some(curve.area))]);
    }
    grid
}

fn share(share: Option<f64>) -> String {
    share.map_or(UNKNOWN.to_owned(), |share| format!("{:.0} %", share * 100.0))
}

fn versus(report: &Report) -> Grid {
    let mut grid = Grid::new(&["judged", "against", "difference", "95 %", "n", "p", ""]);
    for versus in &report.versus {
        let verdict = match versus.ci {
            [lo, _] if lo > 0.0 => "better",
            [_, hi] if hi < 0.0 => "WORSE",
            _ => "no clear difference",
        };
        let [lo, hi] = versus.ci;
        grid.row([
            versus.subject.clone(),
            versus.rival.clone(),
            format!("{:+.3}", versus.difference),
            format!("[{lo:+.3}, {hi:+.3}]"),
            versus.n.to_string(),
            number(versus.p),
            verdict.to_owned(),
        ]);
    }
    grid
}

/// Slices of what was asked; rivals are mixtures of the tiers' rows and would only repeat them.
fn sliced<'a>(by: &str, all: &'a [SubjectReport], of: impl Fn(&'a SubjectReport) -> &'a Vec<Slice>) -> Grid {
    let mut grid = Grid::new(&["subject", by, "quality", "95 %", "n", "cost", "p50"]);
    for subject in all.iter().filter(|subject| subject.kind != Kind::Rival) {
        for slice in of(subject) {
            grid.row([
                subject.name.clone(),
                slice.name.clone(),
                number(Some(slice.quality)),
                interval(slice.ci),
                format!("{:.0}", slice.n),
                dollars(slice.cost_micros),
                ms(slice.total_ms_p50),
            ]);
        }
    }
    grid
}

impl fmt::Display for GradingReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked, failed, tokens, cost_micros, total_ms } = self;
        let (cost, time) = (dollars(cost_micros.map(|cost| cost.0)), ms(Some(*total_ms)));
        write!(
            f,
            "judges: {asked} questions, {failed} failed, {tokens} tokens, {cost}, {time}; in nobody's cost"
        )
    }
}

impl fmt::Display for RemoteTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(model) = &self.model {
            write!(f, " ({model})")?;
        }
        if self.upper_bound {
            write!(f, ", the expected answer itself: an upper bound, not a model")?;
        }
        match &self.prices_of {
            Some(model) => write!(f, "; at the prices of {model}"),
            None => write!(f, "; at a price that is not known"),
        }
    }
}

pub(super) fn number(value: Option<f64>) -> String {
    value.map_or(UNKNOWN.to_owned(), |value| format!("{value:.3}"))
}

pub(super) fn interval(ci: Option<[f64; 2]>) -> String {
    ci.map_or(UNKNOWN.to_owned(), |[lo, hi]| format!("[{lo:.3}, {hi:.3}]"))
}

pub(super) fn dollars(micros: Option<i64>) -> String {
    micros.map_or(UNPRICED.to_owned(), |micros| Micros(micros).to_string())
}

pub(super) fn ms(time: Option<f64>) -> String {
    match time {
        None => UNKNOWN.to_owned(),
        Some(time) if time < 10.0 => format!("{time:.1} ms"),
        Some(time) if time < 10_000.0 => format!("{time:.0} ms"),
        Some(time) => format!("{:.1} s", time / 1e3),
    }
}

/// Columns as wide as their widest cell: names to the left, figures to the right.
struct Grid {
    rows: Vec<Vec<String>>,
}

impl Grid {
    fn new(headers: &[&str]) -> Self {
        Self { rows: vec![headers.iter().map(|&header| header.to_owned()).collect()] }
    }

    fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }
}

impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.first().map_or(0, Vec::len);
        let wide = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(wide).collect();
        let words = |column: usize| {
            let mut cells = self.rows.iter().skip(1).map(|row| &row[column]);
            cells.all(|cell| cell.starts_with(char::is_alphabetic) && cell != UNPRICED)
        };
        let left: Vec<bool> = (0..columns).map(|column| column == 0 || words(column)).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                match left[column] {
                    true => write!(line, "{cell:<width$}  ")?,
                    false => write!(line, "{cell:>width$}  ")?,
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
