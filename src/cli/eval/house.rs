//! Where an eval run meets the rest of the house: the gateway, its prices, its ledger.

use anyhow::bail;

use crate::cli::Context;
use crate::evals::{EvalRun, Gateway, Price};

/// The gateway in this process, built from the configuration.
pub(super) fn open_gateway(_context: &Context) -> anyhow::Result<Box<dyn Gateway>> {
    // SEAM: `app::...` builds the house here and gives it as `evals::Gateway`.
    bail!("this build cannot drive a gateway in process: use --base-url or --recorded")
}

/// The remote model's prices, for runs without a gateway in this process.
pub(super) fn remote_price(_context: &Context) -> anyhow::Result<Option<Price>> {
    // SEAM: the ledger's price list for the configured remote model.
    Ok(None)
}

/// Hands the run to the table `eval_runs`.
pub(super) fn record(_context: &Context, _runs: &[EvalRun]) -> anyhow::Result<()> {
    // SEAM: `ledger::insert_eval_runs` takes rows of the same shape.
    Ok(())
}
