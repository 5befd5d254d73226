//! `crossover models`: what models there are, and getting, checking and removing them.
//! Promises: only `pull` talks to a hub and only `pull` and `rm` write; exit code 1 when a model that is here is missing
//! files or has altered ones.

mod files;
mod inventory;
mod list;
mod pull;
mod remove;
mod verify;

use std::process::ExitCode;

use super::Context;

/// Arguments of `crossover models`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(clap::Subcommand)]
enum Action {
    /// List models: those that ship, pulled ones, your own, and what the catalogue knows
    List(list::Args),
    /// Pull a model from a hub: a name of the catalogue, or organisation/repository or organisation/repository@revision
    #[command(after_help = pull::ENVIRONMENT)]
    Pull(pull::Args),
    /// Hash every file of the models that are here, and compare
    Verify(verify::Args),
    /// Remove pulled models
    Rm(remove::Args),
}

pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let (config, paths) = context.load()?;
    match &args.action {
        None => list::run(&list::Args::default(), &config, &paths),
        Some(Action::List(args)) => list::run(args, &config, &paths),
        Some(Action::Pull(args)) => pull::run(args, &paths),
        Some(Action::Verify(args)) => verify::run(args, &config, &paths),
        Some(Action::Rm(args)) => remove::run(args, &config, &paths),
    }
}

/// Bytes in the unit that leaves one to three digits before the point.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        assert_eq!(
            [999, 63_109, 4_244_480, 2_000_000_000].map(size),
            ["999 B", "63.1 kB", "4.2 MB", "2.0 GB"]
        );
    }
}
