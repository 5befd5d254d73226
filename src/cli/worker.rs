//! `crossover worker`: the local model in a process of its own. Only `crossover serve` starts it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::backends::local;
use crate::config::{LogConfig, LogFormat};
use crate::telemetry;

/// Arguments of `crossover worker`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The model's folder, for whoever looks at the list of processes; the gateway sends it with its settings
    #[arg(long)]
    model: PathBuf,
    /// What is logged
    #[arg(long, default_value = "info")]
    log_level: String,
    /// `text` or `json`
    #[arg(long, default_value = "text")]
    log_format: String,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let format = if args.log_format == "json" { LogFormat::Json } else { LogFormat::Text };
    telemetry::init(&LogConfig { level: args.log_level.clone(), format })?;
    local::serve_gateway().with_context(|| format!("the worker for {}", args.model.display()))?;
    Ok(ExitCode::SUCCESS)
}
