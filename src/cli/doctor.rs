//! `crossover doctor`.

use std::process::ExitCode;

use super::Context;

/// Arguments of `crossover doctor`.
#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args, _context: &Context) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not written yet")
}
