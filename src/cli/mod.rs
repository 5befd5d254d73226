//! The command line: one file per command. The only place that prints.
#![expect(clippy::print_stderr, reason = "a command's output is its purpose")]

mod calibrate;
mod check;
mod describe;
mod doctor;
mod eval;
mod ledger;
mod models;
mod replay;
mod route;
mod say;
mod serve;
mod table;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{Config, ConfigError, Paths};
use crate::telemetry;

/// Answers easy language-model requests with a small model in this process and sends hard ones to a frontier API.
#[derive(Parser)]
#[command(name = "crossover", version, about)]
struct Cli {
    #[command(flatten)]
    context: Context,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(clap::Args)]
pub(crate) struct Context {
    /// The configuration file [default: ./crossover.toml, else the one in the XDG configuration folder]
    #[arg(long, global = true, env = "CROSSOVER_CONFIG")]
    config: Option<PathBuf>,
    /// The state folder (ledger, calibrations, pulled models) [default: crossover below the XDG state folder]
    #[arg(long, global = true, env = "CROSSOVER_STATE")]
    state: Option<PathBuf>,
}

impl Context {
    /// The settings, and the folders they imply.
    pub(crate) fn load(&self) -> Result<(Config, Paths), ConfigError> {
        let config = crate::config::load(self.config.as_deref())?;
        let paths = Paths::resolve(&config, self.state.as_deref());
        Ok((config, paths))
    }
}

#[derive(Subcommand)]
enum Command {
    /// Serve the OpenAI API, metrics and health
    Serve(serve::Args),
    /// Check configuration, policies and models; lists every problem, binds nothing
    Check(check::Args),
    /// Explain where a prompt would go, without calling anyone
    Route(route::Args),
    /// Run golden sets against a gateway and report quality, cost and latency
    Eval(eval::Args),
    /// Choose the threshold that lets the learned score steer, on a golden set, with a stated confidence
    #[command(after_help = calibrate::EXIT_CODES)]
    Calibrate(calibrate::Args),
    /// Report what requests cost and saved
    Ledger(ledger::Args),
    /// Decide logged requests again under another policy, threshold or calibration
    Replay(replay::Args),
    /// List, pull, verify and remove models
    Models(models::Args),
    /// Look at this machine and say what is missing and how to mend it
    Doctor(doctor::Args),
    /// Runs the local model for a gateway that started it
    #[command(hide = true)]
    Worker(worker::Args),
    /// Print a page of the reference, out of the code: settings, metrics, the API
    Describe(describe::Args),
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match &cli.command {
        Command::Serve(args) => serve::run(args, &cli.context),
        Command::Check(args) => check::run(args, &cli.context),
        Command::Route(args) => route::run(args, &cli.context),
        Command::Eval(args) => eval::run(args, &cli.context),
        Command::Calibrate(args) => calibrate::run(args, &cli.context),
        Command::Ledger(args) => ledger::run(args, &cli.context),
        Command::Replay(args) => replay::run(args, &cli.context),
        Command::Models(args) => models::run(args, &cli.context),
        Command::Doctor(args) => doctor::run(args, &cli.context),
        Command::Worker(args) => worker::run(args),
        Command::Describe(args) => describe::run(args),
    };
    result.unwrap_or_else(|error| {
        telemetry::say_error(&format!("{error:#}"));
        ExitCode::FAILURE
    })
}
