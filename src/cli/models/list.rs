//! `crossover models list`: one line a model, its state, and which setting uses it. Talks to nobody.

use std::process::ExitCode;

use super::files::{self, State};
use super::inventory::{Model, Origin, models, used};
use super::size;
use crate::cli::say::say;
use crate::cli::table::Table;
use crate::config::{Config, Paths};
use crate::hub::{Catalogue, Record, Store};

/// Arguments of `crossover models list`.
#[derive(clap::Args, Default)]
pub(super) struct Args {
    /// Only what is here, without the catalogue
    #[arg(long)]
    installed: bool,
}

pub(super) fn run(args: &Args, config: &Config, paths: &Paths) -> anyhow::Result<ExitCode> {
    let found = models(paths)?;
    let mut table = Table::new(["MODEL", "FROM", "KIND", "LICENCE", "SIZE", "MEMORY", "STATE", "USED BY"]);
    let mut faults = vec![];
    for model in &found {
        let state = state(model)?;
        if state.is_fault() {
            faults.push(model);
        }
        table = table.row([
            model.name.clone(),
            model.from().to_owned(),
            model.kind(),
            model.licence(),
            size(model.bytes()),
            "-".to_owned(),
            state.to_string(),
            used(&model.folder, config, paths),
        ]);
    }
    if !args.installed {
        table = catalogue(table, &found, paths)?;
    }
    say(&table.to_string())?;
    if !args.installed {
        say(
            "\n`crossover models pull NAME` gets one of the catalogue. Its entries were checked with random weights of\n\
             their architecture, not with these files; MEMORY is an estimate.\n",
        )?;
    }
    for model in &faults {
        say(&format!("\n{}: {}\n", model.name, mend(model)))?;
    }
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What mends a model whose files are wrong.
pub(super) fn mend(model: &Model) -> String {
    match &model.origin {
        Origin::Shipped(_) => "run `git checkout models/` to restore the shipped model".to_owned(),
        Origin::Pulled(record) => format!(
            "`crossover models verify {}` lists its files; `crossover models pull {}@{} --name {}`, with the --folder and \
             --file of the first time, restores them",
            model.name, record.repository, record.commit, model.name
        ),
        Origin::Broken(why) => why.clone(),
        Origin::Own => "a folder of your own: nothing vouches for its files".to_owned(),
    }
}

/// The worst of a model's files. Those of pulled models are hashed only where they were touched.
fn state(model: &Model) -> anyhow::Result<State> {
    Ok(match &model.origin {
        Origin::Pulled(_) => match Record::check(&model.folder) {
            Ok(()) => State::Verified,
            Err(crate::hub::RecordError::Missing { .. }) => State::Missing,
            Err(_) => State::Altered,
        },
        Origin::Broken(_) => State::Altered,
        Origin::Own => State::Unlisted,
        Origin::Shipped(_) => {
            let rows = files::rows(model)?;
            let has = |state| rows.iter().any(|row| row.state == state);
            let worst = [State::Missing, State::Altered].into_iter().find(|state| has(*state));
            worst.unwrap_or(State::Verified)
        }
    })
}

/// What the catalogue knows and is not here, and what has begun to arrive from elsewhere.
fn catalogue(mut table: Table, found: &[Model], paths: &Paths) -> anyhow::Result<Table> {
    let store = Store::new(&paths.pulled());
    let catalogue = Catalogue::shipped()?;
    let is_here = |name: &str| found.iter().any(|model| model.name == name);
    for name in store.partial().into_iter().filter(|name| !is_here(name) && catalogue.get(name).is_none()) {
        let bytes = size(store.bytes(&name));
        let [from, kind, licence, memory, state] = ["pulled", "-", "unknown", "-", "partly pulled"];
        table = table.row([name.as_str(), from, kind, licence, bytes.as_str(), memory, state]);
    }
    for entry in catalogue.entries {
        if is_here(&entry.name) {
            continue;
        }
        let state = match store.is_partial(&entry.name) {
            true => "partly pulled",
            false if entry.gated => "not pulled, gated",
            false => "not pulled",
        };
        table = table.row([
            entry.name,
            "catalogue".to_owned(),
            "language".to_owned(),
            entry.licence,
            "-".to_owned(),
            format!("{:.1} GB", f64::from(entry.memory_mib) * 1.048_576 / 1000.0),
            state.to_owned(),
            String::new(),
        ]);
    }
    Ok(table)
}
