//! `crossover check`: every problem of configuration, policies and models that `serve` would refuse, at once. Binds nothing
//! and writes nothing but digests that it remembers beside models' files (`hub/stamp.rs`): whether ports are free and files
//! can be written, `doctor` says.

use std::process::ExitCode;

use super::Context;
use super::say::say;
use crate::app::{House, Store};
use crate::config::{ConfigError, Problem};
use crate::routing::Standing;
use crate::telemetry;

/// Arguments of `crossover check`.
#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let problems = match context.load() {
        Err(error) => error.problems,
        Ok((config, paths)) => {
            let log = telemetry::check(&config.log).err();
            let house = House::open(config, &paths, Store::Memory);
            let found = match &house {
                Ok(house) => lapsed(&house.calibration).into_iter().collect(),
                Err(error) => error.problems.clone(),
            };
            let problems: Vec<_> = log.into_iter().chain(found).collect();
            if let (true, Ok(house)) = (problems.is_empty(), house) {
                say("configuration, policies and models are in order\n")?;
                house.backends().iter().try_for_each(|line| say(&format!("  {line}\n")))?;
                say(&format!("  calibration {}\n", house.calibration.words()))?;
            }
            problems
        }
    };
    if problems.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("{}", ConfigError { problems });
    Ok(ExitCode::FAILURE)
}

/// `serve` runs on under `[uncalibrated]`, but whoever checks wants to know.
fn lapsed(standing: &Standing) -> Option<Problem> {
    matches!(standing, Standing::Mismatch(..))
        .then(|| Problem::key("classifier.calibration", standing.words()))
}
