//! The house as `serve` would build it: policies with their tests, classifier, local model, remote. The local model
//! writes a few tokens; the remote is never called.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::StreamExt;

use super::{Finding, calibration};
use crate::app::{House, Store};
use crate::backends::{Backend, Call, Readiness};
use crate::chat::{ChatRequest, Event, Usage};
use crate::config::{Config, Paths, RemoteConfig, Secret};
use crate::dialects::openai_chat::parse_request;
use crate::ledger;
use crate::routing::LOCAL;

/// What the local model and the classifier are tried with.
const TRIAL: &str = r#"{"model":"auto","max_tokens":16,"temperature":0,"stream":true,"messages":[{"role":"user","content":"Classify the message as greeting or question. Message: hello there"}]}"#;
/// Longest that the trial may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Builds and tries the house.
pub(super) fn examine(config: Config, paths: &Paths) -> anyhow::Result<Vec<Finding>> {
    let began = Instant::now();
    let remote = config.remote.clone();
    let classified = config.classifier.enabled;
    let file = ledger::file(&config.ledger, &paths.state);
    let house = match House::open(config, paths, Store::Memory) {
        Ok(house) => house,
        Err(error) => return Ok(Finding::problems("gateway", &error.problems)),
    };
    let mut findings =
        vec![Finding::good("gateway", format!("can be built, in {} ms", began.elapsed().as_millis()))];
    let policies: Vec<String> = house.pipeline.policy_hashes().map(|(name, _)| name).collect();
    let in_charge = &house.config.policy;
    findings.push(Finding::good(
        "policies",
        format!("{}; their tests pass; `{in_charge}` is in charge", policies.join(", ")),
    ));
    let request = parse_request(TRIAL.into()).context("the trial request")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if classified {
        findings.push(runtime.block_on(classify(&house, &request)));
        findings.extend(calibration::examine(&house.calibration, &file));
    }
    for backend in house.pipeline.backends() {
        findings.push(if backend.profile().id.as_str() == LOCAL {
            runtime.block_on(generate(backend.as_ref(), &request))
        } else {
            remote_finding(backend.as_ref(), &remote)
        });
    }
    Ok(findings)
}

/// One decision, under the configured deadline.
async fn classify(house: &House, request: &ChatRequest) -> Finding {
    let Ok((told, _)) = house.pipeline.explain(request).await else {
        return Finding::bad("classifier", "a trial request could not be decided");
    };
    match (told.verdict, told.no_verdict) {
        (Some(verdict), _) => {
            let text = format!(
                "answers in {:.1} ms (score {:.2})",
                told.decided_in_us as f64 / 1e3,
                verdict.local_ok
            );
            Finding::good("classifier", text)
        }
        (None, why) => {
            let why = why.unwrap_or_else(|| "no verdict".to_owned());
            let mend = "is the machine busy? `classifier.deadline-ms` sets the deadline";
            Finding::note("classifier", format!("{why}: policies decide by `when-unknown` then; {mend}"))
        }
    }
}

/// Tokens that tell a speed: fewer may come all at once.
const ENOUGH: u64 = 8;

/// A few tokens from the local model.
async fn generate(backend: &dyn Backend, request: &ChatRequest) -> Finding {
    let model = backend.profile().model.clone();
    let call = Call::new(Arc::new(request.clone()), &model, PATIENCE);
    match tokio::time::timeout(PATIENCE, tokens(backend, call)).await {
        Err(_) => {
            Finding::bad("local answers", format!("{model}: no answer within {} s", PATIENCE.as_secs()))
        }
        Ok(Err(why)) => Finding::bad("local answers", why),
        Ok(Ok((usage, first, rest))) => {
            let more = usage.completion.saturating_sub(1);
            let speed = more as f64 / rest.as_secs_f64().max(1e-6);
            let text =
                format!("{model}: first of {} token(s) after {} ms", usage.completion, first.as_millis());
            Finding::good(
                "local answers",
                if more >= ENOUGH { format!("{text}, then {speed:.0} tokens/s") } else { text },
            )
        }
    }
}

/// Usage, the time to the first content, and the time from there to the end.
async fn tokens(backend: &dyn Backend, call: Call) -> Result<(Usage, Duration, Duration), String> {
    let began = Instant::now();
    let (mut first, mut usage) = (None, Usage::default());
    let mut chunks = backend.answer(call);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| error.to_string())?;
        if chunk.commits() {
            first.get_or_insert_with(|| began.elapsed());
        }
        for event in chunk.events {
            if let Event::Usage(told) = event {
                usage = told;
            }
        }
    }
    let all = began.elapsed();
    let first = first.unwrap_or(all);
    Ok((usage, first, all - first))
}

/// Whether the remote is set up; its key is looked for and never shown.
fn remote_finding(backend: &dyn Backend, config: &RemoteConfig) -> Finding {
    let model = &backend.profile().model;
    match backend.readiness() {
        Readiness::Down { why, .. } => Finding::note("remote", format!("{model}: not ready: {why}")),
        Readiness::Ready | Readiness::Busy { .. } => {
            let variable = &config.api_key_env;
            match Secret::from_env(variable) {
                Some(_) => Finding::good("remote", format!("{model}: set up, not called; {variable} is set")),
                None => Finding::note(
                    "remote",
                    format!("{model}: set up, not called; without a key, {variable} is not set"),
                ),
            }
        }
    }
}
