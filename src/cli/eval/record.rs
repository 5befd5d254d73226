//! `crossover eval record`: keeps the tiers' answers to a golden set, so that policies, scorers and calibrations are
//! judged on them offline.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};

use super::house::{open_tiers, remote_price};
use super::progress::Meter;
use super::{COULD_NOT_RUN, interrupted};
use crate::cli::Context;
use crate::cli::say::say;
use crate::config::Secret;
use crate::evals::{
    ALWAYS_LOCAL, ALWAYS_REMOTE, Endpoint, Gateway, GatewaySubject, Http, Recording, RecordingEnd, ServedBy,
    Suite, Tier, record,
};

/// Which tier is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Which {
    /// The local model
    Local,
    /// The remote model, really asked; this costs money
    Remote,
    /// The expected answer; it stands in the suite and needs no recording
    Gold,
}

#[derive(clap::Args)]
pub(super) struct RecordArgs {
    /// The golden set's folder, with suite.toml and suite.jsonl
    suite: PathBuf,
    /// Whom to ask; repeatable
    #[arg(long, value_enum, default_value = "local")]
    tier: Vec<Which>,
    /// The file of answers; what it holds already is not asked again [default: evals/answers/SUITE.jsonl]
    #[arg(long)]
    out: Option<PathBuf>,
    /// Ask a running gateway, or any OpenAI-compatible server, up to and including /v1
    #[arg(long)]
    base_url: Option<String>,
    /// The model to ask there, where it is not a Crossover gateway
    #[arg(long, requires = "base_url")]
    model: Option<String>,
    /// Name of the environment variable that holds the key for it
    #[arg(long, requires = "base_url")]
    api_key_env: Option<String>,
    /// Record only so many rows, spread over the set
    #[arg(long)]
    limit: Option<NonZeroUsize>,
    /// Answers under way at once; more than one makes answers wait for each other
    #[arg(long, default_value = "1")]
    concurrency: NonZeroUsize,
}

pub(super) fn run(args: &RecordArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let mut suite = Suite::read(&args.suite)?;
    if let Some(limit) = args.limit {
        suite.limit(limit.get());
    }
    if args.tier.contains(&Which::Gold) {
        say("gold-oracle needs no recording: the expected answers stand in the suite\n")?;
    }
    let file =
        args.out.clone().unwrap_or_else(|| PathBuf::from(format!("evals/answers/{}.jsonl", suite.name)));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let end = runtime.block_on(async {
        let tiers = tiers(args, context, &suite).await?;
        if tiers.is_empty() {
            return anyhow::Ok(None);
        }
        let mut meter = Meter::new(suite.samples.len() * tiers.len(), "answers");
        let recording =
            Recording { suite: &suite, tiers: &tiers, file: &file, concurrency: args.concurrency };
        let end = record(&recording, |progress| meter.tell(progress), interrupted()).await;
        meter.end();
        Ok(Some(end?))
    })?;
    match end {
        None => Ok(ExitCode::SUCCESS),
        Some(end) => said(&end, &file),
    }
}

fn said(end: &RecordingEnd, file: &Path) -> anyhow::Result<ExitCode> {
    let RecordingEnd { kept, asked, of, failed } = end;
    say(&format!("{}: {asked} answers added to {kept}, of {of}\n", file.display()))?;
    for (why, times) in failed {
        eprintln!("{times} x {why}");
    }
    if end.is_whole() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("not whole: the same command goes on from here");
    Ok(ExitCode::from(COULD_NOT_RUN))
}

async fn tiers(args: &RecordArgs, context: &Context, suite: &Suite) -> anyhow::Result<Vec<Tier>> {
    let mut asked: Vec<Which> = args.tier.iter().copied().filter(|tier| *tier != Which::Gold).collect();
    asked.dedup();
    match &args.base_url {
        _ if asked.is_empty() => Ok(vec![]),
        Some(base_url) => over_http(args, base_url, context, suite, &asked).await,
        None => in_process(context, suite, &asked),
    }
}

fn in_process(context: &Context, suite: &Suite, asked: &[Which]) -> anyhow::Result<Vec<Tier>> {
    let gateway: Arc<dyn Gateway> = open_tiers(context)?.into();
    let facts = gateway.facts();
    let tier = |which: &Which| match which {
        Which::Remote => Tier {
            subject: Arc::new(GatewaySubject::always_remote(gateway.clone(), suite.max_tokens)),
            model: None,
            model_hash: None,
        },
        Which::Local | Which::Gold => Tier {
            subject: Arc::new(GatewaySubject::always_local(gateway.clone(), suite.max_tokens)),
            model: None,
            model_hash: facts.local_model.clone(),
        },
    };
    Ok(asked.iter().map(tier).collect())
}

async fn over_http(
    args: &RecordArgs,
    base_url: &str,
    context: &Context,
    suite: &Suite,
    asked: &[Which],
) -> anyhow::Result<Vec<Tier>> {
    let endpoint = Endpoint::new(base_url, key(args.api_key_env.as_deref())?.as_ref())?;
    let crossover = endpoint.is_crossover().await?;
    let model = match (&args.model, crossover) {
        (Some(_), true) => bail!("a Crossover gateway has its own two tiers: leave --model out"),
        (None, false) => bail!("this is not a Crossover gateway: name a model with --model"),
        (None, true) => None,
        (Some(_), false) if asked.len() > 1 => {
            bail!("one model is one tier: record the other one on its own")
        }
        (Some(model), false) => Some(model),
    };
    let price = remote_price(context)?;
    let mut tiers = vec![];
    for which in asked {
        let endpoint = endpoint.clone();
        let subject = match (which, model) {
            (Which::Remote, None) => Http::always_remote(endpoint, suite.max_tokens).priced(price.clone()),
            (_, None) => Http::always_local(endpoint, suite.max_tokens),
            (which, Some(model)) => {
                let (name, tier) = match which {
                    Which::Remote => (ALWAYS_REMOTE, ServedBy::Remote),
                    Which::Local | Which::Gold => (ALWAYS_LOCAL, ServedBy::Local),
                };
                let price = price.clone().filter(|price| price.model == *model);
                Http::new(endpoint, name, model, suite.max_tokens).priced(price).standing_for(tier)
            }
        };
        tiers.push(Tier { subject: Arc::new(subject), model: model.cloned(), model_hash: None });
    }
    Ok(tiers)
}

/// The key that the named variable holds.
pub(super) fn key(variable: Option<&str>) -> anyhow::Result<Option<Secret>> {
    let read = |name| Secret::from_env(name).with_context(|| format!("the variable {name} holds no key"));
    variable.map(read).transpose()
}
