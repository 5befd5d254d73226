//! `crossover models rm`: removes pulled models, after asking. Never touches what ships, nor folders of one's own.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use super::inventory::used;
use super::size;
use crate::cli::say::say;
use crate::config::{Config, Paths};
use crate::hub::{Store, name_of};
use crate::onnx::Manifest;

/// Arguments of `crossover models rm`.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The models to remove
    #[arg(required = true)]
    names: Vec<String>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub(super) fn run(args: &Args, config: &Config, paths: &Paths) -> anyhow::Result<ExitCode> {
    let store = Store::new(&paths.pulled());
    let manifest = Manifest::read(&paths.models)?;
    for name in &args.names {
        name_of(name)?;
        let ships = manifest.get(name).is_some() || paths.models.join(name).is_dir();
        let here = store.path(name).exists() || store.is_partial(name);
        anyhow::ensure!(here || !ships, "`{name}` ships with Crossover, or is your own: it is not removed");
        anyhow::ensure!(here, "`{name}` is no pulled model; `crossover models list` shows those that are");
    }
    for name in &args.names {
        let folder = store.path(name);
        let bytes = store.bytes(name);
        let used = used(&folder, config, paths);
        let used = if used.is_empty() { used } else { format!(", used by {used}") };
        if !args.yes && !agreed(&format!("Remove {name} ({}{used})?", size(bytes)))? {
            say(&format!("{name} stays.\n"))?;
            continue;
        }
        let lock = store.lock(name)?;
        let bytes = store.remove(name, &lock)?;
        say(&format!("{name} is removed: {} are free.\n", size(bytes)))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks on the terminal.
fn agreed(question: &str) -> anyhow::Result<bool> {
    anyhow::ensure!(
        std::io::stdin().is_terminal(),
        "nobody is there to ask; say --yes to remove without asking"
    );
    say(&format!("{question} [y/N] "))?;
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}
