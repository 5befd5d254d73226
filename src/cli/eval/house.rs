//! Where an eval run meets the rest of the house: the gateway, its prices, its ledger.

use anyhow::Context as _;

use crate::app::{EvalHouse, House, Store};
use crate::cli::Context;
use crate::config::{Config, ConfigError, Paths};
use crate::evals::{Gateway, Price};
use crate::ledger::{self, EvalRun, Prices};

/// How long a row waits for its verdict, in milliseconds: an eval is of policy and score, not of how busy this machine is.
const PATIENCE_MS: u64 = 60_000;

/// The gateway in this process, built from the configuration.
pub(in crate::cli) fn open_gateway(context: &Context) -> anyhow::Result<Box<dyn Gateway>> {
    let (config, paths) = context.load()?;
    open(config, &paths)
}

/// The same for its tiers alone, before which no early gate stands: a judge that no longer fits keeps nobody from the
/// calibration that it waits for.
pub(in crate::cli) fn open_tiers(context: &Context) -> anyhow::Result<Box<dyn Gateway>> {
    let (mut config, paths) = context.load()?;
    config.early_gate.enabled = false;
    open(config, &paths)
}

fn open(config: Config, paths: &Paths) -> anyhow::Result<Box<dyn Gateway>> {
    let house = House::open(patient(config), paths, Store::Memory)?;
    Ok(Box::new(EvalHouse::new(house, paths)))
}

/// The same settings where no client waits: no verdict is late.
pub(super) fn patient(mut config: Config) -> Config {
    config.classifier.deadline_ms = PATIENCE_MS;
    config
}

/// The remote model's prices, for runs without a gateway in this process.
pub(in crate::cli) fn remote_price(context: &Context) -> anyhow::Result<Option<Price>> {
    let (config, _) = context.load()?;
    price_of(&config.remote.model, context)
}

/// What the price list says of `model`; nothing where it does not know it.
pub(super) fn price_of(model: &str, context: &Context) -> anyhow::Result<Option<Price>> {
    let (config, _) = context.load()?;
    let prices =
        Prices::load(config.ledger.prices.as_deref()).map_err(|problems| ConfigError { problems })?;
    let name = model.to_owned();
    Ok(prices.knows(model).then(|| Price::new(model, move |usage| prices.cost(&name, usage))))
}

/// Hands the run to the table `eval_runs`.
pub(super) fn keep_runs(context: &Context, runs: &[EvalRun]) -> anyhow::Result<()> {
    let (config, paths) = context.load()?;
    let file = ledger::file(&config.ledger, &paths.state);
    ledger::insert_eval_runs(&file, runs)
        .with_context(|| format!("{}: the run was not recorded", file.display()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_row_waits_for_its_verdict_longer_than_any_client() {
        assert_eq!(patient(Config::default()).classifier.deadline(), Duration::from_secs(60));
    }
}
