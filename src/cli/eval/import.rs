//! `crossover eval import`: turns a golden set of another tool into a suite folder, so that what was mapped how can be
//! read and changed before anything is asked.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::say::say;
use crate::evals::{Import, ImportOptions, Scorer as _};

/// Arguments of `crossover eval import`.
#[derive(clap::Args)]
pub(super) struct ImportArgs {
    /// OpenAI evals' samples (.jsonl), or promptfoo's configuration (.yaml)
    file: PathBuf,
    /// The suite's folder; it must not exist yet, or be empty
    #[arg(long)]
    out: PathBuf,
    /// The suite's name [default: the file's]
    #[arg(long)]
    name: Option<String>,
    /// The task of every row, for slices of the report [default: imported]
    #[arg(long)]
    task: Option<String>,
    /// The licence of the rows [default: unstated]
    #[arg(long)]
    licence: Option<String>,
    /// Most tokens of an answer [default: what the registry says, else 256]
    #[arg(long)]
    max_tokens: Option<u32>,
    /// How OpenAI evals grades the rows: Match, Includes, FuzzyMatch or JsonMatch
    #[arg(long, conflicts_with = "registry")]
    class: Option<String>,
    /// The OpenAI evals registry file (.yaml) that says how
    #[arg(long)]
    registry: Option<PathBuf>,
}

/// Reads, maps, writes, and says what was mapped to something a little different.
pub(super) fn import(args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let options = ImportOptions {
        name: args.name.clone(),
        task: args.task.clone(),
        licence: args.licence.clone(),
        max_tokens: args.max_tokens,
        class: args.class.clone(),
        registry: args.registry.clone(),
    };
    let import = Import::read(&args.file, &options)?;
    let suite = import.write(&args.out)?;
    let asking = suite.samples.iter().filter(|sample| sample.scorer.asks_a_model()).count();
    let silent = suite.samples.iter().filter(|sample| sample.scorer.gold(&sample.expected).is_none()).count();
    say(&format!("{}: {} rows\n", args.out.display(), suite.samples.len()))?;
    for note in &import.notes {
        say(&format!("note: {note}\n"))?;
    }
    if asking > 0 {
        say(&format!("note: {asking} rows ask a judge or an embedder, which `eval run` must be given\n"))?;
    }
    if silent > 0 {
        say(&format!(
            "note: {silent} rows hold no right answer, so the gold oracle has none: use --ask-remote\n"
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
