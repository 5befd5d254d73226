//! `crossover models pull`: gets a model from a hub, with a bar where a person watches.
//! Promises: Ctrl-C leaves what has arrived, and the same command goes on from there.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use indicatif::{ProgressBar, ProgressStyle};

use super::inventory::{EMBEDDING, kind_of};
use super::size;
use crate::cli::say::say;
use crate::config::Paths;
use crate::hub::{Catalogue, Event, Hub, Record, Reference, Store, Wanted, Watch, name_of, pull};
use crate::onnx::Manifest;

/// What `--help` says of the environment.
pub(super) const ENVIRONMENT: &str = "Environment:\n  \
    HF_ENDPOINT     the hub's URL [default: https://huggingface.co]\n  \
    HF_TOKEN        for gated and private repositories; sent to the hub's own address only\n  \
    HF_HUB_OFFLINE  1: fetch nothing; succeed only for models that are here whole";

/// What a shell reports of a command that was interrupted.
const INTERRUPTED: u8 = 130;

/// Arguments of `crossover models pull`.
#[derive(clap::Args)]
pub(super) struct Args {
    /// A name of the catalogue, or organisation/repository or organisation/repository@revision
    model: String,
    /// Files to take, such as onnx/model_q4.onnx; `*` stands for anything within a folder; may be repeated [default: the
    /// usual graph]. Tokenizer and configuration come along
    #[arg(long = "file", value_name = "PATTERN")]
    files: Vec<String>,
    /// The repository's folder that becomes the model's
    #[arg(long, value_name = "FOLDER")]
    folder: Option<String>,
    /// The name to keep it under [default: the catalogue's, else the repository's]
    #[arg(long)]
    name: Option<String>,
}

pub(super) fn run(args: &Args, paths: &Paths) -> anyhow::Result<ExitCode> {
    let wanted = wanted(args)?;
    let ships = Manifest::read(&paths.models)?.get(&wanted.name).is_some()
        || paths.models.join(&wanted.name).is_dir();
    anyhow::ensure!(
        !ships,
        "{}: already has a model `{}`; choose another name with --name",
        paths.models.display(),
        wanted.name
    );
    let meter = Arc::new(Meter::new());
    let watch: Watch = {
        let meter = Arc::clone(&meter);
        Arc::new(move |event| meter.tell(event))
    };
    let hub = Hub::from_environment(watch)?;
    let store = Store::new(&paths.pulled());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        tokio::select! {
            pulled = pull(&hub, &store, &wanted) => Some(pulled),
            _ = tokio::signal::ctrl_c() => None,
        }
    });
    meter.end();
    let pulled = match ended {
        None => {
            eprintln!("Interrupted. What has arrived is kept: run the same command again to go on.");
            return Ok(ExitCode::from(INTERRUPTED));
        }
        Some(Ok(pulled)) => pulled,
        Some(Err(error)) => return Err(error.into()),
    };
    let standing = if pulled.already { "is here already" } else { "is here" };
    say(&format!("{} {standing}: {}\n", wanted.name, words(&pulled.record)))?;
    let embeds = pulled.embeds || kind_of(&store.path(&wanted.name)) == EMBEDDING;
    let section = if embeds { "[embeddings]\n  enabled = true" } else { "[local]" };
    say(&format!("Use it with\n\n  {section}\n  model = \"{}\"\n", wanted.name))?;
    Ok(ExitCode::SUCCESS)
}

fn wanted(args: &Args) -> anyhow::Result<Wanted> {
    let mut wanted = if args.model.contains('/') {
        let reference = Reference::parse(&args.model)?;
        let name = reference.repository.split('/').next_back().unwrap_or_default().to_owned();
        Wanted { name, reference, folder: String::new(), files: vec![], licence: None }
    } else {
        let catalogue = Catalogue::shipped()?;
        let Some(entry) = catalogue.get(&args.model) else {
            let names: Vec<&str> = catalogue.entries.iter().map(|entry| entry.name.as_str()).collect();
            anyhow::bail!(
                "`{}` is not in the catalogue; known: {}; or say organisation/repository",
                args.model,
                names.join(", ")
            );
        };
        entry.wanted()?
    };
    if !args.files.is_empty() {
        wanted.files.clone_from(&args.files);
    }
    if let Some(folder) = &args.folder {
        wanted.folder.clone_from(folder);
    }
    if let Some(name) = &args.name {
        wanted.name.clone_from(name);
    }
    wanted.name = name_of(&wanted.name)?;
    Ok(wanted)
}

fn words(record: &Record) -> String {
    let licence = record.licence.as_deref().unwrap_or("unknown");
    let (files, commit) = (record.files.len(), record.commit.get(..12).unwrap_or_default());
    format!("{} at {commit}, {files} files, {}, licence {licence}", record.repository, size(record.size()))
}

/// A bar where a person watches, else a line for each file.
struct Meter {
    bar: Option<ProgressBar>,
    /// Bytes here; below 0 only between two reports.
    here: AtomicI64,
}

impl Meter {
    fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(ProgressBar::no_length);
        Self { bar, here: AtomicI64::new(0) }
    }

    fn tell(&self, event: Event<'_>) {
        match (event, &self.bar) {
            (Event::Planned { total, here, .. }, Some(bar)) => {
                self.here.store(i64::try_from(here).unwrap_or(i64::MAX), Relaxed);
                let template = "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} (eta {eta}) {msg}";
                if let Ok(style) = ProgressStyle::with_template(template) {
                    bar.set_style(style);
                }
                bar.set_length(total);
                bar.set_position(here);
                bar.reset_eta();
            }
            (Event::Planned { total, here, files }, None) => {
                let kept =
                    if here > 0 { format!(", {} of them here already", size(here)) } else { String::new() };
                eprintln!("{files} files, {}{kept}", size(total));
            }
            (Event::File { path }, Some(bar)) => bar.set_message(path.to_owned()),
            (Event::File { path }, None) => eprintln!("{path}"),
            (Event::Bytes(more), Some(bar)) => {
                let here = self.here.fetch_add(more, Relaxed) + more;
                bar.set_position(u64::try_from(here).unwrap_or(0));
            }
            (Event::Bytes(_), None) => {}
            (Event::Waiting { why, pause }, Some(bar)) => {
                bar.suspend(|| eprintln!("{why}; trying again in {:.1} s", pause.as_secs_f64()));
            }
            (Event::Waiting { why, pause }, None) => {
                eprintln!("{why}; trying again in {:.1} s", pause.as_secs_f64());
            }
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
