//! `crossover route`: explains where a prompt would go, without a server and without calling anyone.
//! Both backends are taken as present and ready, so that the answer depends on the request and the policy alone.

mod jsonl;
mod request;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use serde::Serialize;

use super::Context;
use super::say::say;
use crate::app::held_to_golden;
use crate::chat::{BackendId, BoundaryBackendId, ChatRequest, Needs};
use crate::config::{Config, ConfigError, Paths, model_root};
use crate::ledger::{Estimate, Prices, estimate};
use crate::metrics::Metrics;
use crate::routing::{self, Explanation, LOCAL, Presence, Question, REMOTE, Router, Seat, View};

/// Context of a local model whose folder does not say.
const DEFAULT_CONTEXT: u32 = 1024;

/// Arguments of `crossover route`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The prompt to explain
    #[arg(required_unless_present = "jsonl", conflicts_with = "jsonl")]
    prompt: Option<String>,
    /// Decide every line of a file ({"id","prompt"} or {"id","messages"}) and write one JSON line each, in order
    #[arg(long, value_name = "FILE")]
    jsonl: Option<PathBuf>,
    /// The policy in charge [default: the configured one]
    #[arg(long)]
    policy: Option<String>,
    /// A tag of the request, as in the header x-crossover-tags; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Print the explanation as JSON
    #[arg(long, conflicts_with = "jsonl")]
    json: bool,
}

/// An explanation with what it would cost.
#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    explanation: Explanation,
    /// What following it would cost, for each target.
    cost_estimates: Vec<Estimate>,
}

/// Everything that decides: the same for one prompt and for a file of them.
struct Desk {
    router: Router,
    policy: String,
    view: View,
    prices: Prices,
    config: Config,
}

impl Desk {
    fn explain(&self, request: &ChatRequest) -> Explanation {
        let control = request.controls.route;
        let question = Question { request, policy: &self.policy, control, view: &self.view };
        self.router.explain_patiently(&question)
    }

    /// What following it would cost, with the models that answer when the caller names none.
    fn costs(&self, explanation: &Explanation) -> Vec<Estimate> {
        let Config { local, remote, .. } = &self.config;
        let model_of = |target: &BackendId| match target.as_str() {
            LOCAL => local.model.as_str(),
            _ => remote.model.as_str(),
        };
        estimate(&self.prices, local, model_of, explanation)
    }
}

pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let (config, paths) = context.load()?;
    let metrics = Arc::new(Metrics::new()?);
    let router = routing::open(&config, &paths, metrics).map_err(|problems| ConfigError { problems })?;
    let router = held_to_golden(router);
    let policy = args.policy.clone().unwrap_or_else(|| config.policy.clone());
    if router.policy(&policy).is_none() {
        let known: Vec<&str> = router.policies().collect();
        bail!("there is no policy `{policy}`; known: {}", known.join(", "));
    }
    let prices =
        Prices::load(config.ledger.prices.as_deref()).map_err(|problems| ConfigError { problems })?;
    let desk = Desk { router, policy, view: assumed_view(&config, &paths), prices, config };
    match (&args.jsonl, &args.prompt) {
        (Some(file), _) => {
            let input =
                std::fs::File::open(file).with_context(|| format!("{} cannot be read", file.display()))?;
            jsonl::run(input, &mut std::io::stdout().lock(), |mut request| {
                request.controls.tags.clone_from(&args.tags);
                desk.explain(&request)
            })
        }
        (None, prompt) => {
            let mut request =
                request::of_prompt(prompt.as_deref().unwrap_or_default()).map_err(anyhow::Error::msg)?;
            request.controls.tags.clone_from(&args.tags);
            one(&desk, &request, args.json)
        }
    }
}

fn one(desk: &Desk, request: &ChatRequest, json: bool) -> anyhow::Result<ExitCode> {
    let explanation = desk.explain(request);
    let told = Told { cost_estimates: desk.costs(&explanation), explanation };
    if json {
        say(&format!("{}\n", serde_json::to_string_pretty(&told)?))?;
    } else {
        say(&table::of(&told.explanation, &told.cost_estimates))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Both backends as configured, present and ready.
fn assumed_view(config: &Config, paths: &Paths) -> View {
    let all = Needs::ALL;
    let seat = |name: &str, within_boundary, context_tokens, can| {
        let id = BackendId::new(name);
        let boundary = BoundaryBackendId::declare(&id, within_boundary);
        Seat { id, boundary, presence: Presence::Ready, context_tokens, can, queued: 0 }
    };
    let local = seat(LOCAL, true, local_context(config, paths), Needs::default());
    let remote = seat(REMOTE, config.remote.within_boundary, config.remote.context_tokens, all);
    View { seats: vec![local, remote] }
}

/// The context that the local model's folder declares.
fn local_context(config: &Config, paths: &Paths) -> u32 {
    let model = paths.model(&config.local.model);
    let folder = model_root(&model).map_or(model.as_path(), |(folder, _)| folder);
    let read = |file: &str, pointer: &str| {
        let text = std::fs::read(folder.join(file)).ok()?;
        let value: serde_json::Value = serde_json::from_slice(&text).ok()?;
        value.pointer(pointer)?.as_u64().and_then(|tokens| u32::try_from(tokens).ok())
    };
    read("genai_config.json", "/model/context_length")
        .or_else(|| read("config.json", "/max_position_embeddings"))
        .unwrap_or(DEFAULT_CONTEXT)
}

#[cfg(test)]
mod tests;
