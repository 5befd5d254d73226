//! `crossover eval`: records golden sets' answers, runs and grades them beside the trivial rivals, and holds a run
//! against a baseline.

mod early_gate;
pub(super) mod files;
mod gate;
pub(super) mod house;
mod import;
pub(super) mod judge;
mod output;
pub(super) mod progress;
mod record;
mod robustness;
mod run;
mod scores;

use std::process::ExitCode;

use super::Context;

/// What every subcommand ends with, and `--help` says.
const EXIT_CODES: &str = "\
Exit codes:
  0  good
  1  a gate failed: worse than the floor or the baseline
  2  it could not run, or was stopped
  3  there is no data to judge: no answers, too many unscored, or of another version";

/// Exit code of a gate that failed.
const REGRESSION: u8 = 1;
/// Exit code of a run that was no run.
const COULD_NOT_RUN: u8 = 2;
/// Exit code of a run that cannot be judged.
const NO_DATA: u8 = 3;

/// Arguments of `crossover eval`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
#[command(after_help = EXIT_CODES)]
enum Command {
    /// Run one golden set: in this process, over HTTP (--base-url) or on recorded answers (--recorded)
    #[command(after_help = EXIT_CODES)]
    Run(Box<run::RunArgs>),
    /// Ask the tiers every row of a golden set and keep their answers; goes on where it was stopped
    #[command(after_help = EXIT_CODES)]
    Record(record::RecordArgs),
    /// Hold golden sets against their baselines, on recorded answers or by asking again
    #[command(after_help = EXIT_CODES)]
    Gate(gate::GateArgs),
    /// Judge a classifier on recorded outcomes of real models, with rivals, by source and over all of them
    #[command(after_help = EXIT_CODES)]
    Scores(scores::ScoresArgs),
    /// Fit the early gate's judge on how local answers to a golden set begin; experimental
    EarlyGate(early_gate::Args),
    /// Turn a golden set of OpenAI evals or promptfoo into a suite folder
    Import(import::ImportArgs),
    /// Do decisions hold when only the wording changes? Asks no model
    Robustness(robustness::Args),
}

pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let result = match &args.command {
        Command::Run(args) => run::run(args, context),
        Command::Record(args) => record::run(args, context),
        Command::Gate(args) => gate::run(args, context),
        Command::Scores(args) => scores::run(args),
        Command::EarlyGate(args) => early_gate::run(args, context),
        Command::Import(args) => import::import(args),
        Command::Robustness(args) => robustness::run(args, context),
    };
    Ok(result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(COULD_NOT_RUN)
    }))
}

/// Ready at Ctrl-C; never where it cannot be listened for.
pub(super) async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
