//! Where an eval run meets the rest of the house: the gateway, its prices, its ledger.

use anyhow::Context as _;

use crate::app::{EvalHouse, House, Store};
use crate::cli::Context;
use crate::evals::{Gateway, Price};
use crate::ledger::{self, EvalRun, Prices};

/// The gateway in this process, built from the configuration.
pub(in crate::cli) fn open_gateway(context: &Context) -> anyhow::Result<Box<dyn Gateway>> {
    let (config, paths) = context.load()?;
    let house = House::open(config, &paths, Store::Memory)?;
    Ok(Box::new(EvalHouse::new(house, &paths)))
}

/// The remote model's prices, for runs without a gateway in this process.
pub(in crate::cli) fn remote_price(context: &Context) -> anyhow::Result<Option<Price>> {
    let (config, _) = context.load()?;
    let prices = Prices::load(config.ledger.prices.as_deref())
        .map_err(|problems| crate::config::ConfigError { problems })?;
    let model = config.remote.model;
    let name = model.clone();
    Ok(prices.knows(&model).then(|| Price::new(name, move |usage| prices.cost(&model, usage))))
}

/// Hands the run to the table `eval_runs`.
pub(super) fn keep_runs(context: &Context, runs: &[EvalRun]) -> anyhow::Result<()> {
    let (config, paths) = context.load()?;
    let file = ledger::file(&config.ledger, &paths.state);
    ledger::insert_eval_runs(&file, runs)
        .with_context(|| format!("{}: the run was not recorded", file.display()))
}
