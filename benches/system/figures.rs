//! Figures with their targets: written as JSON, printed as one table.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::machine::{self, Machine};

/// What a figure is held to.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
}

impl Target {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }
}

/// One number.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Figure {
    name: String,
    value: f64,
    unit: String,
    target: Option<Target>,
    met: Option<bool>,
}

/// What one part of the benchmark found.
#[derive(Deserialize, Serialize)]
pub(crate) struct Report {
    schema: u32,
    part: String,
    /// Seconds since 1970.
    at: u64,
    machine: Machine,
    figures: Vec<Figure>,
    /// What could not be measured, and why; what a figure includes.
    notes: Vec<String>,
    /// Single runs and the like.
    detail: Value,
}

impl Report {
    pub(crate) fn new(part: &str) -> Self {
        Self {
            schema: 1,
            part: part.to_owned(),
            at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            machine: machine::describe(),
            figures: vec![],
            notes: vec![],
            detail: Value::Null,
        }
    }

    /// Adds a number that has no target.
    pub(crate) fn add(&mut self, name: impl Into<String>, value: f64, unit: &str) {
        self.push(name.into(), value, unit, None);
    }

    /// Adds a number and what it is held to.
    pub(crate) fn hold(&mut self, name: impl Into<String>, value: f64, unit: &str, target: Target) {
        self.push(name.into(), value, unit, Some(target));
    }

    fn push(&mut self, name: String, value: f64, unit: &str, target: Option<Target>) {
        let met = target.map(|target| target.is_met(value));
        self.figures.push(Figure { name, value, unit: unit.to_owned(), target, met });
    }

    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    pub(crate) fn detail(&mut self, detail: Value) {
        self.detail = detail;
    }

    /// Prints it.
    pub(crate) fn show(&self) {
        print(self);
    }

    /// Writes `target/bench/PART.json`.
    pub(crate) fn write(&self) -> anyhow::Result<()> {
        let file = folder()?.join(format!("{}.json", self.part));
        let text = serde_json::to_string_pretty(self)?;
        fs::write(&file, text + "\n").with_context(|| file.display().to_string())?;
        println!("wrote {}", file.display());
        Ok(())
    }
}

/// `target/bench`, made where it is not there.
pub(crate) fn folder() -> anyhow::Result<PathBuf> {
    let folder = machine::root().join("target/bench");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    Ok(folder)
}

/// Prints every report that lies in `target/bench`.
pub(crate) fn print_all() -> anyhow::Result<()> {
    println!();
    for part in ["start", "relay", "decision", "decode", "batch"] {
        let file = folder()?.join(format!("{part}.json"));
        let Ok(text) = fs::read_to_string(&file) else {
            println!("{part}: not measured");
            continue;
        };
        let report: Report = serde_json::from_str(&text).with_context(|| file.display().to_string())?;
        print(&report);
    }
    Ok(())
}

fn print(report: &Report) {
    println!("{}: {}", report.part, report.machine);
    for figure in &report.figures {
        let target = match figure.target {
            Some(Target::AtMost(most)) => format!("<= {most}"),
            Some(Target::AtLeast(least)) => format!(">= {least}"),
            None => String::new(),
        };
        let verdict = match figure.met {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        let (name, unit, value) = (&figure.name, &figure.unit, shown(figure.value));
        println!("  {name:<58} {value:>10} {unit:<12} {target:<9} {verdict}");
    }
    for note in &report.notes {
        println!("  note: {note}");
    }
    println!();
}

fn shown(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

/// The middle value; 0 of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value below which `share` of all values lie; 0 of none.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
}

/// Millionths of a second.
pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
