//! `crossover eval robustness`: does the classifier decide alike when only the wording changes? Asks no model.
//! Exit codes: 0 good, 1 too many decisions flip, 2 it could not run.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use super::files::write;
use crate::cli::Context;
use crate::cli::say::say;
use crate::cli::table::Table;
use crate::evals::{RobustnessReport, measure_robustness, read_pairs, with_mechanical};
use crate::routing::{Classifier as _, OnnxClassifier, Signals, Standing};

/// Used where none is given.
const THRESHOLD: f32 = 0.5;

/// Arguments of `crossover eval robustness`.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Pairs of prompts that ask for the same: {"id","kind","original","changed"} a line
    #[arg(default_value = "evals/robustness/pairs.jsonl")]
    pairs: PathBuf,
    /// The score from which on a request stays local [default: the calibrated threshold, else 0.5]
    #[arg(long, value_parser = share)]
    threshold: Option<f64>,
    /// Fail when a larger share of any kind flips; slips of the pen are reported only
    #[arg(long, default_value = "0.10", value_parser = share)]
    max_flips: f64,
    /// Also write the figures as JSON
    #[arg(long)]
    out: Option<PathBuf>,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let (config, paths) = context.load()?;
    let pairs = with_mechanical(read_pairs(&args.pairs)?);
    let standing = Standing::look(&config, &paths)?;
    let head = match &standing {
        Standing::Valid(calibration) => calibration.head.clone(),
        Standing::Missing | Standing::Mismatch(..) | Standing::NoPromise(_) => None,
    };
    let classifier = OnnxClassifier::load(&paths.model(&config.classifier.model))?;
    let mut classifier = classifier.with_head(head)?;
    let (threshold, whence) = match (args.threshold, standing.threshold()) {
        (Some(given), _) => (given as f32, "as given"),
        (None, Some(calibrated)) => (calibrated, "calibrated"),
        (None, None) => (THRESHOLD, "assumed: none was given and no calibration steers"),
    };
    let report = measure_robustness(&pairs, threshold, |text| {
        let signals = Signals { text: text.to_owned(), ..Signals::default() };
        classifier.classify(&signals).map(|verdict| verdict.steering()).context("the classifier failed")
    })?;
    say(&told(&report, whence))?;
    if let Some(out) = &args.out {
        write(out, &serde_json::to_vec_pretty(&report)?)?;
    }
    let mut failed = false;
    for kind in report.failing(args.max_flips) {
        failed = true;
        say(&format!(
            "FAILED: {} of {} decisions flip under {} ({:.1} %), at most {:.1} % may\n",
            kind.flips,
            kind.n,
            kind.kind.label(),
            100.0 * kind.share,
            100.0 * args.max_flips
        ))?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A number between 0 and 1.
fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (0.0..=1.0).contains(&number) => Ok(number),
        _ => Err("must be a number between 0 and 1".to_owned()),
    }
}

fn told(report: &RobustnessReport, whence: &str) -> String {
    let mut text = format!(
        "threshold {:.3} ({whence}); {:.0} % of the original prompts stay local\n\n",
        report.threshold,
        100.0 * report.local_share
    );
    let mut table =
        Table::new(["change", "pairs", "flips", "share", "95 % interval", "mean change of score"]);
    for kind in &report.kinds {
        table = table.row([
            kind.kind.label().to_owned(),
            kind.n.to_string(),
            kind.flips.to_string(),
            format!("{:.1} %", 100.0 * kind.share),
            format!("{:.1} - {:.1} %", 100.0 * kind.interval.0, 100.0 * kind.interval.1),
            format!("{:.3}", kind.mean_change),
        ]);
    }
    let _ = writeln!(text, "{table}");
    let bars: Vec<String> = report.sweep.iter().map(|bar| format!("{bar:.2}")).collect();
    let mut heads = vec!["share that flips at"];
    heads.extend(bars.iter().map(String::as_str));
    let mut table = Table::new(heads);
    for kind in &report.kinds {
        let shares = kind.sweep.iter().map(|share| format!("{:.1} %", 100.0 * share));
        table = table.row(std::iter::once(kind.kind.label().to_owned()).chain(shares));
    }
    let _ = writeln!(text, "{table}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the shipped classifier only what any classifier of ours must hold is asserted; the whole report is printed.
    #[test]
    fn casing_and_blanks_do_not_flip_the_shipped_classifier() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let pairs = with_mechanical(read_pairs(&root.join("evals/robustness/pairs.jsonl")).unwrap());
        let mut classifier = OnnxClassifier::load(&root.join("models/classifier")).unwrap();
        let report = measure_robustness(&pairs, THRESHOLD, |text| -> anyhow::Result<f32> {
            let signals = Signals { text: text.to_owned(), ..Signals::default() };
            Ok(classifier.classify(&signals)?.local_ok)
        });
        let report = report.unwrap();
        println!("{}", told(&report, "assumed"));
        assert_eq!(report.kinds.len(), 5);
        for label in ["casing", "whitespace"] {
            let kind = report.kinds.iter().find(|kind| kind.kind.label() == label).unwrap();
            assert!(kind.share <= 0.1, "{label}: {} of {} flip", kind.flips, kind.n);
        }
        assert!((0.02..0.98).contains(&report.local_share), "nothing can flip: {}", report.local_share);
    }

    #[test]
    fn shares_lie_between_0_and_1() {
        assert_eq!(share("0.1"), Ok(0.1));
        for wrong in ["", "x", "1.1", "-0.1", "NaN"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }
}
