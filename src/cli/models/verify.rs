//! `crossover models verify`: hashes every file of the models that are here, and says which are not what they were.

use std::process::ExitCode;

use super::files::{Row, rows, table};
use super::inventory::{Model, Origin, models, used};
use super::list::mend;
use crate::cli::say::say;
use crate::config::{Config, Paths};

/// Arguments of `crossover models verify`.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Models to verify [default: all that ship or were pulled]
    names: Vec<String>,
}

pub(super) fn run(args: &Args, config: &Config, paths: &Paths) -> anyhow::Result<ExitCode> {
    let found = models(paths)?;
    for name in &args.names {
        let known = found.iter().any(|model| model.name == *name);
        anyhow::ensure!(known, "`{name}` is no model here; `crossover models list` shows those that are");
    }
    let wanted = |model: &&Model| match args.names.is_empty() {
        true => !matches!(model.origin, Origin::Own),
        false => args.names.contains(&model.name),
    };
    let checked: Vec<(&Model, Vec<Row>)> =
        found.iter().filter(wanted).map(|model| Ok((model, rows(model)?))).collect::<anyhow::Result<_>>()?;
    say(&table(&checked).to_string())?;
    let is_bad = |(model, rows): &&(&Model, Vec<Row>)| {
        matches!(model.origin, Origin::Broken(_)) || rows.iter().any(|row| row.state.is_fault())
    };
    let bad: Vec<_> = checked.iter().filter(is_bad).collect();
    for (model, _) in &bad {
        let used = used(&model.folder, config, paths);
        let used = if used.is_empty() { used } else { format!(" (used by {used})") };
        say(&format!("\n{}{used}: {}\n", model.name, mend(model)))?;
    }
    Ok(if bad.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
